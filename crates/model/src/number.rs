//! Telephone numbers, and how they hide.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A telephone number as dialled: 1 to 32 of `0-9 * #`, with an optional leading `+`. Separators are dropped when parsing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Number(Arc<str>);

/// Why a text is no number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberFault {
    /// Nothing in it.
    Empty,
    /// More than 32 digits.
    TooLong,
    /// A character that no keypad has.
    Character(char),
}

impl fmt::Display for NumberFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NumberFault::Empty => f.write_str("a telephone number needs at least one digit"),
            NumberFault::TooLong => f.write_str("a telephone number has at most 32 digits"),
            NumberFault::Character(c) => write!(f, "{c:?} is not part of a telephone number"),
        }
    }
}
impl std::error::Error for NumberFault {}

impl Number {
    /// Reads a number, dropping the separators `- . ( )` and blanks (RFC 3966 section 5.1.1, visual separators).
    ///
    /// # Errors
    /// When it is empty, too long or holds anything else.
    pub fn parse(text: &str) -> Result<Number, NumberFault> {
        let mut out = String::with_capacity(text.len().min(33));
        for c in text.chars() {
            match c {
                '-' | '.' | '(' | ')' | ' ' => {}
                '+' if out.is_empty() => out.push(c),
                '0'..='9' | '*' | '#' => out.push(c),
                other => return Err(NumberFault::Character(other)),
            }
            if out.len() > 33 {
                return Err(NumberFault::TooLong);
            }
        }
        match out.trim_start_matches('+').len() {
            0 => Err(NumberFault::Empty),
            33.. => Err(NumberFault::TooLong),
            _ => Ok(Number(out.into())),
        }
    }

    /// What kind of number it is, as far as its figures tell.
    pub fn kind(&self) -> NumberKind {
        let national = match self.0.strip_prefix("+81") {
            Some(rest) => format!("0{rest}"),
            None if self.0.starts_with('+') => return NumberKind::Other,
            None => self.0.to_string(),
        };
        let digits = national.bytes().all(|b| b.is_ascii_digit());
        match (digits, national.len(), national.as_bytes()) {
            // The fourth figure is never 0: 0800 is free of charge for the caller, and belongs to companies.
            (true, 11, [b'0', b'7' | b'8' | b'9', b'0', b'1'..=b'9', ..]) => NumberKind::JpMobile,
            (true, 11, [b'0', b'5', b'0', ..]) => NumberKind::JpIp,
            // 0AB-J: ten figures. Not 00 (carriers), 010 (abroad), nor a prefix that stands for a service and not for a place.
            (true, 10, [b'0', b'1'..=b'9', ..]) if !national.starts_with("010") && !is_service(&national) => NumberKind::JpLandline,
            _ => NumberKind::Other,
        }
    }

    /// The number without separators.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Prefixes of ten-figure numbers that are services, not places: free, chargeable, premium, pagers, machines (Japanese numbering plan),
/// and those of mobile telephones, which have eleven figures.
fn is_service(national: &str) -> bool {
    ["0120", "0170", "0180", "0570", "0990", "0910", "020", "050", "060", "070", "080", "090", "0800"]
        .iter()
        .any(|prefix| national.starts_with(prefix))
}

/// Kinds of telephone numbers that a callback may or may not go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberKind {
    /// A place in Japan: ten figures, no service prefix.
    JpLandline,
    /// A mobile telephone in Japan: 070, 080, 090.
    JpMobile,
    /// IP telephones and the relay service for the deaf: 050.
    JpIp,
    /// Everything else: abroad, premium, free, short.
    Other,
}

impl TryFrom<String> for Number {
    type Error = NumberFault;
    fn try_from(s: String) -> Result<Self, NumberFault> {
        Number::parse(&s)
    }
}
impl From<Number> for String {
    fn from(n: Number) -> String {
        n.0.as_ref().to_owned()
    }
}
impl std::borrow::Borrow<str> for Number {
    fn borrow(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Something of a person's. It prints, debugs and serialises masked (`044-***-**01`); only [`Redacted::reveal`] shows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Wraps a person's value.
    pub fn new(value: T) -> Self {
        Redacted(value)
    }
    /// The value in clear. Every caller of this is a place to review.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Display> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a stranger wrote must not move the cursor of whoever reads a log.
        let clear: Vec<char> = self.0.to_string().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        // A short value has too little to hide behind: it is hidden whole.
        if clear.len() < 7 {
            return f.write_str("***");
        }
        let head: String = clear[..3].iter().collect();
        let tail: String = clear[clear.len() - 2..].iter().collect();
        write!(f, "{head}-***-**{tail}")
    }
}
impl<T: fmt::Display> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
impl<T: fmt::Display> Serialize for Redacted<T> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_leading_zero_and_loses_its_hyphens() {
        assert_eq!(Number::parse("044-000-0001").unwrap().as_str(), "0440000001");
        assert_eq!(Number::parse("+81 44 000 0001").unwrap().as_str(), "+81440000001");
        assert_eq!(Number::parse("*1").unwrap().as_str(), "*1");
        assert_eq!(Number::parse(""), Err(NumberFault::Empty));
        assert_eq!(Number::parse("+"), Err(NumberFault::Empty));
        assert_eq!(Number::parse("alice"), Err(NumberFault::Character('a')));
        assert_eq!(Number::parse(&"1".repeat(33)), Err(NumberFault::TooLong));
    }

    #[test]
    fn a_number_tells_whether_it_may_be_called_back() {
        let kind = |text: &str| Number::parse(text).unwrap().kind();
        assert_eq!(kind("0440000001"), NumberKind::JpLandline);
        assert_eq!(kind("+81440000001"), NumberKind::JpLandline);
        assert_eq!(kind("09012345678"), NumberKind::JpMobile);
        assert_eq!(kind("+819012345678"), NumberKind::JpMobile);
        assert_eq!(kind("05000000001"), NumberKind::JpIp);
        // 010 is the way abroad, even where the rest is short enough to look like a place.
        for other in ["0106834001", "+81106834001", "0106904001", "0800123456", "0204123456", "0600123456"] {
            assert_eq!(kind(other), NumberKind::Other, "{other}");
        }
        for other in ["0120000001", "0570000001", "0990000001", "0010000001", "110", "+14150000001", "08010000", "0440000001#"] {
            assert_eq!(kind(other), NumberKind::Other, "{other}");
        }
    }

    #[test]
    fn a_caller_is_masked_wherever_it_is_printed() {
        let caller = Redacted::new(Number::parse("0440000001").unwrap());
        assert_eq!(format!("{caller}"), "044-***-**01");
        assert_eq!(format!("{caller:?}"), "044-***-**01");
        assert_eq!(serde_json::to_string(&caller).unwrap(), "\"044-***-**01\"");
        assert_eq!(Redacted::new("anonymous").to_string(), "ano-***-**us");
        assert_eq!(Redacted::new("a\n\u{1b}[31mred").to_string(), "a??-***-**ed");
        assert_eq!(Redacted::new("110").to_string(), "***");
        assert_eq!(Redacted::new("電話番号一二三四").to_string(), "電話番-***-**三四");
    }
}
