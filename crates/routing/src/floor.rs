//! Everybody who answers, by seat: their desks, who is alike, and who is idle since when.
//!
//! A seat is an agent's number in the order of names, so that equal agents are told apart by name as by seat. Agents with the same
//! skills and the same queues share a profile; a decision looks at profiles, not at agents.

use crate::Desk;
use crate::desk::Presence;
use crate::reserve::Reserves;
use model::{Agent, AgentId, AgentState, ChooseAgent, Instant, Level, Need, Queue, QueueId, Skill};
use std::collections::{BTreeMap, BTreeSet};

/// The profile of somebody who has been removed from the city and still finishes a call.
pub(crate) const REMOVED: u32 = u32::MAX;
const IDLE: usize = AgentState::Idle as usize;

/// Agents who are alike in everything that is declared of them.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) skills: BTreeMap<Skill, Level>,
    /// By queue: as the how-manieth of their own order they serve it.
    pub(crate) order: Vec<Option<u32>>,
    /// How many there are.
    pub(crate) headcount: u32,
    /// The reserves that count them.
    pub(crate) counted: Vec<usize>,
}

impl Profile {
    pub(crate) fn meets(&self, needs: &[Need]) -> bool {
        needs.iter().all(|need| self.skills.get(&need.skill).is_some_and(|has| *has >= need.level))
    }
}

/// What is declared of an agent: skills, and queues in order.
type Declared<'a> = (Vec<(&'a Skill, &'a Level)>, &'a [QueueId]);

/// How many of one profile are there, by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) states: [u32; AgentState::ALL.len()],
    pub(crate) signed_in: u32,
    /// Signed in, not on a break, and responding.
    pub(crate) staffed: u32,
}

impl Count {
    pub(crate) fn idle(&self) -> u32 {
        self.states[IDLE]
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Floor {
    pub(crate) ids: Vec<AgentId>,
    /// The first bytes of each name, so that most of a search looks at no name.
    beginnings: Vec<u128>,
    /// Those who are still here.
    pub(crate) index: BTreeMap<AgentId, u32>,
    pub(crate) desks: Vec<Desk>,
    pub(crate) states: Vec<AgentState>,
    /// By seat.
    pub(crate) profile: Vec<u32>,
    pub(crate) profiles: Vec<Profile>,
    /// By profile.
    pub(crate) counts: Vec<Count>,
    /// By profile, the idle ones by how long they are.
    pub(crate) idle: Vec<BTreeSet<(Instant, u32)>>,
    /// By profile, the idle ones by how long they have talked. Kept only where a queue chooses by it.
    pub(crate) rested: Vec<BTreeSet<(u64, Instant, u32)>>,
    by_talk: bool,
    /// How often somebody has come or gone: as long as it is the same, sums of those who are there are.
    pub(crate) shifts: u64,
    /// Everybody who is idle.
    pub(crate) idle_in_all: u32,
}

impl Floor {
    pub(crate) fn new(
        agents: &BTreeMap<AgentId, Agent>,
        mut desks: BTreeMap<AgentId, Desk>,
        queues: &[Queue],
        index: &BTreeMap<QueueId, u32>,
        reserves: &mut Reserves,
    ) -> Floor {
        for id in agents.keys() {
            desks.entry(id.clone()).or_default();
        }
        let mut floor = Floor { by_talk: queues.iter().any(|q| q.choose_agent == ChooseAgent::LeastOccupied), ..Floor::default() };
        let mut alike: BTreeMap<Declared, u32> = BTreeMap::new();
        for (seat, (id, desk)) in desks.into_iter().enumerate() {
            let profile = match agents.get(&id) {
                None => REMOVED,
                Some(agent) => *alike.entry((agent.skills.iter().collect(), &agent.serves)).or_insert_with(|| {
                    floor.profiles.push(profile(agent, queues.len(), index, reserves));
                    floor.counts.push(Count::default());
                    floor.idle.push(BTreeSet::new());
                    floor.rested.push(BTreeSet::new());
                    floor.profiles.len() as u32 - 1
                }),
            };
            if let Some(profile) = floor.profiles.get_mut(profile as usize) {
                profile.headcount += 1;
            }
            floor.index.insert(id.clone(), seat as u32);
            floor.beginnings.push(beginning(&id));
            floor.ids.push(id);
            floor.states.push(desk.state());
            floor.desks.push(desk);
            floor.profile.push(profile);
            floor.count(seat as u32, true, reserves);
        }
        floor
    }

    pub(crate) fn desk(&self, seat: u32) -> &Desk {
        &self.desks[seat as usize]
    }
    pub(crate) fn id(&self, seat: u32) -> &AgentId {
        &self.ids[seat as usize]
    }
    pub(crate) fn seat(&self, agent: &AgentId) -> Option<u32> {
        let begins = beginning(agent);
        let first = self.beginnings.partition_point(|other| *other < begins);
        let alike = self.beginnings[first..].iter().take_while(|other| **other == begins).count();
        let seat = (first..first + alike).find(|seat| self.ids[*seat] == *agent)? as u32;
        // Whoever has left the city for good keeps the number and is not found.
        (self.employed(seat) || self.index.contains_key(agent)).then_some(seat)
    }
    pub(crate) fn state(&self, seat: u32) -> AgentState {
        self.states[seat as usize]
    }
    pub(crate) fn profile_of(&self, seat: u32) -> Option<&Profile> {
        self.profiles.get(self.profile[seat as usize] as usize)
    }
    /// Whether the city still names them.
    pub(crate) fn employed(&self, seat: u32) -> bool {
        self.profile[seat as usize] != REMOVED
    }
    /// How many serve a queue, whatever the caller's language, and are there: signed in, not on a break, and responding.
    pub(crate) fn staff(&self, at: u32, queue: &Queue) -> u64 {
        self.serving(at, queue).map(|count| u64::from(count.staffed)).sum()
    }
    /// How many of them are idle.
    pub(crate) fn free(&self, at: u32, queue: &Queue) -> u64 {
        self.serving(at, queue).map(|count| u64::from(count.idle())).sum()
    }
    fn serving(&self, at: u32, queue: &Queue) -> impl Iterator<Item = &Count> {
        let serves = move |profile: &Profile| profile.order.get(at as usize).copied().flatten().is_some() && profile.meets(&queue.needs);
        self.profiles.iter().zip(&self.counts).filter(move |(profile, _)| serves(profile)).map(|(_, count)| count)
    }
    /// Signed in, not on a break, and responding.
    pub(crate) fn is_staffed(&self, seat: u32) -> bool {
        staffed(self.desk(seat)) && self.employed(seat)
    }
    /// Everybody who is idle and in the city, in the order of their seats.
    pub(crate) fn idle_seats(&self) -> impl Iterator<Item = u32> {
        (0..self.ids.len() as u32).filter(|seat| self.state(*seat) == AgentState::Idle && self.employed(*seat))
    }

    /// Every change of a desk: the counts follow. Gives the state before and after.
    pub(crate) fn change<R>(
        &mut self,
        seat: u32,
        reserves: &mut Reserves,
        change: impl FnOnce(&mut Desk) -> R,
    ) -> (R, AgentState, AgentState) {
        self.count(seat, false, reserves);
        let desk = &mut self.desks[seat as usize];
        let was_there = staffed(desk);
        let result = change(desk);
        self.shifts += u64::from(staffed(desk) != was_there);
        let before = std::mem::replace(&mut self.states[seat as usize], desk.state());
        self.count(seat, true, reserves);
        (result, before, self.states[seat as usize])
    }

    fn count(&mut self, seat: u32, there: bool, reserves: &mut Reserves) {
        let profile = self.profile[seat as usize];
        if profile == REMOVED {
            return;
        }
        let (desk, state) = (&self.desks[seat as usize], self.states[seat as usize]);
        let by = if there { 1 } else { -1 };
        let count = &mut self.counts[profile as usize];
        let add = |n: &mut u32, yes: bool| *n = n.wrapping_add_signed(if yes { by } else { 0 });
        add(&mut count.states[state as usize], true);
        add(&mut count.signed_in, desk.signed_in);
        add(&mut count.staffed, staffed(desk));
        if state == AgentState::Idle {
            let since = (desk.idle_since, seat);
            let talk = (nanos(desk.talked), desk.idle_since, seat);
            let (idle, rested) = (&mut self.idle[profile as usize], &mut self.rested[profile as usize]);
            add(&mut self.idle_in_all, true);
            if there {
                idle.insert(since)
            } else {
                idle.remove(&since)
            };
            if self.by_talk {
                if there {
                    rested.insert(talk)
                } else {
                    rested.remove(&talk)
                };
            }
            for i in &self.profiles[profile as usize].counted {
                add(&mut reserves.all[*i].idle, true);
            }
        }
    }

    /// The first disagreement between the counts and the desks.
    pub(crate) fn audit(&self, reserves: &Reserves) -> Result<(), String> {
        let mut counts = vec![Count::default(); self.profiles.len()];
        let mut idle = vec![BTreeSet::new(); self.profiles.len()];
        for seat in 0..self.ids.len() {
            let (desk, state) = (&self.desks[seat], self.desks[seat].state());
            if state != self.states[seat] {
                return Err(format!("{} is {state} by the desk and {} by the books", self.ids[seat], self.states[seat]));
            }
            if desk.away_since.is_some() != (state == AgentState::NotReady) {
                return Err(format!("{} is {state}, and is on a break since {:?}", self.ids[seat], desk.away_since));
            }
            let Some(count) = counts.get_mut(self.profile[seat] as usize) else { continue };
            count.states[state as usize] += 1;
            count.signed_in += u32::from(desk.signed_in);
            count.staffed += u32::from(staffed(desk));
            if state == AgentState::Idle {
                idle[self.profile[seat] as usize].insert((desk.idle_since, seat as u32));
            }
        }
        if counts != self.counts || idle != self.idle {
            return Err("the counts of who does what are not those of the desks".to_owned());
        }
        for (i, kept) in reserves.all.iter().enumerate() {
            let counted = self.profiles.iter().zip(&self.counts).filter(|(p, _)| p.counted.contains(&i));
            if kept.idle != counted.map(|(_, count)| count.idle()).sum::<u32>() {
                return Err(format!("the reserve of {} does not know how many are idle", kept.by));
            }
        }
        Ok(())
    }
}

pub(crate) fn nanos(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Sorts as names do, as far as it goes.
fn beginning(agent: &AgentId) -> u128 {
    let mut first = [0; 16];
    first.iter_mut().zip(agent.as_str().bytes()).for_each(|(to, from)| *to = from);
    u128::from_be_bytes(first)
}

fn staffed(desk: &Desk) -> bool {
    desk.signed_in && desk.presence == Presence::Ready
}

fn profile(agent: &Agent, queues: usize, index: &BTreeMap<QueueId, u32>, reserves: &Reserves) -> Profile {
    let mut order = vec![agent.serves.is_empty().then_some(0); queues];
    for (place, queue) in agent.serves.iter().enumerate().rev() {
        if let Some(queue) = index.get(queue) {
            order[*queue as usize] = Some(place as u32);
        }
    }
    let counted = reserves.all.iter().enumerate().filter(|(_, kept)| agent.skills.contains_key(&kept.rule.of)).map(|(i, _)| i);
    Profile { skills: agent.skills.clone(), order, headcount: 0, counted: counted.collect() }
}
