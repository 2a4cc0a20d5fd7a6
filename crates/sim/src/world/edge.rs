//! The edge, played: what the reactor, the media workers and the sockets do for the engine in a real city.

use super::houses::Houses;
use super::{Ailment, Due, HOP, Sounds, Voice, World};
use crate::people::Life;
use crate::{Datagram, PersonId, town};
use bytes::Bytes;
use calls::{Act, Input, Reply};
use media::{Channel, FRAME};
use model::{FlowId, LegId, RecordId, Transport};
use phone::Socket;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How long the edge waits for a connection to come about, and how long one byte of it is on its way.
const CONNECT_PATIENCE: Duration = Duration::from_millis(1400);
const WIRE: Duration = Duration::from_millis(5);

impl World {
    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Transmit { flow, to, bytes, .. } if flow.is_stream() => self.by_connection(flow, to, bytes),
            // Nor have names of carriers a server here: whoever plays with them says where they lead.
            Act::Close(_) | Act::Find(_) => {}
            Act::Trust(trusted) => self.trusted = trusted.into_keys().collect(),
            Act::Transmit { flow: _, to, bytes, .. } => {
                let datagram = Datagram { from: self.engine_addr, to, bytes };
                self.link.handle_datagram(self.now, datagram);
            }
            Act::Media(leg, command) => self.sound(leg, command),
            Act::Tape(message, tape) => self.tape(message, tape),
            Act::Start { job, deadline, what } => self.ask_house(job, deadline, what),
            Act::Cancel(job) => self.forget_question(job),
            Act::Reply(_, reply) => {
                let reply = match reply {
                    Reply::Done => "done".to_owned(),
                    Reply::Refused(why) => why.to_string(),
                    Reply::NotAllowed(why) => why.to_string(),
                    Reply::Snapshot(snapshot) => format!("{snapshot:?}"),
                };
                self.tell(Voice::Reply(reply));
            }
        }
    }

    pub(super) fn sound(&mut self, leg: LegId, command: media::Command) {
        let now = self.now;
        if let Some(ears) = &mut self.ears {
            ears.handle_command(now, leg, &command);
        }
        match &mut self.sounds {
            Sounds::Mime(mime) => mime.handle_command(now, leg, command),
            Sounds::Rack(racked) => {
                if let media::Command::Open { local } = command {
                    racked.sockets.insert(local, (leg, Channel::Rtp));
                    racked.sockets.insert(above(local), (leg, Channel::Rtcp));
                    racked.legs.insert(leg, local);
                }
                let closes = matches!(command, media::Command::Close);
                racked.rack.handle_command(now, leg, command);
                racked.tick.get_or_insert(now + media::TICK);
                if closes {
                    let mut wire = Wire { legs: &racked.legs, sent: Vec::new(), houses: &mut self.houses };
                    racked.rack.send_farewells(&mut wire);
                    let sent = wire.sent;
                    if let Some(local) = racked.legs.remove(&leg) {
                        racked.sockets.remove(&local);
                        racked.sockets.remove(&above(local));
                    }
                    self.fly(sent);
                }
            }
        }
        self.hear_sounds();
    }

    pub(super) fn tick(&mut self) {
        let now = self.now;
        match &mut self.sounds {
            Sounds::Mime(mime) => mime.handle_timeout(now),
            Sounds::Rack(racked) => {
                let legs: Vec<LegId> = racked.legs.keys().copied().collect();
                let mut wire = Wire { legs: &racked.legs, sent: Vec::new(), houses: &mut self.houses };
                for leg in legs {
                    racked.rack.handle_tick(now, leg, &mut wire);
                }
                let sent = wire.sent;
                racked.tick = (racked.rack.sessions() > 0).then(|| now + media::TICK);
                self.fly(sent);
            }
        }
        self.hear_sounds();
    }

    pub(super) fn fly(&mut self, datagrams: Vec<Datagram>) {
        for datagram in datagrams {
            self.link.handle_datagram(self.now, datagram);
        }
    }

    pub(super) fn hear_sounds(&mut self) {
        loop {
            let event = match &mut self.sounds {
                Sounds::Mime(mime) => mime.poll_event(),
                Sounds::Rack(racked) => racked.rack.poll_event(),
            };
            let Some((leg, event)) = event else { return };
            if let (media::Event::Recorded { id, length, .. }, Sounds::Mime(_)) = (&event, &self.sounds) {
                self.houses.lasted(*id, *length);
            }
            if let Some(ears) = &mut self.ears {
                ears.handle_event(self.now, leg, &event);
            }
            self.plan(self.now + HOP, Due::Media(leg, event));
        }
    }

    /// A datagram reaches whoever has its address; nobody, if nobody has.
    pub(super) fn deliver(&mut self, datagram: Datagram) {
        let Datagram { from, to, bytes } = datagram;
        let now = self.now;
        if to == self.engine_addr {
            match self.ailing.get(&from) {
                Some(Ailment::Mute) => return,
                Some(Ailment::MuteToCalls) if memchr::memmem::find(&bytes, b" OPTIONS\r\n").is_none() => return,
                Some(
                    Ailment::Deaf
                    | Ailment::Closed
                    | Ailment::MuteToCalls
                    | Ailment::AnswersCallsOnly
                    | Ailment::SaysOnce
                    | Ailment::Refuses(_)
                    | Ailment::BusyFor { .. },
                )
                | None => {}
            }
            if let Some((flow, from)) = call_id(&bytes).and_then(|id| self.connected.get(id).copied()) {
                let says_once = self.ailing.get(&from) == Some(&Ailment::SaysOnce) && is_answer(&bytes);
                if says_once && call_id(&bytes).is_some_and(|id| !self.said.insert(id.to_owned())) {
                    return;
                }
                return self.input(Input::Message { flow, from, bytes });
            }
            let resident = self.by_ip.get(&from.ip()).copied();
            if let Some(id) = resident {
                self.note_call_id(id, &bytes);
            }
            let who = resident.or_else(|| self.carried.get(call_id(&bytes)?).copied());
            if let Some(carrier) = who.and_then(|id| self.carriers.get(&id)).filter(|_| !bytes.starts_with(b"SIP/2.0 ")) {
                let bytes = Bytes::from(carrier(&String::from_utf8_lossy(&bytes)));
                return self.input(Input::Message { flow: FlowId::UDP, from, bytes });
            }
            return self.input(Input::Message { flow: FlowId::UDP, from, bytes });
        }
        if to == town::TRUNK || to == town::SPARE {
            return match self.ailing.get(&to).copied() {
                Some(Ailment::Deaf | Ailment::Closed) => {}
                Some(Ailment::AnswersCallsOnly) if bytes.starts_with(b"OPTIONS ") => {}
                Some(Ailment::Refuses(status)) if bytes.starts_with(b"INVITE ") => self.trunk_says(to, status, "", &bytes),
                Some(Ailment::BusyFor { secs, rings }) if bytes.starts_with(b"INVITE ") => {
                    if rings {
                        self.trunk_says(to, 180, "", &bytes);
                    }
                    self.trunk_says(to, 503, &format!("Retry-After: {secs} (maintenance)\r\n"), &bytes);
                }
                Some(
                    Ailment::Mute
                    | Ailment::MuteToCalls
                    | Ailment::AnswersCallsOnly
                    | Ailment::SaysOnce
                    | Ailment::Refuses(_)
                    | Ailment::BusyFor { .. },
                )
                | None
                    if bytes.starts_with(b"OPTIONS ") || bytes.starts_with(b"REGISTER ") =>
                {
                    if self.ailing.get(&to) != Some(&Ailment::Mute) {
                        self.trunk_says(to, 200, "", &bytes);
                    }
                }
                Some(
                    Ailment::Mute
                    | Ailment::MuteToCalls
                    | Ailment::AnswersCallsOnly
                    | Ailment::SaysOnce
                    | Ailment::Refuses(_)
                    | Ailment::BusyFor { .. },
                )
                | None => self.carry(from, &bytes),
            };
        }
        if let Some(id) = self.by_ip.get(&to.ip()).copied() {
            let Some((sip, rtp)) = self.person(id).map(|person| (person.sip, person.rtp)) else { return };
            let socket = if to == sip {
                self.note_call_id(id, &bytes);
                Socket::Sip
            } else if to == rtp {
                Socket::Rtp
            } else {
                Socket::Rtcp
            };
            if let Some(person) = self.people.get_mut(id.0 as usize) {
                person.phone.handle_packet(now, socket, from, &bytes);
            }
            return self.listen(id);
        }
        if let Sounds::Rack(racked) = &mut self.sounds
            && let Some((leg, channel)) = racked.sockets.get(&to).copied()
        {
            let mut wire = Wire { legs: &racked.legs, sent: Vec::new(), houses: &mut self.houses };
            racked.rack.handle_packet(now, leg, channel, from, &bytes, &mut wire);
            let sent = wire.sent;
            self.fly(sent);
            return self.hear_sounds();
        }
        self.mail.push(Datagram { from, to, bytes });
    }
}

impl World {
    /// A message over a connection: the trunks take them, and nobody else in this town. What belongs to one call comes back by the same.
    fn by_connection(&mut self, flow: FlowId, to: SocketAddr, bytes: Bytes) {
        // No connection by TLS lasts from one message to the next: each of them needs somebody who is known.
        let is_known = flow.transport() != Transport::Tls || self.trusted.contains(&to);
        if to != town::TRUNK && to != town::SPARE || !is_known {
            return self.input(Input::Unsent { bytes });
        }
        match self.ailing.get(&to) {
            Some(Ailment::Closed) => self.plan(self.now + HOP, Due::Input(Box::new(Input::Unsent { bytes }))),
            Some(Ailment::Deaf) => self.plan(self.now + CONNECT_PATIENCE, Due::Input(Box::new(Input::Unsent { bytes }))),
            Some(
                Ailment::Mute
                | Ailment::MuteToCalls
                | Ailment::AnswersCallsOnly
                | Ailment::SaysOnce
                | Ailment::Refuses(_)
                | Ailment::BusyFor { .. },
            )
            | None => {
                let line = FlowId::connection(flow.transport(), if to == town::TRUNK { 2 } else { 3 });
                if let Some(id) = call_id(&bytes) {
                    self.connected.insert(id.to_owned(), (line, to));
                }
                // Their telephones speak UDP; the carrier translates.
                let bytes = Bytes::from(String::from_utf8_lossy(&bytes).replacen(
                    &format!("SIP/2.0/{} ", flow.transport().via()),
                    "SIP/2.0/UDP ",
                    1,
                ));
                self.plan(self.now + WIRE, Due::Datagram(Datagram { from: self.engine_addr, to, bytes }));
            }
        }
    }

    /// The trunk: a call for a number goes to one of its telephones that is free. A number without telephones is a trunk that says nothing.
    fn carry(&mut self, from: SocketAddr, bytes: &Bytes) {
        let text = String::from_utf8_lossy(bytes);
        let call = text.lines().find_map(|line| line.strip_prefix("Call-ID: ")).unwrap_or_default().to_owned();
        let dialled = text.strip_prefix("INVITE sip:").and_then(|rest| rest.split('@').next()).map(str::to_owned);
        let telephone = match (self.carried.get(&call).copied(), dialled) {
            (Some(id), _) => id,
            (None, Some(number)) if !self.unanswered.contains(&call) => {
                self.calls_out.push((self.now, number.clone()));
                let ours = [town::WARD, town::SMALL_WARD, town::INTERPRETERS].contains(&number.as_str());
                if !ours {
                    self.must(self.in_hours(&number));
                }
                let at_number = |id: &PersonId| matches!(self.person(*id).map(|p| &p.life), Some(Life::Neighbour(n)) if n.number == number);
                let telephones: Vec<PersonId> = (0u32..).map(PersonId).take(self.people.len()).filter(at_number).collect();
                if telephones.is_empty() {
                    self.unanswered.insert(call);
                    return;
                }
                let free = telephones.iter().find(|id| self.person(**id).is_some_and(|p| !p.phone.is_in_call()));
                // A hotline of ours is never called once too often; whoever is called back may be talking with somebody else.
                let Some(free) = free.or(telephones.first().filter(|_| !ours)).copied() else {
                    self.fail(&format!("call {} reached {number}, which has {0} telephones", telephones.len()));
                };
                self.carried.insert(call, free);
                free
            }
            (None, _) => return,
        };
        let now = self.now;
        self.note_call_id(telephone, bytes);
        if let Some(person) = self.people.get_mut(telephone.0 as usize) {
            person.phone.handle_packet(now, Socket::Sip, from, bytes);
        }
        self.listen(telephone);
    }
}

impl World {
    /// Whether people may be called at this time of the day; an INVITE that was on its way for some seconds is forgiven.
    fn in_hours(&self, number: &str) -> Result<(), String> {
        const HOUR: i64 = 3_600_000;
        const LATE: i64 = 5000;
        let Some((from, to)) = self.hours else { return Ok(()) };
        // The town's clock shows ten when a world begins.
        let of_the_day = (self.clocks().wall.0 - town::MONDAY.0 + 10 * HOUR).rem_euclid(24 * HOUR);
        let allowed = (from * HOUR..to * HOUR + LATE).contains(&of_the_day);
        if allowed { Ok(()) } else { Err(format!("{number} is called at {}:{:02}", of_the_day / HOUR, of_the_day / 60_000 % 60)) }
    }

    /// A trunk answers by itself.
    fn trunk_says(&mut self, trunk: SocketAddr, status: u16, more: &str, request: &Bytes) {
        let text = String::from_utf8_lossy(request);
        let mut answer = format!("SIP/2.0 {status} trunk\r\n");
        for line in text.lines().filter(|line| ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name))) {
            let tag = if line.starts_with("To:") && !line.contains(";tag=") { ";tag=trunk" } else { "" };
            answer.push_str(&format!("{line}{tag}\r\n"));
        }
        answer.push_str(&format!("{more}Content-Length: 0\r\n\r\n"));
        let datagram = Datagram { from: trunk, to: self.engine_addr, bytes: Bytes::from(answer) };
        self.link.handle_datagram(self.now, datagram);
    }

    /// A SIP message went to or came from this phone.
    fn note_call_id(&mut self, person: PersonId, bytes: &Bytes) {
        let Some(id) = call_id(bytes) else { return };
        if self.heard_of.get(id) != Some(&person) {
            self.heard_of.insert(id.to_owned(), person);
        }
    }
}

/// Whether this is the 2xx of an INVITE.
fn is_answer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SIP/2.0 2") && memchr::memmem::find(bytes, b" INVITE\r\n").is_some()
}

/// The Call-ID of a message, as the engine and our phones write it.
fn call_id(bytes: &[u8]) -> Option<&str> {
    const NAME: &[u8] = b"\r\nCall-ID: ";
    let rest = &bytes[memchr::memmem::find(bytes, NAME)? + NAME.len()..];
    std::str::from_utf8(&rest[..memchr::memchr(b'\r', rest)?]).ok()
}

/// The simulator's half of `media::Wire`: packets go to the network.
struct Wire<'a> {
    legs: &'a BTreeMap<LegId, SocketAddr>,
    sent: Vec<Datagram>,
    /// Where messages are written down.
    houses: &'a mut Houses,
}

impl media::Wire for Wire<'_> {
    fn send(&mut self, leg: LegId, channel: Channel, to: SocketAddr, packet: &[u8]) {
        if let Some(local) = self.legs.get(&leg) {
            let from = match channel {
                Channel::Rtp => *local,
                Channel::Rtcp => above(*local),
            };
            self.sent.push(Datagram { from, to, bytes: Bytes::copy_from_slice(packet) });
        }
    }

    fn keep(&mut self, message: RecordId, frame: &[i16; FRAME]) -> bool {
        self.houses.keep(message, frame)
    }
}

/// The RTCP port belonging to an RTP port (RFC 3550 section 11).
pub(super) fn above(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1))
}
