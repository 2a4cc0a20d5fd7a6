//! The one decision point: who may take whom, who comes first, and the offers that follow.
//!
//! What is looked at: heads of lines for an agent who comes free, idle agents by profile for a ticket that becomes eligible. Only when
//! several agents and tickets change in one input are both sides brought together by a stable matching.

use crate::ask::{Fit, Grant};
use crate::floor::nanos;
use crate::key::{Entry, Key, Slot};
use crate::line::{OVERTAKEN, RANKS, Waiting, declared_in};
use crate::{Acd, Decision, matching};
use model::{AgentState, ChooseAgent, Instant, OfferId, TicketId};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

/// How a ticket ranks an agent, smaller first: whom it prefers, who did not miss it (else who missed it longest ago), the ring, the
/// queue's own before those who help, the queue's choice, who is idle longest, the name.
type Preference = (bool, usize, u8, bool, u64, Instant, u32);

/// How an agent ranks a ticket, smaller first: class, the agent's own order of queues, age with its bonus, arrival.
type Rank = (Reverse<u8>, u32, Key);

/// Looking up whether a wish may be granted costs as much as going through so many grants.
const LOOKUP_COSTS: usize = 4;

/// As many agents are brought together by looking at each other's first choices.
const FEW: usize = 4;

/// An offer that was made in this input: whom it rings, for whom, and how long they had been idle.
pub(crate) struct Rung {
    offer: OfferId,
    slot: Slot,
    pub(crate) seat: u32,
    idle: Duration,
}

impl Acd {
    /// Brings waiting tickets and idle agents together until nothing more fits.
    pub(crate) fn decide(&mut self) {
        let mut let_go = Vec::new();
        self.reserves.settle(&mut let_go);
        if !let_go.is_empty() {
            // Whom a reserve has kept back so far is as good as freed.
            let counts = |profile: &u32| self.floor.profiles[*profile as usize].counted.iter().any(|i| let_go.contains(i));
            let idle = |profile: &u32| self.floor.counts[*profile as usize].idle() > 0;
            for profile in (0..self.floor.profiles.len() as u32).filter(|profile| idle(profile) && counts(profile)) {
                self.freed.extend(self.floor.idle[profile as usize].iter().map(|(_, seat)| *seat));
            }
        }
        let mut rung = Vec::new();
        let mut holding = Vec::new();
        if self.floor.idle_in_all > 0 {
            holding.extend(self.reserves.all.iter().map(|kept| kept.holds));
            let (mut freed, mut fresh) = (std::mem::take(&mut self.freed), std::mem::take(&mut self.fresh));
            let eligible = |acd: &Acd, slot: Slot| acd.line.get(slot).is_some_and(|w| !w.claim.held && w.rings_at.is_none());
            fresh.retain(|slot| eligible(self, slot));
            loop {
                let pairs = self.pairs(freed.all(), fresh.all());
                if !self.commit(pairs, &mut rung) {
                    break;
                }
                freed.retain(|seat| self.floor.state(seat) == AgentState::Idle);
                fresh.retain(|slot| eligible(self, slot));
            }
            (self.freed, self.fresh) = (freed, fresh);
        }
        self.freed.clear();
        self.fresh.clear();
        self.tell(&rung, &holding);
    }

    /// Who would take whom. Every pair is one that the reserves allow; not all of them together.
    fn pairs(&self, freed: &[u32], fresh: &[Slot]) -> Vec<(Slot, u32)> {
        let holds = |reserve: usize| self.reserves.all[reserve].holds;
        match (freed, fresh) {
            ([], []) => Vec::new(),
            ([seat], []) => self.first_for(*seat).map(|slot| (slot, *seat)).into_iter().collect(),
            ([], [slot]) => {
                let waiting = self.line.get(*slot);
                waiting.and_then(|w| self.closest(w, 1, holds).first().map(|seat| (*slot, *seat))).into_iter().collect()
            }
            (freed, []) if freed.len() <= FEW => self.mutual(freed).unwrap_or_else(|| self.matched(freed, fresh)),
            _ => self.matched(freed, fresh),
        }
    }

    /// A few agents at once and nobody fresh, as when a reserve lets go: whoever is each other's first choice belongs together in every
    /// stable outcome. `None` when somebody's first choice would rather have another, who in turn would not.
    fn mutual(&self, freed: &[u32]) -> Option<Vec<(Slot, u32)>> {
        let mut pairs: Vec<(Slot, u32)> = Vec::with_capacity(freed.len());
        let mut open: Vec<(u32, Slot)> = freed.iter().filter_map(|seat| Some((*seat, self.first_for(*seat)?))).collect();
        while !open.is_empty() {
            let wants = |slot: Slot| {
                let waiting = self.line.get(slot)?;
                let may = open.iter().map(|(seat, _)| *seat).filter(|seat| self.may(waiting, *seat));
                may.min_by_key(|seat| self.preference(waiting, *seat))
            };
            let (seat, slot) = open.iter().copied().find(|(seat, slot)| wants(*slot) == Some(*seat))?;
            pairs.push((slot, seat));
            open.retain(|(other, _)| *other != seat);
            // Whoever wanted the same ticket looks further.
            let taken = |slot: &Slot| pairs.iter().any(|(other, _)| other == slot);
            let next = |seat: u32| self.first_few_for(seat, pairs.len() + 1).into_iter().find(|slot| !taken(slot));
            open = open.iter().filter_map(|(seat, wish)| Some((*seat, if *wish == slot { next(*seat)? } else { *wish }))).collect();
        }
        Some(pairs)
    }

    /// Several agents and tickets at once. In a stable outcome a freed agent has one of the first tickets of their own ranking, at most
    /// as many as agents were freed and tickets are fresh: further down there is always one left that nobody else has.
    fn matched(&self, freed: &[u32], fresh: &[Slot]) -> Vec<(Slot, u32)> {
        let holds = |reserve: usize| self.reserves.all[reserve].holds;
        let mut candidates: BTreeSet<Slot> = fresh.iter().copied().collect();
        for seat in freed {
            candidates.extend(self.first_few_for(*seat, freed.len() + fresh.len()));
        }
        let (mut asking, mut wishes) = (Vec::new(), Vec::new());
        for slot in candidates {
            let Some(waiting) = self.line.get(slot) else { continue };
            let wish = if fresh.binary_search(&slot).is_ok() {
                self.closest(waiting, usize::MAX, holds)
            } else {
                let mut wish: Vec<u32> = freed.iter().copied().filter(|seat| self.may(waiting, *seat)).collect();
                wish.sort_by_cached_key(|seat| self.preference(waiting, *seat));
                wish
            };
            if !wish.is_empty() {
                asking.push((slot, waiting));
                wishes.push(wish);
            }
        }
        let seats: Vec<u32> = wishes.iter().flatten().copied().collect::<BTreeSet<u32>>().into_iter().collect();
        let numbered = |wish: Vec<u32>| wish.into_iter().filter_map(|seat| seats.binary_search(&seat).ok()).collect();
        let wishes: Vec<Vec<usize>> = wishes.into_iter().map(numbered).collect();
        let rank = |agent: usize, caller: usize| self.rank(seats[agent], asking[caller].1);
        let pairs = matching::pair(&wishes, seats.len(), rank);
        asking.iter().zip(pairs).filter_map(|((slot, _), agent)| Some((*slot, seats[agent?]))).collect()
    }

    /// Makes the offers, in the order of the places, each if the reserves allow it after those before. `true`: some did not come about,
    /// and are to be looked at again.
    fn commit(&mut self, mut pairs: Vec<(Slot, u32)>, rung: &mut Vec<Rung>) -> bool {
        pairs.sort_by_cached_key(|(slot, _)| self.line.get(*slot).map(Waiting::place));
        let mut dropped = false;
        for (slot, seat) in pairs {
            let (Some(waiting), Some(profile)) = (self.line.get(slot), self.floor.profile_of(seat)) else { continue };
            if self.reserves.blocks(&profile.counted, waiting) {
                dropped = true;
                continue;
            }
            let idle = self.clock.since(self.floor.desk(seat).idle_since);
            if let Some(offer) = self.ring(slot, seat) {
                rung.push(Rung { offer, slot, seat, idle });
            }
            // One less is idle: a reserve may begin to hold, none lets go.
            self.reserves.settle(&mut Vec::new());
        }
        dropped
    }

    /// Says what came of it. All phones ring before the first reason is worked out, so that no reason calls somebody idle who is not.
    fn tell(&mut self, rung: &[Rung], holding: &[bool]) {
        for Rung { offer, slot, seat, idle } in rung {
            let Some(waiting) = self.line.get(*slot) else { continue };
            let queue = &self.queues[waiting.queue as usize];
            let (agent, ring_for) = (self.floor.id(*seat).clone(), queue.ring_for);
            let (ticket, queue) = (waiting.claim.ticket.id, queue.id.clone());
            let why = self.why(waiting, Some((*seat, *idle)), rung, |reserve| holding[reserve]);
            self.out.push_back(Decision::Offer { offer: *offer, ticket, queue, agent: agent.clone(), ring_for, why });
            let (from, to) = (AgentState::Idle, AgentState::Offered);
            self.out.push_back(Decision::Agent { agent, from, to, ended: None, reason: None });
        }
        // By their names, not by their slots: a restart gives out slots anew.
        let waits_on =
            |slot: &Slot| self.line.get(*slot).filter(|w| !w.claim.held && w.rings_at.is_none()).map(|w| (w.claim.ticket.id, *slot));
        let mut told: Vec<(TicketId, Slot)> = self.told.all().iter().filter_map(waits_on).collect();
        told.sort_unstable();
        self.told.clear();
        for (ticket, slot) in told {
            let Some(waiting) = self.line.get(slot) else { continue };
            let why = self.why(waiting, None, rung, |reserve| self.reserves.all[reserve].holds);
            let queue = waiting.claim.ticket.queue.clone();
            self.out.push_back(Decision::Waits { ticket, queue, why });
            self.stands(slot);
        }
    }

    /// The agents who may take a ticket at once, best first, at most `most`; `holds` says which reserves hold.
    pub(crate) fn closest(&self, waiting: &Waiting, most: usize, holds: impl Fn(usize) -> bool) -> Vec<u32> {
        let ask = self.asks.get(waiting.ask);
        let by_talk = self.queues[waiting.queue as usize].choose_agent == ChooseAgent::LeastOccupied;
        let plain = waiting.claim.is_plain();
        let alone = if plain { None } else { self.alone(waiting) };
        let mut best: Vec<(Preference, u32)> = Vec::new();
        for profile in &ask.able {
            let at = *profile as usize;
            if self.floor.counts[at].idle() == 0 || !ask.fits[at].may() {
                continue;
            }
            let counted = &self.floor.profiles[at].counted;
            if self.reserves.against(counted, waiting.queue, waiting.declared(), &holds).is_some() {
                continue;
            }
            // Within a profile the set's order is the order of preference, unless something sets single agents apart.
            let mut consider = |seat: u32| {
                if !plain && !self.personally(waiting, seat, alone) {
                    return true;
                }
                let preference = self.preference(waiting, seat);
                if best.len() >= most && best.last().is_some_and(|(worst, _)| *worst < preference) {
                    return !plain;
                }
                let place = best.partition_point(|(other, _)| *other < preference);
                best.insert(place, (preference, seat));
                best.truncate(most);
                true
            };
            if by_talk {
                let _ = self.floor.rested[at].iter().all(|(_, _, seat)| consider(*seat));
            } else {
                let _ = self.floor.idle[at].iter().all(|(_, seat)| consider(*seat));
            }
        }
        best.into_iter().map(|(_, seat)| seat).collect()
    }

    fn preference(&self, waiting: &Waiting, seat: u32) -> Preference {
        let (desk, id, claim) = (self.floor.desk(seat), self.floor.id(seat), &waiting.claim);
        let missed = claim.missed_by.iter().position(|agent| agent == id).map_or(0, |i| i + 1);
        let preferred = missed == 0 && claim.ticket.preferred.as_ref().is_some_and(|preferred| preferred.agent == *id);
        let fit = self.asks.get(waiting.ask).fits.get(self.floor.profile[seat as usize] as usize);
        let (helps, ring, level) = match fit {
            Some(Fit::Fits { helps, ring, level, .. }) => (*helps, *ring, level.0),
            Some(Fit::DoesNotServe | Fit::Lacks) | None => (true, u8::MAX, 0),
        };
        let choice = match self.queues[waiting.queue as usize].choose_agent {
            ChooseAgent::LongestIdle => 0,
            ChooseAgent::LeastOccupied => nanos(desk.talked),
            ChooseAgent::BestSkill => u64::from(u8::MAX - level),
        };
        (!preferred, missed, ring, helps, choice, desk.idle_since, seat)
    }

    fn rank(&self, seat: u32, waiting: &Waiting) -> Rank {
        let profile = self.floor.profile[seat as usize] as usize;
        let fit = self.asks.get(waiting.ask).fits[profile];
        let order = if waiting.class == OVERTAKEN { 0 } else { fit.order(&self.floor.profiles[profile], waiting.queue) };
        (Reverse(waiting.class), order, waiting.key)
    }

    /// Whether an idle agent may take a ticket at once.
    pub(crate) fn may(&self, waiting: &Waiting, seat: u32) -> bool {
        let Some(profile) = self.floor.profile_of(seat) else { return false };
        self.asks.get(waiting.ask).fits[self.floor.profile[seat as usize] as usize].may()
            && !self.reserves.blocks(&profile.counted, waiting)
            && (waiting.claim.is_plain() || self.personally(waiting, seat, self.alone(waiting)))
    }

    /// Whether nothing sets this very agent apart for this very ticket.
    fn personally(&self, waiting: &Waiting, seat: u32, alone: Option<u32>) -> bool {
        let id = self.floor.id(seat);
        alone.is_none_or(|only| only == seat)
            && !waiting.claim.ticket.excluded.contains(id)
            && !waiting.claim.paused.iter().any(|pause| pause.agent == *id)
    }

    /// The same by slot: mostly without a look at who waits there.
    fn suits(&self, slot: Slot, seat: u32) -> bool {
        self.line.is_plain(slot) || self.line.get(slot).is_some_and(|w| self.personally(w, seat, self.alone(w)))
    }

    /// The agent who knows the caller, while nobody else is asked: there, fitting, and not asked in vain yet.
    pub(crate) fn alone(&self, waiting: &Waiting) -> Option<u32> {
        let (preferred, claim) = (waiting.claim.ticket.preferred.as_ref().filter(|_| waiting.patient)?, &waiting.claim);
        let seat = self.floor.seat(&preferred.agent).filter(|seat| self.floor.is_staffed(*seat))?;
        let fits = self.asks.get(waiting.ask).fits.get(self.floor.profile[seat as usize] as usize).is_some_and(|fit| fit.may());
        let in_vain = claim.missed_by.contains(&preferred.agent) || claim.ticket.excluded.contains(&preferred.agent);
        (fits && !in_vain).then_some(seat)
    }

    /// What an agent may grant of what is wished in a lane; more than that where most of it is wished there.
    fn granted_in(&self, lane: u8, seat: u32, mut each: impl FnMut(Grant)) {
        let Some(profile) = self.floor.profile_of(seat) else { return };
        let at = self.floor.profile[seat as usize];
        let (wished, granted) = (self.line.wished(lane), self.asks.granted(at));
        // A wish is looked up, and a grant is at hand.
        if wished.len() * LOOKUP_COSTS < granted.len() {
            wished.iter().filter_map(|ask| self.asks.grant(*ask, at, profile)).for_each(each);
        } else {
            granted.iter().for_each(|grant| each(*grant));
        }
    }

    /// The ticket that an idle agent takes first.
    fn first_for(&self, seat: u32) -> Option<Slot> {
        let profile = self.floor.profile_of(seat)?;
        for lanes in RANKS {
            let mut best: Option<(u32, Entry)> = None;
            for lane in lanes.filter(|lane| !self.line.is_empty(*lane)) {
                self.granted_in(lane, seat, |grant| {
                    let Some(head) = self.line.head(lane, grant.ask as usize) else { return };
                    let order = if lane >= OVERTAKEN { 0 } else { grant.order };
                    // Within a lane all of a queue are favoured by a reserve or none.
                    if best.is_some_and(|best| best < (order, head))
                        || self.reserves.blocks_at(&profile.counted, grant.queue, declared_in(lane))
                    {
                        return;
                    }
                    let first = if self.suits(head.slot(), seat) {
                        Some(head)
                    } else {
                        self.line.line(lane, grant.ask as usize).find(|entry| self.suits(entry.slot(), seat)).copied()
                    };
                    let found = first.map(|first| (order, first));
                    best = [best, found].into_iter().flatten().min();
                });
            }
            if let Some((_, first)) = best {
                return Some(first.slot());
            }
        }
        None
    }

    /// The first tickets of an agent's ranking.
    fn first_few_for(&self, seat: u32, most: usize) -> Vec<Slot> {
        let Some(profile) = self.floor.profile_of(seat) else { return Vec::new() };
        let mut found: Vec<(u32, Entry)> = Vec::new();
        let mut all = Vec::new();
        for lanes in RANKS {
            found.clear();
            for lane in lanes.filter(|lane| !self.line.is_empty(*lane)) {
                self.granted_in(lane, seat, |grant| {
                    let Some(head) = self.line.head(lane, grant.ask as usize) else { return };
                    let order = if lane >= OVERTAKEN { 0 } else { grant.order };
                    let room = most - all.len();
                    // The best so far, in order: a line is left at the first who comes after all of them.
                    let too_late = |found: &Vec<(u32, Entry)>, next: (u32, Entry)| {
                        found.len() >= room && found.last().is_some_and(|last| *last < next)
                    };
                    if too_late(&found, (order, head)) || self.reserves.blocks_at(&profile.counted, grant.queue, declared_in(lane)) {
                        return;
                    }
                    for entry in self.line.line(lane, grant.ask as usize) {
                        let next = (order, *entry);
                        if too_late(&found, next) {
                            break;
                        }
                        if self.suits(entry.slot(), seat) {
                            found.insert(found.partition_point(|other| *other < next), next);
                            found.truncate(room);
                        }
                    }
                });
            }
            all.extend(found.iter().map(|(_, entry)| entry.slot()));
            if all.len() >= most {
                break;
            }
        }
        all
    }
}
