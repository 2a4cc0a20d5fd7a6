//! One endpoint at a desk: a clock that is moved by hand, and everything it says laid out in order.

#![allow(dead_code, unreachable_pub, reason = "each test file includes it and uses a part")]

pub mod phone;

use bytes::Bytes;
use model::{DialogId, DigestAlgorithm, FlowId, Instant, Now, Random, UnixMillis};
use sip::{Census, Command, Config, Endpoint, Event, Identity, Message, Output, Target};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub const US: &str = "192.0.2.1:5060";
pub const CALLER: &str = "192.0.2.50:5060";
pub const REALM: &str = "ward";
pub const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.50\r\ns=-\r\nc=IN IP4 192.0.2.50\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
pub const ANSWER: &str = "v=0\r\no=- 2 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n";

/// One datagram that the endpoint sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub millis: u64,
    pub flow: FlowId,
    pub to: SocketAddr,
    pub text: String,
}

impl Sent {
    /// `INVITE`, or `200`.
    pub fn word(&self) -> &str {
        let mut words = self.text.split(' ');
        let first = words.next().unwrap();
        if first == "SIP/2.0" { words.next().unwrap() } else { first }
    }
    pub fn message(&self) -> Message {
        Message::parse(&Bytes::from(self.text.clone())).expect("what we send can be read")
    }
    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> &str {
        let prefix = format!("{}: ", name.to_ascii_lowercase());
        self.text.lines().find(|l| l.to_ascii_lowercase().starts_with(&prefix)).map(|l| &l[prefix.len()..]).unwrap_or_default()
    }
    pub fn to_tag(&self) -> String {
        tag_of(self.header("To"))
    }
    pub fn tag_of_from(&self) -> String {
        tag_of(self.header("From"))
    }
}

fn tag_of(value: &str) -> String {
    value.split(";tag=").nth(1).unwrap_or_default().to_owned()
}

#[derive(Clone)]
pub struct Desk {
    pub endpoint: Endpoint,
    pub now: Instant,
    pub sent: Vec<Sent>,
    pub events: Vec<Event>,
    pub notes: Vec<model::Event>,
}

impl Desk {
    pub fn new() -> Desk {
        Self::with(&[DigestAlgorithm::Sha256, DigestAlgorithm::Md5])
    }
    /// The same with other luck.
    pub fn seeded(seed: u64) -> Desk {
        Self::made(&[DigestAlgorithm::Sha256], seed)
    }
    pub fn with(digest: &[DigestAlgorithm]) -> Desk {
        Self::made(digest, 7)
    }
    fn made(digest: &[DigestAlgorithm], seed: u64) -> Desk {
        let config = Config { local: US.parse().unwrap(), realm: REALM.to_owned(), digest: digest.to_vec() };
        let mut endpoint = Endpoint::new(config, Random::from_number(seed));
        let users = ["sato", "tanaka"].map(|user| (user.to_owned(), sip::digest::ha1(user, REALM, &format!("{user}-himitsu"))));
        endpoint.set_users(BTreeMap::from(users));
        Desk { endpoint, now: Instant::from_millis(1_000), sent: Vec::new(), events: Vec::new(), notes: Vec::new() }
    }
    pub fn both(&self) -> Now {
        Now { mono: self.now, wall: UnixMillis(0) }
    }
    pub fn millis(&self) -> u64 {
        self.now.as_nanos() / 1_000_000
    }
    pub fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { flow, to, bytes, .. } => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    self.sent.push(Sent { millis: self.millis(), flow, to, text });
                }
                Output::Event(event) => self.events.push(event),
                Output::Note(note) => self.notes.push(note),
                Output::Passed { .. } => {}
            }
        }
    }
    pub fn receive_on(&mut self, flow: FlowId, from: &str, bytes: &Bytes) {
        self.endpoint.handle_message(self.both(), flow, from.parse().unwrap(), bytes);
        self.drain();
    }
    pub fn receive_bytes(&mut self, from: &str, bytes: &Bytes) {
        self.receive_on(FlowId::UDP, from, bytes);
    }
    pub fn receive_from(&mut self, from: &str, text: &str) {
        self.receive_bytes(from, &Bytes::from(text.to_owned()));
    }
    pub fn receive(&mut self, text: &str) {
        self.receive_from(CALLER, text);
    }
    pub fn command(&mut self, command: Command) {
        self.endpoint.handle_command(self.both(), command);
        self.drain();
    }
    /// Lets time pass, waking the endpoint exactly when it asks for it.
    pub fn wait(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        let mut wakes = 0;
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.both());
            self.drain();
            wakes += 1;
            assert!(wakes < 100_000, "the endpoint wants to be woken without end");
        }
        self.now = end;
    }
    /// What was sent since the last look.
    pub fn sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }
    /// Only the words of it: `["100", "180"]`.
    pub fn words(&mut self) -> Vec<String> {
        self.sent().iter().map(|s| s.word().to_owned()).collect()
    }
    /// The one datagram that was sent.
    pub fn one(&mut self) -> Sent {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:#?}");
        sent.remove(0)
    }
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
    pub fn census(&self) -> Census {
        self.endpoint.census()
    }
    /// After the time in which most calls are answered: the 100 of one that was not.
    pub fn trying(&mut self) -> Sent {
        assert_eq!(self.words(), [""; 0]);
        self.wait(200);
        let trying = self.one();
        assert_eq!(trying.word(), "100");
        trying
    }
    /// Nothing is left, not even a timer.
    pub fn assert_quiet(&self) {
        assert_eq!(self.census(), Census::default());
    }

    /// A caller calls 0440000001; the dialog that came of it.
    pub fn called(&mut self) -> DialogId {
        self.receive(&invite("1"));
        match self.events().as_slice() {
            [Event::Invite { dialog, .. }] => *dialog,
            other => panic!("{other:?}"),
        }
    }
    /// The same, answered and acknowledged; also our tag.
    pub fn talking(&mut self) -> (DialogId, String) {
        let dialog = self.called();
        self.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
        let tag = self.sent().pop().unwrap().to_tag();
        self.receive(&inside("ACK", "a", 1, &tag));
        assert_eq!(self.events(), [Event::Acked { dialog }]);
        (dialog, tag)
    }
    /// We call sato's phone, and it answers.
    pub fn calling_answered(&mut self) -> (DialogId, Sent) {
        let (dialog, invite) = self.calling();
        self.receive_from(PHONE, &response(&invite, 200, "p1", OFFER));
        (dialog, invite)
    }
    /// We call sato's phone; the dialog and the INVITE that went out.
    pub fn calling(&mut self) -> (DialogId, Sent) {
        let dialog = self.endpoint.new_dialog();
        let to = Target {
            uri: "sip:sato@192.0.2.60:5062".to_owned(),
            flow: FlowId::UDP,
            addr: PHONE.parse().unwrap(),
            routes: Vec::new(),
            user: Some("sato".to_owned()),
            trunk: None,
        };
        let from = Identity { display: "川崎 \"Ward\"".to_owned(), user: "0440000001".to_owned() };
        self.command(Command::Invite { dialog, to, from, sdp: Bytes::from(ANSWER) });
        (dialog, self.one())
    }
}

pub const PHONE: &str = "192.0.2.60:5062";

pub fn host(place: &str) -> std::net::IpAddr {
    place.parse::<SocketAddr>().unwrap().ip()
}

/// An INVITE of the caller, number 1 of call `c1`, From tag `f1`.
pub fn invite(branch: &str) -> String {
    request("INVITE", "sip:0440000001@192.0.2.1", branch, "sip:0440000001@192.0.2.1", 1, "Contact: <sip:caller@192.0.2.50>\r\n", OFFER)
}
/// A request of the caller inside the dialog.
pub fn inside(method: &str, branch: &str, cseq: u32, our_tag: &str) -> String {
    let to = format!("<sip:0440000001@192.0.2.1>;tag={our_tag}");
    request(method, "sip:192.0.2.1:5060", branch, &to, cseq, "", "")
}
/// A re-INVITE of the caller.
pub fn reinvite(branch: &str, cseq: u32, our_tag: &str) -> String {
    let to = format!("<sip:0440000001@192.0.2.1>;tag={our_tag}");
    request("INVITE", "sip:192.0.2.1:5060", branch, &to, cseq, "Contact: <sip:caller@192.0.2.51:5070>\r\n", OFFER)
}
pub fn request(method: &str, uri: &str, branch: &str, to: &str, cseq: u32, extra: &str, body: &str) -> String {
    let typed = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
         From: \"Yamada\" <sip:0449999999@192.0.2.50>;tag=f1\r\nTo: {to}\r\nCall-ID: c1\r\nCSeq: {cseq} {method}\r\n{extra}{typed}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
/// What a phone answers to a request of ours.
pub fn response(request: &Sent, status: u16, tag: &str, body: &str) -> String {
    let typed = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let to = request.header("To");
    let to = if tag.is_empty() || to.contains(";tag=") { to.to_owned() } else { format!("{to};tag={tag}") };
    format!(
        "SIP/2.0 {status} x\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:sato@192.0.2.60:5062>\r\n{typed}\
         Content-Length: {}\r\n\r\n{body}",
        request.header("Via"),
        request.header("From"),
        request.header("Call-ID"),
        request.header("CSeq"),
        body.len()
    )
}
/// A request of the called phone inside the dialog that our INVITE opened.
pub fn phone_inside(invite: &Sent, method: &str, branch: &str, cseq: u32, tag: &str) -> String {
    format!(
        "{method} sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.60:5062;branch=z9hG4bK{branch}\r\nFrom: {};tag={tag}\r\nTo: {}\r\n\
         Call-ID: {}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
        invite.header("To"),
        invite.header("From"),
        invite.header("Call-ID"),
    )
}
/// The same with a Contact and a body.
pub fn phone_offers(invite: &Sent, method: &str, branch: &str, cseq: u32, tag: &str, body: &str) -> String {
    let with =
        format!("Contact: <sip:sato@192.0.2.60:5062>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    phone_inside(invite, method, branch, cseq, tag).replace("Content-Length: 0\r\n\r\n", &with)
}
