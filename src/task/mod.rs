//! What the service does by itself, without being asked: loops that run until the service ends, and that any number of nodes may run at
//! once. Each is idempotent, goes by a timer, and sooner when it is told that there is work.

pub mod keys;
pub mod sequence;
pub mod sweep;
