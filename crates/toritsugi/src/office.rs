//! The duty officer's orders on their way: from words (`until 17:00`) to the engine, and back as a sentence.

pub(crate) mod words;

use crate::desk::Counter;
use crate::explain::Tongue;
use crate::publish;
use crate::publisher::{Front, Job};
use crate::status::{Set, Status, minute};
use crate::words::{Both, Stop};
use crate::zone::Zone;
use calls::{Control, Reply};
use flow::Standing;
use model::{Lang, Level, NOTICE_TEXT_MAX, Override, REMARK_MAX, Setting, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::oneshot;
use web::{Later, Office, Order, Ordered};

/// A notice of more than so long is worth a word: nobody should have to wait for the menu.
const LONG: Duration = Duration::from_secs(10);

/// A row of figures in a remark from this length on could be somebody's number.
const FIGURES_MIN: usize = 9;
/// As long as whoever orders waits for the voice, or for a publication: a little less than their connection lasts.
const PATIENCE: Duration = Duration::from_secs(8);

/// The office as the HTTP side holds it.
pub(crate) struct DutyOffice {
    pub(crate) front: Arc<Front>,
    pub(crate) desk: Counter,
    pub(crate) jobs: SyncSender<Job>,
    pub(crate) state: PathBuf,
}

/// Not done, and why.
enum Not {
    Refused(Both),
    Gone,
}

impl Office for DutyOffice {
    fn status(&self) -> Later<'_, Option<String>> {
        Box::pin(async move {
            let Some(Reply::Snapshot(snapshot)) = self.desk.ask(Control::Snapshot).await else { return None };
            let (zone, city) = (self.front.zone(), self.front.city());
            let overrides = snapshot.overrides.iter().map(|set| Set::new(set, &zone, &city)).collect();
            serde_json::to_string(&Status { stand: self.front.stand(), overrides }).ok()
        })
    }

    fn order(&self, order: Order, lang: Lang) -> Later<'_, Ordered> {
        let tongue = Tongue::of(Some(lang.as_str()));
        Box::pin(async move {
            match self.carry_out(order).await {
                Ok(said) => Ordered::Done(serde_json::json!({ "said": said.of(tongue) }).to_string()),
                Err(Not::Refused(why)) => Ordered::Refused(why.of(tongue).to_owned()),
                Err(Not::Gone) => Ordered::Gone,
            }
        })
    }
}

impl DutyOffice {
    async fn carry_out(&self, order: Order) -> Result<Both, Not> {
        match without_numbers(order) {
            Order::Notice { slot, texts, until, by, why } => self.notice(Setting::Notice { slot, texts }, &until, by, why).await,
            Order::Schedule { schedule, hours, until, by, why } => {
                let setting = Setting::Schedule { schedule: schedule.clone(), hours };
                let until = self.set(setting, &until, by, why, BTreeMap::new()).await?;
                Ok(words::schedule_set(&schedule, hours, &until))
            }
            Order::Skill { agent, skill, level, until, by, why } => {
                let level = match level {
                    0 => None,
                    level => Some(Level::new(level).ok_or_else(|| Not::Refused(words::no_level(level)))?),
                };
                let setting = Setting::Skill { agent: agent.clone(), skill: skill.clone(), level };
                let until = self.set(setting, &until, by, why, BTreeMap::new()).await?;
                Ok(words::skill_set(&agent, &skill, level, &until))
            }
            Order::End { what, by } => {
                self.ask(Control::LiftOverride(what.clone(), by)).await?;
                Ok(words::ended(&what))
            }
            Order::Rollback { number, although_tests_fail, by, why } => {
                remark(&by)?;
                remark(&why)?;
                let (answer, answered) = oneshot::channel();
                let job = Job::Rollback { number, by, why, although_tests_fail, answer };
                self.jobs.try_send(job).map_err(|_| Not::Refused(words::publications_under_way()))?;
                match tokio::time::timeout(PATIENCE, answered).await {
                    Ok(answered) => answered.map_err(|_| Not::Gone)?.map_err(Not::Refused),
                    Err(_) => Ok(words::on_its_way(number)),
                }
            }
        }
    }

    async fn notice(&self, setting: Setting, until: &str, by: String, why: String) -> Result<Both, Not> {
        let Setting::Notice { slot, texts } = &setting else { return Err(Not::Gone) };
        // Before a voice begins: it should not be asked for what nobody would take.
        if texts.iter().any(|(_, text)| text.chars().count() > NOTICE_TEXT_MAX || text.chars().any(char::is_control)) {
            return Err(Not::Refused(words::not_allowed(&calls::NotAllowed::Text)));
        }
        self.end(until)?;
        let city = self.front.city();
        let offered = city.book.flows_at(slot).flat_map(|flow| flow.offered().cloned()).collect();
        let before = city.book.flows_at(slot).filter_map(|flow| flow.languages().next().cloned()).collect();
        let heard = Heard::of(texts, &offered, &before);
        let (texts, state, settings) = (texts.clone(), self.state.clone(), city.book.settings.clone());
        let rendered = tokio::task::spawn_blocking(move || publish::notice(&state, &settings, &texts));
        let Ok(rendered) = tokio::time::timeout(PATIENCE, rendered).await else {
            return Err(Not::Refused(words::voice_is_slow()));
        };
        let clips = rendered.map_err(|_| Not::Refused(words::voice_failed(None)))?;
        let clips = clips.map_err(|why: Stop| Not::Refused(words::voice_failed(Some(&why.0))))?;
        let longest = clips.values().map(|clip| clip.length()).max().unwrap_or_default();
        let langs: Vec<Lang> = clips.keys().cloned().collect();
        let until = self.set(setting, until, by, why, clips).await?;
        Ok(words::notice_set(&langs, &until, longest, longest > LONG, &heard))
    }

    /// The moment that a text names, in the city's time.
    fn end(&self, until: &str) -> Result<UnixMillis, Not> {
        let shown: String = until.chars().filter(|c| !c.is_control()).take(40).collect();
        flow::until(until, &self.front.city().book.calendar, publish::wall()).map_err(|why| Not::Refused(words::no_end(&shown, why)))
    }

    /// Sets something; gives its end for people.
    async fn set(&self, setting: Setting, until: &str, by: String, why: String, clips: Clips) -> Result<Both, Not> {
        let (since, until) = (publish::wall(), self.end(until)?);
        self.ask(Control::SetOverride(Box::new(Override { setting, by, why, since, until }), clips)).await?;
        Ok(day_and_time(&self.front.zone(), since, until))
    }

    async fn ask(&self, control: Control) -> Result<(), Not> {
        match self.desk.ask(control).await {
            Some(Reply::Done) => Ok(()),
            Some(Reply::NotAllowed(why)) => Err(Not::Refused(words::not_allowed(&why))),
            Some(Reply::Refused(why)) => Err(Not::Refused(words::refused(why))),
            Some(Reply::Snapshot(_)) | None => Err(Not::Gone),
        }
    }
}

/// Who hears which of the languages of a notice, where that is not their own.
struct Heard {
    /// By whoever has not chosen a language when they come by it.
    before: BTreeSet<Lang>,
    /// By the language that is heard: those who chose one in which there is no text.
    instead: BTreeMap<Lang, Vec<Lang>>,
}

impl Heard {
    /// `offered`: what callers may choose; `before`: what flows begin with.
    fn of(texts: &[(Lang, String)], offered: &BTreeSet<Lang>, before: &BTreeSet<Lang>) -> Heard {
        let spoken: Vec<&Lang> = texts.iter().map(|(lang, _)| lang).collect();
        let mut instead: BTreeMap<Lang, Vec<Lang>> = BTreeMap::new();
        for lang in offered.iter().filter(|lang| !spoken.contains(lang)) {
            if let Some(heard) = Standing::heard_by(&spoken, lang) {
                instead.entry(heard.clone()).or_default().push(lang.clone());
            }
        }
        Heard { before: before.iter().filter_map(|lang| Standing::heard_by(&spoken, lang).cloned()).collect(), instead }
    }
}

type Clips = BTreeMap<Lang, Arc<media::Clip>>;

/// Whose number somebody noted beside an order is nobody's business who reads it later (law 8). What is spoken to callers stays as it is.
fn without_numbers(mut order: Order) -> Order {
    match &mut order {
        Order::Notice { why, .. } | Order::Schedule { why, .. } | Order::Skill { why, .. } | Order::Rollback { why, .. } => {
            *why = model::hide_numbers(why, FIGURES_MIN);
        }
        Order::End { .. } => {}
    }
    order
}

fn remark(text: &str) -> Result<(), Not> {
    let fine = text.chars().count() <= REMARK_MAX && !text.chars().any(char::is_control);
    if fine { Ok(()) } else { Err(Not::Refused(words::not_allowed(&calls::NotAllowed::Remark))) }
}

/// `today, 2026-11-26 17:00`: whoever says a time of day hears which day it is.
fn day_and_time(zone: &Zone, now: UnixMillis, until: UnixMillis) -> Both {
    let (en, ja) = match zone.day(until) - zone.day(now) {
        0 => ("today, ", "本日 "),
        1 => ("TOMORROW, ", "明日 "),
        _ => ("", ""),
    };
    let minute = minute(zone, until);
    Both::new(format_args!("{en}{minute}"), format_args!("{ja}{minute}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_says_a_time_hears_which_day_it_is() {
        let zone = Zone::tokyo();
        // 2026-11-25 07:00 in Tokyo.
        let now = UnixMillis(1_795_557_600_000);
        let after = |hours: i64| day_and_time(&zone, now, UnixMillis(now.0 + hours * 3_600_000));
        let said = [after(10), after(17), after(48)];
        assert_eq!(said.clone().map(|said| said.en), ["today, 2026-11-25 17:00", "TOMORROW, 2026-11-26 00:00", "2026-11-27 07:00"]);
        assert_eq!(said.map(|said| said.ja), ["本日 2026-11-25 17:00", "明日 2026-11-26 00:00", "2026-11-27 07:00"]);
    }

    #[test]
    fn who_has_no_text_of_their_own_is_named_with_what_they_hear() {
        let langs = |langs: &[&str]| langs.iter().copied().map(Lang::from).collect::<BTreeSet<Lang>>();
        let texts = ["en", "ja"].map(|lang| (Lang::from(lang), String::new()));
        let heard = Heard::of(&texts, &langs(&["ja", "ja-easy", "en", "zh"]), &langs(&["ja"]));
        let said = words::notice_set(&[Lang::from("ja")], &Both::new("17:00", "17:00"), Duration::from_secs(3), false, &heard);
        let en = "Before a language is chosen it is heard in ja. No text for zh: who has chosen that hears en. No text for ja-easy: who has \
                  chosen that hears ja.";
        assert!(said.en.ends_with(en), "{}", said.en);
        let ja = "言語を選ぶ前の方には ja で流れます。zh の文はないため、選んだ方には en で流れます。ja-easy の文はないため、選んだ方には ja で流れます。";
        assert!(said.ja.ends_with(ja), "{}", said.ja);
    }
}
