//! A server written by hand, right and wrong, against the phone.

use model::{Codec, Instant, Random};
use phone::{AnswerPolicy, Command, Config, Event, Output, Phone, Socket, Sound};
use std::net::SocketAddr;
use std::time::Duration;

struct Bench {
    now: Instant,
    phone: Phone,
    server: SocketAddr,
    sent: Vec<String>,
    told: Vec<Event>,
}

impl Bench {
    fn new(answer: AnswerPolicy) -> Bench {
        let server: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        let config = Config {
            user: "nurse".to_owned(),
            password: Some("secret".to_owned()),
            sip: "192.0.2.9:5062".parse().unwrap(),
            rtp: "192.0.2.9:4000".parse().unwrap(),
            server,
            answer,
            says: Sound::Nothing,
            codecs: Codec::ALL.to_vec(),
            trace: false,
        };
        let now = Instant::from_millis(5000);
        Bench { now, phone: Phone::new(config, Random::from_number(3)), server, sent: Vec::new(), told: Vec::new() }
    }

    fn drain(&mut self) {
        while let Some(output) = self.phone.poll_output() {
            match output {
                Output::Event(event) => self.told.push(event),
                Output::Send { socket, to, bytes } => {
                    assert_eq!((socket, to), (Socket::Sip, self.server));
                    self.sent.push(String::from_utf8(bytes).unwrap());
                }
            }
        }
    }

    fn command(&mut self, command: Command) {
        self.phone.handle_command(self.now, command);
        self.drain();
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.phone.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.phone.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn receive(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
        self.phone.handle_packet(self.now, Socket::Sip, self.server, text.as_bytes());
        self.drain();
    }

    fn last(&self) -> &str {
        self.sent.last().unwrap()
    }

    /// The answer of a server that knows its trade to the last request, `extra` added.
    fn reply(&self, status: &str, extra: &str) -> String {
        let request = self.last();
        let copied: Vec<&str> = request
            .lines()
            .filter(|l| ["Via:", "From:", "Call-ID:", "CSeq:"].iter().any(|h| l.to_ascii_lowercase().starts_with(&h.to_ascii_lowercase())))
            .collect();
        format!("SIP/2.0 {status}\n{}\nTo: {};tag=srv\n{extra}Content-Length: 0\n\n", copied.join("\n"), header(request, "To"))
    }

    fn violations(&self) -> Vec<&str> {
        self.told.iter().filter_map(|e| if let Event::Violation(v) = e { Some(v.as_str()) } else { None }).collect()
    }
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message.lines().find(|l| l.to_ascii_lowercase().starts_with(&format!("{}:", name.to_ascii_lowercase())));
    line.unwrap_or_else(|| panic!("no {name} in {message}")).split_once(':').unwrap().1.trim()
}

const INVITE: &str = "INVITE sip:nurse@192.0.2.9:5062 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKone;rport
Max-Forwards: 70
From: \"044-***-**01\" <sip:0440000001@192.0.2.1>;tag=them
To: <sip:nurse@192.0.2.9:5062>
Call-ID: call-1
CSeq: 10 INVITE
Contact: <sip:toritsugi@192.0.2.1:5060>
Content-Type: application/sdp
Content-Length: 128

v=0
o=- 1 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=audio 20000 RTP/AVP 0 101
a=rtpmap:101 telephone-event/8000
a=sendrecv
";

fn invite() -> String {
    let (head, body) = INVITE.split_once("\n\n").unwrap();
    let body = body.replace('\n', "\r\n");
    format!("{}\n\n{body}", head.replace("Content-Length: 128", &format!("Content-Length: {}", body.len())))
}

/// A request of the server inside the dialog that `INVITE` opened.
fn within(bench: &Bench, method: &str, cseq: u32, branch: &str) -> String {
    let ours = bench.sent.iter().rev().find(|m| m.starts_with("SIP/2.0 200") && header(m, "CSeq").ends_with("INVITE")).unwrap();
    format!(
        "{method} sip:nurse@192.0.2.9:5062 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch};rport
Max-Forwards: 70
From: <sip:0440000001@192.0.2.1>;tag=them
To: {}
Call-ID: call-1
CSeq: {cseq} {method}
Content-Length: 0

",
        header(ours, "To")
    )
}

const AT_ONCE: AnswerPolicy = AnswerPolicy::After(Duration::ZERO);

#[test]
fn a_phone_registers_with_sha_256_and_stays_registered() {
    let mut bench = Bench::new(AnswerPolicy::Never);
    bench.command(Command::Register);
    assert!(bench.last().starts_with("REGISTER sip:192.0.2.1:5060 SIP/2.0\r\n"), "{}", bench.last());
    let challenge = bench.reply(
        "401 Unauthorized",
        "WWW-Authenticate: Digest realm=\"toritsugi\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"
WWW-Authenticate: Digest realm=\"toritsugi\", nonce=\"n2\", algorithm=MD5, qop=\"auth\"\n",
    );
    bench.receive(&challenge);
    let authorization = header(bench.last(), "Authorization");
    assert!(authorization.contains("algorithm=SHA-256") && authorization.contains("nc=00000001"), "{authorization}");
    assert!(header(bench.last(), "CSeq").starts_with("2 "));
    let ok = bench.reply("200 OK", "Contact: <sip:nurse@192.0.2.9:5062>;expires=60\n");
    bench.receive(&ok);
    assert_eq!(bench.told, [Event::Registered]);
    bench.wait(Duration::from_secs(30));
    assert!(header(bench.last(), "Authorization").contains("nc=00000002"), "{}", bench.last());
    // The nonce has grown old: a fresh one is answered without asking anybody.
    let stale = bench.reply(
        "401 Unauthorized",
        "WWW-Authenticate: Digest realm=\"toritsugi\", nonce=\"n3\", algorithm=SHA-256, qop=\"auth\", stale=true\n",
    );
    bench.receive(&stale);
    assert!(header(bench.last(), "Authorization").contains("nonce=\"n3\""));
    let ok = bench.reply("200 OK", "Contact: <sip:nurse@192.0.2.9:5062>;expires=60\n");
    bench.receive(&ok);
    bench.command(Command::Unregister);
    assert_eq!(header(bench.last(), "Expires"), "0");
    let gone = bench.reply("200 OK", "");
    bench.receive(&gone);
    assert_eq!(bench.told, [Event::Registered, Event::Unregistered]);
    bench.wait(Duration::from_secs(40));
    assert_eq!(bench.phone.poll_timeout(), None);
}

#[test]
fn whoever_is_impatient_sends_one_register_at_a_time() {
    let mut bench = Bench::new(AnswerPolicy::Never);
    bench.command(Command::Register);
    bench.command(Command::Register);
    bench.command(Command::Unregister);
    assert_eq!(bench.sent.len(), 1, "RFC 3261 section 10.2");
    let ok = bench.reply("200 OK", "Contact: <sip:nurse@192.0.2.9:5062>;expires=60\n");
    bench.receive(&ok);
    assert_eq!((bench.sent.len(), header(bench.last(), "Expires")), (2, "0"));
    let gone = bench.reply("200 OK", "");
    bench.receive(&gone);
    assert_eq!(bench.told, [Event::Registered, Event::Unregistered]);
}

#[test]
fn a_wrong_password_is_refused_once_and_not_tried_for_ever() {
    let mut bench = Bench::new(AnswerPolicy::Never);
    bench.command(Command::Register);
    for _ in 0..2 {
        let challenge = bench.reply("401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\n");
        bench.receive(&challenge);
    }
    assert_eq!(bench.told, [Event::RegisterFailed(401)]);
    bench.wait(Duration::from_secs(3600));
    assert_eq!(bench.sent.len(), 2);
}

#[test]
fn nobody_answers_the_register_and_it_is_tried_again() {
    let mut bench = Bench::new(AnswerPolicy::Never);
    bench.command(Command::Register);
    bench.wait(Duration::from_secs(33));
    assert_eq!(bench.sent.len(), 11, "Timer E: 0.5, 1, 2, 4, 4, .. s until 32 s");
    assert_eq!(bench.told, [Event::RegisterFailed(408)]);
    bench.wait(Duration::from_secs(30));
    assert_eq!(bench.sent.len(), 13, "tried again after half a minute");
}

#[test]
fn a_call_is_challenged_and_then_refused() {
    let mut bench = Bench::new(AnswerPolicy::Never);
    bench.command(Command::Dial { uri: "sip:0440000001@192.0.2.1:5060".to_owned() });
    let challenge = bench.reply("401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=MD5\n");
    bench.receive(&challenge);
    let [ack, invite] = &bench.sent[1..] else { panic!("{:?}", bench.sent) };
    assert!(ack.starts_with("ACK ") && header(ack, "To").ends_with("tag=srv"), "{ack}");
    assert_eq!(header(ack, "Via"), header(&bench.sent[0], "Via"));
    assert!(header(invite, "Authorization").contains("uri=\"sip:0440000001@192.0.2.1:5060\""));
    assert!(!header(invite, "To").contains("tag"));
    let full = bench.reply("503 Service Unavailable", "Retry-After: 5\n");
    bench.receive(&full);
    assert!(bench.last().starts_with("ACK "));
    bench.receive(&full);
    assert_eq!(bench.sent.len(), 5, "a repeated 503 gets its ACK again");
    assert_eq!(bench.told, [Event::Ended { by_us: false, status: Some(503) }]);
    assert!(bench.violations().is_empty());
}

#[test]
fn an_agent_is_rung_probed_reinvited_and_hung_up() {
    let mut bench = Bench::new(AnswerPolicy::After(Duration::from_secs(2)));
    bench.receive(&invite());
    assert!(bench.sent[0].starts_with("SIP/2.0 100 ") && bench.sent[1].starts_with("SIP/2.0 180 Ringing\r\n"));
    bench.receive(&invite());
    assert_eq!(bench.sent.len(), 3, "a repeated INVITE gets the 180 again");
    assert_eq!(bench.told, [Event::Incoming { from: "\"044-***-**01\" <sip:0440000001@192.0.2.1>".to_owned() }]);
    bench.wait(Duration::from_millis(2600));
    let oks: Vec<_> = bench.sent.iter().filter(|m| m.starts_with("SIP/2.0 200 OK\r\n")).collect();
    assert_eq!(oks.len(), 2, "the 200 is repeated until the ACK");
    let sdp = oks[0].split_once("\r\n\r\n").unwrap().1.to_owned();
    let ack = within(&bench, "ACK", 10, "ack");
    bench.receive(&ack);
    bench.receive(&ack);
    bench.receive(&within(&bench, "OPTIONS", 11, "options"));
    assert!(bench.last().starts_with("SIP/2.0 200 OK\r\n") && header(bench.last(), "Allow").contains("INVITE"));
    let body = invite().split_once("\n\n").unwrap().1.to_owned();
    let again = within(&bench, "INVITE", 12, "again").replace(
        "Content-Length: 0\n\n",
        &format!("Contact: <sip:toritsugi@192.0.2.1:5060>\nContent-Type: application/sdp\nContent-Length: {}\n\n{body}", body.len()),
    );
    bench.receive(&again);
    assert_eq!(bench.last().split_once("\r\n\r\n").unwrap().1, sdp, "the same session as before");
    bench.receive(&within(&bench, "ACK", 12, "ack2"));
    bench.receive(&within(&bench, "BYE", 13, "bye"));
    assert!(bench.last().starts_with("SIP/2.0 200 OK\r\n"));
    assert_eq!(bench.told[1..], [Event::Connected, Event::Ended { by_us: false, status: None }]);
    bench.wait(Duration::from_secs(40));
    assert!(!bench.phone.is_busy() && bench.phone.poll_timeout().is_none());
}

#[test]
fn an_options_outside_any_call_is_answered() {
    let mut bench = Bench::new(AnswerPolicy::Never);
    let text = invite().replace("INVITE sip", "OPTIONS sip").replace("10 INVITE", "10 OPTIONS");
    bench.receive(&text);
    assert!(bench.last().starts_with("SIP/2.0 200 OK\r\n"));
    assert!(header(bench.last(), "To").contains("tag="));
    assert!(bench.told.is_empty());
}

#[test]
fn a_second_caller_finds_the_line_busy() {
    let mut bench = Bench::new(AT_ONCE);
    bench.receive(&invite());
    bench.receive(&within(&bench, "ACK", 10, "ack"));
    bench.receive(&invite().replace("z9hG4bKone", "z9hG4bKtwo").replace("call-1", "call-2"));
    assert!(bench.last().starts_with("SIP/2.0 486 Busy Here\r\n"));
    assert!(bench.phone.is_connected() && bench.violations().is_empty());
}

#[test]
fn a_server_that_breaks_the_rules_is_told_so() {
    let asked = |change: &dyn Fn(&Bench) -> String| {
        let mut bench = Bench::new(AT_ONCE);
        bench.command(Command::Dial { uri: "sip:0440000001@192.0.2.1:5060".to_owned() });
        let text = change(&bench);
        bench.receive(&text);
        bench.violations().join(" / ")
    };
    let faults: Vec<(&str, String)> = vec![
        ("another Call-ID", asked(&|b| b.reply("180 Ringing", "").replace("Call-ID: ", "Call-ID: x"))),
        (
            "another From",
            asked(&|b| b.reply("180 Ringing", "").replace("From: <sip:nurse@192.0.2.1>;tag=", "From: <sip:nurse@192.0.2.1>;tag=x")),
        ),
        ("no To tag", asked(&|b| b.reply("180 Ringing", "").replace(";tag=srv", ""))),
        ("another CSeq", asked(&|b| b.reply("180 Ringing", "").replace("CSeq: ", "CSeq: 1"))),
        ("without Contact", asked(&|b| b.reply("200 OK", ""))),
        ("session cannot be used", asked(&|b| b.reply("200 OK", "Contact: <sip:x@192.0.2.1:5060>\n"))),
        ("never asked", asked(&|b| b.reply("180 Ringing", "").replace("branch=z9hG4bK", "branch=z9hG4bKx"))),
        ("Via values", asked(&|b| b.reply("180 Ringing", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKy\n"))),
        ("without a challenge", asked(&|b| b.reply("401 Unauthorized", ""))),
        ("rsip cannot read", asked(&|_| "garbage\n\n".to_owned())),
    ];
    for (word, told) in faults {
        assert!(told.contains(word), "{word}: {told:?}");
    }
    let rung = |texts: &dyn Fn(&Bench) -> Vec<String>| {
        let mut bench = Bench::new(AT_ONCE);
        bench.receive(&invite());
        for text in texts(&bench) {
            bench.receive(&text);
        }
        bench.violations().join(" / ")
    };
    let faults: Vec<(&str, String)> = vec![
        ("CSeq 11, which is that of no INVITE", rung(&|b| vec![within(b, "ACK", 11, "ack")])),
        ("in no dialog of ours", rung(&|b| vec![within(b, "BYE", 11, "bye").replace("tag=them", "tag=others")])),
        ("a second BYE with CSeq 10", rung(&|b| vec![within(b, "BYE", 10, "bye")])),
        ("without Max-Forwards", rung(&|b| vec![within(b, "OPTIONS", 11, "o").replace("Max-Forwards: 70\n", "")])),
        ("whose CSeq says BYE", rung(&|b| vec![within(b, "OPTIONS", 11, "o").replace("11 OPTIONS", "11 BYE")])),
        ("z9hG4bK", rung(&|b| vec![within(b, "OPTIONS", 11, "o").replace("z9hG4bK", "old")])),
        ("for no INVITE", rung(&|b| vec![within(b, "CANCEL", 10, "nowhere")])),
        (
            "who does not live here",
            rung(&|_| vec![invite().replace("sip:nurse@192.0.2.9:5062 SIP", "sip:doctor@192.0.2.9:5062 SIP").replace("bKone", "bKtwo")]),
        ),
        ("Content-Length says 9", rung(&|b| vec![within(b, "OPTIONS", 11, "o").replace("Content-Length: 0", "Content-Length: 9")])),
    ];
    for (word, told) in faults {
        assert!(told.contains(word), "{word}: {told:?}");
    }
    assert_eq!(rung(&|b| vec![within(b, "ACK", 10, "ack"), within(b, "BYE", 11, "bye")]), "", "and a server that keeps them is not");
}

#[test]
fn hostile_datagrams_end_nothing() {
    let mut bench = Bench::new(AT_ONCE);
    bench.receive(&invite());
    bench.receive(&within(&bench, "ACK", 10, "ack"));
    let mut random = Random::from_number(9);
    let seeds = [invite(), within(&bench, "OPTIONS", 90, "o"), bench.sent[2].clone()];
    for round in 0..3000u64 {
        let mut bytes = seeds[usize::try_from(round % 3).unwrap()].clone().into_bytes();
        for _ in 0..random.below(6) {
            if bytes.is_empty() {
                break;
            }
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            match random.below(3) {
                0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        bench.phone.handle_packet(bench.now, Socket::Sip, bench.server, &bytes);
        bench.phone.handle_packet(bench.now, Socket::Rtp, bench.server, &bytes);
        while bench.phone.poll_output().is_some() {}
        bench.wait(Duration::from_millis(700));
    }
}
