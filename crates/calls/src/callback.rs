//! Callbacks: who is to be called back, and when that may be. How one attempt goes is in `attempt.rs`.
//!
//! The claim keeps its age. It competes in its queue only while it may be called: within its hours, after the pause since the last
//! attempt. Outside of that it is held. The hours are asked of the wall clock again at each moment that matters (a review each minute,
//! the offer, the INVITE), so that neither a restart nor a clock that jumps can make a telephone ring at night.

use crate::attempt::{Attempt, RING};
use crate::call::Call;
use crate::engine::Engine;
use crate::persons::{Tries, instant_of};
use crate::record::{Booked, Place, Record};
use flow::{CallbackTerms, Hours, Spoken, Wanted};
use model::{
    CallId, CallbackEnd, Event, Instant, Lang, Now, Number, PromptId, QueueEnd, QueueId, Redacted, ScheduleId, TicketId, UnixMillis,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Callbacks that may wait at once. The next caller is told that it is not possible.
const CALLBACKS_MAX: usize = 1000;
/// How often the wall clock is looked at for each of them, and how long one waits that cannot be called just now.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// After asking an agent in vain, because meanwhile no call could go out, it waits this long at most: each time twice as long.
const ASK_AGAIN_MAX: Duration = Duration::from_secs(15 * 60);
/// How long one waits that its queue has no room for.
const ROOM_AGAIN: Duration = Duration::from_secs(5);
/// How far a booking looks ahead for its hours: in a week each schedule has shown all it has.
const AHEAD_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
const MINUTE_MILLIS: i64 = 60_000;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// The two clocks drift apart by milliseconds; by more than this, somebody has put the wall clock right.
const JUMP_MILLIS: i64 = 1000;
/// What a person who is called back hears first.
pub(crate) const GREETING: &str = "callback_greeting";

/// Everybody who is to be called back.
#[derive(Debug, Default)]
pub(crate) struct Callbacks {
    pub(crate) booked: BTreeMap<TicketId, Callback>,
    pub(crate) attempts: BTreeMap<CallId, Attempt>,
    /// When each of those who wait is looked at again.
    wakes: BTreeSet<(Instant, TicketId)>,
    /// What the journal knows and nobody has looked at yet.
    pub(crate) of_the_journal: BTreeMap<TicketId, Booked>,
    /// Wall clock less monotonic clock, in milliseconds.
    offset: Option<i64>,
}

/// Somebody who is to be called back.
#[derive(Debug)]
pub(crate) struct Callback {
    pub(crate) booked: Booked,
    pub(crate) number: Redacted<Number>,
    /// Age zero of the claim.
    pub(crate) since: Instant,
    expires: Instant,
    /// The pause after an attempt.
    not_before: Instant,
    pub(crate) stage: Stage,
    /// How often in a row an agent has answered for it and no call could go out.
    asked_in_vain: u32,
    wake: Option<Instant>,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It may not be called, or its queue has no room. Where it has a place there, that is kept.
    Held,
    /// In its queue.
    Queued,
    /// An agent was found, and this is the call.
    Tried(CallId),
}

/// What is to be done with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Over(CallbackEnd),
    Hold(Instant),
    /// It may be called; that is to be asked again then.
    Call(Instant),
}

impl Booked {
    /// The claim as routing is told it.
    pub(crate) fn claim(&self, id: TicketId, since: Instant) -> routing::Ticket {
        routing::Ticket {
            class: self.place.class,
            bonus: self.bonus,
            excluded: self.except.clone(),
            ..routing::Ticket::plain(id, self.place.queue.clone(), self.needs.clone(), self.place.lang.clone(), since)
        }
    }
}

impl Callbacks {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let attempts = self.attempts.values().filter_map(Attempt::due);
        self.wakes.first().map(|(at, _)| *at).into_iter().chain(attempts).min()
    }

    /// As the journal must know them.
    pub(crate) fn state(&self) -> BTreeMap<TicketId, Booked> {
        let living = self.booked.iter().map(|(id, callback)| (*id, callback.booked.clone()));
        self.of_the_journal.iter().map(|(id, booked)| (*id, booked.clone())).chain(living).collect()
    }

    /// The callback of a number, however it is written.
    fn of(&self, number: &Number) -> Option<TicketId> {
        let wanted = crate::vault::national(number);
        self.booked.iter().find(|(_, callback)| crate::vault::national(callback.number.reveal()) == wanted).map(|(id, _)| *id)
    }

    fn wake(&mut self, id: TicketId, at: Option<Instant>) {
        let Some(callback) = self.booked.get_mut(&id) else { return };
        if let Some(before) = std::mem::replace(&mut callback.wake, at) {
            self.wakes.remove(&(before, id));
        }
        self.wakes.extend(at.map(|at| (at, id)));
    }
}

impl Engine {
    /// The flow asks for a callback. True: it is written down.
    pub(crate) fn book_callback(&mut self, now: Now, call: &mut Call, wanted: Wanted, terms: CallbackTerms) -> bool {
        if call.ticket_id.is_some_and(|id| self.callbacks.booked.contains_key(&id)) {
            return true;
        }
        let Some(number) = self.may_be_called(now, call, &wanted.queue, &terms) else { return false };
        // One callback for a number, however often it is asked for: what was tried counts on, so that nobody can make us ring a stranger.
        let mut tried_before = None;
        if let Some(earlier) = self.callbacks.of(&number)
            && let Some(callback) = self.callbacks.booked.get(&earlier)
        {
            let (attempts, tried, not_before) = (callback.booked.attempts, callback.booked.tried, callback.not_before);
            let under_way = matches!(callback.stage, Stage::Tried(_));
            if under_way || attempts >= terms.attempts {
                return false;
            }
            match self.stop_calling_back(now, earlier) {
                Some(since) if call.ticket_id.is_none() => self.end_called_again(now, call, earlier, since),
                Some(_) | None => self.callback_over(now, earlier, CallbackEnd::CalledAgain),
            }
            tried_before = Some((attempts, tried, not_before));
        }
        // The same holds for a number whose bookings have ended: by another call, or in vain.
        let lately = tried_before.is_none().then(|| self.tried_lately(now, call, &terms)).flatten();
        if lately.is_some_and(|tries| tries.attempts >= terms.attempts) {
            return false;
        }
        let of = |tries: Tries| (tries.attempts, Some(tries.last), now.mono + pause_after(now, tries.last, &terms));
        let (attempts, tried, not_before) = tried_before.or_else(|| lately.map(of)).unwrap_or((0, None, now.mono));
        self.leave_queue(now, call, QueueEnd::Moved);
        let since = self.age_zero(now, call);
        let since_wall = call.waiting_since.map_or(now.wall, |(_, wall)| wall);
        let ticket = self.ticket_of(call);
        let place =
            Place { ticket, queue: wanted.queue.clone(), lang: wanted.lang, since: since_wall, class: wanted.class, kept: call.kept };
        let booked = Booked {
            call: call.id,
            arrived: call.arrived.wall,
            at: now.wall,
            number: call.number.clone(),
            sealed: self.vault.seal(&mut self.random, ticket, &number),
            caller: call.caller_written(),
            person: call.person.clone(),
            place,
            needs: wanted.needs,
            except: wanted.except,
            bonus: wanted.bonus,
            terms,
            version: call.city.book.version.clone(),
            attempts,
            tried,
        };
        self.placed_ticket = self.placed_ticket.max(ticket);
        // Before anything is said (law 5).
        call.after = self.commit(Record::CallbackBooked { ticket, booked: Box::new(booked.clone()) });
        call.booked = true;
        call.last_queue = Some(wanted.queue.clone());
        self.note(Event::CallbackBooked { call: call.id, ticket, queue: wanted.queue });
        let expires = now.mono + booked.terms.expires;
        let number = Redacted::new(number);
        let claim = booked.claim(ticket, since);
        let callback = Callback { booked, number, since, expires, not_before, stage: Stage::Queued, asked_in_vain: 0, wake: None };
        self.callbacks.booked.insert(ticket, callback);
        self.acd.enqueue(now.mono, claim);
        self.review(now, ticket);
        true
    }

    /// What was tried for a number before this booking, within the time that a promise lasts. The person has another name each day, and
    /// what was promised a day ago was booked on the day before that.
    fn tried_lately(&self, now: Now, call: &Call, terms: &CallbackTerms) -> Option<Tries> {
        let day = |ago: i64| self.city.book.calendar.day(UnixMillis(now.wall.0.saturating_sub(ago * DAY_MILLIS)));
        let known = (0..=2).filter_map(|ago| self.vault.person(day(ago), call.caller.reveal()));
        known.filter_map(|person| self.memories.tried(&person, now.wall, terms.expires)).max_by_key(|tries| tries.last)
    }

    /// The number to call back, if it is known, of a kind that may be called, and its hours come in time.
    fn may_be_called(&mut self, now: Now, call: &Call, queue: &QueueId, terms: &CallbackTerms) -> Option<Number> {
        let number = Number::parse(call.caller.reveal()).ok().filter(|number| terms.accept.contains(&number.kind()))?;
        if self.callbacks.booked.len() >= CALLBACKS_MAX || !self.calls_back(queue) || !self.opens(&terms.window, now.wall, terms.expires) {
            return None;
        }
        // Who answers must hear who calls, or they would take us for nobody.
        if self.greeting_in(call.run.lang()).is_none() {
            let (prompt, lang) = (PromptId::from(GREETING), call.run.lang().clone());
            self.note(Event::PromptMissing { call: call.id, prompt, lang });
            return None;
        }
        Some(number)
    }

    /// Whether the city has this queue and a way to the outside.
    fn calls_back(&self, queue: &QueueId) -> bool {
        self.city.book.queues.contains_key(queue) && self.city.book.lines.iter().any(|line| line.trunk.is_some())
    }

    /// Whether a schedule is open at some minute between `from` and so long after it.
    fn opens(&self, window: &ScheduleId, from: UnixMillis, within: Duration) -> bool {
        let minutes = i64::try_from(within.min(AHEAD_MAX).as_secs() / 60).unwrap_or(0);
        (0..=minutes).any(|minute| self.is_open(window, UnixMillis(from.0.saturating_add(minute * MINUTE_MILLIS))) == Some(true))
    }

    fn is_open(&self, window: &ScheduleId, wall: UnixMillis) -> Option<bool> {
        self.hours(window, wall).map(|hours| match hours {
            Hours::Open | Hours::Holiday => true,
            Hours::Closed => false,
        })
    }

    /// The greeting, in the person's language or else in the house's.
    pub(crate) fn greeting_in(&self, lang: &Lang) -> Option<Spoken> {
        let spoken = |lang: &Lang| Spoken { prompt: PromptId::from(GREETING), lang: lang.clone(), value: None };
        [spoken(lang), spoken(&Lang::from("ja"))].into_iter().find(|spoken| self.city.clips.contains_key(spoken))
    }

    /// What is to be done with a callback at this moment.
    fn verdict(&self, now: Now, callback: &Callback) -> Verdict {
        let Booked { terms, place, attempts, .. } = &callback.booked;
        let Some(open) = self.is_open(&terms.window, now.wall).filter(|_| self.calls_back(&place.queue)) else {
            return Verdict::Over(CallbackEnd::Closed);
        };
        if *attempts >= terms.attempts {
            return Verdict::Over(CallbackEnd::Exhausted);
        }
        if callback.expires <= now.mono {
            return Verdict::Over(CallbackEnd::Expired);
        }
        // Hours begin and end with a minute of the wall clock.
        let minute = Duration::from_millis(u64::try_from(MINUTE_MILLIS - now.wall.0.rem_euclid(MINUTE_MILLIS)).unwrap_or(0));
        let look = (now.mono + minute.min(LOOK_AGAIN)).min(callback.expires);
        if now.mono < callback.not_before {
            return Verdict::Hold(callback.not_before.min(callback.expires));
        }
        // A telephone that rings falls silent before the hours end.
        let rings_until = UnixMillis(now.wall.0.saturating_add(i64::try_from(RING.as_millis()).unwrap_or(0)));
        let open = open && self.is_open(&terms.window, rings_until) == Some(true);
        if open && !self.draining() && self.way_out_for_callback(now) { Verdict::Call(look) } else { Verdict::Hold(look) }
    }

    /// Whether it may be called at this very moment.
    pub(crate) fn may_call_back(&self, now: Now, id: TicketId) -> bool {
        self.callbacks.booked.get(&id).is_some_and(|callback| matches!(self.verdict(now, callback), Verdict::Call(_)))
    }

    /// Looks at a callback that is not being tried.
    pub(crate) fn review(&mut self, now: Now, id: TicketId) {
        let Some(callback) = self.callbacks.booked.get(&id) else { return };
        if matches!(callback.stage, Stage::Tried(_)) {
            return;
        }
        match self.verdict(now, callback) {
            Verdict::Over(how) => self.callback_over(now, id, how),
            Verdict::Hold(until) => self.hold_callback(now, id, until),
            Verdict::Call(again) => {
                if callback.stage == Stage::Held {
                    let ticket = callback.booked.claim(id, callback.since);
                    self.set_callback(id, Stage::Queued);
                    if self.acd.position(id).is_some() {
                        self.acd.release(now.mono, id);
                    } else {
                        self.acd.enqueue(now.mono, ticket);
                    }
                }
                self.callbacks.wake(id, Some(again));
            }
        }
    }

    pub(crate) fn set_callback(&mut self, id: TicketId, stage: Stage) {
        if let Some(callback) = self.callbacks.booked.get_mut(&id) {
            callback.stage = stage;
        }
    }

    /// Keeps a callback from being offered until then. Where its queue has taken it, it keeps the place there.
    pub(crate) fn hold_callback(&mut self, now: Now, id: TicketId, until: Instant) {
        self.acd.hold(now.mono, id);
        self.set_callback(id, Stage::Held);
        self.callbacks.wake(id, Some(until));
    }

    /// An attempt, or the way to one, came to nothing: the next one may be made after a pause.
    pub(crate) fn pause_callback(&mut self, now: Now, id: TicketId, pause: Duration) {
        if let Some(callback) = self.callbacks.booked.get_mut(&id) {
            callback.stage = Stage::Held;
            callback.not_before = now.mono + pause;
        }
        self.review(now, id);
    }

    /// A callback could not be tried for a reason of ours: it is looked at again in a minute.
    pub(crate) fn callback_later(&mut self, now: Now, id: TicketId) {
        self.pause_callback(now, id, LOOK_AGAIN);
    }

    /// An agent has answered for a callback, and meanwhile the last channel was taken, or the hour's last call, or the hours were over: the
    /// next time it waits twice as long, or agents would be rung all day for what cannot be.
    pub(crate) fn asked_in_vain(&mut self, now: Now, id: TicketId) {
        let Some(callback) = self.callbacks.booked.get_mut(&id) else { return };
        let pause = LOOK_AGAIN.saturating_mul(2_u32.saturating_pow(callback.asked_in_vain)).min(ASK_AGAIN_MAX);
        callback.asked_in_vain = callback.asked_in_vain.saturating_add(1);
        self.pause_callback(now, id, pause);
    }

    /// The person is called.
    pub(crate) fn count_attempt(&mut self, now: Now, id: TicketId) -> u32 {
        let Some(callback) = self.callbacks.booked.get_mut(&id) else { return 0 };
        callback.asked_in_vain = 0;
        callback.booked.attempts += 1;
        callback.booked.tried = callback.booked.tried.max(Some(now.wall));
        callback.booked.attempts
    }

    /// The queue does not take a callback.
    pub(crate) fn callback_refused(&mut self, now: Now, id: TicketId, why: QueueEnd) {
        match why {
            QueueEnd::Closed => self.callback_over(now, id, CallbackEnd::Closed),
            QueueEnd::Full | QueueEnd::NobodyLoggedIn | QueueEnd::Answered | QueueEnd::Abandoned | QueueEnd::Moved => {
                self.hold_callback(now, id, now.mono + ROOM_AGAIN);
            }
        }
    }

    /// A callback is over, and how.
    pub(crate) fn callback_over(&mut self, now: Now, id: TicketId, how: CallbackEnd) {
        self.callbacks.wake(id, None);
        let Some(callback) = self.callbacks.booked.remove(&id) else { return };
        // Who was reached is an agent's caller: that claim goes on.
        if how != CallbackEnd::Served {
            self.acd.abandon(now.mono, id);
        }
        self.memories.handle_called_back(&callback.booked, how);
        self.commit(Record::CallbackEnded { ticket: id, how });
        self.note(Event::CallbackEnded { ticket: id, queue: callback.booked.place.queue, how });
    }

    /// Somebody asks for a place. If we were to call them back, and the queue takes them, that is over: the call has the claim, and its
    /// age. Calling alone does not end it: who hangs up in the menu, calls with a stranger's number, or is told that nobody is there, must
    /// not cost anybody a callback.
    pub(crate) fn take_up_callback(&mut self, now: Now, call: &mut Call, wanted: &Wanted) {
        let Some(id) = self.callback_of(call) else {
            call.booked = false;
            // What this call had booked may have become a call of its own.
            call.ticket_id = call.ticket_id.filter(|id| self.tickets.get(id).is_none_or(|other| *other == call.id));
            return;
        };
        let Some((since, place)) = self.stop_calling_back(now, id) else {
            // We have just reached them: this is another call of that number.
            call.ticket_id = None;
            return;
        };
        // The callback's own place is free for who has come for it.
        self.acd.leave(now.mono, id);
        let claim = routing::Ticket {
            class: wanted.class,
            excluded: wanted.except.clone(),
            ..routing::Ticket::plain(id, wanted.queue.clone(), wanted.needs.clone(), wanted.lang.clone(), since)
        };
        if self.acd.refuses(&claim).is_some() {
            // The promise stands. What is refused is a claim of the call's own.
            call.ticket_id = None;
            self.set_callback(id, Stage::Held);
            return self.review(now, id);
        }
        self.end_called_again(now, call, id, (since, place));
    }

    /// The callback that a call may take up: its own, or that of its number.
    fn callback_of(&self, call: &Call) -> Option<TicketId> {
        match call.ticket_id {
            Some(id) => self.callbacks.booked.contains_key(&id).then_some(id),
            None => Number::parse(call.caller.reveal()).ok().and_then(|number| self.callbacks.of(&number)),
        }
    }

    /// Whom we were about to call has called us: phones that ring for it stop. Gives since when they wait; `None` when they have answered.
    fn stop_calling_back(&mut self, now: Now, id: TicketId) -> Option<(Instant, UnixMillis)> {
        let callback = self.callbacks.booked.get(&id)?;
        let since = (callback.since, callback.booked.place.since);
        match callback.stage {
            Stage::Tried(attempt) => self.give_up_attempt(now, attempt).then_some(since),
            Stage::Held | Stage::Queued => Some(since),
        }
    }

    /// The call has the claim of the callback, and its age.
    fn end_called_again(&mut self, now: Now, call: &mut Call, id: TicketId, since: (Instant, UnixMillis)) {
        call.waiting_since = Some(since);
        call.ticket_id = Some(id);
        call.booked = false;
        self.callback_over(now, id, CallbackEnd::CalledAgain);
    }

    /// Time has passed.
    pub(crate) fn on_callback_timeout(&mut self, now: Now) {
        while let Some((at, id)) = self.callbacks.wakes.first().copied()
            && at <= now.mono
        {
            self.callbacks.wakes.pop_first();
            if let Some(callback) = self.callbacks.booked.get_mut(&id) {
                callback.wake = None;
            }
            self.review(now, id);
        }
        self.on_attempt_timeout(now);
    }

    /// Looks at all of them: the city is another one, or the clock.
    pub(crate) fn review_callbacks(&mut self, now: Now) {
        let all: Vec<TicketId> = self.callbacks.booked.keys().copied().collect();
        for id in all {
            self.review(now, id);
        }
    }

    /// At each input: takes over what the journal knows, and notices when somebody has put the wall clock right.
    pub(crate) fn wind_callbacks(&mut self, now: Now) {
        while let Some((id, booked)) = self.callbacks.of_the_journal.pop_first() {
            let number = self.vault.open(id, &booked.sealed);
            let since = instant_of(now, booked.place.since);
            let left = booked.terms.expires.saturating_sub(ago(now, booked.at));
            let pause = booked.tried.map_or(Duration::ZERO, |tried| pause_after(now, tried, &booked.terms));
            let Some(number) = number else {
                // The city's key is another one: nobody can read whom to call.
                self.memories.handle_called_back(&booked, CallbackEnd::Closed);
                self.commit(Record::CallbackEnded { ticket: id, how: CallbackEnd::Closed });
                self.note(Event::CallbackEnded { ticket: id, queue: booked.place.queue, how: CallbackEnd::Closed });
                continue;
            };
            let callback = Callback {
                number: Redacted::new(number),
                since,
                expires: now.mono + left,
                not_before: now.mono + pause,
                stage: Stage::Held,
                asked_in_vain: 0,
                wake: None,
                booked,
            };
            self.callbacks.booked.insert(id, callback);
            self.review(now, id);
        }
        let mono = i64::try_from(now.mono.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
        let offset = now.wall.0.saturating_sub(mono);
        let jumped = self.callbacks.offset.is_some_and(|before| offset.saturating_sub(before).saturating_abs() > JUMP_MILLIS);
        if jumped || self.callbacks.offset.is_none() {
            self.callbacks.offset = Some(offset);
        }
        if jumped {
            self.review_callbacks(now);
        }
    }
}

/// How long ago a moment of the wall clock is; nothing, where somebody has put it back since.
fn ago(now: Now, wall: UnixMillis) -> Duration {
    Duration::from_millis(u64::try_from(now.wall.0.saturating_sub(wall.0)).unwrap_or(0))
}

/// What is left of the pause after an attempt.
fn pause_after(now: Now, tried: UnixMillis, terms: &CallbackTerms) -> Duration {
    terms.spacing.saturating_sub(ago(now, tried))
}
