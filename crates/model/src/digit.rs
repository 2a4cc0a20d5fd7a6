//! A key of a telephone.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One DTMF key. The value is the RFC 4733 event code, 0 to 15 (section 3.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "char", into = "char")]
pub struct Digit(u8);

const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

impl Digit {
    /// From an RFC 4733 event code; codes above 15 are no keys.
    pub const fn from_event(code: u8) -> Option<Digit> {
        if code < 16 { Some(Digit(code)) } else { None }
    }
    /// The RFC 4733 event code.
    pub const fn event(self) -> u8 {
        self.0
    }
    /// From the character on the key: `0-9 * # A-D`.
    pub fn from_char(c: char) -> Option<Digit> {
        let c = c.to_ascii_uppercase();
        KEYS.iter().zip(0u8..).find(|(k, _)| **k == c).map(|(_, i)| Digit(i))
    }
    /// The character on the key.
    pub fn as_char(self) -> char {
        KEYS[usize::from(self.0)]
    }
}
impl TryFrom<char> for Digit {
    type Error = String;
    fn try_from(c: char) -> Result<Self, String> {
        Digit::from_char(c).ok_or_else(|| format!("{c:?} is not a key of a telephone"))
    }
}
impl From<Digit> for char {
    fn from(d: Digit) -> char {
        d.as_char()
    }
}
impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_char())
    }
}
impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_event_code() {
        for code in 0..16 {
            let digit = Digit::from_event(code).unwrap();
            assert_eq!(Digit::from_char(digit.as_char()), Some(digit));
        }
        assert_eq!(Digit::from_char('*').unwrap().event(), 10);
        assert_eq!(Digit::from_char('#').unwrap().event(), 11);
        assert_eq!(Digit::from_event(16), None);
        assert_eq!(Digit::from_char('x'), None);
    }
}
