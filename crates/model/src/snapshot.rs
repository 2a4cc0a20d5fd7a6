//! What the boards show: the state of the whole engine at one moment.

use crate::{AgentId, AgentState, Break, BreakReason, LineId, Override, QueueId, Skill, TrunkRegistration, UnixMillis, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many of each thing are alive. All zero when all is quiet, but for registrations and their timers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Calls in progress.
    pub calls: u64,
    /// Legs in progress.
    pub legs: u64,
    /// SIP dialogs, early and confirmed.
    pub dialogs: u64,
    /// SIP transactions not yet terminated.
    pub transactions: u64,
    /// Tickets waiting or offered.
    pub tickets: u64,
    /// RTP ports in use.
    pub ports: u64,
    /// Running timers of calls (not of registrations).
    pub timers: u64,
    /// Callbacks to be made. They may be there when all is quiet: they wait for their hours.
    #[serde(default)]
    pub callbacks: u64,
}

/// One queue as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueNow {
    /// Which queue.
    pub queue: QueueId,
    /// Callers waiting, offered ones included.
    pub depth: u64,
    /// Age of the oldest ticket, in milliseconds.
    pub longest_wait_millis: u64,
    /// Agents who serve it, whatever the caller's language, and are there: signed in, on no break, and no phone of theirs rings in vain.
    #[serde(default)]
    pub staff: u64,
    /// Those of them who are idle: the next caller's phone rings at once.
    #[serde(default)]
    pub free: u64,
    /// The promise that the queue is measured by: answered within this time, in milliseconds ..
    #[serde(default)]
    pub promised_millis: u64,
    /// .. is this share of the callers, in percent.
    #[serde(default)]
    pub promised_percent: u8,
}

/// The agents who have a skill, by what they are doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkillNow {
    /// Which skill.
    pub skill: Skill,
    /// How many agents are in each state; one that is not there has nobody.
    pub agents: BTreeMap<AgentState, u64>,
}

/// The ways in: how many calls there are at once, and how many there may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// Calls that take one.
    pub in_use: u64,
    /// `calls_max` of the city.
    pub max: u64,
}

/// The places of one line that calls go out to: a ward hotline's, or a trunk's channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineNow {
    /// Which line.
    pub line: LineId,
    /// Places taken.
    pub used: u64,
    /// Places in all.
    pub places: u64,
}

/// The channels of one trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkChannels {
    /// Which trunk.
    pub line: LineId,
    /// Taken by callers who came over it.
    pub incoming: u64,
    /// Taken by calls of ours.
    pub outgoing: u64,
    /// As many as we take for calls of ours.
    pub max: u64,
}

/// One agent as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentNow {
    /// Who.
    pub agent: AgentId,
    /// What they are doing.
    pub state: AgentState,
    /// The break they are on, or that begins when the call in hand is over, after-call work included.
    #[serde(rename = "break", default, skip_serializing_if = "Option::is_none")]
    pub on_break: Option<BreakNow>,
}

/// A break as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakNow {
    /// Why, if a reason was given.
    pub reason: Option<BreakReason>,
    /// Since when for this reason; before the call in hand is over, since when it was asked for. `None` where nobody wrote it down.
    pub since: Option<UnixMillis>,
}

/// One trunk as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkNow {
    /// Which trunk.
    pub line: LineId,
    /// What came of registering last; `None` where it does not register, or has had no answer yet.
    pub registration: Option<TrunkRegistration>,
    /// Whether it registers at all.
    pub registers: bool,
    /// Whether the carrier knows where we are at this moment.
    pub registered: bool,
    /// Whether it answers; `None` where nobody asks.
    pub reachable: Option<bool>,
}

/// The state of the engine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was taken.
    pub wall: UnixMillis,
    /// The version of the city in force.
    pub version: Option<Version>,
    /// How many of each thing.
    pub census: Census,
    /// The queues, in the order of their names.
    pub queues: Vec<QueueNow>,
    /// The agents, in the order of their names.
    pub agents: Vec<AgentNow>,
    /// The reasons for a break that the city declares, in the order of their names.
    #[serde(default)]
    pub breaks: Vec<Break>,
    /// What was set by hand and has not ended, in the order of [`crate::Setting::id`].
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// The trunks that register or are asked whether they work, in the order of the file.
    #[serde(default)]
    pub trunks: Vec<TrunkNow>,
    /// The lines out and how full they are, in the order of their names.
    #[serde(default)]
    pub lines: Vec<LineNow>,
    /// The ways in.
    #[serde(default)]
    pub channels: Channels,
    /// The channels of each trunk, in the order of the file.
    #[serde(default)]
    pub trunk_channels: Vec<TrunkChannels>,
    /// How long the oldest call in progress has lasted, in milliseconds; 0 without calls.
    #[serde(default)]
    pub oldest_call_millis: u64,
    /// The skills that agents have, in the order of their names.
    #[serde(default)]
    pub skills: Vec<SkillNow>,
    /// The last holiday that the calendar knows; `None` where it knows none.
    #[serde(default)]
    pub holidays_until: Option<UnixMillis>,
}

/// Upper bounds of the send-lateness buckets, in microseconds; the last bucket is everything above.
pub const LATENESS_BOUNDS_MICROS: [u64; 8] = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000];

/// What one media worker has done since it began; each figure only grows, but for `sessions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStats {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets received and used.
    pub packets_received: u64,
    /// Packets that never came, of closed sessions.
    pub packets_lost: u64,
    /// Packets that came too late, of closed sessions.
    pub packets_late: u64,
    /// Packets from foreign addresses, dropped.
    pub packets_foreign: u64,
    /// Packets that the kernel did not take.
    pub send_failures: u64,
    /// How late each packet's slot ran, per bucket of [`LATENESS_BOUNDS_MICROS`], one more for the rest.
    pub lateness: [u64; 9],
    /// Sum of all lateness, in microseconds.
    pub lateness_sum_micros: u64,
    /// Sessions open at this moment.
    pub sessions: u64,
}
