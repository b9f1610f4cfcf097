//! Who is asking, and what a role may do.
//!
//! The table below depends on role and operation alone and is asked before anything is looked up; which records an actor may touch is the
//! business of its scope, in the finders.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::{access::Login, error::Error};
use crate::{
    entity::{kind::Role, scope::Scope},
    id::{AccountId, ApiKeyId, PartnerId},
    store::journal::Origin,
};

/// The principal of a request, as authentication found it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    pub role: Role,
    /// As the journal names it: `key:<key id>`, `user:<subject>` or `system:<task>`.
    pub name: String,
    /// What it showed; nothing where it is the service itself.
    pub credential: Option<Credential>,
    pub partner: Option<PartnerId>,
    /// A customer's own account.
    pub account: Option<AccountId>,
    /// The top-level partner in whose namespace this actor's account references are meant.
    pub namespace: PartnerId,
    pub scope: Scope,
    /// When the credential ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// Where the request came from.
    pub address: IpAddr,
    pub request_id: Option<String>,
    /// The browser's session that it came by, so that it ends with that.
    pub session: Option<Arc<str>>,
}

/// What stands for an actor, after its text was checked and forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Credential {
    Key(ApiKeyId),
    Login(Arc<Login>),
}

impl std::fmt::Display for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => write!(f, "key:{key}"),
            Self::Login(login) => write!(f, "user:{}", login.subject),
        }
    }
}

impl Actor {
    /// The service itself, at one of its tasks or commands.
    pub fn system(task: &str) -> Self {
        Self {
            role: Role::Admin,
            name: format!("system:{task}"),
            credential: None,
            partner: None,
            account: None,
            namespace: PartnerId::HOUSE,
            scope: Scope::All,
            expires_at: None,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            request_id: None,
            session: None,
        }
    }

    /// The caller as far as it matters for what may be read: two actors of one audience are shown the same.
    #[must_use]
    pub fn audience(&self) -> Self {
        // Whoever does not see the names of others may see its own.
        let sees_names = matches!(self.scope, Scope::All | Scope::Partner { .. });
        Self {
            name: if sees_names { String::new() } else { self.name.clone() },
            credential: None,
            partner: self.partner.filter(|_| !sees_names),
            expires_at: None,
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            request_id: None,
            session: None,
            ..self.clone()
        }
    }

    /// Refuses what this role may not do.
    pub fn may(&self, operation: Operation) -> Result<(), Error> {
        if operation.roles().contains(&self.role) { Ok(()) } else { Err(Error::Forbidden) }
    }

    /// The API key that it showed.
    pub fn key(&self) -> Option<ApiKeyId> {
        match self.credential {
            Some(Credential::Key(key)) => Some(key),
            Some(Credential::Login(_)) | None => None,
        }
    }

    /// How the journal records what this actor does.
    pub fn origin(&self) -> Origin {
        Origin {
            actor: self.name.clone(),
            role: self.credential.as_ref().map(|_| self.role),
            partner: match self.role {
                Role::Partner | Role::Customer => Some(self.partner.unwrap_or(self.namespace)),
                Role::Admin | Role::Support | Role::Provisioner => None,
            },
            request_id: self.request_id.clone(),
            reason: None,
        }
    }

    /// Whom an idempotency key belongs to: the partner, the account, or the role.
    pub fn idempotency_scope(&self) -> String {
        match (self.account, self.partner) {
            (Some(account), _) => account.to_string(),
            (None, Some(partner)) => partner.to_string(),
            (None, None) => self.role.to_string(),
        }
    }
}

/// What roles differ in: every mutation, the queries that not everybody has, and what the shell does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    CreatePartner,
    UpdatePartner,
    CreateChannel,
    UpdateChannel,
    CreateProduct,
    UpdateProduct,
    SetFulfillmentRule,
    CreateApiKey,
    RevokeApiKey,
    ApiKeys,
    ImportOrders,
    PlaceOrder,
    RedeemCode,
    RedemptionCheck,
    AssignEntitlement,
    AssignEntitlements,
    SubmitAssignmentInput,
    ReserveEntitlement,
    ExtendReservation,
    ConfirmReservation,
    ReleaseReservation,
    TransferEntitlement,
    ReleaseAssignment,
    /// The argument `force` of `releaseAssignment`.
    ForceRelease,
    CancelOrder,
    /// The argument `includeAssigned` of `cancelOrder`.
    CancelAssigned,
    RevokeEntitlement,
    ReissueEntitlement,
    RotateActivationCode,
    RevealActivationCode,
    ExportActivationCodes,
    SuspendEntitlement,
    ResumeEntitlement,
    ExtendEntitlement,
    ResolveException,
    ClaimProvisioning,
    ExtendProvisioningLease,
    CompleteProvisioning,
    FailProvisioning,
    RetryProvisioning,
}

impl Operation {
    /// The roles that may.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Self::CreatePartner
            | Self::UpdatePartner
            | Self::CreateChannel
            | Self::UpdateChannel
            | Self::CreateProduct
            | Self::UpdateProduct
            | Self::SetFulfillmentRule
            | Self::CreateApiKey
            | Self::RevokeApiKey
            | Self::ImportOrders => &[Role::Admin],
            Self::PlaceOrder => &[Role::Admin, Role::Partner],
            Self::ClaimProvisioning
            | Self::ExtendProvisioningLease
            | Self::CompleteProvisioning
            | Self::FailProvisioning => &[Role::Admin, Role::Provisioner],
            Self::RetryProvisioning => &[Role::Admin, Role::Support, Role::Provisioner],
            Self::ApiKeys
            | Self::ForceRelease
            | Self::CancelAssigned
            | Self::SuspendEntitlement
            | Self::ResumeEntitlement
            | Self::ExtendEntitlement
            | Self::ResolveException => &[Role::Admin, Role::Support],
            Self::AssignEntitlement
            | Self::AssignEntitlements
            | Self::ReleaseAssignment
            | Self::CancelOrder
            | Self::RevokeEntitlement
            | Self::ReissueEntitlement
            | Self::RotateActivationCode
            | Self::RevealActivationCode
            | Self::ExportActivationCodes => &[Role::Admin, Role::Support, Role::Partner],
            Self::TransferEntitlement
            | Self::RedeemCode
            | Self::RedemptionCheck
            | Self::SubmitAssignmentInput
            | Self::ReserveEntitlement
            | Self::ExtendReservation
            | Self::ConfirmReservation
            | Self::ReleaseReservation => &[Role::Admin, Role::Support, Role::Partner, Role::Customer],
        }
    }

    /// Its name in the API: that of its variant, as `redeemCode`.
    pub fn name(self) -> String {
        let name = format!("{self:?}");
        let (first, rest) = name.split_at(1);
        first.to_ascii_lowercase() + rest
    }
}
