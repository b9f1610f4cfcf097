//! The text of an API key: `cck_`, 30 characters of base62 (178 bits) and a check of six.
//!
//! The check is the CRC-32 of what stands before it, so that a key that was cut short or mistyped is refused without asking the database,
//! and a leaked one is recognised by scanners. Only the SHA-256 of a key is kept: its entropy needs no slower hash. The text is neither
//! printed by `Debug` nor logged.

use sha2::{Digest, Sha256};

use super::super::Error;
use crate::store;

const PREFIX: &str = "cck_";
const RANDOM: usize = 30;
const CHECK: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The SHA-256 of a secret.
pub type Hash = [u8; 32];

/// A key in full.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A new one, from the system's randomness.
    pub fn generate() -> Result<Self, Error> {
        let mut text = PREFIX.to_owned();
        while text.len() < PREFIX.len() + RANDOM {
            let mut bytes = [0; 2 * RANDOM];
            getrandom::fill(&mut bytes).map_err(|cause| {
                store::Error::Unavailable(sea_orm::DbErr::Custom(format!("the system gives no randomness: {cause}")))
            })?;
            // 248 is the largest multiple of 62 in a byte: what lies above would make some symbols likelier than others.
            let symbols = bytes.into_iter().filter(|byte| *byte < 248).map(|byte| symbol(byte.into()));
            text.extend(symbols.take(PREFIX.len() + RANDOM - text.len()));
        }
        let check = check(&text);
        Ok(Self(text + &check))
    }

    /// The key that `text` is, if it can be one at all.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == PREFIX.len() + RANDOM + CHECK
            && text.strip_prefix(PREFIX)?.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let (body, found) = text.split_at_checked(PREFIX.len() + RANDOM)?;
        (well_formed && check(body) == found).then(|| Self(text.to_owned()))
    }

    /// What is kept of it.
    pub fn hash(&self) -> Hash {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The text, to be shown to whoever asked for the key, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The last base62 digit of `value`.
fn symbol(value: u64) -> char {
    let place = usize::try_from(value % 62).unwrap_or_default();
    ALPHABET.get(place).copied().map_or('0', char::from)
}

fn check(body: &str) -> String {
    let sum = u64::from(crc32fast::hash(body.as_bytes()));
    (0..CHECK).rev().map(|place| symbol((0..place).fold(sum, |rest, _| rest / 62))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_has_its_form() {
        let secret = Secret::generate().unwrap();
        assert_eq!(secret.reveal().len(), 40);
        assert_eq!(Secret::parse(secret.reveal()), Some(secret.clone()));
        assert_ne!(secret, Secret::generate().unwrap());
        assert!(!format!("{secret:?}").contains(secret.reveal()));
    }

    #[test]
    fn every_slip_of_one_symbol_shows_before_anything_is_looked_up() {
        let secret = Secret::generate().unwrap();
        for place in 0..secret.reveal().len() {
            let mut bytes = secret.reveal().as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
            assert_eq!(Secret::parse(std::str::from_utf8(&bytes).unwrap()), None, "place {place}");
        }
        for text in ["", "cck_", "cck_é", &secret.reveal()[..39], &format!("{}a", secret.reveal()), &"é".repeat(20)] {
            assert_eq!(Secret::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_check_is_the_documented_one() {
        // CRC-32 of "123456789" is 0xCBF43926.
        assert_eq!(check("123456789"), "3jZRME");
    }
}
