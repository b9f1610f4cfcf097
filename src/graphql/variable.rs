//! Variables that were left out, where the library insists on them.
//!
//! A page counts by its size, and the calculation refuses a size that is a variable without a value, although a nullable one need not be
//! given. Such a variable, used as the size of a page and nowhere else told apart from null, is given the null that it means.

use std::collections::HashSet;

use async_graphql::{
    Name, Request, Value,
    parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};

/// The arguments that are sizes.
const SIZES: [&str; 2] = ["first", "last"];

/// Gives null to each size that was left out. A document that does not parse is left to whoever says so.
pub fn complete(request: &mut Request) {
    let Ok(document) = request.parsed_query() else { return };
    let sizes = sizes(document);
    if sizes.is_empty() {
        return;
    }
    let definitions = document.operations.iter().flat_map(|(_, operation)| &operation.node.variable_definitions);
    let nullable =
        definitions.filter(|variable| variable.node.var_type.node.nullable && variable.node.default_value.is_none());
    let missing: Vec<Name> =
        nullable.map(|variable| variable.node.name.node.clone()).filter(|name| sizes.contains(name)).collect();
    for name in missing {
        request.variables.entry(name).or_insert(Value::Null);
    }
}

fn sizes(document: &ExecutableDocument) -> HashSet<Name> {
    let mut sizes = HashSet::new();
    if !document.operations.iter().any(|(_, operation)| has_variables(&operation.node)) {
        return sizes;
    }
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    operations.chain(fragments).for_each(|selections| gather(selections, &mut sizes));
    sizes
}

fn has_variables(operation: &OperationDefinition) -> bool {
    !operation.variable_definitions.is_empty()
}

fn gather(selections: &SelectionSet, sizes: &mut HashSet<Name>) {
    for selection in &selections.items {
        match &selection.node {
            Selection::Field(field) => {
                let arguments = field.node.arguments.iter().filter(|(name, _)| SIZES.contains(&name.node.as_str()));
                for (_, value) in arguments {
                    // The one way to see a variable in a value without naming the type it is a variant of.
                    let _ = value.node.clone().into_const_with(|name| {
                        sizes.insert(name);
                        Ok::<_, std::convert::Infallible>(Value::Null)
                    });
                }
                gather(&field.node.selection_set.node, sizes);
            }
            Selection::InlineFragment(fragment) => gather(&fragment.node.selection_set.node, sizes),
            Selection::FragmentSpread(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_was_left_out_is_null_and_nothing_else_is() {
        let query = "query($size: Int, $name: String) { orders(first: $size) { nodes { id } } channelByName(name: $name) { id } }";
        let mut request = Request::new(query);
        complete(&mut request);
        assert_eq!(request.variables.get("size"), Some(&Value::Null));
        assert_eq!(request.variables.get("name"), None);
    }

    #[test]
    fn a_size_that_was_given_stays() {
        let mut request = Request::new("query($size: Int) { ...on Query { orders(last: $size) { nodes { id } } } }")
            .variables(async_graphql::Variables::from_json(serde_json::json!({ "size": 3 })));
        complete(&mut request);
        assert_eq!(request.variables.get("size"), Some(&Value::from(3)));
    }
}
