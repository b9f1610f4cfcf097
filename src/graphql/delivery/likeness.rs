//! What makes two subscriptions the same question: document, operation, variables and audience; not where each wants to begin.

use std::{collections::HashSet, sync::Arc};

use async_graphql::{
    Name, Pos, Positioned, Request, Value,
    parser::types::{DocumentOperations, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet},
};

use crate::domain::Actor;

/// The argument that says where to begin.
const AFTER: &str = "after";

/// Bytes of a subscription and its variables, which a node keeps for as long as it runs.
const LARGEST: usize = 32 * 1024;

/// What subscriptions have in common that one execution serves.
///
/// The caller is in it as its [audience](Actor::audience), and the execution runs in that audience's name: what a resolver could learn of the
/// caller besides, it does not get to see.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Likeness {
    pub audience: Arc<Actor>,
    query: String,
    operation: Option<String>,
    variables: String,
}

/// Where a subscription wants to begin.
#[derive(Debug, PartialEq, Eq)]
pub enum After {
    /// From now on; also where the value is of the wrong kind, which validation refuses.
    Now,
    /// After this cursor, or what the client takes for one.
    Cursor(String),
}

/// A subscription, taken apart.
pub struct Asked {
    pub likeness: Likeness,
    pub after: After,
    /// Its field: where it stands in the document, and the key of the answer.
    pub at: Pos,
    pub key: String,
}

impl Asked {
    /// Takes `request` apart, whose document was parsed. Variables that the operation does not declare are dropped from it.
    pub fn of(audience: Arc<Actor>, request: &mut Request, document: &ExecutableDocument) -> Self {
        let operation = operation(document, request.operation_name.as_deref());
        let declared: HashSet<&Name> = operation
            .iter()
            .flat_map(|operation| &operation.variable_definitions)
            .map(|it| &it.node.name.node)
            .collect();
        request.variables.retain(|name, _| declared.contains(name));
        let field = operation.and_then(|operation| root(document, &operation.selection_set.node));
        let mut variables = request.variables.clone();
        let after = match (field.and_then(|field| argument(&field.node)), operation) {
            (Some(Argument::Variable(name)), Some(operation)) => {
                let given = variables.get(&name).cloned().or_else(|| default(operation, &name));
                // Named once where it is declared and once where it is used: it says nothing else.
                if mentions(&request.query, &name) == 2 && !matches!(given, Some(ref value) if is_malformed(value)) {
                    variables.remove(&name);
                }
                given.map_or(After::Now, After::from)
            }
            (Some(Argument::Value(value)), _) => After::from(value),
            (None, _) | (_, None) => After::Now,
        };
        let variables = serde_json::to_string(&variables).unwrap_or_default();
        let (query, operation) = (request.query.clone(), request.operation_name.clone());
        Self {
            likeness: Likeness { audience, query, operation, variables },
            after,
            at: field.map_or_else(Pos::default, |field| field.pos),
            key: field.map(|field| field.node.response_key().node.to_string()).unwrap_or_default(),
        }
    }
}

impl Likeness {
    /// Whether it is more than a node can keep for every subscription that may run on it.
    pub fn is_too_large(&self) -> bool {
        self.query.len() + self.variables.len() > LARGEST
    }
}

impl From<Value> for After {
    fn from(value: Value) -> Self {
        if let Value::String(text) = value { Self::Cursor(text) } else { Self::Now }
    }
}

/// Whether validation will refuse it.
fn is_malformed(value: &Value) -> bool {
    !matches!(value, Value::String(_) | Value::Null)
}

enum Argument {
    Variable(Name),
    Value(Value),
}

fn operation<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Option<&'a OperationDefinition> {
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) => operations.values().next(),
    };
    operation.map(|operation| &operation.node)
}

fn argument(field: &Field) -> Option<Argument> {
    let value = &field.get_argument(AFTER)?.node;
    let mut variable = None;
    let constant = value.clone().into_const_with(|name| {
        variable = Some(name);
        Ok::<_, std::convert::Infallible>(Value::Null)
    });
    variable.map(Argument::Variable).or_else(|| constant.ok().map(Argument::Value))
}

/// The root field, of which a subscription has one. Fragments do not spread themselves: whoever admitted the document has seen to both.
fn root<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet) -> Option<&'a Positioned<Field>> {
    set.items.iter().find_map(|selection| match &selection.node {
        Selection::Field(field) => Some(field),
        Selection::InlineFragment(inline) => root(document, &inline.node.selection_set.node),
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node)?;
            root(document, &fragment.node.selection_set.node)
        }
    })
}

fn default(operation: &OperationDefinition, name: &Name) -> Option<Value> {
    let declared = operation.variable_definitions.iter().find(|variable| variable.node.name.node == *name)?;
    declared.node.default_value.as_ref().map(|value| value.node.clone())
}

/// How often a text names a variable; more often than it does where a comment or a string looks like it.
fn mentions(query: &str, name: &Name) -> usize {
    let part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let after_dollar = query.split('$').skip(1).map(|rest| rest.trim_start_matches([' ', '\t', '\n', '\r', ',']));
    after_dollar.filter(|rest| rest.strip_prefix(name.as_str()).is_some_and(|rest| !rest.starts_with(part))).count()
}

#[cfg(test)]
mod tests {
    use async_graphql::{Variables, parser::parse_query};
    use serde_json::json;

    use super::*;

    fn likeness(query: &str, variables: serde_json::Value) -> (Likeness, After) {
        let mut request = Request::new(query).variables(Variables::from_json(variables));
        let asked = Asked::of(Arc::new(Actor::system("test")), &mut request, &parse_query(query).unwrap());
        (asked.likeness, asked.after)
    }

    #[test]
    fn where_each_begins_does_not_tell_them_apart() {
        let query = "subscription ($c: Cursor, $t: ID) { events(after: $c, filter: {channelId: $t}) { id } }";
        let (one, from_one) = likeness(query, json!({"c": "a", "t": "x"}));
        let (two, from_two) = likeness(query, json!({"c": "b", "t": "x"}));
        let (now, from_now) = likeness(query, json!({"t": "x"}));
        assert!(one == two && two == now);
        assert_eq!(
            (from_one, from_two, from_now),
            (After::Cursor("a".to_owned()), After::Cursor("b".to_owned()), After::Now)
        );
        assert_eq!(one, likeness(query, json!({"c": "a", "t": "x", "undeclared": [0, 0]})).0);
        assert_ne!(one, likeness(query, json!({"c": "a", "t": "y"})).0);
        assert_ne!(one, likeness(&query.replace("id }", "id type }"), json!({"c": "a", "t": "x"})).0);
    }

    #[test]
    fn a_variable_that_says_something_else_as_well_tells_them_apart() {
        let query = "subscription ($c: Cursor) { events(after: $c) { order { events(after: $c) { totalCount } } } }";
        assert_ne!(likeness(query, json!({"c": "a"})).0, likeness(query, json!({"c": "b"})).0);
    }

    #[test]
    fn the_argument_is_found_wherever_it_stands() {
        for query in [
            "subscription { events(after: \"a\") { id } }",
            "subscription ($c: Cursor = \"a\") { events(after: $c) { id } }",
            "subscription { ... on Subscription { events(after: \"a\") { id } } }",
            "subscription { ...F } fragment F on Subscription { events(after: \"a\") { id } }",
        ] {
            assert_eq!(likeness(query, json!({})).1, After::Cursor("a".to_owned()), "{query}");
        }
        assert_eq!(likeness("subscription { events(after: 7) { id } }", json!({})).1, After::Now);
        let malformed = "subscription ($c: Cursor) { events(after: $c) { id } }";
        assert_ne!(likeness(malformed, json!({"c": 7})).0, likeness(malformed, json!({"c": null})).0);
        assert_eq!(likeness("subscription { orderUpdated(id: \"a\") { id } }", json!({})).1, After::Now);
    }

    #[test]
    fn a_longer_name_is_another_variable() {
        let name = Name::new("c");
        assert_eq!(mentions("($c: Cursor, $cc: ID) { a(after: $c, b: $cc) $ c }", &name), 3);
    }
}
