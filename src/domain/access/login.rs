//! Logins: people whom an identity provider vouches for.
//!
//! Nothing of a login is stored but a customer's account, which is made when it is first named. What a login may see is looked up as for a
//! key, so that a partner who is switched off ends its people's logins as well.

use super::{super::input, refuses};
use crate::{entity::kind::Role, id::PartnerId};

/// Who somebody is, as a provider says it and as far as that can be true.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Login {
    pub subject: String,
    pub role: Role,
    pub partner: Option<PartnerId>,
    /// How a CUSTOMER's account is called in the namespace of the partner, or of the platform.
    pub account: Option<String>,
}

impl Login {
    /// The role that a provider calls `word`, if it is one of ours.
    pub fn role(word: &str) -> Option<Role> {
        let roles = [Role::Admin, Role::Support, Role::Partner, Role::Provisioner, Role::Customer];
        roles.into_iter().find(|role| role.to_string().eq_ignore_ascii_case(word))
    }

    /// A login, unless its parts do not go together. `account` is of use to a CUSTOMER only.
    pub fn new(subject: &str, role: Role, partner: Option<PartnerId>, account: Option<&str>) -> Option<Self> {
        let account = account.filter(|_| role == Role::Customer);
        let named = |text: &str| input::text(text, input::REFERENCE).ok();
        if refuses(role, partner, account).is_some() {
            return None;
        }
        let account = match account {
            None => None,
            Some(reference) => Some(named(reference)?),
        };
        Some(Self { subject: named(subject)?, role, partner, account })
    }

    /// The partner that must be active for it; none for the platform's own people.
    pub(super) fn home(&self) -> Option<PartnerId> {
        self.partner.or_else(|| self.account.as_ref().map(|_| PartnerId::HOUSE))
    }
}
