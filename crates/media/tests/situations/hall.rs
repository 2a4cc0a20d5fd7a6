//! A hall of people who speak all the time, each at a pitch of their own, over links of their own; legs have their ticks in
//! different slots of the 20 ms, as a worker gives them.

use crate::desk::{Desk, Phone, read};
use media::{g711, listen};
use model::{Codec, LegId, Random};
use std::collections::VecDeque;
use std::time::Duration;

/// Milliseconds of one slot.
const SLOT: u64 = 2;
/// How much of the beginning of a stretch is left out of what is measured: the change itself.
const SETTLING: usize = 1600;

pub(crate) struct Person {
    pub(crate) phone: Phone,
    pub(crate) hz: f64,
    pub(crate) amplitude: f64,
    /// Milliseconds a packet.
    pub(crate) ptime: u64,
    /// The most that the link holds a packet back, in milliseconds. None overtakes another.
    pub(crate) jitter: u64,
    /// Nothing comes out of the link until then, in milliseconds.
    pub(crate) stalled_until: u64,
    spoken: u64,
    flying: VecDeque<(u64, Vec<u8>)>,
    /// Packets that came, and when.
    pub(crate) got: Vec<(u64, Vec<u8>)>,
}

pub(crate) struct Hall {
    pub(crate) desk: Desk,
    pub(crate) people: Vec<Person>,
    pub(crate) millis: u64,
    random: Random,
}

impl Hall {
    /// One person for each pitch, in this codec; nobody is joined.
    pub(crate) fn new(people: &[(f64, Codec)]) -> Hall {
        let mut desk = Desk::new();
        let people = (1..).zip(people);
        let people = people
            .map(|(number, (hz, codec))| Person {
                phone: desk.phone(number, *codec),
                hz: *hz,
                amplitude: 6000.0,
                ptime: 20,
                jitter: 0,
                stalled_until: 0,
                spoken: 0,
                flying: VecDeque::new(),
                got: Vec::new(),
            })
            .collect();
        Hall { desk, people, millis: 0, random: Random::from_number(11) }
    }

    pub(crate) fn leg(&self, person: usize) -> LegId {
        self.people[person].phone.leg
    }

    pub(crate) fn join(&mut self, people: &[usize], mix: u64) {
        for person in people {
            self.desk.join(&[&self.people[*person].phone], mix);
        }
    }

    /// Time passes.
    pub(crate) fn talk(&mut self, millis: u64) {
        for _ in 0..millis / SLOT {
            self.millis += SLOT;
            self.desk.now += Duration::from_millis(SLOT);
            for index in 0..self.people.len() {
                let person = &mut self.people[index];
                // Phones do not send at the same moment, nor do slots follow the order of the legs.
                if (self.millis + 6 * index as u64).is_multiple_of(person.ptime) {
                    let packet = person.speak();
                    let held = if person.jitter == 0 { 0 } else { self.random.below(person.jitter + 1) };
                    let before = person.flying.back().map_or(0, |(at, _)| *at);
                    person.flying.push_back(((self.millis + held).max(before).max(person.stalled_until), packet));
                }
                if self.millis / SLOT % 10 != 7 * index as u64 % 10 {
                    continue;
                }
                let (leg, at) = (person.phone.leg, person.phone.at);
                while let Some((_, packet)) = person.flying.front().filter(|(at, _)| *at <= self.millis) {
                    self.desk.hears(leg, at, packet);
                    person.flying.pop_front();
                }
                self.desk.rack.handle_tick(self.desk.now, leg, &mut self.desk.out);
            }
            for person in &mut self.people {
                let packets = self.desk.taken(&person.phone);
                person.got.extend(packets.into_iter().map(|packet| (self.millis, packet)));
            }
        }
    }

    /// All that a person heard since the last question, laid out by timestamp.
    pub(crate) fn heard(&mut self, person: usize) -> Vec<i16> {
        self.people[person].heard()
    }

    /// What a person hears in the next `millis`, when the change is over: the amplitude of each of these pitches.
    pub(crate) fn pitches(&mut self, person: usize, hz: &[f64]) -> Vec<f64> {
        let heard = self.heard(person);
        let whole = (heard.len() - SETTLING) / 800 * 800;
        let stretch = &heard[SETTLING..SETTLING + whole];
        hz.iter().map(|hz| listen::goertzel(stretch, 8000, *hz)).collect()
    }
}

impl Person {
    fn speak(&mut self) -> Vec<u8> {
        let count = self.ptime * 8;
        let (hz, amplitude) = (self.hz, self.amplitude);
        let sound: Vec<i16> = (self.spoken..self.spoken + count)
            .map(|i| (amplitude * (std::f64::consts::TAU * hz * i as f64 / 8000.0).sin()) as i16)
            .collect();
        self.spoken += count;
        self.phone.sound(&sound)
    }

    fn heard(&mut self) -> Vec<i16> {
        let packets = std::mem::take(&mut self.got);
        let Some((_, first)) = packets.first() else { return Vec::new() };
        let origin = read(first).timestamp;
        let mut heard = Vec::new();
        for (_, bytes) in &packets {
            let packet = read(bytes);
            assert_eq!(packet.payload_type, self.phone.codec.payload_type(), "sound, and nothing else");
            let at = packet.timestamp.wrapping_sub(origin) as usize;
            heard.resize(heard.len().max(at + packet.payload.len()), 0);
            for (sample, byte) in heard[at..].iter_mut().zip(packet.payload) {
                *sample = g711::decode(self.phone.codec, *byte);
            }
        }
        heard
    }

    /// One stream: numbers and timestamps go on, and never is nothing sent for longer than `pause_max` milliseconds.
    pub(crate) fn assert_one_stream(&self, pause_max: u64) {
        for pair in self.got.windows(2) {
            let ((before_at, before), (after_at, after)) = (&pair[0], &pair[1]);
            let (before, after) = (read(before), read(after));
            assert_eq!(after.ssrc, before.ssrc);
            assert_eq!(after.sequence, before.sequence.wrapping_add(1), "at {after_at} ms");
            assert_eq!(after.timestamp, before.timestamp.wrapping_add(before.payload.len() as u32), "at {after_at} ms");
            assert!(after_at - before_at <= pause_max, "nothing from {before_at} to {after_at} ms");
        }
    }
}

/// Whether two amplitudes are within one decibel.
pub(crate) fn alike(one: f64, other: f64) -> bool {
    (20.0 * (one / other).log10()).abs() < 1.0
}

/// The amplitude of a pitch that is not heard is below this: what the codecs' own noise leaves.
pub(crate) const UNHEARD: f64 = 60.0;
