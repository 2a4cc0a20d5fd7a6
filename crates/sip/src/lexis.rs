//! The letters of SIP: tokens, blanks, quoted strings and lists, read one byte at a time.
//!
//! RFC 3261 section 25.1. Everything works on bytes, because a display name may hold bytes that are no UTF-8.

/// What a byte may be part of; several at once.
const TOKEN: u8 = 1;
const VALUE: u8 = 2;
const HOST: u8 = 4;

/// The kinds of every byte: each byte of a message is asked for, most of them twice.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0u8;
    loop {
        let visible = byte.is_ascii_graphic();
        let angled = matches!(byte, b'<' | b'>' | b'"');
        let token = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        let host = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        kinds[byte as usize] = if token { TOKEN } else { 0 }
            | if visible && !angled && byte != b';' && byte != b',' { VALUE } else { 0 }
            | if host { HOST } else { 0 };
        if byte == u8::MAX {
            break kinds;
        }
        byte += 1;
    }
};

fn is(byte: u8, kind: u8) -> bool {
    KINDS[usize::from(byte)] & kind != 0
}

/// Whether `byte` may stand in a token (RFC 3261 section 25.1, `token`).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    is(byte, TOKEN)
}

/// Whether all bytes are as wanted. Sixteen are looked at at once; the last sixteen, some of them a second time.
#[inline(always)]
pub(crate) fn all(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> bool {
    let sound = |bytes: &[u8]| bytes.iter().fold(true, |all, byte| all & wanted(*byte));
    match bytes.last_chunk::<16>() {
        Some(last) => bytes.as_chunks::<16>().0.iter().all(|chunk| sound(chunk)) && sound(last),
        None => sound(bytes),
    }
}

/// Whether `byte` is visible ASCII, without a branch, for [`all`].
fn is_graphic(byte: u8) -> bool {
    byte.wrapping_sub(b'!') <= b'~' - b'!'
}

/// Whether all bytes may stand in a URI: visible ASCII, and none of `<>"`.
pub(crate) fn is_uri(bytes: &[u8]) -> bool {
    all(bytes, |byte| is_graphic(byte) & (byte != b'<') & (byte != b'>') & (byte != b'"'))
}

/// Whether `byte` may stand in the name of a host, or in an IPv4 address.
pub(crate) fn is_host_byte(byte: u8) -> bool {
    is(byte, HOST)
}

/// Whether `byte` may stand in the value of a parameter without quotes: visible ASCII, and none of `<>";,`.
pub(crate) fn is_value_byte(byte: u8) -> bool {
    is(byte, VALUE)
}

/// Whether `bytes` are one token.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

/// Whether `byte` is a blank. Folds have become blanks before anyone reads a value.
pub(crate) fn is_blank(byte: u8) -> bool {
    // Most bytes are larger than both: one comparison tells.
    byte <= b' ' && (byte == b' ' || byte == b'\t')
}

/// Whether two names are the same in any case. Most are written as everybody writes them, or differ in their length.
pub(crate) fn same_name(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && (a == b || a.eq_ignore_ascii_case(b))
}

/// `bytes` without blanks at either end.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

/// `bytes` without blanks at the beginning.
pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [blank, rest @ ..] = bytes
        && is_blank(*blank)
    {
        bytes = rest;
    }
    bytes
}

/// `bytes` without blanks at the end.
pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., blank] = bytes
        && is_blank(*blank)
    {
        bytes = rest;
    }
    bytes
}

/// `bytes` as text if every one of them is a visible ASCII character, and there is at least one.
pub(crate) fn visible(bytes: &[u8]) -> Option<&str> {
    if is_visible(bytes) { std::str::from_utf8(bytes).ok() } else { None }
}

/// Whether [`visible`] takes it.
pub(crate) fn is_visible(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, is_graphic)
}

/// Bytes that are known to be ASCII, as text.
pub(crate) fn text(ascii: &[u8]) -> &str {
    std::str::from_utf8(ascii).unwrap_or_default()
}

/// A decimal number of any length; `None` if there is anything but digits, `u64::MAX` if it is larger than that.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    // Nineteen nines fit.
    if bytes.len() < 20 {
        return bytes.iter().try_fold(0u64, |sum, byte| Some(sum.wrapping_mul(10).wrapping_add(digit(byte)?)));
    }
    bytes.iter().try_fold(0u64, |sum, byte| Some(sum.saturating_mul(10).saturating_add(digit(byte)?)))
}

/// The first 16 bytes of a text as one number, to look at all of them at once. The first byte is the lowest; behind the end stand zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(u128);

/// All bits of so many bytes.
const FIRST: [u128; Word::LENGTH + 1] = {
    let mut masks = [u128::MAX; Word::LENGTH + 1];
    let mut length = 0;
    while length < Word::LENGTH {
        masks[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    masks
};

impl Word {
    /// How many bytes.
    pub(crate) const LENGTH: usize = 16;

    pub(crate) const fn new(text: &[u8]) -> Word {
        Word(u128::from_le_bytes(match text.first_chunk() {
            Some(chunk) => *chunk,
            None => {
                let mut padded = [0; Word::LENGTH];
                padded.split_at_mut(text.len()).0.copy_from_slice(text);
                padded
            }
        }))
    }
    /// Its first `length` bytes.
    pub(crate) fn cut(self, length: usize) -> Word {
        Word(self.0 & FIRST[length.min(Word::LENGTH)])
    }
    /// Where the first `byte` stands; [`Word::LENGTH`] if it does not. One half is looked at after the other: most names are short.
    pub(crate) fn find(self, byte: u8) -> usize {
        const ONES: u64 = u64::MAX / 0xff;
        let in_half = |half: u64| {
            // Zero where the byte is. Of zero bytes, the first is the first to lend its highest bit.
            let others = half ^ (ONES * u64::from(byte));
            let lent = others.wrapping_sub(ONES) & !others & (ONES << 7);
            (lent.trailing_zeros() / 8) as usize
        };
        match in_half(self.0 as u64) {
            8 => 8 + in_half((self.0 >> 64) as u64),
            at => at,
        }
    }
}

/// Where the first `byte` stands in a text that begins with `word`.
pub(crate) fn find(byte: u8, word: Word, text: &[u8]) -> Option<usize> {
    match word.find(byte) {
        Word::LENGTH => memchr::memchr(byte, text.get(Word::LENGTH..)?).map(|at| Word::LENGTH + at),
        at => Some(at),
    }
}

/// A text of at most 16 bytes to compare words with, whatever the case of their letters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnyCase {
    lower: u128,
    /// Of each letter, the bit that makes it lower case.
    case: u128,
}

impl AnyCase {
    pub(crate) const fn new(text: &[u8]) -> AnyCase {
        let (mut case, mut at) = (0, 0);
        while at < text.len() {
            case |= (text[at].is_ascii_alphabetic() as u128) << (8 * at + 5);
            at += 1;
        }
        AnyCase { lower: Word::new(text).0 | case, case }
    }
    pub(crate) fn is(self, word: Word) -> bool {
        word.0 | self.case == self.lower
    }
}

/// A place in a value, from which one thing after the other is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor(bytes)
    }
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }
    pub(crate) fn blanks(&mut self) -> usize {
        let before = self.0.len();
        self.0 = trim_start(self.0);
        before - self.0.len()
    }
    /// Eats `byte` if it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }
    /// Eats `text` if it is next.
    pub(crate) fn eat_all(&mut self, text: &[u8]) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }
    /// Eats `byte` with any blanks around it (`SEMI`, `EQUAL`, `SLASH`, `COLON`); eats nothing if it is not there.
    pub(crate) fn separator(&mut self, byte: u8) -> bool {
        match trim_start(self.0).split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = trim_start(rest);
                true
            }
            _ => false,
        }
    }
    pub(crate) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|b| !wanted(*b)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }
    /// The next so many bytes.
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
    /// What stands before the first `byte`, or all of it.
    pub(crate) fn until(&mut self, byte: u8) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(memchr::memchr(byte, self.0).unwrap_or(self.0.len()));
        self.0 = rest;
        taken
    }
    pub(crate) fn token(&mut self) -> Option<&'a [u8]> {
        let taken = self.take_while(is_token_byte);
        (!taken.is_empty()).then_some(taken)
    }
    /// A quoted string, if one begins here: what stands between the quotes, its escapes untouched. `None` if it never ends.
    pub(crate) fn quoted(&mut self) -> Option<&'a [u8]> {
        let inner = self.0.strip_prefix(b"\"")?;
        let (taken, rest) = inner.split_at(Reading::Unsettled.closing(inner)?);
        self.0 = rest.get(1..).unwrap_or_default();
        Some(taken)
    }
}

/// How the quoted strings of one header value are read.
///
/// A backslash escapes what follows (RFC 3261 section 25.1, `quoted-pair`). But old exchanges and gateways write names in Shift-JIS, in which it is the
/// second half of some letters: 能 is 0x94 0x5C, and a name may end with it.
#[derive(Clone, Copy)]
enum Reading {
    /// As the standard says, as long as that makes sense.
    Unsettled,
    AsWritten,
    ShiftJis,
}

impl Reading {
    /// How long the inside of a quoted string is, up to its closing quote; `None` if it never ends. Of two readings the one counts after which the
    /// header goes on as it may: with an address, a parameter, another value, or not at all. That is decided once for the whole value, or one full
    /// of quotes would be read as often as it has quotes.
    fn closing(&mut self, inner: &[u8]) -> Option<usize> {
        let next = |end: &usize| trim_start(inner.get(end + 1..).unwrap_or_default()).first().copied();
        let goes_on = |end: &usize| matches!(next(end), None | Some(b'<' | b';' | b','));
        match self {
            Reading::AsWritten => ends(inner, |_| true),
            Reading::ShiftJis => ends(inner, in_shift_jis()),
            Reading::Unsettled => {
                let as_written = ends(inner, |_| true);
                if as_written.is_some_and(|end| goes_on(&end)) {
                    return as_written;
                }
                let other = ends(inner, in_shift_jis()).filter(goes_on);
                *self = if other.is_some() { Reading::ShiftJis } else { Reading::AsWritten };
                other.or(as_written)
            }
        }
    }
}

/// Whether the backslash behind such text escapes, if it is Shift-JIS: unless only the first half of the last letter has been seen. They are asked for
/// in their order.
fn in_shift_jis() -> impl FnMut(&[u8]) -> bool {
    let (mut seen, mut half) = (0, false);
    move |before| {
        let fresh = before.get(seen..).unwrap_or_default();
        half = fresh.iter().fold(half, |half, byte| !half && matches!(byte, 0x81..=0x9f | 0xe0..=0xfc));
        seen = before.len();
        !half
    }
}

/// Where the first quote stands that no backslash escapes.
fn ends(inner: &[u8], mut escapes: impl FnMut(&[u8]) -> bool) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'\\', b'"', inner.get(at..)?)?;
        match inner.get(at) {
            Some(b'"') => return Some(at),
            _ if escapes(inner.get(..at).unwrap_or_default()) => at += 2,
            _ => at += 1,
        }
    }
}

/// The inside of a quoted string with its escapes (`\"`) resolved.
pub(crate) fn unquote(inner: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        // One that ends it escapes nothing.
        out.push(if *byte == b'\\' { *bytes.next().unwrap_or(byte) } else { *byte });
    }
    out
}

/// The values of a comma-separated list. A comma inside quotes or `<>` separates nothing; an empty list has one empty value.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut reading) = (Some(value), Reading::Unsettled);
    std::iter::from_fn(move || {
        let text = rest?;
        if memchr::memchr(b',', text).is_none() {
            rest = None;
            return Some(trim(text));
        }
        let (mut at, mut bracketed) = (0, false);
        while let Some(byte) = text.get(at) {
            match byte {
                b'"' if !bracketed => match text.get(at + 1..).and_then(|inner| reading.closing(inner)) {
                    Some(inner) => at += inner + 1,
                    None => break,
                },
                b'<' => bracketed = true,
                b'>' => bracketed = false,
                b',' if !bracketed => {
                    let (item, tail) = text.split_at(at);
                    rest = tail.get(1..);
                    return Some(trim(item));
                }
                _ => {}
            }
            at += 1;
        }
        rest = None;
        Some(trim(text))
    })
}

/// One parameter: its name as written, and its value if it has one.
type Param<'a> = (&'a [u8], Option<&'a [u8]>);

/// The parameters of a header value: `;name`, `;name=value`, `;name="value"` (RFC 3261 section 25.1, `generic-param`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Params<'a>(&'a [u8]);

impl<'a> Params<'a> {
    /// Checks everything from here to the end of the value. `None` if it is not a sound row of parameters.
    #[cfg(test)]
    pub(crate) fn parse(cursor: Cursor<'a>) -> Option<Params<'a>> {
        Self::parse_with(cursor, "").map(|(params, _)| params)
    }
    /// The same, with the first parameter called `wanted` as [`Params::find`] finds it: everybody needs a branch or a tag.
    pub(crate) fn parse_with(cursor: Cursor<'a>, wanted: &str) -> Option<(Params<'a>, Option<Option<&'a [u8]>>)> {
        let params = Params(cursor.rest());
        let (mut cursor, mut found) = (cursor, None);
        while let Some(next) = Self::next(&mut cursor) {
            let (name, value) = next?;
            if found.is_none() && same_name(name, wanted.as_bytes()) {
                found = Some(value);
            }
        }
        Some((params, found))
    }
    /// The next parameter; the inner `None` stands for one that is broken.
    fn next(cursor: &mut Cursor<'a>) -> Option<Option<Param<'a>>> {
        if !cursor.separator(b';') {
            cursor.blanks();
            return if cursor.rest().is_empty() { None } else { Some(None) };
        }
        Some(Self::one(cursor))
    }
    fn one(cursor: &mut Cursor<'a>) -> Option<Param<'a>> {
        let name = cursor.token()?;
        if !cursor.separator(b'=') {
            return Some((name, None));
        }
        if cursor.peek() == Some(b'"') {
            return Some((name, Some(cursor.quoted()?)));
        }
        let value = cursor.take_while(is_value_byte);
        (!value.is_empty()).then_some((name, Some(value)))
    }
    /// All of them in order, names as written.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut cursor = Cursor::new(self.0);
        std::iter::from_fn(move || Self::next(&mut cursor).flatten())
    }
    /// The first of that name, in whatever case: `Some(None)` if it has no value.
    pub(crate) fn find(&self, name: &str) -> Option<Option<&'a [u8]>> {
        self.iter().find(|(n, _)| same_name(n, name.as_bytes())).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value full of quotes takes as long as one without, by the order of it: who sends it has no more of us than anybody.
    #[test]
    #[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a ratio of two times, with fortyfold slack")]
    fn no_row_of_quotes_is_read_as_often_as_it_has_quotes() {
        let took = |unit: &[u8]| {
            let value: Vec<u8> = unit.iter().copied().cycle().take(60_000).collect();
            let began = std::time::Instant::now();
            assert!((0..10).map(|_| list(&value).map(<[u8]>::len).sum::<usize>()).all(|bytes| bytes > 0));
            began.elapsed()
        };
        let plain = took(b"abcde,").max(std::time::Duration::from_micros(500));
        for unit in [&b"\"\x81\\\","[..], b"\\\"\x81\\\",", b"\\\"\x81\\\\\"", b"\"\x81\\\"x", b"\"\",", b"\"a\" x,", b"\"\x81\\\\\" x, "] {
            let hostile = took(unit);
            assert!(hostile < plain * 40, "{unit:x?}: {hostile:?}, and {plain:?} without quotes");
        }
    }

    #[test]
    fn a_comma_in_a_name_or_in_a_uri_is_no_separator() {
        let values: Vec<_> = list(br#""Bell, \"Al,ex" <sip:a,b@c> ; q="1,2" , <sip:d@e>,"#).collect();
        assert_eq!(values, [&br#""Bell, \"Al,ex" <sip:a,b@c> ; q="1,2""#[..], b"<sip:d@e>", b""]);
    }

    #[test]
    fn parameters_keep_blanks_and_semicolons_inside_their_quotes() {
        let params = Params::parse(Cursor::new(b" ; tag\t= 98 ;Lr;x=\"a;b\\\"c\"")).unwrap();
        assert_eq!(params.find("TAG"), Some(Some(&b"98"[..])));
        assert_eq!(params.find("lr"), Some(None));
        assert_eq!(params.find("x"), Some(Some(&b"a;b\\\"c"[..])));
        assert_eq!(params.find("y"), None);
        for broken in [&b";;"[..], b";a=", b";a=\"b", b"a", b";a b", b";"] {
            assert!(Params::parse(Cursor::new(broken)).is_none(), "{broken:?}");
        }
    }

    #[test]
    fn numbers_do_not_wrap() {
        assert_eq!(number(b"0068"), Some(68));
        assert_eq!(number(b"36893488147419103232"), Some(u64::MAX));
        assert_eq!(number(b"-1"), None);
        assert_eq!(number(b""), None);
    }
}
