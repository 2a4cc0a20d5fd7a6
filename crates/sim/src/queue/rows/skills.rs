//! Rows S: teams whose skills overlap, and the nurses who may be kept back.

use super::{Parts, crew, patience, plain_queue};
use crate::queue::{Pool, Spread, Stream};
use model::{ChooseAgent, KeptFor, Level, Queue, QueueId, Reserve, Skill};
use routing::Rules;
use std::collections::BTreeMap;

/// Every call of these rows takes as long, on average.
const HANDLING_SECS: f64 = 300.0;
/// The level of a kind's own agents.
const BEST: Option<Level> = Level::new(5);

/// One row: kinds of callers, crews, and what the exact Markov chain says of them.
#[derive(Clone, Copy, Debug)]
pub struct Skills {
    /// Its name.
    pub id: &'static str,
    /// In words.
    pub words: &'static str,
    /// Offered load of each kind of callers, in erlangs.
    pub loads: &'static [f64],
    /// Mean patience of each kind in seconds; empty: nobody gives up.
    pub patience_secs: &'static [f64],
    /// Who answers.
    pub crews: &'static [Crew],
    /// Agents of the last crew who stay idle for kind 1 when somebody else asks.
    pub reserve: u32,
    /// Mean wait of each kind, in seconds, those who give up included.
    pub wait_secs: &'static [f64],
    /// Share of each kind that waits.
    pub waits: &'static [f64],
    /// Share of their time that each crew is busy.
    pub occupancy: &'static [f64],
    /// Share of each kind that gives up; empty where nobody does.
    pub abandoned: &'static [f64],
    /// Thousands of calls to count.
    pub thousands: u64,
}

/// Agents alike.
#[derive(Clone, Copy, Debug)]
pub struct Crew {
    /// How many.
    pub agents: u32,
    /// The kinds of callers they take, in the order in which a free agent prefers them.
    pub takes: &'static [usize],
    /// How a caller and this crew see each other.
    pub bond: Bond,
}

/// How the kinds of callers and a crew who takes them see each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bond {
    /// Callers of the first kind are offered to this crew before others; those of the further kinds after others.
    Own,
    /// The first kind is its own; the further kinds have a queue that this crew helps, after its own callers and that queue's own agents.
    Helps,
    /// All its kinds are offered to this crew after others; it prefers them in order.
    Shared,
    /// As shared, but it takes all its kinds in the order of their age.
    ByAge,
}

const fn own(agents: u32, takes: &'static [usize]) -> Crew {
    Crew { agents, takes, bond: Bond::Own }
}

const fn helps(agents: u32, takes: &'static [usize]) -> Crew {
    Crew { agents, takes, bond: Bond::Helps }
}

const fn shared(agents: u32, takes: &'static [usize]) -> Crew {
    Crew { agents, takes, bond: Bond::Shared }
}

const fn by_age(agents: u32, takes: &'static [usize]) -> Crew {
    Crew { agents, takes, bond: Bond::ByAge }
}

const SPLIT: Skills = Skills {
    id: "S1",
    words: "5 + 5 agents apart, 4.2 E each",
    loads: &[4.2, 4.2],
    patience_secs: &[],
    crews: &[own(5, &[0]), own(5, &[1])],
    reserve: 0,
    wait_secs: &[237.66, 237.66],
    waits: &[0.6338, 0.6338],
    occupancy: &[0.84, 0.84],
    abandoned: &[],
    thousands: 1200,
};

const NURSES: Skills = Skills {
    id: "S3",
    words: "7 general + 3 nurses who help, 6.0 + 1.6 E",
    loads: &[6.0, 1.6],
    patience_secs: &[],
    crews: &[own(7, &[0]), helps(3, &[1, 0])],
    reserve: 0,
    wait_secs: &[41.38, 121.48],
    waits: &[0.3029, 0.5669],
    occupancy: &[0.7644, 0.7497],
    abandoned: &[],
    thousands: 600,
};

const LONE_NURSE: Skills = Skills {
    id: "S4",
    words: "overload: 7 general + 1 nurse who helps, 8.4 + 0.6 E, patience 180 and 600 s",
    loads: &[8.4, 0.6],
    patience_secs: &[180.0, 600.0],
    crews: &[own(7, &[0]), helps(1, &[1, 0])],
    wait_secs: &[36.61, 211.40],
    waits: &[0.5896, 0.8707],
    occupancy: &[0.8871, 0.8707],
    abandoned: &[0.2034, 0.3523],
    ..NURSES
};

const TWO_NURSES: Skills = Skills {
    id: "S5",
    words: "overload: 8 general + 2 nurses who help, 8.4 + 1.2 E, patience 180 and 600 s",
    loads: &[8.4, 1.2],
    patience_secs: &[180.0, 600.0],
    crews: &[own(8, &[0]), helps(2, &[1, 0])],
    wait_secs: &[21.37, 121.32],
    waits: &[0.4138, 0.7276],
    occupancy: &[0.8396, 0.8218],
    abandoned: &[0.1187, 0.2022],
    ..NURSES
};

const CHAIN: Skills = Skills {
    id: "S6",
    words: "long chain: 3 x 2 agents, each pair takes its own kind and the next, 1.4 E each",
    loads: &[1.4, 1.4, 1.4],
    crews: &[own(2, &[0, 1]), own(2, &[1, 2]), own(2, &[2, 0])],
    wait_secs: &[72.21, 72.21, 72.21],
    waits: &[0.3829, 0.3829, 0.3829],
    occupancy: &[0.70, 0.70, 0.70],
    ..NURSES
};

/// Every row S.
#[expect(clippy::approx_constant, reason = "that a share of waiting callers is near a sixth of pi is chance")]
pub const SKILLS: &[Skills] = &[
    SPLIT,
    Skills {
        id: "S1p",
        words: "the same 10 agents take both in the order of age, 4.2 E each",
        crews: &[by_age(10, &[0, 1])],
        wait_secs: &[94.55, 94.55],
        waits: &[0.5043, 0.5043],
        occupancy: &[0.84],
        ..SPLIT
    },
    Skills {
        id: "S2",
        words: "4 + 4 agents apart and 2 who take both, 4.2 E each",
        crews: &[own(4, &[0]), own(4, &[1]), shared(2, &[0, 1])],
        wait_secs: &[87.26, 240.09],
        waits: &[0.5236, 0.6256],
        occupancy: &[0.8124, 0.8580, 0.8591],
        ..SPLIT
    },
    Skills {
        id: "S3x",
        words: "7 general + 3 nurses who do not help, 6.0 + 1.6 E",
        crews: &[own(7, &[0]), own(3, &[1])],
        wait_secs: &[184.15, 58.67],
        waits: &[0.6138, 0.2738],
        occupancy: &[0.8571, 0.5333],
        thousands: 900,
        ..NURSES
    },
    NURSES,
    Skills {
        id: "S3r1",
        words: "7 general + 3 nurses who help while 1 stays idle, 6.0 + 1.6 E",
        reserve: 1,
        wait_secs: &[65.47, 85.35],
        waits: &[0.4021, 0.3983],
        occupancy: &[0.7906, 0.6885],
        ..NURSES
    },
    Skills {
        id: "S3r2",
        words: "7 general + 3 nurses who help while 2 stay idle, 6.0 + 1.6 E",
        reserve: 2,
        wait_secs: &[116.46, 66.34],
        waits: &[0.5237, 0.3096],
        occupancy: &[0.8272, 0.6031],
        ..NURSES
    },
    Skills {
        id: "S4x",
        words: "overload: 7 general + 1 nurse who does not help, 8.4 + 0.6 E, patience 180 and 600 s",
        crews: &[own(7, &[0]), own(1, &[1])],
        wait_secs: &[44.81, 117.22],
        waits: &[0.6632, 0.4828],
        occupancy: &[0.9013, 0.4828],
        abandoned: &[0.2489, 0.1954],
        ..LONE_NURSE
    },
    LONE_NURSE,
    Skills {
        id: "S5x",
        words: "overload: 8 general + 2 nurses who do not help, 8.4 + 1.2 E, patience 180 and 600 s",
        crews: &[own(8, &[0]), own(2, &[1])],
        wait_secs: &[31.97, 61.04],
        waits: &[0.5401, 0.3661],
        occupancy: &[0.8635, 0.5390],
        abandoned: &[0.1776, 0.1017],
        ..TWO_NURSES
    },
    TWO_NURSES,
    Skills {
        id: "S5r1",
        words: "overload: 8 general + 2 nurses who help while 1 stays idle, 8.4 + 1.2 E, patience 180 and 600 s",
        reserve: 1,
        wait_secs: &[27.28, 76.27],
        waits: &[0.4896, 0.4574],
        occupancy: &[0.8534, 0.6734],
        abandoned: &[0.1516, 0.1271],
        ..TWO_NURSES
    },
    Skills {
        id: "S6d",
        words: "3 x 2 agents apart, 1.4 E each",
        crews: &[own(2, &[0]), own(2, &[1]), own(2, &[2])],
        wait_secs: &[288.24, 288.24, 288.24],
        waits: &[0.5765, 0.5765, 0.5765],
        ..CHAIN
    },
    CHAIN,
    Skills {
        id: "S6f",
        words: "the same 6 agents take everybody in the order of age, 1.4 E each",
        crews: &[by_age(6, &[0, 1, 2])],
        wait_secs: &[56.00, 56.00, 56.00],
        waits: &[0.3360, 0.3360, 0.3360],
        occupancy: &[0.70],
        ..CHAIN
    },
];

impl Skills {
    /// The row as rules, streams, pools and places.
    ///
    /// Nurses who help are declared as a city would: the general queue is `helped_by` theirs. Where two crews share both kinds (S2) or each
    /// pair takes the next pair's callers (S6) there is no queue whose agents help: there the own agents have the skill at 5 and the
    /// shared ones at 1, and the queue chooses by the best skill. That a free agent takes the first of its kinds before the second is
    /// `serves`.
    pub(super) fn floor(&self) -> Parts {
        let mut rules = Rules::default();
        let mut streams = Vec::new();
        for (kind, load) in self.loads.iter().enumerate() {
            let queue = Queue {
                choose_agent: ChooseAgent::BestSkill,
                reserve: self.reserve_of(kind),
                helped_by: self.helpers_of(kind),
                ..plain_queue(&name(kind))
            };
            streams.push(Stream {
                queue: queue.id.clone(),
                calls_per_hour: load * 3600.0 / HANDLING_SECS,
                handling: Spread::Exponential { mean_secs: HANDLING_SECS },
                patience: patience(self.patience_secs.get(kind).copied().unwrap_or(f64::INFINITY)),
                redial: None,
            });
            rules.queues.insert(queue.id.clone(), queue);
        }
        let mut pools = Vec::new();
        for (number, group) in self.crews.iter().enumerate() {
            let level = |place: usize| if group.bond == Bond::Own && place == 0 { BEST.unwrap_or(Level::SOME) } else { Level::SOME };
            let takes = if group.bond == Bond::Helps { &group.takes[..1] } else { group.takes };
            let skills: BTreeMap<Skill, Level> =
                takes.iter().enumerate().map(|(place, kind)| (Skill::from(name(*kind).as_str()), level(place))).collect();
            let serves: Vec<QueueId> = match group.bond {
                Bond::Own | Bond::Helps | Bond::Shared => takes.iter().map(|kind| QueueId::from(name(*kind))).collect(),
                Bond::ByAge => Vec::new(),
            };
            let agents = crew(&format!("crew{number}-"), group.agents, &skills, &serves);
            pools.push(Pool { name: format!("crew {number}"), agents: agents.keys().cloned().collect() });
            rules.agents.extend(agents);
        }
        (rules, streams, pools, None)
    }

    /// The queues whose agents help with a kind.
    fn helpers_of(&self, kind: usize) -> Vec<QueueId> {
        let help = |crew: &&Crew| crew.bond == Bond::Helps && crew.takes[1..].contains(&kind);
        self.crews.iter().filter(help).map(|crew| QueueId::from(name(crew.takes[0]))).collect()
    }

    /// The agents kept back for kind 1 are those who have its skill.
    fn reserve_of(&self, kind: usize) -> Option<Reserve> {
        let queue = QueueId::from("kind1");
        (kind == 1 && self.reserve > 0).then(|| Reserve {
            keep: self.reserve,
            of: Skill::from("kind1"),
            kept_for: KeptFor::Queue(queue),
            hysteresis: 0,
        })
    }
}

fn name(kind: usize) -> String {
    format!("kind{kind}")
}
