//! Addresses with parameters, and forms, which are written alike.

use std::fmt::Write as _;

/// `path` with the parameters that say something, beside those it has.
pub fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let said: Vec<_> = parameters.iter().filter(|(_, value)| !value.is_empty()).copied().collect();
    let joint = if path.contains('?') { '&' } else { '?' };
    if said.is_empty() { path.to_owned() } else { format!("{path}{joint}{}", pairs(&said)) }
}

/// The fields of a form, as its body has them.
pub fn pairs(fields: &[(&str, &str)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    fields.join("&")
}

/// A text as it stands in either.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let _ = if plain { write!(encoded, "{}", char::from(byte)) } else { write!(encoded, "%{byte:02X}") };
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_carries_what_says_something() {
        assert_eq!(address("/a", &[]), "/a");
        assert_eq!(address("/a", &[("b", ""), ("c", "x y&ü"), ("d", "1")]), "/a?c=x%20y%26%C3%BC&d=1");
        assert_eq!(address("/a?b=1", &[("c", "2")]), "/a?b=1&c=2");
    }
}
