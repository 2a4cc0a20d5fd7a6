//! Who lives in the town: residents who call, and agents who answer.

use model::{Digit, Instant, StepId};
use phone::{AnswerPolicy, Config, Phone, Sound};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// One person with a phone, in the order of their coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonId(pub u32);

/// Somebody who calls the town.
#[derive(Clone, Debug)]
pub struct Resident {
    /// Whom they call; the town's number unless they misdial.
    pub dials: String,
    /// Which keys they press, once they hear something: `1`, `w2`, nothing.
    pub keys: String,
    /// What they press at each step of the flow, with the time since they came to it; void once they have left it.
    pub presses: Arc<Presses>,
    /// How long after dialling they give up, if nobody has served them.
    pub patience: Duration,
    /// How long they talk before they hang up; `None` leaves that to the agent.
    pub talk: Option<Duration>,
    /// What they say.
    pub says: Sound,
    /// The number that they show; one of their own unless said. `anonymous` withholds it.
    pub number: Option<String>,
    /// Whether their exchange leaves the offer to us.
    pub late: bool,
    /// Whether they call again when nobody has served them.
    pub again: Option<Again>,
}

/// Keys by the step at which they are pressed.
pub type Presses = BTreeMap<StepId, Vec<(Duration, Digit)>>;

/// Calling again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// How long after the last try.
    pub after: Duration,
    /// How often at most.
    pub times: u32,
}

impl Default for Resident {
    fn default() -> Self {
        Resident {
            dials: crate::town::NUMBER.to_owned(),
            keys: String::new(),
            presses: Arc::default(),
            patience: Duration::from_secs(600),
            talk: Some(Duration::from_secs(60)),
            says: Sound::Silence,
            again: None,
            number: None,
            late: false,
        }
    }
}

/// Somebody who answers.
#[derive(Clone, Debug)]
pub struct Clerk {
    /// What their phone does when it rings.
    pub answer: AnswerPolicy,
    /// What they do themselves, where the phone does nothing: drawn anew for each call.
    pub habits: Option<Habits>,
    /// How long they talk before they hang up; `None` leaves that to the resident.
    pub talk: Option<Duration>,
    /// What they say.
    pub says: Sound,
}

/// How an agent answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// At the quickest.
    pub quickest: Duration,
    /// At the slowest.
    pub slowest: Duration,
    /// Out of a thousand calls, so many are let ring.
    pub misses_per_mille: u32,
}

impl Default for Clerk {
    fn default() -> Self {
        Clerk { answer: AnswerPolicy::After(Duration::from_secs(3)), habits: None, talk: None, says: Sound::Silence }
    }
}

/// Somebody outside, whom the town reaches over its trunk: one telephone of a ward hotline, an interpreter, a resident who is called back.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// The number that reaches them; as many neighbours have it as it has lines.
    pub number: String,
    /// What they do when their phone rings.
    pub answer: AnswerPolicy,
    /// Which keys they press once they have answered.
    pub keys: String,
    /// How long after answering they hang up; `None` leaves that to the others.
    pub talk: Option<Duration>,
    /// What they say.
    pub says: Sound,
}

impl Default for Neighbour {
    fn default() -> Self {
        Neighbour {
            number: crate::town::WARD.to_owned(),
            answer: AnswerPolicy::After(Duration::from_secs(3)),
            keys: String::new(),
            talk: None,
            says: Sound::Silence,
        }
    }
}

/// A person in the world.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) phone: Phone,
    /// To make the phone anew when it was switched off and on.
    pub(crate) config: Config,
    pub(crate) name: String,
    pub(crate) sip: SocketAddr,
    pub(crate) rtp: SocketAddr,
    pub(crate) life: Life,
    /// Counts this person's calls, so that what was planned for one does not happen to the next.
    pub(crate) calls: u32,
    /// Counts the steps of the flow that they came to, so that a key meant for one is not pressed at the next.
    pub(crate) steps: u32,
    pub(crate) ended: Option<Instant>,
    /// Somebody has talked with them.
    pub(crate) served: bool,
    /// How often they have called again.
    pub(crate) again: u32,
}

#[derive(Debug)]
pub(crate) enum Life {
    Resident(Resident),
    Clerk(Clerk),
    Neighbour(Neighbour),
}

impl Person {
    pub(crate) fn talk(&self) -> Option<Duration> {
        match &self.life {
            Life::Resident(resident) => resident.talk,
            Life::Clerk(clerk) => clerk.talk,
            Life::Neighbour(neighbour) => neighbour.talk,
        }
    }
}
