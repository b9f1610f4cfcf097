//! The enums that columns store, each value as the word the API uses for it.

use sea_orm::{DeriveActiveEnum, EnumIter};

macro_rules! stored {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
            #[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
            pub enum $name { $(#[allow(missing_docs)] $variant),* }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(&sea_orm::ActiveEnum::to_value(self))
                }
            }
        )*
    };
}

stored! {
    /// What a principal is.
    Role { Admin, Support, Partner, Provisioner, Customer }
    /// What a channel is; information only, nothing branches on it.
    ChannelKind { Direct, Api, Partner, Reseller, Marketplace }
    /// Whether units are assigned in the call that sells them.
    FulfillmentMode { Coupled, Decoupled }
    /// Whether something downstream must be created before a unit is of use.
    Provisioning { None, External }
    /// How much of an order stands.
    OrderStatus { Confirmed, PartiallyCancelled, Cancelled }
    /// Whether an order came through this service or from the system before it.
    OrderSource { Native, Legacy }
    /// The state of one purchased unit.
    EntitlementStatus { Unassigned, Reserved, Assigned, Active, Suspended, Revoked, Expired }
    /// The state of an activation code.
    ActivationCodeStatus { Issued, Redeemed, Replaced, Revoked, Expired }
    /// The state of a reservation.
    ReservationStatus { Held, Confirmed, Released, Expired }
    /// The state of an assignment.
    AssignmentStatus { Pending, AwaitingInput, Provisioning, Active, Failed, Deprovisioning, DeprovisionFailed, Ended, Cancelled }
    /// The way an account came by its unit.
    AssignmentMethod { Code, Direct, Reservation, Coupled, Import }
    /// Which way a provisioning attempt works.
    ProvisioningOperation { Provision, Deprovision }
    /// What came of a provisioning attempt.
    ProvisioningOutcome { Started, Succeeded, Failed, Unknown }
    /// What came of a redemption attempt.
    RedemptionOutcome { Succeeded, Rejected }
    /// What is wrong.
    ExceptionKind { RedemptionRejected, ProvisioningFailed, DeprovisioningFailed, Overdue, ImportMismatch }
    /// Whether it still waits for somebody.
    ExceptionStatus { Open, Resolved }
    /// What was done about it.
    Resolution { Retried, Released, Reissued, Revoked, Extended, Forced, Dismissed, Superseded }
    /// Why a request was refused; the domain outcomes that clients act on.
    RefusalCode {
        NotFound, InvalidInput, InvalidState, StaleVersion, IdempotencyKeyReused, ExternalReferenceReused, LimitExceeded,
        CodeInvalid, CodeExpired, CodeRevoked, CodeReplaced, AlreadyRedeemed, ReservedByOther, EntitlementSuspended,
        NotEligible, LimitPerAccount, NotTransferable, NotReassignable, InsufficientAvailable, RateLimited, ReservationExpired,
    }
    /// What an entry of the journal tells.
    EventType {
        OrderPlaced, OrderImported, OrderCancelled,
        EntitlementTransferred, EntitlementExtended, EntitlementSuspended, EntitlementResumed, EntitlementRevoked, EntitlementReissued, EntitlementExpired,
        CodeIssued, CodeRevealed, CodeRotated, CodeRevoked, CodeExpired, CodeRedeemed, RedemptionRejected,
        ReservationHeld, ReservationExtended, ReservationConfirmed, ReservationReleased, ReservationExpired,
        AssignmentCreated, AssignmentAwaitingInput, AssignmentInputSubmitted, AssignmentProvisioning, AssignmentActivated, AssignmentFailed, AssignmentRetried,
        AssignmentDeprovisioning, AssignmentDeprovisionFailed, AssignmentEndRequested, AssignmentEnded, AssignmentCancelled, AttemptUnknown,
        ExceptionOpened, ExceptionResolved,
        PartnerCreated, PartnerUpdated, ChannelCreated, ChannelUpdated, ProductCreated, ProductUpdated, RuleSet, ApiKeyCreated, ApiKeyRevoked,
    }
}
