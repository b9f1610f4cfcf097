//! Measuring an operation, for the counts, as a span and as a line of the log, however it came and however it ends: also where whoever asked
//! goes away before it does.

use std::time::Instant;

use async_graphql::{Request, parser::types::OperationType};
use tracing::{Span, field::Empty};

use crate::{
    domain::Actor,
    graphql::{Graph, Statements, answer::Answer},
    metrics::{Metrics, Operation},
};

/// An operation while it runs, counted when this is dropped.
pub struct Measure {
    metrics: Metrics,
    name: Option<String>,
    kind: &'static str,
    started: Instant,
    ran: bool,
    by_customer: bool,
    role: String,
    request_id: Option<String>,
    outcome: String,
    pub statements: Statements,
    pub span: Span,
}

/// What is shown of a name, which may be as long as its document.
const LONGEST: usize = 64;

impl Measure {
    /// Begins with a request that the guard has let through.
    pub fn begin(graph: &Graph, actor: &Actor, kind: OperationType, request: &Request) -> Self {
        let kind = match kind {
            OperationType::Query => "query",
            OperationType::Mutation => "mutation",
            OperationType::Subscription => "subscription",
        };
        let name = request.operation_name.clone();
        let span = tracing::info_span!(
            "operation",
            otel.name = kind,
            request.id = actor.request_id,
            operation.name = shown(name.as_deref()),
            operation.kind = kind,
            operation.outcome = Empty,
            principal.kind = %actor.role,
        );
        Self {
            metrics: graph.metrics().clone(),
            name,
            kind,
            started: Instant::now(),
            ran: false,
            by_customer: actor.account.is_some(),
            role: actor.role.to_string(),
            request_id: actor.request_id.clone(),
            outcome: "GIVEN_UP".to_owned(),
            statements: Statements::default(),
            span,
        }
    }

    /// It ended with this answer.
    pub fn answered(mut self, answer: &Answer) {
        self.ran = answer.executed;
        answer.code().unwrap_or("OK").clone_into(&mut self.outcome);
    }

    /// It is a subscription, and has begun.
    pub fn begun(mut self) {
        self.ran = true;
        "OK".clone_into(&mut self.outcome);
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        self.span.record("operation.outcome", &self.outcome);
        let took = self.started.elapsed();
        let statements = (self.kind != "subscription").then(|| self.statements.number());
        tracing::info!(
            request.id = self.request_id,
            operation.name = shown(self.name.as_deref()),
            operation.kind = self.kind,
            operation.outcome = self.outcome,
            operation.statements = statements,
            principal.kind = self.role,
            duration.ms = took.as_secs_f64() * 1000.0,
            "operation"
        );
        self.metrics.operation(&Operation {
            name: self.name.as_deref(),
            kind: self.kind,
            ran: self.ran,
            by_customer: self.by_customer,
            outcome: &self.outcome,
            took,
            statements,
        });
    }
}

fn shown(name: Option<&str>) -> Option<&str> {
    name.and_then(|name| name.get(..name.floor_char_boundary(LONGEST)))
}
