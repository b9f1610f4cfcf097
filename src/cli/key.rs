//! `claimcheck key`: makes, lists and ends API keys from the shell; how the first key of a service comes to be.
//!
//! The secret of a new key is the only thing that `create` prints, so that a script can take it as it is. It cannot be shown again.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum};
use sea_orm::QueryOrder;

use super::{Failure, print, print_table};
use crate::{
    config::Config,
    domain::{
        Actor,
        access::{self, Secret},
        once,
    },
    entity::{
        api_key::{Column, Entity, Model},
        kind,
        scope::{Scope, Scoped},
    },
    id::{ApiKeyId, PartnerId},
    service::{finish, open_database},
    store::Db,
};

#[derive(Subcommand)]
pub enum Action {
    /// Make a key and print its secret, which is shown this once
    Create(Create),
    /// List the keys
    List,
    /// End a key
    Revoke {
        /// The key's id, as `list` shows it
        #[arg(value_parser = key_id)]
        id: ApiKeyId,
    },
}

#[derive(Args)]
pub struct Create {
    /// What the key is for
    #[arg(long)]
    name: String,
    /// What the key may do
    #[arg(long)]
    role: Role,
    /// The partner it acts for: needed by `partner`, possible for `provisioner` and `customer`
    #[arg(long, value_name = "ID", value_parser = partner_id)]
    partner: Option<PartnerId>,
    /// The reference of the account it is for: needed by `customer`
    #[arg(long, value_name = "REF")]
    account: Option<String>,
    /// When it ends: an RFC 3339 time, a date, or how long it lasts, like 90d or 12h
    #[arg(long, value_name = "WHEN", value_parser = end)]
    expires: Option<End>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    Admin,
    Support,
    Partner,
    Provisioner,
    Customer,
}

/// When a key ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    At(DateTime<Utc>),
    After(TimeDelta),
}

pub async fn run(config: &Config, action: Action) -> Result<(), Failure> {
    let db = open_database(config).await?;
    match action {
        Action::Create(arguments) => {
            let secret = create(&db, arguments).await?;
            print(secret.reveal())?;
        }
        Action::List => list(&db).await?,
        Action::Revoke { id } => revoke(&db, id).await?,
    }
    Ok(finish(&db).await?)
}

async fn create(db: &Db, arguments: Create) -> Result<Secret, Failure> {
    let secret = Secret::generate()?;
    let command = access::Create {
        name: arguments.name,
        role: match arguments.role {
            Role::Admin => kind::Role::Admin,
            Role::Support => kind::Role::Support,
            Role::Partner => kind::Role::Partner,
            Role::Provisioner => kind::Role::Provisioner,
            Role::Customer => kind::Role::Customer,
        },
        partner_id: arguments.partner,
        account_reference: arguments.account,
        expires_at: arguments.expires.map(|end| match end {
            End::At(moment) => moment,
            End::After(time) => db.clock().now() + time,
        }),
        secret: secret.clone(),
    };
    once(db, &Actor::system("key"), &command, access::create).await?;
    Ok(secret)
}

async fn revoke(db: &Db, id: ApiKeyId) -> Result<(), Failure> {
    once(db, &Actor::system("key"), &access::Revoke { api_key_id: id }, access::revoke).await?;
    Ok(())
}

async fn list(db: &Db) -> Result<(), Failure> {
    let keys = Entity::visible(&Scope::All).order_by_asc(Column::Id).all(db.reader()).await;
    let keys = keys.map_err(crate::store::Error::from)?;
    let header = ["ID", "ROLE", "OF", "ENDS", "LAST USED", "NAME"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(header).chain(keys.into_iter().map(|key| row(key, db.clock().now()))).collect();
    print_table(&rows)
}

fn row(key: Model, now: DateTime<Utc>) -> [String; 6] {
    let moment = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Secs, true);
    let of = match (key.account_id, key.partner_id) {
        (Some(account), _) => account.to_string(),
        (None, Some(partner)) => partner.to_string(),
        (None, None) => "-".to_owned(),
    };
    let ends = match (key.revoked_at, key.expires_at) {
        (Some(revoked), _) => format!("revoked {}", moment(revoked)),
        (None, Some(end)) if end <= now => format!("expired {}", moment(end)),
        (None, Some(end)) => moment(end),
        (None, None) => "-".to_owned(),
    };
    let used = key.last_used_at.map_or_else(|| "-".to_owned(), moment);
    [key.id.to_string(), key.role.to_string(), of, ends, used, key.name]
}

fn partner_id(text: &str) -> Result<PartnerId, String> {
    text.parse().map_err(|_| "a partner's id begins with prt_ and has 30 characters".to_owned())
}

fn key_id(text: &str) -> Result<ApiKeyId, String> {
    text.parse().map_err(|_| "a key's id begins with key_ and has 30 characters; `key list` shows it".to_owned())
}

fn end(text: &str) -> Result<End, String> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(End::At(moment.to_utc()));
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(End::At(date.and_time(NaiveTime::MIN).and_utc()));
    }
    let lasting = || {
        let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let count = count.parse::<u16>().ok()?;
        match unit {
            "d" => Some(TimeDelta::days(count.into())),
            "h" => Some(TimeDelta::hours(count.into())),
            _ => None,
        }
    };
    lasting().map(End::After).ok_or_else(|| "write it like 2027-01-31T12:00:00Z, 2027-01-31, 90d or 12h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_a_date_or_a_span() {
        let at = |text: &str| Ok(End::At(text.parse().unwrap()));
        assert_eq!(end("2027-01-31T12:00:00+02:00"), at("2027-01-31T10:00:00Z"));
        assert_eq!(end("2027-01-31"), at("2027-01-31T00:00:00Z"));
        assert_eq!(end("90d"), Ok(End::After(TimeDelta::days(90))));
        assert_eq!(end("12h"), Ok(End::After(TimeDelta::hours(12))));
        for bad in ["", "d", "-1d", "90", "1.5d", "tomorrow", "2027-13-01", "70000d", "9é"] {
            assert!(end(bad).is_err(), "{bad}");
        }
    }
}
