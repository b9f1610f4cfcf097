//! Giving units to many accounts at once, all or none.

use std::collections::BTreeMap;

use sea_orm::{DbBackend, FromQueryResult, sea_query::LockType};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Actor, Error, Operation, Refusal,
        account::{Named, Reference},
        error::{invalid, not_found},
    },
    By, Claim,
    assign::assign_to,
    within_limit,
};
use crate::{
    entity::{
        account,
        kind::RefusalCode,
        order_line,
        scope::{Scoped, among},
    },
    id::{AccountId, AssignmentId, ChannelId, EntitlementId, OrderLineId, ProductId},
    store::{self, Tx},
};

/// Accounts one request may name.
const MOST: usize = 1_000;

/// Where the units come from.
#[derive(Debug, Clone, Copy)]
pub enum From {
    Line(OrderLineId),
    /// The oldest units of a product that a channel has sold.
    Stock(ChannelId, ProductId),
}

/// What is asked for: one unit an account.
#[derive(Debug, Clone)]
pub struct AssignMany {
    pub from: From,
    pub accounts: Vec<Reference>,
}

/// What came of it, in the order of the accounts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AssignedMany {
    pub assignment_ids: Vec<AssignmentId>,
}

#[derive(FromQueryResult)]
struct Free {
    id: EntitlementId,
}

/// Assigns units that nobody has or holds, oldest first.
pub async fn assign_many(tx: &mut Tx, actor: &Actor, command: &AssignMany) -> Result<AssignedMany, Error> {
    actor.may(Operation::AssignEntitlements)?;
    let wanted = command.accounts.len();
    if wanted == 0 {
        return Err(invalid("name at least one account").at(["accounts"]).into());
    }
    if wanted > MOST {
        let message = format!("one request assigns to at most {MOST} accounts: send several");
        return Err(Refusal::new(RefusalCode::LimitExceeded, message).at(["accounts"]).into());
    }

    visible(tx, actor, command.from).await?;
    let accounts = resolve(tx, actor, &command.accounts).await?;
    lock(tx, &accounts).await?;
    let units = free(tx, command.from, wanted).await?;
    if units.len() < wanted {
        let message =
            format!("{wanted} units are wanted and {} are free: name fewer accounts, or buy more", units.len());
        return Err(Refusal::new(RefusalCode::InsufficientAvailable, message).at(["accounts"]).into());
    }
    let nobody = Named::nobody();
    let mut claims = Claim::load_all(tx, actor, By::Units(units), &nobody).await?;

    limits(tx, &claims, &accounts).await?;

    let mut assignment_ids = Vec::with_capacity(wanted);
    for (claim, account) in claims.iter_mut().zip(&accounts) {
        assignment_ids.push(assign_to(tx, claim, account, None, None).await?);
    }
    if assignment_ids.len() < wanted {
        return Err(store::Error::Conflict("entitlements".to_owned()).into());
    }
    Ok(AssignedMany { assignment_ids })
}

/// Locks the accounts, in the order of their ids: accounts come before units everywhere, or two requests could wait for each other.
async fn lock(tx: &Tx, accounts: &[account::Model]) -> Result<(), Error> {
    use sea_orm::{EntityTrait, QueryFilter, QueryOrder, QuerySelect};
    let ids: Vec<AccountId> = accounts.iter().map(|account| account.id).collect();
    let rows = account::Entity::find().filter(among(account::Column::Id, &ids)).order_by_asc(account::Column::Id);
    rows.lock(LockType::NoKeyUpdate).all(tx.connection().await?).await?;
    Ok(())
}

/// Refuses what would give an account more than the terms allow that its units were sold under. Accounts are locked in one order, whatever
/// order they were named in.
async fn limits(tx: &Tx, claims: &[Claim], accounts: &[account::Model]) -> Result<(), Error> {
    let mut more: BTreeMap<AccountId, i64> = BTreeMap::new();
    for account in accounts {
        *more.entry(account.id).or_default() += 1;
    }
    let mut given: Vec<(&Claim, &account::Model)> = claims.iter().zip(accounts).collect();
    given.sort_by_key(|(claim, account)| (account.id, claim.policy.id));
    given.dedup_by_key(|(claim, account)| (account.id, claim.policy.id));
    for (claim, account) in given {
        let units = more.get(&account.id).copied().unwrap_or(1);
        within_limit(tx, &claim.policy, claim.unit.product_id, account, units).await?;
    }
    Ok(())
}

/// Refuses a line or channel that the caller does not sell.
async fn visible(tx: &Tx, actor: &Actor, from: From) -> Result<(), Error> {
    use crate::entity::channel;
    use sea_orm::{ColumnTrait, QueryFilter};
    match from {
        From::Line(line) => {
            let found = order_line::Entity::visible(&actor.scope).filter(order_line::COLUMN.id.eq(line));
            match found.one(tx.connection().await?).await? {
                Some(_) => Ok(()),
                None => Err(not_found("order line").at(["orderLineId"]).into()),
            }
        }
        From::Stock(channel, _) => {
            let found = channel::Entity::visible(&actor.scope).filter(channel::COLUMN.id.eq(channel));
            match found.one(tx.connection().await?).await? {
                Some(_) => Ok(()),
                None => Err(not_found("channel").at(["channelId"]).into()),
            }
        }
    }
}

/// The accounts in the order in which they were named; made, and so locked, in the order of their references.
async fn resolve(tx: &Tx, actor: &Actor, named: &[Reference]) -> Result<Vec<account::Model>, Error> {
    let mut order: Vec<usize> = (0..named.len()).collect();
    order.sort_by_key(|place| named.get(*place).map(|reference| reference.external_reference.clone()));
    let mut found: BTreeMap<usize, account::Model> = BTreeMap::new();
    for place in order {
        let reference = named.get(place);
        let at = |error: Error| {
            error.refusing(|refusal| {
                let part = refusal.field.last().cloned().unwrap_or_default();
                refusal.at(["accounts".to_owned(), place.to_string(), part])
            })
        };
        let account = Named::by(actor, reference).map_err(at)?.resolve(tx, actor, None).await.map_err(at)?;
        found.insert(place, account);
    }
    Ok(found.into_values().collect())
}

/// Units that nobody has or holds. On PostgreSQL units that somebody else is about to take are passed over, so that two requests at once
/// get different ones; whoever misses one all the same loses its compare-and-set and is run again.
async fn free(tx: &Tx, from: From, wanted: usize) -> Result<Vec<EntitlementId>, Error> {
    let mut values = vec![tx.now().into()];
    let source = match from {
        From::Line(line) => {
            values.push(line.into());
            "order_line_id = $2"
        }
        From::Stock(channel, product) => {
            values.extend([channel.into(), product.into()]);
            "channel_id = $2 AND product_id = $3"
        }
    };
    let lock = if tx.backend() == DbBackend::Postgres { "FOR NO KEY UPDATE SKIP LOCKED" } else { "" };
    let sql = format!(
        "SELECT id FROM entitlements WHERE {source} AND status = 'UNASSIGNED' \
         AND (expires_at IS NULL OR expires_at > $1) ORDER BY id LIMIT {wanted} {lock}"
    );
    let free: Vec<Free> = tx.query(&sql, values).await?;
    Ok(free.into_iter().map(|free| free.id).collect())
}
