//! What the executor overlooks, written so that it sees it. The document means the same.

use std::collections::HashSet;

use async_graphql::{
    Positioned,
    parser::types::{
        DocumentOperations, ExecutableDocument, InlineFragment, OperationType, Selection, SelectionSet, TypeCondition,
    },
};

/// Validation does not look at `__typename`, so a variable used only in a directive there would count as unused. The
/// same directive on an inline fragment around it means the same and is looked at.
pub fn show_directives(document: &mut ExecutableDocument) {
    let operations: Vec<_> = match &mut document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    let sets = operations.into_iter().map(|operation| &mut operation.node.selection_set);
    for set in sets.chain(document.fragments.values_mut().map(|fragment| &mut fragment.node.selection_set)) {
        show_directives_in(&mut set.node);
    }
}

fn show_directives_in(set: &mut SelectionSet) {
    for selection in &mut set.items {
        let at = selection.pos;
        match &mut selection.node {
            Selection::Field(field) if field.node.name.node == "__typename" && !field.node.directives.is_empty() => {
                let directives = std::mem::take(&mut field.node.directives);
                let inner = SelectionSet { items: vec![Positioned::new(Selection::Field(field.clone()), at)] };
                let inline =
                    InlineFragment { type_condition: None, directives, selection_set: Positioned::new(inner, at) };
                selection.node = Selection::InlineFragment(Positioned::new(inline, at));
            }
            Selection::Field(field) => show_directives_in(&mut field.node.selection_set.node),
            Selection::InlineFragment(inline) => show_directives_in(&mut inline.node.selection_set.node),
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// The executor looks for a subscription's field in the operation itself, not in a fragment there: what fragments hold is put in their place.
pub fn lift_roots(document: &mut ExecutableDocument) {
    let mut lifted = HashSet::new();
    let operations: Vec<_> = match &mut document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    for operation in operations.into_iter().filter(|operation| operation.node.ty == OperationType::Subscription) {
        let set = &mut operation.node.selection_set.node;
        while let [selection] = set.items.as_slice() {
            let is_root = |condition: &TypeCondition| condition.on.node == "Subscription";
            let inner = match &selection.node {
                Selection::InlineFragment(inline)
                    if inline.node.directives.is_empty()
                        && inline.node.type_condition.as_ref().is_none_or(|condition| is_root(&condition.node)) =>
                {
                    &inline.node.selection_set
                }
                Selection::FragmentSpread(spread) if spread.node.directives.is_empty() => {
                    let name = &spread.node.fragment_name.node;
                    match document.fragments.get(name) {
                        Some(fragment) if is_root(&fragment.node.type_condition.node) => {
                            lifted.insert(name.clone());
                            &fragment.node.selection_set
                        }
                        _ => break,
                    }
                }
                Selection::Field(_) | Selection::InlineFragment(_) | Selection::FragmentSpread(_) => break,
            };
            let inner = inner.node.clone();
            *set = inner;
        }
    }
    // Nothing else can spread them: no type leads to the subscriptions.
    document.fragments.retain(|name, _| !lifted.contains(name));
}
