//! Everyone who waits: by ticket, by place in the queue, and by what they ask, so that an agent who comes free looks at heads of lines.
//!
//! A ticket whose offer rings keeps its place and is in no line; one that is held is in neither.

use crate::Claim;
use crate::ask::Asks;
use crate::few::Few;
use crate::index::Index;
use crate::key::{Entry, Key, SLOTS_MAX, Slot};
use crate::ranked::Ranked;
use model::{Instant, TicketId};
use std::collections::BTreeSet;

/// The classes: normal, high, urgent.
pub(crate) const CLASSES: usize = 4;
/// The highest.
pub(crate) const URGENT: u8 = 2;
/// Who has waited for as long as the queue lets anybody be overtaken: before everybody, whatever an agent's own order of queues.
pub(crate) const OVERTAKEN: u8 = 3;

/// The lines of a wish: one for each class, and for those who have waited so long one for each class that they declared, since a reserve
/// goes by that.
const LANES: usize = CLASSES + URGENT as usize;
/// The lanes of each class, the highest first.
pub(crate) const RANKS: [std::ops::Range<u8>; CLASSES] = [OVERTAKEN..LANES as u8, 2..3, 1..2, 0..1];

/// The class that was declared by those in a lane.
pub(crate) fn declared_in(lane: u8) -> u8 {
    if lane < OVERTAKEN { lane } else { lane - OVERTAKEN }
}

/// One who waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) claim: Claim,
    pub(crate) queue: u32,
    /// What it asks at its age.
    pub(crate) ask: u32,
    /// Its class; the highest once it has been overtaken for long enough.
    pub(crate) class: u8,
    pub(crate) key: Key,
    /// Still within the patience for the agent who knows the caller.
    pub(crate) patient: bool,
    /// Whose phone rings for it.
    pub(crate) rings_at: Option<u32>,
    /// When something about it changes by itself.
    pub(crate) due: Option<Instant>,
}

impl Waiting {
    /// The class that was asked for, however long it has waited: a reserve for the urgent is not for the patient.
    pub(crate) fn declared(&self) -> u8 {
        self.claim.ticket.class.min(URGENT)
    }
    pub(crate) fn place(&self) -> (std::cmp::Reverse<u8>, Key) {
        (std::cmp::Reverse(self.class), self.key)
    }
    fn lane(&self) -> u8 {
        if self.class < OVERTAKEN { self.class } else { OVERTAKEN + self.declared() }
    }
    fn bonused(&self) -> bool {
        !self.claim.ticket.bonus.is_zero()
    }
    /// Age zero, as the keys count.
    fn since(&self) -> i64 {
        signed(self.claim.ticket.since)
    }
}

/// Everyone who waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    slots: Vec<Option<Box<Waiting>>>,
    /// By slot, so that going along a line looks at no more than that.
    briefs: Vec<Brief>,
    free: Vec<Slot>,
    index: Index,
    /// By lane and wish: who waits, and who of them is first.
    lines: [Vec<Ranked<Entry>>; LANES],
    heads: [Vec<Entry>; LANES],
    /// By lane: the wishes of those who are in it.
    wished: [Few<u32>; LANES],
    /// By lane: how many are in it.
    in_line: [usize; LANES],
    /// By queue.
    queues: Vec<Places>,
}

/// What is asked most of one who waits.
#[derive(Clone, Copy, Debug)]
struct Brief {
    ticket: TicketId,
    /// Nothing sets single agents apart for it.
    plain: bool,
}

/// The places of one queue.
#[derive(Clone, Debug, Default)]
struct Places {
    /// By class; held tickets have none.
    all: [Ranked<Entry>; CLASSES],
    /// Those of them whose key is not their age.
    bonused: [Bonused; CLASSES],
    /// Those of them whose offer rings.
    ringing: BTreeSet<Slot>,
}

/// Whoever stands before their age.
#[derive(Clone, Debug, Default)]
struct Bonused {
    /// With the age.
    keys: Ranked<(Key, i64)>,
    /// The ages, with the arrivals.
    ages: Ranked<Key>,
}

impl Bonused {
    fn insert(&mut self, key: Key, age: i64) {
        self.keys.insert((key, age));
        self.ages.insert(key.aged(age));
    }
    fn remove(&mut self, key: Key, age: i64) {
        self.keys.remove(&(key, age));
        self.ages.remove(&key.aged(age));
    }
    /// The age of whoever has this key.
    fn age(&self, key: Key) -> Option<i64> {
        self.keys.from(&(key, i64::MIN)).filter(|(found, _)| *found == key).map(|(_, age)| *age)
    }
    fn eldest(&self) -> Option<i64> {
        self.ages.first().map(|age| age.since())
    }
    /// How many stand before `since` and are not older than that; of those behind `from`, or of all.
    fn lifted(&self, from: Option<Key>, since: Key) -> usize {
        match from {
            // Nobody is younger than their key: whoever is older stands before it too.
            None => self.keys.before(&(since, i64::MIN)).saturating_sub(self.ages.before(&since)),
            Some(from) if from >= since => 0,
            // No more than the bonus of one ticket lets stand there.
            Some(from) => {
                let between = self.keys.iter_from((from, i64::MIN)).take_while(|(key, _)| *key < since);
                between.filter(|(key, age)| *key > from && key.aged(*age) >= since).count()
            }
        }
    }
}

impl Line {
    pub(crate) fn new(queues: usize) -> Line {
        Line { queues: vec![Places::default(); queues], ..Line::default() }
    }
    pub(crate) fn slot(&self, ticket: TicketId) -> Option<Slot> {
        self.index.get(ticket)
    }
    pub(crate) fn get(&self, slot: Slot) -> Option<&Waiting> {
        self.slots.get(slot as usize)?.as_deref()
    }
    pub(crate) fn find(&self, ticket: TicketId) -> Option<&Waiting> {
        self.get(self.slot(ticket)?)
    }
    /// In the order of ticket ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &Waiting)> {
        self.index.sorted().into_iter().filter_map(|(_, slot)| Some((slot, self.get(slot)?)))
    }
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }
    /// Whether there is no room for one more in all queues together. As many places again are kept for those who had one and come back.
    pub(crate) fn is_full(&self) -> bool {
        self.index.len() >= SLOTS_MAX / 2
    }
    /// Whether nothing sets single agents apart for whoever waits there.
    pub(crate) fn is_plain(&self, slot: Slot) -> bool {
        self.briefs.get(slot as usize).is_some_and(|brief| brief.plain)
    }

    pub(crate) fn insert(&mut self, waiting: Box<Waiting>, asks: &mut Asks) -> Slot {
        let ticket = waiting.claim.ticket.id;
        asks.use_one(waiting.ask);
        let slot = self.free.pop().unwrap_or(self.slots.len() as Slot);
        if slot as usize == self.slots.len() {
            self.slots.push(None);
            self.briefs.push(Brief { ticket, plain: false });
        }
        self.index.insert(ticket, slot);
        self.slots[slot as usize] = Some(waiting);
        self.attach(slot);
        slot
    }
    pub(crate) fn remove(&mut self, slot: Slot, asks: &mut Asks) -> Option<Box<Waiting>> {
        let waiting = self.lift(slot)?;
        self.index.remove(waiting.claim.ticket.id);
        self.free.push(slot);
        asks.leave_one(waiting.ask);
        Some(waiting)
    }
    /// Takes a ticket up, to be put back at once: every change of what decides its place goes through here.
    pub(crate) fn lift(&mut self, slot: Slot) -> Option<Box<Waiting>> {
        self.detach(slot);
        self.slots.get_mut(slot as usize)?.take()
    }
    /// Puts a ticket back that asked `before` when it was taken up.
    pub(crate) fn put_back(&mut self, slot: Slot, waiting: Box<Waiting>, before: u32, asks: &mut Asks) {
        if waiting.ask != before {
            asks.use_one(waiting.ask);
            asks.leave_one(before);
        }
        self.slots[slot as usize] = Some(waiting);
        self.attach(slot);
    }
    pub(crate) fn change(&mut self, slot: Slot, asks: &mut Asks, change: impl FnOnce(&mut Waiting)) {
        let Some(mut waiting) = self.lift(slot) else { return };
        let before = waiting.ask;
        change(&mut waiting);
        self.put_back(slot, waiting, before, asks);
    }
    /// A change that leaves its place as it is.
    pub(crate) fn note<R>(&mut self, slot: Slot, change: impl FnOnce(&mut Waiting) -> R) -> Option<R> {
        self.slots.get_mut(slot as usize)?.as_deref_mut().map(change)
    }
    /// A phone rings for it, or no longer does.
    pub(crate) fn rings(&mut self, slot: Slot, at: Option<u32>) {
        let Some(waiting) = self.slots.get_mut(slot as usize).and_then(Option::as_deref_mut) else { return };
        waiting.rings_at = at;
        let (lane, ask, queue, entry, held) = (waiting.lane(), waiting.ask, waiting.queue, waiting.key.at(slot), waiting.claim.held);
        if held {
            return;
        }
        if at.is_some() {
            self.leave_line(lane, ask, entry);
            self.queues[queue as usize].ringing.insert(slot);
        } else {
            self.join_line(lane, ask, entry);
            self.queues[queue as usize].ringing.remove(&slot);
        }
    }

    fn attach(&mut self, slot: Slot) {
        let Some(waiting) = self.slots.get(slot as usize).and_then(Option::as_deref) else { return };
        self.briefs[slot as usize] = Brief { ticket: waiting.claim.ticket.id, plain: waiting.claim.is_plain() };
        if waiting.claim.held {
            return;
        }
        let (class, lane, ask) = (waiting.class, waiting.lane(), waiting.ask);
        let (entry, rings) = (waiting.key.at(slot), waiting.rings_at.is_some());
        let places = &mut self.queues[waiting.queue as usize];
        places.all[class as usize].insert(entry);
        if waiting.bonused() {
            places.bonused[class as usize].insert(waiting.key, waiting.since());
        }
        if rings {
            places.ringing.insert(slot);
        } else {
            self.join_line(lane, ask, entry);
        }
    }
    fn detach(&mut self, slot: Slot) {
        let Some(waiting) = self.slots.get(slot as usize).and_then(Option::as_deref) else { return };
        if waiting.claim.held {
            return;
        }
        let (class, lane, ask) = (waiting.class, waiting.lane(), waiting.ask);
        let (entry, rings) = (waiting.key.at(slot), waiting.rings_at.is_some());
        let places = &mut self.queues[waiting.queue as usize];
        places.all[class as usize].remove(&entry);
        if waiting.bonused() {
            places.bonused[class as usize].remove(waiting.key, waiting.since());
        }
        if rings {
            places.ringing.remove(&slot);
        } else {
            self.leave_line(lane, ask, entry);
        }
    }
    fn join_line(&mut self, lane: u8, ask: u32, entry: Entry) {
        let (lines, heads) = (&mut self.lines[lane as usize], &mut self.heads[lane as usize]);
        if lines.len() <= ask as usize {
            lines.resize(ask as usize + 1, Ranked::default());
            heads.resize(ask as usize + 1, Entry::NOBODY);
        }
        lines[ask as usize].insert(entry);
        self.in_line[lane as usize] += 1;
        if heads[ask as usize] == Entry::NOBODY {
            self.wished[lane as usize].insert(ask);
        }
        heads[ask as usize] = heads[ask as usize].min(entry);
    }
    fn leave_line(&mut self, lane: u8, ask: u32, entry: Entry) {
        let line = &mut self.lines[lane as usize][ask as usize];
        line.remove(&entry);
        self.in_line[lane as usize] -= 1;
        let head = &mut self.heads[lane as usize][ask as usize];
        if *head == entry {
            *head = line.first().copied().unwrap_or(Entry::NOBODY);
            if *head == Entry::NOBODY {
                self.wished[lane as usize].remove(&ask);
            }
        }
    }

    /// Whether nobody is in this lane.
    pub(crate) fn is_empty(&self, lane: u8) -> bool {
        self.in_line[lane as usize] == 0
    }
    /// The wishes of those who are in this lane.
    pub(crate) fn wished(&self, lane: u8) -> &[u32] {
        self.wished[lane as usize].all()
    }
    /// The first of those who ask this, whose phone does not ring yet.
    pub(crate) fn head(&self, lane: u8, ask: usize) -> Option<Entry> {
        self.heads[lane as usize].get(ask).copied().filter(|head| *head != Entry::NOBODY)
    }
    pub(crate) fn line(&self, lane: u8, ask: usize) -> impl Iterator<Item = &Entry> {
        self.lines[lane as usize].get(ask).into_iter().flat_map(Ranked::iter)
    }

    /// Tickets with a place in a queue: those that ring are among them, those that are held are not.
    pub(crate) fn depth(&self, queue: u32) -> usize {
        self.queues[queue as usize].all.iter().map(Ranked::len).sum()
    }
    pub(crate) fn ringing(&self, queue: u32) -> usize {
        self.queues[queue as usize].ringing.len()
    }
    /// The smallest age zero in a queue.
    pub(crate) fn eldest(&self, queue: u32) -> Option<Instant> {
        let places = &self.queues[queue as usize];
        let plain = |class: usize| {
            places.all[class].iter().map(|entry| entry.key()).find(|key| places.bonused[class].age(*key).is_none()).map(Key::since)
        };
        let bonused = places.bonused.iter().filter_map(Bonused::eldest);
        let eldest = (0..CLASSES).filter_map(plain).chain(bonused).min()?;
        Some(Instant::from_nanos(u64::try_from(eldest).unwrap_or(0)))
    }
    /// Place in its queue, from 1. For one that is held: the place it would have.
    pub(crate) fn position(&self, waiting: &Waiting) -> u32 {
        let all = &self.queues[waiting.queue as usize].all;
        let ahead: usize = all[waiting.class as usize + 1..].iter().map(Ranked::len).sum();
        u32::try_from(ahead + all[waiting.class as usize].before(&waiting.key.first())).unwrap_or(u32::MAX).saturating_add(1)
    }
    /// Those before it whose phone does not ring yet.
    pub(crate) fn ahead(&self, waiting: &Waiting) -> u32 {
        let ringing = &self.queues[waiting.queue as usize].ringing;
        let rung = ringing.iter().filter_map(|slot| self.get(*slot)).filter(|other| other.place() < waiting.place()).count();
        (self.position(waiting) - 1).saturating_sub(rung as u32)
    }
    /// Older tickets of the same queue that stand behind this one and do not ring: how many, and at most `named` of them, the eldest of
    /// each class first.
    pub(crate) fn overtaken_by(&self, waiting: &Waiting, named: usize) -> (u32, Vec<TicketId>) {
        let places = &self.queues[waiting.queue as usize];
        let (mine, since) = (waiting.place(), waiting.key.aged(waiting.since()));
        let behind = |class: usize, key: &Key| (std::cmp::Reverse(class as u8), *key) > mine;
        let mut count = 0usize;
        let mut names = Vec::new();
        for class in 0..=waiting.class as usize {
            if places.all[class].len() == 0 {
                continue;
            }
            // Whoever is older by the key, less those who are so by their bonus alone, and less those who go before.
            let older_by_key = places.all[class].before(&since.first());
            let first_behind = if class == waiting.class as usize { places.all[class].before(&waiting.key.first()) } else { 0 };
            let rings = |slot: &&Slot| {
                self.get(**slot).is_some_and(|w| w.class as usize == class && behind(class, &w.key) && w.key.aged(w.since()) < since)
            };
            // The ticket itself counts as neither: with a bonus it stands before its own age.
            let itself = usize::from(class == waiting.class as usize && waiting.key < since && !waiting.claim.held);
            let lifted_others = places.bonused[class].lifted((class == waiting.class as usize).then_some(waiting.key), since);
            let found = older_by_key.saturating_sub(first_behind + itself + lifted_others);
            let found = found.saturating_sub(places.ringing.iter().filter(rings).count());
            count += found;
            if found > 0 && names.len() < named {
                let from = if class == waiting.class as usize { waiting.key } else { Key::new(i64::MIN, 0) };
                let old = |entry: &&Entry| {
                    let key = entry.key();
                    let age = places.bonused[class].age(key).map_or(key, |age| key.aged(age));
                    behind(class, &key) && age < since && !places.ringing.contains(&entry.slot())
                };
                let older = places.all[class].iter_from(from.first()).take_while(|entry| entry.key() < since).filter(old);
                let older = older.take(named - names.len());
                names.extend(older.map(|entry| self.briefs[entry.slot() as usize].ticket));
            }
        }
        (u32::try_from(count).unwrap_or(u32::MAX), names)
    }

    /// Whether all views hold the same tickets.
    pub(crate) fn is_sound(&self) -> bool {
        let placed = self.iter().filter(|(_, w)| !w.claim.held).count();
        let in_line = self.iter().filter(|(_, w)| !w.claim.held && w.rings_at.is_none()).count();
        let found = |(slot, w): (Slot, &Waiting)| {
            let places = &self.queues[w.queue as usize];
            let line = self.lines[w.lane() as usize].get(w.ask as usize).is_some_and(|line| line.contains(&w.key.at(slot)));
            places.all[w.class as usize].contains(&w.key.at(slot)) != w.claim.held
                && places.ringing.contains(&slot) == (w.rings_at.is_some() && !w.claim.held)
                && line == (w.rings_at.is_none() && !w.claim.held)
        };
        let first = |lane: usize| {
            self.lines[lane].iter().zip(&self.heads[lane]).all(|(line, head)| line.first().copied().unwrap_or(Entry::NOBODY) == *head)
        };
        let wished = |lane: usize| {
            let somebody = self.lines[lane].iter().zip(0..).filter(|(line, _)| line.len() > 0).map(|(_, ask)| ask);
            self.wished[lane].all().iter().copied().eq(somebody)
        };
        let counted = |lane: usize| self.lines[lane].iter().map(Ranked::len).sum::<usize>() == self.in_line[lane];
        (0..LANES).all(counted)
            && (0..LANES).all(wished)
            && (0..self.queues.len()).map(|q| self.depth(q as u32)).sum::<usize>() == placed
            && self.lines.iter().flatten().map(Ranked::len).sum::<usize>() == in_line
            && self.queues.iter().map(|q| q.ringing.len()).sum::<usize>() == self.iter().filter(|(_, w)| w.rings_at.is_some()).count()
            && self.iter().all(found)
            && (0..LANES).all(first)
    }
}

/// An instant as keys count, where a bonus may lead to before the clock's zero.
pub(crate) fn signed(at: Instant) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}
