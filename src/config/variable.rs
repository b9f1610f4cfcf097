//! The variables: what each is set to, and what was asked for, so that whoever wants to see the settings is shown all that are read.

use std::{
    cell::RefCell,
    fmt::{self, Display},
    ops::RangeInclusive,
    str::FromStr,
};

use super::ConfigError;

/// Where values come from: the environment, or a test.
type Source<'a> = dyn Fn(&'static str) -> Result<Option<String>, ConfigError> + 'a;

/// A variable that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub variable: &'static str,
    /// What it is set to; none: the default counts.
    pub value: Option<String>,
    /// What counts where it is not set; empty: nothing.
    pub default: String,
    pub shown: Shown,
}

/// How much of a value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    All,
    /// An address, which may have a password in it: all but that.
    Address,
    Nothing,
}

/// The variables of a process.
pub struct Variables<'a> {
    source: &'a Source<'a>,
    asked: RefCell<Vec<Setting>>,
}

impl<'a> Variables<'a> {
    pub fn new(source: &'a Source<'a>) -> Self {
        Self { source, asked: RefCell::default() }
    }

    /// All that was asked for, in that order.
    pub fn asked(self) -> Vec<Setting> {
        self.asked.into_inner()
    }

    /// A value, and what counts without one, in words.
    pub fn text(&self, variable: &'static str, default: impl Display) -> Result<Option<String>, ConfigError> {
        self.ask(variable, default, Shown::All)
    }

    /// A value that is an address: of a database or a service, perhaps with a password in it.
    pub fn address(&self, variable: &'static str, default: impl Display) -> Result<Option<String>, ConfigError> {
        self.ask(variable, default, Shown::Address)
    }

    /// A secret, which has no default.
    pub fn secret(&self, variable: &'static str) -> Result<Option<String>, ConfigError> {
        self.ask(variable, "", Shown::Nothing)
    }

    fn ask(&self, variable: &'static str, default: impl Display, shown: Shown) -> Result<Option<String>, ConfigError> {
        let value = (self.source)(variable)?;
        let setting = Setting { variable, value: value.clone(), default: default.to_string(), shown };
        self.asked.borrow_mut().push(setting);
        Ok(value)
    }

    /// A value of a type that says itself what is one.
    pub fn parsed<T: FromStr + Display>(
        &self,
        variable: &'static str,
        form: &str,
        default: T,
    ) -> Result<T, ConfigError> {
        let Some(text) = self.text(variable, &default)? else { return Ok(default) };
        text.parse().map_err(|_| malformed(variable, form))
    }

    /// The same of one that may be left out.
    pub fn optional<T: FromStr>(&self, variable: &'static str, form: &str) -> Result<Option<T>, ConfigError> {
        let text = self.text(variable, "")?;
        text.map(|text| text.parse().map_err(|_| malformed(variable, form))).transpose()
    }

    pub fn number<T>(&self, variable: &'static str, range: RangeInclusive<T>, default: T) -> Result<T, ConfigError>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let form = format!("a whole number from {} to {}", range.start(), range.end());
        let value = self.parsed(variable, &form, default)?;
        if range.contains(&value) { Ok(value) } else { Err(malformed(variable, &form)) }
    }

    pub fn switch(&self, variable: &'static str, default: bool) -> Result<bool, ConfigError> {
        match self.text(variable, if default { "on" } else { "off" })?.as_deref() {
            None => Ok(default),
            Some("on") => Ok(true),
            Some("off") => Ok(false),
            Some(_) => Err(malformed(variable, "on or off")),
        }
    }
}

/// A variable whose value is not what it must be.
pub fn malformed(variable: &'static str, form: &str) -> ConfigError {
    ConfigError::Malformed { variable, form: form.to_owned() }
}
