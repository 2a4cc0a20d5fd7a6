//! What tickets ask, each distinct wish once, and who can grant it: worked out when a wish is first met, not at each decision.

use crate::floor::{Floor, Profile};
use crate::needs::Asked;
use model::{Lang, Need, Queue, QueueId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Wishes that nobody has at the moment and that are remembered nevertheless. Beyond it the oldest is forgotten and worked out again.
const REMEMBERED_MAX: usize = 512;

/// One wish: everything that decides who fits, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wish {
    pub(crate) queue: u32,
    pub(crate) needs: Vec<Need>,
    pub(crate) lang: Lang,
    /// Easings in force.
    pub(crate) relax: u32,
    /// Rings that have joined in.
    pub(crate) ring: u32,
}

impl Wish {
    /// Equal for equal wishes, and hardly ever for others (FNV-1a, 64 bits; Fowler, Noll, Vo).
    fn fingerprint(&self) -> u64 {
        let mut sum = 0xcbf2_9ce4_8422_2325;
        let mut add = |part: u64| sum = (sum ^ part).wrapping_mul(0x0100_0000_01b3);
        for need in &self.needs {
            need.skill.as_str().bytes().for_each(|byte| add(u64::from(byte)));
            add(u64::from(need.level.get()));
        }
        self.lang.as_str().bytes().for_each(|byte| add(u64::from(byte)));
        [self.queue, self.relax, self.ring].into_iter().for_each(|number| add(u64::from(number)));
        sum
    }
}

/// Whether agents of one profile may take tickets of one wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    DoesNotServe,
    Lacks,
    Fits {
        /// From another queue, as its helper.
        helps: bool,
        /// 0: from the beginning.
        ring: u8,
        joined: bool,
        /// The queue's main skill, best first.
        level: Reverse<u8>,
    },
}

impl Fit {
    pub(crate) fn may(self) -> bool {
        matches!(self, Fit::Fits { joined: true, .. })
    }
    /// This wish as agents of this profile see it, if they may grant it.
    fn grant(self, ask: u32, queue: u32, profile: &Profile) -> Option<Grant> {
        self.may().then(|| Grant { ask, queue, order: self.order(profile, queue) })
    }
    /// The place of the queue in an agent's own order; whom they help comes after that.
    pub(crate) fn order(self, profile: &Profile, queue: u32) -> u32 {
        match self {
            Fit::Fits { helps: true, .. } => u32::MAX,
            Fit::DoesNotServe | Fit::Lacks | Fit::Fits { helps: false, .. } => profile.order[queue as usize].unwrap_or(u32::MAX),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) wish: Wish,
    pub(crate) asked: Asked,
    /// By profile.
    pub(crate) fits: Vec<Fit>,
    /// The profiles that fit, those of later rings included.
    pub(crate) able: Vec<u32>,
    /// The profiles that fit once every easing is in force.
    pub(crate) able_in_the_end: Vec<u32>,
    /// Agents whose profile does not fit.
    pub(crate) does_not_serve: u32,
    pub(crate) lacks: u32,
    /// Agents who fit and are there, after so many shifts.
    staffed: Option<(u64, u32)>,
    /// Tickets that wish this, and 1 for a queue whose newcomers do.
    users: u32,
}

/// A wish as one profile sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    pub(crate) ask: u32,
    pub(crate) queue: u32,
    /// The place of the queue in their own order. Whom they help comes after that.
    pub(crate) order: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Asks {
    all: Vec<Ask>,
    /// By fingerprint: a search among hundreds of wishes compares numbers, and one wish.
    index: Vec<(u64, u32)>,
    unused: BTreeSet<u32>,
    /// By profile, the wishes that they may grant.
    granted: Vec<Vec<Grant>>,
}

impl Asks {
    pub(crate) fn new(profiles: usize) -> Asks {
        Asks { granted: vec![Vec::new(); profiles], ..Asks::default() }
    }
    pub(crate) fn get(&self, ask: u32) -> &Ask {
        &self.all[ask as usize]
    }
    /// The wishes that agents of a profile may grant.
    pub(crate) fn granted(&self, profile: u32) -> &[Grant] {
        self.granted.get(profile as usize).map_or(&[], Vec::as_slice)
    }
    /// One wish as agents of a profile see it, if they may grant it.
    pub(crate) fn grant(&self, ask: u32, at: u32, profile: &Profile) -> Option<Grant> {
        let Ask { wish, fits, .. } = self.get(ask);
        fits.get(at as usize)?.grant(ask, wish.queue, profile)
    }
    /// Agents who fit and are there, those of later rings included. Counted once in a shift.
    pub(crate) fn staffed(&mut self, ask: u32, floor: &Floor) -> u32 {
        let ask = &mut self.all[ask as usize];
        let staffed = ask.staffed(floor);
        ask.staffed = Some((floor.shifts, staffed));
        staffed
    }
    pub(crate) fn use_one(&mut self, ask: u32) {
        let users = &mut self.all[ask as usize].users;
        *users += 1;
        if *users == 1 {
            self.unused.remove(&ask);
        }
    }
    pub(crate) fn leave_one(&mut self, ask: u32) {
        let users = &mut self.all[ask as usize].users;
        *users -= 1;
        if *users == 0 {
            self.unused.insert(ask);
        }
    }
    /// The number of a wish. It is good until the next call, unless it is used.
    pub(crate) fn intern(&mut self, wish: &Wish, queues: &[Queue], index: &BTreeMap<QueueId, u32>, profiles: &[Profile]) -> u32 {
        let fingerprint = wish.fingerprint();
        let from = self.index.partition_point(|(other, _)| *other < fingerprint);
        let alike = self.index[from..].iter().take_while(|(other, _)| *other == fingerprint);
        if let Some((_, ask)) = alike.into_iter().find(|(_, ask)| self.all[*ask as usize].wish == *wish) {
            return *ask;
        }
        let ask = Ask::new(wish.clone(), queues, index, profiles);
        let reused = if self.unused.len() >= REMEMBERED_MAX { self.unused.pop_first() } else { None };
        let at = match reused {
            Some(at) => {
                self.index.retain(|(_, ask)| *ask != at);
                self.granted.iter_mut().for_each(|grants| grants.retain(|grant| grant.ask != at));
                at
            }
            None => self.all.len() as u32,
        };
        for ((grants, fit), profile) in self.granted.iter_mut().zip(&ask.fits).zip(profiles) {
            grants.extend(fit.grant(at, wish.queue, profile));
        }
        self.index.insert(self.index.partition_point(|(other, _)| *other < fingerprint), (fingerprint, at));
        if reused.is_some() {
            self.all[at as usize] = ask;
        } else {
            self.all.push(ask);
        }
        self.unused.insert(at);
        at
    }
}

impl Ask {
    /// Agents who fit and are there, those of later rings included.
    pub(crate) fn staffed(&self, floor: &Floor) -> u32 {
        match self.staffed {
            Some((shifts, staffed)) if shifts == floor.shifts => staffed,
            Some(_) | None => self.able.iter().map(|profile| floor.counts[*profile as usize].staffed).sum(),
        }
    }
    fn new(wish: Wish, queues: &[Queue], index: &BTreeMap<QueueId, u32>, profiles: &[Profile]) -> Ask {
        let queue = &queues[wish.queue as usize];
        let asked = Asked::after(&wish.needs, &wish.lang, queue, wish.relax as usize);
        let in_the_end = Asked::after(&wish.needs, &wish.lang, queue, queue.relax.len());
        let helping: Vec<u32> = queue.helped_by.iter().filter_map(|id| index.get(id).copied()).collect();
        let main = queue.needs.first().or(wish.needs.first());
        let serves = |profile: &Profile| profile.order[wish.queue as usize].is_some();
        let own = |asked: &Asked, profile: &Profile| serves(profile) && asked.fits(&profile.skills);
        let helps = |asked: &Asked, profile: &Profile| {
            let meets = |q: &u32| profile.order[*q as usize].is_some() && profile.meets(&queues[*q as usize].needs);
            helping.iter().any(meets) && asked.understands(&profile.skills)
        };
        let fit = |profile: &Profile| {
            let (own, helps) = (own(&asked, profile), helps(&asked, profile));
            if own || helps {
                let ring = ring_of(profile, queue);
                let level = main.and_then(|need| profile.skills.get(&need.skill)).map_or(0, |level| level.get());
                Fit::Fits { helps: !own, ring, joined: u32::from(ring) <= wish.ring, level: Reverse(level) }
            } else if serves(profile) {
                Fit::Lacks
            } else {
                Fit::DoesNotServe
            }
        };
        let fits: Vec<Fit> = profiles.iter().map(fit).collect();
        let heads = |which: Fit| profiles.iter().zip(&fits).filter(|(_, fit)| **fit == which).map(|(p, _)| p.headcount).sum();
        let able = |(i, fit): (usize, &Fit)| matches!(fit, Fit::Fits { .. }).then_some(i as u32);
        let in_the_end = |profile: &Profile| own(&in_the_end, profile) || helps(&in_the_end, profile);
        let able_in_the_end = profiles.iter().zip(0..).filter(|(profile, _)| in_the_end(profile)).map(|(_, i)| i).collect();
        Ask {
            able_in_the_end,
            does_not_serve: heads(Fit::DoesNotServe),
            lacks: heads(Fit::Lacks),
            able: fits.iter().enumerate().filter_map(able).collect(),
            wish,
            asked,
            fits,
            staffed: None,
            users: 0,
        }
    }
}

/// The ring that a profile is in: the latest whose skill it holds.
fn ring_of(profile: &Profile, queue: &Queue) -> u8 {
    let held = queue.rings.iter().enumerate().filter(|(_, ring)| profile.skills.contains_key(&ring.skill));
    held.map(|(i, _)| u8::try_from(i + 1).unwrap_or(u8::MAX)).max().unwrap_or(0)
}
