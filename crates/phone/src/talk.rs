//! The sound of one call: what this phone says, which keys it presses, and a faithful record of what it hears.
//!
//! RTP of RFC 3550 in frames of 20 ms, keys as RFC 4733 events (as dual tones of ITU-T Q.23 where the far side knows no events). Nobody
//! listens to a test phone, so there is no jitter buffer: each packet is written into the record where its timestamp says, late ones too.

use crate::ear::{Ear, Stretch};
use crate::phone::Post;
use crate::{Event, Key, Socket, Sound};
use media::{FRAME, RATE, TICK, dtmf, g711, rtp};
use model::{Digit, Instant, MediaStats, Pcm, Random};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a key is held down.
const HOLD: Duration = Duration::from_millis(100);
/// From one key to the next when the script has no pause: the press, its repeated end, and a moment for the finger.
const CADENCE: Duration = Duration::from_millis(220);
/// What is recorded of a call: 30 minutes.
const RECORD_MAX: usize = 30 * 60 * RATE as usize;
/// The ear is this far behind, so that a late packet is still heard in its place: 200 ms.
const EAR_BEHIND: usize = 10 * FRAME;
/// A timestamp further from its packet's arrival than this is a new beginning: 400 ms.
const STRAY_MAX: i64 = 20 * FRAME as i64;
/// Frames made up for when the caller of `handle_timeout` was away; what is older is skipped.
const CATCH_UP_MAX: u64 = 50;

/// One call's sound.
#[derive(Debug)]
pub(crate) struct Talk {
    start: Instant,
    /// Frames of 20 ms gone by since `start`.
    frames: u64,
    over: bool,
    mute: bool,
    says: Sound,
    local: SocketAddr,
    far: Option<sdp::Agreed>,
    sender: rtp::Sender,
    receiver: rtp::Receiver,
    foreign: u64,
    said: Pcm,
    heard: Pcm,
    anchor: Option<Anchor>,
    press: Option<Pressing>,
    /// When the next key of the script may be pressed.
    finger_free: Instant,
    fingers_busy: bool,
    ear: Ear,
    /// Samples given to the ear.
    listened: usize,
    timeline: Vec<Stretch>,
    complained: Complained,
}

/// Where in the record a stream's timestamps lie.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    ssrc: u32,
    timestamp: u32,
    position: i64,
}

#[derive(Debug)]
enum Pressing {
    Event(dtmf::Press),
    /// Both frequencies in Hz, and the samples sounded so far.
    Tones((f64, f64), usize),
}

/// Each fault of a stream is told once a call; it would repeat 50 times a second.
#[derive(Debug, Default)]
struct Complained {
    address: bool,
    payload: bool,
    unreadable: bool,
}

impl Talk {
    pub(crate) fn new(now: Instant, says: Sound, local: SocketAddr, random: &mut Random) -> Self {
        Talk {
            start: now,
            frames: 0,
            over: false,
            mute: false,
            says,
            local,
            far: None,
            sender: rtp::Sender::new(random),
            receiver: rtp::Receiver::default(),
            foreign: 0,
            said: Pcm { rate: RATE, samples: Vec::new() },
            heard: Pcm { rate: RATE, samples: Vec::new() },
            anchor: None,
            press: None,
            finger_free: now,
            fingers_busy: false,
            ear: Ear::default(),
            listened: 0,
            timeline: Vec::new(),
            complained: Complained::default(),
        }
    }

    /// Offer and answer settled where sound goes; again after a re-INVITE.
    pub(crate) fn connect(&mut self, _now: Instant, far: sdp::Agreed) {
        self.far = Some(far);
    }

    pub(crate) fn stop_sending(&mut self) {
        self.mute = true;
    }

    /// Keys were added to the script: an idle finger begins at `now`.
    pub(crate) fn wake_keys(&mut self, now: Instant) {
        self.finger_free = self.finger_free.max(now);
        self.fingers_busy = true;
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        if self.over {
            None
        } else if self.says == Sound::Nothing {
            self.fingers_busy.then_some(self.finger_free)
        } else {
            Some(self.frame_at(self.frames))
        }
    }

    fn frame_at(&self, frame: u64) -> Instant {
        self.start + Duration::from_millis(frame.saturating_mul(20))
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, keys: &mut VecDeque<Key>, post: &mut Post) {
        if self.over {
            return;
        }
        if self.says == Sound::Nothing {
            while self.fingers_busy && self.finger_free <= now {
                self.next_key(self.finger_free, keys, post);
                self.press = None;
            }
            return;
        }
        let behind = now.since(self.frame_at(self.frames)).as_millis() / TICK.as_millis();
        let mut skip = u64::try_from(behind).unwrap_or(u64::MAX).saturating_sub(CATCH_UP_MAX);
        while self.frame_at(self.frames) <= now {
            let at = self.frame_at(self.frames);
            if skip > 0 {
                skip -= 1;
                self.record(&[0; FRAME]);
            } else {
                self.say(at, keys, post);
            }
            self.sender.tick();
            self.frames = self.frames.saturating_add(1);
            let passed = self.passed();
            if self.heard.samples.len() < passed {
                self.heard.samples.resize(passed, 0);
            }
            self.listen(passed.saturating_sub(EAR_BEHIND), post);
        }
    }

    /// Samples gone by, as many as are recorded.
    fn passed(&self) -> usize {
        usize::try_from(self.frames).unwrap_or(usize::MAX).saturating_mul(FRAME).min(RECORD_MAX)
    }

    fn record(&mut self, frame: &[i16]) {
        if self.said.samples.len() < RECORD_MAX {
            self.said.samples.extend_from_slice(frame);
        }
    }

    /// One frame of ours: a key if one is pressed, else what the phone says.
    fn say(&mut self, at: Instant, keys: &mut VecDeque<Key>, post: &mut Post) {
        if self.press.is_none() && self.fingers_busy && self.finger_free <= at {
            self.next_key(at, keys, post);
        }
        let mut frame = [0i16; FRAME];
        let mut packet = [0u8; rtp::HEADER + FRAME];
        let far = self.far.filter(|far| far.we_send && !self.mute);
        let mut length = 0;
        match &mut self.press {
            Some(Pressing::Event(press)) => match (press.next_part(), far) {
                (Some(part), Some(sdp::Agreed { events: Some(events), .. })) => length = self.sender.event(events, &part, &mut packet),
                (Some(_), _) => {}
                (None, _) => self.press = None,
            },
            Some(Pressing::Tones((low, high), sounded)) => {
                for (i, sample) in frame.iter_mut().enumerate() {
                    let turn = std::f64::consts::TAU * (*sounded + i) as f64 / f64::from(RATE);
                    *sample = (6000.0 * (*low * turn).sin() + 6000.0 * (*high * turn).sin()).round() as i16;
                }
                *sounded += FRAME;
                if *sounded >= 5 * FRAME {
                    self.press = None;
                }
            }
            None => self.speech(&mut frame),
        }
        self.record(&frame);
        if let Some(far) = far {
            if length == 0 && !matches!(self.press, Some(Pressing::Event(_))) {
                let mut payload = [0u8; FRAME];
                g711::encode_slice(far.codec, &frame, &mut payload);
                length = self.sender.frame(far.payload_type, &payload, &mut packet);
            }
            if let Some(bytes) = packet.get(..length).filter(|b| !b.is_empty()) {
                post.send(Socket::Rtp, far.remote, bytes.to_vec());
            }
        }
    }

    /// The sound that belongs at this point of the call.
    fn speech(&self, frame: &mut [i16; FRAME]) {
        let from = usize::try_from(self.frames).unwrap_or(usize::MAX).saturating_mul(FRAME);
        match &self.says {
            Sound::Silence | Sound::Nothing => {}
            Sound::Tone(hz) => {
                for (i, sample) in frame.iter_mut().enumerate() {
                    let turn = std::f64::consts::TAU * from.saturating_add(i) as f64 / f64::from(RATE);
                    *sample = (8000.0 * (f64::from(*hz) * turn).sin()).round() as i16;
                }
            }
            Sound::Pcm(pcm, looped) => {
                let length = pcm.samples.len();
                for (i, sample) in frame.iter_mut().enumerate() {
                    let at = from.saturating_add(i);
                    let at = if *looped && length > 0 { at % length } else { at };
                    *sample = pcm.samples.get(at).copied().unwrap_or(0);
                }
            }
        }
    }

    /// The finger goes to the next key of the script, or rests.
    fn next_key(&mut self, at: Instant, keys: &mut VecDeque<Key>, post: &mut Post) {
        match keys.pop_front() {
            None => self.fingers_busy = false,
            Some(Key::Wait(time)) => self.finger_free = at + time,
            Some(Key::Digit(digit)) => {
                self.finger_free = at + CADENCE;
                self.press = Some(match self.far.and_then(|far| far.events) {
                    Some(_) => Pressing::Event(dtmf::Press::new(digit, self.sender.timestamp(), HOLD)),
                    None => Pressing::Tones(tones(digit), 0),
                });
                post.event(Event::Pressed(digit));
            }
        }
    }

    pub(crate) fn handle_packet(&mut self, now: Instant, from: SocketAddr, bytes: &[u8], post: &mut Post) {
        // Before the answer is settled it cannot be told what a packet is: early sound is not for this phone.
        let (false, Some(far)) = (self.over || self.says == Sound::Nothing, self.far) else { return };
        if from != far.remote {
            self.foreign = self.foreign.saturating_add(1);
            if !std::mem::replace(&mut self.complained.address, true) {
                let (said, local) = (far.remote, self.local);
                post.violation(format!("RTP for {local} from {from}, the session says {said} (RFC 4961 section 4)"));
            }
            return;
        }
        let Some(packet) = rtp::Packet::read(bytes) else {
            if !std::mem::replace(&mut self.complained.unreadable, true) {
                post.violation("a datagram on the RTP port that is no RTP (RFC 3550 section 5.1)");
            }
            return;
        };
        let sound = packet.payload_type == far.payload_type;
        if !sound && Some(packet.payload_type) != far.events {
            if !std::mem::replace(&mut self.complained.payload, true) {
                post.violation(format!("RTP of payload type {}, which was not agreed (RFC 3264 section 5.1)", packet.payload_type));
            }
            return;
        }
        let arrival = self.receiver.handle_packet(now, &packet, sound);
        match arrival {
            rtp::Arrival::First | rtp::Arrival::Next | rtp::Arrival::Late if sound => self.write(now, far.codec, &packet),
            rtp::Arrival::First | rtp::Arrival::Next | rtp::Arrival::Late | rtp::Arrival::Duplicate | rtp::Arrival::Wild => {}
        }
    }

    fn write(&mut self, now: Instant, codec: model::Codec, packet: &rtp::Packet<'_>) {
        let arrived = i64::try_from(now.since(self.start).as_micros() / 125).unwrap_or(i64::MAX);
        let position = self.anchor.filter(|a| a.ssrc == packet.ssrc).map(|a| {
            let step = packet.timestamp.wrapping_sub(a.timestamp).cast_signed();
            a.position.saturating_add(i64::from(step))
        });
        let position = match position {
            Some(position) if position.abs_diff(arrived) <= STRAY_MAX.unsigned_abs() => position,
            _ => arrived,
        };
        self.anchor = Some(Anchor { ssrc: packet.ssrc, timestamp: packet.timestamp, position });
        for (at, byte) in (position..).zip(packet.payload) {
            let Ok(at) = usize::try_from(at) else { continue };
            if at >= RECORD_MAX {
                break;
            }
            if at >= self.heard.samples.len() {
                self.heard.samples.resize(at + 1, 0);
            }
            if let Some(sample) = self.heard.samples.get_mut(at) {
                *sample = g711::decode(codec, *byte);
            }
        }
    }

    /// Gives the ear what can no longer change.
    fn listen(&mut self, until: usize, post: &mut Post) {
        while self.listened + FRAME <= until {
            let Some(frame) = self.heard.samples.get(self.listened..self.listened + FRAME) else { break };
            self.ear.handle_frame(frame);
            self.listened += FRAME;
        }
        while let Some(stretch) = self.ear.poll_stretch() {
            self.tell(stretch, post);
        }
    }

    fn tell(&mut self, stretch: Stretch, post: &mut Post) {
        /// A call of 30 minutes has some hundreds.
        const TIMELINE_MAX: usize = 4096;
        if self.timeline.len() < TIMELINE_MAX {
            self.timeline.push(stretch);
        }
        post.event(Event::Heard(stretch));
    }

    /// The call is over: what is left of the timeline is told.
    pub(crate) fn end(&mut self, _now: Instant, post: &mut Post) {
        if std::mem::replace(&mut self.over, true) || self.says == Sound::Nothing {
            return;
        }
        let passed = self.passed();
        self.heard.samples.resize(passed, 0);
        self.listen(passed, post);
        self.ear.finish();
        while let Some(stretch) = self.ear.poll_stretch() {
            self.tell(stretch, post);
        }
    }

    pub(crate) fn heard(&self) -> &Pcm {
        &self.heard
    }

    pub(crate) fn said(&self) -> &Pcm {
        &self.said
    }

    pub(crate) fn timeline(&self) -> &[Stretch] {
        &self.timeline
    }

    pub(crate) fn sounding(&self) -> Option<Stretch> {
        self.ear.sounding()
    }

    pub(crate) fn stats(&self) -> MediaStats {
        MediaStats {
            keys_rtp: 0,
            keys_sip: 0,
            sent: self.sender.packets(),
            received: self.receiver.received(),
            lost: self.receiver.lost(),
            late: self.receiver.late(),
            foreign: self.foreign,
            jitter: self.receiver.jitter(),
        }
    }
}

/// ITU-T Q.23: a row and a column of the keypad, in Hz.
fn tones(digit: Digit) -> (f64, f64) {
    let (row, column) = match digit.as_char() {
        '1' => (0, 0),
        '2' => (0, 1),
        '3' => (0, 2),
        'A' => (0, 3),
        '4' => (1, 0),
        '5' => (1, 1),
        '6' => (1, 2),
        'B' => (1, 3),
        '7' => (2, 0),
        '8' => (2, 1),
        '9' => (2, 2),
        'C' => (2, 3),
        '*' => (3, 0),
        '0' => (3, 1),
        '#' => (3, 2),
        _ => (3, 3),
    };
    ([697.0, 770.0, 852.0, 941.0][row], [1209.0, 1336.0, 1477.0, 1633.0][column])
}
