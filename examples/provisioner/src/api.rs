//! What is asked of the service: four operations, typed by the schema when this is compiled.

use std::{
    fmt,
    thread::sleep,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use graphql_client::{GraphQLQuery, Response};
use ureq::Agent;

/// What an operation answers.
type Data<Q> = <Q as GraphQLQuery>::ResponseData;

macro_rules! operation {
    ($name:ident) => {
        #[derive(GraphQLQuery)]
        #[graphql(
            schema_path = "../../schema.graphql",
            query_path = "graphql/provisioning.graphql",
            response_derives = "Debug, Clone, PartialEq, Eq",
            variables_derives = "Debug"
        )]
        pub struct $name;
    };
}

operation!(Claim);
operation!(Extend);
operation!(Complete);
operation!(Fail);

pub use claim::{ClaimClaimProvisioningAttempts as Job, ProvisioningOperation as Operation};

/// Why something that was asked for was not done.
#[derive(Debug)]
pub enum Error {
    /// The service does not take the question: the key, or this program, is at fault, and trying again does not help.
    Refused(String),
    /// The work is not this worker's any more: somebody else has it, or it is over.
    Lost,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(message) => write!(f, "{message}"),
            Self::Lost => write!(f, "the work is not this worker's any more"),
        }
    }
}

/// The service, as it is reached with a provisioner's key.
pub struct Service {
    agent: Agent,
    url: String,
    authorization: String,
}

impl Service {
    pub fn new(url: &str, key: &str) -> Self {
        // The status alone says too little: an answer's body is read whatever it is.
        let config = Agent::config_builder().timeout_global(Some(Duration::from_secs(15))).http_status_as_error(false);
        Self { agent: config.build().into(), url: format!("{url}/graphql"), authorization: format!("Bearer {key}") }
    }

    /// Takes work. Asked under one key until there is an answer: where the answer was lost, the same work comes again.
    pub fn claim(&self, limit: i64, lease: Duration) -> Result<Vec<Job>, Error> {
        let variables = claim::Variables { limit, lease_seconds: seconds(lease), idempotency_key: unique() };
        let payload = self.ask::<Claim>(variables)?.claim_provisioning;
        match payload.user_errors.first() {
            None => Ok(payload.attempts.unwrap_or_default()),
            Some(error) => Err(Error::Refused(format!("{:?}: {}", error.code, error.message))),
        }
    }

    /// Keeps work for longer.
    pub fn extend(&self, attempt_id: &str, lease: Duration) -> Result<(), Error> {
        let variables = extend::Variables { attempt_id: attempt_id.to_owned(), lease_seconds: seconds(lease) };
        let errors = self.ask::<Extend>(variables)?.extend_provisioning_lease.user_errors;
        taken(errors.first().map(|error| (error.code == extend::UserErrorCode::INVALID_STATE, error.message.as_str())))
    }

    /// Reports success. The same report again changes nothing.
    pub fn complete(&self, attempt_id: &str, external_reference: Option<String>) -> Result<(), Error> {
        let variables = complete::Variables { attempt_id: attempt_id.to_owned(), external_reference };
        let errors = self.ask::<Complete>(variables)?.complete_provisioning.user_errors;
        taken(
            errors.first().map(|error| (error.code == complete::UserErrorCode::INVALID_STATE, error.message.as_str())),
        )
    }

    /// Reports failure. The same report again changes nothing.
    pub fn fail(&self, attempt_id: &str, reason: String, retryable: bool) -> Result<(), Error> {
        let variables = fail::Variables { attempt_id: attempt_id.to_owned(), reason, retryable };
        let errors = self.ask::<Fail>(variables)?.fail_provisioning.user_errors;
        taken(errors.first().map(|error| (error.code == fail::UserErrorCode::INVALID_STATE, error.message.as_str())))
    }

    /// Sends one operation, again and again until the service answers it. All four may be sent twice.
    fn ask<Q: GraphQLQuery>(&self, variables: Q::Variables) -> Result<Data<Q>, Error> {
        let body = Q::build_query(variables);
        let mut pause = Duration::from_millis(100);
        loop {
            match self.send::<Q>(&body) {
                Ok(data) => return Ok(data),
                Err(Trouble::Lasting(message)) => return Err(Error::Refused(message)),
                Err(Trouble::Passing(message)) => eprintln!("{message}; trying again"),
            }
            sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    fn send<Q: GraphQLQuery>(&self, body: &graphql_client::QueryBody<Q::Variables>) -> Result<Data<Q>, Trouble> {
        let passing = |error: ureq::Error| Trouble::Passing(error.to_string());
        let request = self.agent.post(&self.url).header("authorization", &self.authorization);
        let mut answer = request.header("accept", "application/json").send_json(body).map_err(passing)?;
        let status = answer.status();
        let text = answer.body_mut().read_to_string().map_err(passing)?;
        let parsed = serde_json::from_str::<Response<Data<Q>>>(&text);
        if status.is_server_error() || status.as_u16() == 429 {
            return Err(Trouble::Passing(status.to_string()));
        }
        let parsed = parsed.map_err(|error| Trouble::Lasting(format!("{status}: {error}")))?;
        match (parsed.data, parsed.errors.unwrap_or_default().first()) {
            (Some(data), None) => Ok(data),
            (_, Some(error)) => {
                let code = error.extensions.as_ref().and_then(|all| all.get("code")).and_then(|code| code.as_str());
                let message = format!("{}: {}", code.unwrap_or("error"), error.message);
                let passing = matches!(code, Some("UNAVAILABLE" | "INTERNAL" | "RATE_LIMITED"));
                Err(if passing { Trouble::Passing(message) } else { Trouble::Lasting(message) })
            }
            (None, None) => Err(Trouble::Lasting(format!("{status}: an answer without data"))),
        }
    }
}

/// Why there is no answer.
enum Trouble {
    Passing(String),
    Lasting(String),
}

/// Whether a report was taken. In another state than the report's is what somebody else has taken over, or has ended.
fn taken(refusal: Option<(bool, &str)>) -> Result<(), Error> {
    match refusal {
        None => Ok(()),
        Some((true, _)) => Err(Error::Lost),
        Some((false, message)) => Err(Error::Refused(message.to_owned())),
    }
}

fn seconds(lease: Duration) -> i64 {
    i64::try_from(lease.as_secs()).unwrap_or(3_600)
}

/// A key that no other claim has.
fn unique() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("claim-{}-{}", std::process::id(), now.as_nanos())
}
