//! claimcheck: the layer between paying and using.
//!
//! A purchase is complete and valid at once; each purchased unit is an entitlement that somebody claims later. The crate's modules follow a
//! request: [`http`] finds out who is asking and speaks the transports, [`graphql`] turns the request into reads through scoped finders or
//! into one operation of the [`domain`], which runs in one transaction of the [`store`] over the [`entity`] records and appends to the
//! journal; the [`feed`] reads the journal and tells whoever subscribed. The [`console`] is pages for people, over the same graph. [`task`] holds what runs by itself, [`service`] puts all of it
//! together, [`cli`] is the command line, [`config`] the only reader of the environment. [`metrics`] is what is counted for whoever watches it. [`clock`] and [`id`] are the
//! only sources of time and of ids.

pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod domain;
pub mod entity;
pub mod feed;
pub mod graphql;
pub mod http;
pub mod id;
pub mod metrics;
pub mod service;
pub mod store;
pub mod task;
mod telemetry;
