//! The graph: the schema, and running requests against it.
//!
//! A resolver parses, calls and wraps: reads go through scoped lists and loaders, writes through one domain operation. What belongs to a
//! request (who asks, its loaders, the head of the feed) is in its [`Session`]. No extension is registered, for any of them puts every field
//! on a slower path. Transports, credentials and limits on the text of a document are the business of `http`.

pub mod answer;
pub mod argument;
pub mod delivery;
pub mod enums;
pub mod error;
pub mod list;
pub mod loader;
pub mod mutation;
pub mod page;
mod query;
pub mod scalars;
pub mod session;
pub mod subscription;
pub mod types;
mod variable;

use std::sync::{Arc, LazyLock};

use async_graphql::{Request, Response, SDLExportOptions, Schema as Executable, SchemaBuilder};
use futures_util::{StreamExt, stream::BoxStream};
use tokio::runtime::Handle;

use self::{
    answer::Answer,
    delivery::{Delivery, Frames, Groups},
    loader::Turns,
    mutation::Mutation,
    query::Query,
    session::Session,
    subscription::Subscription,
    types::{MoneyInput, Node},
};
pub use crate::store::Statements;
use crate::{
    config::Limits,
    domain::{Actor, access::Directory},
    feed::Feed,
    metrics::Metrics,
    store::Db,
};

/// Levels of selections while validating, fragments included.
const RECURSION: usize = 32;
/// Directives on one field.
const DIRECTIVES: usize = 5;

type Schema = Executable<Query, Mutation, Subscription>;

/// The schema with what it needs. Cheap to clone.
#[derive(Clone)]
pub struct Graph {
    shared: Arc<Inner>,
    largest_page: u32,
}

struct Inner {
    schema: Schema,
    db: Db,
    feed: Feed,
    /// Errors of an answer, at most.
    errors: usize,
    groups: Groups,
    /// Where requests are answered.
    lane: Handle,
    metrics: Metrics,
}

impl Graph {
    /// What is delivered is made on the runtime that this is called on.
    pub fn new(db: Db, feed: Feed, directory: Directory, limits: &Limits, metrics: Metrics) -> Self {
        let schema = build()
            .data(directory)
            .limit_depth(limits.depth)
            .limit_complexity(limits.complexity)
            .limit_aliases(limits.aliases)
            .limit_recursive_depth(RECURSION)
            .limit_directives(DIRECTIVES)
            .finish();
        let (groups, lane) = (Groups::default(), Handle::current());
        let shared = Arc::new(Inner { schema, db, feed, errors: limits.errors, groups, lane, metrics });
        Self { shared, largest_page: limits.page }
    }

    /// The same, for whoever may ask for pages of up to `size` records.
    #[must_use]
    pub fn paged(&self, size: u32) -> Self {
        Self { shared: Arc::clone(&self.shared), largest_page: size }
    }

    /// Runs a query or a mutation of `actor`, and counts its statements.
    pub async fn execute(&self, actor: Arc<Actor>, request: Request, statements: &Statements) -> Response {
        let turns = Turns::default();
        let request = self.prepared(actor, request, &turns);
        statements.of(turns.finish(self.shared.schema.execute(request))).await.unwrap_or_default()
    }

    /// Begins a subscription of `actor`, after the cursor `resume` where one is given, whatever the request says; or says why it cannot.
    pub async fn subscribe(&self, actor: &Actor, request: Request, resume: Option<String>) -> Result<Delivery, Answer> {
        Delivery::begin(self, actor, request, resume).await
    }

    /// Runs a subscription in the name of an audience. What is in it is taken from its [`delivery::Seat`].
    fn run(&self, audience: Arc<Actor>, request: Request) -> BoxStream<'static, Response> {
        let turns = Turns::default();
        let request = self.prepared(audience, request, &turns);
        turns.drive(self.shared.schema.execute_stream(request)).boxed()
    }

    /// Where its operations are counted.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// How many different questions are subscribed to, and by how many.
    pub fn subscribed(&self) -> (usize, usize) {
        self.shared.groups.count()
    }

    fn feed(&self) -> &Feed {
        &self.shared.feed
    }

    fn errors(&self) -> usize {
        self.shared.errors
    }

    fn lane(&self) -> &Handle {
        &self.shared.lane
    }

    fn groups(&self) -> &Groups {
        &self.shared.groups
    }

    fn frames(&self) -> &Frames {
        &self.shared.groups.frames
    }

    /// The schema as text.
    pub fn sdl(&self) -> &'static str {
        static TEXT: LazyLock<String> = LazyLock::new(sdl);
        &TEXT
    }

    fn prepared(&self, actor: Arc<Actor>, mut request: Request, turns: &Turns) -> Request {
        variable::complete(&mut request);
        let Inner { db, feed, .. } = &*self.shared;
        let session = Session::new(actor.clone(), db.clone(), feed.clone(), turns.clone(), self.largest_page);
        request.data(actor).data(db.clone()).data(session)
    }
}

/// The schema as text, in an order that does not depend on that of the code.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items().include_specified_by();
    build().finish().sdl_with_options(options)
}

fn build() -> SchemaBuilder<Query, Mutation, Subscription> {
    Executable::build(Query::default(), Mutation::default(), Subscription)
        .register_output_type::<Node>()
        .register_input_type::<MoneyInput>()
        .disable_suggestions()
}
