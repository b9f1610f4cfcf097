//! The enums of the schema: the stored ones under the same names, with descriptions for API users.
//!
//! Each is a remote derive of the enum it shows, so that a value added there does not compile until it is described here.

// long because every value of every enum has its sentence

use async_graphql::Enum;

use crate::{domain::Action, entity::kind};

/// What a credential is, and so what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::Role")]
pub enum Role {
    /// Everything.
    Admin,
    /// Reads everything; resolves exceptions and takes part in assignment.
    Support,
    /// A partner or reseller: its own sales and those of the partners below it.
    Partner,
    /// A worker that creates and removes downstream records.
    Provisioner,
    /// One account: what it bought or holds.
    Customer,
}

/// What a channel is. For information only: nothing behaves differently by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::ChannelKind")]
pub enum ChannelKind {
    /// The seller's own shop.
    Direct,
    /// An integration that places orders by API.
    Api,
    /// A partner's sales.
    Partner,
    /// A reseller's sales.
    Reseller,
    /// A marketplace.
    Marketplace,
}

/// When units are assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::FulfillmentMode")]
pub enum FulfillmentMode {
    /// In the call that places the order.
    Coupled,
    /// Later, by a code, a direct assignment or a reservation.
    Decoupled,
}

/// Whether something must be created downstream before a unit is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::Provisioning")]
pub enum Provisioning {
    /// No: an assignment is active at once.
    None,
    /// Yes: a provisioner creates the downstream record.
    External,
}

/// How much of an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::OrderStatus")]
pub enum OrderStatus {
    /// All of it: valid from the moment it was placed.
    Confirmed,
    /// It was cancelled, except for units that were already assigned.
    PartiallyCancelled,
    /// Nothing of it.
    Cancelled,
}

/// Where an order was recorded first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::OrderSource")]
pub enum OrderSource {
    /// Here, by placeOrder.
    Native,
    /// In the system before, from which it was imported.
    Legacy,
}

/// The state of one purchased unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::EntitlementStatus")]
pub enum EntitlementStatus {
    /// Nobody holds it: it can be claimed.
    Unassigned,
    /// Held for somebody for a while.
    Reserved,
    /// An account has it; what it needs downstream is not ready yet.
    Assigned,
    /// An account has it and can use it.
    Active,
    /// Out of use until it is resumed.
    Suspended,
    /// Taken back for good.
    Revoked,
    /// Past its end. It can be extended.
    Expired,
}

/// The state of an activation code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::ActivationCodeStatus")]
pub enum ActivationCodeStatus {
    /// It can be redeemed.
    Issued,
    /// It was redeemed.
    Redeemed,
    /// Another code took its place.
    Replaced,
    /// It was withdrawn.
    Revoked,
    /// Its entitlement expired.
    Expired,
}

/// The state of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::ReservationStatus")]
pub enum ReservationStatus {
    /// It holds the unit until expiresAt.
    Held,
    /// It became an assignment.
    Confirmed,
    /// It was given back.
    Released,
    /// It ran out.
    Expired,
}

/// How far an assignment has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::AssignmentStatus")]
pub enum AssignmentStatus {
    /// It waits for a provisioner.
    Pending,
    /// Something must be submitted first: see missingInput.
    AwaitingInput,
    /// A provisioner is at work on it.
    Provisioning,
    /// In use.
    Active,
    /// Provisioning failed for good; it can be retried or released.
    Failed,
    /// It is being removed downstream.
    Deprovisioning,
    /// Removing it downstream failed.
    DeprovisionFailed,
    /// It is over.
    Ended,
    /// It ended before it was ever active.
    Cancelled,
}

/// How an account came by its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::AssignmentMethod")]
pub enum AssignmentMethod {
    /// By redeeming an activation code.
    Code,
    /// By direct assignment.
    Direct,
    /// By confirming a reservation.
    Reservation,
    /// In the call that placed the order.
    Coupled,
    /// With an imported order.
    Import,
}

/// Which way a provisioning attempt works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::ProvisioningOperation")]
pub enum ProvisioningOperation {
    /// Creates the downstream record.
    Provision,
    /// Removes it.
    Deprovision,
}

/// What came of a provisioning attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::ProvisioningOutcome")]
pub enum ProvisioningOutcome {
    /// It is running.
    Started,
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// Its lease ran out before a result was reported.
    Unknown,
}

/// What came of an attempt to redeem a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::RedemptionOutcome")]
pub enum RedemptionOutcome {
    /// The code was redeemed.
    Succeeded,
    /// It was refused; reason says why.
    Rejected,
}

/// What needs a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::ExceptionKind")]
pub enum ExceptionKind {
    /// A redemption was refused for a reason that its holder cannot mend alone.
    RedemptionRejected,
    /// Provisioning failed for good, or its retries ran out.
    ProvisioningFailed,
    /// Deprovisioning failed for good, or its retries ran out.
    DeprovisioningFailed,
    /// An assignment has not got on by its deadline.
    Overdue,
    /// An order that was imported again differs from what is stored.
    ImportMismatch,
}

/// Whether an exception still waits for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::ExceptionStatus")]
pub enum ExceptionStatus {
    /// It waits for a decision.
    Open,
    /// It is settled.
    Resolved,
}

/// What was, or can be, done about an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::Resolution")]
pub enum Resolution {
    /// Tried again.
    Retried,
    /// The assignment or reservation was released.
    Released,
    /// A new entitlement was issued in its place.
    Reissued,
    /// The entitlement was revoked.
    Revoked,
    /// The entitlement was extended.
    Extended,
    /// The assignment was ended although removing it downstream failed.
    Forced,
    /// Nothing needed to be done.
    Dismissed,
    /// Another operation removed the cause.
    Superseded,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::RefusalCode")]
pub enum UserErrorCode {
    /// There is no such record, or it is not yours.
    NotFound,
    /// Part of the input is not acceptable: see field and message.
    InvalidInput,
    /// The record's present state, named in the message, does not allow this.
    InvalidState,
    /// The record has changed since the expectedVersion was read: read it again.
    StaleVersion,
    /// The idempotencyKey was used for another request.
    IdempotencyKeyReused,
    /// The channel has another order with this externalReference.
    ExternalReferenceReused,
    /// More than one request may ask for.
    LimitExceeded,
    /// No such code, or mistyped.
    CodeInvalid,
    /// The code's entitlement has expired.
    CodeExpired,
    /// The code, or its entitlement, was revoked.
    CodeRevoked,
    /// A newer code took its place.
    CodeReplaced,
    /// The code was redeemed before.
    AlreadyRedeemed,
    /// The unit is reserved for another account.
    ReservedByOther,
    /// The entitlement is suspended.
    EntitlementSuspended,
    /// The account may not have this product.
    NotEligible,
    /// The account has as many units of this product as it may.
    LimitPerAccount,
    /// The product's policy does not allow a transfer.
    NotTransferable,
    /// The product's policy does not allow another assignment once a unit was active.
    NotReassignable,
    /// There are fewer free units than asked for.
    InsufficientAvailable,
    /// Too many attempts: see retryAfterSeconds.
    RateLimited,
    /// The reservation has run out.
    ReservationExpired,
}

/// What may be done with an entitlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "Action")]
pub enum EntitlementAction {
    /// reserveEntitlement.
    Reserve,
    /// assignEntitlement.
    Assign,
    /// redeemCode, with its live code.
    Redeem,
    /// transferEntitlement.
    Transfer,
    /// releaseAssignment or releaseReservation.
    Release,
    /// suspendEntitlement.
    Suspend,
    /// resumeEntitlement.
    Resume,
    /// revokeEntitlement.
    Revoke,
    /// reissueEntitlement.
    Reissue,
    /// rotateActivationCode.
    RotateCode,
    /// extendEntitlement.
    Extend,
}

/// What an entry of the journal tells. The name begins with the record whose status the event changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "kind::EventType")]
pub enum EventType {
    /// An order was placed; quantity counts its units that have no assignment.
    OrderPlaced,
    /// An order was imported.
    OrderImported,
    /// An order was cancelled; quantity counts the units revoked with it that had no assignment.
    OrderCancelled,
    /// A unit was handed on to another recipient.
    EntitlementTransferred,
    /// A unit's end was moved.
    EntitlementExtended,
    /// A unit was suspended.
    EntitlementSuspended,
    /// A unit was resumed.
    EntitlementResumed,
    /// A unit was revoked.
    EntitlementRevoked,
    /// A unit was issued in place of another.
    EntitlementReissued,
    /// A unit expired.
    EntitlementExpired,
    /// A code was issued for a unit that had none.
    CodeIssued,
    /// A code, or a page of codes, was shown again.
    CodeRevealed,
    /// A code took the place of another.
    CodeRotated,
    /// A code was withdrawn.
    CodeRevoked,
    /// A code expired.
    CodeExpired,
    /// A code was redeemed.
    CodeRedeemed,
    /// An attempt to redeem a code was refused.
    RedemptionRejected,
    /// A unit was reserved.
    ReservationHeld,
    /// A reservation was extended.
    ReservationExtended,
    /// A reservation became an assignment.
    ReservationConfirmed,
    /// A reservation was given back.
    ReservationReleased,
    /// A reservation ran out.
    ReservationExpired,
    /// A unit was assigned.
    AssignmentCreated,
    /// An assignment waits for input.
    AssignmentAwaitingInput,
    /// Input was submitted.
    AssignmentInputSubmitted,
    /// A provisioner took an assignment.
    AssignmentProvisioning,
    /// An assignment became active.
    AssignmentActivated,
    /// Provisioning failed for good.
    AssignmentFailed,
    /// A failed assignment waits for a provisioner again.
    AssignmentRetried,
    /// An assignment is to be removed downstream.
    AssignmentDeprovisioning,
    /// Removing it downstream failed.
    AssignmentDeprovisionFailed,
    /// An assignment is to end once its running attempt has reported.
    AssignmentEndRequested,
    /// An assignment ended.
    AssignmentEnded,
    /// An assignment was cancelled.
    AssignmentCancelled,
    /// A provisioning attempt's lease ran out without a result.
    AttemptUnknown,
    /// Something needs a decision.
    ExceptionOpened,
    /// It was decided.
    ExceptionResolved,
    /// A partner was created.
    PartnerCreated,
    /// A partner was changed.
    PartnerUpdated,
    /// A channel was created.
    ChannelCreated,
    /// A channel was changed.
    ChannelUpdated,
    /// A product was created.
    ProductCreated,
    /// A product was changed.
    ProductUpdated,
    /// A channel's fulfillment rule was set or cleared.
    RuleSet,
    /// An API key was created.
    ApiKeyCreated,
    /// An API key was revoked.
    ApiKeyRevoked,
}

/// How many of an order's units are in use. Units that were revoked or have expired do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
pub enum FulfillmentStatus {
    /// None is, or none is left.
    Unfulfilled,
    /// Some are.
    PartiallyFulfilled,
    /// All are.
    Fulfilled,
}
