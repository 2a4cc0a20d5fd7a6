//! Our own password, proved to a carrier that asks for it.
//!
//! Digest authentication as the client (RFC 7616, RFC 3261 section 22.2, RFC 8760), and for carriers of before 1999 without `qop` (RFC 2069).
//! A challenge in a realm that is not ours is not answered, and neither is one in a way that the configuration does not name: whoever could
//! choose them could have our password guessed elsewhere.

use crate::digest::{hash, name, parameters};
use crate::header::Name;
use crate::message::Message;
use crate::writer::quoted;
use bytes::Bytes;
use model::{DigestAlgorithm, Random, Secret};

/// Challenges of one answer that are looked at.
const CHALLENGES_MAX: usize = 8;

/// What we prove, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user of the registered address.
    pub user: String,
    /// Its domain, as it stands in addresses.
    pub domain: String,
    /// The name that the password belongs to.
    pub login: String,
    /// The realm that we answer to, and no other.
    pub realm: String,
    /// The password; `None`: we have none to prove.
    pub password: Option<Secret>,
    /// Algorithms that may be used, most preferred first.
    pub digest: Vec<DigestAlgorithm>,
    /// How long a registration shall last, in seconds.
    pub expires_secs: u32,
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// It names no realm of ours.
    OtherRealm,
    /// It names no algorithm of ours.
    OtherDigest,
    /// We have no password.
    NoPassword,
    /// Our password was refused.
    Wrong,
}

/// A question for our password.
#[derive(Clone, Debug)]
struct Challenge {
    nonce: String,
    opaque: Option<String>,
    algorithm: DigestAlgorithm,
    /// Whether the algorithm was named: without a name it is MD5, and is not named in the answer.
    named: bool,
    qop: bool,
    stale: bool,
}

impl Account {
    /// Whether both are one customer of one carrier, whatever the password.
    pub(crate) fn is_as(&self, other: &Account) -> bool {
        (&self.user, &self.domain, &self.login, &self.realm) == (&other.user, &other.domain, &other.login, &other.realm)
    }

    /// The header line that answers a 401 or 407 to this request.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn answer(&self, request: &Bytes, response: &Message, random: &mut Random) -> Result<(&'static str, String), Unanswered> {
        let Some(password) = &self.password else { return Err(Unanswered::NoPassword) };
        let (asks, answers) = match response.status() {
            Some(407) => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => ("WWW-Authenticate", "Authorization"),
        };
        let challenge = self.choose(response.others(asks))?;
        let asked = Message::parse(request).map_err(|_| Unanswered::OtherDigest)?;
        // Section 22.1: a password that was refused is not sent a second time; a nonce that is too old is none of the password's fault.
        if carries(&asked, answers) && !challenge.stale {
            return Err(Unanswered::Wrong);
        }
        let method = asked.method().unwrap_or_default();
        let uri = String::from_utf8_lossy(asked.request_uri()).into_owned();
        Ok((answers, self.write(&challenge, password, method, &uri, &random.token(16))))
    }

    /// The challenge that we like best of those that are for us.
    fn choose<'m>(&self, challenges: impl Iterator<Item = &'m [u8]>) -> Result<Challenge, Unanswered> {
        let mut found: Vec<Challenge> = Vec::new();
        let mut ours = false;
        for value in challenges.take(CHALLENGES_MAX) {
            let Some(mut of) = parameters(value) else { continue };
            let mut take = |name: &str| of.remove(name.as_bytes());
            if take("realm").as_deref() != Some(self.realm.as_str()) {
                continue;
            }
            ours = true;
            let written = take("algorithm");
            let wanted = written.as_deref().unwrap_or("MD5");
            let Some(algorithm) = self.digest.iter().copied().find(|a| name(*a).eq_ignore_ascii_case(wanted)) else { continue };
            let qop = take("qop");
            // Integrity of bodies (`auth-int`) alone is nothing that we do.
            if qop.as_deref().is_some_and(|qop| !qop.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth"))) {
                continue;
            }
            found.push(Challenge {
                nonce: take("nonce").unwrap_or_default(),
                opaque: take("opaque"),
                algorithm,
                named: written.is_some(),
                qop: qop.is_some(),
                stale: take("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            });
        }
        let rank = |challenge: &Challenge| self.digest.iter().position(|a| *a == challenge.algorithm);
        let best = found.into_iter().min_by_key(rank);
        best.ok_or(if ours { Unanswered::OtherDigest } else { Unanswered::OtherRealm })
    }

    /// RFC 7616 section 3.4.
    fn write(&self, challenge: &Challenge, password: &Secret, method: &str, uri: &str, cnonce: &str) -> String {
        let Challenge { nonce, opaque, algorithm, named, qop, .. } = challenge;
        let ha1 = hash(*algorithm, format!("{}:{}:{}", self.login, self.realm, password.reveal()).as_bytes());
        let ha2 = hash(*algorithm, format!("{method}:{uri}").as_bytes());
        let proof = if *qop { format!("{ha1}:{nonce}:00000001:{cnonce}:auth:{ha2}") } else { format!("{ha1}:{nonce}:{ha2}") };
        let response = hash(*algorithm, proof.as_bytes());
        let mut line = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quoted(&self.login),
            quoted(&self.realm),
            whole(nonce),
            whole(uri)
        );
        if *named {
            line.push_str(&format!(", algorithm={}", name(*algorithm)));
        }
        if let Some(opaque) = opaque {
            line.push_str(&format!(", opaque={}", whole(opaque)));
        }
        if *qop {
            line.push_str(&format!(", qop=auth, nc=00000001, cnonce=\"{cnonce}\""));
        }
        line
    }
}

/// A quoted string, however long: what a carrier gave us to repeat is repeated whole.
fn whole(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn carries(request: &Message, header: &'static str) -> bool {
    match header {
        "Authorization" => request.first(Name::Authorization).is_some(),
        other => request.other(other).is_some(),
    }
}

/// The line with which a request of ours proved our password, for the ACK of its 2xx (RFC 3261 section 22.1).
pub(crate) fn proof_in(request: &Bytes) -> Option<(&'static str, Vec<u8>)> {
    let message = Message::parse(request).ok()?;
    ["Authorization", "Proxy-Authorization"].into_iter().find_map(|name| Some((name, message.other(name)?.to_vec())))
}

/// A header line of a request that goes out once more, and what it says there; `None`: nothing.
pub(crate) type Instead = (&'static str, Option<String>);

/// The same request once more with other lines: another branch and the next number, all else as it was (RFC 3261 section 22.2).
pub(crate) fn again(request: &Bytes, branch: &str, cseq: u32, instead: &[Instead]) -> Bytes {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(request.len());
    let (head, rest) = request.split_at(end);
    let mut out = Vec::with_capacity(request.len() + 512);
    let mut topmost = true;
    for line in head.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        let is = |header: &str| line.get(..header.len() + 1).is_some_and(|l| l.eq_ignore_ascii_case(format!("{header}:").as_bytes()));
        if instead.iter().any(|(name, _)| is(name)) {
            continue;
        }
        if !out.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
        let text = String::from_utf8_lossy(line);
        if topmost && is("Via") {
            topmost = false;
            let parts: Vec<String> = text
                .split(';')
                .map(|part| if part.trim_start().starts_with("branch=") { format!("branch={branch}") } else { part.to_owned() })
                .collect();
            out.extend_from_slice(parts.join(";").as_bytes());
        } else if is("CSeq") {
            let method = text.rsplit(' ').next().unwrap_or_default();
            out.extend_from_slice(format!("CSeq: {cseq} {method}").as_bytes());
            for (name, value) in instead.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                out.extend_from_slice(format!("\r\n{name}: {value}").as_bytes());
            }
        } else {
            out.extend_from_slice(line);
        }
    }
    out.extend_from_slice(rest);
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::ha1;

    const REQUEST: &[u8] =
        b"REGISTER sip:carrier.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport\r\nCSeq: 1 REGISTER\r\n\
        Content-Length: 3\r\n\r\nx\ry";

    fn account(digest: &[DigestAlgorithm]) -> Account {
        Account {
            user: "0440000000".to_owned(),
            domain: "carrier.example".to_owned(),
            login: "city".to_owned(),
            realm: "carrier".to_owned(),
            password: Some(Secret::new("himitsu".to_owned())),
            digest: digest.to_vec(),
            expires_secs: 3600,
        }
    }
    fn challenge(status: u16, lines: &str) -> Message {
        let text = format!(
            "SIP/2.0 {status} x\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: c\r\n\
             CSeq: 1 REGISTER\r\n{lines}\r\n"
        );
        Message::parse(&Bytes::from(text)).unwrap()
    }
    const BOTH: [DigestAlgorithm; 2] = [DigestAlgorithm::Sha256, DigestAlgorithm::Md5];
    const MD5: &str = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", algorithm=MD5, qop=\"auth,auth-int\"\r\n";
    const SHA: &str = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n2\", opaque=\"o\\\"p\", algorithm=SHA-256, qop=\"auth\"\r\n";

    fn answered(digest: &[DigestAlgorithm], status: u16, lines: &str) -> Result<(&'static str, String), Unanswered> {
        let request = Bytes::from_static(REQUEST);
        account(digest).answer(&request, &challenge(status, lines), &mut Random::from_number(1))
    }

    #[test]
    fn the_better_algorithm_is_taken_and_the_proof_is_that_of_the_rfc() {
        let (header, line) = answered(&BOTH, 401, &format!("{MD5}{SHA}")).unwrap();
        assert_eq!(header, "Authorization");
        assert!(line.contains("nonce=\"n2\"") && line.contains("algorithm=SHA-256") && line.contains(r#"opaque="o\"p""#), "{line}");
        let of = parameters(line.as_bytes()).unwrap();
        let of = |name: &str| of.get(name.as_bytes()).unwrap().as_str();
        let ha2 = hash(DigestAlgorithm::Sha256, b"REGISTER:sip:carrier.example");
        let proof = format!("{}:n2:{}:{}:auth:{ha2}", ha1("city", "carrier", "himitsu").sha256, of("nc"), of("cnonce"));
        assert_eq!(of("response"), hash(DigestAlgorithm::Sha256, proof.as_bytes()));
        assert!(!line.contains("himitsu"));
    }

    #[test]
    fn a_carrier_of_before_is_answered_only_where_md5_is_switched_on() {
        assert_eq!(answered(&[DigestAlgorithm::Sha256], 401, MD5), Err(Unanswered::OtherDigest));
        let old = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n\"\r\n";
        let (_, line) = answered(&BOTH, 401, old).unwrap();
        assert!(!line.contains("qop") && !line.contains("algorithm"), "{line}");
        let ha2 = hash(DigestAlgorithm::Md5, b"REGISTER:sip:carrier.example");
        let proof = hash(DigestAlgorithm::Md5, format!("{}:n:{ha2}", ha1("city", "carrier", "himitsu").md5).as_bytes());
        assert!(line.contains(&format!("response=\"{proof}\"")), "{line}");
        let proxy = MD5.replace("WWW-Authenticate", "Proxy-Authenticate");
        assert_eq!(answered(&BOTH, 407, &proxy).unwrap().0, "Proxy-Authorization");
    }

    #[test]
    fn nobody_else_gets_our_password_proved() {
        let other = MD5.replace("carrier", "elsewhere");
        assert_eq!(answered(&BOTH, 401, &other), Err(Unanswered::OtherRealm));
        assert_eq!(answered(&BOTH, 401, ""), Err(Unanswered::OtherRealm));
        assert_eq!(answered(&BOTH, 401, "WWW-Authenticate: Basic realm=\"carrier\"\r\n"), Err(Unanswered::OtherRealm));
        assert_eq!(answered(&BOTH, 401, &MD5.replace("auth,auth-int", "auth-int")), Err(Unanswered::OtherDigest));
        let silent = Account { password: None, ..account(&BOTH) };
        let asked = silent.answer(&Bytes::from_static(REQUEST), &challenge(401, MD5), &mut Random::from_number(1));
        assert_eq!(asked, Err(Unanswered::NoPassword));
        assert_eq!(format!("{:?}", account(&BOTH).password), "Some(Secret(***))");
    }

    #[test]
    fn a_refused_password_is_not_sent_again_and_an_old_nonce_is_no_refusal() {
        let line = answered(&BOTH, 401, MD5).unwrap().1;
        let second = again(&Bytes::from_static(REQUEST), "z9hG4bKb", 2, &[("Authorization", Some(line))]);
        let text = String::from_utf8(second.to_vec()).unwrap();
        assert!(text.contains("192.0.2.1:5060;branch=z9hG4bKb;rport\r\nCSeq: 2 REGISTER\r\nAuthorization: Digest "), "{text}");
        assert!(text.ends_with("\r\n\r\nx\ry") && text.starts_with("REGISTER sip:carrier.example SIP/2.0\r\n"), "{text}");
        let mut random = Random::from_number(1);
        assert_eq!(account(&BOTH).answer(&second, &challenge(401, MD5), &mut random), Err(Unanswered::Wrong));
        let stale = MD5.replace("qop=", "stale=TRUE, qop=");
        let (name, line) = account(&BOTH).answer(&second, &challenge(401, &stale), &mut random).unwrap();
        let third = again(&second, "z9hG4bKc", 3, &[(name, Some(line))]);
        assert_eq!(String::from_utf8_lossy(&third).matches("Authorization:").count(), 1);
        assert_eq!(proof_in(&third).unwrap().0, "Authorization");
    }
}
