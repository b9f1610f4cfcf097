//! Activation codes as people write them.
//!
//! 25 symbols of Crockford's base32 (<https://www.crockford.com/base32.html>) in five groups: 24 random ones, 120 bits, and a check symbol.
//! The check is a weighted sum over GF(32), the field with 32 elements: the sum of `weight(i) × symbol(i)` over all 25 places is zero. A
//! single wrong symbol changes the sum by `weight × difference`, and a swap of the places i and j by `(weight(i) − weight(j)) × difference`;
//! with weights that are distinct and not zero neither product can vanish, so every one of either is caught.

use crate::store;

/// Symbols of a code, the check symbol last.
pub const SYMBOLS: usize = 25;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUP: usize = 5;

/// A well-formed code: 25 symbols, in capitals, without hyphens. Not printable, so that it cannot reach a log by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Code([u8; SYMBOLS]);

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(…)")
    }
}

impl Code {
    /// A new code.
    pub fn random() -> Result<Self, store::Error> {
        Ok(Self::batch(1)?.swap_remove(0))
    }

    /// So many new codes, for one request of random bytes.
    pub fn batch(count: usize) -> Result<Vec<Self>, store::Error> {
        let mut bytes = vec![0_u8; count * (SYMBOLS - 1)];
        getrandom::fill(&mut bytes).map_err(|error| {
            store::Error::Refused(sea_orm::DbErr::Custom(format!("the system gives no random bytes: {error}")))
        })?;
        Ok(bytes.chunks(SYMBOLS - 1).map(Self::from_symbols).collect())
    }

    /// The code of 24 symbols, of which the low five bits count.
    fn from_symbols(symbols: &[u8]) -> Self {
        let mut text = [b'0'; SYMBOLS];
        let mut sum = 0;
        for (place, (cell, symbol)) in text.iter_mut().zip(symbols).enumerate() {
            *cell = letter(symbol & 31);
            sum ^= multiply(weight(place), symbol & 31);
        }
        // The check symbol has weight 1, so it is the sum of the others itself.
        if let Some(check) = text.last_mut() {
            *check = letter(sum);
        }
        Self(text)
    }

    /// Reads what somebody typed: case, hyphens and spaces are forgiven, and I, L and O are taken for 1, 1 and 0. None: mistyped.
    pub fn parse(text: &str) -> Option<Self> {
        let mut symbols = [0_u8; SYMBOLS];
        let mut written = text.bytes().filter(|byte| !matches!(byte, b'-' | b' '));
        for cell in &mut symbols {
            *cell = symbol(written.next()?)?;
        }
        let sum = symbols.iter().enumerate().fold(0, |sum, (place, symbol)| sum ^ multiply(weight(place), *symbol));
        if written.next().is_some() || sum != 0 {
            return None;
        }
        Some(Self(symbols.map(letter)))
    }

    /// The symbols, as they are hashed and sealed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The four symbols that may be shown.
    pub fn last_four(&self) -> String {
        self.0.iter().skip(SYMBOLS - 4).map(|symbol| char::from(*symbol)).collect()
    }

    /// Reads what somebody typed for the last four symbols of a code. None: it is not that.
    pub fn last_four_typed(text: &str) -> Option<String> {
        let symbols: Option<Vec<char>> =
            text.bytes().map(|byte| symbol(byte).map(|symbol| char::from(letter(symbol)))).collect();
        symbols.filter(|symbols| symbols.len() == 4).map(String::from_iter)
    }

    /// In full, in five groups: for the one who may have it.
    pub fn reveal(&self) -> String {
        let groups: Vec<String> =
            self.0.chunks(GROUP).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
        groups.join("-")
    }
}

/// The last four symbols of something that is no code.
pub fn last_four_of(text: &str) -> Option<String> {
    let symbols: Vec<char> = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let last = symbols.get(symbols.len().checked_sub(4)?..)?;
    Some(last.iter().collect::<String>().to_ascii_uppercase())
}

/// Distinct and not zero: 25, 24, … 2, and 1 for the check symbol.
fn weight(place: usize) -> u8 {
    u8::try_from(SYMBOLS - place).unwrap_or_default()
}

fn letter(symbol: u8) -> u8 {
    ALPHABET.get(usize::from(symbol)).copied().unwrap_or(b'0')
}

fn symbol(byte: u8) -> Option<u8> {
    let byte = match byte.to_ascii_uppercase() {
        b'I' | b'L' => b'1',
        b'O' => b'0',
        other => other,
    };
    ALPHABET.iter().position(|letter| *letter == byte).and_then(|place| u8::try_from(place).ok())
}

/// The product in GF(32) = GF(2)[x] / (x⁵ + x² + 1).
fn multiply(a: u8, b: u8) -> u8 {
    let product =
        (0..5).fold(0_u16, |product, bit| if b >> bit & 1 == 1 { product ^ u16::from(a) << bit } else { product });
    let reduced =
        (5..9).rev().fold(product, |rest, bit| if rest >> bit & 1 == 1 { rest ^ 0b10_0101 << (bit - 5) } else { rest });
    u8::try_from(reduced).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes() -> Vec<Code> {
        Code::batch(40).expect("random bytes")
    }

    #[test]
    fn a_code_reads_as_it_is_written_and_however_it_is_typed() {
        for code in codes() {
            let text = code.reveal();
            assert_eq!(text.len(), 29);
            for typed in [
                text.clone(),
                text.to_lowercase(),
                text.replace('-', ""),
                text.replace('1', "I").replace('0', "o"),
                text.replace('1', "l"),
            ] {
                assert_eq!(Code::parse(&typed), Some(code.clone()), "{typed}");
            }
        }
    }

    #[test]
    fn every_single_wrong_symbol_is_caught() {
        for code in codes() {
            for place in 0..SYMBOLS {
                for wrong in ALPHABET.iter().filter(|letter| **letter != code.0[place]) {
                    let mut typed = code.0;
                    typed[place] = *wrong;
                    assert_eq!(Code::parse(&String::from_utf8_lossy(&typed)), None);
                }
            }
        }
    }

    #[test]
    fn every_swap_of_two_is_caught() {
        for code in codes() {
            for one in 0..SYMBOLS {
                for other in (0..one).filter(|other| code.0[*other] != code.0[one]) {
                    let mut typed = code.0;
                    typed.swap(one, other);
                    assert_eq!(Code::parse(&String::from_utf8_lossy(&typed)), None);
                }
            }
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        for text in [
            "",
            "-",
            "U",
            "0000",
            "00000-00000-00000-00000-000000",
            "00000-00000-00000-00000-0000\u{e9}",
            &"0".repeat(10_000),
        ] {
            assert_eq!(Code::parse(text), None, "{text}");
        }
        assert!(Code::parse(&"0".repeat(25)).is_some());
    }

    #[test]
    fn multiplication_is_a_field_s() {
        for a in 1..32 {
            let mut products: Vec<u8> = (1..32).map(|b| multiply(a, b)).collect();
            products.sort_unstable();
            assert_eq!(products, (1..32).collect::<Vec<u8>>(), "{a} has no zero divisor and meets every element");
        }
    }
}
