//! The schema as a walk needs it: what can be asked of each type without knowing more than the type.

use std::collections::BTreeMap;

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, Type, TypeKind, TypeSystemDefinition},
};

/// A field as a walk needs it.
pub struct Field {
    pub name: String,
    /// What kind of thing it gives.
    gives: String,
    /// Whether it cannot be asked without an argument.
    needs: bool,
    pages: bool,
}

/// The object types of the schema.
pub struct Schema(BTreeMap<String, Vec<Field>>);

impl Schema {
    pub fn read() -> Self {
        let document = parse_schema(claimcheck::graphql::sdl()).expect("a schema");
        let mut types = BTreeMap::new();
        for definition in document.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let TypeKind::Object(object) = definition.node.kind else { continue };
            let fields = object.fields.into_iter().map(|field| Field {
                name: field.node.name.node.to_string(),
                gives: named(&field.node.ty.node),
                needs: field
                    .node
                    .arguments
                    .iter()
                    .any(|argument| !argument.node.ty.node.nullable && argument.node.default_value.is_none()),
                pages: field.node.arguments.iter().any(|argument| argument.node.name.node == "first"),
            });
            types.insert(definition.node.name.node.to_string(), fields.collect());
        }
        Self(types)
    }

    pub fn fields(&self, kind: &str) -> &[Field] {
        self.0.get(kind).map_or(&[], Vec::as_slice)
    }

    fn is_record(&self, kind: &str) -> bool {
        self.fields(kind).iter().any(|field| field.name == "id")
    }

    /// Everything of `kind`, with records within it to a depth.
    pub fn selection(&self, kind: &str, depth: usize) -> String {
        let parts = self.fields(kind).iter().filter_map(|field| self.part(field, depth));
        parts.collect::<Vec<_>>().join(" ")
    }

    /// One field with what it gives, unless there is nothing to ask of it.
    pub fn part(&self, field: &Field, depth: usize) -> Option<String> {
        let Field { name, gives, needs, pages } = field;
        // When a key was last used is written now and then, by nobody's doing.
        if *needs || name == "lastUsedAt" {
            return None;
        }
        let page = if *pages { "(first: 50)" } else { "" };
        if gives == "Node" {
            return Some(format!("{name} {{ __typename id }}"));
        }
        if !self.0.contains_key(gives) {
            return Some(format!("{name}{page}"));
        }
        let depth = match (self.is_record(gives), depth) {
            (true, 0) => return Some(format!("{name}{page} {{ __typename id }}")),
            (true, depth) => depth - 1,
            (false, depth) => depth,
        };
        Some(format!("{name}{page} {{ __typename {} }}", self.selection(gives, depth)))
    }
}

fn named(kind: &Type) -> String {
    match &kind.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(inner) => named(inner),
    }
}
