//! The guard before validation: refuses documents whose cost lies in their shape.
//!
//! The executor's own limits act after a document has been parsed and its fragments have been followed, which is too
//! late: thirty short fragments that spread each other twice exhaust memory, and a thousand brackets exhaust the
//! parser's stack. What this module guarantees is that a document it lets through is linear to work on: its tokens, its
//! nesting and its selections with every fragment expanded are bounded, no fragment reaches itself, a mutation runs
//! each of its root fields once, and a subscription has one.
//!
//! Pure functions over the text and the parsed document. Names, types, depth and complexity stay with the schema's own
//! validation.

mod parsed;
mod rewrite;
mod token;

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Pos, Positioned, Request, ServerError,
    parser::{
        self,
        types::{
            DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
        },
    },
};

use super::parameter;
use crate::{
    config::{Documents, Limits},
    graphql::answer::{
        BAD_USER_INPUT, FORBIDDEN, GRAPHQL_PARSE_FAILED, GRAPHQL_VALIDATION_FAILED, QUERY_TOO_COMPLEX, refusal,
        refusal_at,
    },
};

/// How deep brackets of all kinds may nest, and selections with their fragments expanded. Far above what the depth
/// limit lets through, far below what a thread's stack holds.
const NESTING: usize = 64;

/// Parses the request's document, checks its shape and says what kind of operation the request selects.
///
/// # Errors
///
/// The one refusal to answer with, its `extensions.code` set.
pub fn admit(request: &mut Request, limits: &Limits) -> Result<OperationType, ServerError> {
    trust(request, limits.documents.as_ref())?;
    token::scan(&request.query, limits.document_tokens)?;
    // Several clients send an empty name where they mean none.
    request.operation_name = request.operation_name.take().filter(|name| !name.is_empty());
    let mut document = parsed::parsed(&request.query).map_err(|error| unreadable(&error))?;
    check(&document, limits)?;
    if request.query.contains("__typename") && request.query.contains('@') {
        rewrite::show_directives(&mut document);
    }
    let kind = select(&document, request.operation_name.as_deref())?;
    name(request, &document);
    if kind == OperationType::Subscription {
        rewrite::lift_roots(&mut document);
    }
    request.set_parsed_query(document);
    Ok(kind)
}

/// Puts the document in place of its id, and refuses one that is not on the list, where there is one.
fn trust(request: &mut Request, documents: Option<&Documents>) -> Result<(), ServerError> {
    let id = parameter::document_id(request);
    match (documents, id) {
        (None, None) => Ok(()),
        (None, Some(_)) => {
            Err(refusal(BAD_USER_INPUT, "Documents are not known by ids here: send the member \"query\"."))
        }
        (Some(documents), None) if documents.has(&request.query) => Ok(()),
        (Some(_), None) => Err(refusal(FORBIDDEN, "The document is not one of those that are run here.")),
        (Some(documents), Some(id)) => match documents.find(&id) {
            Some(document) => {
                document.clone_into(&mut request.query);
                Ok(())
            }
            None => Err(refusal(FORBIDDEN, "There is no document of that id among those that are run here.")),
        },
    }
}

/// The parser's own text quotes the client's line and draws an arrow; position and expectation say the same in one
/// line.
fn unreadable(error: &parser::Error) -> ServerError {
    if matches!(error, parser::Error::RecursionLimitExceeded) {
        return refusal(QUERY_TOO_COMPLEX, "The document nests too deeply.");
    }
    let message = if let parser::Error::Syntax { message, .. } = error {
        let expected = message.lines().last().unwrap_or_default().trim_start_matches([' ', '=']);
        format!("Syntax error: {expected}.")
    } else {
        format!("The document cannot be used: {error}.")
    };
    ServerError { locations: error.positions().collect(), ..refusal(GRAPHQL_PARSE_FAILED, message) }
}

fn check(document: &ExecutableDocument, limits: &Limits) -> Result<(), ServerError> {
    let Limits { expanded_selections: most, introspection, .. } = *limits;
    let mut sizes = Sizes { document, most, introspection, known: HashMap::new() };
    // Validation goes through each fragment by itself, whoever spreads it.
    let mut total = 0_usize;
    for (name, fragment) in &document.fragments {
        total = total.saturating_add(sizes.fragment(name, 0)?.selections);
        sizes.refuse_above(total, fragment.pos)?;
    }
    let mut total = 0_usize;
    for (_, operation) in document.operations.iter() {
        total = total.saturating_add(sizes.set(&operation.node.selection_set.node, 0)?.selections);
        sizes.refuse_above(total, operation.pos)?;
    }
    document.operations.iter().try_for_each(|(_, operation)| check_roots(document, operation, limits))
}

/// What a selection set comes to with its fragments expanded.
#[derive(Clone, Copy, Default)]
struct Size {
    selections: usize,
    height: usize,
}

/// Sizes by fragment, each computed once; `None` while it is being computed, which is how a cycle shows.
struct Sizes<'a> {
    document: &'a ExecutableDocument,
    most: usize,
    introspection: bool,
    known: HashMap<&'a str, Option<Size>>,
}

impl<'a> Sizes<'a> {
    fn fragment(&mut self, name: &str, depth: usize) -> Result<Size, ServerError> {
        // An unknown fragment is for validation to name.
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else { return Ok(Size::default()) };
        match self.known.get(name.as_str()) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => {
                return Err(refusal_at(
                    GRAPHQL_VALIDATION_FAILED,
                    format!("Fragment \"{name}\" spreads itself."),
                    fragment.pos,
                ));
            }
            None => {}
        }
        self.known.insert(name, None);
        let size = self.set(&fragment.node.selection_set.node, depth)?;
        self.refuse_above(size.selections, fragment.pos)?;
        self.known.insert(name, Some(size));
        Ok(size)
    }

    fn set(&mut self, set: &'a SelectionSet, depth: usize) -> Result<Size, ServerError> {
        let mut size = Size::default();
        for selection in &set.items {
            let inner = match &selection.node {
                _ if depth >= NESTING => return Err(too_deep(selection.pos)),
                Selection::Field(field) if !self.introspection && asks_for_schema(&field.node) => {
                    return Err(refusal_at(GRAPHQL_VALIDATION_FAILED, "Introspection is turned off.", selection.pos));
                }
                Selection::Field(field) => self.set(&field.node.selection_set.node, depth + 1)?,
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set.node, depth + 1)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, depth + 1)?,
            };
            size.selections = size.selections.saturating_add(inner.selections).saturating_add(1);
            size.height = size.height.max(inner.height + 1);
            // The descent is bounded above, but a remembered fragment is not descended into: its height is what counts.
            if size.height > NESTING {
                return Err(too_deep(selection.pos));
            }
        }
        Ok(size)
    }

    fn refuse_above(&self, selections: usize, at: Pos) -> Result<(), ServerError> {
        if selections <= self.most {
            return Ok(());
        }
        let message = format!("With its fragments expanded, the document has more than {} selections.", self.most);
        Err(refusal_at(QUERY_TOO_COMPLEX, message, at))
    }
}

fn asks_for_schema(field: &Field) -> bool {
    matches!(field.name.node.as_str(), "__schema" | "__type")
}

fn too_deep(at: Pos) -> ServerError {
    refusal_at(
        QUERY_TOO_COMPLEX,
        format!("With its fragments expanded, the document nests more than {NESTING} selections."),
        at,
    )
}

/// A field of a query may be selected as often as one likes, which the executor runs as often: so what counts is how often.
fn check_roots(
    document: &ExecutableDocument,
    operation: &Positioned<OperationDefinition>,
    limits: &Limits,
) -> Result<(), ServerError> {
    let mut roots = Vec::new();
    collect_roots(document, &operation.node.selection_set.node, &mut roots);
    if operation.node.ty == OperationType::Subscription {
        return match roots.as_slice() {
            [one] if !one.node.name.node.starts_with("__") => Ok(()),
            _ => Err(refusal_at(
                GRAPHQL_VALIDATION_FAILED,
                "A subscription selects exactly one root field.",
                operation.pos,
            )),
        };
    }
    roots.retain(|field| field.node.name.node != "__typename");
    let query = operation.node.ty == OperationType::Query;
    let (what, most) =
        if query { ("query", limits.query_root_fields) } else { ("mutation", limits.mutation_root_fields) };
    if roots.len() > most {
        let repeated = if query { ", each counted as often as it is selected" } else { "" };
        let message = format!("A {what} has at most {most} root fields{repeated}.");
        return Err(refusal_at(QUERY_TOO_COMPLEX, message, operation.pos));
    }
    if query {
        return Ok(());
    }
    let mut keys = HashSet::new();
    match roots.into_iter().find(|field| !keys.insert(field.node.response_key().node.as_str())) {
        Some(twice) => Err(refusal_at(
            GRAPHQL_VALIDATION_FAILED,
            // The specification merges the two into one execution; the executor would run both.
            format!(
                "The mutation selects \"{}\" twice; give each its own alias, or select it once.",
                twice.node.response_key()
            ),
            twice.pos,
        )),
        None => Ok(()),
    }
}

fn collect_roots<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet, roots: &mut Vec<&'a Positioned<Field>>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => roots.push(field),
            Selection::InlineFragment(inline) => collect_roots(document, &inline.node.selection_set.node, roots),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    collect_roots(document, &fragment.node.selection_set.node, roots);
                }
            }
        }
    }
}

fn select(document: &ExecutableDocument, name: Option<&str>) -> Result<OperationType, ServerError> {
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            match (all.next(), all.next()) {
                (one, None) => one,
                _ => {
                    return Err(refusal(
                        BAD_USER_INPUT,
                        "The document has several operations: operationName must say which to run.",
                    ));
                }
            }
        }
    };
    operation
        .map(|operation| operation.node.ty)
        .ok_or_else(|| refusal(BAD_USER_INPUT, "The document has no operation of the name that operationName gives."))
}

/// Gives the request the name of the only operation there is, for those who look at what ran.
fn name(request: &mut Request, document: &ExecutableDocument) {
    if let (None, DocumentOperations::Multiple(operations)) = (&request.operation_name, &document.operations) {
        request.operation_name = operations.keys().next().map(ToString::to_string);
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::graphql::answer::code;

    fn verdict(query: &str) -> Result<OperationType, (String, String)> {
        verdict_named(query, None)
    }

    fn verdict_named(query: &str, name: Option<&str>) -> Result<OperationType, (String, String)> {
        let mut request = Request::new(query);
        request.operation_name = name.map(Into::into);
        admit(&mut request, &Limits::default()).map_err(|error| (code(&error).unwrap().to_owned(), error.message))
    }

    fn refused(query: &str) -> String {
        verdict(query).unwrap_err().0
    }

    #[test]
    fn an_ordinary_document_passes_and_its_kind_is_told() {
        assert_eq!(verdict("{ a { b ...F } } fragment F on T { c }"), Ok(OperationType::Query));
        assert_eq!(verdict("mutation { a b: a }"), Ok(OperationType::Mutation));
        assert_eq!(verdict("subscription { a { b } }"), Ok(OperationType::Subscription));
    }

    #[test]
    fn fragments_that_double_are_refused_at_once() {
        let mut query = String::from("{ ...F0 }");
        for n in 0..28 {
            let _ = write!(query, " fragment F{n} on Query {{ ...F{m} ...F{m} }}", m = n + 1);
        }
        query.push_str(" fragment F28 on Query { a }");
        assert_eq!(refused(&query), QUERY_TOO_COMPLEX);
    }

    #[test]
    fn a_fragment_may_not_reach_itself_used_or_not() {
        assert_eq!(
            refused("{ ...A } fragment A on Q { ...B } fragment B on Q { x { ...A } }"),
            GRAPHQL_VALIDATION_FAILED
        );
        assert_eq!(refused("{ x } fragment A on Q { ...A }"), GRAPHQL_VALIDATION_FAILED);
    }

    #[test]
    fn a_long_chain_of_fragments_is_too_deep_in_whatever_order_it_is_met() {
        let mut query = String::from("{ ...F0 }");
        for n in 0..900 {
            let _ = write!(query, " fragment F{n} on Q {{ ...F{} }}", n + 1);
        }
        query.push_str(" fragment F900 on Q { a }");
        assert_eq!(refused(&query), QUERY_TOO_COMPLEX);
    }

    #[test]
    fn nesting_is_refused_before_the_parser_meets_it() {
        assert_eq!(refused(&format!("{{ a(b: {}) }}", "[".repeat(100_000))), QUERY_TOO_COMPLEX);
        assert_eq!(refused(&"{a".repeat(5_000)), QUERY_TOO_COMPLEX);
    }

    #[test]
    fn too_many_tokens_are_refused_without_parsing() {
        assert_eq!(refused(&format!("{{ {} }}", "a ".repeat(20_000))), QUERY_TOO_COMPLEX);
    }

    #[test]
    fn a_mutation_runs_each_response_key_once() {
        assert_eq!(refused("mutation { a a }"), GRAPHQL_VALIDATION_FAILED);
        assert_eq!(refused("mutation { ...F a } fragment F on Mutation { ... { a } }"), GRAPHQL_VALIDATION_FAILED);
        assert_eq!(refused("mutation { ...F ...F } fragment F on Mutation { x: a }"), GRAPHQL_VALIDATION_FAILED);
        assert_eq!(verdict("mutation { x: a y: a __typename __typename }"), Ok(OperationType::Mutation));
        assert_eq!(refused("mutation { a b c d e f g h i j k }"), QUERY_TOO_COMPLEX);
    }

    #[test]
    fn a_subscription_has_one_root_field() {
        assert_eq!(refused("subscription { a b }"), GRAPHQL_VALIDATION_FAILED);
        assert_eq!(refused("subscription { a a }"), GRAPHQL_VALIDATION_FAILED);
        assert_eq!(refused("subscription { __typename }"), GRAPHQL_VALIDATION_FAILED);
    }

    #[test]
    fn the_operation_is_chosen_by_name() {
        let two = "query A { a } mutation B { b }";
        assert_eq!(verdict_named(two, Some("B")), Ok(OperationType::Mutation));
        assert_eq!(verdict_named(two, Some("C")).unwrap_err().0, BAD_USER_INPUT);
        assert_eq!(verdict_named(two, None).unwrap_err().0, BAD_USER_INPUT);
        assert_eq!(verdict_named(two, Some("")).unwrap_err().0, BAD_USER_INPUT);
        assert_eq!(verdict_named("{ a }", Some("")), Ok(OperationType::Query));
        assert_eq!(verdict_named("{ a }", Some("A")).unwrap_err().0, BAD_USER_INPUT);
    }

    #[test]
    fn a_directive_on_typename_moves_to_where_validation_looks() {
        let mut request = Request::new("query($b: Boolean!) { a { __typename @include(if: $b) } }");
        admit(&mut request, &Limits::default()).unwrap();
        let document = request.parsed_query().unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let Selection::Field(field) = &operation.node.selection_set.node.items[0].node else { panic!("not a field") };
        let Selection::InlineFragment(inline) = &field.node.selection_set.node.items[0].node else {
            panic!("not moved")
        };
        assert_eq!((inline.node.directives.len(), inline.node.selection_set.node.items.len()), (1, 1));
    }

    #[test]
    fn a_syntax_error_says_what_was_expected_and_quotes_nothing() {
        let (code, message) = verdict("{ secret(").unwrap_err();
        assert_eq!(code, GRAPHQL_PARSE_FAILED);
        assert!(
            message.starts_with("Syntax error: expected") && !message.contains("secret") && !message.contains('\n'),
            "{message}"
        );
        assert_eq!(refused(""), GRAPHQL_PARSE_FAILED);
    }
}
