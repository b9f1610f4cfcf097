//! How much is served: the sizes, counts and deadlines, most of them variables, with their defaults below; and which documents.

use std::{path::Path, time::Duration};

use super::{ConfigError, Documents, Variables, malformed};

/// The largest page that may be allowed.
pub const LARGEST_PAGE: u32 = 10_000;

/// How much is served, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `CLAIMCHECK_MAX_BODY_BYTES`: bytes of a request's body, and of a socket's message.
    pub body_bytes: usize,
    /// `CLAIMCHECK_MAX_HEAD_SECONDS`: how long a request's head may take to arrive, from the end of the one before.
    pub head_timeout: Duration,
    /// `CLAIMCHECK_MAX_BODY_SECONDS`: how long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// `CLAIMCHECK_MAX_REQUEST_SECONDS`: how long an operation may run.
    pub request_timeout: Duration,
    /// `CLAIMCHECK_INTROSPECTION`: whether anybody may ask what the schema is.
    pub introspection: bool,
    /// `CLAIMCHECK_GRAPHIQL`: whether there is a page that runs scripts from elsewhere, where the schema may be asked for.
    pub graphiql: bool,
    /// `CLAIMCHECK_TRUSTED_DOCUMENTS`: the documents that are run, and no others; without it, any.
    pub documents: Option<Documents>,
    /// `CLAIMCHECK_MAX_TOKENS`: tokens of a document.
    pub document_tokens: usize,
    /// `CLAIMCHECK_MAX_SELECTIONS`: selections of a document, its fragments expanded.
    pub expanded_selections: usize,
    /// `CLAIMCHECK_MAX_QUERY_ROOT_FIELDS`: root fields of a query, each counted as often as it is selected.
    pub query_root_fields: usize,
    /// `CLAIMCHECK_MAX_ROOT_FIELDS`: root fields of a mutation.
    pub mutation_root_fields: usize,
    /// `CLAIMCHECK_MAX_DEPTH`: levels of a document.
    pub depth: usize,
    /// `CLAIMCHECK_MAX_COMPLEXITY`: the cost of a document, weighted by the sizes of its pages.
    pub complexity: usize,
    /// `CLAIMCHECK_MAX_ALIASES`: aliases of a document.
    pub aliases: usize,
    /// `CLAIMCHECK_MAX_PAGE`: records of a page, and ids of `nodes`.
    pub page: u32,
    /// `CLAIMCHECK_MAX_ERRORS`: errors of an answer.
    pub errors: usize,
    /// `CLAIMCHECK_MAX_OPERATIONS`: operations that run on a socket at a time.
    pub operations_per_socket: usize,
    /// `CLAIMCHECK_MAX_SOCKETS`: sockets that are open under a server's key on one node.
    pub sockets: usize,
    /// `CLAIMCHECK_MAX_CUSTOMER_SOCKETS`: sockets that are open under a customer's credential on one node.
    pub customer_sockets: usize,
    /// How long a socket may take to say who opens it.
    pub init_timeout: Duration,
    /// How often a socket's peer is asked whether it is there.
    pub ping_interval: Duration,
    /// How long a socket's peer may take nothing of what is written to it.
    pub write_timeout: Duration,
    /// `CLAIMCHECK_MAX_ORDER_UNITS`: units of an order.
    pub order_units: usize,
    /// `CLAIMCHECK_MAX_ORDER_LINES`: lines of an order.
    pub order_lines: usize,
    /// `CLAIMCHECK_MAX_GUESSES`: well-formed unknown codes that one guesser may try within a quarter of an hour.
    pub guesses: u32,
    /// `CLAIMCHECK_MAX_SERVER_GUESSES`: the same for a server's key, behind which many people stand.
    pub server_guesses: u32,
    /// `CLAIMCHECK_MAX_PROVISIONING_ATTEMPTS`: failures after which an operation of a provisioner is for somebody to decide about, however
    /// retryable they were.
    pub provisioning_attempts: u32,
    /// `CLAIMCHECK_MAX_CONNECTIONS`: connections to a PostgreSQL server.
    pub connections: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            introspection: true,
            graphiql: true,
            documents: None,
            document_tokens: 10_000,
            expanded_selections: 10_000,
            query_root_fields: 50,
            mutation_root_fields: 10,
            depth: 16,
            complexity: 20_000,
            aliases: 30,
            page: 100,
            errors: 10,
            operations_per_socket: 64,
            sockets: 50_000,
            customer_sockets: 20,
            init_timeout: Duration::from_secs(3),
            ping_interval: Duration::from_secs(12),
            write_timeout: Duration::from_secs(30),
            order_units: 100_000,
            order_lines: 2_000,
            guesses: 10,
            server_guesses: 1_000,
            provisioning_attempts: 10,
            connections: 16,
        }
    }
}

impl Limits {
    pub(super) fn read(variable: &Variables) -> Result<Self, ConfigError> {
        let default = Self::default();
        let count = |name, most, default| variable.number(name, 1..=most, default);
        let seconds = |name, default: Duration| {
            Ok::<_, ConfigError>(Duration::from_secs(variable.number(name, 1..=3_600, default.as_secs())?))
        };
        Ok(Self {
            body_bytes: count("CLAIMCHECK_MAX_BODY_BYTES", 1 << 30, default.body_bytes)?,
            head_timeout: seconds("CLAIMCHECK_MAX_HEAD_SECONDS", default.head_timeout)?,
            body_timeout: seconds("CLAIMCHECK_MAX_BODY_SECONDS", default.body_timeout)?,
            request_timeout: seconds("CLAIMCHECK_MAX_REQUEST_SECONDS", default.request_timeout)?,
            introspection: variable.switch("CLAIMCHECK_INTROSPECTION", default.introspection)?,
            graphiql: variable.switch("CLAIMCHECK_GRAPHIQL", default.graphiql)?,
            documents: trusted(variable)?,
            document_tokens: count("CLAIMCHECK_MAX_TOKENS", 1_000_000, default.document_tokens)?,
            expanded_selections: count("CLAIMCHECK_MAX_SELECTIONS", 1_000_000, default.expanded_selections)?,
            query_root_fields: count("CLAIMCHECK_MAX_QUERY_ROOT_FIELDS", 1_000, default.query_root_fields)?,
            mutation_root_fields: count("CLAIMCHECK_MAX_ROOT_FIELDS", 1_000, default.mutation_root_fields)?,
            depth: count("CLAIMCHECK_MAX_DEPTH", 64, default.depth)?,
            complexity: count("CLAIMCHECK_MAX_COMPLEXITY", 100_000_000, default.complexity)?,
            aliases: count("CLAIMCHECK_MAX_ALIASES", 10_000, default.aliases)?,
            page: variable.number("CLAIMCHECK_MAX_PAGE", 1..=LARGEST_PAGE, default.page)?,
            errors: count("CLAIMCHECK_MAX_ERRORS", 10_000, default.errors)?,
            operations_per_socket: count("CLAIMCHECK_MAX_OPERATIONS", 100_000, default.operations_per_socket)?,
            sockets: count("CLAIMCHECK_MAX_SOCKETS", 10_000_000, default.sockets)?,
            customer_sockets: count("CLAIMCHECK_MAX_CUSTOMER_SOCKETS", 10_000_000, default.customer_sockets)?,
            order_units: count("CLAIMCHECK_MAX_ORDER_UNITS", 10_000_000, default.order_units)?,
            order_lines: count("CLAIMCHECK_MAX_ORDER_LINES", 100_000, default.order_lines)?,
            guesses: variable.number("CLAIMCHECK_MAX_GUESSES", 1..=1_000_000, default.guesses)?,
            server_guesses: variable.number("CLAIMCHECK_MAX_SERVER_GUESSES", 1..=1_000_000, default.server_guesses)?,
            provisioning_attempts: variable.number(
                "CLAIMCHECK_MAX_PROVISIONING_ATTEMPTS",
                1..=1_000,
                default.provisioning_attempts,
            )?,
            connections: variable.number("CLAIMCHECK_MAX_CONNECTIONS", 2..=10_000, default.connections)?,
            ..default
        })
    }
}

fn trusted(variable: &Variables) -> Result<Option<Documents>, ConfigError> {
    const NAME: &str = "CLAIMCHECK_TRUSTED_DOCUMENTS";
    let Some(file) = variable.text(NAME, "")? else { return Ok(None) };
    let documents = Documents::read(Path::new(&file));
    documents.map(Some).map_err(|cause| {
        malformed(NAME, &format!("a JSON file with the documents by their ids, which it is not: {cause}"))
    })
}
