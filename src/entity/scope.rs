//! Whose records a caller may see, and the rule for every table.
//!
//! A [`Scope`] comes from authentication alone. Each table turns it into one or more *arms*, conditions of which a visible row meets at
//! least one. They are kept apart because each can be read from an index of its own, while their disjunction could not.
//!
//! They are the only wall. PostgreSQL's row-level security behind it, told the caller by a setting of each transaction, left 0.44 of the
//! statements a second that an order's graph is read with.

use std::sync::Arc;

use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, IntoColumnRef, Query, SelectStatement, SimpleExpr, Value},
};

use crate::id::{AccountId, PartnerId};

/// What a caller may see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything: administration and support.
    All,
    /// What a partner and those below it sold, and what the accounts of their namespace hold.
    Partner { subtree: Arc<[PartnerId]>, namespace: PartnerId },
    /// Assignments of products that are provisioned outside, and what belongs to them; of a subtree's sales, or of all.
    Provisioner { subtree: Option<Arc<[PartnerId]>> },
    /// What one account bought or holds.
    Customer { account: AccountId, namespace: PartnerId },
}

impl Scope {
    /// Whether a sale of `partner` is this caller's to see as a seller.
    pub fn sells(&self, partner: PartnerId) -> bool {
        match self {
            Self::All => true,
            Self::Partner { subtree, .. } => subtree.contains(&partner),
            Self::Provisioner { .. } | Self::Customer { .. } => false,
        }
    }

    /// Whether a sale of `partner` to `buyer` is this caller's to see as its seller, or as who bought.
    pub fn traded(&self, partner: PartnerId, buyer: Option<AccountId>) -> bool {
        match self {
            Self::Customer { account, .. } => buyer == Some(*account),
            Self::All | Self::Partner { .. } | Self::Provisioner { .. } => self.sells(partner),
        }
    }

    /// Whether an account of the namespace `partner`, with this id, is the caller's to know.
    pub fn knows(&self, account: AccountId, partner: PartnerId) -> bool {
        match self {
            // A provisioner sees no assignment but those it may work on.
            Self::All | Self::Provisioner { .. } => true,
            Self::Partner { namespace, .. } => *namespace == partner,
            Self::Customer { account: own, .. } => *own == account,
        }
    }
}

/// What of a table a scope lets through.
pub enum Arms {
    /// All of it.
    All,
    /// Rows that meet at least one of these; none, where there are none.
    Any(Vec<SimpleExpr>),
}

impl Arms {
    /// The arms as one condition.
    pub fn condition(self) -> Condition {
        match self {
            Self::All => Condition::all(),
            Self::Any(arms) => {
                let none = if arms.is_empty() { Some(Expr::cust("1 = 0")) } else { None };
                arms.into_iter().chain(none).fold(Condition::any(), Condition::add)
            }
        }
    }
}

/// A table whose rows belong to somebody.
pub trait Scoped: EntityTrait {
    /// The arms of `scope` over this table.
    fn arms(scope: &Scope) -> Arms;

    /// The rows that `scope` may see: the only way to begin a query for a caller.
    fn visible(scope: &Scope) -> Select<Self> {
        Self::find().filter(Self::arms(scope).condition())
    }
}

/// The arms of a table whose rows are seen by whoever sees the row of `P` they point to: `child` is the column that points, `parent` the
/// one it points at.
pub fn through<P: Scoped>(scope: &Scope, parent: P::Column, child: impl ColumnTrait) -> Arms {
    match P::arms(scope) {
        Arms::All => Arms::All,
        arms @ Arms::Any(_) => {
            let row = P::find().select_only().expr(Expr::val(1)).filter(arms.condition());
            let column = child.as_column_ref();
            Arms::Any(vec![Expr::exists(row.filter(parent.into_expr().eq(Expr::col(column))).into_query())])
        }
    }
}

/// `column IN (values)`, the list padded to a power of two by its last value: a statement has a dozen texts instead of thousands, and
/// both engines keep their plans. No value matches no row.
pub fn among<V: Into<Value> + Clone>(column: impl IntoColumnRef, values: &[V]) -> SimpleExpr {
    let Some(last) = values.last() else { return Expr::cust("1 = 0") };
    // A list so long that its padding could be too much for a statement is rare enough to have a text of its own.
    let padded = if values.len() > 8_192 { values.len() } else { values.len().next_power_of_two() };
    let padding = padded - values.len();
    let list = values.iter().chain(std::iter::repeat_n(last, padding)).cloned().map(Into::into);
    Expr::col(column).is_in(list.collect::<Vec<Value>>())
}

/// States that a statement names in its text at the most.
const NAMED: usize = 3;

/// `column IN (states)`, the states as words in the text: a plan that is kept uses an index over the rows in some states only for a
/// statement that names them, and knows rare states from common ones. Longer lists are bound: there are too many of them for a text each.
pub fn in_state<S: ActiveEnum<Value = String>>(column: impl IntoColumnRef, states: &[S]) -> SimpleExpr {
    if states.len() > NAMED {
        return among(column, &states.iter().map(ActiveEnum::to_value).collect::<Vec<_>>());
    }
    Expr::col(column).is_in(states.iter().map(|state| Expr::Constant(state.to_value().into())))
}

/// `SELECT wanted FROM table WHERE column = value`. Built, for the placeholders of a condition written as text are not those of both engines.
pub fn those<V: Into<Value>>(
    wanted: &'static str,
    table: &'static str,
    column: &'static str,
    value: V,
) -> SelectStatement {
    let mut select = Query::select();
    select.column((table, wanted)).from(table).and_where(Expr::col((table, column)).eq(value));
    select
}
