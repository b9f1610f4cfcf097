//! Lists of assignments, and of the attempts to provision them.

use std::sync::LazyLock;

use async_graphql::{ID, InputObject};
use chrono::Utc;
use sea_orm::{
    ColumnTrait, Condition, DbErr, FromQueryResult, QueryResult,
    sea_query::{Expr, ExprTrait, Query},
};

use super::{Along, Listing, Rows, columns_as, known, parent, scoped, stored, traded, visible};
use crate::{
    entity::{
        account,
        assignment::{Column, Entity, Model},
        kind, provisioning_attempt,
        scope::{Scope, in_state, those},
    },
    graphql::{
        argument,
        enums::AssignmentStatus,
        error::Fault,
        session::Session,
        types::{Assignment, ProvisioningAttempt},
    },
    id::{AccountId, ChannelId, ProductId},
};

/// Which assignments to list. What is left out does not matter; ids that are unknown or not yours match nothing.
#[derive(Debug, Default, InputObject)]
pub struct AssignmentFilter {
    /// Of units sold through this channel.
    pub channel_id: Option<ID>,
    /// Of units of this product.
    pub product_id: Option<ID>,
    /// To this account.
    pub account_id: Option<ID>,
    /// In one of these states.
    pub status: Option<Vec<AssignmentStatus>>,
    /// Whether they should have got on by now: waiting for input or provisioning past their deadline.
    pub overdue: Option<bool>,
}

/// The same, read and checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Criteria {
    channel: Option<ChannelId>,
    product: Option<ProductId>,
    account: Option<AccountId>,
    statuses: Option<Vec<kind::AssignmentStatus>>,
    /// Whether overdue ones are asked for, or the others; and as of when.
    overdue: Option<(bool, chrono::DateTime<Utc>)>,
}

const ON_THEIR_WAY: [kind::AssignmentStatus; 3] =
    [kind::AssignmentStatus::AwaitingInput, kind::AssignmentStatus::Pending, kind::AssignmentStatus::Provisioning];

impl AssignmentFilter {
    pub fn resolve(self, session: &Session) -> Result<Criteria, Fault> {
        Ok(Criteria {
            channel: argument::optional(self.channel_id.as_ref(), "filter.channelId")?,
            product: argument::optional(self.product_id.as_ref(), "filter.productId")?,
            account: argument::optional(self.account_id.as_ref(), "filter.accountId")?,
            statuses: stored(self.status),
            overdue: self.overdue.map(|overdue| (overdue, session.now())),
        })
    }
}

impl Criteria {
    fn condition(&self, scope: &Scope) -> Condition {
        let sold = || {
            traded(scope, Expr::col((Entity, Column::PartnerId)), |account| {
                Column::EntitlementId.in_subquery(those("id", "entitlements", "buyer_account_id", account))
            })
        };
        let namespace = Expr::col((Entity, Column::AccountPartnerId));
        Condition::all()
            .add_option(self.channel.map(|channel| Column::ChannelId.eq(channel)))
            .add_option(self.channel.and_then(|_| sold()))
            .add_option(self.product.map(|product| Column::ProductId.eq(product)))
            .add_option(self.account.map(|account| Column::AccountId.eq(account)))
            .add_option(self.account.and_then(|account| known(scope, account, namespace)))
            .add_option(self.statuses.as_ref().map(|statuses| in_state((Entity, Column::Status), statuses)))
            .add_option(self.overdue.map(|(overdue, now)| late(overdue, now)))
    }
}

/// What the sweep reports as overdue: a suspended unit's waits on purpose, and of one that has ended only a running attempt is waited for.
fn late(overdue: bool, now: chrono::DateTime<Utc>) -> Condition {
    use kind::EntitlementStatus::{Active, Assigned, Expired, Revoked};
    let on_their_way = in_state((Entity, Column::Status), &ON_THEIR_WAY);
    let of_unit_in = |states: [kind::EntitlementStatus; 2]| {
        let mut unit = Query::select();
        unit.expr(Expr::val(1)).from("entitlements");
        unit.and_where(Expr::col(("entitlements", "id")).equals((Entity, Column::EntitlementId)));
        unit.and_where(in_state(("entitlements", "status"), &states));
        Expr::exists(unit)
    };
    let ended =
        of_unit_in([Revoked, Expired]).and(in_state((Entity, Column::Status), &[kind::AssignmentStatus::Provisioning]));
    let awaited = of_unit_in([Assigned, Active]).or(ended);
    if overdue {
        Condition::all().add(on_their_way).add(Column::Deadline.lte(now)).add(awaited)
    } else {
        let in_time = Column::Deadline.is_null().or(Column::Deadline.gt(now));
        Condition::any().add(on_their_way.not()).add(in_time).add(awaited.not())
    }
}

/// All assignments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Assignments(pub Criteria);

impl Listing for Assignments {
    type Row = Model;
    type Node = Assignment;

    fn rows(&self, scope: &Scope) -> Rows {
        let filter = self.0.condition(scope);
        Rows::of::<Entity>(if self.0.channel.is_some() || self.0.account.is_some() {
            vec![filter.add(visible::<Entity>(scope))]
        } else {
            scoped::<Entity>(scope, &filter)
        })
    }
}

/// The assignments of an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AssignmentsOfAccount(pub Criteria);

impl Listing for AssignmentsOfAccount {
    type Row = Model;
    type Node = Assignment;

    fn rows(&self, scope: &Scope) -> Rows {
        let own = Condition::all().add(Expr::col((Entity, Column::AccountId)).eq(parent()));
        Rows::of::<Entity>(vec![own.add(self.0.condition(scope)).add(visible::<Entity>(scope))])
    }
}

/// The assignments that a unit has and had.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AssignmentsOfUnit;

impl Listing for AssignmentsOfUnit {
    type Row = Held;
    type Node = Assignment;

    fn rows(&self, scope: &Scope) -> Rows {
        let own = Condition::all().add(Expr::col((Entity, Column::EntitlementId)).eq(parent()));
        let holder = Along { table: "accounts", by: "account_id", columns: &HOLDER };
        Rows::of::<Entity>(vec![own.add(visible::<Entity>(scope))]).along(holder)
    }
}

static HOLDER: LazyLock<String> = LazyLock::new(|| columns_as::<account::Entity>("a_"));

/// An assignment with its account.
pub struct Held {
    pub assignment: Model,
    pub account: account::Model,
}

impl FromQueryResult for Held {
    fn from_query_result(row: &QueryResult, _: &str) -> Result<Self, DbErr> {
        let assignment = Model::from_query_result(row, "")?;
        Ok(Self { assignment, account: account::Model::from_query_result(row, "a_")? })
    }
}

/// The attempts to provision an assignment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttemptsOfAssignment;

impl Listing for AttemptsOfAssignment {
    type Row = provisioning_attempt::Model;
    type Node = ProvisioningAttempt;

    fn rows(&self, scope: &Scope) -> Rows {
        let column = (provisioning_attempt::Entity, provisioning_attempt::Column::AssignmentId);
        let own = Condition::all().add(Expr::col(column).eq(parent()));
        Rows::of::<provisioning_attempt::Entity>(vec![own.add(visible::<provisioning_attempt::Entity>(scope))])
    }
}
