//! The engine itself: who owns what, and how one input becomes outputs.

use crate::attempt::Attempt;
use crate::call::{Call, Sound, Stage};
use crate::call_return::LastCallers;
use crate::callback::Callbacks;
use crate::defence::Defence;
use crate::errand::Errand;
use crate::face::{Act, Control, Input, Output, Reply, Wake};
use crate::legs::advertised;
use crate::lookup::Asked;
use crate::message::Message;
use crate::outbound::{CallsOut, WentOut};
use crate::overrides::Overrides;
use crate::persons::Memories;
use crate::presence::Breaks;
use crate::record::{self, Abroad, OpenCall, Record, State};
use crate::trunks::Trunks;
use crate::will::Wills;
use crate::{City, Ports, Vault};
use model::{
    ActId, AgentId, CallEnd, CallId, ControlId, DialogId, Event, Instant, JobId, LegId, Now, OfferId, Party, Random, RecordId, Refusal,
    Seq, TicketId, Transport,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Errands are numbered from here on: far above every call of a resident.
const ERRANDS: u64 = 1 << 40;

/// Between two looks at whether desks agree with phones and calls, while anything goes on.
const ROUND: Duration = Duration::from_secs(60);

/// The engine. It owns every call; the edge owns it.
pub struct Engine {
    pub(crate) city: Arc<City>,
    pub(crate) vault: Vault,
    pub(crate) random: Random,
    pub(crate) sip: sip::Endpoint,
    pub(crate) acd: routing::Acd,
    pub(crate) calls: BTreeMap<CallId, Box<Call>>,
    pub(crate) errands: BTreeMap<CallId, Errand>,
    pub(crate) legs: BTreeMap<LegId, Owner>,
    pub(crate) dialogs: BTreeMap<DialogId, Thread>,
    pub(crate) tickets: BTreeMap<TicketId, CallId>,
    pub(crate) offers: BTreeMap<OfferId, CallId>,
    pub(crate) wakes: BTreeSet<(Instant, CallId)>,
    pub(crate) ports: Ports,
    pub(crate) ended: BTreeMap<CallEnd, u64>,
    pub(crate) memories: Memories,
    pub(crate) calls_out: CallsOut,
    pub(crate) went_out: WentOut,
    /// Calls outside with which SIP is not done, as the journal has them.
    pub(crate) abroad: BTreeMap<LegId, Abroad>,
    /// Dialogs of an engine before this one, which are to be ended.
    pub(crate) wills: Wills,
    /// What went out before a restart is not yet counted: that needs the time of the first input.
    recounts: bool,
    pub(crate) trunks: Trunks,
    pub(crate) defence: Defence,
    pub(crate) tones: media::Tones,
    pub(crate) callbacks: Callbacks,
    /// Tickets whose place was asked for again: that they have it is no news.
    pub(crate) asked_again: BTreeSet<TicketId>,
    pub(crate) messages: BTreeMap<RecordId, Message>,
    pub(crate) jobs: BTreeMap<JobId, Asked>,
    pub(crate) last_callers: LastCallers,
    /// Calls that the journal knows and no machine does: their engine died. They are closed at the first input.
    pub(crate) orphans: BTreeMap<CallId, OpenCall>,
    /// When the next round is due.
    next_round: Option<Instant>,
    /// Agents who were on a break when the engine died and have not signed in since.
    pub(crate) breaks: Breaks,
    pub(crate) overrides: Overrides,
    outputs: VecDeque<Output>,
    draining: bool,
    pub(crate) last_call: u64,
    last_errand: u64,
    pub(crate) last_ticket: u64,
    /// The highest ticket that the journal knows.
    pub(crate) placed_ticket: TicketId,
    pub(crate) last_play: u64,
    pub(crate) last_record: u64,
    pub(crate) last_job: u64,
    last_act: u64,
    last_seq: u64,
    /// The call in hand, for whoever has to say which one a panic belongs to.
    in_hand: Option<CallId>,
}

/// Whose a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Caller(CallId),
    Agent(CallId),
    /// Somebody outside, called for this call.
    Outside(CallId),
    /// The second call of the agent's phone.
    Consult(CallId),
    /// Another phone of the agent's, before it has taken this call over.
    Takeover(CallId),
    Errand(CallId),
    /// Of an attempt to call somebody back.
    Callback(CallId),
    /// Its call is done with it; the port comes back when the session has closed.
    Closing(u16),
}

/// What the engine knows of a dialog: its leg, and the newest record that its messages depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread {
    pub(crate) leg: LegId,
    pub(crate) after: Seq,
    /// Of a caller whose leg is closed: the call that is written down under their name.
    pub(crate) named_in: Option<CallId>,
}

impl Engine {
    /// An engine with no past. `seed` comes from the operating system at the edge and is fixed in the simulator. The vault is the same one
    /// in every run of a city.
    pub fn new(city: Arc<City>, vault: Vault, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        let settings = &city.book.settings;
        let local = SocketAddr::new(advertised(&city), settings.sip.port());
        let config = sip::Config { local, realm: settings.realm.clone(), digest: settings.digest.clone() };
        let mut sip = sip::Endpoint::new(config, random.fork());
        let ports = [
            (Transport::Tls, settings.tls.as_ref().and_then(|tls| tls.listen)),
            (Transport::Ws, settings.websocket.as_ref().map(|web| web.listen)),
            (Transport::Wss, settings.websocket.as_ref().map(|web| web.listen)),
        ];
        for (transport, at) in ports.into_iter().filter_map(|(transport, at)| Some((transport, at?))) {
            sip.hears(transport, SocketAddr::new(local.ip(), at.port()));
        }
        sip.set_users(city.users.clone());
        sip.set_phone_check(settings.phone_check.map(|check| sip::trunk::Check { every: check.every, failures: check.failures }));
        let acd = routing::Acd::new(rules(&city));
        let ports = Ports::new(settings.rtp_first, settings.rtp_last);
        let mut engine = Engine {
            city,
            vault,
            random,
            sip,
            acd,
            calls: BTreeMap::new(),
            errands: BTreeMap::new(),
            legs: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            tickets: BTreeMap::new(),
            offers: BTreeMap::new(),
            wakes: BTreeSet::new(),
            ports,
            ended: BTreeMap::new(),
            memories: Memories::default(),
            calls_out: CallsOut::default(),
            went_out: WentOut::default(),
            abroad: BTreeMap::new(),
            wills: Wills::default(),
            recounts: false,
            trunks: Trunks::default(),
            defence: Defence::default(),
            tones: media::Tones::new(),
            callbacks: Callbacks::default(),
            asked_again: BTreeSet::new(),
            messages: BTreeMap::new(),
            jobs: BTreeMap::new(),
            last_record: 0,
            last_job: 0,
            last_callers: LastCallers::default(),
            orphans: BTreeMap::new(),
            next_round: None,
            breaks: Breaks::default(),
            overrides: Overrides::default(),
            outputs: VecDeque::new(),
            draining: false,
            last_call: 0,
            last_errand: 0,
            last_ticket: 0,
            placed_ticket: TicketId(0),
            last_play: 0,
            last_act: 0,
            last_seq: 0,
            in_hand: None,
        };
        engine.announce_city();
        engine
    }

    /// An engine that goes on where the records stop. Calls whose engine died under them are closed, each with its call record, at
    /// the first input; presence and counters are kept. `last` is the number of the last record in the journal.
    pub fn restore(city: Arc<City>, vault: Vault, seed: [u8; 32], last: Seq, log: &mut dyn Iterator<Item = Record>) -> Self {
        let mut state = State::default();
        for record in log {
            state.apply(record);
        }
        let mut engine = Engine::new(city, vault, seed);
        // The city that `new` announced got number 1: it is written again below, where the journal stands.
        engine.outputs.clear();
        engine.last_seq = last.0;
        let version = engine.city.book.version.clone();
        if state.version.as_ref() == Some(&version) {
            engine.note(Event::Published { version });
        } else {
            engine.announce_city();
        }
        engine.take_up_overrides(state.overrides);
        engine.breaks.to_restore = state.on_break;
        engine.forget_breaks(None);
        engine.last_call = state.last_call.0;
        engine.last_ticket = state.last_ticket.0;
        engine.placed_ticket = state.last_ticket;
        engine.ended = state.ended;
        engine.memories = state.memories;
        engine.callbacks.of_the_journal = state.callbacks;
        engine.orphans = state.calls;
        engine.went_out = state.calls_out;
        engine.recounts = true;
        engine.take_over(state.abroad);
        engine
    }

    fn announce_city(&mut self) {
        let version = self.city.book.version.clone();
        self.commit(Record::Published { version: version.clone() });
        self.note(Event::Published { version });
    }

    /// One thing happened. Drain [`Engine::poll_output`] before the next.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        self.in_hand = None;
        if std::mem::take(&mut self.recounts) {
            self.calls_out.restore(now, &self.went_out);
        }
        self.end_overrides(now);
        self.close_orphans(now);
        self.follow_trunks_at_first(now);
        self.carry_out_wills(now);
        self.wind_callbacks(now);
        match input {
            Input::Message { flow, from, bytes } => self.on_datagram(now, flow, from, &bytes),
            Input::Opened { flow, from } => self.on_opened(now, flow, from),
            Input::Closed { flow, why } => {
                self.note(Event::ConnectionClosed { why });
                self.sip.handle_closed(now, flow);
            }
            Input::Unreadable => self.note(Event::SipMalformed { answered: false }),
            Input::Unsent { bytes } => self.sip.handle_unsent(now, &bytes),
            Input::Media(leg, event) => self.on_media(now, leg, event),
            Input::Control(id, control) => self.on_control(now, id, control),
            Input::Tape(id, says) => self.on_tape(now, id, says),
            Input::Found(name, machines) => self.on_found(now, name, machines),
            Input::Done(job, done) => self.on_done(now, job, done),
            Input::Timeout => self.on_timeout(now),
        }
        self.pump(now);
        self.end_overrides(now);
        if self.next_round.is_none() && self.goes_on() {
            self.next_round = Some(now.mono + ROUND);
        }
    }

    /// The next thing to do or to know, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Wake)> {
        let sip = self.sip.poll_timeout().map(|at| (at, Wake::Sip));
        let routing = self.acd.poll_timeout().map(|at| (at, Wake::Routing));
        let call = self.wakes.first().map(|(at, call)| (*at, Wake::Call(*call)));
        let callback = self.callbacks.poll_timeout().map(|at| (at, Wake::Callback));
        let errand = self.errands.iter().filter_map(|(id, errand)| Some((errand.due()?, Wake::Call(*id)))).min();
        let round = self.next_round.map(|at| (at, Wake::Routing));
        let by_hand = self.overrides.due.map(|at| (at, Wake::Override));
        let will = self.wills.due().map(|at| (at, Wake::Sip));
        [sip, routing, call, callback, errand, round, by_hand, will].into_iter().flatten().min()
    }

    /// The call that was in hand when a panic came through, if any.
    pub fn in_hand(&self) -> Option<CallId> {
        self.in_hand
    }

    /// Ends one call at once, after a mistake of ours: both sides get BYE, its ports come back, the others go on.
    pub fn evict(&mut self, now: Now, call: CallId) {
        self.note(Event::CallEvicted { call });
        if let Some(mut taken) = self.take(call) {
            self.end_call(now, &mut taken, CallEnd::InternalError, Party::Engine);
            self.put_back(taken);
        }
        self.pump(now);
    }

    // ---- what happened -------------------------------------------------------------------------------------------------------

    fn on_control(&mut self, now: Now, id: ControlId, control: Control) {
        let reply = match control {
            Control::Publish(city) => {
                self.sip.set_users(city.users.clone());
                self.acd.publish(now.mono, self.rules_of(&city));
                self.follow_lines(&city);
                self.city = city;
                self.follow_trunks(now);
                self.announce_city();
                self.forget_breaks(Some(now.wall));
                self.review_callbacks(now);
                Reply::Done
            }
            Control::Drain => {
                self.draining = true;
                self.sip.sign_off(now);
                Reply::Done
            }
            Control::EndAll => {
                self.draining = true;
                self.sip.sign_off(now);
                self.end_attempts(now);
                self.end_errands(now);
                let all: Vec<CallId> = self.calls.keys().copied().collect();
                for call in all {
                    self.with_call(now, call, |engine, call| engine.close_down(now, call));
                }
                Reply::Done
            }
            Control::SetAgent(agent, change) => match self.wish(now, &agent, change) {
                Ok(()) => Reply::Done,
                Err(why) => Reply::Refused(why),
            },
            Control::SetOverride(set, clips) => match self.set_override(now, *set, clips) {
                Ok(()) => Reply::Done,
                Err(why) => Reply::NotAllowed(why),
            },
            Control::LiftOverride(what, by) => match self.lift_override(now, &what, &by) {
                Ok(()) => Reply::Done,
                Err(why) => Reply::NotAllowed(why),
            },
            Control::Snapshot => Reply::Snapshot(Arc::new(self.snapshot(now))),
        };
        let after = Seq(self.last_seq);
        self.act(after, Act::Reply(id, reply));
    }

    fn on_timeout(&mut self, now: Now) {
        if self.sip.poll_timeout().is_some_and(|at| at <= now.mono) {
            self.sip.handle_timeout(now);
        }
        if self.acd.poll_timeout().is_some_and(|at| at <= now.mono) {
            self.acd.handle_timeout(now.mono);
        }
        self.on_callback_timeout(now);
        if self.next_round.is_some_and(|at| at <= now.mono) {
            // What the machines have just decided is done first: a phone that is about to be told would look like a mistake.
            self.pump(now);
            self.make_round(now);
        }
        self.on_errand_timeouts(now);
        while let Some((at, call)) = self.wakes.first().copied()
            && at <= now.mono
        {
            self.wakes.pop_first();
            self.with_call(now, call, |engine, call| {
                call.wake = None;
                engine.on_call_timeout(now, call);
            });
        }
    }

    /// Whether there is anything that a round could look at.
    fn goes_on(&self) -> bool {
        !self.calls.is_empty() || !self.errands.is_empty() || !self.callbacks.attempts.is_empty() || !self.last_callers.is_empty()
    }

    /// Once in a while every desk is compared with what is known of the agent's phone and calls. It should find nothing, ever.
    fn make_round(&mut self, now: Now) {
        self.last_callers.sweep(now.mono);
        let mut seen: BTreeMap<AgentId, routing::Seen> = BTreeMap::new();
        for agent in self.city.book.agents.keys() {
            let registered = self.sip.bindings(agent.as_str()).next().is_some() && !self.breaks.signs_in_later(agent);
            seen.insert(agent.clone(), routing::Seen { registered, ..routing::Seen::default() });
        }
        for call in self.calls.values() {
            if let Some(phones) = call.phones() {
                seen.entry(phones.agent.clone()).or_default().offered = true;
            }
            if let Some(side) = call.agent_side() {
                seen.entry(side.agent.clone()).or_default().talking = true;
            }
        }
        for errand in self.errands.values().filter(|errand| errand.engaged) {
            seen.entry(errand.agent.clone()).or_default().talking = true;
        }
        for (agent, talking) in self.callbacks.attempts.values().filter_map(Attempt::holds) {
            let seen = seen.entry(agent.clone()).or_default();
            if talking { seen.talking = true } else { seen.offered = true }
        }
        self.acd.reconcile(now.mono, &seen);
        self.ask_again(now);
        self.ask_held(now);
        self.next_round = self.goes_on().then(|| now.mono + ROUND);
    }

    /// Carries what the machines below have to say upward until all are quiet.
    fn pump(&mut self, now: Now) {
        loop {
            if let Some(output) = self.sip.poll_output() {
                match output {
                    sip::Output::Transmit { dialog, flow, to, bytes } => {
                        let after = dialog.map_or(Seq(0), |d| self.after(d));
                        let only_written = self.begins_outside(dialog, &bytes);
                        let leg = dialog.and_then(|dialog| self.dialogs.get(&dialog)).map(|thread| thread.leg);
                        if dialog.is_some() {
                            self.hear_whom_we_ask(to.ip(), &bytes);
                        }
                        self.act(after, Act::Transmit { leg, flow, to, bytes, only_written });
                    }
                    sip::Output::Event(event) => self.on_sip(now, event),
                    sip::Output::Note(event) => {
                        match event {
                            Event::AuthenticationFailed { challenged: true } => self.on_wrong_password(now),
                            Event::Refused { why: Refusal::AimedAtUs, .. } => self.name_who_aims_at_us(now),
                            _ => {}
                        }
                        self.note(event);
                    }
                    sip::Output::Passed { with, direction, what } => {
                        let line = self.line_at(with).map(|line| line.id.clone());
                        self.note(match what {
                            sip::Passed::Request { method, again } => Event::SipRequest { line, method, direction, again },
                            sip::Passed::Response { class } => Event::SipResponse { line, class, direction },
                        });
                    }
                }
            } else if let Some(decision) = self.acd.poll_output() {
                self.on_decision(now, decision);
            } else {
                return;
            }
        }
    }

    fn close_orphans(&mut self, now: Now) {
        while let Some((call, open)) = self.orphans.pop_first() {
            let record = record::lost(call, &open, now.wall);
            self.memories.handle_ended(&open, &record);
            *self.ended.entry(record.end).or_default() += 1;
            self.commit(Record::Ended(Box::new(record.clone())));
            self.note(Event::Ended { record: Box::new(record) });
        }
    }

    // ---- what the other files of this room share -----------------------------------------------------------------------------

    /// Takes a call in hand, lets `change` work on it, and puts it back unless it is over.
    pub(crate) fn with_call(&mut self, _now: Now, id: CallId, change: impl FnOnce(&mut Engine, &mut Call)) {
        let Some(mut call) = self.take(id) else { return };
        change(self, &mut call);
        self.mind_hold(&mut call);
        self.put_back(call);
    }

    pub(crate) fn take(&mut self, id: CallId) -> Option<Box<Call>> {
        self.in_hand = Some(id);
        self.calls.remove(&id)
    }

    pub(crate) fn put_back(&mut self, mut call: Box<Call>) {
        let over = matches!(call.stage, Stage::Over);
        let wake = if over { None } else { call.next_wake() };
        if wake != call.wake || over {
            if let Some(at) = call.wake {
                self.wakes.remove(&(at, call.id));
            }
            if let Some(at) = wake {
                self.wakes.insert((at, call.id));
            }
            call.wake = wake;
        }
        if !over {
            self.calls.insert(call.id, call);
        }
    }

    pub(crate) fn note(&mut self, event: Event) {
        self.outputs.push_back(Output::Note(event));
    }

    pub(crate) fn commit(&mut self, record: Record) -> Seq {
        self.last_seq += 1;
        let seq = Seq(self.last_seq);
        self.outputs.push_back(Output::Commit(seq, record));
        seq
    }

    pub(crate) fn act(&mut self, after: Seq, act: Act) {
        self.last_act += 1;
        self.outputs.push_back(Output::Act { id: ActId(self.last_act), after, act });
    }

    pub(crate) fn media(&mut self, after: Seq, leg: LegId, command: media::Command) {
        self.act(after, Act::Media(leg, command));
    }

    pub(crate) fn next_call(&mut self) -> CallId {
        self.last_call += 1;
        CallId(self.last_call)
    }

    /// The id that [`Engine::next_call`] gave last was not needed: no record speaks of it.
    pub(crate) fn unused_call(&mut self) {
        self.last_call = self.last_call.saturating_sub(1);
    }

    /// Errands are no calls of residents: their ids are far above, and no record speaks of them.
    pub(crate) fn next_errand(&mut self) -> CallId {
        self.last_errand += 1;
        CallId(ERRANDS | self.last_errand)
    }

    /// A leg of an errand of the engine before this one is still in the books: no errand of ours may have its number.
    pub(crate) fn keep_errands_above(&mut self, leg: LegId) {
        let call = leg.0 >> 16;
        if call & ERRANDS != 0 {
            self.last_errand = self.last_errand.max(call & !ERRANDS);
        }
    }

    pub(crate) fn next_play(&mut self) -> model::PlayId {
        self.last_play += 1;
        model::PlayId(self.last_play)
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining
    }

    /// Stops whatever we play to the caller.
    pub(crate) fn hush(&mut self, call: &mut Call) {
        if let Some(play) = call.sound.play() {
            self.media(call.after, call.leg.id, media::Command::Stop(play));
        }
        call.sound = Sound::Quiet;
    }
}

/// The part of the city that routing goes by.
pub(crate) fn rules(city: &City) -> routing::Rules {
    routing::Rules { queues: city.book.queues.clone(), agents: city.book.agents.clone(), lines: city.book.places() }
}
