//! Accounts: made when first named, in the namespace of whoever names them.
//!
//! A reference means an account of the caller's own namespace and of no other. A customer can name nobody but itself. E-mail and display
//! name are a convenience: they are changed by whoever may name the account, and never give access to anything.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryTrait, sea_query::OnConflict,
};
use serde::{Deserialize, Serialize};

use super::{
    Actor, Error,
    error::{invalid, not_found},
    input,
};
use crate::{
    entity::{account, kind::Role},
    id::{AccountId, PartnerId},
    store::Tx,
};

/// An account as a caller names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    pub external_reference: String,
    pub email: Option<String>,
    pub display_name: Option<String>,
}

/// An account that was named, before it is known whether it exists: what a statement looks it up by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub namespace: PartnerId,
    /// None where nobody was named: the statement then finds no account.
    pub reference: Option<String>,
    email: Option<String>,
    display_name: Option<String>,
    /// A customer's own account.
    own: Option<AccountId>,
}

impl Named {
    /// Nobody: for what is done to a unit and names no account.
    pub fn nobody() -> Self {
        Self { namespace: PartnerId::HOUSE, reference: None, email: None, display_name: None, own: None }
    }

    /// The account `reference` means to `actor`; without one, the actor's own.
    pub fn by(actor: &Actor, reference: Option<&Reference>) -> Result<Self, Error> {
        let Some(named) = reference else {
            let (namespace, own) = (actor.namespace, actor.account);
            return Ok(Self { namespace, reference: None, email: None, display_name: None, own });
        };
        let path = |part: &'static str| ["account", part];
        let checked = input::text(&named.external_reference, input::REFERENCE)
            .map_err(|refusal| refusal.at(path("externalReference")))?;
        let email = named.email.as_ref().map(|email| input::email(email)).transpose();
        let display_name = named.display_name.as_ref().map(|name| input::text(name, input::NAME)).transpose();
        Ok(Self {
            namespace: actor.namespace,
            reference: Some(checked),
            email: email.map_err(|refusal| refusal.at(path("email")))?,
            display_name: display_name.map_err(|refusal| refusal.at(path("displayName")))?,
            own: actor.account,
        })
    }

    /// Whether any account is meant at all.
    pub fn anybody(&self) -> bool {
        self.reference.is_some() || self.own.is_some()
    }

    /// The account itself: `found` by the statement that looked for it, else read or made.
    pub async fn resolve(
        &self,
        tx: &Tx,
        actor: &Actor,
        found: Option<account::Model>,
    ) -> Result<account::Model, Error> {
        let Some(reference) = &self.reference else {
            let Some(own) = self.own else {
                return Err(invalid("say which account: this credential has none of its own").at(["account"]).into());
            };
            let account = account::Entity::find_by_id(own).one(tx.connection().await?).await?;
            return account.ok_or_else(|| not_found("account").at(["account"]).into());
        };
        let found = match found {
            Some(account) => Some(account),
            None => self.find(tx, reference).await?,
        };
        if actor.role == Role::Customer {
            let own = found.filter(|account| Some(account.id) == self.own);
            return own.ok_or_else(|| not_found("account").at(["account"]).into());
        }
        match found {
            Some(account) => self.refresh(tx, account).await,
            None => self.make(tx, reference).await,
        }
    }

    /// The account that is meant, for a question: `found` by the statement that looked for it, or none yet. Makes and changes none.
    pub fn present(&self, actor: &Actor, found: Option<&account::Model>) -> Result<Option<AccountId>, Error> {
        let found = found.map(|account| account.id);
        if self.reference.is_none() {
            return Ok(self.own);
        }
        if actor.role == Role::Customer && (found.is_none() || found != self.own) {
            return Err(not_found("account").at(["account"]).into());
        }
        Ok(found)
    }

    /// Refuses a customer who names anybody but itself. Before anything is looked up for it, so that the answer says nothing of that.
    pub async fn check(&self, tx: &Tx, actor: &Actor) -> Result<(), Error> {
        let Some(reference) = self.reference.as_ref().filter(|_| actor.role == Role::Customer) else { return Ok(()) };
        let found = self.find(tx, reference).await?;
        let own = found.is_some_and(|account| Some(account.id) == self.own);
        if own { Ok(()) } else { Err(not_found("account").at(["account"]).into()) }
    }

    async fn find(&self, tx: &Tx, reference: &str) -> Result<Option<account::Model>, Error> {
        let query = account::Entity::find()
            .filter(account::COLUMN.partner_id.eq(self.namespace))
            .filter(account::COLUMN.external_reference.eq(reference));
        Ok(tx.glance(query.build(tx.backend())).await?.pop())
    }

    async fn refresh(&self, tx: &Tx, mut account: account::Model) -> Result<account::Model, Error> {
        let mut changes = account::ActiveModel { id: Set(account.id), ..Default::default() };
        if self.email.is_some() && self.email != account.email {
            account.email.clone_from(&self.email);
            changes.email = Set(self.email.clone());
        }
        if self.display_name.is_some() && self.display_name != account.display_name {
            account.display_name.clone_from(&self.display_name);
            changes.display_name = Set(self.display_name.clone());
        }
        if changes.email.is_set() || changes.display_name.is_set() {
            account::Entity::update(changes).validate()?.exec(tx.connection().await?).await?;
        }
        Ok(account)
    }

    async fn make(&self, tx: &Tx, reference: &str) -> Result<account::Model, Error> {
        let account = account::Model {
            id: tx.id(),
            partner_id: self.namespace,
            external_reference: reference.to_owned(),
            email: self.email.clone(),
            display_name: self.display_name.clone(),
            created_at: tx.now(),
        };
        let same = OnConflict::columns([account::Column::PartnerId, account::Column::ExternalReference])
            .do_nothing()
            .to_owned();
        let row: account::ActiveModel = account.clone().into();
        let made = account::Entity::insert(row.reset_all())
            .on_conflict(same)
            .exec_without_returning(tx.connection().await?)
            .await?;
        if made == 1 {
            return Ok(account);
        }
        // Somebody else made it meanwhile, and waiting for them is over.
        let found = self.find(tx, reference).await?;
        found.ok_or_else(|| crate::store::Error::Conflict("accounts_reference".to_owned()).into())
    }
}
