//! What clients were promised: nothing of the released schema is taken away, and nothing more is asked of them.
//!
//! `snapshots/schema.released.graphql` is the schema of the last release; the CHANGELOG says when it is replaced. A schema is laid out flat
//! here, an element a line, so that two are compared line by line. The comparison is tried on small pairs, for one that finds nothing may
//! just be blind.

use std::collections::BTreeMap;

use async_graphql::parser::{
    Positioned, parse_schema,
    types::{BaseType, ConstDirective, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition},
};

use crate::harness::{Test, without_database};

pub fn tests() -> Vec<Test> {
    without_database![
        what_was_released_is_still_there,
        additions_break_nobody,
        what_breaks_a_client_is_named,
        what_was_deprecated_may_go,
    ]
}

const RELEASED: &str = include_str!("../snapshots/schema.released.graphql");

fn what_was_released_is_still_there() {
    let breaches = breaches(RELEASED, &claimcheck::graphql::sdl());
    assert!(breaches.is_empty(), "clients of the last release would break:\n{}", breaches.join("\n"));
}

/// An element of a schema: what is said of it, and whether it was announced to go.
struct Element {
    /// What it is an element of.
    of: Option<String>,
    is: Is,
    deprecated: bool,
}

enum Is {
    /// A type of this kind.
    Kind(&'static str),
    /// What a client is given.
    Given(Type),
    /// What a client gives, and whether it must.
    Taken(Type, bool),
    /// A value, a member, an interface: it is there or not.
    There,
}

impl Is {
    fn names(&self) -> Option<&str> {
        match self {
            Self::Given(named) | Self::Taken(named, _) => Some(innermost(named)),
            Self::Kind(_) | Self::There => None,
        }
    }
}

fn innermost(named: &Type) -> &str {
    match &named.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => innermost(inner),
    }
}

/// The elements of a schema by their paths, as `Order.lines(first:)`.
#[derive(Default)]
struct Elements(BTreeMap<String, Element>);

impl Elements {
    fn of(schema: &str) -> Self {
        let mut all = Self::default();
        for definition in parse_schema(schema).expect("a schema").definitions {
            if let TypeSystemDefinition::Type(definition) = definition {
                all.add_type(&definition.node.name.node, &definition.node.kind);
            }
        }
        // A type cannot be marked: it may go where all that names it may.
        let of = |name: &str| {
            let mut naming = all.0.values().filter(|element| element.is.names() == Some(name)).peekable();
            naming.peek().is_some() && naming.all(|element| element.deprecated)
        };
        let going: Vec<String> = all.0.keys().filter(|path| of(path)).cloned().collect();
        for path in going {
            all.0.entry(path).and_modify(|element| element.deprecated = true);
        }
        all
    }

    fn add(&mut self, of: Option<&str>, path: String, is: Is, directives: &[Positioned<ConstDirective>]) {
        let deprecated = directives.iter().any(|directive| directive.node.name.node == "deprecated");
        self.0.insert(path, Element { of: of.map(str::to_owned), is, deprecated });
    }

    fn add_type(&mut self, name: &str, kind: &TypeKind) {
        let said = match kind {
            TypeKind::Scalar => "scalar",
            TypeKind::Object(_) => "type",
            TypeKind::Interface(_) => "interface",
            TypeKind::Union(_) => "union",
            TypeKind::Enum(_) => "enum",
            TypeKind::InputObject(_) => "input",
        };
        self.add(None, name.to_owned(), Is::Kind(said), &[]);
        match kind {
            TypeKind::Scalar => {}
            TypeKind::Object(object) => self.add_fields(name, &object.fields, &object.implements),
            TypeKind::Interface(interface) => self.add_fields(name, &interface.fields, &interface.implements),
            TypeKind::Union(union) => {
                for member in &union.members {
                    self.add(Some(name), format!("{name} = {}", member.node), Is::There, &[]);
                }
            }
            TypeKind::Enum(values) => {
                for value in &values.values {
                    self.add(
                        Some(name),
                        format!("{name}.{}", value.node.value.node),
                        Is::There,
                        &value.node.directives,
                    );
                }
            }
            TypeKind::InputObject(input) => {
                for field in &input.fields {
                    self.add_input(name, format!("{name}.{}", field.node.name.node), &field.node);
                }
            }
        }
    }

    fn add_fields<N: std::fmt::Display>(
        &mut self,
        name: &str,
        fields: &[Positioned<FieldDefinition>],
        implements: &[Positioned<N>],
    ) {
        for interface in implements {
            self.add(Some(name), format!("{name} implements {}", interface.node), Is::There, &[]);
        }
        for Positioned { node: field, .. } in fields {
            let path = format!("{name}.{}", field.name.node);
            self.add(Some(name), path.clone(), Is::Given(field.ty.node.clone()), &field.directives);
            for argument in &field.arguments {
                self.add_input(&path, format!("{path}({}:)", argument.node.name.node), &argument.node);
            }
        }
    }

    fn add_input(&mut self, of: &str, path: String, input: &InputValueDefinition) {
        let named = input.ty.node.clone();
        let required = !named.nullable && input.default_value.is_none();
        self.add(Some(of), path, Is::Taken(named, required), &input.directives);
    }
}

/// Whether whatever is of the type `narrow` is of the type `wide` too.
fn fits(narrow: &Type, wide: &Type) -> bool {
    let base = match (&narrow.base, &wide.base) {
        (BaseType::Named(one), BaseType::Named(other)) => one == other,
        (BaseType::List(one), BaseType::List(other)) => fits(one, other),
        (BaseType::Named(_), BaseType::List(_)) | (BaseType::List(_), BaseType::Named(_)) => false,
    };
    base && (wide.nullable || !narrow.nullable)
}

/// What of a schema would break the clients of an older one, a line each.
fn breaches(old: &str, new: &str) -> Vec<String> {
    let (Elements(old), Elements(new)) = (Elements::of(old), Elements::of(new));
    let mut found = Vec::new();
    for (path, before) in &old {
        let Some(now) = new.get(path) else {
            // Of what went as a whole, the whole is named.
            if !before.deprecated && before.of.as_ref().is_none_or(|of| new.contains_key(of)) {
                found.push(format!("{path} is gone and was not deprecated before"));
            }
            continue;
        };
        match (&before.is, &now.is) {
            (Is::Given(before), Is::Given(now)) if !fits(now, before) => {
                found.push(format!("{path} was {before} and is {now}"));
            }
            (Is::Taken(before, _), Is::Taken(now, _)) if !fits(before, now) => {
                found.push(format!("{path} took {before} and takes {now}"));
            }
            (Is::Taken(_, false), Is::Taken(_, true)) => found.push(format!("{path} must be given")),
            (Is::Kind(before), Is::Kind(now)) if before != now => {
                found.push(format!("{path} was {before} and is {now}"));
            }
            _ => {}
        }
    }
    for (path, element) in &new {
        let was_there = element.of.as_ref().is_some_and(|of| old.contains_key(of));
        if was_there && !old.contains_key(path) && matches!(element.is, Is::Taken(_, true)) {
            found.push(format!("{path} is new and must be given"));
        }
    }
    found
}

/// The schema that the small changes are made to.
const SMALL: &str = r#"
interface Node { id: ID! }
type Query { order(id: ID!, deep: Boolean! = true): Order all(first: Int): [Order!]! old: Old @deprecated(reason: "all") }
type Order implements Node { id: ID! total: Int state: State! }
type Refund { id: ID! }
type Old { a: Int }
union Thing = Order | Refund
enum State { OPEN CLOSED LOST @deprecated(reason: "CLOSED") }
input Place { reference: String! note: String lines: [Int!] }
scalar Date
"#;

fn changed(change: (&str, &str)) -> Vec<String> {
    assert!(SMALL.contains(change.0), "{change:?}");
    breaches(SMALL, &SMALL.replacen(change.0, change.1, 1))
}

fn additions_break_nobody() {
    assert_eq!(breaches(SMALL, SMALL), Vec::<String>::new());
    for change in [
        ("total: Int", "total: Int!"),
        ("total: Int", "total: Int tax: Int!"),
        ("scalar Date", "scalar Date scalar Time"),
        ("Order | Refund", "Order | Refund | Old"),
        ("OPEN CLOSED", "OPEN HELD CLOSED"),
        ("first: Int", "first: Int = 10"),
        ("first: Int", "first: Int, after: String"),
        ("first: Int", "first: Int, deep: Boolean! = false"),
        ("reference: String!", "reference: String"),
        ("note: String", "note: String colour: String"),
        ("[Int!]", "[Int]"),
        ("scalar Date", "scalar Date input New { a: Int! }"),
    ] {
        assert_eq!(changed(change), Vec::<String>::new(), "{change:?}");
    }
}

fn what_breaks_a_client_is_named() {
    for (from, to, breach) in [
        ("scalar Date", "", "Date is gone and was not deprecated before"),
        ("total: Int", "", "Order.total is gone and was not deprecated before"),
        ("first: Int", "last: Int", "Query.all(first:) is gone and was not deprecated before"),
        ("OPEN CLOSED", "CLOSED", "State.OPEN is gone and was not deprecated before"),
        ("Order | Refund", "Order", "Thing = Refund is gone and was not deprecated before"),
        (" implements Node", "", "Order implements Node is gone and was not deprecated before"),
        ("note: String", "", "Place.note is gone and was not deprecated before"),
        ("total: Int", "total: Float", "Order.total was Int and is Float"),
        ("state: State!", "state: State", "Order.state was State! and is State"),
        ("[Order!]!", "[Order]!", "Query.all was [Order!]! and is [Order]!"),
        ("total: Int", "total: [Int]", "Order.total was Int and is [Int]"),
        ("first: Int", "first: Int!", "Query.all(first:) took Int and takes Int!"),
        ("note: String", "note: String!", "Place.note took String and takes String!"),
        ("[Int!]", "[Int!]!", "Place.lines took [Int!] and takes [Int!]!"),
        ("deep: Boolean! = true", "deep: Boolean!", "Query.order(deep:) must be given"),
        ("first: Int", "first: Int, after: String!", "Query.all(after:) is new and must be given"),
        ("note: String", "note: String colour: String!", "Place.colour is new and must be given"),
        ("scalar Date", "enum Date { TODAY }", "Date was scalar and is enum"),
    ] {
        assert_eq!(changed((from, to)), [breach], "{from} to {to}");
    }
}

fn what_was_deprecated_may_go() {
    assert_eq!(changed((" LOST @deprecated(reason: \"CLOSED\")", "")), Vec::<String>::new());
    assert_eq!(changed((" old: Old @deprecated(reason: \"all\")", "")), Vec::<String>::new());
    let gone = SMALL.replace("old: Old @deprecated(reason: \"all\")", "").replace("type Old { a: Int }", "");
    assert_eq!(breaches(SMALL, &gone), Vec::<String>::new(), "a type goes with the last that named it");
}
