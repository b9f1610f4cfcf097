//! One box to find a record by whatever is known of it.

use async_graphql::{Context, Object, SimpleObject};
use sea_orm::ColumnTrait;

use crate::{
    domain::{
        self,
        activation_code::{Find, code::Code, find},
    },
    entity::{account, activation_code, entitlement, order},
    graphql::{
        error::Fault,
        list::Address,
        page,
        session::Session,
        types::{Account, ActivationCode, Entitlement, Node, Order},
    },
    id::AnyId,
};

/// Characters of a query: as many as the longest of what can be found by it.
const LONGEST: usize = 255;

/// A record that a search found.
#[derive(SimpleObject)]
pub struct SearchHit {
    /// The record.
    node: Node,
    /// What of it matched: `id`, `code`, `lastFour`, `externalReference`, `buyerEmail`, `email` or `recipientEmail`.
    matched: String,
}

fn hits<M, N: From<M> + Into<Node>>(rows: Vec<M>, matched: &str) -> impl Iterator<Item = SearchHit> {
    rows.into_iter().map(move |row| SearchHit { node: N::from(row).into(), matched: matched.to_owned() })
}

#[derive(Default)]
pub struct Search;

/// One box to find a record by whatever is known of it.
#[Object]
impl Search {
    /// Finds what you may see by an order's or an account's reference, an id, a whole activation code or its last four symbols, or an e-mail
    /// address: exactly, newest first of each kind. A whole code that is not found counts against the limit on guessing.
    #[graphql(complexity = "page::cost(first, None, child_complexity)")]
    async fn search(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is known of the record: at most 255 characters.")] query: String,
        #[graphql(desc = "At most so many: 0 to 100, 20 if it is left out.")] first: Option<i32>,
    ) -> Result<Vec<SearchHit>, Fault> {
        let session = Session::of(ctx);
        let most = page::first(session, first)?;
        let text = query.trim();
        if text.is_empty() || text.contains('\0') || text.chars().nth(LONGEST).is_some() {
            return Err(Fault::BadInput(format!("`query` must have 1 to {LONGEST} characters.")));
        }
        let mut found = known_by_id(session, text).await?;
        found.extend(known_by_code(session, text).await?);
        found.extend(known_by_text(session, text, most).await?);
        found.truncate(usize::try_from(most).unwrap_or_default());
        Ok(found)
    }
}

async fn known_by_id(session: &Session, text: &str) -> Result<Vec<SearchHit>, Fault> {
    let Ok(id) = text.parse::<AnyId>() else { return Ok(Vec::new()) };
    let node = Node::find(session, id).await.transpose()?;
    Ok(node.map(|node| SearchHit { node, matched: "id".to_owned() }).into_iter().collect())
}

/// The unit of a whole code, and the record of the code.
async fn known_by_code(session: &Session, text: &str) -> Result<Vec<SearchHit>, Fault> {
    let Some(code) = Code::parse(text) else { return Ok(Vec::new()) };
    let Some(found) = domain::once(&session.db, &session.actor, &Find { code }, find).await? else {
        return Ok(Vec::new());
    };
    let unit: Option<Entitlement> = session.find(Some(found.entitlement_id)).await.transpose()?;
    let code: Option<ActivationCode> = session.find(Some(found.activation_code_id)).await.transpose()?;
    let nodes = unit.map(Node::from).into_iter().chain(code.map(Node::from));
    Ok(nodes.map(|node| SearchHit { node, matched: "code".to_owned() }).collect())
}

async fn known_by_text(session: &Session, text: &str, most: u32) -> Result<Vec<SearchHit>, Fault> {
    let reader = session.reader();
    let mut found = Vec::new();
    if text.contains('@') {
        let address = Address::new(session, text);
        let orders = reader.newest::<order::Entity>(address.is_in(order::Column::BuyerEmail), most);
        found.extend(hits::<_, Order>(orders.await?, "buyerEmail"));
        let accounts = reader.newest::<account::Entity>(address.is_in(account::Column::Email), most);
        found.extend(hits::<_, Account>(accounts.await?, "email"));
        let units = reader.newest::<entitlement::Entity>(address.is_in(entitlement::Column::RecipientEmail), most);
        let mut units = units.await?;
        units.retain(|unit| session.scope().traded(unit.partner_id, unit.buyer_account_id));
        found.extend(hits::<_, Entitlement>(units, "recipientEmail"));
    }
    let orders = reader.newest::<order::Entity>(order::Column::ExternalReference.eq(text), most);
    found.extend(hits::<_, Order>(orders.await?, "externalReference"));
    let accounts = reader.newest::<account::Entity>(account::Column::ExternalReference.eq(text), most);
    found.extend(hits::<_, Account>(accounts.await?, "externalReference"));
    if let Some(last_four) = Code::last_four_typed(text) {
        let codes = reader.newest::<activation_code::Entity>(activation_code::Column::LastFour.eq(last_four), most);
        let codes = codes.await?;
        let units: Vec<_> = codes.iter().map(|code| code.entitlement_id).collect();
        let mut rows = session.load_all(units.iter().copied()).await?;
        let units = units.iter().filter_map(|unit| rows.remove(unit)).collect();
        found.extend(hits::<_, Entitlement>(units, "lastFour"));
        found.extend(hits::<_, ActivationCode>(codes, "lastFour"));
    }
    Ok(found)
}
