//! Which partner is below which, as far as a filter asks.
//!
//! Filters are asked in memory and for as long as somebody listens, while partners are added and moved. What a filter needs to know is read
//! when it is made; what changes is read by the tail, before it shows anybody what follows the change.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use sea_orm::{FromQueryResult, Statement, Value};

use crate::{
    id::PartnerId,
    store::{Db, Error},
};

/// Partners and those they are directly below of. Clones know the same.
#[derive(Debug, Clone, Default)]
pub struct Kin(Arc<RwLock<Known>>);

type Parents = HashMap<PartnerId, Option<PartnerId>>;

#[derive(Debug, Default)]
struct Known {
    parents: Parents,
    /// How often something has changed, as far as the tail has read.
    changes: u64,
}

#[derive(FromQueryResult)]
struct Child {
    id: PartnerId,
    parent_id: Option<PartnerId>,
}

impl Kin {
    /// Looks up where a partner is, and all below it.
    pub async fn learn(&self, db: &Db, partner: PartnerId) -> Result<(), Error> {
        loop {
            let before = self.known().changes;
            let children = below(db, &[partner]).await?;
            let mut known = self.known_to_write();
            // What the tail has read meanwhile is newer.
            if known.changes == before {
                known.parents.extend(children);
                return Ok(());
            }
        }
    }

    /// The same of partners that have changed; for the tail, which waits for nobody.
    pub async fn learn_again(&self, db: &Db, partners: &[PartnerId]) -> Result<(), Error> {
        if !partners.is_empty() {
            let children = below(db, partners).await?;
            let mut known = self.known_to_write();
            known.parents.extend(children);
            known.changes += 1;
        }
        Ok(())
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_to_write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a partner is `above`, or below that one.
    pub fn is_within(&self, partner: PartnerId, above: PartnerId) -> bool {
        let known = &self.known().parents;
        let mut next = Some(partner);
        // No longer than there are partners: two moves that are learnt one after the other may seem to be a circle in between.
        for _ in 0..=known.len() {
            match next {
                Some(partner) if partner == above => return true,
                Some(partner) => next = known.get(&partner).copied().flatten(),
                None => return false,
            }
        }
        false
    }
}

/// Partners and all below them, each with the one above it.
async fn below(db: &Db, partners: &[PartnerId]) -> Result<Parents, Error> {
    let places = (1..=partners.len()).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "WITH RECURSIVE below (id, parent_id) AS (SELECT id, parent_id FROM partners WHERE id IN ({places}) \
         UNION SELECT p.id, p.parent_id FROM partners p JOIN below b ON p.parent_id = b.id) \
         SELECT id, parent_id FROM below"
    );
    let values = partners.iter().map(|partner| Value::from(*partner));
    let statement = Statement::from_sql_and_values(db.backend(), sql, values);
    let children = Child::find_by_statement(statement).all(db.reader()).await?;
    Ok(children.into_iter().map(|child| (child.id, child.parent_id)).collect())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn partner(number: u128) -> PartnerId {
        PartnerId(Uuid::from_u128(number))
    }

    #[test]
    fn a_partner_is_within_itself_and_all_above_it_as_they_are_now() {
        let kin = Kin::default();
        assert!(kin.is_within(partner(1), partner(1)) && !kin.is_within(partner(2), partner(1)));
        kin.known_to_write().parents.extend([
            (partner(1), None),
            (partner(2), Some(partner(1))),
            (partner(3), Some(partner(2))),
        ]);
        assert!(kin.is_within(partner(3), partner(1)) && !kin.is_within(partner(1), partner(3)));
        kin.known_to_write().parents.extend([(partner(2), None)]);
        assert!(!kin.is_within(partner(3), partner(1)) && kin.is_within(partner(3), partner(2)));
        kin.known_to_write().parents.extend([(partner(2), Some(partner(3)))]);
        assert!(!kin.is_within(partner(3), partner(1)), "a circle has an end");
    }
}
