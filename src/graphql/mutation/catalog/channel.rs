//! Channels.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Outcome, id, run};
use crate::{
    domain::{Operation, Refusal, catalog::channel},
    graphql::{
        enums::ChannelKind,
        error::{Fault, UserError},
        session::Session,
        types::Channel,
    },
};

/// A new channel.
#[derive(InputObject, Clone)]
pub struct CreateChannelInput {
    /// Its name, up to 200 characters; no two channels have the same.
    pub name: String,
    /// What it is. Information only: all channels are treated alike.
    pub kind: ChannelKind,
    /// The partner that owns it, for good; the platform itself, where it is left out.
    pub partner_id: Option<ID>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// Changes of a channel. What is left out stays as it is.
#[derive(InputObject, Clone)]
pub struct UpdateChannelInput {
    /// The channel.
    pub channel_id: ID,
    /// Its name, up to 200 characters; no two channels have the same.
    pub name: Option<String>,
    /// Whether it takes new orders. What it has sold stays valid either way.
    pub active: Option<bool>,
    /// Refuse with `STALE_VERSION` unless the channel is at this version.
    pub expected_version: Option<i32>,
    /// Makes a repeat of this request safe: see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl CreateChannelInput {
    fn command(&self) -> Result<channel::Create, Refusal> {
        let partner_id = self.partner_id.as_ref().map(|partner| id("partnerId", partner)).transpose()?;
        Ok(channel::Create { name: self.name.clone(), kind: self.kind.into(), partner_id })
    }
}

impl UpdateChannelInput {
    fn command(&self) -> Result<channel::Update, Refusal> {
        Ok(channel::Update {
            channel_id: id("channelId", &self.channel_id)?,
            name: self.name.clone(),
            active: self.active,
            expected_version: self.expected_version,
        })
    }
}

/// What came of making a channel.
pub struct CreateChannelPayload(Outcome<channel::Outcome>);

/// What came of `createChannel`.
#[Object]
impl CreateChannelPayload {
    /// The new channel.
    async fn channel(&self, ctx: &Context<'_>) -> Option<Result<Channel, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.channel_id)).await
    }

    /// Why it was not made; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// What came of changing a channel.
pub struct UpdateChannelPayload(Outcome<channel::Outcome>);

/// What came of `updateChannel`.
#[Object]
impl UpdateChannelPayload {
    /// The channel as it is now.
    async fn channel(&self, ctx: &Context<'_>) -> Option<Result<Channel, Fault>> {
        Session::of(ctx).find(self.0.done().map(|done| done.channel_id)).await
    }

    /// Why it was not changed; empty when it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.0.user_errors()
    }
}

/// Channels.
#[derive(Default)]
pub struct ChannelMutation;

#[Object]
impl ChannelMutation {
    /// Makes a channel: a place that orders come from, as a shop, a reseller or a marketplace.
    ///
    /// Roles: ADMIN.
    async fn create_channel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: CreateChannelInput,
    ) -> Result<CreateChannelPayload, Fault> {
        let key = input.idempotency_key.as_ref();
        let done = run(ctx, Operation::CreateChannel, (&input, key), input.command(), channel::create).await;
        done.map(CreateChannelPayload)
    }

    /// Renames a channel, or switches it off and on.
    ///
    /// Roles: ADMIN.
    async fn update_channel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is asked for.")] input: UpdateChannelInput,
    ) -> Result<UpdateChannelPayload, Fault> {
        let key = input.idempotency_key.as_ref();
        let done = run(ctx, Operation::UpdateChannel, (&input, key), input.command(), channel::update).await;
        done.map(UpdateChannelPayload)
    }
}
