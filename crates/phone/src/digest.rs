//! Proving who we are without saying the password.
//!
//! The client's half of HTTP digest for SIP: RFC 7616 with MD5 and SHA-256 (RFC 8760), `qop=auth`, and RFC 2069 style where the server
//! offers no qop. rsip 0.4 cannot read `algorithm=SHA-256` nor write a hexadecimal nc, so both headers are text here.

use md5::{Digest as _, Md5};
use model::{DigestAlgorithm, Random, hex};
use sha2::Sha256;

/// A server's challenge, and how often we have answered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) realm: String,
    pub(crate) nonce: String,
    pub(crate) algorithm: DigestAlgorithm,
    pub(crate) stale: bool,
    opaque: Option<String>,
    qop: bool,
    /// Answers given so far; the next one carries this plus one as nc.
    used: u32,
}

/// Reads the value of a WWW-Authenticate or Proxy-Authenticate header.
///
/// # Errors
/// `None` for another scheme, an algorithm we do not know, or a qop without `auth`: the next header may hold a better one
/// (RFC 7616 section 3.7). A broken challenge is `Some(Err(sentence))`.
pub(crate) fn read(value: &str) -> Option<Result<Challenge, String>> {
    let rest = value.trim();
    let scheme = rest.get(..6).filter(|s| s.eq_ignore_ascii_case("Digest"))?;
    let parameters = parameters(&rest[scheme.len()..]);
    let find = |name: &str| parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone());
    let algorithm = match find("algorithm") {
        None => DigestAlgorithm::Md5,
        Some(a) if a.eq_ignore_ascii_case("MD5") => DigestAlgorithm::Md5,
        Some(a) if a.eq_ignore_ascii_case("SHA-256") => DigestAlgorithm::Sha256,
        Some(_) => return None,
    };
    let qop = match find("qop") {
        None => false,
        Some(list) if list.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")) => true,
        Some(_) => return None,
    };
    let (Some(realm), Some(nonce)) = (find("realm"), find("nonce")) else {
        return Some(Err("a Digest challenge without realm and nonce (RFC 7616 section 3.3)".to_owned()));
    };
    let stale = find("stale").is_some_and(|s| s.eq_ignore_ascii_case("true"));
    Some(Ok(Challenge { realm, nonce, algorithm, stale, opaque: find("opaque"), qop, used: 0 }))
}

impl Challenge {
    /// The value of the Authorization or Proxy-Authorization header for one request. Each call counts nc on by one.
    pub(crate) fn answer(&mut self, random: &mut Random, user: &str, password: &str, method: &str, uri: &str) -> String {
        self.used = self.used.saturating_add(1);
        let hash = |text: String| match self.algorithm {
            DigestAlgorithm::Md5 => hex(&Md5::digest(text)),
            DigestAlgorithm::Sha256 => hex(&Sha256::digest(text)),
        };
        let ha1 = hash(format!("{user}:{}:{password}", self.realm));
        let ha2 = hash(format!("{method}:{uri}"));
        let mut value = format!("Digest username=\"{user}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\"", self.realm, self.nonce);
        if self.qop {
            let (nc, cnonce) = (format!("{:08x}", self.used), random.token(16));
            let response = hash(format!("{ha1}:{}:{nc}:{cnonce}:auth:{ha2}", self.nonce));
            value.push_str(&format!(", response=\"{response}\", qop=auth, nc={nc}, cnonce=\"{cnonce}\""));
        } else {
            value.push_str(&format!(", response=\"{}\"", hash(format!("{ha1}:{}:{ha2}", self.nonce))));
        }
        value.push_str(match self.algorithm {
            DigestAlgorithm::Md5 => ", algorithm=MD5",
            DigestAlgorithm::Sha256 => ", algorithm=SHA-256",
        });
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        value
    }
}

/// `name=value` and `name="quoted, value"`, separated by commas; at most 32 of them.
fn parameters(mut rest: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (mut value, mut escaped, mut end) = (String::new(), false, quoted.len());
                for (at, c) in quoted.char_indices() {
                    match c {
                        _ if escaped => {
                            value.push(c);
                            escaped = false;
                        }
                        '\\' => escaped = true,
                        '"' => {
                            end = at + 1;
                            break;
                        }
                        _ => value.push(c),
                    }
                }
                (value, quoted.get(end..).unwrap_or_default())
            }
            None => match after.split_once(',') {
                Some((value, _)) => (value.trim().to_owned(), &after[value.len()..]),
                None => (after.trim().to_owned(), ""),
            },
        };
        found.push((name.trim().to_owned(), value));
        rest = next.trim_start().trim_start_matches(',').trim_start();
        if found.len() == 32 {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 section 3.9.1 gives the same request with both algorithms; its cnonce is fixed, ours is drawn, so the sums are redone
    /// here with the one we drew.
    fn mufasa(algorithm: &str) -> String {
        format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    }

    #[test]
    fn both_hashes_agree_with_the_sums_of_the_rfc() {
        for (name, ha1) in
            [("MD5", "3d78807defe7de2157e2b0b6573a855f"), ("SHA-256", "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232")]
        {
            let mut challenge = read(&mufasa(name)).unwrap().unwrap();
            let value = challenge.answer(&mut Random::from_number(1), "Mufasa", "Circle of Life", "GET", "/dir/index.html");
            let hash = |text: String| if name == "MD5" { hex(&Md5::digest(text)) } else { hex(&Sha256::digest(text)) };
            assert_eq!(hash("Mufasa:http-auth@example.org:Circle of Life".to_owned()), ha1);
            let sent = parameters(&value["Digest".len()..]);
            let find = |n: &str| sent.iter().find(|(name, _)| name == n).map(|(_, v)| v.clone()).unwrap();
            let ha2 = hash("GET:/dir/index.html".to_owned());
            let expected = hash(format!("{ha1}:{}:00000001:{}:auth:{ha2}", find("nonce"), find("cnonce")));
            assert_eq!(find("response"), expected);
            assert_eq!((find("algorithm").as_str(), find("nc").as_str()), (name, "00000001"));
            assert_eq!(find("opaque"), "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS");
        }
    }

    #[test]
    fn nc_counts_in_hexadecimal() {
        let mut challenge = read("Digest realm=\"r\", nonce=\"n\", qop=auth").unwrap().unwrap();
        let mut random = Random::from_number(2);
        let last = (0..10).map(|_| challenge.answer(&mut random, "u", "p", "REGISTER", "sip:x")).last().unwrap();
        assert!(last.contains("nc=0000000a,"), "{last}");
    }

    #[test]
    fn a_challenge_we_cannot_answer_is_passed_over_and_a_broken_one_is_told() {
        assert_eq!(read("Basic realm=\"r\""), None);
        assert_eq!(read("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256"), None);
        assert_eq!(read("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\""), None);
        assert!(read("Digest realm=\"r\"").unwrap().is_err());
        assert!(read("Digest realm=\"an \\\"odd\\\", one\", nonce=\"n\"").unwrap().unwrap().realm == "an \"odd\", one");
        assert!(read("Digest \"").unwrap().is_err());
    }
}
