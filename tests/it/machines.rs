//! The state machines as tables: what is reviewed when a rule changes.
//!
//! A row is a command, a column the state it meets, a cell the state it leads to; a dot is a refusal.

use claimcheck::{
    domain::{activation_code, assignment, entitlement, order, provisioning, reservation, transition::Machine},
    entity,
};
use sea_orm::Iterable;

use crate::harness::{Test, without_database};

pub fn tests() -> Vec<Test> {
    without_database![
        an_entitlement_obeys_its_table,
        an_activation_code_obeys_its_table,
        a_reservation_obeys_its_table,
        an_assignment_obeys_its_table,
        an_order_obeys_its_table,
        a_provisioning_attempt_obeys_its_table,
        a_terminal_state_has_no_way_out,
    ]
}

/// Every variant of a machine's commands; one that is missing here does not compile.
macro_rules! every {
    ($machine:ident: $($command:ident),+ $(,)?) => {{
        use $machine::Command;
        let _complete = |command: Command| match command { $(Command::$command)|+ => () };
        [$(Command::$command),+]
    }};
}

fn of_an_entitlement() -> [entitlement::Command; 14] {
    every!(
        entitlement: Reserve, EndHold, Assign, Confirm, Activate, Cancel, Return, Suspend, ResumeUnassigned, ResumeAssigned,
        ResumeActive, Revoke, Expire, Renew,
    )
}

fn of_an_activation_code() -> [activation_code::Command; 4] {
    every!(activation_code: Redeem, Replace, Revoke, Expire)
}

fn of_a_reservation() -> [reservation::Command; 4] {
    every!(reservation: Extend, Confirm, Release, Expire)
}

fn of_an_assignment() -> [assignment::Command; 14] {
    every!(
        assignment: AddInput, CompleteInput, Claim, Activate, Fail, Requeue, Retry, Cancel, Abandon, Deprovision,
        FailDeprovisioning, End, RequestEnd, Postpone,
    )
}

fn of_an_order() -> [order::Command; 2] {
    every!(order: CancelPart, CancelAll)
}

fn of_a_provisioning_attempt() -> [provisioning::Command; 4] {
    every!(provisioning: ExtendLease, Succeed, Fail, GiveUp)
}

fn an_entitlement_obeys_its_table() {
    insta::assert_snapshot!("entitlement", table::<entity::entitlement::Entity>(&of_an_entitlement()));
}

fn an_activation_code_obeys_its_table() {
    insta::assert_snapshot!("activation_code", table::<entity::activation_code::Entity>(&of_an_activation_code()));
}

fn a_reservation_obeys_its_table() {
    insta::assert_snapshot!("reservation", table::<entity::reservation::Entity>(&of_a_reservation()));
}

fn an_assignment_obeys_its_table() {
    insta::assert_snapshot!("assignment", table::<entity::assignment::Entity>(&of_an_assignment()));
}

fn an_order_obeys_its_table() {
    insta::assert_snapshot!("order", table::<entity::order::Entity>(&of_an_order()));
}

fn a_provisioning_attempt_obeys_its_table() {
    let table = table::<entity::provisioning_attempt::Entity>(&of_a_provisioning_attempt());
    insta::assert_snapshot!("provisioning_attempt", table);
}

fn a_terminal_state_has_no_way_out() {
    assert_eq!(terminal::<entity::entitlement::Entity>(&of_an_entitlement()), ["REVOKED"]);
    let of_code = terminal::<entity::activation_code::Entity>(&of_an_activation_code());
    assert_eq!(of_code, ["REDEEMED", "REPLACED", "REVOKED", "EXPIRED"]);
    let of_reservation = terminal::<entity::reservation::Entity>(&of_a_reservation());
    assert_eq!(of_reservation, ["CONFIRMED", "RELEASED", "EXPIRED"]);
    assert_eq!(terminal::<entity::assignment::Entity>(&of_an_assignment()), ["ENDED", "CANCELLED"]);
    assert_eq!(terminal::<entity::order::Entity>(&of_an_order()), ["CANCELLED"]);
    let of_attempt = terminal::<entity::provisioning_attempt::Entity>(&of_a_provisioning_attempt());
    assert_eq!(of_attempt, ["SUCCEEDED", "FAILED", "UNKNOWN"]);
}

fn terminal<M: Machine<Status: Iterable>>(commands: &[M::Command]) -> Vec<String> {
    let ends = |status: &M::Status| commands.iter().all(|command| M::next(*status, *command).is_none());
    M::Status::iter().filter(ends).map(|status| status.to_string()).collect()
}

fn table<M: Machine<Status: Iterable, Command: std::fmt::Debug>>(commands: &[M::Command]) -> String {
    let states: Vec<M::Status> = M::Status::iter().collect();
    let head = std::iter::once(String::new()).chain(states.iter().map(ToString::to_string)).collect();
    let row = |command: &M::Command| {
        let cells = states.iter().map(|status| match M::next(*status, *command) {
            Some(next) => next.to_string(),
            None => "·".to_owned(),
        });
        std::iter::once(format!("{command:?}")).chain(cells).collect()
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(commands.iter().map(row)).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..=states.len()).filter_map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
