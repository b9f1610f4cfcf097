//! The schema as clients read it: the file in the repository, what the service prints, and what introspection says.

mod promise;

use async_graphql::parser::{
    parse_schema,
    types::{FieldDefinition, InputValueDefinition, ServiceDocument, TypeDefinition, TypeKind, TypeSystemDefinition},
};
use serde_json::{Value, json};

use crate::harness::{App, Test, both_engines, without_database};

pub fn tests() -> Vec<Test> {
    let mut tests = without_database![
        the_file_is_what_the_service_prints,
        every_element_is_described,
        every_scalar_says_what_it_is_made_of,
        every_list_has_the_same_arguments,
        every_mutation_has_one_input_and_a_payload_with_user_errors,
        every_input_can_be_repeated,
        ids_of_nodes_are_ids,
    ];
    tests.extend(promise::tests());
    tests.extend(both_engines![the_schema_is_served, introspection_passes_the_limits]);
    tests
}

fn the_file_is_what_the_service_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let file = std::fs::read_to_string(path).expect("schema.graphql");
    let printed = claimcheck::graphql::sdl();
    let differs = file.lines().zip(printed.lines()).find(|(written, printed)| written != printed);
    assert_eq!(differs, None, "run `claimcheck schema > schema.graphql`");
    assert_eq!(file.lines().count(), printed.lines().count(), "run `claimcheck schema > schema.graphql`");
}

fn document() -> ServiceDocument {
    parse_schema(claimcheck::graphql::sdl()).expect("a schema")
}

fn types(document: &ServiceDocument) -> impl Iterator<Item = (&str, &TypeDefinition)> {
    document.definitions.iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some((definition.node.name.node.as_str(), &definition.node)),
        TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
    })
}

fn fields(definition: &TypeDefinition) -> Vec<&FieldDefinition> {
    match &definition.kind {
        TypeKind::Object(object) => object.fields.iter().map(|field| &field.node).collect(),
        TypeKind::Interface(interface) => interface.fields.iter().map(|field| &field.node).collect(),
        TypeKind::Scalar | TypeKind::Union(_) | TypeKind::Enum(_) | TypeKind::InputObject(_) => Vec::new(),
    }
}

fn inputs(definition: &TypeDefinition) -> Vec<&InputValueDefinition> {
    match &definition.kind {
        TypeKind::InputObject(input) => input.fields.iter().map(|field| &field.node).collect(),
        TypeKind::Scalar | TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) | TypeKind::Enum(_) => {
            Vec::new()
        }
    }
}

fn every_element_is_described() {
    let document = document();
    let mut bare = Vec::new();
    let mut look = |name: String, description: Option<&str>| {
        if description.is_none_or(|text| text.trim().len() < 3) {
            bare.push(name);
        }
    };
    for (name, definition) in types(&document) {
        look(name.to_owned(), definition.description.as_ref().map(|text| text.node.as_str()));
        for field in fields(definition) {
            let path = format!("{name}.{}", field.name.node);
            look(path.clone(), field.description.as_ref().map(|text| text.node.as_str()));
            for argument in &field.arguments {
                let description = argument.node.description.as_ref().map(|text| text.node.as_str());
                look(format!("{path}({})", argument.node.name.node), description);
            }
        }
        for field in inputs(definition) {
            look(format!("{name}.{}", field.name.node), field.description.as_ref().map(|text| text.node.as_str()));
        }
        if let TypeKind::Enum(values) = &definition.kind {
            for value in &values.values {
                let description = value.node.description.as_ref().map(|text| text.node.as_str());
                look(format!("{name}.{}", value.node.value.node), description);
            }
        }
    }
    assert!(bare.is_empty(), "without a description: {bare:#?}");
}

fn every_scalar_says_what_it_is_made_of() {
    let document = document();
    let scalars = types(&document).filter(|(_, definition)| matches!(definition.kind, TypeKind::Scalar));
    let mut count = 0;
    for (name, definition) in scalars {
        count += 1;
        let specified = definition.directives.iter().any(|directive| directive.node.name.node == "specifiedBy");
        assert!(specified, "{name}");
    }
    assert!(count >= 4, "{count}");
}

fn every_list_has_the_same_arguments() {
    let document = document();
    for (name, definition) in types(&document) {
        for field in fields(definition) {
            if !field.ty.node.to_string().ends_with("Connection!") {
                continue;
            }
            let arguments: Vec<String> = field
                .arguments
                .iter()
                .map(|argument| format!("{}: {}", argument.node.name.node, argument.node.ty.node))
                .collect();
            for expected in ["first: Int", "after: String", "last: Int", "before: String"] {
                assert!(
                    arguments.iter().any(|argument| argument == expected),
                    "{name}.{}: {expected}",
                    field.name.node
                );
            }
        }
        if name.ends_with("Connection") {
            let shape: Vec<String> =
                fields(definition).iter().map(|field| format!("{}: {}", field.name.node, field.ty.node)).collect();
            let kind = name.trim_end_matches("Connection");
            for expected in [
                format!("edges: [{kind}Edge!]!"),
                format!("nodes: [{kind}!]!"),
                "pageInfo: PageInfo!".to_owned(),
                "totalCount: Int".to_owned(),
            ] {
                assert!(shape.contains(&expected), "{name}: {expected} is not among {shape:?}");
            }
        }
    }
}

fn every_mutation_has_one_input_and_a_payload_with_user_errors() {
    let document = document();
    let (_, mutation) = types(&document).find(|(name, _)| *name == "Mutation").expect("mutations");
    for field in fields(mutation) {
        let name = field.name.node.as_str();
        let (first, rest) = name.split_at(1);
        let title = first.to_ascii_uppercase() + rest;
        assert_eq!(field.ty.node.to_string(), format!("{title}Payload!"));
        let arguments: Vec<String> = field.arguments.iter().map(|argument| argument.node.ty.node.to_string()).collect();
        assert_eq!(arguments, [format!("{title}Input!")]);
        let payload = format!("{title}Payload");
        let (_, payload) = types(&document).find(|(name, _)| *name == payload).expect("a payload");
        for field in fields(payload) {
            let kind = field.ty.node.to_string();
            if field.name.node == "userErrors" {
                assert_eq!(kind, "[UserError!]!", "{name}");
            } else {
                let empty_instead = name == "placeOrder" && field.name.node == "activationCodes";
                assert!(
                    empty_instead || !kind.ends_with('!'),
                    "{name}: {} is null when there are userErrors",
                    field.name.node
                );
            }
        }
        assert!(fields(payload).iter().any(|field| field.name.node == "userErrors"), "{name}");
    }
}

fn every_input_can_be_repeated() {
    // Prolonging a lease twice is what prolonging it once is.
    let safe_by_nature = ["ExtendProvisioningLeaseInput"];
    let document = document();
    let (_, mutation) = types(&document).find(|(name, _)| *name == "Mutation").expect("mutations");
    for field in fields(mutation) {
        let input = field.arguments.first().expect("an input").node.ty.node.to_string();
        let input = input.trim_end_matches('!');
        let (_, definition) = types(&document).find(|(name, _)| *name == input).expect("an input");
        let repeatable = inputs(definition).iter().any(|field| field.name.node == "idempotencyKey");
        assert!(repeatable || safe_by_nature.contains(&input), "{input} has no idempotencyKey");
    }
}

fn ids_of_nodes_are_ids() {
    let document = document();
    let nodes = types(&document).filter(|(_, definition)| match &definition.kind {
        TypeKind::Object(object) => object.implements.iter().any(|interface| interface.node == "Node"),
        TypeKind::Scalar
        | TypeKind::Interface(_)
        | TypeKind::Union(_)
        | TypeKind::Enum(_)
        | TypeKind::InputObject(_) => false,
    });
    let mut count = 0;
    for (name, definition) in nodes {
        count += 1;
        let id = fields(definition).into_iter().find(|field| field.name.node == "id").expect("an id");
        assert_eq!(id.ty.node.to_string(), "ID!", "{name}");
    }
    assert!(count >= 15, "{count}");
}

async fn the_schema_is_served(app: App) {
    let response = app.stranger().get("/schema.graphql").send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.text().await.expect("a body").trim_end(), claimcheck::graphql::sdl().trim_end());
}

/// The query that GraphiQL and code generators ask.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema {
    queryType { name } mutationType { name } subscriptionType { name } types { ...FullType }
    directives { name description locations args { ...InputValue } }
} }
fragment FullType on __Type { kind name description specifiedByURL
    fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
    inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
    enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef }
}
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
    ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";

async fn introspection_passes_the_limits(app: App) {
    let answer = app.admin().query(INTROSPECTION, json!({})).await;
    assert_eq!(answer.at("/__schema/queryType/name"), "Query");
    let names: Vec<&str> =
        answer.list("/__schema/types").iter().filter_map(|kind| kind.get("name").and_then(Value::as_str)).collect();
    // Introspection leaves out what nothing refers to.
    for (name, _) in types(&document()).filter(|(name, _)| *name != "MoneyInput") {
        assert!(names.contains(&name), "{name}");
    }
}
