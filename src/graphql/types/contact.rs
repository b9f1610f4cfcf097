//! `Contact`: a person, as far as a purchase names one.

use async_graphql::SimpleObject;

/// Somebody a purchase names. Contact details never give access to anything.
#[derive(Debug, Clone, SimpleObject)]
pub struct Contact {
    /// The name, if one was given.
    name: Option<String>,
    /// The e-mail address, if one was given.
    email: Option<String>,
}

impl Contact {
    /// A contact, where anything is known of one.
    pub fn of(name: Option<&String>, email: Option<&String>) -> Option<Self> {
        (name.is_some() || email.is_some()).then(|| Self { name: name.cloned(), email: email.cloned() })
    }
}
