//! The only way to write a status.
//!
//! A [`Transition`] can be made by a state machine alone, and is consumed by a compare-and-set: the row must still have the status, and the
//! version, that the decision was made on. Who loses gets [`Conflict`](crate::store::Error::Conflict) when the transaction sends it, and its
//! operation is run again from the beginning.

use std::fmt;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryTrait, Value, sea_query::Expr};

use super::error::{Error, Refusal, wrong_state};
use crate::store::Tx;

/// A kind of record whose status obeys a machine.
pub trait Machine: EntityTrait {
    type Id: Into<Value> + Copy + fmt::Display;
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
        let (key, status, versioned) = M::columns();
        let mut update = M::update_many().set(changes).col_expr(status, Expr::value(self.to));
        update = update.filter(key.eq(id)).filter(status.eq(self.from));
        if let Some(column) = versioned {
            update = update.col_expr(column, Expr::value(version + 1)).filter(column.eq(version));
        }
        tx.change(id.to_string(), update.into_query()).await?;
        Ok(Change { from: self.from, to: self.to })
    }
}
