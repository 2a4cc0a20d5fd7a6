//! The people of the world: they move in, call, press keys, talk, and hang up.

use super::edge::above;
use super::{Due, Machine, Sounds, Told, Voice, World};
use crate::people::{Life, Person};
use crate::{Clerk, Datagram, Neighbour, PersonId, Resident, town};
use model::{AgentId, Event, Instant};
use phone::{AnswerPolicy, Command, Config, Phone, Socket, Sound};
use sha2::Digest;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// People in one world: their addresses are counted in two bytes.
const PEOPLE_MAX: usize = 60_000;

impl World {
    /// A resident who dials at a time.
    ///
    /// # Panics
    /// When the world is full.
    pub fn add_resident(&mut self, at: Duration, resident: Resident) -> PersonId {
        let name = resident.number.clone().unwrap_or_else(|| format!("0801{:07}", self.people.len()));
        let says = resident.says.clone();
        let person = self.move_in(name.clone(), None, AnswerPolicy::Never, says, Life::Resident(resident), None);
        self.by_name.insert(name, person);
        self.at(at, person, self.dialling(person));
        person
    }

    /// A resident dials again at a time, and does as before.
    pub fn dials_again(&mut self, at: Duration, person: PersonId) {
        self.at(at, person, self.dialling(person));
    }

    /// An agent of the city, by name, whose phone registers at a time.
    ///
    /// # Panics
    /// When the world is full.
    pub fn add_clerk(&mut self, at: Duration, name: &str, clerk: Clerk) -> PersonId {
        let (answer, says) = (clerk.answer, clerk.says.clone());
        let person = self.move_in(name.to_owned(), Some(town::password(name)), answer, says, Life::Clerk(clerk), None);
        self.by_name.insert(name.to_owned(), person);
        self.at(at, person, Command::Register);
        person
    }

    /// A telephone outside, which the trunk reaches.
    ///
    /// # Panics
    /// When the world is full.
    pub fn add_neighbour(&mut self, neighbour: Neighbour) -> PersonId {
        let (name, answer, says) = (neighbour.number.clone(), neighbour.answer, neighbour.says.clone());
        self.move_in(name, None, answer, says, Life::Neighbour(neighbour), Some(town::TRUNK))
    }

    /// The same behind the second trunk: they are reached by either, and heard at that one.
    ///
    /// # Panics
    /// When the world is full.
    pub fn add_neighbour_behind_the_spare(&mut self, neighbour: Neighbour) -> PersonId {
        let (name, answer, says) = (neighbour.number.clone(), neighbour.answer, neighbour.says.clone());
        self.move_in(name, None, answer, says, Life::Neighbour(neighbour), Some(town::SPARE))
    }

    fn move_in(
        &mut self,
        name: String,
        password: Option<String>,
        answer: AnswerPolicy,
        says: Sound,
        life: Life,
        behind: Option<SocketAddr>,
    ) -> PersonId {
        assert!(self.people.len() < PEOPLE_MAX, "the world is full: {PEOPLE_MAX} people");
        let number = self.people.len() as u32;
        let [_, _, high, low] = (number + 1).to_be_bytes();
        let ip = IpAddr::V4(Ipv4Addr::new(127, 1, high, low));
        // Whoever is behind a trunk is heard at the trunk's address; sound comes from their own.
        let (sip, rtp) = (behind.unwrap_or(SocketAddr::new(ip, 5060)), SocketAddr::new(ip, 4000));
        let says = if matches!(self.sounds, Sounds::Mime(_)) { Sound::Nothing } else { says };
        let codecs = model::Codec::ALL.to_vec();
        let config = Config { user: name.clone(), password, sip, rtp, server: self.engine_addr, answer, says, codecs, trace: false };
        let person = PersonId(number);
        let phone = Phone::new(config.clone(), self.random.fork());
        self.people.push(Person { phone, config, name, sip, rtp, life, calls: 0, steps: 0, ended: None, served: false, again: 0 });
        self.by_ip.insert(ip, person);
        person
    }

    /// What a resident does to call; nothing for an agent.
    pub(super) fn dialling(&self, person: PersonId) -> Command {
        match self.person(person).map(|p| &p.life) {
            Some(Life::Resident(resident)) => {
                let uri = format!("sip:{}@{}", resident.dials, self.engine_addr);
                if resident.late { Command::DialLate { uri } } else { Command::Dial { uri } }
            }
            Some(Life::Clerk(_) | Life::Neighbour(_)) | None => Command::HangUp,
        }
    }

    /// Somebody does something with their phone at a time, whatever else they planned.
    pub fn at(&mut self, at: Duration, person: PersonId, command: Command) {
        self.plan(Instant::ZERO + at, Due::Person(person, command));
    }

    /// A person's phone loses its power at a time, and has it again after a while: what it had been doing is forgotten by then.
    pub fn sleeps(&mut self, at: Duration, person: PersonId, lasts: Duration) {
        self.plan(Instant::ZERO + at, Due::Sleeps(person, lasts));
    }

    /// A person's cable is pulled at a time, and put back after a while: the phone goes on and does not know.
    pub fn cut_off(&mut self, at: Duration, person: PersonId, lasts: Duration) {
        self.plan(Instant::ZERO + at, Due::Cut(person, true));
        self.plan(Instant::ZERO + at + lasts, Due::Cut(person, false));
    }

    pub(super) fn set_cut(&mut self, id: PersonId, cut: bool) {
        let Some((sip, rtp)) = self.person(id).map(|person| (person.sip, person.rtp)) else { return };
        self.link.set_cut(sip.ip(), cut);
        self.link.set_cut(rtp.ip(), cut);
        let now = self.now;
        if let Sounds::Mime(mime) = &mut self.sounds {
            if cut { mime.handle_gone(now, rtp) } else { mime.handle_healed(rtp) }
        }
    }

    pub(super) fn fall_asleep(&mut self, id: PersonId, lasts: Duration) {
        self.command(id, Command::Vanish);
        self.plan(self.now + lasts, Due::Wakes(id));
    }

    /// The same phone, switched on again: it registers as if it had just been bought.
    pub(super) fn wake_up(&mut self, id: PersonId) {
        let random = self.random.fork();
        self.forgotten.extend(self.heard_of.iter().filter(|(_, of)| **of == id).map(|(call, _)| call.clone()));
        if let Some(person) = self.people.get_mut(id.0 as usize) {
            person.phone = Phone::new(person.config.clone(), random);
            person.calls += 1;
            person.ended = Some(self.now);
            let clerk = matches!(person.life, Life::Clerk(_));
            if let Sounds::Mime(mime) = &mut self.sounds {
                mime.handle_back(person.rtp);
            }
            if clerk {
                self.command(id, Command::Register);
            }
        }
    }

    /// An agent dials a star code (`*1`, `*2`) at a time.
    pub fn dials_code(&mut self, at: Duration, person: PersonId, code: &str) {
        let uri = format!("sip:{code}@{}", self.engine_addr);
        self.at(at, person, Command::Dial { uri });
    }

    pub(super) fn person(&self, id: PersonId) -> Option<&Person> {
        self.people.get(id.0 as usize)
    }

    pub(super) fn command(&mut self, id: PersonId, command: Command) {
        let now = self.now;
        let Some(person) = self.people.get_mut(id.0 as usize) else { return };
        let (dials, goes) = (
            matches!(command, Command::Dial { .. } | Command::DialLate { .. } | Command::DialReplacing { .. }),
            matches!(command, Command::Vanish | Command::StopSending),
        );
        if dials && matches!(person.life, Life::Clerk(_)) {
            // A star code.
            self.watch.handle_wish(&AgentId::from(person.name.as_str()));
        }
        if dials && !person.phone.is_in_call() {
            person.calls += 1;
            person.ended = None;
        }
        let (call, rtp) = (person.calls, person.rtp);
        person.phone.handle_command(now, command);
        if let (true, Life::Resident(resident)) = (dials, &person.life) {
            let (keys, patience) = (phone::Key::parse_script(&resident.keys), resident.patience);
            if let Ok(keys) = keys {
                person.phone.handle_command(now, Command::Press(keys));
            }
            self.plan(now + patience, Due::InCall(id, call, Command::HangUp));
        }
        if let (true, Sounds::Mime(mime)) = (goes, &mut self.sounds) {
            mime.handle_gone(now, rtp);
        }
        self.listen(id);
    }

    /// Takes what a phone has to send and to tell, and when it wants to be woken.
    pub(super) fn listen(&mut self, id: PersonId) {
        while let Some(output) = self.people.get_mut(id.0 as usize).and_then(|p| p.phone.poll_output()) {
            match output {
                phone::Output::Send { socket, to, bytes } => {
                    let Some(person) = self.person(id) else { return };
                    let from = match socket {
                        Socket::Sip => person.sip,
                        Socket::Rtp => person.rtp,
                        Socket::Rtcp => above(person.rtp),
                    };
                    self.link.handle_datagram(self.now, Datagram { from, to, bytes: bytes.into() });
                }
                phone::Output::Event(event) => self.react(id, event),
            }
        }
        let timeout = self.person(id).and_then(|p| p.phone.poll_timeout());
        self.alarm(Machine::Person(id), timeout);
    }

    /// A person's phone tells something, and the person does what people do.
    pub(super) fn react(&mut self, id: PersonId, event: phone::Event) {
        if self.tells {
            self.digest.update(format!("{:?} {id:?} {event:?}\n", self.now));
        }
        let now = self.now;
        let Some(person) = self.people.get_mut(id.0 as usize) else { return };
        match &event {
            phone::Event::Incoming { .. } => {
                person.calls += 1;
                person.ended = None;
                if let Life::Neighbour(neighbour) = &person.life
                    && let Ok(keys) = phone::Key::parse_script(&neighbour.keys)
                {
                    person.phone.handle_command(now, Command::Press(keys));
                }
                if let Life::Clerk(Clerk { habits: Some(habits), .. }) = &person.life {
                    let (habits, call) = (*habits, person.calls);
                    if self.random.below(1000) >= u64::from(habits.misses_per_mille) {
                        let takes = habits.slowest.saturating_sub(habits.quickest).mul_f64(self.random.unit());
                        self.plan(now + habits.quickest + takes, Due::InCall(id, call, Command::Answer));
                    }
                }
            }
            phone::Event::Connected => {
                if let (Life::Neighbour(neighbour), call) = (&person.life, person.calls)
                    && let Some(talk) = neighbour.talk
                {
                    self.plan(now + talk, Due::InCall(id, call, Command::HangUp));
                }
            }
            phone::Event::Ended { .. } => {
                person.ended = Some(now);
                if let Life::Resident(Resident { again: Some(again), .. }) = &person.life
                    && !person.served
                    && person.again < again.times
                {
                    person.again += 1;
                    let after = again.after;
                    let dials = self.dialling(id);
                    self.plan(now + after, Due::Person(id, dials));
                }
            }
            phone::Event::Pressed(digit) => {
                let rtp = person.rtp;
                if let Sounds::Mime(mime) = &mut self.sounds {
                    mime.handle_key(now, rtp, *digit);
                    self.hear_sounds();
                }
            }
            _ => {}
        }
        if let phone::Event::Violation(fault) = &event {
            let name = self.people.get(id.0 as usize).map_or("", |p| p.name.as_str());
            let excused = fault.rsplit_once(", Call-ID ").is_some_and(|(_, call)| self.forgotten.contains(call));
            let list = if excused { &mut self.excused } else { &mut self.violations };
            list.push(format!("{now:?} {name}: {fault}"));
        }
        if self.tells {
            self.story.push(Told { at: now, what: Voice::Phone(id, event) });
        }
    }

    /// What the engine notes tells the simulation who talks to whom: that is when people begin to talk.
    pub(super) fn follow(&mut self, event: &Event) {
        match event {
            Event::Arrived { call, caller, .. } => {
                if let Some(person) = self.by_name.get(caller.reveal()) {
                    self.callers.insert(*call, *person);
                }
            }
            Event::StepEntered { call, step, .. } => {
                let Some(id) = self.callers.get(call).copied() else { return };
                let Some(person) = self.people.get_mut(id.0 as usize) else { return };
                person.steps += 1;
                let (call, steps) = (person.calls, person.steps);
                let Life::Resident(resident) = &person.life else { return };
                let presses = Arc::clone(&resident.presses);
                for (after, digit) in presses.get(step).into_iter().flatten() {
                    self.plan(self.now + *after, Due::AtStep(id, call, steps, *digit));
                }
            }
            Event::Bridged { call, agent, .. } => {
                let both = [self.callers.get(call).copied(), self.by_name.get(agent.as_str()).copied()];
                for id in both.into_iter().flatten() {
                    let Some(person) = self.person(id) else { continue };
                    let (call, talk) = (person.calls, person.talk());
                    if let Some(person) = self.people.get_mut(id.0 as usize) {
                        person.served = true;
                    }
                    let Some(person) = self.person(id) else { continue };
                    // Whoever is served has patience.
                    if matches!(person.life, Life::Resident(_)) {
                        self.plan.retain(|_, due| !matches!(due, Due::InCall(p, c, Command::HangUp) if *p == id && *c == call));
                    }
                    if let Some(talk) = talk {
                        self.plan(self.now + talk, Due::InCall(id, call, Command::HangUp));
                    }
                }
            }
            // Who does not respond comes back after a cup of tea.
            Event::AgentState { agent, to: model::AgentState::NotResponding, .. } => {
                let habits = self.by_name.get(agent.as_str()).and_then(|id| self.person(*id)).map(|p| &p.life);
                if matches!(habits, Some(Life::Clerk(Clerk { habits: Some(_), .. }))) {
                    let ready = calls::Control::SetAgent(agent.clone(), routing::Change::Ready);
                    self.plan(self.now + crate::scenario::TEA, Due::Control(ready));
                }
            }
            Event::Ended { record } => drop(self.callers.remove(&record.call)),
            _ => {}
        }
    }
}
