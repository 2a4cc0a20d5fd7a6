//! Law 8, of the whole house: after a whole demo no number of a caller stands in anything that is written or sent for people and programs to read.
//!
//! Beside the six residents of the demo, callers' houses say whom they connect in every spelling that such houses have, in every field, withheld too;
//! and panics happen with their words in hand. Then all is looked through: the log in both forms and at its lowest level, metrics, journal, database, SIP
//! messages as they lie on the disk and as a ladder, spans at a collector, and what a capture server was sent. What is looked for is found by a
//! reader of its own (`plain`), which shares nothing with what hides.

use crate::demo::{self, Beside, RESIDENTS};
use crate::explain::Tongue;
use crate::zone::Town;
use crate::{CityArgs, hub, trace};
use model::{Random, hex};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use telemetry::log::{self, Form, Lines};

/// Houses that call, each with a caller of its own.
const HOUSES: usize = 60;
const CITY_NUMBER: &str = "0440000000";

type Paper = Arc<Mutex<Vec<u8>>>;

fn sheet(paper: &Paper) -> impl Fn(&[u8]) + Send + Sync + 'static {
    let paper = Arc::clone(paper);
    move |bytes| paper.lock().unwrap().extend_from_slice(bytes)
}

/// One person, and how a house writes their number this time: in a URI, and in words.
struct Caller {
    national: String,
    uri: String,
    words: String,
}

impl Caller {
    fn draw(random: &mut Random) -> Caller {
        let national = format!("0901{:07}", random.below(10_000_000));
        let abroad = format!("+81{}", &national[1..]);
        let groups = |mark: &str| [&national[..3], &national[3..7], &national[7..]].join(mark);
        let encoded = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let drawn = |text: &str, zero: char| -> String {
            text.chars().map(|c| c.to_digit(10).and_then(|d| char::from_u32(u32::from(zero) + d)).unwrap_or(c)).collect()
        };
        let uris = [
            national.clone(),
            abroad.clone(),
            abroad.replace('+', "%2B"),
            encoded(&national),
            encoded(&abroad),
            groups("-"),
            groups("."),
            format!("({}){}", &national[..3], &groups("-")[4..]),
            format!("+81-{}", &groups("-")[1..]),
            national.replace('0', "%30"),
            national.replace('1', "%2531"),
        ];
        let words = [
            national.clone(),
            abroad,
            groups(" "),
            groups("-"),
            format!("({}) {}", &national[..3], &groups(".")[4..]),
            drawn(&national, '０'),
            drawn(&groups("－"), '０'),
            national.chars().map(|c| c.to_digit(10).map_or(c, |d| "〇一二三四五六七八九".chars().nth(d as usize).unwrap())).collect(),
            national.chars().map(|c| format!("{c} ")).collect(),
            format!("tel:+81-{}", &groups("-")[1..]),
            encoded(&drawn(&national, '０')),
        ];
        let pick = |all: &[String], random: &mut Random| all[random.below(all.len() as u64) as usize].clone();
        let (uri, words) = (pick(&uris, random), pick(&words, random));
        Caller { national, uri, words }
    }

    /// Fields that houses and networks name a caller in.
    fn fields(&self, random: &mut Random) -> String {
        let (uri, words) = (&self.uri, &self.words);
        let all = [
            format!("P-Asserted-Identity: \"{words}\" <sip:{uri}@127.0.0.1;user=phone>"),
            format!("P-Asserted-Identity: <tel:{uri};phone-context=+81>"),
            format!("P-Preferred-Identity: <sip:{uri};isub=12@127.0.0.1>"),
            format!("Remote-Party-ID: \"{words}\" <sip:{uri}@127.0.0.1>;party=calling;screen=yes"),
            format!("History-Info: <sip:{uri}@127.0.0.1?Reason=SIP%3Bcause%3D302>;index=1, <sip:{CITY_NUMBER}@127.0.0.1>;index=1.1"),
            format!("Diversion: \"{words}\" <sip:{uri}@127.0.0.1>;reason=unconditional"),
            format!("P-Called-Party-ID: <sip:{uri}@127.0.0.1>"),
            format!("Referred-By: <sip:{uri}@127.0.0.1>"),
            format!("Reply-To: \"{words}\" <sip:{uri}@127.0.0.1>"),
            format!("User-Agent: house of {words}"),
            format!("Subject: {words}"),
            format!("X-Caller: {words}"),
            format!("X-{}: 1", self.national),
            format!("Reason: Q.850;cause=16;text=\"for {words}\""),
            format!("Authorization: Digest username=\"{uri}\", realm=\"x\", nonce=\"1\", uri=\"sip:x\", response=\"1\""),
            format!("Session-ID: {};remote=0", self.national),
            format!("Date: {words}"),
        ];
        (0..6).map(|_| format!("{}\r\n", all[random.below(all.len() as u64) as usize])).collect()
    }
}

/// A house on a socket of its own, which calls for many people at once.
struct House {
    socket: UdpSocket,
    server: SocketAddr,
    here: SocketAddr,
    random: Random,
    /// By their Call-IDs: who calls, and the From that they began with.
    calls: BTreeMap<String, (Caller, String)>,
    answered: usize,
    over: usize,
}

impl House {
    fn call(&mut self, withheld: bool) {
        let random = &mut self.random;
        let caller = Caller::draw(random);
        let (uri, words, national) = (&caller.uri, &caller.words, &caller.national);
        let mark = random.token(8);
        let froms = [
            format!("\"{words}\" <sip:{uri}@{}>;tag={mark}", self.here),
            format!("<sip:{uri};isub=77;phone-context=+81@{};user=phone>;tag={mark}", self.here),
            format!("<tel:{uri};phone-context=+81>;tag={mark}"),
            format!("\"{words}\" <sip:{uri}@{}>;tag={mark}-{national}", self.here),
        ];
        let from = match withheld {
            true => format!("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag={mark}"),
            false => froms[random.below(froms.len() as u64) as usize].clone(),
        };
        let call_id = match random.below(4) {
            0 => format!("{national}-{mark}@house"),
            1 => format!("{}{mark}@house", national.bytes().map(|b| format!("%{b:02X}")).collect::<String>()),
            2 => format!("{mark}@{}", self.here.ip()),
            _ => format!("{mark}{mark}"),
        };
        let privacy = if withheld { "Privacy: id\r\n" } else { "" };
        let fields = caller.fields(random);
        let body = format!(
            "v=0\r\no={national} 1 1 IN IP4 127.0.0.1\r\ns={words}\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 101\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=x-caller:{uri}\r\n"
        );
        let invite = self.request("INVITE", &format!("sip:{CITY_NUMBER}@{}", self.server), &from, "", &call_id, 1);
        let invite = format!(
            "{invite}Contact: <sip:{uri}@{}>\r\n{privacy}{fields}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            self.here,
            body.len()
        );
        self.send(&invite);
        self.calls.insert(call_id, (caller, from));
    }

    fn request(&mut self, method: &str, to: &str, from: &str, to_tag: &str, call_id: &str, cseq: u32) -> String {
        let branch = self.random.token(10);
        format!(
            "{method} {to} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
             To: <sip:{CITY_NUMBER}@{}>{to_tag}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n",
            self.here, self.server
        )
    }

    fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.server).unwrap();
    }

    /// What strangers and broken houses send beside calls.
    fn rubbish(&mut self) -> Vec<String> {
        let mut named = Vec::new();
        for _ in 0..6 {
            let caller = Caller::draw(&mut self.random);
            let (uri, words, national) = (&caller.uri, &caller.words, &caller.national);
            let (server, here) = (self.server, self.here);
            let from = format!("\"{words}\" <sip:{uri}@{here}>;tag={national}");
            let register = self.request("REGISTER", &format!("sip:{server}"), &from, "", &format!("r{national}"), 1);
            let fields = caller.fields(&mut self.random);
            self.send(&format!("{register}Contact: <sip:{uri}@{here}>\r\n{fields}Content-Length: 0\r\n\r\n"));
            let unknown = self.request("INVITE", &format!("sip:{uri}@{server}"), &from, "", &format!("u{national}"), 1);
            self.send(&format!("{unknown}Contact: <sip:{uri}@{here}>\r\n{fields}Content-Length: 0\r\n\r\n"));
            let odd = self.request(&format!("X{national}"), &format!("sip:{uri}@{server}"), &from, "", &format!("o{national}"), 1);
            self.send(&format!("{odd}Content-Length: 0\r\n\r\n"));
            let message = self.request("MESSAGE", &format!("sip:{CITY_NUMBER}@{server}"), &from, "", &format!("m{national}"), 1);
            self.send(&format!("{message}Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{words}", words.len()));
            self.send(&format!("INVITE sip:{uri} {words}\r\nFrom: {words}\r\nCall-ID {national}\r\n\r\n"));
            self.send(&format!("{words} {uri}"));
            named.push(caller.national);
        }
        named
    }

    /// Hears answers until every call is over, or for so long.
    fn attend(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut buffer = [0; 65_536];
        while self.over < self.calls.len() && Instant::now() < until {
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let field = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned).unwrap_or_default();
            let (call_id, to, method) = (field("Call-ID: "), field("To: "), field("CSeq: "));
            let Some((caller, from)) = self.calls.get(&call_id) else { continue };
            let (words, from) = (caller.words.clone(), from.clone());
            let status: u16 = said.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
            let tag = to.split_once(";tag=").map_or(String::new(), |(_, tag)| format!(";tag={tag}"));
            match (method.as_str(), status) {
                ("1 INVITE", 200..) => {
                    let to = format!("sip:{CITY_NUMBER}@{}", self.server);
                    let ack = self.request("ACK", &to, &from, &tag, &call_id, 1);
                    self.send(&format!("{ack}Content-Length: 0\r\n\r\n"));
                    if status < 300 {
                        self.answered += 1;
                        let bye = self.request("BYE", &to, &from, &tag, &call_id, 2);
                        self.send(&format!("{bye}Reason: SIP;cause=200;text=\"for {words}\"\r\nContent-Length: 0\r\n\r\n"));
                    } else {
                        self.over += 1;
                    }
                }
                ("2 BYE", 200..) => self.over += 1,
                _ => {}
            }
        }
    }
}

/// A collector of traces that takes everything.
fn collector(kept: &Paper) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let keep = Arc::clone(kept);
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let keep = Arc::clone(&keep);
            std::thread::spawn(move || take(stream, &keep));
        }
    });
    at
}

fn take(mut stream: TcpStream, kept: &Paper) {
    let (mut text, mut buffer) = (Vec::new(), [0; 65_536]);
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        text.extend_from_slice(&buffer[..read]);
        let said = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = said.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
        if body.len() >= length.unwrap_or_default() {
            kept.lock().unwrap().extend_from_slice(&text);
            text.clear();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        }
    }
}

/// A capture server that takes everything.
fn capture(kept: &Paper) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    let keep = sheet(kept);
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(length) = socket.recv(&mut buffer) {
            keep(&buffer[..length]);
        }
    });
    at
}

/// Every file below a folder, but what is sound.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if !matches!(path.extension().and_then(|e| e.to_str()), Some("wav" | "htsvoice")) {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

/// A text with its percent signs resolved, every figure an ASCII one, and nothing that stands between the figures of a number.
fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..2 {
        let bytes = text.as_bytes();
        let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
        while at < bytes.len() {
            let code =
                bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok()).and_then(|two| u8::from_str_radix(two, 16).ok());
            match code {
                Some(byte) if bytes[at] == b'%' => (out.push(byte), at += 3).1,
                _ => (out.push(bytes[at]), at += 1).1,
            }
        }
        text = String::from_utf8_lossy(&out).into_owned();
    }
    let kanji = "〇一二三四五六七八九";
    let figure = |c: char| match c {
        '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10).unwrap(),
        _ => kanji.chars().position(|k| k == c).map_or(c, |d| char::from_digit(d as u32, 10).unwrap()),
    };
    text.chars().map(figure).filter(|c| !" \t-.()+/_－（）．　\u{2010}\u{2011}\u{2012}\u{2013}".contains(*c)).collect()
}

fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let bits = three.iter().fold(0_u32, |bits, b| bits << 8 | u32::from(*b));
        [18, 12, 6, 0].map(|shift| char::from(SIGNS[(bits >> shift) as usize & 63]))
    };
    bytes.chunks_exact(3).flat_map(group).collect()
}

/// Where a number stands in something, if it does, in whatever spelling.
fn finds(national: &str, raw: &str, plain: &str) -> Option<String> {
    let abroad = format!("81{}", &national[1..]);
    let spelt = [national, &abroad].into_iter().find_map(|form| Some((form, plain, plain.find(form)?)));
    let coded = || {
        [national, &abroad].into_iter().find_map(|form| {
            let hexed = [hex(form.as_bytes()), hex(form.as_bytes()).to_uppercase()];
            // Wherever the number begins within three bytes of base64.
            let in_base64 = (0..3).map(|skip| base64(&form.as_bytes()[skip..])).filter(|code| code.len() >= 8);
            hexed.into_iter().chain(in_base64).find_map(|code| Some((form, raw, raw.find(&code)?)))
        })
    };
    spelt.or_else(coded).map(|(form, text, at)| {
        let around: String = text[..at].chars().rev().take(120).collect::<Vec<_>>().into_iter().rev().collect();
        format!("{form} behind {around:?}")
    })
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("toritsugi-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, there) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if path.is_dir() {
            copy(&path, &there);
        } else {
            fs::copy(&path, &there).unwrap();
        }
    }
}

/// The city that ships, which believes what the houses of this machine say of their callers.
fn city(at: &Path) -> CityArgs {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    copy(&top.join("config"), at);
    let lines = fs::read_to_string(at.join("lines.yaml")).unwrap();
    let lines = lines.replace("\"::1/128\"], targets: loopback }", "\"::1/128\"], targets: loopback, trusted: true }");
    fs::write(at.join("lines.yaml"), lines).unwrap();
    assert!(fs::read_to_string(at.join("lines.yaml")).unwrap().contains("targets: loopback, trusted: true"));
    CityArgs { config: Some(at.to_owned()), flows: Some(top.join("flows")) }
}

#[test]
fn the_reader_of_this_test_finds_a_number_in_every_spelling() {
    let mut random = Random::from_number(1);
    for _ in 0..500 {
        let caller = Caller::draw(&mut random);
        for text in [&caller.uri, &caller.words] {
            assert!(finds(&caller.national, text, &plain(&format!("x{text}y"))).is_some(), "{text}");
        }
        for code in [hex(caller.national.as_bytes()), base64(format!("ab{} ", caller.national).as_bytes())] {
            assert!(finds(&caller.national, &code, &plain(&code)).is_some(), "{code}");
        }
        let other = Caller::draw(&mut random);
        assert_eq!(finds(&caller.national, &other.uri, &plain(&other.words)), None);
    }
}

#[test]
#[ignore = "two minutes, beside the telephones in .ci/run: cargo test --release -p toritsugi privacy:: -- --ignored"]
fn no_number_of_any_caller_stands_anywhere_after_a_whole_demo() {
    let (human, json, spans, packets) = (Paper::default(), Paper::default(), Paper::default(), Paper::default());
    let forms = [Lines::new(Form::Human, sheet(&human)), Lines::new(Form::Json, sheet(&json))];
    log::start_on("trace", &forms).unwrap();
    let (state, config) = (folder("privacy-state"), folder("privacy-config"));
    let city = city(&config);
    let voices = folder("privacy-voices");

    let numbers = Arc::new(Mutex::new(RESIDENTS.map(|resident| resident.number.to_owned()).to_vec()));
    let metrics = Paper::default();
    let (known, page) = (Arc::clone(&numbers), sheet(&metrics));
    let beside = Beside {
        outlets: hub::Outlets { otlp: Some(format!("http://{}/v1/traces", collector(&spans))), hep: Some(capture(&packets)) },
        begun: Some(Box::new(move |server| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let here = socket.local_addr().unwrap();
            let random = Random::from_number(20_261_126);
            let mut house = House { socket, server, here, random, calls: BTreeMap::new(), answered: 0, over: 0 };
            // So many at once as the engine takes in a second, and more than one house has.
            for call in 0..HOUSES {
                house.call(call % 7 == 6);
                house.attend(Duration::from_millis(30));
            }
            let named = house.rubbish();
            house.attend(Duration::from_secs(20));
            assert!(house.answered * 4 >= HOUSES * 3, "only {} of {HOUSES} were answered", house.answered);
            let mut known = known.lock().unwrap();
            log::mind_panics();
            for (caller, from) in house.calls.values() {
                known.push(caller.national.clone());
                let said = format!("no dialog for From: {from} of {} ({})", caller.uri, caller.words);
                assert!(std::thread::Builder::new().name("in hand".to_owned()).spawn(move || panic!("{said}")).unwrap().join().is_err());
                // What nobody may miss because lines like it were held back.
                std::thread::sleep(Duration::from_millis(5));
            }
            drop(std::panic::take_hook());
            known.extend(named);
        })),
        over: Some(Box::new(move |running| page(running.metrics.render().as_bytes()))),
    };
    demo::tell(&city, &voices, &state, beside).unwrap_or_else(|stop| unreachable!("the demo failed: {}", stop.0));

    let of = |paper: &Paper| paper.lock().unwrap().clone();
    let mut written = vec![
        ("the log".to_owned(), of(&human)),
        ("the log as JSON".to_owned(), of(&json)),
        ("metrics".to_owned(), of(&metrics)),
        ("spans".to_owned(), of(&spans)),
        ("packets for the capture server".to_owned(), of(&packets)),
    ];
    files(&state, &mut written);
    let zone = Town::find(&city).unwrap_or_else(|stop| unreachable!("{}", stop.0)).zone;
    let (mut ladders, messages) = (String::new(), trace::folder(&state));
    for call in 0..200 {
        let found = trace::messages_of(call, &messages).unwrap_or_else(|stop| unreachable!("{}", stop.0));
        if !found.is_empty() {
            ladders.push_str(&trace::ladder(call, &found, None, &zone, Tongue::Japanese));
        }
    }
    written.push(("ladders".to_owned(), ladders.into_bytes()));

    // Something was written everywhere.
    let holds = |name: &str, what: &str| {
        let held = |(written, bytes): &(String, Vec<u8>)| written.contains(name) && String::from_utf8_lossy(bytes).contains(what);
        assert!(written.iter().any(held), "{name} holds no {what:?}");
    };
    holds("the log", "a call came in");
    holds("the log", "panic: no dialog for From: ");
    holds("the log as JSON", "\"message\":\"caller and agent talk\"");
    holds("metrics", "toritsugi_calls");
    holds("spans", "\"name\":\"talk yuki\"");
    holds("packets", "INVITE sip:***@");
    holds("journal", "\"");
    holds("calls.sqlite", "SQLite");
    holds("trace/", "sealed");
    holds("ladders", "INVITE");

    let numbers = numbers.lock().unwrap().clone();
    assert!(numbers.len() > HOUSES);
    let mut found = Vec::new();
    for (name, bytes) in &written {
        let raw = String::from_utf8_lossy(bytes);
        let plain = plain(&raw);
        found.extend(numbers.iter().filter_map(|number| finds(number, &raw, &plain)).map(|what| format!("{name}: {what}")));
    }
    assert!(found.is_empty(), "{} numbers stand in clear:\n{}", found.len(), found.join("\n"));
    for used in [state, config, voices] {
        fs::remove_dir_all(used).unwrap();
    }
}
