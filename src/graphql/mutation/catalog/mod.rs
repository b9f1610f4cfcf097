//! Administration: partners, channels, products, rules and API keys.
//!
//! What decides who may see what is looked up every other second at the most; a change made here is seen by this node's next request.

mod channel;
mod key;
mod partner;
mod product;
mod rule;

use async_graphql::{Context, MaybeUndefined, MergedObject};

use super::{Outcome, id, run};
use crate::domain::{access::Directory, catalog::Change};

/// Administration, for ADMIN alone.
#[derive(MergedObject, Default)]
pub struct CatalogMutation(
    partner::PartnerMutation,
    channel::ChannelMutation,
    product::ProductMutation,
    rule::RuleMutation,
    key::KeyMutation,
);

/// What an input says about a value that may be left as it is.
fn change<T>(value: MaybeUndefined<T>) -> Change<T> {
    match value {
        MaybeUndefined::Undefined => Change::Keep,
        MaybeUndefined::Null => Change::Clear,
        MaybeUndefined::Value(value) => Change::Set(value),
    }
}

/// Has the next request look up anew whose key it came with, and what that key may see.
fn forget_principals(ctx: &Context<'_>) {
    if let Some(directory) = ctx.data_opt::<Directory>() {
        directory.forget();
    }
}
