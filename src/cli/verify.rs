//! `claimcheck verify`: proves the invariants over the whole database, and names each row that breaks one.

use super::{Failure, print, progress};
use crate::{config::Config, domain::verify::CHECKS, service::open_database};

/// Breaches of one check that are written out; the rest is counted.
const SHOWN: usize = 100;

pub async fn run(config: &Config) -> Result<(), Failure> {
    let db = open_database(config).await?;
    let bar = progress::steps(CHECKS.len());
    let mut broken = 0;
    for check in CHECKS {
        bar.set_message(check.holds);
        let breaches = check.run(&db).await?;
        for breach in breaches.iter().take(SHOWN) {
            bar.suspend(|| print(&format!("{}: {} (not so: {})", breach.record, breach.detail, check.holds)))?;
        }
        if let Some(more) = breaches.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            bar.suspend(|| print(&format!("and {more} more (not so: {})", check.holds)))?;
        }
        broken += breaches.len();
        bar.inc(1);
    }
    bar.finish_and_clear();
    db.close().await;
    match broken {
        0 => print(&format!("{} invariants hold", CHECKS.len())),
        1 => Err(Failure::Refused("1 row breaks an invariant".to_owned())),
        _ => Err(Failure::Refused(format!("{broken} rows break an invariant"))),
    }
}
