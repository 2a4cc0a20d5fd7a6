//! A media plane without a single sample: it knows who plays what to whom, and for how long.
//!
//! It answers the engine as `media::Rack` does (events of the same kind, in the same order) without 50 packets a second for each leg, so
//! that hundreds of calls cost nothing. Sound itself is for scenarios with the real rack.

use media::{Command, Event, OnKey, PlayEnd, RecordEnd};
use model::{Digit, Instant, LegId, MediaStats, MixId, PlayId, RecordId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a phone holds a key.
const HOLD: Duration = Duration::from_millis(100);
/// After this without a packet the rack says [`Event::Silent`], and again after as long.
const SILENT: Duration = Duration::from_secs(30);

/// How long a caller speaks who leaves a message, unless they end it.
const SPEAKS: Duration = Duration::from_secs(8);

/// The sessions of all legs.
#[derive(Debug, Default)]
pub(crate) struct Mime {
    legs: BTreeMap<LegId, Leg>,
    /// Ports that another program holds.
    taken: BTreeSet<u16>,
    /// Phones that send no sound any more.
    gone: BTreeSet<SocketAddr>,
    /// Keys that were pressed and are not yet let go.
    held: VecDeque<(Instant, LegId, Digit)>,
    events: VecDeque<(LegId, Event)>,
    /// Whoever is asked for a message says nothing.
    mute: bool,
}

#[derive(Debug, Default)]
struct Leg {
    remote: Option<SocketAddr>,
    play: Option<Play>,
    mix: Option<MixId>,
    passes_keys: bool,
    silent_at: Option<Instant>,
    recording: Option<Recording>,
}

/// A message: since when, when it ends by itself, and how.
#[derive(Debug)]
struct Recording {
    id: RecordId,
    since: Instant,
    ends: Instant,
    how: RecordEnd,
    mute: bool,
}

impl Recording {
    fn ended(&self, now: Instant, how: RecordEnd) -> Event {
        let length = now.since(self.since);
        let spoken = if self.mute { Duration::ZERO } else { length.min(SPEAKS) };
        Event::Recorded { id: self.id, how, length, spoken }
    }
}

#[derive(Debug)]
struct Play {
    id: PlayId,
    length: Duration,
    /// When it ends: once connected, and unless it repeats.
    ends: Option<Instant>,
    on_key: OnKey,
    repeat: bool,
}

impl Mime {
    pub(crate) fn handle_command(&mut self, now: Instant, leg: LegId, command: Command) {
        if let Command::Open { local } = command {
            if self.taken.contains(&local.port()) {
                return self.events.push_back((leg, Event::OpenFailed("the port is taken".to_owned())));
            }
            self.legs.entry(leg).or_default();
            self.events.push_back((leg, Event::Opened(local)));
            return;
        }
        let Some(session) = self.legs.get_mut(&leg) else {
            match command {
                Command::Play { id, .. } => self.events.push_back((leg, Event::Played { id, how: PlayEnd::Failed })),
                Command::Record { id, .. } => {
                    let event = Event::Recorded { id, how: RecordEnd::Lost, length: Duration::ZERO, spoken: Duration::ZERO };
                    self.events.push_back((leg, event));
                }
                _ => {}
            }
            return;
        };
        match command {
            Command::Open { .. } => {}
            Command::Connect(far) => {
                session.remote = Some(far.remote);
                session.silent_at = self.gone.contains(&far.remote).then(|| now + SILENT);
                if let Some(play) = &mut session.play {
                    play.begin(now);
                }
            }
            Command::Play { id, clips, on_key, repeat } => {
                cut(&mut self.events, leg, session);
                let length = clips.iter().map(|clip| clip.length()).sum();
                let mut play = Play { id, length, ends: None, on_key, repeat };
                if session.remote.is_some() {
                    play.begin(now);
                }
                session.play = Some(play);
            }
            Command::Stop(id) => {
                if session.play.as_ref().is_some_and(|play| play.id == id) {
                    cut(&mut self.events, leg, session);
                }
            }
            Command::Join(mix) => {
                cut(&mut self.events, leg, session);
                session.passes_keys &= session.mix == Some(mix);
                session.mix = Some(mix);
            }
            Command::Leave => {
                session.mix = None;
                session.passes_keys = false;
            }
            // Keys are heard by the engine whether or not they go on to somebody's phone.
            Command::PassKeys => session.passes_keys = session.mix.is_some(),
            // Whoever speaks here is heard wherever they are.
            Command::Follow { .. } => {}
            Command::Key(digit, _) => {
                if session.play.as_ref().is_some_and(|play| play.on_key == OnKey::Cut) {
                    cut(&mut self.events, leg, session);
                }
                self.held.push_back((now + HOLD, leg, digit));
            }
            Command::Record { id, max, silence } => {
                let mute = self.mute || session.silent_at.is_some();
                let speaks = if mute { Duration::ZERO } else { SPEAKS };
                let (length, how) = if max <= speaks + silence { (max, RecordEnd::Full) } else { (speaks + silence, RecordEnd::Silent) };
                if let Some(before) = session.recording.replace(Recording { id, since: now, ends: now + length, how, mute }) {
                    self.events.push_back((leg, before.ended(now, RecordEnd::Stopped)));
                }
            }
            Command::StopRecord(id) => {
                if let Some(recording) = session.recording.take_if(|recording| recording.id == id) {
                    self.events.push_back((leg, recording.ended(now, RecordEnd::Stopped)));
                }
            }
            Command::Close => {
                if let Some(recording) = session.recording.take() {
                    self.events.push_back((leg, recording.ended(now, RecordEnd::Closed)));
                }
                cut(&mut self.events, leg, session);
                self.legs.remove(&leg);
                self.events.push_back((leg, Event::Closed(MediaStats::default())));
            }
        }
    }

    /// Other programs hold these ports from here on.
    pub(crate) fn handle_taken(&mut self, ports: impl IntoIterator<Item = u16>) {
        self.taken.extend(ports);
    }

    /// The phone at this RTP address presses a key.
    pub(crate) fn handle_key(&mut self, now: Instant, phone: SocketAddr, digit: Digit) {
        let Some((leg, session)) = self.legs.iter_mut().find(|(_, session)| session.remote == Some(phone)) else { return };
        if session.play.as_ref().is_some_and(|play| play.on_key == OnKey::Cut) {
            cut(&mut self.events, *leg, session);
        }
        self.held.push_back((now + HOLD, *leg, digit));
    }

    /// The phone at this RTP address sends no sound any more.
    pub(crate) fn handle_gone(&mut self, now: Instant, phone: SocketAddr) {
        self.gone.insert(phone);
        for session in self.legs.values_mut().filter(|session| session.remote == Some(phone)) {
            session.silent_at = Some(now + SILENT);
        }
    }

    /// Whoever is asked for a message says nothing from here on.
    pub(crate) fn handle_mute(&mut self) {
        self.mute = true;
    }

    /// The phone at this RTP address can send again.
    pub(crate) fn handle_back(&mut self, phone: SocketAddr) {
        self.gone.remove(&phone);
    }

    /// The phone at this RTP address is heard again in the call that it was in.
    pub(crate) fn handle_healed(&mut self, phone: SocketAddr) {
        self.gone.remove(&phone);
        for session in self.legs.values_mut().filter(|session| session.remote == Some(phone)) {
            session.silent_at = None;
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, leg, digit)) = self.held.front().copied()
            && at <= now
        {
            self.held.pop_front();
            if self.legs.contains_key(&leg) {
                self.events.push_back((leg, Event::Digit(digit, HOLD)));
            }
        }
        for (leg, session) in &mut self.legs {
            if let Some(play) = session.play.take_if(|play| play.ends.is_some_and(|at| at <= now)) {
                self.events.push_back((*leg, Event::Played { id: play.id, how: PlayEnd::Finished }));
            }
            if let Some(recording) = session.recording.take_if(|recording| recording.ends <= now) {
                self.events.push_back((*leg, recording.ended(now, recording.how)));
            }
            if session.silent_at.is_some_and(|at| at <= now) {
                session.silent_at = Some(now + SILENT);
                self.events.push_back((*leg, Event::Silent));
            }
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<(LegId, Event)> {
        self.events.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let held = self.held.front().map(|(at, ..)| *at);
        let due = |session: &Leg| {
            [
                session.play.as_ref().and_then(|play| play.ends),
                session.silent_at,
                session.recording.as_ref().map(|recording| recording.ends),
            ]
        };
        let legs = self.legs.values().flat_map(due);
        legs.flatten().chain(held).min()
    }

    /// Whether the keys of the phone at this RTP address go on to whom it is joined with.
    pub(crate) fn passes_keys(&self, phone: SocketAddr) -> bool {
        self.legs.values().any(|session| session.remote == Some(phone) && session.passes_keys)
    }

    pub(crate) fn sessions(&self) -> usize {
        self.legs.len()
    }
}

impl Play {
    fn begin(&mut self, now: Instant) {
        if !self.repeat && self.ends.is_none() {
            self.ends = Some(now + self.length);
        }
    }
}

/// Ends what plays before its time.
fn cut(events: &mut VecDeque<(LegId, Event)>, leg: LegId, session: &mut Leg) {
    if let Some(play) = session.play.take() {
        events.push_back((leg, Event::Played { id: play.id, how: PlayEnd::Cut }));
    }
}
