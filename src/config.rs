//! The settings of a process: the only reader of the environment.
//!
//! A [`Config`] is read once, whole, before anything is opened; what is malformed is one error that names the variable and the form its
//! value must have. An empty variable counts as unset. [`Limits`] names the variable of each limit, and its default. An
//! error never repeats a value, for the address of a database may hold its password; whoever wants to see the settings is shown what was
//! asked for while they were read, so that nothing can be read and not shown. Clock and ids stand here too, so that a test can hold them still.

mod document;
mod limit;
mod origin;
mod sign_in;
mod token;
mod variable;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use chrono::TimeDelta;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;

use self::variable::{Variables, malformed};
pub use self::{
    document::Documents,
    limit::{LARGEST_PAGE, Limits},
    origin::Networks,
    sign_in::{ClientSecret, SignIn},
    token::{Tokens, is_safe},
    variable::{Setting, Shown},
};

use crate::{clock::Clock, id::Ids};

/// The database that is used where none is named.
const DATABASE: &str = "sqlite:claimcheck.db";
/// How old an event may be that somebody has missed who resumes, unless it is said otherwise.
/// What is logged where nothing else is said.
const LOG: &str = "info,sea_orm_migration=warn,sqlx=warn";
const RETENTION_DAYS: i64 = 30;

/// What a process needs to know before it starts.
#[derive(Clone)]
pub struct Config {
    /// `DATABASE_URL`: `sqlite:` and a file, or `postgres:`.
    pub database_url: String,
    /// `CLAIMCHECK_LISTEN`: where requests are served; port 0 picks a free one.
    pub listen: SocketAddr,
    /// `CLAIMCHECK_METRICS_LISTEN`: where what is counted can be read, by anybody who gets there; nowhere unless it is set.
    pub metrics_listen: Option<SocketAddr>,
    /// `CLAIMCHECK_KEYS`: the file with the keys that are kept outside the database.
    pub keys: Option<PathBuf>,
    /// `CLAIMCHECK_REVEAL_DAYS`: how long an issued code may be revealed again; 0: it is shown once only.
    pub reveal_days: u32,
    /// `CLAIMCHECK_RETENTION_DAYS`: how old an event may be that somebody has missed who resumes; none: any age.
    pub retention: Option<TimeDelta>,
    /// `CLAIMCHECK_LOG`: what is logged, as `info` or `warn,claimcheck=debug`.
    pub log: String,
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, or `/v1/traces` of `OTEL_EXPORTER_OTLP_ENDPOINT`: where spans are sent to, by OTLP over HTTP;
    /// nowhere unless one is set.
    pub collector: Option<String>,
    /// `OTEL_SERVICE_NAME`: what this service is called in them, unless it is said otherwise.
    pub service_name: Option<String>,
    /// `CLAIMCHECK_JWT_…`: whose tokens count beside the API keys; none's unless they are set.
    pub tokens: Option<Tokens>,
    /// `CLAIMCHECK_TRUSTED_PROXIES`: the proxies whose `X-Forwarded-For` says where a request comes from.
    pub proxies: Networks,
    /// `CLAIMCHECK_CORS_ORIGINS`: the origins of pages, beside our own, that may talk to this service; none unless they are set.
    pub origins: Arc<[String]>,
    /// How much is served, and which documents.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
    /// Where ids come from.
    pub ids: Ids,
}

/// A setting that cannot be used: one line that names the variable and says what its value must look like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{variable} must be {form}")]
    Malformed { variable: &'static str, form: String },
    #[error("CLAIMCHECK_KEYS must name the key file: only a SQLite database has a place beside it")]
    NoKeyFile,
    #[error(
        "CLAIMCHECK_JWT_ISSUER, CLAIMCHECK_JWT_AUDIENCE and CLAIMCHECK_JWT_JWKS_URL must be set together, or none of them"
    )]
    HalfTokens,
    #[error(
        "CLAIMCHECK_OIDC_CLIENT_ID and CLAIMCHECK_PUBLIC_URL must be set together and need CLAIMCHECK_JWT_ISSUER; without them \
         CLAIMCHECK_OIDC_CLIENT_SECRET, CLAIMCHECK_OIDC_NAME and CLAIMCHECK_OIDC_SCOPES must not be set"
    )]
    HalfSignIn,
}

impl Config {
    /// The settings of this process.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(&Variables::new(&environment))
    }

    /// Every variable that this process reads, with what it is set to here.
    pub fn settings() -> Result<Vec<Setting>, ConfigError> {
        let variables = Variables::new(&environment);
        Self::read(&variables)?;
        Ok(variables.asked())
    }

    /// The defaults, for the database at `url`.
    pub fn for_database(url: &str) -> Self {
        Self {
            database_url: url.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            metrics_listen: None,
            keys: None,
            reveal_days: 30,
            retention: Some(TimeDelta::days(RETENTION_DAYS)),
            log: LOG.to_owned(),
            collector: None,
            service_name: None,
            tokens: None,
            proxies: Networks::default(),
            origins: Arc::default(),
            limits: Limits::default(),
            clock: Clock::default(),
            ids: Ids::default(),
        }
    }

    fn read(variable: &Variables) -> Result<Self, ConfigError> {
        let url = variable.address("DATABASE_URL", DATABASE)?.unwrap_or_else(|| DATABASE.to_owned());
        if !["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(malformed("DATABASE_URL", "like sqlite:claimcheck.db or postgres://user@host/database"));
        }
        if url.contains(":memory:") || url.contains("mode=memory") {
            let form = "a file, like sqlite:claimcheck.db: a database in memory cannot be shared by connections";
            return Err(malformed("DATABASE_URL", form));
        }
        let defaults = Self::for_database(&url);
        Ok(Self {
            listen: variable.parsed(
                "CLAIMCHECK_LISTEN",
                "an address and port, like 127.0.0.1:8000",
                defaults.listen,
            )?,
            metrics_listen: variable
                .optional("CLAIMCHECK_METRICS_LISTEN", "an address and port, like 127.0.0.1:9000")?,
            keys: variable.text("CLAIMCHECK_KEYS", "beside a SQLite database")?.map(PathBuf::from),
            reveal_days: variable.number("CLAIMCHECK_REVEAL_DAYS", 0..=3_650, defaults.reveal_days)?,
            retention: Some(variable.number("CLAIMCHECK_RETENTION_DAYS", 0..=36_500, RETENTION_DAYS)?)
                .filter(|days| *days > 0)
                .map(TimeDelta::days),
            log: variable.text("CLAIMCHECK_LOG", LOG)?.unwrap_or_else(|| LOG.to_owned()),
            collector: collector(variable)?,
            service_name: variable.text("OTEL_SERVICE_NAME", "claimcheck")?,
            tokens: Tokens::read(variable)?,
            proxies: Networks::read(variable, "CLAIMCHECK_TRUSTED_PROXIES")?,
            origins: origin::origins(variable, "CLAIMCHECK_CORS_ORIGINS")?,
            limits: Limits::read(variable)?,
            ..defaults
        })
    }

    /// The file of the keys: the one that is named, or the one beside a SQLite database.
    pub fn key_file(&self) -> Result<PathBuf, ConfigError> {
        if let Some(path) = &self.keys {
            return Ok(path.clone());
        }
        let mut path = sqlite_file(&self.database_url).ok_or(ConfigError::NoKeyFile)?.into_os_string();
        path.push(".keys");
        Ok(path.into())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
fn environment(name: &'static str) -> Result<Option<String>, ConfigError> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(malformed(name, "text in UTF-8")),
    }
}

/// Where a collector takes spans.
fn collector(variable: &Variables) -> Result<Option<String>, ConfigError> {
    let at = |name, example: &str| {
        let address = variable.address(name, "")?;
        let is_address = |text: &String| text.starts_with("http://") || text.starts_with("https://");
        if address.as_ref().is_none_or(is_address) { Ok(address) } else { Err(malformed(name, example)) }
    };
    let disabled = variable.text("OTEL_SDK_DISABLED", "false")?.is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let exporter = variable.text("OTEL_TRACES_EXPORTER", "otlp")?;
    let protocol = variable.text("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")?;
    let all = at("OTEL_EXPORTER_OTLP_ENDPOINT", "like http://localhost:4318")?;
    let own = at("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "like http://localhost:4318/v1/traces")?;
    let off = disabled || exporter.is_some_and(|exporter| exporter != "otlp");
    let address = own.or_else(|| all.map(|all| format!("{}/v1/traces", all.trim_end_matches('/')))).filter(|_| !off);
    if address.is_some() && protocol.is_some_and(|protocol| protocol != "http/protobuf") {
        let form = "http/protobuf, which collectors take at port 4318: spans are sent in no other way";
        return Err(malformed("OTEL_EXPORTER_OTLP_PROTOCOL", form));
    }
    Ok(address)
}

/// The file of a SQLite database; none for another engine.
fn sqlite_file(url: &str) -> Option<PathBuf> {
    let options = url.starts_with("sqlite:").then(|| SqliteConnectOptions::from_str(url).ok()).flatten()?;
    Some(Path::to_owned(options.get_filename()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let find = |name: &'static str| {
            Ok(pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        Config::read(&Variables::new(&find))
    }

    #[test]
    fn nothing_set_means_a_file_here_and_the_documented_limits() {
        let config = read(&[]).unwrap();
        assert_eq!(config.database_url, "sqlite:claimcheck.db");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
        assert_eq!(config.reveal_days, 30);
        assert_eq!(config.retention, Some(TimeDelta::days(30)));
        assert_eq!(config.key_file(), Ok(PathBuf::from("claimcheck.db.keys")));
        let limits = config.limits;
        assert_eq!((limits.depth, limits.complexity, limits.aliases, limits.page), (16, 20_000, 30, 100));
        assert_eq!((limits.expanded_selections, limits.document_tokens), (10_000, 10_000));
        assert_eq!((limits.mutation_root_fields, limits.errors, limits.body_bytes), (10, 10, 1 << 20));
        assert_eq!((limits.operations_per_socket, limits.sockets, limits.customer_sockets), (64, 50_000, 20));
        assert_eq!((limits.order_units, limits.order_lines), (100_000, 2_000));
        assert_eq!((limits.guesses, limits.server_guesses, limits.provisioning_attempts), (10, 1_000, 10));
        assert_eq!(limits.request_timeout, Duration::from_secs(30));
    }

    #[test]
    fn the_keys_lie_beside_a_sqlite_file_and_must_be_named_otherwise() {
        for (url, keys) in
            [("sqlite:///var/lib/a.db?mode=rwc", "/var/lib/a.db.keys"), ("sqlite://a%20b.db", "a b.db.keys")]
        {
            assert_eq!(Config::for_database(url).key_file(), Ok(PathBuf::from(keys)));
        }
        let postgres = [("DATABASE_URL", "postgres://u:p@h/d")];
        assert_eq!(read(&postgres).unwrap().key_file(), Err(ConfigError::NoKeyFile));
        let named = [("DATABASE_URL", "postgres://u:p@h/d"), ("CLAIMCHECK_KEYS", "/k")];
        assert_eq!(read(&named).unwrap().key_file(), Ok(PathBuf::from("/k")));
    }

    #[test]
    fn a_malformed_value_is_one_line_that_names_its_variable_and_does_not_repeat_it() {
        for (name, value, form) in [
            ("DATABASE_URL", "mysql://u:secret@h/d", "like sqlite:"),
            ("DATABASE_URL", "sqlite::memory:", "a file"),
            ("CLAIMCHECK_LISTEN", "8000", "an address and port"),
            ("CLAIMCHECK_METRICS_LISTEN", "localhost", "an address and port"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "like http://"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4318/v1/traces", "like http://"),
            ("CLAIMCHECK_REVEAL_DAYS", "-1", "a whole number from 0 to 3650"),
            ("CLAIMCHECK_INTROSPECTION", "yes", "on or off"),
            ("CLAIMCHECK_TRUSTED_PROXIES", "proxy", "addresses and networks"),
            ("CLAIMCHECK_CORS_ORIGINS", "*", "origins with commas"),
            ("CLAIMCHECK_TRUSTED_DOCUMENTS", "/no/such/file", "a JSON file"),
            ("CLAIMCHECK_MAX_DEPTH", "0", "a whole number from 1 to 64"),
            ("CLAIMCHECK_MAX_PAGE", "ten", "a whole number from 1 to 10000"),
        ] {
            let message = read(&[(name, value)]).err().unwrap().to_string();
            assert!(message.starts_with(name) && message.contains(form), "{message}");
            assert!(!message.contains("secret") && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn spans_go_where_the_general_or_their_own_variable_says() {
        let (all, own) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let collector = |pairs: &[(&str, &str)]| read(pairs).unwrap().collector;
        assert_eq!(collector(&[]), None);
        assert_eq!(collector(&[(all, "http://h:4318/")]).as_deref(), Some("http://h:4318/v1/traces"));
        assert_eq!(collector(&[(all, "http://h"), (own, "https://t/x")]).as_deref(), Some("https://t/x"));
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        for off in
            [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_TRACES_EXPORTER", "console")]
        {
            assert_eq!(collector(&[(all, "http://h:4317"), grpc, off]), None, "{off:?}");
        }
        assert_eq!(collector(&[grpc]), None, "what is meant for others is no mistake here");
        let error = read(&[(all, "http://h:4317"), grpc]).err().unwrap().to_string();
        assert!(error.starts_with("OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf"), "{error}");
        assert_eq!(read(&[("OTEL_SERVICE_NAME", "claims-eu")]).unwrap().service_name.as_deref(), Some("claims-eu"));
    }

    #[test]
    fn tokens_count_when_all_is_known_about_them() {
        let [issuer, audience, keys] = ["CLAIMCHECK_JWT_ISSUER", "CLAIMCHECK_JWT_AUDIENCE", "CLAIMCHECK_JWT_JWKS_URL"];
        assert_eq!(read(&[]).unwrap().tokens, None);
        assert_eq!(read(&[(issuer, "i"), (keys, "https://h/k")]).err(), Some(ConfigError::HalfTokens));
        for url in ["https://h/k", "http://localhost/k", "http://127.0.0.1:8080/k", "http://[::1]:9/k"] {
            let config = read(&[(issuer, "i"), (audience, "a"), (keys, url)]).unwrap();
            assert_eq!(config.tokens, Some(Tokens::of("i", "a", url)));
        }
        for url in ["h/k", "http://h/k", "http://localhost.h/k", "http://127.0.0.1:8@h/k", "file:///k"] {
            let error = read(&[(issuer, "i"), (audience, "a"), (keys, url)]).err().unwrap();
            assert!(error.to_string().starts_with("CLAIMCHECK_JWT_JWKS_URL must be"), "{url}");
        }
        let named = [(issuer, "i"), (audience, "a"), (keys, "https://h/k"), ("CLAIMCHECK_JWT_ROLE_CLAIM", "/r/0")];
        assert_eq!(read(&named).unwrap().tokens.unwrap().role_claim, "/r/0");
    }

    #[test]
    fn people_sign_in_where_all_is_known_that_takes() {
        let tokens = [
            ("CLAIMCHECK_JWT_ISSUER", "https://h/i"),
            ("CLAIMCHECK_JWT_AUDIENCE", "a"),
            ("CLAIMCHECK_JWT_JWKS_URL", "https://h/k"),
        ];
        let with = |more: &[(&'static str, &'static str)]| read(&[&tokens[..], more].concat());
        let (client, url) = (("CLAIMCHECK_OIDC_CLIENT_ID", "c"), ("CLAIMCHECK_PUBLIC_URL", "https://claims.example/"));
        let secret = ("CLAIMCHECK_OIDC_CLIENT_SECRET", "hidden");
        assert_eq!(with(&[]).unwrap().tokens.unwrap().sign_in, None);
        let config = with(&[client, url, secret, ("CLAIMCHECK_OIDC_SCOPES", "openid roles")]).unwrap();
        let sign_in = config.tokens.unwrap().sign_in.unwrap();
        assert!(!format!("{sign_in:?}").contains("hidden"));
        assert_eq!(sign_in.return_address(), "https://claims.example/console/sign-in/return");
        let expected = SignIn {
            client_secret: Some(ClientSecret::new("hidden")),
            scopes: "openid roles".to_owned(),
            ..SignIn::of("https://h/i", "c", "https://claims.example")
        };
        assert_eq!((sign_in.name.as_str(), &sign_in), ("h", &expected));
        for half in [&[client][..], &[url], &[secret], &[client, secret], &[("CLAIMCHECK_OIDC_NAME", "Us")]] {
            assert_eq!(with(half).err(), Some(ConfigError::HalfSignIn), "{half:?}");
        }
        assert_eq!(read(&[client, url]).err(), Some(ConfigError::HalfSignIn));
        let at = |url: &'static str| ("CLAIMCHECK_PUBLIC_URL", url);
        for (settings, named) in [
            ([client, at("http://claims.example")], "CLAIMCHECK_PUBLIC_URL must be"),
            ([client, at("https://claims.example/here")], "CLAIMCHECK_PUBLIC_URL must be"),
            ([client, at("https://")], "CLAIMCHECK_PUBLIC_URL must be"),
        ] {
            assert!(with(&settings).err().unwrap().to_string().starts_with(named), "{settings:?}");
        }
        let scopes = with(&[client, url, ("CLAIMCHECK_OIDC_SCOPES", "email")]).err().unwrap().to_string();
        assert!(scopes.starts_with("CLAIMCHECK_OIDC_SCOPES must be"), "{scopes}");
    }

    #[test]
    fn a_limit_that_is_set_counts() {
        let config = read(&[("CLAIMCHECK_MAX_PAGE", "25"), ("CLAIMCHECK_MAX_REQUEST_SECONDS", "5")]).unwrap();
        assert_eq!((config.limits.page, config.limits.request_timeout), (25, Duration::from_secs(5)));
    }
}
