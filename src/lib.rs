pub mod domain;
pub mod clock;
pub mod entity;
pub mod feed;
pub mod id;
pub mod store;
pub mod task;
