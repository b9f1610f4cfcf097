//! The only way to write a status.
//!
//! A [`Transition`] can be made by a state machine alone, and is consumed by a compare-and-set: the row must still have the status, and the
//! version, that the decision was made on. Who loses gets [`Conflict`](crate::store::Error::Conflict) when the transaction sends it, and its
//! operation is run again from the beginning.

use std::{collections::BTreeMap, fmt};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryTrait, UpdateMany, Value, sea_query::Expr};
use uuid::Uuid;

use super::error::{Error, Refusal, wrong_state};
use crate::{
    id::RecordId,
    store::{self, Tx, bulk},
};

/// A kind of record whose status obeys a machine.
pub trait Machine: EntityTrait {
    type Id: RecordId + Into<Value>;
    type Status: Into<Value> + Copy + Eq + fmt::Display;
    type Command: Copy;

    /// What a refusal calls it.
    const NAME: &'static str;

    /// The state that `command` leads to from `status`; none where the machine knows no such change.
    fn next(status: Self::Status, command: Self::Command) -> Option<Self::Status>;

    /// Its columns: id, status and, where it has one, version.
    fn columns() -> (Self::Column, Self::Column, Option<Self::Column>);
}

/// A change of status that the machine allows.
#[derive(Debug)]
#[must_use = "a transition is a decision until it is applied"]
pub struct Transition<M: Machine> {
    from: M::Status,
    to: M::Status,
}

/// A change of status that has been written, for the event that tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "every change belongs into the journal"]
pub struct Change<S> {
    pub from: S,
    pub to: S,
}

impl<M: Machine> Transition<M> {
    /// What `command` does to a record in `status`, or the refusal that names its present state.
    pub fn decide(status: M::Status, command: M::Command) -> Result<Self, Refusal> {
        let refusal = || wrong_state(M::NAME, status);
        M::next(status, command).map(|to| Self { from: status, to }).ok_or_else(refusal)
    }

    /// This change and then another, written as one.
    pub fn then(self, command: M::Command) -> Result<Self, Refusal> {
        let Transition { to, .. } = Self::decide(self.to, command)?;
        Ok(Self { from: self.from, to })
    }

    /// The state it leads to.
    pub fn to(&self) -> M::Status {
        self.to
    }

    /// Writes the status, the next version and `changes`, if the record still is what the decision was made on.
    pub async fn apply(
        self,
        tx: &Tx,
        id: M::Id,
        version: i32,
        changes: M::ActiveModel,
    ) -> Result<Change<M::Status>, Error> {
        let (key, ..) = M::columns();
        let update = self.update(version, changes).filter(key.eq(id));
        tx.change(id.to_string(), update.into_query()).await?;
        Ok(Change { from: self.from, to: self.to })
    }

    /// The same of many records, each by its id and version: set by set, whatever their number.
    pub async fn apply_all(
        self,
        tx: &Tx,
        records: impl IntoIterator<Item = (M::Id, i32)>,
        changes: M::ActiveModel,
    ) -> Result<Change<M::Status>, Error> {
        let mut versions: BTreeMap<i32, Vec<Uuid>> = BTreeMap::new();
        for (id, version) in records {
            versions.entry(version).or_default().push(id.uuid());
        }
        for (version, ids) in versions {
            let update = self.update(version, changes.clone()).into_query();
            if bulk::update(tx, &update, &ids).await? != u64::try_from(ids.len()).unwrap_or(u64::MAX) {
                return Err(store::Error::Conflict(format!("one of many: {}", M::NAME)).into());
            }
        }
        Ok(Change { from: self.from, to: self.to })
    }

    fn update(&self, version: i32, changes: M::ActiveModel) -> UpdateMany<M> {
        let (_, status, versioned) = M::columns();
        let update = M::update_many().set(changes).col_expr(status, Expr::value(self.to)).filter(status.eq(self.from));
        match versioned {
            Some(column) => update.col_expr(column, Expr::value(version + 1)).filter(column.eq(version)),
            None => update,
        }
    }
}
