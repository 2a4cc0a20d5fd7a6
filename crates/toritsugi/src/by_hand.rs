//! `toritsugi notice`, `override` and `agent skill`: what holds until an hour, and is never written into the city's files.

use crate::StateArgs;
use crate::client;
use crate::words::{Stop, say};
use clap::{Args, Subcommand};
use model::{AgentId, Hours, Lang, OverrideId, ScheduleId, Skill, SlotId};
use serde::Deserialize;
use web::Order;

const NO_END: &str = "everything that is set by hand has an end: add --until 17:00, --until \"2026-11-27 09:00\" or --until 2h";

#[derive(Args)]
pub(crate) struct ByHand {
    /// Its end, in the city's time: 17:00 (the next one), "2026-11-27 09:00", 90m, 2h or 3d
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Who orders it [default: the user who runs this]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why, for whoever reads `toritsugi status`
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
    #[command(flatten)]
    state: StateArgs,
}

impl ByHand {
    fn by(&self) -> String {
        self.by.clone().unwrap_or_else(client::whoami)
    }
    fn until(&self) -> Result<String, Stop> {
        self.until.clone().ok_or_else(|| Stop::new(NO_END))
    }
    fn order(&self, order: &Order) -> Result<(), Stop> {
        let answer = client::ask(&self.state.state, "orders", Some(order))?;
        say(said(&answer)?)
    }
    fn end(&self, what: &str) -> Result<(), Stop> {
        self.order(&Order::End { what: OverrideId::from(what), by: self.by() })
    }
}

/// The sentence in an answer.
pub(crate) fn said(answer: &str) -> Result<String, Stop> {
    #[derive(Deserialize)]
    struct Said {
        said: String,
    }
    serde_json::from_str::<Said>(answer).map(|answer| answer.said).map_err(client::another)
}

#[derive(Subcommand)]
pub(crate) enum NoticeCommand {
    /// Have a notice spoken to every caller who comes by, until an hour
    Set(NoticeArgs),
    /// End a notice now; whoever hears it hears it out
    Clear {
        /// Which, as a step `notice` of a flow names it
        slot: String,
        #[command(flatten)]
        by_hand: ByHand,
    },
}

#[derive(Args)]
pub(crate) struct NoticeArgs {
    /// Which, as a step `notice` of a flow names it: city
    slot: String,
    /// What is said; once for each --lang, in the same order
    #[arg(long, value_name = "TEXT", required = true)]
    text: Vec<String>,
    /// The language of the text. The first one is heard by whoever speaks none of them [default: ja]
    #[arg(long, value_name = "LANG")]
    lang: Vec<String>,
    #[command(flatten)]
    by_hand: ByHand,
}

/// `toritsugi notice ..`.
pub(crate) fn notice(command: &NoticeCommand) -> Result<(), Stop> {
    let args = match command {
        NoticeCommand::Set(args) => args,
        NoticeCommand::Clear { slot, by_hand } => return by_hand.end(&format!("notice {slot}")),
    };
    let mut langs: Vec<&str> = args.lang.iter().map(String::as_str).collect();
    if langs.is_empty() {
        langs.push("ja");
    }
    if langs.len() != args.text.len() {
        let sentence =
            format!("{} texts and {} languages: give one --lang for each --text, in the same order", args.text.len(), langs.len());
        return Err(Stop::new(sentence));
    }
    let texts = langs.into_iter().map(Lang::from).zip(args.text.iter().cloned()).collect();
    let (until, by, why) = (args.by_hand.until()?, args.by_hand.by(), args.by_hand.why.clone());
    args.by_hand.order(&Order::Notice { slot: SlotId::from(args.slot.as_str()), texts, until, by, why })
}

#[derive(Args)]
pub(crate) struct OverrideArgs {
    /// Which, as config/calendar.yaml names it: centre
    schedule: String,
    /// open, closed, holiday; clear ends it now
    #[arg(value_parser = ["open", "closed", "holiday", "clear"])]
    hours: String,
    #[command(flatten)]
    by_hand: ByHand,
}

/// `toritsugi override ..`.
pub(crate) fn schedule(args: &OverrideArgs) -> Result<(), Stop> {
    let hours = match args.hours.as_str() {
        "open" => Hours::Open,
        "holiday" => Hours::Holiday,
        "closed" => Hours::Closed,
        _ => return args.by_hand.end(&format!("schedule {}", args.schedule)),
    };
    let (until, by, why) = (args.by_hand.until()?, args.by_hand.by(), args.by_hand.why.clone());
    args.by_hand.order(&Order::Schedule { schedule: ScheduleId::from(args.schedule.as_str()), hours, until, by, why })
}

#[derive(Args)]
pub(crate) struct SkillArgs {
    /// The agent's name in agents.yaml
    agent: String,
    /// SKILL=LEVEL: nurse=4; nurse=0 for not at all; nurse=clear to end it now
    #[arg(value_name = "SKILL=LEVEL")]
    skill: String,
    #[command(flatten)]
    by_hand: ByHand,
}

/// `toritsugi agent skill ..`.
pub(crate) fn skill(args: &SkillArgs) -> Result<(), Stop> {
    let wrong = || Stop::new(format!("\"{}\" is no skill and level: write nurse=4, nurse=0 or nurse=clear", args.skill));
    let (skill, level) = args.skill.split_once('=').ok_or_else(wrong)?;
    if level == "clear" {
        return args.by_hand.end(&format!("skill {} {skill}", args.agent));
    }
    let level = level.parse::<u8>().ok().filter(|level| *level <= 5).ok_or_else(wrong)?;
    let (until, by, why) = (args.by_hand.until()?, args.by_hand.by(), args.by_hand.why.clone());
    let (agent, skill) = (AgentId::from(args.agent.as_str()), Skill::from(skill));
    args.by_hand.order(&Order::Skill { agent, skill, level, until, by, why })
}
