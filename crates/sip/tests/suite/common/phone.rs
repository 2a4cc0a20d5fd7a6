//! A phone that registers.

use super::{Desk, PHONE, REALM, Sent};
use model::DigestAlgorithm::{self, Sha256};

/// A phone that registers: its own count of requests, and the challenge it was given last.
pub struct Phone {
    pub user: &'static str,
    pub password: String,
    /// What makes its Call-ID another phone's.
    pub make: &'static str,
    /// Where its packets come from.
    pub from: &'static str,
    pub cseq: u32,
    pub nc: u32,
    pub challenge: Option<(DigestAlgorithm, String)>,
}

impl Phone {
    pub fn new(user: &'static str) -> Phone {
        Phone { user, password: format!("{user}-himitsu"), make: "", from: PHONE, cseq: 0, nc: 0, challenge: None }
    }
    /// Another phone of the same user's, as far as Call-ID and address tell.
    pub fn another(user: &'static str, make: &'static str, from: &'static str) -> Phone {
        Phone { make, from, ..Phone::new(user) }
    }
    pub fn hear(&mut self, answer: &Sent, algorithm: DigestAlgorithm) {
        let name = if algorithm == Sha256 { "SHA-256" } else { "MD5" };
        let line = answer.text.lines().find(|l| l.starts_with("WWW-Authenticate") && l.contains(&format!("algorithm={name}"))).unwrap();
        let nonce = line.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        (self.challenge, self.nc) = (Some((algorithm, nonce.to_owned())), 0);
    }
    pub fn credentials(&self, method: &str, user: &str) -> String {
        let Some((algorithm, nonce)) = &self.challenge else { return String::new() };
        let (nc, cnonce, uri) = (format!("{:08x}", self.nc), "0a4f113b", "sip:192.0.2.1");
        let hash = |text: String| {
            // H(user:realm:password) of one text: H(text) is the HA1 of its own three parts.
            let mut parts = text.splitn(3, ':').map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            let ha1 = sip::digest::ha1(&next(), &next(), &next());
            if *algorithm == Sha256 { ha1.sha256 } else { ha1.md5 }
        };
        let ha1 = hash(format!("{user}:{REALM}:{}", self.password));
        // HA2 has two parts only; rsip's own digest checks that form in `rsip_agrees_with_us.rs`.
        let ha2 = two_parts(*algorithm, method, uri);
        let response = hash(format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}"));
        let name = if *algorithm == Sha256 { "SHA-256" } else { "MD5" };
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
             algorithm={name}, cnonce=\"{cnonce}\", qop=auth, nc={nc}\r\n"
        )
    }
    pub fn register(&mut self, extra: &str) -> String {
        (self.cseq, self.nc) = (self.cseq + 1, self.nc + 1);
        let (user, cseq, make) = (self.user, self.cseq, self.make);
        format!(
            "REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.60:5062;branch=z9hG4bKr{user}{make}{cseq}{}\r\nFrom: <sip:{user}@192.0.2.1>;tag=t\r\n\
             To: <sip:{user}@192.0.2.1>\r\nCall-ID: reg-{user}{make}\r\nCSeq: {cseq} REGISTER\r\n{}{extra}Content-Length: 0\r\n\r\n",
            self.nc,
            self.credentials("REGISTER", user)
        )
    }
    /// Registers until it is through, and returns the last answer.
    pub fn through(&mut self, desk: &mut Desk, algorithm: DigestAlgorithm, extra: &str) -> Sent {
        let request = self.register(extra);
        desk.receive_from(self.from, &request);
        let answer = desk.one();
        if answer.word() != "401" {
            return answer;
        }
        self.hear(&answer, algorithm);
        let request = self.register(extra);
        desk.receive_from(self.from, &request);
        desk.one()
    }
}

/// `H(a:b)`: HA1 of user `a`, with realm and password taken from what follows, is `H(a:realm:password)`; so split `b` at its colon.
fn two_parts(algorithm: DigestAlgorithm, a: &str, b: &str) -> String {
    let (realm, password) = b.split_once(':').unwrap();
    let ha1 = sip::digest::ha1(a, realm, password);
    if algorithm == Sha256 { ha1.sha256 } else { ha1.md5 }
}
