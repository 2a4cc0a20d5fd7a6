//! A whole day through a draft city, before it goes live: many callers, the staff as planned, the very engine under virtual time.
//!
//! Who calls when, what they press, how long they wait and talk is planned by whoever asks; the same plan and seed give the same day. What
//! came of it is told as call records and as what agents did: the sums are others' work.

use crate::rehearsal::behind_glass;
use crate::{Again, Clerk, Habits, Neighbour, Presses, Resident, World};
use calls::City;
use model::{AgentId, AgentState, CallRecord, Event, FlowName, Instant, Refusal, UnixMillis};
use phone::{AnswerPolicy, Command};
use std::sync::Arc;
use std::time::Duration;

/// The day begins so long before its first call: phones register.
pub const OPENS: Duration = Duration::from_secs(10);
/// What somebody outside presses who answers: 1, after two seconds.
const ACCEPTS: &str = "WW1";
/// A hotline talks for so long.
const HOTLINE_TALKS: Duration = Duration::from_secs(180);
/// How agents answer: within one to six seconds, and one call in a hundred rings in vain.
const HABITS: Habits = Habits { quickest: Duration::from_secs(1), slowest: Duration::from_secs(6), misses_per_mille: 10 };
/// After the last call everything is over by then.
const GOES_ON: Duration = Duration::from_secs(6 * 3600);

/// A day as it is planned.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What else is left to chance comes from it.
    pub seed: u64,
    /// When the day begins.
    pub begins: UnixMillis,
    /// How long it lasts.
    pub lasts: Duration,
    /// Who calls, in the order of their calls.
    pub visitors: Vec<Visitor>,
    /// When each agent is there, since the day's beginning; the same agent may come twice.
    pub shifts: Vec<(AgentId, Duration, Duration)>,
}

/// Somebody who calls.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// When, since the day's beginning.
    pub at: Duration,
    /// What they press.
    pub presses: Arc<Presses>,
    /// How long after dialling they give up if nobody has served them.
    pub patience: Duration,
    /// How long they talk.
    pub talk: Duration,
    /// Whether they call again when nobody has served them.
    pub again: Option<Again>,
}

/// What came of a day.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Every call.
    pub records: Vec<CallRecord>,
    /// Calls for which there was no room.
    pub refused: u64,
    /// Every change of what an agent does, with the time since the day's beginning, in order.
    pub changes: Vec<(Duration, AgentId, AgentState)>,
    /// Where the engine broke the protocol, by the judgement of the phones: a fault of ours.
    pub violations: Vec<String>,
}

/// Lets the day happen. `told` hears how much of it has passed.
///
/// # Panics
/// When the engine does what it must never do: with what that was, as [`World::run_until`].
pub fn day(city: &City, flow: &FlowName, plan: &Plan, told: &mut dyn FnMut(Duration)) -> Outcome {
    let (city, number) = behind_glass(city, flow, |_| {});
    let begins = UnixMillis(plan.begins.0.saturating_sub(i64::try_from(OPENS.as_millis()).unwrap_or(0)));
    let hotlines = hotlines(&city);
    let mut world = World::beginning(city, plan.seed, begins).keeping(is_counted);
    for neighbour in hotlines {
        world.add_neighbour(neighbour);
    }
    staff(&mut world, plan);
    for (n, visitor) in plan.visitors.iter().enumerate() {
        let number_shown = format!("0801{n:07}");
        let resident = Resident {
            dials: number.as_str().to_owned(),
            presses: Arc::clone(&visitor.presses),
            patience: visitor.patience,
            talk: Some(visitor.talk),
            again: visitor.again,
            number: Some(number_shown.clone()),
            ..Resident::default()
        };
        world.add_resident(OPENS + visitor.at, resident);
        // Their telephone at home, should they be called back.
        let home = Neighbour { number: number_shown, keys: ACCEPTS.to_owned(), talk: Some(visitor.talk), ..Neighbour::default() };
        world.add_neighbour(home);
    }
    let end = OPENS + plan.lasts;
    let mut at = Duration::ZERO;
    while at < end + GOES_ON && (at < end || world.engine().is_some_and(|engine| engine.census().calls > 0)) {
        at += Duration::from_secs(300);
        world.run_until(at);
        told(at.saturating_sub(OPENS).min(plan.lasts));
    }
    let mut outcome = Outcome { violations: world.violations(), ..Outcome::default() };
    for (at, event) in world.notes() {
        match event {
            Event::Ended { record } => outcome.records.push((**record).clone()),
            Event::Refused { why: Refusal::Full | Refusal::NoPort | Refusal::Draining, .. } => outcome.refused += 1,
            Event::AgentState { agent, to, .. } => {
                outcome.changes.push((at.since(Instant::ZERO).saturating_sub(OPENS), agent.clone(), *to));
            }
            _ => {}
        }
    }
    outcome
}

fn is_counted(event: &Event) -> bool {
    matches!(event, Event::Ended { .. } | Event::Refused { .. } | Event::AgentState { .. })
}

fn staff(world: &mut World, plan: &Plan) {
    let mut shifts: Vec<&(AgentId, Duration, Duration)> = plan.shifts.iter().collect();
    shifts.sort();
    let mut last = None;
    for (agent, from, to) in shifts {
        let person = match last {
            Some((name, person)) if name == agent => {
                world.at(*from, person, Command::Register);
                person
            }
            _ => {
                let clerk = Clerk { answer: AnswerPolicy::Never, habits: Some(HABITS), ..Clerk::default() };
                world.add_clerk(*from, agent.as_str(), clerk)
            }
        };
        last = Some((agent, person));
        if *to < plan.lasts {
            world.at(OPENS + *to, person, Command::Unregister);
        }
    }
}

/// The telephones of every line that callers are put through to: each answers after a few seconds and takes the call.
fn hotlines(city: &City) -> Vec<Neighbour> {
    let telephones = city.book.lines.iter().filter_map(|line| line.target.as_ref()).map(|target| {
        let one = Neighbour {
            number: target.number.as_str().to_owned(),
            keys: ACCEPTS.to_owned(),
            talk: Some(HOTLINE_TALKS),
            ..Neighbour::default()
        };
        std::iter::repeat_n(one, target.lines as usize)
    });
    telephones.flatten().collect()
}
