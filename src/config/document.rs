//! Trusted documents: the operations that are served, where only some are.
//!
//! The file is JSON, as the tools of client frameworks write it: a map from ids to documents, or a manifest with a list of `operations`,
//! each with an `id` and a `body`. A document is known by the SHA-256 of its text, whatever id it has there.

use std::{collections::HashMap, path::Path, sync::Arc};

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The documents of a manifest. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents(Arc<HashMap<String, String>>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Manifest {
    List { operations: Vec<Listed> },
    Map(HashMap<String, String>),
}

#[derive(Deserialize)]
struct Listed {
    body: String,
}

impl Documents {
    /// The documents in a file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read(path).map_err(|cause| cause.to_string())?;
        Self::parse(&text).map_err(|cause| cause.to_string())
    }

    fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        let documents: Vec<String> = match serde_json::from_slice(text)? {
            Manifest::List { operations } => operations.into_iter().map(|operation| operation.body).collect(),
            Manifest::Map(documents) => documents.into_values().collect(),
        };
        Ok(Self(Arc::new(documents.into_iter().map(|document| (id(&document), document)).collect())))
    }

    /// These and others.
    #[must_use]
    pub fn with(&self, others: &[&str]) -> Self {
        let others = others.iter().map(|document| (id(document), (*document).to_owned()));
        Self(Arc::new(self.0.iter().map(|(id, document)| (id.clone(), document.clone())).chain(others).collect()))
    }

    /// Whether the document is one of them, letter by letter.
    pub fn has(&self, document: &str) -> bool {
        self.0.contains_key(&id(document))
    }

    /// The document of that id: its SHA-256 in hexadecimal digits, `sha256:` before it or not.
    pub fn find(&self, id: &str) -> Option<&str> {
        let digits = id.strip_prefix("sha256:").unwrap_or(id).to_ascii_lowercase();
        self.0.get(&digits).map(String::as_str)
    }
}

/// The SHA-256 of a text, in hexadecimal digits.
fn id(document: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(document.as_bytes()).iter().fold(String::with_capacity(64), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_manifest_are_read() {
        for text in [
            r#"{"a1": "{ viewer { role } }"}"#,
            r#"{"format": "apollo-persisted-query-manifest", "version": 1,
                "operations": [{"id": "a1", "name": "A", "type": "query", "body": "{ viewer { role } }"}]}"#,
        ] {
            let documents = Documents::parse(text.as_bytes()).unwrap();
            assert!(documents.has("{ viewer { role } }") && !documents.has("{ viewer { role }}"));
            let known = id("{ viewer { role } }");
            for id in [known.clone(), format!("sha256:{known}"), known.to_uppercase()] {
                assert_eq!(documents.find(&id), Some("{ viewer { role } }"));
            }
            assert_eq!(documents.find("a1"), None);
        }
        for text in ["", "[]", "7", r#"{"a": 1}"#, r#"{"operations": [{"id": "a"}]}"#] {
            assert!(Documents::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(id("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
