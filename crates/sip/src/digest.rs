//! Passwords over an open wire: who knows one proves it without sending it.
//!
//! Digest authentication (RFC 7616) as SIP uses it (RFC 3261 section 22, RFC 8760): SHA-256 and MD5, `qop=auth`. Nonces are not
//! remembered but signed, so a flood of challenges costs no memory; only the nonces of those who proved a password are counted.

use crate::bounds::CREDENTIALS_MAX;
use crate::header::Name;
use crate::lexis::{Cursor, list, unquote};
use crate::message::Message;
use md5::Md5;
use model::{DigestAlgorithm, Ha1, Instant, Random, hex};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How long a nonce may be used.
pub const NONCE_AGE: Duration = Duration::from_secs(60);
/// How many nonces in use are counted; beyond that the oldest ones count as stale.
const NONCES_MAX: usize = 4096;
/// So many wrong passwords for one name from one address within [`GUESSING`], and nothing opens that name from there for as long as [`LOCKED`].
const GUESSES: u32 = 10;
const GUESSING: Duration = Duration::from_secs(300);
const LOCKED: Duration = Duration::from_secs(600);
/// Names that are guessed at; of more, the one that was tried longest ago is forgotten.
const GUESSED_MAX: usize = 1024;

/// `H(user:realm:password)` with each algorithm, as kept in place of the password (RFC 7616 section 3.4.2).
pub fn ha1(user: &str, realm: &str, password: &str) -> Ha1 {
    let text = format!("{user}:{realm}:{password}");
    Ha1 { sha256: hash(DigestAlgorithm::Sha256, text.as_bytes()), md5: hash(DigestAlgorithm::Md5, text.as_bytes()) }
}

pub(crate) fn hash(algorithm: DigestAlgorithm, bytes: &[u8]) -> String {
    match algorithm {
        DigestAlgorithm::Sha256 => hex(&Sha256::digest(bytes)),
        DigestAlgorithm::Md5 => hex(&Md5::digest(bytes)),
    }
}

/// The name of an algorithm in a header (RFC 8760 section 2.1).
pub(crate) fn name(algorithm: DigestAlgorithm) -> &'static str {
    match algorithm {
        DigestAlgorithm::Sha256 => "SHA-256",
        DigestAlgorithm::Md5 => "MD5",
    }
}

/// HMAC with SHA-256 (RFC 2104) under a key of 32 bytes.
pub(crate) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(b, k)| *b ^= k);
        block
    };
    let mut inner = Sha256::new_with_prefix(pad(0x36));
    for part in parts {
        inner.update((part.len() as u64).to_be_bytes());
        inner.update(part);
    }
    Sha256::new_with_prefix(pad(0x5c)).chain_update(inner.finalize()).finalize().into()
}

/// Compares in a time that tells nothing about where two texts differ.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y)) == 0
}

/// What a request's credentials are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There are none for this realm and our algorithms.
    Absent,
    /// The password is right.
    Right {
        /// Whose.
        user: String,
    },
    /// The password is right, but the nonce is too old, not ours, or was used before: a fresh one will do, no need to ask the person.
    Stale,
    /// The password is wrong, or there is no such user: the same to whoever looks from outside.
    Wrong {
        /// Whether it answers a challenge that we sent there of late: whoever only writes another's address on their packets never saw one.
        challenged: bool,
    },
}

/// Wrong passwords for one name from one address.
#[derive(Clone, Copy, Debug)]
struct Guessed {
    since: Instant,
    last: Instant,
    wrong: u32,
    locked: Option<Instant>,
}

/// Challenges and judges.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    realm: String,
    algorithms: Vec<DigestAlgorithm>,
    secret: [u8; 32],
    /// Checked in place of an unknown user's, so that both cost the same.
    nobody: Ha1,
    /// The highest count seen of each nonce in use, by its time and salt.
    counts: BTreeMap<(u64, [u8; 8]), u32>,
    /// Nonces not later than this may have been forgotten: if they are not in `counts`, they are stale.
    floor: Option<(u64, [u8; 8])>,
    /// By address, and the hash of the name.
    guessed: BTreeMap<(IpAddr, [u8; 8]), Guessed>,
}

impl Gate {
    pub(crate) fn new(realm: &str, algorithms: &[DigestAlgorithm], random: &mut Random) -> Gate {
        let nobody = ha1(&random.token(16), realm, &random.token(16));
        Gate {
            realm: realm.to_owned(),
            algorithms: algorithms.to_vec(),
            secret: random.seed(),
            nobody,
            counts: BTreeMap::new(),
            floor: None,
            guessed: BTreeMap::new(),
        }
    }

    /// The values of the WWW-Authenticate headers, one for each algorithm, best first (RFC 8760 section 2.3). The nonce depends on the second
    /// and on `salts` only, so that a repeated request gets the same challenge and another one does not; it is good from the address `from` alone.
    pub(crate) fn challenge(&self, now: Instant, from: IpAddr, salts: &[&[u8]], stale: bool) -> Vec<String> {
        let second = seconds(now);
        let salt = first8(&hmac(&self.secret, &[&[b"salt".as_slice()], salts].concat()));
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&second.to_be_bytes());
        nonce[8..16].copy_from_slice(&salt);
        nonce[16..].copy_from_slice(&self.signature(second, salt, from));
        let (realm, nonce, stale) = (crate::writer::quoted(&self.realm), hex(&nonce), if stale { ", stale=true" } else { "" });
        let line = |a: &DigestAlgorithm| format!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}", name(*a));
        self.algorithms.iter().map(line).collect()
    }

    fn signature(&self, second: u64, salt: [u8; 8], from: IpAddr) -> [u8; 16] {
        let mac = hmac(&self.secret, &[b"nonce", &second.to_be_bytes(), &salt, from.to_canonical().to_string().as_bytes()]);
        let mut out = [0; 16];
        out.copy_from_slice(&mac[..16]);
        out
    }

    /// Judges the Authorization headers of a request from this address.
    pub(crate) fn judge(&mut self, now: Instant, from: IpAddr, request: &Message, users: &BTreeMap<String, Ha1>) -> Verdict {
        let all = request.all(Name::Authorization).take(CREDENTIALS_MAX);
        let Some((credentials, algorithm)) =
            all.filter_map(Credentials::parse).find_map(|c| Some((self.algorithm(&c)?, c))).map(|(a, c)| (c, a))
        else {
            return Verdict::Absent;
        };
        let known = users.get(&credentials.username);
        let ha1 = known.unwrap_or(&self.nobody);
        let ha1 = match algorithm {
            DigestAlgorithm::Sha256 => &ha1.sha256,
            DigestAlgorithm::Md5 => &ha1.md5,
        };
        let right =
            equal(credentials.expected(algorithm, ha1, request.method().unwrap_or_default()).as_bytes(), credentials.response.as_bytes());
        let from = from.to_canonical();
        let challenged = self.nonce_is_ours(now, from, &credentials);
        let name = (from, first8(&hmac(&self.secret, &[b"name", credentials.username.as_bytes()])));
        // The same work, locked or not.
        if !right || known.is_none() || self.is_locked(now, name) {
            if challenged {
                self.guess(now, name);
            }
            return Verdict::Wrong { challenged };
        }
        match challenged && self.counts_on(now, &credentials) {
            true => Verdict::Right { user: credentials.username },
            false => Verdict::Stale,
        }
    }

    /// The algorithm of credentials for our realm; none of ours means that they are for somebody else.
    fn algorithm(&self, credentials: &Credentials) -> Option<DigestAlgorithm> {
        // RFC 7616 section 3.4: without the parameter it is MD5.
        let wanted = if credentials.algorithm.is_empty() { "MD5" } else { credentials.algorithm.as_str() };
        let known = self.algorithms.iter().copied().find(|a| name(*a).eq_ignore_ascii_case(wanted))?;
        (credentials.realm == self.realm && credentials.qop.eq_ignore_ascii_case("auth")).then_some(known)
    }

    /// Whether we sent this nonce to this address, and not long ago.
    fn nonce_is_ours(&self, now: Instant, from: IpAddr, credentials: &Credentials) -> bool {
        let Some((second, salt, signature)) = unhex(&credentials.nonce) else { return false };
        let age = seconds(now).checked_sub(second);
        equal(&signature, &self.signature(second, salt, from)) && age.is_some_and(|a| a <= NONCE_AGE.as_secs())
    }

    fn is_locked(&self, now: Instant, name: (IpAddr, [u8; 8])) -> bool {
        self.guessed.get(&name).is_some_and(|guessed| guessed.locked.is_some_and(|until| until > now))
    }

    /// A wrong password for this name from this address. What comes while it is locked does not make that longer.
    fn guess(&mut self, now: Instant, name: (IpAddr, [u8; 8])) {
        if self.is_locked(now, name) {
            return;
        }
        if self.guessed.len() >= GUESSED_MAX && !self.guessed.contains_key(&name) {
            let idlest = self.guessed.iter().min_by_key(|(_, guessed)| guessed.last).map(|(name, _)| *name);
            idlest.and_then(|name| self.guessed.remove(&name));
        }
        let guessed = self.guessed.entry(name).or_insert(Guessed { since: now, last: now, wrong: 0, locked: None });
        if now.since(guessed.since) >= GUESSING {
            (guessed.since, guessed.wrong) = (now, 0);
        }
        (guessed.wrong, guessed.last, guessed.locked) = (guessed.wrong + 1, now, None);
        if guessed.wrong >= GUESSES {
            (guessed.wrong, guessed.locked) = (0, Some(now + LOCKED));
        }
    }

    /// Whether a nonce of ours was not used with this count or a higher one.
    fn counts_on(&mut self, now: Instant, credentials: &Credentials) -> bool {
        let Some((second, _, signature)) = unhex(&credentials.nonce) else { return false };
        let written = Some(&credentials.nc).filter(|nc| nc.len() == 8 && nc.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(count) = written.and_then(|nc| u32::from_str_radix(nc, 16).ok()).filter(|n| *n > 0) else { return false };
        // Each of them counts for itself: two who are asked in one second could have the same salt.
        let id = (second, first8(&hmac(&self.secret, &[b"count", &signature, credentials.username.as_bytes()])));
        match self.counts.get_mut(&id) {
            // RFC 7616 section 3.4: a count that does not grow is a replay.
            Some(last) if *last >= count => return false,
            Some(last) => *last = count,
            None if self.floor.is_some_and(|floor| id <= floor) => return false,
            None => {
                self.counts.insert(id, count);
            }
        }
        let oldest = seconds(now).saturating_sub(NONCE_AGE.as_secs());
        while let Some(entry) = self.counts.first_entry().filter(|e| e.key().0 < oldest) {
            entry.remove();
        }
        while self.counts.len() > NONCES_MAX {
            self.floor = self.counts.pop_first().map(|(id, _)| id);
        }
        true
    }
}

fn seconds(now: Instant) -> u64 {
    now.as_nanos() / 1_000_000_000
}

fn first8(bytes: &[u8; 32]) -> [u8; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[..8]);
    out
}

/// Time, salt and signature of a nonce.
fn unhex(nonce: &str) -> Option<(u64, [u8; 8], [u8; 16])> {
    if nonce.len() != 64 || !nonce.is_ascii() {
        return None;
    }
    Some((
        u64::from_str_radix(nonce.get(..16)?, 16).ok()?,
        u64::from_str_radix(nonce.get(16..32)?, 16).ok()?.to_be_bytes(),
        u128::from_str_radix(nonce.get(32..)?, 16).ok()?.to_be_bytes(),
    ))
}

/// The parameters of a header of the scheme Digest, by their names in small letters. `None` if it is another scheme, broken, or names anything
/// twice.
pub(crate) fn parameters(value: &[u8]) -> Option<BTreeMap<Vec<u8>, String>> {
    let mut cursor = Cursor::new(value);
    if !cursor.token()?.eq_ignore_ascii_case(b"Digest") || cursor.blanks() == 0 {
        return None;
    }
    let mut found = BTreeMap::new();
    for item in list(cursor.rest()).take(32).filter(|i| !i.is_empty()) {
        let mut cursor = Cursor::new(item);
        let name = cursor.token()?.to_ascii_lowercase();
        if !cursor.separator(b'=') {
            return None;
        }
        let value = match cursor.peek() {
            Some(b'"') => unquote(cursor.quoted()?),
            _ => cursor.token()?.to_vec(),
        };
        if found.insert(name, String::from_utf8(value).ok()?).is_some() {
            return None;
        }
    }
    Some(found)
}

/// One Authorization header of the scheme Digest (RFC 7616 section 3.4).
#[derive(Clone, Debug, Default)]
struct Credentials {
    username: String,
    realm: String,
    nonce: String,
    uri: String,
    response: String,
    algorithm: String,
    cnonce: String,
    nc: String,
    qop: String,
}

impl Credentials {
    /// `None` if it is another scheme, broken, or names anything twice.
    fn parse(value: &[u8]) -> Option<Credentials> {
        let mut found = parameters(value)?;
        let mut take = |name: &str| found.remove(name.as_bytes()).unwrap_or_default();
        Some(Credentials {
            username: take("username"),
            realm: take("realm"),
            nonce: take("nonce"),
            uri: take("uri"),
            response: take("response").to_ascii_lowercase(),
            algorithm: take("algorithm"),
            cnonce: take("cnonce"),
            nc: take("nc"),
            qop: take("qop"),
        })
    }

    /// The response that the password would give. We take `uri` as the sender wrote it and do not hold it against the Request-URI,
    /// because SIPp and some phones write the server's address there; the nonce count is what stops a replay.
    fn expected(&self, algorithm: DigestAlgorithm, ha1: &str, method: &str) -> String {
        let ha2 = hash(algorithm, format!("{method}:{}", self.uri).as_bytes());
        hash(algorithm, format!("{ha1}:{}:{}:{}:{}:{ha2}", self.nonce, self.nc, self.cnonce, self.qop).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const REALM: &str = "ward";
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10));

    fn gate() -> Gate {
        Gate::new(REALM, &[DigestAlgorithm::Sha256, DigestAlgorithm::Md5], &mut Random::from_number(1))
    }
    fn users() -> BTreeMap<String, Ha1> {
        BTreeMap::from([("sato".to_owned(), ha1("sato", REALM, "himitsu"))])
    }
    fn nonce(gate: &Gate, now: Instant) -> String {
        gate.challenge(now, HERE, &[b"call"], false)[0].split('"').nth(3).unwrap().to_owned()
    }
    fn request(algorithm: DigestAlgorithm, user: &str, password: &str, nonce: &str, nc: &str) -> Message {
        let mine = ha1(user, REALM, password);
        let ha1 = if algorithm == DigestAlgorithm::Sha256 { mine.sha256 } else { mine.md5 };
        let credentials = Credentials {
            nonce: nonce.to_owned(),
            uri: "sip:ward".to_owned(),
            cnonce: "c".to_owned(),
            nc: nc.to_owned(),
            qop: "auth".to_owned(),
            ..Credentials::default()
        };
        let response = credentials.expected(algorithm, &ha1, "REGISTER");
        let text = format!(
            "REGISTER sip:ward SIP/2.0\r\nAuthorization: Other x=\"y\"\r\nAuthorization: Digest username=\"{user}\", realm=\"{REALM}\", nonce=\"{nonce}\", \
             uri=\"sip:ward\", response=\"{response}\", algorithm={}, cnonce=\"c\", qop=auth, nc={nc}\r\n\r\n",
            name(algorithm)
        );
        Message::parse(&Bytes::from(text)).unwrap()
    }

    #[test]
    fn ha1_is_what_the_rfc_computes() {
        // RFC 7616 section 3.9.1: user "Mufasa", realm "http-auth@example.org", password "Circle of Life", GET /dir/index.html.
        let mine = ha1("Mufasa", "http-auth@example.org", "Circle of Life");
        let credentials = Credentials {
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".to_owned(),
            uri: "/dir/index.html".to_owned(),
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".to_owned(),
            nc: "00000001".to_owned(),
            qop: "auth".to_owned(),
            ..Credentials::default()
        };
        assert_eq!(credentials.expected(DigestAlgorithm::Md5, &mine.md5, "GET"), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            credentials.expected(DigestAlgorithm::Sha256, &mine.sha256, "GET"),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn the_right_password_opens_once_for_each_count() {
        let (mut gate, users, now) = (gate(), users(), Instant::from_millis(5_000));
        let nonce = nonce(&gate, now);
        for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Md5] {
            let nc = if algorithm == DigestAlgorithm::Sha256 { "00000001" } else { "0000000a" };
            let request = request(algorithm, "sato", "himitsu", &nonce, nc);
            assert_eq!(gate.judge(now, HERE, &request, &users), Verdict::Right { user: "sato".to_owned() });
            assert_eq!(gate.judge(now, HERE, &request, &users), Verdict::Stale);
        }
    }

    #[test]
    fn a_wrong_password_and_an_unknown_name_look_the_same() {
        let (mut gate, users, now) = (gate(), users(), Instant::ZERO);
        let nonce = nonce(&gate, now);
        for (user, password) in [("sato", "wrong"), ("suzuki", "himitsu"), ("", "")] {
            let asks = request(DigestAlgorithm::Sha256, user, password, &nonce, "00000001");
            assert_eq!(gate.judge(now, HERE, &asks, &users), Verdict::Wrong { challenged: true });
            assert_eq!(gate.judge(now, THERE, &asks, &users), Verdict::Wrong { challenged: false }, "it was not sent there");
        }
        assert!(gate.counts.is_empty());
    }

    #[test]
    fn a_name_that_is_guessed_at_is_locked_there_and_nowhere_else() {
        let (mut gate, users, now) = (gate(), users(), Instant::ZERO);
        let say = |gate: &mut Gate, secs: u64, from: IpAddr, password: &str, asked: bool| {
            let now = now + Duration::from_secs(secs);
            let nonce =
                if asked { gate.challenge(now, from, &[b"call"], false)[0].split('"').nth(3).unwrap().to_owned() } else { "00".into() };
            gate.judge(now, from, &request(DigestAlgorithm::Sha256, "sato", password, &nonce, "00000001"), &users)
        };
        let right = Verdict::Right { user: "sato".to_owned() };
        // Whoever borrows the address sees no challenge: a hundred packets lock nothing.
        (0..100).for_each(|_| assert_eq!(say(&mut gate, 0, HERE, "wrong", false), Verdict::Wrong { challenged: false }));
        (0..9).for_each(|n| drop(say(&mut gate, n, HERE, "wrong", true)));
        assert_eq!(say(&mut gate, 10, HERE, "himitsu", true), right);
        drop(say(&mut gate, 11, HERE, "wrong", true));
        assert_eq!(say(&mut gate, 12, HERE, "himitsu", true), Verdict::Wrong { challenged: true });
        assert_eq!(say(&mut gate, 13, THERE, "himitsu", true), right);
        assert_eq!(say(&mut gate, 610, HERE, "himitsu", true), Verdict::Wrong { challenged: true });
        assert_eq!(say(&mut gate, 612, HERE, "himitsu", true), right);
    }

    #[test]
    fn the_table_of_guesses_is_bounded() {
        let mut gate = gate();
        for n in 0..2 * GUESSED_MAX as u64 {
            gate.guess(Instant::from_millis(n), (HERE, n.to_be_bytes()));
        }
        assert_eq!(gate.guessed.len(), GUESSED_MAX);
    }

    #[test]
    fn an_old_or_foreign_nonce_is_stale_when_the_password_is_right() {
        let (mut gate, users) = (gate(), users());
        let old = nonce(&gate, Instant::ZERO);
        let request_with = |nonce: &str| request(DigestAlgorithm::Md5, "sato", "himitsu", nonce, "00000001");
        assert_eq!(gate.judge(Instant::from_millis(61_000), HERE, &request_with(&old), &users), Verdict::Stale);
        assert_eq!(gate.judge(Instant::ZERO, HERE, &request_with("from another day"), &users), Verdict::Stale);
        assert_eq!(gate.judge(Instant::from_millis(60_000), HERE, &request_with(&old), &users), Verdict::Right { user: "sato".to_owned() });
        assert!(gate.challenge(Instant::ZERO, HERE, &[b""], true).iter().all(|c| c.ends_with("stale=true")));
    }

    #[test]
    fn the_table_of_nonces_is_bounded_and_forgets_no_replay() {
        let (mut gate, users, now) = (gate(), users(), Instant::ZERO);
        let first = request(DigestAlgorithm::Md5, "sato", "himitsu", &nonce(&gate, now), "00000001");
        assert_eq!(gate.judge(now, HERE, &first, &users), Verdict::Right { user: "sato".to_owned() });
        for i in 0..NONCES_MAX as u64 + 8 {
            gate.counts.insert((1, i.to_be_bytes()), 1);
        }
        let other = gate.challenge(Instant::from_millis(2_000), HERE, &[b"other"], false)[0].split('"').nth(3).unwrap().to_owned();
        let later = request(DigestAlgorithm::Md5, "sato", "himitsu", &other, "00000001");
        assert_eq!(gate.judge(Instant::from_millis(2_000), HERE, &later, &users), Verdict::Right { user: "sato".to_owned() });
        assert_eq!(gate.counts.len(), NONCES_MAX);
        assert_eq!(gate.judge(Instant::from_millis(2_000), HERE, &first, &users), Verdict::Stale);
    }

    #[test]
    fn algorithms_are_offered_in_the_order_of_the_configuration() {
        let lines = gate().challenge(Instant::ZERO, HERE, &[b"x", b"1"], false);
        assert!(lines[0].contains("algorithm=SHA-256") && lines[1].contains("algorithm=MD5"));
        assert_eq!(lines, gate().challenge(Instant::from_millis(999), HERE, &[b"x", b"1"], false));
        assert_ne!(lines, gate().challenge(Instant::from_millis(999), HERE, &[b"x", b"2"], false), "another request");
    }
}
