//! Calls to the outside: the one door through which a call leaves the house.
//!
//! Whom we call is a line of `lines.yaml`, or a person who called us: a callback that was agreed, and an agent's call back. There is no
//! other way to fill in a number ([`Whom`]), and each call passes the same three counts: the line's places, the trunk's channels, and
//! the calls out of the last hour. A place is held until SIP is done with the dialog, so that a BYE that is lost cannot let a third call
//! reach a hotline of two lines.

use crate::City;
use crate::call::Leg;
use crate::engine::{Engine, Owner};
use crate::persons::instant_of;
use crate::record::{Abroad, Record};
use crate::terms::Terms;
use crate::trunks::{Direction, REST, Way};
use media::Command as Media;
use model::{
    AgentId, CallId, Codec, DialogId, Event, FlowId, Instant, LegId, LineId, Machine, Millis, Now, Number, Redacted, Seq, TransferEnd,
    Transport, UnixMillis, WhyPassed,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

/// What "calls out in any hour" is counted over.
const HOUR: Duration = Duration::from_secs(3600);
/// Calls of one hour that are remembered over a restart; as many as an hour may have.
const WENT_OUT_MAX: usize = 10_000;
/// A machine that has not said anything at all to an INVITE by then is passed over for the next one, whose INVITE leaves within two seconds of the
/// first. By then it was asked twice (RFC 3261 section 17.1.1.2, timer A).
const TRUNK_DEAF: Duration = Duration::from_millis(1500);
/// The last one is given more: by then it was asked four times.
const TRUNK_DEAF_LAST: Duration = Duration::from_secs(4);
/// Ways that one call out may try.
const WAYS_MAX: usize = 4;
/// Each way is a leg of its own: so far its number lies above that of the way before. Far above all legs that one call makes.
const WAY_STEP: u64 = 1 << 12;

/// Whom we may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// A line of the city that has a target.
    Line(LineId),
    /// A person who called us, over any trunk: a callback that they asked for, or `*9`.
    Person(Redacted<Number>),
}

/// What is wanted of a call to the outside: the same, whichever way it takes.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    call: CallId,
    owner: Owner,
    whom: Whom,
    /// The city's number that is shown.
    shown: Number,
    by: Option<AgentId>,
    /// What is dialled. A person's stays hidden.
    dials: Redacted<Number>,
}

impl Wish {
    fn line(&self) -> Option<&LineId> {
        match &self.whom {
            Whom::Line(line) => Some(line),
            Whom::Person(_) => None,
        }
    }
}

/// A call to the outside.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) leg: Leg,
    wish: Wish,
    pub(crate) stage: Stage,
    /// When it is given up, if nobody has answered (or accepted) by then. Whoever owns the call clears it.
    pub(crate) until: Option<Instant>,
    /// The record of it, before which nothing leaves.
    pub(crate) after: Seq,
    /// The way that it takes.
    way: Way,
    /// Those that are left.
    ways: VecDeque<Way>,
    /// Machines that were asked before they were called, and said nothing. They are called all the same if all others fail.
    silent: Vec<Way>,
    /// A phone rings there: from here on the trunk is as good as any.
    rang: bool,
    /// When the INVITE left, until the other side says that it works on it.
    unheard_since: Option<Instant>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The media session opens.
    Opening,
    /// The machine is asked whether it is there, before it is called.
    Asking,
    /// The INVITE is out; by `deaf` something must have come back.
    Invited {
        /// `None` once it has.
        deaf: Option<Instant>,
    },
    /// Somebody answered.
    Answered,
    /// The other side, or SIP, has ended it.
    Over,
}

/// What has become of a call to the outside by what was heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Nothing that matters to its owner.
    Nothing,
    /// It rings there.
    Ringing,
    /// It rings there, and something is to be heard before the answer: their own ringing tone, or an announcement.
    Early,
    /// Somebody answered and can be heard.
    Answered,
    /// It was not answered, and why.
    Failed(TransferEnd),
    /// The other side hung up, or vanished.
    Left,
}

/// When calls were made to the outside, within the last hour: at most as many as one may make in it.
#[derive(Debug, Default)]
pub(crate) struct CallsOut(VecDeque<Instant>);

/// The same as the journal tells it, by the wall clock: after a restart the hour does not begin anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WentOut(VecDeque<UnixMillis>);

impl WentOut {
    /// A call goes out. Those of an hour before are forgotten, by the time of the records, and so are all but the last ten thousand.
    pub(crate) fn note(&mut self, at: UnixMillis) {
        self.0.push_back(at);
        let old = |then: &UnixMillis| u128::from(at.0.abs_diff(then.0)) >= HOUR.as_millis() && *then < at;
        while self.0.len() > WENT_OUT_MAX || self.0.front().is_some_and(old) {
            self.0.pop_front();
        }
    }
}

impl CallsOut {
    /// What went out before a restart counts on. A clock that was put back in between makes nothing younger than it is at the restart.
    pub(crate) fn restore(&mut self, now: Now, before: &WentOut) {
        let mut all: Vec<Instant> = before.0.iter().map(|at| instant_of(now, *at)).chain(self.0.drain(..)).collect();
        all.sort();
        self.0 = all.into();
    }
    /// How many more the hour has room for.
    fn room(&self, now: Instant, limit: u32) -> usize {
        let old = self.0.partition_point(|at| now.since(*at) >= HOUR);
        (limit as usize).saturating_sub(self.0.len() - old)
    }
    /// One more, if the hour still has room for it.
    fn count(&mut self, now: Instant, limit: u32) -> bool {
        while self.0.front().is_some_and(|at| now.since(*at) >= HOUR) {
            self.0.pop_front();
        }
        let room = self.0.len() < limit as usize;
        if room {
            self.0.push_back(now);
        }
        room
    }
}

impl Outside {
    /// Who it is, as records know them: the line's name. A person has none.
    pub(crate) fn name(&self) -> Option<&LineId> {
        self.wish.line()
    }
    /// When a trunk that has said nothing is taken to be out of order: sooner where there is another one.
    fn deaf_after(&self) -> Duration {
        if self.ways.is_empty() { TRUNK_DEAF_LAST } else { TRUNK_DEAF }
    }
    /// When [`Outside::late`] should be asked.
    pub(crate) fn due(&self) -> Option<Instant> {
        let deaf = match self.stage {
            Stage::Invited { deaf } => deaf,
            Stage::Opening | Stage::Asking | Stage::Answered => None,
            Stage::Over => return None,
        };
        deaf.into_iter().chain(self.until).min()
    }
}

impl Engine {
    /// Begins a call to the outside as leg `index` of `call`, showing `shown`: the city's number that was called. The media session is
    /// opened; its events go to [`Engine::outside_media`], those of the dialog to [`Engine::outside_sip`].
    ///
    /// # Errors
    /// [`TransferEnd::AtCapacity`] when no place, no channel or no call of this hour is left; [`TransferEnd::Failed`] when there is no
    /// such line, no trunk, or no port. Nothing has left the house then.
    #[expect(clippy::too_many_arguments, reason = "each of them is a different thing, and there are two callers")]
    pub(crate) fn call_out(
        &mut self,
        now: Now,
        call: CallId,
        index: u16,
        owner: Owner,
        whom: Whom,
        shown: Number,
        until: Instant,
        by: Option<AgentId>,
    ) -> Result<Outside, TransferEnd> {
        let Some((ways, dials)) = self.ways_to(now, &whom) else { return Err(TransferEnd::Failed) };
        let wish = Wish { call, owner, whom, shown, by, dials };
        let (leg, way, ways, after) = self.set_out(now, &wish, index, ways)?;
        Ok(Outside {
            leg,
            wish,
            stage: Stage::Opening,
            until: Some(until),
            after,
            way,
            ways,
            silent: Vec::new(),
            rang: false,
            unheard_since: None,
        })
    }

    /// Takes the first of these ways that has room, with everything that a call out needs: nothing of it stays taken if there is none.
    fn set_out(
        &mut self,
        now: Now,
        wish: &Wish,
        index: u16,
        mut ways: VecDeque<Way>,
    ) -> Result<(Leg, Way, VecDeque<Way>, Seq), TransferEnd> {
        let leg_id = LegId(wish.call.0 << 16 | u64::from(index));
        let line = wish.line().cloned();
        if let Some(line) = &line
            && !self.acd.seize(line, leg_id)
        {
            self.line_full(wish.call, line);
            return Err(TransferEnd::AtCapacity);
        }
        let mut end = TransferEnd::Failed;
        let way = loop {
            let Some(way) = ways.pop_front() else {
                self.acd.give_back(leg_id);
                return Err(end);
            };
            end = TransferEnd::AtCapacity;
            let why = if !self.acd.seize(&way.trunk, leg_id) {
                WhyPassed::Full
            } else if !self.in_time(now, &way.trunk, Direction::Out) {
                WhyPassed::TooFast
            } else {
                break way;
            };
            self.acd.give_back(leg_id);
            match why {
                WhyPassed::Full if ways.is_empty() => self.line_full(wish.call, &way.trunk),
                why => self.note(Event::TrunkPassedOver { line: way.trunk.clone(), why }),
            }
            if let Some(line) = &line {
                self.acd.seize(line, leg_id);
            }
        };
        let dialog = self.sip.new_dialog();
        let Some(leg) = self.make_leg(wish.call, index, dialog, None, wish.owner) else {
            self.acd.give_back(leg_id);
            return Err(TransferEnd::Failed);
        };
        if !self.calls_out.count(now.mono, self.city.book.settings.calls_out_per_hour) {
            self.acd.give_back(leg_id);
            self.legs.remove(&leg.id);
            self.dialogs.remove(&dialog);
            self.ports.give_back(leg.port);
            self.note(Event::CallsOutLimited);
            return Err(TransferEnd::AtCapacity);
        }
        self.note_places(leg_id, |line, used, lines| Event::LineTaken { line, used, lines });
        self.went_out.note(now.wall);
        let trunk = way.trunk.clone();
        self.abroad.insert(leg_id, Abroad { places: line.iter().cloned().chain([trunk.clone()]).collect(), sealed: None });
        let after = self.commit(Record::CalledOut { call: wish.call, line, trunk, by: wish.by.clone(), at: now.wall, leg: leg_id });
        if let Some(thread) = self.dialogs.get_mut(&dialog) {
            thread.after = after;
        }
        let local = self.bind_addr(&leg);
        self.media(after, leg.id, Media::Open { local });
        Ok((leg, way, ways, after))
    }

    fn line_full(&mut self, call: CallId, line: &LineId) {
        self.commit(Record::LineFull { call, line: line.clone() });
        self.note(Event::LineFull { line: line.clone() });
    }

    /// The trunk failed before any phone rang: the call goes out over the next one, as a leg of its own. False: there is none, or no room.
    ///
    /// Where it has refused, or was only asked, nobody rings, and its place at a hotline is free. A trunk that is deaf to a call may have heard it all
    /// the same: that call is given up, and holds its place until SIP is done with it. So a hotline with two lines never gets a third call; and
    /// where the last place is taken, the machine is asked before it is called (see [`Engine::asks_first`]).
    fn take_next_way(&mut self, now: Now, outside: &mut Outside, why: WhyPassed) -> bool {
        let called = !matches!(outside.stage, Stage::Asking);
        // One question that is lost says little, and without a check nobody knows whether it answers questions at all.
        if called {
            self.rest_way(now, &outside.way, REST);
        } else if let Some(check) = self.trunk(&outside.way.trunk).and_then(|trunk| trunk.check) {
            self.rest_way(now, &outside.way, check.every.min(REST));
        }
        let next = (outside.leg.id.0 & 0xffff) + WAY_STEP;
        let free = |engine: &Engine| !engine.legs.contains_key(&LegId(outside.wish.call.0 << 16 | next));
        let Some(index) = u16::try_from(next).ok().filter(|_| !outside.ways.is_empty() && free(self)) else { return false };
        let before = outside.leg.dialog;
        if why == WhyPassed::Refused || !called {
            self.dialog_over(before);
        }
        let ways = std::mem::take(&mut outside.ways);
        let Ok((leg, way, ways, after)) = self.set_out(now, &outside.wish, index, ways) else { return false };
        self.note(Event::TrunkPassedOver { line: outside.way.trunk.clone(), why });
        if why == WhyPassed::Deaf && called {
            self.sip.handle_command(now, sip::Command::Cancel { dialog: before, reason: None });
        }
        self.close_leg(after, &outside.leg);
        (outside.leg, outside.way, outside.ways, outside.after, outside.stage) = (leg, way, ways, after, Stage::Opening);
        true
    }

    /// Whether the time of a call out is over, and what that means. To be asked when [`Outside::due`] has come.
    pub(crate) fn outside_late(&mut self, now: Now, outside: &mut Outside) -> Option<TransferEnd> {
        match outside.stage {
            Stage::Invited { deaf: Some(deaf) } if deaf <= now.mono => {
                let goes_on = outside.until.is_none_or(|until| until > now.mono) && self.take_next_way(now, outside, WhyPassed::Deaf);
                (!goes_on).then_some(TransferEnd::Failed)
            }
            Stage::Opening | Stage::Asking | Stage::Invited { .. } | Stage::Answered => {
                outside.until.filter(|until| *until <= now.mono).map(|_| TransferEnd::NoAnswer)
            }
            Stage::Over => None,
        }
    }

    /// Whether one person more could be called: a channel of the trunk and a call of this hour are left for them, beyond those for whom
    /// an agent's phone rings already. Asked before that phone rings: nobody is rung for a call that cannot go out.
    pub(crate) fn way_out_for_callback(&self, now: Now) -> bool {
        let is_trunk = |id: &LineId| self.trunk(id).is_some();
        let channels: u32 = self.acd.lines().filter(|(line, ..)| is_trunk(line)).map(|(_, used, all)| all.saturating_sub(used)).sum();
        let hour = self.calls_out.room(now.mono, self.city.book.settings.calls_out_per_hour);
        let asked = self.callbacks.attempts.values().filter(|attempt| attempt.phones().is_some()).count();
        hour.min(channels as usize) > asked
    }

    /// Whether a machine is asked (OPTIONS) before it is called, where there is another way: if the hotline has no place left for a second call beside
    /// this one, and wherever the city says that the trunk answers questions. Silence then is as good as a refusal, for nobody rings for a
    /// question; silence to an INVITE would keep the hotline's place, and might be a telephone that rings.
    fn asks_first(&self, outside: &Outside) -> bool {
        let full = |line: &LineId| self.acd.lines().any(|(id, used, lines)| id == line && used >= lines);
        let again = outside.silent.contains(&outside.way);
        let checked = self.trunk(&outside.way.trunk).is_some_and(|trunk| trunk.check.is_some());
        !again && !outside.ways.is_empty() && (checked || outside.wish.line().is_some_and(full))
    }

    /// The INVITE leaves.
    fn invite_outside(&mut self, now: Now, outside: &mut Outside) {
        let Machine { transport, addr } = outside.way.machine;
        let trunk = self.trunk(&outside.way.trunk);
        // RFC 3263 section 4: a name stays in the URI; it is the way there that is found.
        let name = trunk.and_then(|trunk| trunk.name.as_ref()).map_or_else(|| addr.to_string(), ToString::to_string);
        // Who wants UDP and nothing else says so there, for what is too large for a datagram, too (section 4.1).
        let only = if trunk.is_some_and(|trunk| trunk.transport == Some(Transport::Udp)) { ";transport=udp" } else { "" };
        let to = sip::Target {
            uri: format!("sip:{}@{name}{only}", outside.wish.dials.reveal()),
            flow: FlowId::any(transport),
            addr,
            routes: Vec::new(),
            user: None,
            trunk: Some(outside.way.trunk.clone()),
        };
        let from = sip::Identity { display: String::new(), user: outside.wish.shown.as_str().to_owned() };
        let sdp = sdp::offer(&self.capabilities(&outside.leg, self.codecs_over(&outside.way)));
        outside.stage = Stage::Invited { deaf: Some(now.mono + outside.deaf_after()) };
        outside.unheard_since = Some(now.mono);
        self.sip.handle_command(now, sip::Command::Invite { dialog: outside.leg.dialog, to, from, sdp });
        self.write_will(outside);
    }

    /// The media session of a call to the outside says something: once it is open, the INVITE goes out.
    pub(crate) fn outside_media(&mut self, now: Now, outside: &mut Outside, event: &media::Event) -> Came {
        match event {
            media::Event::Opened(_) if outside.stage == Stage::Opening => {
                if self.asks_first(outside) {
                    outside.stage = Stage::Asking;
                    let (dialog, to) = (outside.leg.dialog, outside.way.machine);
                    self.sip.handle_command(now, sip::Command::Ask { dialog, to, patience: TRUNK_DEAF });
                } else {
                    self.invite_outside(now, outside);
                }
                Came::Nothing
            }
            media::Event::OpenFailed(_) => {
                if self.open_elsewhere(outside.after, &mut outside.leg) {
                    return Came::Nothing;
                }
                self.drop_leg(&outside.leg);
                self.dialog_over(outside.leg.dialog);
                outside.stage = Stage::Over;
                Came::Failed(TransferEnd::Failed)
            }
            media::Event::Silent => {
                self.sip.handle_command(now, sip::Command::Probe { dialog: outside.leg.dialog });
                Came::Nothing
            }
            media::Event::Opened(_)
            | media::Event::Digit(..)
            | media::Event::Played { .. }
            | media::Event::Recorded { .. }
            | media::Event::Closed(_) => Came::Nothing,
        }
    }

    /// What RFC 6076 counts of a call of ours: that somebody works on it, and its end.
    pub(crate) fn note_invite(&mut self, now: Now, trunk: Option<&LineId>, event: &sip::Event, unheard_since: &mut Option<Instant>) {
        let status = match event {
            sip::Event::Ringing { .. } => None,
            sip::Event::Answered { .. } => Some(200),
            sip::Event::Failed { status, .. } => Some(*status),
            _ => return,
        };
        // Silence and our own cancel are nobody's sign of life.
        if let Some(since) = unheard_since.take()
            && !matches!(status, Some(408 | 487))
        {
            self.note(Event::InviteHeard { line: trunk.cloned(), took: Millis::from(now.mono.since(since)) });
        }
        if let Some(status) = status {
            self.note(Event::InviteDone { line: trunk.cloned(), direction: model::Direction::Out, status });
        }
    }

    /// The dialog of a call to the outside says something. An answer is connected here: the other side can be heard after it.
    pub(crate) fn outside_sip(&mut self, now: Now, outside: &mut Outside, event: &sip::Event) -> Came {
        self.note_invite(now, Some(&outside.way.trunk), event, &mut outside.unheard_since);
        match event {
            sip::Event::Trying { .. } | sip::Event::Ringing { .. } => {
                if let Stage::Invited { deaf } = &mut outside.stage {
                    *deaf = None;
                }
                outside.rang |= matches!(event, sip::Event::Ringing { .. });
                match event {
                    sip::Event::Ringing { early: Some(sdp), .. } if self.hear_early(outside, sdp) => Came::Early,
                    sip::Event::Ringing { .. } => Came::Ringing,
                    _ => Came::Nothing,
                }
            }
            sip::Event::Asked { works, .. } if outside.stage == Stage::Asking => {
                if *works {
                    self.invite_outside(now, outside);
                    return Came::Nothing;
                }
                // Some machines answer calls only: it is called if nobody else takes it.
                outside.silent.push(outside.way.clone());
                outside.ways.push_back(outside.way.clone());
                // And before one that has just failed a call.
                outside.ways.make_contiguous().sort_by_cached_key(|way| self.rests(way));
                if self.take_next_way(now, outside, WhyPassed::Deaf) {
                    return Came::Nothing;
                }
                self.dialog_over(outside.leg.dialog);
                outside.stage = Stage::Over;
                Came::Failed(TransferEnd::Failed)
            }
            sip::Event::AskedAgain { .. } => {
                // The trunk is there; what would end this call is another thing from here on.
                if let Stage::Invited { deaf } = &mut outside.stage {
                    *deaf = Some(now.mono + TRUNK_DEAF_LAST);
                }
                self.write_will(outside);
                Came::Nothing
            }
            sip::Event::Answered { sdp, .. } => {
                self.write_will(outside);
                let ours = self.capabilities(&outside.leg, self.codecs_over(&outside.way));
                let answer = sdp.as_deref().and_then(|sdp| sdp::parse(sdp).ok());
                let host = outside.way.machine.addr.ip();
                let aims = |agreed: &sdp::Agreed| self.may_send_sound(host, agreed.remote, agreed.remote_rtcp);
                let Some(agreed) = answer.and_then(|answer| sdp::accept(&answer, &ours).ok()).filter(aims) else {
                    self.sip.handle_command(now, sip::Command::Bye { dialog: outside.leg.dialog });
                    outside.stage = Stage::Over;
                    return Came::Failed(TransferEnd::Failed);
                };
                outside.stage = Stage::Answered;
                self.connect(outside.after, &mut outside.leg, agreed);
                self.settle(&outside.leg);
                Came::Answered
            }
            sip::Event::Failed { status, retry_after, .. } => {
                let trouble = matches!(status, 401 | 407 | 408 | 500 | 502 | 503 | 504);
                let (asked, way) = (matches!(outside.stage, Stage::Invited { .. }), outside.way.clone());
                outside.stage = Stage::Over;
                // What has rung is not rung again by another way.
                let goes_on = trouble && !outside.rang && asked && self.take_next_way(now, outside, WhyPassed::Refused);
                // It knows best itself how long it is in trouble (RFC 3261 section 21.5.4).
                if let Some(wait) = retry_after.filter(|_| trouble && asked) {
                    self.rest_way(now, &way, wait);
                }
                if goes_on { Came::Nothing } else { Came::Failed(how_it_failed(*status)) }
            }
            sip::Event::Bye { .. } => {
                outside.stage = Stage::Over;
                Came::Left
            }
            sip::Event::ProbeFailed { .. } | sip::Event::PeerLost { .. } => Came::Left,
            sip::Event::Reoffer { .. } | sip::Event::AnswerCame { .. } => {
                match self.handle_terms(now, outside.after, &mut outside.leg, event) {
                    Terms::Stand => Came::Nothing,
                    Terms::Broken => Came::Left,
                }
            }
            // These belong to dialogs that others opened.
            _ => Came::Nothing,
        }
    }

    /// Whether what comes before the answer can be heard (RFC 3960 section 3.1). It is connected then.
    fn hear_early(&mut self, outside: &mut Outside, sdp: &[u8]) -> bool {
        let ours = self.capabilities(&outside.leg, self.codecs_over(&outside.way));
        let agreed = sdp::parse(sdp).and_then(|answer| sdp::accept(&answer, &ours)).ok();
        let Some(agreed) = agreed.filter(|agreed| self.may_be_heard_there(&outside.leg, agreed)) else { return false };
        self.connect(outside.after, &mut outside.leg, agreed);
        true
    }

    /// The codecs that a trunk takes.
    fn codecs_over(&self, way: &Way) -> Vec<Codec> {
        self.trunk(&way.trunk).map_or_else(|| Codec::ALL.to_vec(), |trunk| trunk.profile.codecs())
    }

    /// Lets a call to the outside go, whatever its stage. Its places come back when SIP is done with it.
    pub(crate) fn let_outside_go(&mut self, now: Now, after: Seq, outside: &Outside) {
        let dialog = outside.leg.dialog;
        match outside.stage {
            // No INVITE was ever sent: there is no dialog that could end.
            Stage::Opening => self.dialog_over(dialog),
            Stage::Asking => {
                self.sip.handle_command(now, sip::Command::Forget { dialog });
                self.dialog_over(dialog);
            }
            Stage::Invited { .. } => self.sip.handle_command(now, sip::Command::Cancel { dialog, reason: None }),
            Stage::Answered => self.sip.handle_command(now, sip::Command::Bye { dialog }),
            Stage::Over => {}
        }
        self.close_leg(after.max(outside.after), &outside.leg);
    }

    /// SIP is done with a dialog: the places that its leg held are free.
    pub(crate) fn dialog_over(&mut self, dialog: DialogId) {
        let Some(thread) = self.dialogs.remove(&dialog) else { return };
        if self.abroad.remove(&thread.leg).is_some() {
            self.commit(Record::OutsideOver { leg: thread.leg });
        }
        let held: Vec<LineId> = self.acd.takers().filter(|(_, leg)| *leg == thread.leg).map(|(line, _)| line.clone()).collect();
        if held.is_empty() {
            return;
        }
        self.acd.give_back(thread.leg);
        for line in held {
            let (used, lines) = self.acd.lines().find(|(id, ..)| **id == line).map_or((0, 0), |(_, used, lines)| (used, lines));
            self.note(Event::LineFreed { line, used, lines });
        }
    }

    /// A line that is published under another name has the same telephones: whoever talks there holds a place of it, too.
    pub(crate) fn follow_lines(&mut self, city: &City) {
        let number_of = |id: &LineId| self.city.book.lines.iter().find(|line| line.id == *id)?.target.as_ref().map(|t| &t.number);
        let named = |number: &Number| city.book.lines.iter().find(|line| line.target.as_ref().is_some_and(|t| t.number == *number));
        let moved: Vec<(LineId, LegId)> = self
            .acd
            .takers()
            .filter_map(|(line, leg)| Some((named(number_of(line)?)?.id.clone(), leg)).filter(|(to, _)| to != line))
            .collect();
        for (line, leg) in moved {
            self.acd.occupy(&line, leg);
        }
    }

    /// Whether an address is that of a trunk: its answers are heard. Whether it may call in is another matter (`from`).
    pub(crate) fn is_trunk(&self, ip: IpAddr) -> bool {
        self.city.book.lines.iter().filter_map(|line| line.trunk.as_ref()).any(|trunk| trunk.is_at(ip.to_canonical()))
    }

    /// Over which trunks somebody is reached, and what is dialled; `None` without such a line, or without any trunk.
    fn ways_to(&mut self, now: Now, whom: &Whom) -> Option<(VecDeque<Way>, Redacted<Number>)> {
        let lines = &self.city.book.lines;
        let (trunks, dials) = match whom {
            Whom::Line(id) => {
                let target = lines.iter().find(|line| line.id == *id)?.target.as_ref()?;
                (target.trunks.clone(), Redacted::new(target.number.clone()))
            }
            Whom::Person(number) => {
                (lines.iter().filter(|line| line.trunk.is_some()).map(|line| line.id.clone()).collect(), number.clone())
            }
        };
        let mut ways = VecDeque::from(self.ways_over(now, trunks));
        ways.truncate(WAYS_MAX);
        (!ways.is_empty()).then_some((ways, dials))
    }

    pub(crate) fn note_places(&mut self, leg: LegId, event: impl Fn(LineId, u32, u32) -> Event) {
        let held: Vec<LineId> = self.acd.takers().filter(|(_, taker)| *taker == leg).map(|(line, _)| line.clone()).collect();
        let events: Vec<Event> =
            self.acd.lines().filter(|(line, ..)| held.contains(line)).map(|(line, used, lines)| event(line.clone(), used, lines)).collect();
        events.into_iter().for_each(|event| self.note(event));
    }
}

/// What a final answer to our INVITE says of the other side (RFC 3261 sections 21.4 to 21.6).
fn how_it_failed(status: u16) -> TransferEnd {
    match status {
        486 | 600 => TransferEnd::Busy,
        408 | 480 | 487 => TransferEnd::NoAnswer,
        403 | 603 => TransferEnd::Refused,
        _ => TransferEnd::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_lets_through_its_number_of_calls_and_no_more() {
        let mut calls = CallsOut::default();
        let at = |secs: u64| Instant::from_millis(secs * 1000);
        assert!(calls.count(at(0), 2) && calls.count(at(1800), 2));
        assert!(!calls.count(at(3599), 2), "the third within one hour");
        assert_eq!([at(3599), at(3600), at(5400)].map(|now| calls.room(now, 2)), [0, 1, 2]);
        assert!(calls.count(at(3600), 2), "the first is an hour old");
        assert!(!calls.count(at(3601), 2));
        assert_eq!(calls.0.len(), 2, "what is refused is not counted, and nothing older than an hour is kept");
        assert!(!CallsOut::default().count(at(0), 0), "no calls out at all");
    }
}
