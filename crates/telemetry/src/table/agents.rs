//! Agents: what they are doing, and what becomes of the calls that their phones are asked to take.

use super::{Entry, Of, seconds, yes_or_no};
use model::{AgentState, BreakReason, Event};
use std::collections::BTreeMap;

/// The reason of a break for which none was given. `check` lets no reason have this name.
const NO_REASON: &str = "none";

fn word(reason: Option<&BreakReason>) -> &str {
    reason.map_or(NO_REASON, BreakReason::as_str)
}

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "agents",
        help: "Agents by what they are doing. not_responding: a phone rings and nobody takes it; somebody should go and look.",
        labels: &["state"],
        of: Of::Board(|latest, tell| {
            if let Some(snapshot) = &latest.snapshot {
                for state in AgentState::ALL {
                    let count = snapshot.agents.iter().filter(|a| a.state == state).count();
                    tell(&[&state.to_string()], count as f64);
                }
            }
        }),
    },
    Entry {
        name: "agents_by_skill",
        help: "Agents who have a skill (config/agents.yaml), by what they are doing. Whoever has several is counted with each.",
        labels: &["skill", "state"],
        of: Of::Board(|latest, tell| {
            for skill in latest.snapshot.iter().flat_map(|snapshot| &snapshot.skills) {
                for state in AgentState::ALL {
                    let count = skill.agents.get(&state).copied().unwrap_or(0);
                    tell(&[skill.skill.as_str(), &state.to_string()], count as f64);
                }
            }
        }),
    },
    Entry {
        name: "agents_not_ready",
        help: "Agents on a break by its reason, as config/breaks.yaml names it; none: no reason was given.",
        labels: &["reason"],
        of: Of::Board(|latest, tell| {
            let Some(snapshot) = &latest.snapshot else { return };
            let declared = snapshot.breaks.iter().map(|declared| word(Some(&declared.reason)));
            let mut counts: BTreeMap<&str, u32> = declared.chain([NO_REASON]).map(|reason| (reason, 0)).collect();
            for agent in snapshot.agents.iter().filter(|agent| agent.state == AgentState::NotReady) {
                // A reason that was taken out of the file is counted as long as somebody is on it.
                let reason = agent.on_break.as_ref().and_then(|on_break| on_break.reason.as_ref());
                *counts.entry(word(reason)).or_default() += 1;
            }
            counts.into_iter().for_each(|(reason, count)| tell(&[reason], f64::from(count)));
        }),
    },
    Entry {
        name: "agent_not_ready_seconds_total",
        help: "Time that agents spent on breaks by reason, counted when a break ends or goes on for another reason; toritsugi_agents_not_ready shows those that go on.",
        labels: &["reason"],
        of: Of::Events {
            from_start: &[&[NO_REASON]],
            count: |event, tell| {
                if let Event::AgentState { ended: Some(over), .. } = event {
                    tell(&[word(over.reason.as_ref())], seconds(over.lasted));
                }
            },
        },
    },
    Entry {
        name: "offers_made_total",
        help: "Times that an agent's phone was asked to take a caller.",
        labels: &["queue"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::Offered { queue, .. } = event {
                    tell(&[queue.as_str()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "offers_ended_total",
        help: "Offers to agents' phones by how they ended. Many unreachable: phones or the network are down, whatever the board says.",
        labels: &["result"],
        of: Of::Events {
            from_start: &[&["answered"], &["no_answer"], &["declined"], &["unreachable"], &["withdrawn"]],
            count: |event, tell| {
                if let Event::OfferEnded { how, .. } = event {
                    tell(&[&how.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "agent_phones_lost_total",
        help: "Agents left without any phone. expired=true: not signed out but silent, as after a power or network failure.",
        labels: &["expired"],
        of: Of::Events {
            from_start: &[&["true"], &["false"]],
            count: |event, tell| {
                if let Event::Unregistered { expired, .. } = event {
                    tell(&[yes_or_no(*expired)], 1.0);
                }
            },
        },
    },
    Entry {
        name: "agent_spare_phones_gone_total",
        help: "Phones of agents who have another. silent: it was called and nothing came back; expired: it did not register in time. Many: look at phones or network, agents may hear no bell.",
        labels: &["reason"],
        of: Of::Events {
            from_start: &[&["left"], &["expired"], &["silent"], &["lost"], &["full"]],
            count: |event, tell| {
                if let Event::PhoneGone { why, .. } = event {
                    tell(&[&why.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "agent_repairs_total",
        help: "Agents who were held to be doing something else than they were, and were put right. Must stay 0: each one is a mistake of ours, see the log.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::Repaired { .. } = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
];
