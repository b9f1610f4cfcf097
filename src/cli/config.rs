//! `claimcheck config`: every setting as this process has it, and where it is from. Nothing is opened, and no password shown.

use super::{Failure, print_table};
use crate::{
    config::{Config, Setting, Shown},
    store,
};

pub fn run() -> Result<(), Failure> {
    let header = ["VARIABLE", "VALUE", "FROM"].map(str::to_owned);
    let rows = Config::settings()?.into_iter().map(row);
    print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn row(setting: Setting) -> [String; 3] {
    let Setting { variable, value, default, shown } = setting;
    let from = if value.is_some() { "environment" } else { "default" };
    let value = value.unwrap_or(default);
    let shown = match shown {
        Shown::Nothing if !value.is_empty() => "(a secret)".to_owned(),
        Shown::Address => store::shown(&value),
        Shown::All | Shown::Nothing => value.replace(char::is_control, " "),
    };
    let shown = if shown.is_empty() { "-".to_owned() } else { shown };
    [variable.to_owned(), shown, from.to_owned()]
}
