//! The rows on which routing is held to theory: teams of equal agents, finite doors, and teams whose skills overlap.
//!
//! Rows A, C and K have closed formulas ([`crate::erlang`]). Rows S have none: their figures were computed as Markov chains, solved to 1e-7,
//! and are kept with the others under `tests/data/erlang`; a test holds this table to those files.

mod check;
mod skills;

pub use check::Check;
pub use skills::{Bond, Crew, SKILLS, Skills};

use super::{Plan, Pool, Report, Spread, Stream};
use crate::erlang::Team;
use crate::queue::plan::{plain_agent, plain_queue};
use model::{AgentId, Level, QueueId, Skill};
use routing::Rules;
use std::collections::BTreeMap;
use std::time::Duration;

/// The T of the service levels in every row.
pub const WITHIN: Duration = Duration::from_secs(20);
/// Attempts of a row that count, at least.
pub const CALLS_LEAST: u64 = 600_000;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name: a letter for the kind, and a number.
    pub id: &'static str,
    /// Who calls and who answers.
    pub house: House,
    /// Attempts that count in the full run: so many that about 999 of 1000 seeds keep within the tolerance of each check. A run that is
    /// clearly too short for that says so by its own interval ([`Check::is_sharp`]), and fails. A row that mixes slowly gets more calls,
    /// never a wider tolerance.
    pub calls: u64,
    /// By the row's place in the table; nobody chose it.
    pub seed: u64,
}

/// Who calls and who answers in a row.
#[derive(Clone, Copy, Debug)]
pub enum House {
    /// One queue, one team.
    Team(Team),
    /// One queue, one team, and so many places for callers.
    Behind(Team, u32),
    /// Several queues and crews.
    Skills(&'static Skills),
}

/// Calls in an hour, handling time, agents, patience (0: infinite), places (0: no end), and thousands of calls to count.
type Figures = (&'static str, f64, f64, u32, f64, u32, u64);

/// Rows A to K. The loaded ones among C need millions of calls: a busy spell of 50 agents at 96 % lasts for thousands.
#[rustfmt::skip]
const TEAMS: &[Figures] = &[
    ("C1",    20.0, 360.0,  3,   0.0,  0,   600),
    ("C2",    30.0, 300.0,  4,   0.0,  0,   600),
    ("C3",    60.0, 300.0,  7,   0.0,  0,  1200),
    ("C4",   100.0, 180.0,  6,   0.0,  0,   600),
    ("C5",   120.0, 300.0, 12,   0.0,  0,  1200),
    ("C6",   120.0, 300.0, 13,   0.0,  0,  1500),
    ("C7",   200.0, 180.0, 13,   0.0,  0,   900),
    ("C8",   240.0, 300.0, 22,   0.0,  0,  3900),
    ("C9",   360.0, 300.0, 33,   0.0,  0,  2700),
    ("C10",  600.0, 240.0, 44,   0.0,  0,  2400),
    ("C11",  960.0, 300.0, 86,   0.0,  0,  6600),
    ("C12", 2880.0,  60.0, 50,   0.0,  0, 10200),
    ("A1",    20.0, 360.0,  3, 180.0,  0,   600),
    ("A2",    30.0, 300.0,  4, 120.0,  0,   600),
    ("A3",    60.0, 300.0,  5, 120.0,  0,   600),
    ("A4",   120.0, 300.0, 10, 120.0,  0,   600),
    ("A5",   120.0, 300.0, 12, 120.0,  0,  1200),
    ("A6",   120.0, 300.0, 10, 600.0,  0,   900),
    ("A7",   300.0, 300.0, 20, 180.0,  0,  1200),
    ("A8",   300.0, 300.0, 25, 180.0,  0,  1500),
    ("A9",   600.0, 300.0, 20, 300.0,  0,   600),
    ("A10", 2880.0,  60.0, 50, 120.0,  0,  3900),
    ("A11",   20.0, 900.0,  1, 300.0,  0,   600),
    ("A12",    6.0, 900.0,  1, 600.0,  0,   600),
    ("A13",   84.0, 600.0, 14, 180.0,  0,   600),
    ("A14",   84.0, 600.0, 18, 180.0,  0,  2700),
    ("K1",    60.0, 300.0,  5,   0.0,  8,   900),
    ("K2",   120.0, 300.0, 10,   0.0, 16,  1200),
    ("K3",   120.0, 300.0, 10, 120.0, 16,   600),
    ("K4",   300.0, 300.0, 20, 180.0, 30,   600),
    ("K5",   600.0, 300.0, 20, 180.0, 60,   600),
];

/// Every row, in the order of the table.
pub fn all() -> Vec<Row> {
    let teams = TEAMS.iter().map(|&(id, calls_per_hour, handling_secs, agents, patience, places, thousands)| {
        let patience_secs = if patience > 0.0 { patience } else { f64::INFINITY };
        let team = Team { calls_per_hour, handling_secs, patience_secs, agents };
        let house = if places > 0 { House::Behind(team, places) } else { House::Team(team) };
        (id, house, thousands)
    });
    let skills = SKILLS.iter().map(|skills| (skills.id, House::Skills(skills), skills.thousands));
    let rows = teams.chain(skills).zip(1..);
    rows.map(|((id, house, thousands), seed)| Row { id, house, calls: thousands * 1000, seed }).collect()
}

impl Row {
    /// The row as a plan that counts so many calls.
    ///
    /// The warm-up is a twentieth of the calls and at least 10,000. The house begins empty, which is forgotten at the rate of its relaxation
    /// time, about 1 / (c mu (1 - sqrt(rho))^2): in the slowest full row (C12) that is 2,400 calls, so 30,000 and more leave e^-12 of it.
    pub fn plan(&self, calls: u64) -> Plan {
        let (rules, streams, pools, places) = match self.house {
            House::Team(team) => one_team(&team, None),
            House::Behind(team, places) => one_team(&team, Some(places)),
            House::Skills(skills) => skills.floor(),
        };
        Plan { rules, streams, pools, places, within: WITHIN, warm_up: (calls / 20).max(10_000), calls, seed: self.seed }
    }

    /// The row in words.
    pub fn describe(&self) -> String {
        let patience = |secs: f64| if secs.is_finite() { format!(", patience {secs:.0} s") } else { String::new() };
        let of_team = |t: &Team| format!("{:.1} E on {} agents{}", t.load(), t.agents, patience(t.patience_secs));
        match &self.house {
            House::Team(team) => of_team(team),
            House::Behind(team, places) => format!("{}, {places} places", of_team(team)),
            House::Skills(skills) => skills.words.to_owned(),
        }
    }

    /// Kinds of callers.
    pub fn kinds(&self) -> usize {
        match self.house {
            House::Team(_) | House::Behind(..) => 1,
            House::Skills(skills) => skills.loads.len(),
        }
    }

    /// What theory and a report of this row's plan say, side by side. Tolerances are of the full run, times `looser`.
    pub fn checks(&self, report: &Report, looser: f64) -> Vec<Check> {
        let checks = match self.house {
            House::Team(team) => check::of_team(&team, report),
            House::Behind(team, places) => check::of_door(&team, places, report),
            House::Skills(skills) => check::of_skills(skills, report),
        };
        checks.into_iter().map(|check| Check { tolerance: check.tolerance * looser, ..check }).collect()
    }
}

/// Rules, streams, pools and places of a plan.
type Parts = (Rules, Vec<Stream>, Vec<Pool>, Option<u32>);

/// One queue, and agents who all have its one skill.
fn one_team(team: &Team, places: Option<u32>) -> Parts {
    let queue = plain_queue("city");
    let skills = BTreeMap::from([(Skill::from("city"), Level::SOME)]);
    let agents = crew("a", team.agents, &skills, &[]);
    let stream = Stream {
        queue: queue.id.clone(),
        calls_per_hour: team.calls_per_hour,
        handling: Spread::Exponential { mean_secs: team.handling_secs },
        patience: patience(team.patience_secs),
        redial: None,
    };
    let pool = Pool { name: "agents".to_owned(), agents: agents.keys().cloned().collect() };
    let rules = Rules { queues: BTreeMap::from([(queue.id.clone(), queue)]), agents, ..Rules::default() };
    (rules, vec![stream], vec![pool], places)
}

fn patience(secs: f64) -> Spread {
    if secs.is_finite() { Spread::Exponential { mean_secs: secs } } else { Spread::Never }
}

/// So many agents alike, named `a001` and on.
fn crew(name: &str, count: u32, skills: &BTreeMap<Skill, Level>, serves: &[QueueId]) -> BTreeMap<AgentId, model::Agent> {
    (1..=count)
        .map(|n| plain_agent(&format!("{name}{n:03}"), skills.clone(), serves.to_vec()))
        .map(|agent| (agent.id.clone(), agent))
        .collect()
}
