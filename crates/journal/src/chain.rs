//! One line of the journal, and how it hangs on the line before.

use crate::fault::Damage;
use model::{Seq, UnixMillis, hex, hex_digits};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// The hash of a line and, through it, of all lines before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first line hangs on.
    pub const ORIGIN: Hash = Hash([0; 32]);

    fn next(self, json: &[u8]) -> Hash {
        let mut hash = Sha256::new();
        // As it is written in the line before, so that an auditor can join the texts and call sha256sum.
        hash.update(self.digits());
        hash.update(json);
        Hash(hash.finalize().into())
    }
    /// As it stands in a line.
    fn digits(self) -> [u8; DIGITS] {
        let mut digits = [0; DIGITS];
        digits.chunks_exact_mut(2).zip(self.0).for_each(|(two, byte)| two.copy_from_slice(&hex_digits(byte)));
        digits
    }
}
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The JSON of a line.
#[derive(Serialize, Deserialize)]
pub(crate) struct Json<B> {
    pub(crate) seq: Seq,
    pub(crate) wall: UnixMillis,
    pub(crate) body: B,
}

/// Eight hex digits, a space, 64 hex digits, a space.
pub(crate) const HEAD: usize = 8 + 1 + DIGITS + 1;
/// Of a hash.
const DIGITS: usize = 64;

/// The line for a JSON text that hangs on `before`, with its line end, and its hash.
pub(crate) fn write(before: Hash, json: &[u8]) -> (Vec<u8>, Hash) {
    let hash = before.next(json);
    let mut line = Vec::with_capacity(HEAD + json.len() + 1);
    line.extend_from_slice(b"........ ");
    line.extend_from_slice(&hash.digits());
    line.push(b' ');
    line.extend_from_slice(json);
    let crc = checksum(&line[9..]);
    line[..8].copy_from_slice(crc.as_bytes());
    line.push(b'\n');
    (line, hash)
}

fn checksum(text: &[u8]) -> String {
    hex(&crc32fast::hash(text).to_be_bytes())
}

/// A line (without its end) whose checksum holds.
pub(crate) struct Link<'a> {
    pub(crate) json: &'a [u8],
    hash: &'a [u8],
}

/// Takes a line apart and checks its checksum.
pub(crate) fn read(line: &[u8]) -> Result<Link<'_>, Damage> {
    let (head, json) = line.split_at_checked(HEAD).ok_or(Damage::Form)?;
    if head[8] != b' ' || head[HEAD - 1] != b' ' {
        return Err(Damage::Form);
    }
    let crc = checksum(&line[9..]);
    if head[..8] != *crc.as_bytes() {
        return Err(Damage::Checksum);
    }
    Ok(Link { json, hash: &head[9..HEAD - 1] })
}

/// Judges a last line without an end: how many NULs stand behind it, if it is what one crash leaves of the record `due`, which hangs on
/// `before`: its beginning, and NULs where a power failure took the blocks but left the file its length (ext4 and XFS do).
pub(crate) fn torn(tail: &[u8], due: Seq, before: Hash) -> Result<u64, Damage> {
    let text = tail.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let (text, nuls) = tail.split_at(text);
    let (head, json) = text.split_at(text.len().min(HEAD));
    let fits = |(at, byte): (usize, &u8)| match at {
        8 => *byte == b' ',
        at if at == HEAD - 1 => *byte == b' ',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    let opening = format!("{{\"seq\":{due},");
    let opens = json.iter().zip(opening.as_bytes()).all(|(is, should)| is == should);
    if !head.iter().enumerate().all(fits) || !opens {
        return Err(Damage::NotTorn);
    }
    match serde_json::from_slice::<IgnoredAny>(json) {
        // Whole but for its end.
        Ok(_) => read(text)?.follows(before).map(|_| ())?,
        Err(fault) if fault.is_eof() => {}
        Err(_) => return Err(Damage::NotTorn),
    }
    Ok(nuls.len() as u64)
}

impl Link<'_> {
    /// Its hash, if it hangs on `before`.
    pub(crate) fn follows(&self, before: Hash) -> Result<Hash, Damage> {
        let hash = before.next(self.json);
        if self.hash == hash.digits() { Ok(hash) } else { Err(Damage::Chain) }
    }

    /// Its hash as it stands there.
    pub(crate) fn claimed(&self) -> Result<Hash, Damage> {
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(self.hash.chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| Damage::Form)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| Damage::Form)?;
        }
        Ok(Hash(hash))
    }

    /// Its number.
    pub(crate) fn seq(&self) -> Result<Seq, Damage> {
        serde_json::from_slice::<Json<IgnoredAny>>(self.json).map(|json| json.seq).map_err(|_| Damage::Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_ordinary_tools_say_it_is() {
        let json = br#"{"seq":1,"wall":0,"body":"x"}"#;
        let (line, hash) = write(Hash::ORIGIN, json);
        // printf '%064d%s' 0 '{"seq":1,"wall":0,"body":"x"}' | sha256sum
        assert_eq!(hash.to_string(), "eef30b09e38f371a6b812fce7a24051b4a4737c84f0e61ba23ffd5491e8f3527");
        // python3 -c 'import sys, zlib; print("%08x" % zlib.crc32(sys.stdin.buffer.read()))' over what follows the checksum
        assert_eq!(&line[..8], b"b2984606");
        let link = read(line.strip_suffix(b"\n").unwrap()).map_err(|d| d.to_string()).unwrap();
        assert_eq!(link.follows(Hash::ORIGIN), Ok(hash));
        assert_eq!(link.claimed(), Ok(hash));
        assert_eq!(link.seq(), Ok(Seq(1)));
        assert_eq!(link.follows(hash), Err(Damage::Chain));
    }
}
