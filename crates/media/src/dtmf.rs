//! Telephone keys as events beside the sound: heard exactly once, however the packets come.
//!
//! RFC 4733. A press is a row of packets with one timestamp and a growing duration; the last one comes three times. The
//! [`Detector`] knows a press by its source and timestamp, so lost, doubled, late and reordered packets and sound between them do
//! not matter. [`Press`] makes such a row, for phones.

use crate::{RATE, rtp};
use model::{Digit, Instant};
use std::time::Duration;

/// After the last packet of a press, it is over even if its end was lost.
pub const END_LOST: Duration = Duration::from_millis(100);
/// The same in samples: sound that much later than the press has ended it.
const END_LOST_SAMPLES: u32 = 800;
/// Presses that are remembered after their end, so that what comes late counts for nothing.
const REMEMBERED: usize = 8;
/// How long after a key the same key by another way is the same press.
const TWICE_WITHIN: Duration = Duration::from_secs(1);
/// A duration from which on a press may go on under a new timestamp (RFC 4733 section 2.5.1.3: at 0xFFFF, give or take lost packets).
const SEGMENT_FULL: u16 = 0xf000;

/// What the caller's finger did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A key went down.
    Down(Digit),
    /// It came up, after this time.
    Up(Digit, Duration),
}

/// What one packet told, in order.
pub type Keys = std::iter::Flatten<std::array::IntoIter<Option<Key>, 3>>;

fn keys(told: [Option<Key>; 3]) -> Keys {
    told.into_iter().flatten()
}

/// One press of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id {
    ssrc: u32,
    timestamp: u32,
}

#[derive(Clone, Copy, Debug)]
struct Holding {
    id: Id,
    digit: Digit,
    /// Of segments gone by, in samples.
    before: u32,
    /// Of this segment, in samples.
    duration: u16,
    last: Instant,
}

impl Holding {
    fn up(&self) -> Key {
        let samples = self.before.saturating_add(u32::from(self.duration));
        Key::Up(self.digit, Duration::from_micros(u64::from(samples) * 1_000_000 / u64::from(RATE)))
    }
    /// Whether `id` is this press going on after its timestamp's 8 seconds were full.
    fn goes_on(&self, id: Id, digit: Digit, marker: bool) -> bool {
        let step = id.timestamp.wrapping_sub(self.id.timestamp);
        !marker
            && id.ssrc == self.id.ssrc
            && digit == self.digit
            && self.duration >= SEGMENT_FULL
            && (u32::from(SEGMENT_FULL)..=0xffff).contains(&step)
    }
}

/// By which way a key came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Beside the sound.
    Event,
    /// As a message of its own.
    Message,
}

/// The keys told last, so many presses of one key by one way: each stands for one by the other way that follows soon.
#[derive(Clone, Copy, Debug)]
struct Told {
    digit: Digit,
    way: Way,
    times: u8,
    last: Instant,
}

/// Hears the keys of one leg.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    holding: Option<Holding>,
    told: Option<Told>,
    over: [Option<Id>; REMEMBERED],
    over_next: usize,
    /// Presses that were told, by the way in which they came first.
    events: u32,
    messages: u32,
}

impl Detector {
    /// A key came as a message of its own (SIP INFO), held for this time. Some gateways send both; that is one press.
    pub fn handle_message(&mut self, now: Instant, digit: Digit, held: Duration) -> Keys {
        if self.is_told(now, digit, Way::Message) {
            return keys([None; 3]);
        }
        keys([Some(Key::Down(digit)), Some(Key::Up(digit, held)), None])
    }

    /// Whether this press was told already, by the other way; else it is told from here on.
    fn is_told(&mut self, now: Instant, digit: Digit, way: Way) -> bool {
        match &mut self.told {
            Some(told) if told.digit == digit && now.since(told.last) < TWICE_WITHIN && told.times > 0 => {
                if told.way != way {
                    told.times -= 1;
                    return true;
                }
                (told.times, told.last) = (told.times.saturating_add(1), now);
            }
            told => *told = Some(Told { digit, way, times: 1, last: now }),
        }
        let count = match way {
            Way::Event => &mut self.events,
            Way::Message => &mut self.messages,
        };
        *count = count.saturating_add(1);
        false
    }

    /// An event packet came. Codes above 15 are no keys and tell nothing.
    pub fn handle_event(&mut self, now: Instant, packet: &rtp::Packet<'_>) -> Keys {
        let &[code, flags, high, low, ..] = packet.payload else { return keys([None; 3]) };
        let Some(digit) = Digit::from_event(code) else { return keys([None; 3]) };
        // A duration of zero is no duration by section 2.3.5, yet phones begin with it: it counts as a key going down.
        let duration = u16::from_be_bytes([high, low]);
        let end = flags & 0x80 != 0;
        let id = Id { ssrc: packet.ssrc, timestamp: packet.timestamp };
        if self.over.contains(&Some(id)) {
            return keys([None; 3]);
        }
        let mut told = [None; 3];
        match &mut self.holding {
            Some(holding) if holding.id == id => {
                holding.duration = holding.duration.max(duration);
                holding.last = now;
            }
            Some(holding) if holding.goes_on(id, digit, packet.marker) => {
                let gone = holding.id;
                holding.before = holding.before.saturating_add(id.timestamp.wrapping_sub(gone.timestamp));
                holding.id = id;
                holding.duration = duration;
                holding.last = now;
                self.remember(gone);
            }
            Some(holding) if holding.id.ssrc == id.ssrc && rtp::later(holding.id.timestamp, id.timestamp) => {
                // Of an earlier press, which we missed all of so far. Its end is the whole news of it.
                if end && !self.is_told(now, digit, Way::Event) {
                    self.remember(id);
                    let late = Holding { id, digit, before: 0, duration, last: now };
                    told = [Some(Key::Down(digit)), Some(late.up()), None];
                }
                return keys(told);
            }
            holding => {
                let before = holding.take();
                told[0] = before.map(|b| b.up());
                if let Some(before) = before {
                    self.remember(before.id);
                }
                if self.is_told(now, digit, Way::Event) {
                    self.remember(id);
                    return keys(told);
                }
                self.holding = Some(Holding { id, digit, before: 0, duration, last: now });
                told[1] = Some(Key::Down(digit));
            }
        }
        if end {
            told[2] = self.finish();
        }
        keys(told)
    }

    /// Sound came. It ends a press only when it is from well after it: some phones send both at once.
    pub fn handle_sound(&mut self, packet: &rtp::Packet<'_>) -> Option<Key> {
        let holding = self.holding.as_ref()?;
        let over = holding.id.timestamp.wrapping_add(u32::from(holding.duration)).wrapping_add(END_LOST_SAMPLES);
        if packet.ssrc == holding.id.ssrc && rtp::later(packet.timestamp, over) { self.finish() } else { None }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Key> {
        if now.since(self.holding.as_ref()?.last) >= END_LOST { self.finish() } else { None }
    }

    /// Presses so far: those that came first as events, and those that came first as messages.
    pub fn presses(&self) -> (u32, u32) {
        (self.events, self.messages)
    }

    fn finish(&mut self) -> Option<Key> {
        let holding = self.holding.take()?;
        self.remember(holding.id);
        Some(holding.up())
    }

    fn remember(&mut self, id: Id) {
        if let Some(slot) = self.over.get_mut(self.over_next) {
            *slot = Some(id);
        }
        self.over_next = (self.over_next + 1) % REMEMBERED;
    }
}

/// One packet of a press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The four bytes of the event.
    pub payload: [u8; 4],
    /// Set on the first packet.
    pub marker: bool,
    /// When the key went down: the same for all packets of the press.
    pub timestamp: u32,
    /// How long so far, in samples.
    pub duration: u16,
}

/// A key pressed by our own phone: ask [`Press::next_part`] once in 20 ms, in place of sound.
#[derive(Clone, Debug)]
pub struct Press {
    digit: Digit,
    timestamp: u32,
    hold: u16,
    duration: u16,
    ends: u8,
}

/// The longest press that [`Press`] makes, in samples: what one timestamp can hold, in whole frames.
const HOLD_MAX: u16 = 0xffff / STEP * STEP;
const STEP: u16 = crate::FRAME as u16;
/// The end is sent this often (RFC 4733 section 2.5.1.4).
const ENDS: u8 = 3;
/// Minus 10 dBm0, as phones do.
const VOLUME: u8 = 10;

impl Press {
    /// A key that goes down at `timestamp` and is held for a time between 20 ms and 8.18 s.
    pub fn new(digit: Digit, timestamp: u32, hold: Duration) -> Press {
        let samples = u16::try_from(hold.as_millis() * u128::from(RATE) / 1000).unwrap_or(HOLD_MAX);
        Press { digit, timestamp, hold: samples.clamp(STEP, HOLD_MAX).next_multiple_of(STEP).min(HOLD_MAX), duration: 0, ends: 0 }
    }

    /// The next packet; `None` when the press is over and told.
    pub fn next_part(&mut self) -> Option<Part> {
        if self.ends == ENDS {
            return None;
        }
        let marker = self.duration == 0;
        let mut flags = VOLUME;
        if self.duration < self.hold {
            self.duration += STEP;
        } else {
            flags |= 0x80;
            self.ends += 1;
        }
        let [high, low] = self.duration.to_be_bytes();
        Some(Part { payload: [self.digit.event(), flags, high, low], marker, timestamp: self.timestamp, duration: self.duration })
    }
}
