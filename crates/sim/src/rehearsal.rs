//! One call, rehearsed before a flow goes live: the very engine under virtual time, with the agents, hotlines and clock of an example.
//!
//! The caller listens as people do: a key is pressed when nobody speaks any more, unless the example says when. What they heard, pressed
//! and met is told as a [`Take`]; whether that is what was wanted, whoever asked for the rehearsal judges.

use crate::world::{House, Play};
use crate::{Clerk, Neighbour, PersonId, Resident, Voice, World, town};
use calls::{City, Control};
use flow::{Book, Caller, Example, Hotline, Present, Press, Spoken, Standing};
use media::Clip;
use model::{
    AgentId, CallId, CallRecord, CallbackTry, Digit, Event, FlowName, Instant, KeyMeaning, LookupEnd, LookupId, MailboxId, Net, Number,
    OfferEnd, OfferId, Override, Pcm, QueueEnd, QueueId, Setting, SlotId, StepId, TicketId, TransferEnd, UnixMillis,
};
use phone::{AnswerPolicy, Command, Key};
use routing::Change;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// When the caller dials: by then the agents' phones are registered.
const DIALS: Duration = Duration::from_secs(2);
/// When agents who are busy begin to be.
const BUSY: Duration = Duration::from_secs(1);
/// When what the duty officer has set is set.
const BY_HAND: Duration = Duration::from_secs(1);
/// From the end of what is said to the key.
const THINKS: Duration = Duration::from_millis(600);
/// How long a caller waits for a moment in which nobody speaks, so that they can press their next key.
const SPOKEN_TO: Duration = Duration::from_secs(600);
/// How often a caller looks whether it is time for something.
const BLINK: Duration = Duration::from_millis(100);
/// How long people talk.
const TALKS: Duration = Duration::from_secs(5);
/// How long after the caller's end the world goes on.
const SETTLES: Duration = Duration::from_secs(1);
/// When nobody looks any more how a call or a callback ends: every example is over long before.
const LIMIT: Duration = Duration::from_secs(72 * 3600);
/// What somebody outside presses who answers: 1, after two seconds.
const ACCEPTS: &str = "WW1";
/// Whoever calls and whose number plays no part. Invented: no telephone has it.
const SOMEBODY: &str = "0440000001";
/// The city of an example answers here.
const ENGINE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);

/// How a call went.
#[derive(Clone, Debug)]
pub struct Take {
    /// What happened to the caller, in order.
    pub moments: Vec<Moment>,
    /// The call's record; `None` if it never became a call, or never ended.
    pub record: Option<CallRecord>,
    /// Keys that were never pressed: the call was over, or somebody went on speaking.
    pub unpressed: Vec<Digit>,
    /// Whether the caller was called back, and talked.
    pub called_back: bool,
    /// Where the engine broke the protocol, by the judgement of the phones: a fault of ours.
    pub violations: Vec<String>,
}

/// Something that happened to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since they dialled.
    pub at: Duration,
    /// What.
    pub what: Scene,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scene {
    /// The call came to a step.
    Step(StepId),
    /// The caller heard a sentence.
    Heard {
        /// Which.
        spoken: Spoken,
        /// For how long.
        lasted: Duration,
        /// Whether it was cut short: by a key, or because the call went on.
        cut: bool,
    },
    /// The caller pressed a key.
    Pressed {
        /// Which.
        digit: Digit,
        /// Where.
        step: StepId,
        /// What became of it.
        meaning: KeyMeaning,
    },
    /// A menu's time ran out.
    NoInput(StepId),
    /// The caller took a place.
    Queued {
        /// Where.
        queue: QueueId,
        /// From 1.
        position: u64,
    },
    /// A decision found nobody for the caller.
    Waits {
        /// Where.
        queue: QueueId,
        /// From 1.
        position: u32,
    },
    /// An agent's phone rings for the caller.
    Rings {
        /// Whose.
        agent: AgentId,
    },
    /// It rang in vain.
    RangInVain {
        /// Whose.
        agent: AgentId,
        /// Why.
        how: OfferEnd,
    },
    /// Caller and agent talk.
    Connected {
        /// Who.
        agent: AgentId,
    },
    /// The caller was to be put through.
    PutThrough {
        /// Where to.
        to: String,
        /// What became of it.
        how: TransferEnd,
    },
    /// The caller left a queue without having been answered.
    LeftQueue {
        /// Which.
        queue: QueueId,
        /// How.
        how: QueueEnd,
    },
    /// Another house was asked.
    LookedUp {
        /// Whom.
        lookup: LookupId,
        /// What came of it.
        how: LookupEnd,
    },
    /// The caller left a message.
    MessageLeft {
        /// In which box.
        mailbox: MailboxId,
    },
    /// A callback was booked.
    Booked,
    /// The caller was called back.
    CalledBack(CallbackTry),
    /// The call was over.
    Over(Box<CallRecord>),
}

/// Rehearses one example of a flow. The same seed and example give the same take.
///
/// # Panics
/// When the engine does what it must never do: with what that was, as [`World::run_until`].
pub fn rehearse(city: &City, flow: &FlowName, example: &Example) -> Take {
    let (city, number) = stage(city, flow, example);
    let before = i64::try_from(DIALS.as_millis()).unwrap_or(0);
    let hotlines = hotlines(&city, example);
    let mut world = World::beginning(city, 1, UnixMillis(example.at.0.saturating_sub(before))).with_ears();
    for agent in &example.agents {
        sit_down(&mut world, agent);
    }
    for (lookup, scripted) in &example.lookups {
        world.add_house(lookup.as_str(), House::scripted(scripted));
    }
    for neighbour in hotlines {
        world.add_neighbour(neighbour);
    }
    for (slot, sounds) in &example.notices {
        set_notice(&mut world, flow, slot, *sounds, example.at);
    }
    for (schedule, hours) in &example.overrides {
        let setting = Setting::Schedule { schedule: schedule.clone(), hours: *hours };
        world.control(BY_HAND, Control::SetOverride(Box::new(by_hand(setting, example.at)), BTreeMap::new()));
    }
    let mut callers: Vec<Guest> = Vec::new();
    for (n, caller) in std::iter::once(&example.caller).chain(&example.others).enumerate() {
        let shown = caller.from.clone().unwrap_or_else(|| if n == 0 { SOMEBODY.to_owned() } else { format!("04400001{n:02}") });
        callers.push(Guest::dialling(&mut world, &number, caller, shown));
    }
    let waits_for_callback = example.expect.called_back == Some(true);
    while world.now().since(Instant::ZERO) < LIMIT {
        for caller in &mut callers {
            caller.look(&world);
            caller.act(&mut world);
        }
        let over = callers.first().is_none_or(|first| first.over);
        if over && !(waits_for_callback && callback_is_open(&world)) {
            break;
        }
        let next = world.now().since(Instant::ZERO) + BLINK;
        world.run_until(next);
    }
    // What is under way still arrives: a BYE, and the record that it leaves.
    let end = world.now().since(Instant::ZERO) + SETTLES;
    world.run_until(end);
    let Some(first) = callers.first() else { return Story::default().take(&world) };
    Story::of(&world, first).take(&world)
}

// ---- the stage ---------------------------------------------------------------------------------------------------------------

/// The city as the example wants it, and the number that leads to the flow.
fn stage(city: &City, flow: &FlowName, example: &Example) -> (Arc<City>, Number) {
    behind_glass(city, flow, |book| {
        for target in book.lines.iter_mut().filter_map(|line| Some((line.target.as_mut()?, example.lines.get(&line.id)?))) {
            let (target, hotline) = target;
            // Taken by calls of ours that are none of this story: what is left is what the engine may give.
            target.lines = target.lines.saturating_sub(hotline.busy);
        }
        for present in &example.agents {
            if let (Some(agent), Some(skills)) = (book.agents.get_mut(&present.agent), &present.skills) {
                agent.skills.clone_from(skills);
            }
        }
    })
}

/// A city where no telephone is a real one, changed as somebody wants it, and the number that leads to a flow.
pub(crate) fn behind_glass(city: &City, flow: &FlowName, change: impl FnOnce(&mut Book)) -> (Arc<City>, Number) {
    let mut book = (*city.book).clone();
    book.settings.sip = ENGINE;
    book.settings.advertise = None;
    let residents = Net { addr: IpAddr::V4(Ipv4Addr::new(127, 1, 0, 0)), prefix: 16 };
    for line in &mut book.lines {
        line.loopback = true;
        if !line.from.is_empty() {
            line.from = vec![residents];
        }
        if let Some(trunk) = &mut line.trunk {
            *trunk = model::Trunk::plain(town::TRUNK, trunk.channels);
        }
    }
    change(&mut book);
    let leads = book.numbers.iter().find(|(_, to)| *to == flow).map(|(number, _)| number.clone());
    let number = leads.or_else(|| Number::parse(town::NUMBER).ok()).unwrap_or_else(|| panic!("{} is a number", town::NUMBER));
    book.numbers.insert(number.clone(), flow.clone());
    let account =
        |name: &AgentId| (name.to_string(), sip::digest::ha1(name.as_str(), &book.settings.realm, &town::password(name.as_str())));
    let users = book.agents.keys().map(account).collect();
    (Arc::new(City { book: Arc::new(book), clips: city.clips.clone(), users, ..City::default() }), number)
}

/// The telephones of every line that callers are put through to.
fn hotlines(city: &City, example: &Example) -> Vec<Neighbour> {
    let telephones =
        city.book.lines.iter().filter_map(|line| Some((line.target.as_ref()?, example.lines.get(&line.id)))).map(|(target, hotline)| {
            let Hotline { answers, accepts, .. } = hotline.copied().unwrap_or_default();
            let keys = if accepts { ACCEPTS.to_owned() } else { String::new() };
            let one = Neighbour { number: target.number.as_str().to_owned(), answer: policy(answers), keys, ..Neighbour::default() };
            std::iter::repeat_n(one, target.lines as usize)
        });
    telephones.flatten().collect()
}

fn policy(answers: Option<Duration>) -> AnswerPolicy {
    answers.map_or(AnswerPolicy::Never, AnswerPolicy::After)
}

/// An agent's phone registers. Who is busy is on a break: logged in, and not to be had.
fn sit_down(world: &mut World, present: &Present) {
    world.add_clerk(Duration::ZERO, present.agent.as_str(), Clerk { answer: policy(present.answers), ..Clerk::default() });
    if present.busy > Duration::ZERO {
        world.control(BUSY, Control::SetAgent(present.agent.clone(), Change::Break(None)));
    }
    if present.busy > Duration::ZERO && present.busy < LIMIT {
        world.control(DIALS + present.busy, Control::SetAgent(present.agent.clone(), Change::Ready));
    }
}

/// The duty officer sets a notice: silence of its length, in the language that everybody hears who has no other.
fn set_notice(world: &mut World, flow: &FlowName, slot: &SlotId, sounds: Duration, at: UnixMillis) {
    let samples = usize::try_from(sounds.as_millis().saturating_mul(u128::from(media::RATE / 1000))).unwrap_or(0);
    let lang = world.city().book.flows.get(flow).and_then(|flow| flow.languages().next().cloned());
    let (Some(lang), Ok(clip)) = (lang, Clip::encode(&Pcm::silence(media::RATE, samples)).map(Arc::new)) else { return };
    world.name_sound(Standing::sentence(slot, &lang), &clip);
    let setting = Setting::Notice { slot: slot.clone(), texts: vec![(lang.clone(), slot.to_string())] };
    world.control(BY_HAND, Control::SetOverride(Box::new(by_hand(setting, at)), BTreeMap::from([(lang, clip)])));
}

/// Set by hand, for longer than any example lasts.
fn by_hand(setting: Setting, at: UnixMillis) -> Override {
    let until = UnixMillis(at.0.saturating_add(i64::try_from(LIMIT.as_millis()).unwrap_or(0)));
    Override { setting, by: "test".to_owned(), why: String::new(), since: at, until }
}

fn callback_is_open(world: &World) -> bool {
    world.engine().is_some_and(|engine| engine.census().callbacks > 0)
}

// ---- the caller --------------------------------------------------------------------------------------------------------------

/// Somebody who calls, and what they still mean to do.
struct Guest {
    person: PersonId,
    shown: String,
    dials: Duration,
    presses: VecDeque<Press>,
    waits: Duration,
    /// When they last did something: dialled, and were spoken to; or pressed a key.
    last: Option<Instant>,
    /// Nothing more is to be done: they talk, or have hung up.
    leaves: bool,
    /// Their call, once it has arrived.
    call: Option<CallId>,
    connected: bool,
    over: bool,
    /// What was said in the world up to here is known to them.
    seen: usize,
}

impl Guest {
    fn dialling(world: &mut World, number: &Number, caller: &Caller, shown: String) -> Guest {
        let dials = DIALS + caller.dials;
        let resident = Resident {
            dials: number.as_str().to_owned(),
            number: Some(shown.clone()),
            patience: LIMIT,
            talk: Some(TALKS),
            ..Resident::default()
        };
        let person = world.add_resident(dials, resident);
        if shown.bytes().all(|b| b.is_ascii_digit()) {
            // Their own telephone, should they be called back.
            let home =
                Neighbour { number: shown.clone(), keys: ACCEPTS.to_owned(), talk: Some(Duration::from_secs(60)), ..Neighbour::default() };
            world.add_neighbour(home);
        }
        Guest {
            person,
            shown,
            dials,
            presses: caller.presses.iter().copied().collect(),
            waits: caller.waits,
            last: None,
            leaves: false,
            call: None,
            connected: false,
            over: false,
            seen: 0,
        }
    }

    /// Takes note of what has been said since they looked last.
    fn look(&mut self, world: &World) {
        for told in world.events().iter().skip(self.seen) {
            match &told.what {
                Voice::Engine(Event::Arrived { call, caller, .. }) if *caller.reveal() == self.shown => self.call = Some(*call),
                Voice::Engine(Event::Bridged { call, .. } | Event::Transferred { call, how: TransferEnd::Connected, .. }) => {
                    self.connected |= self.call == Some(*call);
                }
                Voice::Phone(person, phone::Event::Ended { .. }) => self.over |= *person == self.person,
                Voice::Engine(_) | Voice::Phone(..) | Voice::Reply(_) | Voice::Crashed | Voice::Restored => {}
            }
        }
        self.seen = world.events().len();
    }

    /// Presses the next key if it is time, or hangs up.
    fn act(&mut self, world: &mut World) {
        let now = world.now();
        let Some(call) = self.call.filter(|_| !self.leaves && !self.over) else { return };
        if self.connected {
            // With an agent the world itself ends the talk; with a hotline nobody would.
            self.leaves = true;
            return world.at(now.since(Instant::ZERO) + TALKS, self.person, Command::HangUp);
        }
        let Some(last) = self.last.or_else(|| world.heard_in(call).next().map(|play| play.from)) else { return };
        self.last = Some(last);
        let due = match self.presses.front() {
            Some(Press { after: Some(after), .. }) => Some(last + *after),
            Some(Press { after: None, .. }) => quiet_since(world, call).map(|quiet| quiet.max(last) + THINKS),
            None => None,
        };
        if let Some(at) = due.filter(|due| *due <= now + BLINK)
            && let Some(press) = self.presses.pop_front()
        {
            self.last = Some(at.max(now));
            return world.at(at.max(now).since(Instant::ZERO), self.person, Command::Press(vec![Key::Digit(press.digit)]));
        }
        let patience = match self.presses.front() {
            Some(Press { after: Some(_), .. }) => LIMIT,
            // Somebody speaks on and on, or the call stands still.
            Some(Press { after: None, .. }) => SPOKEN_TO,
            None => self.waits,
        };
        if now >= last + patience {
            self.leaves = true;
            world.at(now.since(Instant::ZERO), self.person, Command::HangUp);
        }
    }
}

/// Since when nobody has been speaking to the caller; music is no speech.
fn quiet_since(world: &World, call: CallId) -> Option<Instant> {
    let last: &Play = world.heard_in(call).last()?;
    if last.music { Some(last.from) } else { last.until }
}

// ---- the story ---------------------------------------------------------------------------------------------------------------

/// What is told of the world, seen from the caller.
#[derive(Default)]
struct Story {
    moments: Vec<Moment>,
    record: Option<CallRecord>,
    unpressed: Vec<Digit>,
    called_back: bool,
}

impl Story {
    fn of(world: &World, guest: &Guest) -> Story {
        let mut story = Story { unpressed: guest.presses.iter().map(|press| press.digit).collect(), ..Story::default() };
        let Some(call) = guest.call else { return story };
        let dialled = Instant::ZERO + guest.dials;
        let (mut offers, mut tickets) = (BTreeMap::<OfferId, AgentId>::new(), Vec::<TicketId>::new());
        for (at, event) in world.notes() {
            if let Some(what) = scene(event, call, &mut offers, &mut tickets) {
                story.moments.push(Moment { at: at.since(dialled), what });
            }
        }
        story.moments.extend(world.heard_in(call).flat_map(|play| sentences(play, world.now(), dialled)));
        story.moments.sort_by_key(|moment| moment.at);
        story.record = world.records().iter().find(|record| record.call == call).cloned();
        story.called_back = world.notes().any(|(_, event)| match event {
            Event::CallbackEnded { ticket, how: model::CallbackEnd::Served, .. } => tickets.contains(ticket),
            _ => false,
        });
        story
    }

    fn take(self, world: &World) -> Take {
        let Story { moments, record, unpressed, called_back } = self;
        Take { moments, record, unpressed, called_back, violations: world.violations() }
    }
}

/// What an event is to the caller of this call; nothing, if it is another's or makes no difference to them.
fn scene(event: &Event, mine: CallId, offers: &mut BTreeMap<OfferId, AgentId>, tickets: &mut Vec<TicketId>) -> Option<Scene> {
    match event {
        Event::StepEntered { call, step, .. } => (*call == mine).then(|| Scene::Step(step.clone())),
        Event::Pressed { call, step, digit, meaning } => {
            (*call == mine).then(|| Scene::Pressed { digit: *digit, step: step.clone(), meaning: *meaning })
        }
        Event::NoInput { call, step } => (*call == mine).then(|| Scene::NoInput(step.clone())),
        Event::Enqueued { call, queue, position, .. } => {
            (*call == mine).then(|| Scene::Queued { queue: queue.clone(), position: *position })
        }
        Event::Waits { call, queue, why, .. } => {
            (*call == Some(mine)).then(|| Scene::Waits { queue: queue.clone(), position: why.position })
        }
        Event::Offered { call, offer, agent, .. } => (*call == mine).then(|| {
            offers.insert(*offer, agent.clone());
            Scene::Rings { agent: agent.clone() }
        }),
        Event::OfferEnded { offer, agent, how } => {
            (offers.contains_key(offer) && *how != OfferEnd::Answered).then(|| Scene::RangInVain { agent: agent.clone(), how: *how })
        }
        Event::Bridged { call, agent, .. } => (*call == mine).then(|| Scene::Connected { agent: agent.clone() }),
        Event::Transferred { call, to, how, .. } => (*call == mine).then(|| Scene::PutThrough { to: to.clone(), how: *how }),
        Event::LeftQueue { call, queue, how, .. } => {
            (*call == mine && *how != QueueEnd::Answered).then(|| Scene::LeftQueue { queue: queue.clone(), how: *how })
        }
        Event::CallbackBooked { call, ticket, .. } => (*call == mine).then(|| {
            tickets.push(*ticket);
            Scene::Booked
        }),
        Event::MessageLeft { call, mailbox, .. } => (*call == mine).then(|| Scene::MessageLeft { mailbox: mailbox.clone() }),
        Event::LookedUp { call, lookup, how, .. } => (*call == mine).then(|| Scene::LookedUp { lookup: lookup.clone(), how: *how }),
        Event::CallbackTried { ticket, how, .. } => tickets.contains(ticket).then_some(Scene::CalledBack(*how)),
        Event::Ended { record } => (record.call == mine).then(|| Scene::Over(record.clone())),
        // Of the house, of other calls, or told better by one of the above.
        Event::Published { .. }
        | Event::PublicationRefused { .. }
        | Event::OverrideSet { .. }
        | Event::OverrideEnded { .. }
        | Event::Arrived { .. }
        | Event::Withheld { .. }
        | Event::CalledFirst { .. }
        | Event::Refused { .. }
        | Event::Answered { .. }
        | Event::PromptStarted { .. }
        | Event::PromptMissing { .. }
        | Event::HandedToPeople { .. }
        | Event::WaitJudged { .. }
        | Event::PlaceKept { .. }
        | Event::LineTaken { .. }
        | Event::LineFreed { .. }
        | Event::LineFull { .. }
        | Event::TrunkRegistration { .. }
        | Event::TrunkReachable { .. }
        | Event::TrunkPassedOver { .. }
        | Event::CallsOutLimited
        | Event::CallingBack { .. }
        | Event::CallbackEnded { .. }
        | Event::AgentCalledOut { .. }
        | Event::Repaired { .. }
        | Event::AgentState { .. }
        | Event::Registered { .. }
        | Event::Unregistered { .. }
        | Event::PhoneGone { .. }
        | Event::AuthenticationFailed { .. }
        | Event::SipRequest { .. }
        | Event::SipResponse { .. }
        | Event::InviteDone { .. }
        | Event::InviteHeard { .. }
        | Event::ByeDone { .. }
        | Event::SipMalformed { .. }
        | Event::Stranger
        | Event::StrangerNamed { .. }
        | Event::AimedAtUs { .. }
        | Event::Flood
        | Event::SourceBanned { .. }
        | Event::Banned
        | Event::ForeignRequest
        | Event::ConnectionClosed { .. }
        | Event::Certificate { .. }
        | Event::CertificateRefused
        | Event::Media { .. }
        | Event::MediaFailed { .. }
        | Event::MessageNotKept { .. }
        | Event::NotDurable { .. }
        | Event::CallEvicted { .. } => None,
    }
}

/// The sentences of one playing that were begun.
fn sentences(play: &Play, now: Instant, dialled: Instant) -> Vec<Moment> {
    let until = play.until.unwrap_or(now);
    let mut heard = Vec::new();
    let mut from = play.from;
    for (spoken, length) in play.sentences.iter().filter(|_| !play.music) {
        // The end of a playing is told a moment after it.
        let cut = until + BLINK / 10 < from + *length;
        if from < until {
            let lasted = until.since(from).min(*length);
            heard.push(Moment { at: from.since(dialled), what: Scene::Heard { spoken: spoken.clone(), lasted, cut } });
        }
        from += *length;
    }
    heard
}
