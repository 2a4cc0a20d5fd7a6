//! `toritsugi notice`, `override` and `agent skill`: what holds until an hour, and is never written into the city's files.

use crate::StateArgs;
use crate::client;
use crate::explain::Tongue;
use crate::words::{Both, Stop, say};
use clap::{Args, Subcommand};
use model::{AgentId, Hours, Lang, OverrideId, ScheduleId, Skill, SlotId};
use serde::Deserialize;
use web::Order;

/// The language of a notice that names none.
const JAPANESE: &str = "ja";

#[derive(Args)]
pub(crate) struct ByHand {
    /// Its end, in the city's time: 17:00 (the next one; the answer says which day that is), "2026-11-27 09:00", 90m, 2h or 3d
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Who orders it [default: the user who runs this]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why, for whoever reads `toritsugi status`
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
    /// Language of the answer: en or ja [default: as the terminal]
    #[arg(long)]
    lang: Option<String>,
    #[command(flatten)]
    state: StateArgs,
}

impl ByHand {
    fn tongue(&self) -> Tongue {
        Tongue::of(self.lang.as_deref())
    }
    fn by(&self) -> String {
        self.by.clone().unwrap_or_else(client::whoami)
    }
    fn until(&self) -> Result<String, Stop> {
        let none = Both::new(
            "everything that is set by hand has an end: add --until 17:00, --until \"2026-11-27 09:00\" or --until 2h",
            "臨時の指定には終わりの時刻が必要です。--until 17:00、--until \"2026-11-27 09:00\"、--until 2h（2 時間）のように付けてください。",
        );
        self.until.clone().ok_or_else(|| Stop::new(none.of(self.tongue())))
    }
    fn order(&self, order: &Order) -> Result<(), Stop> {
        let answer = client::ask(&self.state.state, "orders", Some(order), self.tongue())?;
        say(said(&answer, self.tongue())?)
    }
    fn end(&self, what: &str) -> Result<(), Stop> {
        self.order(&Order::End { what: OverrideId::from(what), by: self.by() })
    }
}

/// The sentence in an answer.
pub(crate) fn said(answer: &str, tongue: Tongue) -> Result<String, Stop> {
    #[derive(Deserialize)]
    struct Said {
        said: String,
    }
    serde_json::from_str::<Said>(answer).map(|answer| answer.said).map_err(|fault| client::another(fault, tongue))
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
    /// What is said, once for each language: "ja=本日は休診です。" "en=We are closed today."; without a language it is Japanese. The first one
    /// is heard by whoever has none
    #[arg(long, value_name = "[LANG=]TEXT", required = true, num_args = 1..)]
    text: Vec<String>,
    #[command(flatten)]
    by_hand: ByHand,
}

/// `toritsugi notice ..`.
pub(crate) fn notice(command: &NoticeCommand) -> Result<(), Stop> {
    let args = match command {
        NoticeCommand::Set(args) => args,
        NoticeCommand::Clear { slot, by_hand } => return by_hand.end(&format!("notice {slot}")),
    };
    let texts = args.text.iter().map(|text| in_language(text).map_err(|why| Stop::new(why.of(args.by_hand.tongue()))));
    let texts = texts.collect::<Result<Vec<_>, Stop>>()?;
    let (until, by, why) = (args.by_hand.until()?, args.by_hand.by(), args.by_hand.why.clone());
    args.by_hand.order(&Order::Notice { slot: SlotId::from(args.slot.as_str()), texts, until, by, why })
}

/// `en=We are closed today.`: the language, and what is said in it.
fn in_language(text: &str) -> Result<(Lang, String), Both> {
    let is_tag = |tag: &str| {
        let mut parts = tag.split('-');
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        parts.next().is_some_and(|lang| (2..=3).contains(&lang.len()) && plain(lang)) && parts.all(plain)
    };
    if let Some((tag, text)) = text.split_once('=').filter(|(tag, _)| is_tag(tag)) {
        return Ok((Lang::from(tag), text.to_owned()));
    }
    // Kana and Han: read by the Japanese voice, another language would be no words at all.
    let japanese = |c: char| matches!(c, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}');
    if text.chars().any(japanese) {
        return Ok((Lang::from(JAPANESE), text.to_owned()));
    }
    Err(Both::new(
        "a text without a Japanese sign needs its language: --text \"en=We are closed today.\"",
        "日本語の文字がない文には、言語を付けてください。例：--text \"en=We are closed today.\"",
    ))
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
    let wrong = || {
        let said = Both::new(
            format_args!("\"{}\" is no skill and level: write nurse=4, nurse=0 or nurse=clear", args.skill),
            format_args!("「{}」は技能とレベルとして読めません。nurse=4、nurse=0、nurse=clear のように書いてください。", args.skill),
        );
        Stop::new(said.of(args.by_hand.tongue()))
    };
    let (skill, level) = args.skill.split_once('=').ok_or_else(wrong)?;
    if level == "clear" {
        return args.by_hand.end(&format!("skill {} {skill}", args.agent));
    }
    let level = level.parse::<u8>().ok().filter(|level| *level <= 5).ok_or_else(wrong)?;
    let (until, by, why) = (args.by_hand.until()?, args.by_hand.by(), args.by_hand.why.clone());
    let (agent, skill) = (AgentId::from(args.agent.as_str()), Skill::from(skill));
    args.by_hand.order(&Order::Skill { agent, skill, level, until, by, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_its_language_or_is_japanese_and_is_never_read_by_the_wrong_voice() {
        let read = |text: &str| in_language(text).map(|(lang, text)| (lang.to_string(), text));
        let said = |lang: &str, text: &str| Ok((lang.to_owned(), text.to_owned()));
        assert_eq!(read("en=We are closed: 1+1=2"), said("en", "We are closed: 1+1=2"));
        assert_eq!(read("ja-easy=きょうは やすみです。"), said("ja-easy", "きょうは やすみです。"));
        assert_eq!(read("本日は休診です。"), said("ja", "本日は休診です。"));
        assert_eq!(read("受付=本日は休診です。"), said("ja", "受付=本日は休診です。"), "what stands before it is no language");
        assert!(read("We are closed today.").is_err());
    }
}
