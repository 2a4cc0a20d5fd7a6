//! The sessions of one worker: commands in, packets through, events out.

use crate::play::Playing;
use crate::record::Recording;
use crate::rtp::{HEADER, PACKET_MAX, Packet};
use crate::session::{Content, Hears, Scratch, Session};
use crate::{Clip, FRAME, g711, rtcp};
use model::{Codec, Digit, Instant, LegId, MediaStats, MixId, PlayId, Random, RecordId};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Events that wait to be polled. Each input makes a handful and is followed by a drain; a caller's keys beyond this are dropped,
/// what answers a command never is.
const EVENTS_MAX: usize = 4096;
/// BYEs that wait for a wire; more are not sent, which RTCP survives.
const FAREWELLS_MAX: usize = 1024;
/// Legs that hear each other: a caller, an agent, an interpreter and one more. Each frame of a sum costs a leg what there are
/// others; a fifth hears silence, and is not let in by itself when a place comes free.
pub const MIX_MAX: usize = 4;

/// Which of a leg's two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Sound and keys: the even port.
    Rtp,
    /// Reports: the next port.
    Rtcp,
}

/// Where packets leave: the sockets of a worker, or the simulator's network. A leg whose sockets are gone is passed over.
pub trait Wire {
    /// Sends one packet from a leg's socket. It may be lost; nobody is told.
    fn send(&mut self, leg: LegId, channel: Channel, to: SocketAddr, packet: &[u8]);
    /// Takes one frame of a message that is being recorded, at 8000 Hz; false if it cannot be written down. A wire without a writer
    /// takes none.
    fn keep(&mut self, message: RecordId, frame: &[i16; FRAME]) -> bool {
        let _ = (message, frame);
        false
    }
}

/// What to do with a leg.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make its session; [`Event::Opened`] follows. The edge has bound `local` and the next port.
    Open {
        /// Where it receives RTP.
        local: SocketAddr,
    },
    /// What the exchange of descriptions agreed. It may come again (re-INVITE) and then opens the latch again.
    Connect(Far),
    /// Play clips one after another, as one. What plays ends as [`PlayEnd::Cut`]. Before [`Command::Connect`] it waits; while
    /// the far end holds us it goes on unheard. In a mix it sounds in place of the others, who still hear this leg.
    Play {
        /// Named in [`Event::Played`].
        id: PlayId,
        /// The clips.
        clips: Vec<Arc<Clip>>,
        /// What a key does to it.
        on_key: OnKey,
        /// From the beginning again, without a seam, until something ends it.
        repeat: bool,
    },
    /// End this play as [`PlayEnd::Cut`]; nothing if it does not play any more.
    Stop(PlayId),
    /// Hear the other legs of this mix and be heard by them; another mix is left for it. What plays ends as [`PlayEnd::Cut`];
    /// until another is there, silence. Beyond [`MIX_MAX`] legs a leg hears silence and is in no mix.
    ///
    /// Two hear each other by relay, packet by packet. Three or four hear the sum of all others, full scale at most, in frames of
    /// 20 ms; each voice then waits for one frame, on a bad link for up to three, and what has not come by then is silence. All
    /// legs of a mix must be in one rack and have their ticks in one order, turn after turn.
    Join(MixId),
    /// Hear nobody, and be heard by nobody.
    Leave,
    /// The keys of this leg reach the other leg of its mix too, until it leaves the mix: for the menu of another house. They do
    /// so only between two, never in a sum, and only to a phone that knows them. Outside a mix this does nothing.
    PassKeys,
    /// A key of this leg came as a SIP message, held for this time. It counts as one that came beside the sound ([`Event::Digit`]), and once if it
    /// came by both ways.
    Key(Digit, Duration),
    /// The phone's SIP came from one host and comes from another: its sound may come from there now, if it went to the first one. Else this does nothing.
    Follow {
        /// Where it was.
        from: IpAddr,
        /// Where it is.
        to: IpAddr,
    },
    /// Write down what this leg says from here on, frame by frame ([`Wire::keep`]); [`Event::Recorded`] follows when it is over. What it
    /// hears is not written down.
    Record {
        /// Which.
        id: RecordId,
        /// The greatest length; at least 20 ms.
        max: Duration,
        /// Silence that ends it; at least 20 ms.
        silence: Duration,
    },
    /// End this recording as [`RecordEnd::Stopped`]; nothing if it is over.
    StopRecord(RecordId),
    /// End it; [`Event::Closed`] follows.
    Close,
}

/// What a key does to what plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnKey {
    /// It ends, when the key goes down.
    Cut,
    /// Nothing.
    Ignore,
}

/// The far end of a leg, as agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Far {
    /// Where its RTP goes; its own comes from there, or from another port of the same host that shows itself at once.
    pub remote: SocketAddr,
    /// Where RTCP goes.
    pub remote_rtcp: SocketAddr,
    /// The address that was written, where the host of `remote` only stands for it.
    pub written: Option<IpAddr>,
    /// Another host that either may come from instead, if it shows itself at once: the one that the SIP came from.
    pub also: Option<IpAddr>,
    /// The codec, both ways.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of telephone keys.
    pub events: Option<u8>,
    /// Whether we may send.
    pub we_send: bool,
    /// Whether it will send.
    pub we_receive: bool,
}

/// What happened on a leg.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Its session is there, at this address.
    Opened(SocketAddr),
    /// Its ports could not be bound; made by the worker.
    OpenFailed(String),
    /// A play ended; exactly once for each [`Command::Play`].
    Played {
        /// Which.
        id: PlayId,
        /// How.
        how: PlayEnd,
    },
    /// A key was pressed, and held for this time; told when it came up. In a mix too.
    Digit(Digit, Duration),
    /// Neither sound nor a report came for 30 s from a far end that should send; told again after another 30 s.
    Silent,
    /// A recording is over; exactly once for each [`Command::Record`].
    Recorded {
        /// Which.
        id: RecordId,
        /// How it ended.
        how: RecordEnd,
        /// What was written down.
        length: Duration,
        /// Up to when somebody spoke; zero: never.
        spoken: Duration,
    },
    /// Its session is gone.
    Closed(MediaStats),
}

/// How a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordEnd {
    /// By a command.
    Stopped,
    /// It had its greatest length.
    Full,
    /// Nobody spoke any more.
    Silent,
    /// The leg was closed.
    Closed,
    /// A frame could not be written down, or the leg is not there.
    Lost,
}

/// How a play ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayEnd {
    /// Its last frame was sent.
    Finished,
    /// By a key, a command, or the end of the leg.
    Cut,
    /// There was nothing to play, or nobody to play it to.
    Failed,
}

/// All sessions of one worker. Both legs of a call are in the same rack.
pub struct Rack {
    random: Random,
    sessions: BTreeMap<LegId, Box<Session>>,
    mixes: BTreeMap<MixId, Vec<LegId>>,
    events: VecDeque<(LegId, Event)>,
    farewells: VecDeque<Farewell>,
    scratch: Box<Scratch>,
}

struct Farewell {
    leg: LegId,
    to: SocketAddr,
    packet: [u8; rtcp::PACKET_MAX],
    length: usize,
}

impl Rack {
    /// An empty rack.
    pub fn new(random: Random) -> Self {
        Rack {
            random,
            sessions: BTreeMap::new(),
            mixes: BTreeMap::new(),
            events: VecDeque::new(),
            farewells: VecDeque::new(),
            scratch: Box::new([0; PACKET_MAX]),
        }
    }

    /// Does a command. For a leg that is not open only [`Command::Open`] does something, and [`Command::Play`] fails.
    pub fn handle_command(&mut self, now: Instant, leg: LegId, command: Command) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            match command {
                Command::Open { local } => {
                    self.sessions.insert(leg, Box::new(Session::new(now, local, &mut self.random)));
                    tell(&mut self.events, leg, Event::Opened(local));
                }
                Command::Play { id, .. } => tell(&mut self.events, leg, Event::Played { id, how: PlayEnd::Failed }),
                Command::Record { id, .. } => {
                    tell(
                        &mut self.events,
                        leg,
                        Event::Recorded { id, how: RecordEnd::Lost, length: Duration::ZERO, spoken: Duration::ZERO },
                    );
                }
                Command::StopRecord(_)
                | Command::Connect(_)
                | Command::Stop(_)
                | Command::Join(_)
                | Command::Leave
                | Command::PassKeys
                | Command::Key(..)
                | Command::Follow { .. }
                | Command::Close => {}
            }
            return;
        };
        let events = &mut self.events;
        match command {
            // Open already: the same answer again.
            Command::Open { .. } => tell(events, leg, Event::Opened(session.local)),
            Command::Connect(far) => session.connect(now, far, &mut self.random),
            Command::Play { id, clips, on_key, repeat } => {
                session.play(Playing::new(id, clips, on_key, repeat), id, |event| tell(events, leg, event));
            }
            Command::Stop(id) => session.stop(id, |event| tell(events, leg, event)),
            Command::Join(mix) => {
                session.end_play(PlayEnd::Cut, |event| tell(events, leg, event));
                self.join(leg, mix);
            }
            Command::Leave => self.leave(leg),
            Command::PassKeys => session.passes_keys = session.mix.is_some(),
            Command::Follow { from, to } => session.follow(from, to),
            Command::Key(digit, held) => session.handle_key(now, digit, held, |event| tell(events, leg, event)),
            Command::Record { id, max, silence } => session.record(Recording::new(id, max, silence), |event| tell(events, leg, event)),
            Command::StopRecord(id) => session.end_recording(Some(id), RecordEnd::Stopped, |event| tell(events, leg, event)),
            Command::Close => self.close(now, leg),
        }
    }

    /// A packet came on a leg's socket. Sound for a mix of two leaves at once.
    pub fn handle_packet(&mut self, now: Instant, leg: LegId, channel: Channel, from: SocketAddr, packet: &[u8], wire: &mut impl Wire) {
        self.send_farewells(wire);
        // A socket for both kinds of addresses shows those of IPv4 in the form of the other (RFC 4291 section 2.5.5.2).
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let Some(session) = self.sessions.get_mut(&leg) else { return };
        match channel {
            Channel::Rtcp => session.handle_rtcp(now, from, packet),
            Channel::Rtp => {
                let Some(packet) = Packet::read(packet) else { return };
                let events = &mut self.events;
                let Some((content, arrival)) = session.handle_rtp(now, from, &packet, |event| tell(events, leg, event)) else { return };
                match session.hears() {
                    Hears::Nobody => {}
                    Hears::One(partner) => {
                        let content = if content == Content::Keys && !session.passes_keys { Content::Other } else { content };
                        if let Some(other) = self.sessions.get_mut(&partner) {
                            other.relay(partner, &packet, (content, arrival), &mut self.scratch, wire);
                        }
                    }
                    Hears::Sum => {
                        // RFC 3550 section 8.2, as in a relay: what we sent to one of them and comes back is a loop.
                        let members = session.mix.and_then(|mix| self.mixes.get(&mix)).map_or(&[][..], Vec::as_slice);
                        let ours = members.iter().filter_map(|member| self.sessions.get(member)).any(|s| s.ssrc() == packet.ssrc);
                        if let (Content::Sound(codec), false, Some(session)) = (content, ours, self.sessions.get_mut(&leg)) {
                            session.handle_voice(&packet, codec, arrival);
                        }
                    }
                }
            }
        }
    }

    /// 20 ms have passed for a leg: the next frame of what plays, of the sum or of silence, reports when due, keys whose end was
    /// lost.
    pub fn handle_tick(&mut self, now: Instant, leg: LegId, wire: &mut impl Wire) {
        self.send_farewells(wire);
        let Some(mut session) = self.sessions.get_mut(&leg) else { return };
        if session.hears() == Hears::Sum {
            self.sum(leg);
            let Some(again) = self.sessions.get_mut(&leg) else { return };
            session = again;
        }
        let events = &mut self.events;
        session.handle_tick(now, leg, &mut self.random, &mut self.scratch, wire, |event| tell(events, leg, event));
    }

    /// Sends the RTCP BYEs of legs that were closed. Call it after [`Command::Close`], while the leg's sockets are still there; else
    /// they leave with the next packet or tick of any leg, if the wire still knows the leg.
    pub fn send_farewells(&mut self, wire: &mut impl Wire) {
        while let Some(bye) = self.farewells.pop_front() {
            wire.send(bye.leg, Channel::Rtcp, bye.to, &bye.packet[..bye.length]);
        }
    }

    /// What happened, oldest first; ask until `None` after each input.
    pub fn poll_event(&mut self) -> Option<(LegId, Event)> {
        self.events.pop_front()
    }

    /// The figures of a leg so far.
    pub fn stats(&self, leg: LegId) -> Option<MediaStats> {
        self.sessions.get(&leg).map(|session| session.stats())
    }

    /// Sessions open.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// A leg in a sum has its turn: its own next frame sounds for the others, and what it hears of them is laid ready in
    /// `scratch`, in its codec.
    fn sum(&mut self, leg: LegId) {
        let Some(session) = self.sessions.get_mut(&leg) else { return };
        let Some(codec) = session.sound_voice() else { return };
        let members = session.mix.and_then(|mix| self.mixes.get(&mix)).map_or(&[][..], Vec::as_slice);
        let mut sum = [0i32; FRAME];
        for voice in members.iter().filter(|member| **member != leg).filter_map(|member| self.sessions.get(member)?.voice()) {
            for (total, sample) in sum.iter_mut().zip(voice) {
                *total += i32::from(*sample);
            }
        }
        for (byte, total) in self.scratch[HEADER..].iter_mut().zip(sum) {
            *byte = g711::encode(codec, total.clamp(i16::MIN.into(), i16::MAX.into()) as i16);
        }
    }

    fn join(&mut self, leg: LegId, mix: MixId) {
        if self.sessions.get(&leg).is_some_and(|session| session.mix == Some(mix)) {
            return;
        }
        self.take_out(leg);
        let Some(session) = self.sessions.get_mut(&leg) else { return };
        let members = self.mixes.entry(mix).or_default();
        if members.len() == MIX_MAX {
            session.hear(Hears::Nobody);
            return;
        }
        members.push(leg);
        session.mix = Some(mix);
        self.settle(mix);
    }

    fn leave(&mut self, leg: LegId) {
        self.take_out(leg);
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.hear(Hears::Nobody);
        }
    }

    /// Out of its mix, still hearing what it heard: the caller says what comes next, so that nothing is in between.
    fn take_out(&mut self, leg: LegId) {
        let Some(session) = self.sessions.get_mut(&leg) else { return };
        let Some(mix) = session.mix.take() else { return };
        session.passes_keys = false;
        if let Some(members) = self.mixes.get_mut(&mix) {
            members.retain(|member| *member != leg);
            if members.is_empty() {
                self.mixes.remove(&mix);
            }
        }
        self.settle(mix);
    }

    /// Who hears whom, by how many there are. Whoever goes on as before is not disturbed.
    fn settle(&mut self, mix: MixId) {
        let members = self.mixes.get(&mix).map_or(&[][..], Vec::as_slice);
        for member in members {
            let hears = match members {
                [one, other] => Hears::One(if one == member { *other } else { *one }),
                [] | [_] => Hears::Nobody,
                [..] => Hears::Sum,
            };
            if let Some(session) = self.sessions.get_mut(member) {
                session.hear(hears);
            }
        }
    }

    fn close(&mut self, now: Instant, leg: LegId) {
        self.leave(leg);
        let Some(mut session) = self.sessions.remove(&leg) else { return };
        let events = &mut self.events;
        session.end_play(PlayEnd::Cut, |event| tell(events, leg, event));
        session.end_recording(None, RecordEnd::Closed, |event| tell(events, leg, event));
        if let Some((to, packet, length)) = session.farewell(now).filter(|_| self.farewells.len() < FAREWELLS_MAX) {
            self.farewells.push_back(Farewell { leg, to, packet, length });
        }
        tell(&mut self.events, leg, Event::Closed(session.stats()));
    }
}

fn tell(events: &mut VecDeque<(LegId, Event)>, leg: LegId, event: Event) {
    if events.len() >= EVENTS_MAX && matches!(event, Event::Digit(..) | Event::Silent) {
        return;
    }
    events.push_back((leg, event));
}
