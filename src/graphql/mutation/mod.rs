//! Mutations: inputs, payloads and thin resolvers, a file an aggregate.
//!
//! A resolver turns its input into a command, runs one operation and wraps what came of it. A payload holds the ids of that, or a refusal;
//! its objects are read when they are selected, as the caller may see them, and are null when there are `userErrors`.

mod assignment;
pub mod catalog;
mod code;
mod entitlement;
mod exception;
pub mod order;
mod provisioning;
mod redemption;
mod reservation;

use async_graphql::{Context, ID, InputType, MergedObject, Value};
use serde::{Serialize, de::DeserializeOwned};

use self::order::AccountInput;
use super::{
    error::{Fault, UserError, outcome},
    session::Session,
};
use crate::{
    domain::{self, Actor, Operation, Refusal, Request, account, error::invalid},
    id::RecordId,
    store::Tx,
};

/// Everything that changes something. Every mutation answers with a payload whose `userErrors` say what was refused; its objects are null
/// when there are any. Repeat a mutation safely by sending the same `idempotencyKey`, which is remembered for seven days.
#[derive(MergedObject, Default)]
pub struct Mutation(
    catalog::CatalogMutation,
    order::OrderMutation,
    redemption::RedemptionMutation,
    assignment::AssignmentMutation,
    reservation::ReservationMutation,
    entitlement::EntitlementMutation,
    code::CodeMutation,
    provisioning::ProvisioningMutation,
    exception::ExceptionMutation,
);

/// What a mutation did, or why it did not.
pub struct Outcome<T>(Result<T, Refusal>);

impl<T> Outcome<T> {
    fn of(answer: Result<T, domain::Error>) -> Result<Self, Fault> {
        match answer {
            Ok(done) => Ok(Self(Ok(done))),
            Err(error) => Ok(Self(Err(outcome(error)?))),
        }
    }

    /// What was done.
    pub fn done(&self) -> Option<&T> {
        self.0.as_ref().ok()
    }

    /// Why it was not done, as the payload says it.
    pub fn user_errors(&self) -> Vec<UserError> {
        self.0.as_ref().err().cloned().map(UserError::from).into_iter().collect()
    }
}

/// An input, with what it says of the request itself: its idempotency key, and why.
pub struct Asked<'a, I> {
    input: &'a I,
    key: Option<&'a String>,
    reason: Option<&'a String>,
    /// A member that the input has come to have after keys were given out: it counts where it says something.
    late: Option<&'static str>,
}

impl<'a, I> From<(&'a I, Option<&'a String>)> for Asked<'a, I> {
    fn from((input, key): (&'a I, Option<&'a String>)) -> Self {
        Self { input, key, reason: None, late: None }
    }
}

impl<'a, I> From<(&'a I, Option<&'a String>, Option<&'a String>)> for Asked<'a, I> {
    fn from((input, key, reason): (&'a I, Option<&'a String>, Option<&'a String>)) -> Self {
        Self { input, key, reason, late: Some("reason") }
    }
}

/// Runs `operation` for the caller with the command that the input means.
pub async fn run<'a, I: InputType + 'a, C, T: Serialize + DeserializeOwned>(
    ctx: &Context<'_>,
    mutation: Operation,
    asked: impl Into<Asked<'a, I>>,
    command: Result<C, Refusal>,
    operation: impl AsyncFn(&mut Tx, &Actor, &C) -> Result<T, domain::Error>,
) -> Result<Outcome<T>, Fault> {
    let (session, request) = (Session::of(ctx), request(mutation, &asked.into()));
    // Before anything is said about the input.
    session.actor.may(mutation)?;
    let command = match command {
        Ok(command) => command,
        Err(refusal) => return Ok(Outcome(Err(refusal))),
    };
    let (actor, command, operation) = (&*session.actor, &command, &operation);
    let answer = domain::run(&session.db, actor, &request, |mut tx| async move {
        let done = operation(&mut tx, actor, command).await?;
        Ok((tx, Ok(done)))
    });
    Outcome::of(answer.await)
}

/// The same for an operation whose refusals leave traces, which are committed.
pub async fn run_recorded<'a, I: InputType + 'a, C, T: Serialize + DeserializeOwned>(
    ctx: &Context<'_>,
    mutation: Operation,
    asked: impl Into<Asked<'a, I>>,
    command: C,
    operation: impl AsyncFn(&mut Tx, &Actor, &C) -> Result<Result<T, Refusal>, domain::Error>,
) -> Result<Outcome<T>, Fault> {
    let (session, request) = (Session::of(ctx), request(mutation, &asked.into()));
    session.actor.may(mutation)?;
    let (actor, command, operation) = (&*session.actor, &command, &operation);
    let answer = domain::run(&session.db, actor, &request, |mut tx| async move {
        let answer = operation(&mut tx, actor, command).await?;
        Ok((tx, answer))
    });
    Outcome::of(answer.await)
}

fn request(mutation: Operation, asked: &Asked<'_, impl InputType>) -> Request {
    let input = asked.key.map(|_| spelling(asked.input, asked.late)).unwrap_or_default();
    Request { mutation, key: asked.key.cloned(), reason: asked.reason.cloned(), input }
}

/// An input in a spelling that is the same for the same input, and in every version of this service: members in the order of the schema, what
/// was left out as null, but for a member that is `late`.
pub fn spelling(input: &impl InputType, late: Option<&str>) -> Vec<u8> {
    let mut value = input.to_value();
    if let (Value::Object(members), Some(late)) = (&mut value, late)
        && members.get(late) == Some(&Value::Null)
    {
        members.shift_remove(late);
    }
    value.to_string().into_bytes()
}

/// The id that `field` of an input names.
pub fn id<T: RecordId>(field: &str, id: &ID) -> Result<T, Refusal> {
    let wanted = || invalid(format!("expected an id like {}_01h455vb4pex5vsknk084sn02q", T::PREFIX)).at([field]);
    id.parse().map_err(|_| wanted())
}

fn reference(account: Option<AccountInput>) -> Option<account::Reference> {
    account.map(Into::into)
}
