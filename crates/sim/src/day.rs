//! A day in the town: hundreds of residents and a dozen agents, each with their own ways, drawn from the world's seed.

use crate::{Clerk, PersonId, Resident, Weather, World, town};
use model::Random;
use phone::AnswerPolicy;
use std::time::Duration;

/// How a day goes.
#[derive(Clone, Copy, Debug)]
pub struct Day {
    /// How many residents call.
    pub calls: u32,
    /// Within which time.
    pub within: Duration,
    /// The network, all day.
    pub weather: Weather,
}

impl Default for Day {
    fn default() -> Self {
        Day { calls: 500, within: Duration::from_secs(3600), weather: Weather { lost_per_mille: 20, ..Weather::FAIR } }
    }
}

impl Day {
    /// Lets everybody of this day move in. The draws come from `seed`; the agents come first, in the order of the town's lists.
    pub fn fill(&self, world: &mut World, seed: u64) -> Vec<PersonId> {
        let mut random = Random::from_number(seed);
        world.weather(Duration::ZERO, self.weather);
        let mut people = Vec::new();
        for (at, name) in town::NURSES.iter().chain(&town::CLERKS).enumerate() {
            let answer = match at {
                // One phone rings unheard, one declines: there is such a one in every office.
                3 => AnswerPolicy::Never,
                11 => AnswerPolicy::Decline(486),
                _ => AnswerPolicy::After(Duration::from_millis(1000 + random.below(6000))),
            };
            let talk = (random.below(2) == 0).then(|| Duration::from_secs(20 + random.below(60)));
            let comes = Duration::from_millis(random.below(2000));
            people.push(world.add_clerk(comes, name, Clerk { answer, talk, ..Clerk::default() }));
        }
        let within = u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX).max(1);
        for _ in 0..self.calls {
            let at = Duration::from_millis(3000 + random.below(within));
            people.push(world.add_resident(at, resident(&mut random)));
        }
        people
    }
}

/// Most press a key, many too early or a wrong one; some press nothing, some leave before they are served.
fn resident(random: &mut Random) -> Resident {
    let thinks = "W".repeat(random.below(9) as usize);
    let key = ["1", "1", "2", "2", "2", "3", "7", "", "#w2", "1wwwwWWWW0"][random.below(10) as usize];
    let patience = match random.below(4) {
        0 => 1 + random.below(20),
        1 => 20 + random.below(60),
        _ => 100 + random.below(500),
    };
    let talk = (random.below(5) > 0).then(|| Duration::from_secs(10 + random.below(100)));
    // Nobody talks for ever: whoever leaves the end to the agent hangs up after ten minutes all the same.
    let talk = Some(talk.unwrap_or(Duration::from_secs(600)));
    let dials = if random.below(50) == 0 { "0449999999".to_owned() } else { town::NUMBER.to_owned() };
    Resident { dials, keys: format!("{thinks}{key}"), patience: Duration::from_secs(patience), talk, ..Resident::default() }
}
