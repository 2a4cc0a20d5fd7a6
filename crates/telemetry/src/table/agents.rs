//! Agents: what they are doing, and what becomes of the calls that their phones are asked to take.

use super::{Entry, Of, yes_or_no};
use model::{AgentState, Event};

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
            from_start: &[&["left"], &["expired"], &["silent"], &["full"]],
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
