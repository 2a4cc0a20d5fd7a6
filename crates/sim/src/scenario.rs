//! A day as everybody has planned it: who calls, when and for what, who answers and how, and what goes wrong.
//!
//! One language for three depths. At [`Scenario::run_queue`] only routing is real: callers come to their queue after as long as the menu
//! would have taken, agents answer as they would. At [`Scenario::world`] the whole engine runs, with every SIP message; at
//! [`Scenario::world_with_sound`] with every packet of sound as well. All that happens is drawn from the seed before the day begins.

mod at_queue;

pub use at_queue::Tally;

use crate::{Again, Clerk, Habits, Neighbour, PersonId, Resident, Town, Weather, World, town};
use calls::{City, Control};
use model::{AgentId, ChooseAgent, KeptFor, Level, QueueId, Random, Relax, Reserve, Ring, Skill};
use phone::{AnswerPolicy, Command, Sound};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What sort of day it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Enough agents for those who call.
    Quiet,
    /// The news at ten: three times as many within an hour, and they call again when they do not get through.
    Surge,
    /// A quiet day on which things break.
    Faults,
}

/// Somebody who means to call.
#[derive(Clone, Debug)]
pub struct Caller {
    /// When.
    pub at: Duration,
    /// Keys, as their phone will press them.
    pub keys: &'static str,
    /// The queue that these keys lead to; `None`: they only listen to an announcement.
    pub wants: Option<&'static str>,
    /// After how long they give up.
    pub patience: Duration,
    /// How long they talk.
    pub talk: Duration,
    /// Whether they call again when they were not served.
    pub again: Option<Again>,
    /// The number that they show, where anybody calls them there; else one that nobody answers.
    pub number: Option<String>,
}

/// An agent's day.
#[derive(Clone, Debug)]
pub struct Shift {
    /// Whose.
    pub agent: &'static str,
    /// When the phone registers.
    pub comes: Duration,
    /// How they answer.
    pub habits: Habits,
    /// Breaks: when, and for how long.
    pub breaks: Vec<(Duration, Duration)>,
    /// When the phone signs out, if it does before the end.
    pub goes: Option<Duration>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// An agent's phone vanishes, and is back after a while.
    PhoneVanishes(&'static str),
    /// A changed city is published: other ring times, another after-call work, less room.
    Publish,
    /// The engine is killed and restored.
    Killed,
    /// The network turns foul.
    FoulWeather,
    /// The journal is slow.
    SlowJournal,
    /// The wall clock leaps two hours ahead, or back.
    ClockLeaps(i64),
    /// The ward's telephones are dead for a while.
    LineDown,
    /// A city is published from which something is gone; after a while the whole one comes back.
    Removed(Piece),
}

/// What a publication may remove under everybody's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// An agent: their phone is none of ours any more.
    Agent(&'static str),
    /// What an agent can do.
    SkillOf(&'static str),
    /// The nurses' queue; whoever wants a nurse gets the general line.
    Nurses,
    /// The ward's line.
    Ward,
}

/// A day, ready to happen.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// All draws come from it.
    pub seed: u64,
    /// What sort of day.
    pub kind: Kind,
    /// Where.
    pub town: Town,
    /// Who calls.
    pub callers: Vec<Caller>,
    /// Who answers.
    pub shifts: Vec<Shift>,
    /// What goes wrong, and when.
    pub troubles: Vec<(Duration, Trouble)>,
}

/// How long an agent who did not respond stays away.
pub(crate) const TEA: Duration = Duration::from_secs(240);

/// Ways into the town: keys, the queue behind them, how long it takes to get there, and out of ten callers how many.
const WISHES: [(&str, Option<&str>, Duration, u64); 4] = [
    ("WWWWWW1", Some("nurse"), Duration::from_millis(6200), 2),
    ("WWWWWWWW2", Some("general"), Duration::from_millis(8200), 6),
    // Silence: the greeting, then twice the menu and the time to think.
    ("", Some("general"), Duration::from_millis(20_500), 1),
    ("WWWWWWWW3", None, Duration::from_millis(8200), 1),
];
/// The same for one in so many of those who call on a day of surge or of faults: to the ward's hotline, which the flow calls itself, and to a
/// nurse who calls back (asked for after ten seconds of waiting, and agreed to).
const ERRANDS_IN: u64 = 16;
const HOTLINE: &str = "WWWWWWWW4";
const CALLBACK: &str = "WWWWWW1WWWWWWWWWW9WWWWWWWWWW1";

/// How long a phone, a ward's telephone or a part of the city is gone.
const GONE: Duration = Duration::from_secs(900);

impl Caller {
    /// How long the menu takes them.
    pub fn to_queue(&self) -> Duration {
        WISHES.iter().find(|(keys, ..)| *keys == self.keys).map_or(Duration::ZERO, |(_, _, time, _)| *time)
    }
}

impl Scenario {
    /// Draws a day on which `calls` people mean to call.
    pub fn draw(seed: u64, kind: Kind, calls: u32) -> Scenario {
        let mut random = Random::from_number(seed ^ 0x6461_7973);
        // Sixteen agents' worth of work an hour at most; the day is as long as its calls need.
        let per_hour: u64 = match kind {
            Kind::Quiet | Kind::Faults => 160,
            Kind::Surge => 420,
        };
        let within = u64::from(calls) * 3_600_000 / per_hour;
        let exponential = |random: &mut Random, mean: f64| Duration::from_secs_f64((-mean * (1.0 - random.unit()).ln()).min(mean * 8.0));
        let mut callers: Vec<Caller> = (0..calls)
            .map(|n| {
                let mut pick = random.below(10);
                let (keys, wants, ..) = WISHES
                    .into_iter()
                    .find(|(.., share)| {
                        let here = pick < *share;
                        pick = pick.saturating_sub(*share);
                        here
                    })
                    .unwrap_or(WISHES[1]);
                let errand = if kind == Kind::Quiet { ERRANDS_IN } else { random.below(ERRANDS_IN) };
                let (keys, wants, number) = match errand {
                    0 => (HOTLINE, None, None),
                    1 => (CALLBACK, Some("nurse"), Some(format!("0901112{n:04}"))),
                    _ => (keys, wants, None),
                };
                Caller {
                    number,
                    at: Duration::from_millis(10_000 + random.below(within)),
                    keys,
                    wants,
                    patience: Duration::from_secs(20) + exponential(&mut random, 180.0),
                    talk: Duration::from_secs(5) + exponential(&mut random, 170.0),
                    again: (random.below(10) < if kind == Kind::Surge { 6 } else { 3 })
                        .then(|| Again { after: Duration::from_secs(30 + random.below(240)), times: 1 + random.below(3) as u32 }),
                }
            })
            .collect();
        callers.sort_by_key(|caller| caller.at);
        let shifts = town::NURSES.iter().chain(&town::CLERKS).map(|agent| shift(&mut random, agent, within)).collect();
        let mut scenario = Scenario {
            seed,
            kind,
            town: Town { hotline: true, callbacks: true, ..Town::default() },
            callers,
            shifts,
            troubles: Vec::new(),
        };
        if kind == Kind::Faults {
            scenario.trouble(&mut random, within);
        }
        scenario
    }

    fn trouble(&mut self, random: &mut Random, within: u64) {
        let everybody: Vec<&'static str> = town::NURSES.into_iter().chain(town::CLERKS).collect();
        for _ in 0..8 {
            let what = match random.below(10) {
                0 | 1 => Trouble::PhoneVanishes(everybody[random.below(everybody.len() as u64) as usize]),
                2 => Trouble::Publish,
                3 => Trouble::Killed,
                4 => Trouble::FoulWeather,
                5 => Trouble::SlowJournal,
                6 => Trouble::LineDown,
                7 | 8 => Trouble::Removed(match random.below(4) {
                    0 => Piece::Agent(town::CLERKS[random.below(8) as usize]),
                    1 => Piece::SkillOf(town::NURSES[random.below(4) as usize]),
                    2 => Piece::Nurses,
                    _ => Piece::Ward,
                }),
                _ => Trouble::ClockLeaps(if random.below(2) == 0 { 7_200_000 } else { -7_200_000 }),
            };
            // One kill a day is enough to tell a story by.
            if what == Trouble::Killed && self.troubles.iter().any(|(_, before)| *before == Trouble::Killed) {
                continue;
            }
            self.troubles.push((Duration::from_millis(random.below(within)), what));
        }
        self.troubles.sort_by_key(|(at, _)| *at);
    }

    /// Whether the engine is killed on this day.
    pub fn is_killed(&self) -> bool {
        self.troubles.iter().any(|(_, what)| *what == Trouble::Killed)
    }

    /// When everybody has gone home, at the latest.
    pub fn limit(&self) -> Duration {
        self.callers.last().map_or(Duration::ZERO, |caller| caller.at) + Duration::from_secs(6 * 3600)
    }

    /// The day at depth *call*: the real engine and every SIP message; sound is answered by a model of who plays what for how long.
    pub fn world(&self) -> World {
        self.fill(World::new(declared(self.town), self.seed).without_story(), Sound::Silence)
    }

    /// The day at depth *packet*: with every packet of sound. For a handful of calls.
    pub fn world_with_sound(&self) -> World {
        self.fill(World::with_sound(declared(self.town), self.seed), Sound::Tone(700))
    }

    fn fill(&self, mut world: World, says: Sound) -> World {
        // The callbacks' hours of the town's calendar.
        world.watches_hours(9, 17);
        let mut agents: Vec<(&str, PersonId)> = Vec::new();
        for shift in &self.shifts {
            let clerk = Clerk { answer: AnswerPolicy::Never, habits: Some(shift.habits), says: says.clone(), ..Clerk::default() };
            let id = world.add_clerk(shift.comes, shift.agent, clerk);
            for (at, lasts) in &shift.breaks {
                let agent = AgentId::from(shift.agent);
                world.control(*at, Control::SetAgent(agent.clone(), routing::Change::Break(None)));
                world.control(*at + *lasts, Control::SetAgent(agent, routing::Change::Ready));
            }
            if let Some(goes) = shift.goes {
                world.at(goes, id, Command::Unregister);
            }
            agents.push((shift.agent, id));
        }
        for caller in &self.callers {
            let resident = Resident {
                keys: caller.keys.to_owned(),
                patience: caller.patience,
                talk: Some(caller.talk),
                again: caller.again,
                says: says.clone(),
                number: caller.number.clone(),
                ..Resident::default()
            };
            world.add_resident(caller.at, resident);
            if let Some(number) = caller.number.clone() {
                let (answer, talk) = (AnswerPolicy::After(Duration::from_secs(4)), Some(caller.talk));
                world.add_neighbour(Neighbour { number, answer, keys: "WW1WW1".to_owned(), talk, says: says.clone() });
            }
        }
        let ward = [2, 5].map(|seconds| {
            let (answer, talk) = (AnswerPolicy::After(Duration::from_secs(seconds)), Some(Duration::from_secs(90)));
            world.add_neighbour(Neighbour { answer, keys: "WWWWW1".to_owned(), talk, says: says.clone(), ..Neighbour::default() })
        });
        for (n, (at, what)) in self.troubles.iter().enumerate() {
            match what {
                Trouble::PhoneVanishes(agent) => {
                    if let Some((_, id)) = agents.iter().find(|(name, _)| name == agent) {
                        world.sleeps(*at, *id, GONE);
                    }
                }
                Trouble::Publish => {
                    let changed = Town { ring_secs: 10, wrap_up_secs: 5 + n as u32, waiting_max: 200, ..self.town };
                    world.control(*at, Control::Publish(declared(changed)));
                }
                Trouble::Killed => world.crash(*at, Duration::from_secs(8)),
                Trouble::FoulWeather => {
                    world.weather(*at, Weather::FOUL);
                    world.weather(*at + Duration::from_secs(900), Weather::FAIR);
                }
                Trouble::SlowJournal => {
                    world.journal_pace(*at, crate::Pace { least: Duration::from_millis(10), most: Duration::from_millis(200) });
                    world.journal_pace(*at + Duration::from_secs(600), crate::Pace::PROMISED);
                }
                Trouble::LineDown => ward.iter().for_each(|telephone| world.sleeps(*at, *telephone, GONE)),
                Trouble::Removed(piece) => {
                    world.control(*at, Control::Publish(without(self.town, *piece)));
                    world.control(*at + GONE, Control::Publish(declared(self.town)));
                    if let Piece::Agent(agent) = piece
                        && let Some((_, id)) = agents.iter().find(|(name, _)| name == agent)
                    {
                        world.at(*at + GONE + Duration::from_secs(60), *id, Command::Register);
                    }
                }
                Trouble::ClockLeaps(millis) => world.clock_jumps(*at, *millis),
            }
        }
        world
    }
}

/// The town with everything declared that queues can declare: nurses who help and one of them kept back, clerks who join in late, an
/// easing, a bound on being overtaken.
pub(crate) fn declared(town: Town) -> Arc<City> {
    let mut city = (*town.build()).clone();
    let book = Arc::make_mut(&mut city.book);
    let (nurse, late) = (Skill::from("nurse"), Skill::from("late"));
    if let Some(queue) = book.queues.get_mut("nurse") {
        queue.choose_agent = ChooseAgent::BestSkill;
        // Nurses who help must not write up for as long as they would for a call of their own.
        queue.wrap_up += Duration::from_secs(7);
        queue.reserve = Some(Reserve { keep: 1, of: nurse.clone(), kept_for: KeptFor::Queue(queue.id.clone()), hysteresis: 0 });
        queue.relax = vec![Relax { after: Duration::from_secs(40), needs: BTreeMap::new(), lang: Some(None) }];
    }
    if let Some(queue) = book.queues.get_mut("general") {
        queue.helped_by = vec![QueueId::from("nurse")];
        queue.rings = vec![Ring { after: Duration::from_secs(20), skill: late.clone() }];
        queue.overtaken_max = Duration::from_secs(300);
    }
    for (name, agent) in &mut book.agents {
        match name.as_str() {
            "yuki" | "aya" => drop(agent.skills.insert(nurse.clone(), Level::new(5).unwrap_or(Level::SOME))),
            "eri" | "taro" => drop(agent.skills.insert(late.clone(), Level::SOME)),
            _ => {}
        }
    }
    Arc::new(city)
}

/// The declared town without a piece of it.
fn without(town: Town, piece: Piece) -> Arc<City> {
    let mut city = if piece == Piece::Nurses {
        // As a supervisor would take the queue out: no step of the flow leads there any more.
        let mut city = (*town.build_with(|flow| *flow = flow.replace("queue: nurse\n", "queue: general\n"))).clone();
        Arc::make_mut(&mut city.book).queues.remove(&QueueId::from("nurse"));
        city
    } else {
        (*declared(town)).clone()
    };
    let book = Arc::make_mut(&mut city.book);
    match piece {
        Piece::Agent(name) => {
            book.agents.remove(&AgentId::from(name));
            city.users.remove(name);
        }
        Piece::SkillOf(name) => {
            if let Some(agent) = book.agents.get_mut(&AgentId::from(name)) {
                agent.skills.remove(&Skill::from("nurse"));
            }
        }
        Piece::Nurses => {}
        Piece::Ward => book.lines.retain(|line| line.id.as_str() != "ward"),
    }
    Arc::new(city)
}

/// An agent's day: there for most of it, with a break or two, answering within some seconds and missing some calls.
fn shift(random: &mut Random, agent: &'static str, within: u64) -> Shift {
    let breaks = (0..random.below(3))
        .map(|_| (Duration::from_millis(60_000 + random.below(within)), Duration::from_secs(300 + random.below(1500))))
        .collect();
    Shift {
        agent,
        comes: Duration::from_millis(random.below(5000)),
        habits: Habits {
            quickest: Duration::from_millis(500 + random.below(1500)),
            slowest: Duration::from_millis(2500 + random.below(7000)),
            misses_per_mille: random.below(60) as u32,
        },
        breaks,
        goes: (random.below(6) == 0).then(|| Duration::from_millis(within / 2 + random.below(within / 2))),
    }
}
