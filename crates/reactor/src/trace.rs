//! What was said in SIP, written down for `toritsugi trace`: who sent what, and when.
//!
//! What a ladder shows stands in clear and names nobody: times, addresses of machines, methods, statuses. The message itself, with the numbers in
//! it, is sealed with the city's key, and read only by who says why. A thread of its own writes; what comes faster than it can write is left
//! out, because calls matter more than what is told of them.
//!
//! Files of at most [`FILE_BYTES_MAX`] each, [`FILES_MAX`] of them, none older than [`DAYS_MAX`] days. REGISTER and OPTIONS outside of calls
//! are not written.

use crate::hep::Hep;
use calls::Vault;
use model::{FlowId, LegId, Random, UnixMillis, hide_numbers};
use serde::{Deserialize, Serialize};
use sip::header::Name;
use sip::message::Message;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Messages that wait to be written.
const WAITING_MAX: usize = 4096;
/// Calls that are remembered: more than there are at once.
const CALLS_MAX: usize = 16_384;
/// Tags that one Call-ID is begun by; INVITEs with more of them name nobody.
const TAGS_MAX: usize = 4;
/// The id of a leg is that of its call, and which leg of it in the lower bits.
const LEG_BITS: u32 = 16;
/// Between two writes: messages come in bursts.
const GATHER: Duration = Duration::from_millis(50);
/// Room for the lines of a write that is kept for the next one, in bytes.
const LINES_KEPT: usize = 1 << 20;
/// One file.
pub const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// So many files; the eldest goes for the next one.
pub const FILES_MAX: usize = 4;
/// How long anything is kept.
pub const DAYS_MAX: i64 = 7;
const DAY_MILLIS: i64 = 86_400_000;
const ENDING: &str = "jsonl";
/// How a line ends in which nothing is sealed yet.
const EMPTY: &[u8] = b"\"\"}";

/// A message on the wire, as the signalling thread saw it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) at: UnixMillis,
    pub(crate) sent: bool,
    pub(crate) flow: FlowId,
    pub(crate) peer: SocketAddr,
    pub(crate) leg: Option<LegId>,
    pub(crate) bytes: bytes::Bytes,
    /// Whether one before it was left out; [`Tracer::see`] says so.
    pub(crate) after_gap: bool,
}

/// One message, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// When, in milliseconds since 1970 UTC.
    pub at: i64,
    /// Whether we sent it; else it came.
    pub sent: bool,
    /// Over what: `UDP` or `TCP`.
    pub over: String,
    /// The other machine.
    pub peer: SocketAddr,
    /// The SIP Call-ID.
    pub call_id: String,
    /// Our leg, where it was known at that moment: the call in its upper bits, and which leg of it in the lower 16.
    pub leg: Option<u64>,
    /// `INVITE`, or `200 OK`.
    pub what: String,
    /// `1 INVITE`.
    pub cseq: String,
    /// Of a session description: port, payload types and direction of the sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// Why, where it says so (RFC 3326).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether somebody in the call has asked to stay unnamed: then nothing of the call shows a name, also what was said before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
    /// All of it, sealed. It stays the last field: a line is ended by hand, with this.
    pub sealed: String,
}

impl Traced {
    /// Adds it as one line. What is sealed is nine tenths of it, and figures: nothing in it has to be looked at for signs that JSON escapes.
    fn write(mut self, lines: &mut Vec<u8>) {
        let sealed = std::mem::take(&mut self.sealed);
        let begun = lines.len();
        if serde_json::to_writer(&mut *lines, &self).is_ok() && lines.ends_with(EMPTY) {
            lines.truncate(lines.len() - EMPTY.len() + 1);
            lines.extend_from_slice(sealed.as_bytes());
            lines.extend_from_slice(b"\"}\n");
        } else {
            lines.truncate(begun);
        }
    }
    /// The message itself; `None` when it was changed, or sealed with another key.
    pub fn open(&self, vault: &Vault) -> Option<String> {
        vault.open_trace(self.at, &self.sealed)
    }
}

/// The hand that gives messages to the writing thread.
#[derive(Debug)]
pub struct Tracer {
    seen: SyncSender<Seen>,
    /// The last message was left out: what it asked for is not known.
    gap: bool,
}

impl Tracer {
    /// Starts the thread. It ends when the tracer is dropped. What is written down goes over `hep` too, naming nobody.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(folder: PathBuf, vault: Vault, seed: [u8; 32], hep: Option<Hep>) -> io::Result<(Tracer, JoinHandle<()>)> {
        let (seen, inbox) = sync_channel(WAITING_MAX);
        let desk = Desk { folder, vault, random: Random::new(seed), names: Names::default(), file: None, told: false, hep };
        let thread = std::thread::Builder::new().name("trace".to_owned()).spawn(move || desk.run(&inbox))?;
        Ok((Tracer { seen, gap: false }, thread))
    }
    pub(crate) fn see(&mut self, mut seen: Seen) {
        seen.after_gap = self.gap;
        // Full: left out.
        self.gap = self.seen.try_send(seen).is_err();
    }
}

struct Desk {
    folder: PathBuf,
    vault: Vault,
    random: Random,
    names: Names,
    /// The file that is written, its bytes, and the day that it began.
    file: Option<(File, u64, i64)>,
    /// Whether it was told that nothing can be written.
    told: bool,
    hep: Option<Hep>,
}

/// Whose messages may be kept whole. A call is named once the INVITE that began it was seen, and nothing in it asked for privacy since. Of any
/// other (its beginning came before a restart, could not be read, or is forgotten) nobody knows, and so nothing is told. Calls of SIP are known by what
/// their Call-ID is kept as.
#[derive(Default)]
struct Names {
    /// By which tags of From: another INVITE with the same Call-ID speaks for itself only.
    named: Latest<Vec<String>>,
    unnamed: Latest<()>,
    /// Whose call of ours it is, and which of those have somebody who asked: what we say to one leg may name the other.
    of: Latest<String>,
    withheld: Latest<()>,
}

impl Names {
    /// Takes to heart what a message asks for the call by this name. An answer of ours asks for nothing: it repeats what a request says, and every
    /// request is heard here first.
    fn heed(&mut self, seen: &Seen, message: &Message, call: &str) {
        if let Some(leg) = seen.leg {
            let ours = self.of.note(call, || (leg.0 >> LEG_BITS).to_string());
            if self.unnamed.has(call) {
                self.withheld.note(ours, || ());
            }
        }
        let ours = seen.sent && message.method().is_none();
        if !ours && (sip::is_unnamed(&seen.bytes) || sip::asks_for_privacy(message)) {
            self.named.forget(call);
            self.unnamed.note(call, || ());
            if let Some(ours) = self.of.get(call) {
                self.withheld.note(ours, || ());
            }
        }
    }

    /// Notes by whom a call by this name is begun.
    fn begin(&mut self, message: &Message, from: &Party, to: &Party, call: &str) {
        if message.method() == Some("INVITE") && to.is_none() && !self.unnamed.has(call) {
            let tags = self.named.note(call, Vec::new);
            let tag = from.clone().unwrap_or_default();
            if tags.len() < TAGS_MAX && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }

    /// Whether somebody in the call by this name has asked to stay unnamed.
    fn withhold(&self, call: &str) -> bool {
        self.unnamed.has(call) || self.of.get(call).is_some_and(|ours| self.withheld.has(ours))
    }

    /// Whether a message of a call by this name, between these two, may be kept whole.
    fn may_be_told(&self, from: &Party, to: &Party, call: &str) -> bool {
        let begun =
            |tags: &Vec<String>| tags.contains(from.as_ref().unwrap_or(&String::new())) || to.as_ref().is_some_and(|to| tags.contains(to));
        self.named.get(call).is_some_and(begun) && !self.of.get(call).is_some_and(|ours| self.withheld.has(ours))
    }
}

/// A tag of From or To.
type Party = Option<String>;

/// What is known of the latest of something; the eldest is forgotten for one too many.
struct Latest<V> {
    all: HashMap<String, V>,
    in_turn: VecDeque<String>,
}

impl<V> Default for Latest<V> {
    fn default() -> Self {
        Latest { all: HashMap::new(), in_turn: VecDeque::new() }
    }
}

impl<V> Latest<V> {
    fn get(&self, key: &str) -> Option<&V> {
        self.all.get(key)
    }
    fn has(&self, key: &str) -> bool {
        self.all.contains_key(key)
    }
    fn forget(&mut self, key: &str) {
        if self.all.remove(key).is_some() {
            self.in_turn.retain(|other| other != key);
        }
    }
    /// What is known of this one; `first` if nothing is yet.
    fn note(&mut self, key: &str, first: impl FnOnce() -> V) -> &mut V {
        if !self.has(key) {
            self.in_turn.push_back(key.to_owned());
            if self.in_turn.len() > CALLS_MAX
                && let Some(eldest) = self.in_turn.pop_front()
            {
                self.all.remove(&eldest);
            }
        }
        self.all.entry(key.to_owned()).or_insert_with(first)
    }
}

impl Desk {
    fn run(mut self, inbox: &Receiver<Seen>) {
        let mut lines = Vec::new();
        while let Ok(first) = inbox.recv() {
            // Room that a crowd took is given back.
            lines.clear();
            lines.shrink_to(LINES_KEPT);
            let mut at = first.at;
            for seen in std::iter::once(first).chain(inbox.try_iter().take(WAITING_MAX)) {
                at = seen.at;
                let Some((traced, unnamed)) = self.read(&seen) else { continue };
                if let Some(hep) = &self.hep {
                    hep.send(&seen, &traced.call_id, &self.vault, unnamed);
                }
                traced.write(&mut lines);
            }
            match self.write(at, &lines) {
                Ok(()) => self.told = false,
                Err(fault) => {
                    self.file = None;
                    if !std::mem::replace(&mut self.told, true) {
                        tracing::warn!(%fault, folder = %self.folder.display(), "messages are not written down for `toritsugi trace`; calls go on");
                    }
                }
            }
            std::thread::sleep(GATHER);
        }
    }

    /// A message as it is written down, and whether somebody in its call is unnamed.
    fn read(&mut self, seen: &Seen) -> Option<(Traced, bool)> {
        if seen.after_gap {
            // Whatever the one that was left out asked for, and of whom.
            self.names.named = Latest::default();
        }
        // What is left out here is answered all the same, and the answer repeats the names in it.
        let parsed = Message::parse(&seen.bytes);
        let message = parsed.as_ref().map_or_else(|malformed| malformed.request.as_deref(), Some)?;
        let call_id = self.vault.call_name(&String::from_utf8_lossy(message.first(Name::CallId)?));
        self.names.heed(seen, message, &call_id);
        let message = parsed.as_ref().ok()?;
        let essentials = message.essentials().ok()?;
        let cseq = format!("{} {}", essentials.cseq.number, masked(essentials.cseq.method));
        if seen.leg.is_none() && (cseq.ends_with(" REGISTER") || cseq.ends_with(" OPTIONS")) {
            return None;
        }
        let what = match message.method() {
            Some(method) => masked(method),
            None => {
                let start = seen.bytes.split(|b| *b == b'\r' || *b == b'\n').next().unwrap_or_default();
                masked(String::from_utf8_lossy(start).strip_prefix("SIP/2.0 ").unwrap_or_default())
            }
        };
        let [from, to] = [&essentials.from, &essentials.to].map(|address| address.tag().map(str::to_owned));
        self.names.begin(message, &from, &to, &call_id);
        // Only the first message of a call says that its caller is unnamed; the others name them all the same.
        let unnamed = !self.names.may_be_told(&from, &to, &call_id);
        let text = match std::str::from_utf8(&seen.bytes) {
            _ if unnamed => Cow::Owned(sip::as_kept(&seen.bytes, seen.sent)),
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(&seen.bytes),
        };
        let traced = Traced {
            withheld: self.names.withhold(&call_id),
            at: seen.at.0,
            sent: seen.sent,
            over: seen.flow.transport().via().to_owned(),
            peer: seen.peer,
            call_id,
            leg: seen.leg.map(|leg| leg.0),
            what: if unnamed { words_of_nobody(&what) } else { what },
            cseq: if unnamed { words_of_nobody(&cseq) } else { cseq },
            sound: sound(message.body()),
            // Strangers write freely beside the cause.
            reason: message
                .other("Reason")
                .map(|value| String::from_utf8_lossy(value))
                .map(|value| if unnamed { cause(&value) } else { masked(&value) }),
            sealed: self.vault.seal_trace(&mut self.random, seen.at.0, &text),
        };
        Some((traced, unnamed))
    }

    fn write(&mut self, at: UnixMillis, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let day = at.0.div_euclid(DAY_MILLIS);
        if self.file.as_ref().is_none_or(|(_, bytes, of)| *bytes >= FILE_BYTES_MAX || *of != day) {
            self.file = Some((begin(&self.folder, at)?, 0, day));
        }
        if let Some((file, bytes, _)) = &mut self.file {
            file.write_all(lines)?;
            *bytes = bytes.saturating_add(lines.len() as u64);
        }
        Ok(())
    }
}

/// Begins a file, and takes away those that are too many or too old.
fn begin(folder: &Path, at: UnixMillis) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut files = files(folder)?;
    let old = |begun: i64| begun < at.0.saturating_sub(DAYS_MAX * DAY_MILLIS);
    while files.first_key_value().is_some_and(|(begun, _)| files.len() >= FILES_MAX || old(*begun)) {
        if let Some((_, path)) = files.pop_first() {
            fs::remove_file(path)?;
        }
    }
    let path = folder.join(format!("{}.{ENDING}", at.0));
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// The files, by when they were begun.
fn files(folder: &Path) -> io::Result<BTreeMap<i64, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let begun = path.file_name().and_then(|name| name.to_str()?.strip_suffix(ENDING)?.strip_suffix('.')?.parse().ok());
        if let Some(begun) = begun {
            files.insert(begun, path);
        }
    }
    Ok(files)
}

/// Every message that was written down, in the order of its coming; a line that is torn or of a later program is left out. `wanted` says which.
///
/// # Errors
/// When a file cannot be read; no folder is no message.
pub fn read(folder: &Path, mut wanted: impl FnMut(&Traced) -> bool) -> io::Result<Vec<Traced>> {
    let files = match files(folder) {
        Ok(files) => files,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let mut found = Vec::new();
    for path in files.values() {
        for line in BufReader::new(File::open(path)?).split(b'\n') {
            found.extend(serde_json::from_slice::<Traced>(&line?).ok().filter(&mut wanted));
        }
    }
    Ok(found)
}

/// What a peer wrote, without what could be somebody's number: five figures and more, whatever stands between them.
fn masked(text: &str) -> String {
    let letters: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    hide_numbers(&letters, 5)
}

/// The same of a call whose caller is unnamed: no word that has more figures than a status and a count.
fn words_of_nobody(text: &str) -> String {
    let plain = |word: &&str| word.is_ascii() && word.bytes().filter(u8::is_ascii_digit).count() < 7;
    text.split(' ').map(|word| if plain(&word) { word } else { "***" }).collect::<Vec<_>>().join(" ")
}

/// Of a Reason (RFC 3326): whose cause, and which.
fn cause(value: &str) -> String {
    let protocol = value.split([';', ' ']).next().filter(|word| ["SIP", "Q.850"].contains(word)).unwrap_or("***");
    let number = value.split(';').find_map(|part| part.trim().strip_prefix("cause=")).and_then(|cause| cause.parse::<u16>().ok());
    number.filter(|cause| *cause < 700).map_or_else(|| protocol.to_owned(), |cause| format!("{protocol};cause={cause}"))
}

/// Of a session description (RFC 8866): the port, the payload types and the direction of its sound.
fn sound(body: &[u8]) -> Option<String> {
    let (mut media, mut direction) = (None, None);
    for line in body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        match line {
            [b'm', b'=', ..] if media.is_none() => media = line.strip_prefix(b"m=audio "),
            [b'a', b'=', way @ ..] if direction.is_none() => {
                direction = ["sendrecv", "sendonly", "recvonly", "inactive"].into_iter().find(|known| known.as_bytes() == way);
            }
            _ => {}
        }
    }
    let media = String::from_utf8_lossy(media?);
    let mut words = media.split(' ');
    let (port, _profile) = (words.next()?.parse::<u16>().ok()?, words.next()?);
    let formats: Vec<&str> =
        words.take(12).filter(|format| format.parse::<u8>().is_ok_and(|n| n < 128 && n.to_string() == **format)).collect();
    let direction = direction.map_or(String::new(), |way| format!(", {way}"));
    Some(format!("audio {port} of {}{direction}", formats.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn invite(leg: Option<u64>, at: i64) -> Seen {
        let text = "INVITE sip:0440000000@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
                    From: <sip:0901112222@127.0.0.1>;tag=1\r\nTo: <sip:0440000000@127.0.0.1>\r\nCall-ID: abc\r\nCSeq: 32030 INVITE\r\n\
                    Reason: SIP;cause=200;text=\"for 0901112222\"\r\nContent-Length: 44\r\n\r\nv=0\r\nm=audio 17000 RTP/AVP 0 101\r\na=sendonly";
        Seen {
            at: UnixMillis(at),
            sent: false,
            flow: FlowId::UDP,
            peer: "127.0.0.1:9".parse().unwrap(),
            leg: leg.map(LegId),
            bytes: Bytes::from(text),
            after_gap: false,
        }
    }

    #[test]
    fn what_lies_on_the_disk_names_nobody_and_the_message_is_there_for_who_has_the_key() {
        let folder = std::env::temp_dir().join(format!("toritsugi-trace-{}", std::process::id()));
        let vault = Vault::new([7; 32]);
        let (mut tracer, thread) = Tracer::start(folder.clone(), vault.clone(), [1; 32], None).unwrap();
        tracer.see(invite(Some(17 << 16), 5_000));
        tracer.see(invite(None, 5_001));
        drop(tracer);
        thread.join().unwrap();
        let raw: String = fs::read_dir(&folder).unwrap().map(|e| fs::read_to_string(e.unwrap().path()).unwrap()).collect();
        assert!(!raw.contains("0901112222") && !raw.contains("0440000000"), "{raw}");
        let all = read(&folder, |_| true).unwrap();
        assert_eq!(all.len(), 2);
        let first = &all[0];
        assert_eq!((first.leg, first.what.as_str(), first.cseq.as_str()), (Some(17 << 16), "INVITE", "32030 INVITE"));
        assert_eq!(first.sound.as_deref(), Some("audio 17000 of 0 101, sendonly"));
        assert_eq!(first.reason.as_deref(), Some("SIP;cause=200;text=\"for ***\""));
        assert!(first.open(&vault).unwrap().contains("From: <sip:0901112222@127.0.0.1>"));
        assert_eq!(first.open(&Vault::new([8; 32])), None, "another key");
        assert_eq!(Traced { at: 5_002, ..first.clone() }.open(&vault), None, "another message's words");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn whoever_withholds_their_number_is_in_no_message_of_the_call() {
        let desk = Desk {
            folder: PathBuf::new(),
            vault: Vault::new([1; 32]),
            random: Random::from_number(1),
            names: Names::default(),
            file: None,
            told: false,
            hep: None,
        };
        let first = String::from_utf8(invite(None, 1).bytes.to_vec()).unwrap();
        let desk = std::cell::RefCell::new(desk);
        let ask = |text: &str| assert_eq!(desk.borrow_mut().read(&Seen { bytes: Bytes::from(text.to_owned()), ..invite(None, 1) }), None);
        let kept_of = |seen: Seen| {
            let (traced, _) = desk.borrow_mut().read(&seen).unwrap();
            (traced.open(&Vault::new([1; 32])).unwrap(), format!("{traced:?}"))
        };
        let kept = |text: String| kept_of(Seen { bytes: Bytes::from(text), ..invite(None, 1) });
        let answer = first.replace("INVITE sip:0440000000@127.0.0.1 SIP/2.0", "SIP/2.0 200 OK").replace("32030 INVITE", "1 INVITE");
        let of = |text: &str, call: &str| text.replace("Call-ID: abc", &format!("Call-ID: {call}"));
        let inside = |text: &str| text.replace("To: <sip:0440000000@127.0.0.1>", "To: <sip:0440000000@127.0.0.1>;tag=2");
        let private = first.replace("Max-Forwards: 70", "Max-Forwards: 70\r\nPrivacy:\r\n id");
        let hidden = |(text, shown): (String, String)| {
            assert!(!text.contains("0901112222") && text.contains("From: (withheld)"), "{text}");
            assert!(!shown.contains("0901112222"), "{shown}");
        };
        hidden(kept(answer.clone()));
        hidden(kept(inside(&first)));
        assert!(kept(first.clone()).0.contains("0901112222"));
        let named = kept(answer.clone()).0;
        assert!(named.contains("0901112222"), "{named}");
        hidden(kept(inside(&private)));
        hidden(kept(answer.clone()));
        hidden(kept(first.clone()));
        // What cannot be read, and what is not written down, asks as well: we answer it, and the answer repeats its names.
        let hides = |text: &str| text.replace("From: <sip:", "From: \"Anonymous\" <sip:");
        for (call, asks) in [
            ("long", hides(&inside(&first)).replace("Content-Length: 44", "Content-Length: 999")),
            ("hops", hides(&inside(&first)).replace("Max-Forwards: 70", "Max-Forwards: x")),
            ("wish", inside(&private).replace("Content-Length: 44", "Content-Length: 999")),
            ("ping", hides(&inside(&first)).replace("INVITE", "OPTIONS")),
            ("wish-ping", inside(&private).replace("INVITE", "OPTIONS")),
        ] {
            assert!(kept(of(&first, call)).0.contains("0901112222"));
            assert!(kept(of(&answer, call)).0.contains("0901112222"));
            ask(&of(&asks, call));
            hidden(kept(of(&answer, call)));
        }
        // However many have called since, whoever was unnamed is not named.
        hidden(kept(of(&private, "p")));
        (0..=CALLS_MAX).for_each(|n| hidden(kept(of(&private, &format!("x{n}")))));
        hidden(kept(of(&answer, "p")));
        hidden(kept(of(&inside(&first), "p")));
        // Another's INVITE by the same Call-ID names itself only: after a restart, or when too many have asked since.
        hidden(kept(of(&inside(&first), "r")));
        let others = of(&first, "r").replace("0901112222@127.0.0.1>;tag=1", "0903334444@127.0.0.1>;tag=9");
        assert!(kept(others).0.contains("0903334444"));
        hidden(kept(of(&inside(&first), "r")));
        hidden(kept(of(&answer, "r")));
        // Who asks is named in no other leg of the call either.
        let to_agent = of(&first, "leg");
        let leg = |text: &str, leg: u64| {
            kept_of(Seen { sent: true, leg: Some(LegId(77 << 16 | leg)), bytes: Bytes::from(text.to_owned()), ..invite(None, 1) })
        };
        assert!(kept(of(&first, "caller")).0.contains("0901112222"));
        assert!(leg(&of(&answer, "caller"), 0).0.contains("0901112222"));
        assert!(leg(&to_agent, 1).0.contains("0901112222"));
        hidden(kept(of(&inside(&private), "caller")));
        hidden(kept(of(&answer, "leg")));
        hidden(leg(&of(&answer, "leg"), 1));
        // Who reads is told, and shows nothing of before either. Whom nobody knows has not asked.
        let asked = |(_, traced): (String, String)| traced.contains("withheld: true");
        assert!(asked(leg(&of(&answer, "leg"), 1)) && asked(kept(of(&answer, "caller"))));
        assert!(!asked(kept(of(&inside(&first), "unheard"))));
        // Whose message went by unheard, nobody knows; whoever begins after that is named again.
        assert!(kept(of(&first, "n")).0.contains("0901112222"));
        hidden(kept_of(Seen { bytes: Bytes::from(of(&answer, "n")), after_gap: true, ..invite(None, 1) }));
        hidden(kept(of(&answer, "n")));
        assert!(kept(of(&first, "later")).0.contains("0901112222"));
    }

    #[test]
    fn a_number_is_masked_however_it_is_written() {
        assert_eq!(masked("SIP;cause=16;text=\"for 090-1111-0006, (044) 999 9999\""), "SIP;cause=16;text=\"for ***, ***\"");
        assert_eq!(masked("X09011110013"), "X***");
        assert_eq!(masked("Q.850;cause=16"), "Q.850;cause=16");
    }

    #[test]
    fn old_files_and_too_many_go() {
        let folder = std::env::temp_dir().join(format!("toritsugi-trace-old-{}", std::process::id()));
        let begun = |at: i64| begin(&folder, UnixMillis(at)).map(drop).unwrap();
        let left = || files(&folder).unwrap().into_keys().collect::<Vec<_>>();
        let day = |n: i64| n * DAY_MILLIS;
        (0..6).for_each(|n| begun(n * 1000));
        assert_eq!(left(), [2000, 3000, 4000, 5000]);
        begun(day(6));
        assert_eq!(left(), [3000, 4000, 5000, day(6)]);
        begun(day(8));
        assert_eq!(left(), [day(6), day(8)]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn registrations_and_pings_are_not_written_and_neither_is_what_nobody_can_read() {
        let mut desk = Desk {
            folder: PathBuf::new(),
            vault: Vault::new([1; 32]),
            random: Random::from_number(1),
            names: Names::default(),
            file: None,
            told: false,
            hep: None,
        };
        let seen = |text: String| Seen { bytes: Bytes::from(text), ..invite(None, 1) };
        let invite = String::from_utf8(invite(None, 1).bytes.to_vec()).unwrap();
        assert!(desk.read(&seen(invite.clone())).is_some());
        for method in ["OPTIONS", "REGISTER"] {
            assert_eq!(desk.read(&seen(invite.replace("INVITE", method))), None);
        }
        assert_eq!(desk.read(&seen("nonsense".to_owned())), None);
    }
}
