//! One leg's sound: its two streams, what plays, whom it hears, and its reports.

use crate::dtmf::{Detector, Key};
use crate::input::Input;
use crate::play::{After, Playing};
use crate::record::Recording;
use crate::relay::Relay;
use crate::rtp::{Arrival, HEADER, PACKET_MAX, Packet, Receiver, Sender};
use crate::{Channel, Event, FRAME, Far, Latch, OnKey, PlayEnd, RecordEnd, Stream, Wire, g711, rtcp};
use model::{Codec, Digit, Instant, LegId, MediaStats, MixId, PlayId, Random, RecordId};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Reports go out at half to one and a half times this interval, so that legs do not report in step (RFC 3550 section 6.2).
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// A far end that should send and has not for this long is silent.
const SILENT_AFTER: Duration = Duration::from_secs(30);

/// Room for one outgoing packet, shared by all sessions of a rack.
pub(crate) type Scratch = [u8; PACKET_MAX];

/// A call may take 32 kB in all, two legs of sound included.
const _: () = assert!(size_of::<Session>() <= 1024);

/// One leg.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) local: SocketAddr,
    pub(crate) mix: Option<MixId>,
    /// Its keys go on to its partner.
    pub(crate) passes_keys: bool,
    hears: Hears,
    /// What it says, while it is in a sum.
    input: Option<Box<Input>>,
    /// A relay has just ended: its last packet may be for the tick to come.
    handed_over: bool,
    sender: Sender,
    receiver: Receiver,
    detector: Detector,
    relay: Relay,
    playing: Option<Playing>,
    /// What it says is written down.
    recording: Option<Box<Recording>>,
    reporter: Reporter,
    /// A report has left.
    has_reported: bool,
    foreign: u64,
    talk: Option<Talk>,
}

/// Whom a leg hears when nothing plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hears {
    Nobody,
    /// The other of two, packet by packet.
    One(LegId),
    /// All others of three or four.
    Sum,
}

/// What exists once the far end is known.
#[derive(Debug)]
struct Talk {
    terms: Terms,
    rtp: Latch,
    rtcp: Latch,
    /// By what it is known, beside where it is.
    stream: Stream,
    /// The last packet that could be used, or the last time that silence was told.
    heard: Instant,
}

/// What was agreed with the far end, but for where it is.
#[derive(Clone, Copy, Debug)]
struct Terms {
    codec: Codec,
    payload_type: u8,
    events: Option<u8>,
    we_send: bool,
    we_receive: bool,
    /// It says where its sound goes, and where reports do.
    is_somewhere: bool,
    wants_reports: bool,
}

impl From<Far> for Terms {
    fn from(far: Far) -> Terms {
        let Far { codec, payload_type, events, we_send, we_receive, .. } = far;
        let (is_somewhere, wants_reports) = (!is_nowhere(far.remote), !is_nowhere(far.remote_rtcp));
        Terms { codec, payload_type, events, we_send, we_receive, is_somewhere, wants_reports }
    }
}

#[derive(Debug)]
struct Reporter {
    cname: [u8; rtcp::CNAME],
    due: Instant,
    /// Packets sent when the last report was made: a sender report only goes with news (RFC 3550 section 6.4).
    packets: u64,
    /// Their last sender report, and when it came.
    echo: Option<(u32, Instant)>,
}

/// What a packet from the far end is to its partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Sound(Codec),
    Keys,
    /// Nothing that we pass on, but a number of the row.
    Other,
}

impl Session {
    pub(crate) fn new(now: Instant, local: SocketAddr, random: &mut Random) -> Session {
        let mut cname = [b'-'; rtcp::CNAME];
        for (letter, token) in cname.iter_mut().zip(random.token(rtcp::CNAME).bytes()) {
            *letter = token;
        }
        Session {
            local,
            mix: None,
            passes_keys: false,
            hears: Hears::Nobody,
            input: None,
            handed_over: false,
            sender: Sender::new(random),
            receiver: Receiver::default(),
            detector: Detector::default(),
            relay: Relay::new(),
            playing: None,
            recording: None,
            reporter: Reporter { cname, due: now, packets: 0, echo: None },
            has_reported: false,
            foreign: 0,
            talk: None,
        }
    }

    pub(crate) fn connect(&mut self, now: Instant, far: Far, random: &mut Random) {
        // Sound that begins, or begins again after a hold, is a talkspurt.
        self.relay.interrupt(&mut self.sender);
        self.sender.pause();
        let talk = self.talk.get_or_insert_with(|| {
            // RFC 3550 section 6.2: half the interval before the first report.
            self.reporter.due = now + random_share(REPORT_EVERY / 2, random);
            let (rtp, rtcp) = (Latch::new(far.remote, far.also), Latch::new(far.remote_rtcp, far.also));
            Talk { rtp, rtcp, terms: far.into(), stream: Stream::default(), heard: now }
        });
        let rearm = |latch: &mut Latch, at: SocketAddr| match far.written.filter(|_| at.ip() == far.remote.ip()) {
            Some(written) => latch.rearm_seen(at, written),
            None => latch.rearm(at, far.also),
        };
        rearm(&mut talk.rtcp, far.remote_rtcp);
        if rearm(&mut talk.rtp, far.remote) {
            talk.stream = Stream::default();
        }
        (talk.terms, talk.heard) = (far.into(), now);
    }

    /// The phone has gone from one host to another.
    pub(crate) fn follow(&mut self, from: IpAddr, to: IpAddr) {
        if let Some(talk) = &mut self.talk {
            talk.rtp.follow(from, to);
            talk.rtcp.follow(from, to);
        }
    }

    /// Begins to play, and tells what became of the play before.
    pub(crate) fn play(&mut self, playing: Option<Playing>, id: PlayId, mut tell: impl FnMut(Event)) {
        self.end_play(PlayEnd::Cut, &mut tell);
        match playing {
            Some(playing) => self.playing = Some(playing),
            None => tell(Event::Played { id, how: PlayEnd::Failed }),
        }
    }

    pub(crate) fn stop(&mut self, id: PlayId, tell: impl FnMut(Event)) {
        if self.playing.as_ref().is_some_and(|playing| playing.id == id) {
            self.end_play(PlayEnd::Cut, tell);
        }
    }

    /// Ends what plays, if anything does.
    pub(crate) fn end_play(&mut self, how: PlayEnd, mut tell: impl FnMut(Event)) {
        if let Some(playing) = self.playing.take() {
            tell(Event::Played { id: playing.id, how });
        }
    }

    /// What it says is written down from here on; a recording before this one is over.
    pub(crate) fn record(&mut self, recording: Recording, tell: impl FnMut(Event)) {
        self.end_recording(None, RecordEnd::Stopped, tell);
        self.recording = Some(Box::new(recording));
    }

    /// Ends the recording of this id, or whichever there is.
    pub(crate) fn end_recording(&mut self, id: Option<RecordId>, how: RecordEnd, mut tell: impl FnMut(Event)) {
        if let Some(recording) = self.recording.take_if(|recording| id.is_none_or(|id| recording.id == id)) {
            tell(recording.ended(how));
        }
    }

    pub(crate) fn hears(&self) -> Hears {
        self.hears
    }

    /// Hears somebody else from here on, and what it hears is a talkspurt; the same as before changes nothing.
    pub(crate) fn hear(&mut self, hears: Hears) {
        if self.hears == hears {
            return;
        }
        self.handed_over = matches!(self.hears, Hears::One(_));
        match hears {
            Hears::Nobody | Hears::One(_) => self.input = None,
            Hears::Sum => {
                self.input = Some(Box::new(Input::new()));
                self.sender.pause();
            }
        }
        self.hears = hears;
        self.relay.interrupt(&mut self.sender);
    }

    /// Who we are in our stream to it.
    pub(crate) fn ssrc(&self) -> u32 {
        self.sender.ssrc()
    }

    /// Its sound came while it is in a sum.
    pub(crate) fn handle_voice(&mut self, packet: &Packet<'_>, codec: Codec, arrival: Arrival) {
        if let Some(input) = &mut self.input {
            input.handle_sound(packet, codec, arrival);
        }
    }

    /// Its next frame sounds for the others. The codec in which it wants to hear theirs; `None` if it is in no sum, or hears
    /// something else or nothing.
    pub(crate) fn sound_voice(&mut self) -> Option<Codec> {
        self.input.as_mut()?.tick();
        let talk = self.talk.as_ref()?;
        (self.playing.is_none() && talk.may_send()).then_some(talk.terms.codec)
    }

    /// What of it sounds for the others of a sum; `None` for nothing.
    pub(crate) fn voice(&self) -> Option<&[i16; FRAME]> {
        self.input.as_ref()?.frame()
    }

    pub(crate) fn stats(&self) -> MediaStats {
        let (keys_rtp, keys_sip) = self.detector.presses();
        MediaStats {
            keys_rtp,
            keys_sip,
            sent: self.sender.packets(),
            received: self.receiver.received(),
            lost: self.receiver.lost(),
            late: self.receiver.late(),
            foreign: self.foreign,
            jitter: self.receiver.jitter(),
        }
    }

    /// An RTP packet came. What of it may be passed on to the partner.
    pub(crate) fn handle_rtp(
        &mut self,
        now: Instant,
        from: SocketAddr,
        packet: &Packet<'_>,
        mut tell: impl FnMut(Event),
    ) -> Option<(Content, Arrival)> {
        let talk = self.talk.as_mut()?;
        let content = content(&talk.terms, packet.payload_type);
        // Only what the agreement foretold may choose the far end's address.
        let own = talk.stream.goes_on(packet);
        let admitted = match content {
            Content::Other if talk.rtp.target() != from => false,
            _ if talk.terms.we_send => talk.rtp.admit(now, from, own),
            _ => talk.rtp.admit_held(now, from),
        };
        if !admitted {
            self.foreign += 1;
            return None;
        }
        // Music that another machine plays while we send nothing is not the phone.
        if own || talk.terms.we_send && talk.rtp.is_proved_at(from) {
            talk.stream.hear(now, packet);
        }
        let arrival = self.receiver.handle_packet(now, packet, matches!(content, Content::Sound(_)));
        if matches!(arrival, Arrival::Duplicate | Arrival::Wild) {
            return None;
        }
        talk.heard = now;
        if !talk.terms.we_receive {
            return None;
        }
        match content {
            Content::Keys => {
                for key in self.detector.handle_event(now, packet) {
                    self.key(key, &mut tell);
                }
            }
            Content::Sound(codec) => {
                if let Some(recording) = &mut self.recording {
                    recording.handle_sound(packet, codec, arrival);
                }
                if let Some(key) = self.detector.handle_sound(packet) {
                    self.key(key, &mut tell);
                }
            }
            Content::Other => {}
        }
        Some((content, arrival))
    }

    /// A key came as a message of its own.
    pub(crate) fn handle_key(&mut self, now: Instant, digit: Digit, held: Duration, mut tell: impl FnMut(Event)) {
        for key in self.detector.handle_message(now, digit, held) {
            self.key(key, &mut tell);
        }
    }

    fn key(&mut self, key: Key, mut tell: impl FnMut(Event)) {
        match key {
            Key::Down(_) => {
                if self.playing.as_ref().is_some_and(|playing| playing.on_key == OnKey::Cut) {
                    self.end_play(PlayEnd::Cut, tell);
                }
            }
            Key::Up(digit, held) => tell(Event::Digit(digit, held)),
        }
    }

    /// Passes on a packet that the partner `heard`.
    pub(crate) fn relay(
        &mut self,
        leg: LegId,
        packet: &Packet<'_>,
        heard: (Content, Arrival),
        scratch: &mut Scratch,
        wire: &mut impl Wire,
    ) {
        let Some(talk) = &self.talk else { return };
        // RFC 3550 section 8.2: our own stream that comes back to us by way of the partner is a loop. Two phones whose
        // descriptions point at each other's ports here would make one.
        if packet.ssrc == self.sender.ssrc() {
            return;
        }
        let (content, arrival) = heard;
        if self.playing.is_some() || !talk.may_send() {
            return;
        }
        let payload_type = match content {
            Content::Sound(_) if !packet.payload.is_empty() => Some(talk.terms.payload_type),
            Content::Keys => talk.terms.events,
            Content::Sound(_) | Content::Other => None,
        };
        let Some(payload_type) = payload_type else {
            self.relay.leave_out(packet, arrival);
            return;
        };
        let length = packet.payload.len();
        let Some(room) = scratch.get_mut(HEADER..HEADER + length) else { return };
        let samples = match content {
            Content::Sound(codec) if codec != talk.terms.codec => {
                g711::transcode(codec, talk.terms.codec, packet.payload, room);
                length
            }
            Content::Sound(_) => {
                room.copy_from_slice(packet.payload);
                length
            }
            Content::Keys | Content::Other => {
                room.copy_from_slice(packet.payload);
                packet.payload.get(2..4).map_or(0, |d| d.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
            }
        };
        let Some(header) = self.relay.header(packet, arrival, payload_type, &self.sender) else { return };
        let total = self.sender.write(header, length, samples, scratch);
        wire.send(leg, Channel::Rtp, talk.rtp.target(), &scratch[..total]);
    }

    /// An RTCP packet came. It is believed to be a sign of life, and its sender report is echoed.
    pub(crate) fn handle_rtcp(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Some(talk) = &mut self.talk else { return };
        let Some(heard) = rtcp::read(bytes, self.sender.ssrc()) else { return };
        // Ours tell where its stream stands: once that is known, nobody else chooses where they go.
        let own = talk.stream.is_of(heard.from);
        if !own && talk.stream.is_known() && from != talk.rtcp.target() || !talk.rtcp.admit(now, from, own) {
            self.foreign += 1;
            return;
        }
        talk.heard = now;
        if let Some((_, report)) = heard.sender {
            self.reporter.echo = Some((report, now));
        }
    }

    /// 20 ms have passed. In a sum `scratch` holds what this leg hears of it.
    pub(crate) fn handle_tick(
        &mut self,
        now: Instant,
        leg: LegId,
        random: &mut Random,
        scratch: &mut Scratch,
        wire: &mut impl Wire,
        mut tell: impl FnMut(Event),
    ) {
        if let Some(key) = self.detector.handle_timeout(now) {
            self.key(key, &mut tell);
        }
        if let Some(how) = self.recording.as_mut().and_then(|recording| recording.tick(wire)) {
            self.end_recording(None, how, &mut tell);
        }
        let Some(talk) = &mut self.talk else {
            // A prompt waits for somebody to hear it.
            self.sender.tick();
            return;
        };
        if talk.terms.we_receive && now.since(talk.heard) >= SILENT_AFTER {
            talk.heard = now;
            tell(Event::Silent);
        }
        let Some(frame) = scratch[HEADER..].first_chunk_mut::<FRAME>() else { return };
        let mut finished = false;
        let due = match &mut self.playing {
            Some(playing) => {
                self.relay.interrupt(&mut self.sender);
                finished = playing.next_frame(talk.terms.codec, frame) == After::Finished;
                true
            }
            None => {
                let covered = std::mem::take(&mut self.handed_over) && self.sender.covers_tick();
                let due = match self.hears {
                    Hears::Nobody => {
                        frame.fill(g711::silence(talk.terms.codec));
                        true
                    }
                    Hears::One(_) => {
                        frame.fill(g711::silence(talk.terms.codec));
                        self.relay.tick(&mut self.sender)
                    }
                    Hears::Sum => true,
                };
                due && !covered
            }
        };
        if !talk.may_send() {
            self.sender.pause();
            self.relay.interrupt(&mut self.sender);
        } else if due {
            let total = self.sender.seal(talk.terms.payload_type, FRAME, scratch);
            wire.send(leg, Channel::Rtp, talk.rtp.target(), &scratch[..total]);
        }
        if finished {
            self.end_play(PlayEnd::Finished, tell);
        }
        if now >= self.reporter.due {
            self.reporter.due = now + random_share(REPORT_EVERY, random);
            if let Some((to, packet, length)) = self.report(now, false) {
                wire.send(leg, Channel::Rtcp, to, &packet[..length]);
            }
        }
        self.sender.tick();
    }

    /// The last report, with a BYE; `None` for who never reported or sent anything (RFC 3550 section 6.3.7).
    pub(crate) fn farewell(&mut self, now: Instant) -> Option<(SocketAddr, [u8; rtcp::PACKET_MAX], usize)> {
        if self.sender.packets() == 0 && !self.has_reported {
            return None;
        }
        self.report(now, true)
    }

    fn report(&mut self, now: Instant, bye: bool) -> Option<(SocketAddr, [u8; rtcp::PACKET_MAX], usize)> {
        let talk = self.talk.as_ref()?;
        let to = talk.rtcp.target();
        if !talk.terms.wants_reports || is_nowhere(to) {
            return None;
        }
        let news = self.sender.packets() != self.reporter.packets;
        let info = news.then(|| self.sender.info(now));
        // It tells where the phone's stream stands, and a neighbour may have been quicker to ask for it.
        let block = self.receiver.report().filter(|_| talk.rtcp.knows_its_stream()).map(|mut block| {
            if let Some((report, at)) = self.reporter.echo {
                block.last_report = report;
                block.delay = (now.since(at).as_micros() * 65_536 / 1_000_000).min(u128::from(u32::MAX)) as u32;
            }
            block
        });
        self.reporter.packets = self.sender.packets();
        self.has_reported = true;
        let mut packet = [0; rtcp::PACKET_MAX];
        let length = rtcp::write(self.sender.ssrc(), info, block, &self.reporter.cname, bye, &mut packet);
        Some((to, packet, length))
    }
}

impl Talk {
    fn may_send(&self) -> bool {
        self.terms.we_send && self.terms.is_somewhere && !is_nowhere(self.rtp.target())
    }
}

/// What stands in a description for no address: who holds the call as of old (RFC 3264 section 8.4) gets neither sound nor reports.
fn is_nowhere(addr: SocketAddr) -> bool {
    addr.ip().is_unspecified() || addr.port() == 0
}

/// What a payload type carries. Both static codecs are heard whichever was agreed, since some phones change between the two
/// that were offered.
fn content(terms: &Terms, payload_type: u8) -> Content {
    if payload_type == terms.payload_type {
        return Content::Sound(terms.codec);
    }
    if Some(payload_type) == terms.events {
        return Content::Keys;
    }
    Codec::ALL.into_iter().find(|codec| codec.payload_type() == payload_type).map_or(Content::Other, Content::Sound)
}

/// Between half of `time` and one and a half of it.
fn random_share(time: Duration, random: &mut Random) -> Duration {
    let millis = time.as_millis() as u64;
    Duration::from_millis(millis / 2 + random.below(millis + 1))
}
