//! The duty officer's orders on their way: from words (`until 17:00`) to the engine, and back as a sentence.

use crate::desk::Counter;
use crate::publish;
use crate::publisher::{Front, Job};
use crate::status::{Set, Status, minute};
use crate::words::Stop;
use crate::zone::Zone;
use calls::{Control, Reply};
use model::{Lang, Level, NOTICE_TEXT_MAX, Override, REMARK_MAX, Setting, UnixMillis};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::oneshot;
use web::{Later, Office, Order, Ordered};

/// A notice of more than so long is worth a word: nobody should have to wait for the menu.
const LONG: Duration = Duration::from_secs(10);

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
    Refused(String),
    Gone,
}

impl From<Stop> for Not {
    fn from(Stop(why): Stop) -> Not {
        Not::Refused(why)
    }
}

impl Office for DutyOffice {
    fn status(&self) -> Later<'_, Option<String>> {
        Box::pin(async move {
            let Some(Reply::Snapshot(snapshot)) = self.desk.ask(Control::Snapshot).await else { return None };
            let zone = self.front.zone();
            let overrides = snapshot.overrides.iter().map(|set| Set::new(set, &zone)).collect();
            serde_json::to_string(&Status { stand: self.front.stand(), overrides }).ok()
        })
    }

    fn order(&self, order: Order) -> Later<'_, Ordered> {
        Box::pin(async move {
            match self.carry_out(order).await {
                Ok(said) => Ordered::Done(serde_json::json!({ "said": said }).to_string()),
                Err(Not::Refused(why)) => Ordered::Refused(why),
                Err(Not::Gone) => Ordered::Gone,
            }
        })
    }
}

impl DutyOffice {
    async fn carry_out(&self, order: Order) -> Result<String, Not> {
        match order {
            Order::Notice { slot, texts, until, by, why } => self.notice(Setting::Notice { slot, texts }, &until, by, why).await,
            Order::Schedule { schedule, hours, until, by, why } => {
                let setting = Setting::Schedule { schedule: schedule.clone(), hours };
                let until = self.set(setting, &until, by, why, BTreeMap::new()).await?;
                Ok(format!("The schedule {schedule} is {hours} from now on, until {until}. Then the calendar counts again."))
            }
            Order::Skill { agent, skill, level, until, by, why } => {
                let level = match level {
                    0 => None,
                    level => Some(
                        Level::new(level).ok_or_else(|| Not::Refused(format!("a level is 1 to 5, or 0 for not at all; not {level}.")))?,
                    ),
                };
                let setting = Setting::Skill { agent: agent.clone(), skill: skill.clone(), level };
                let until = self.set(setting, &until, by, why, BTreeMap::new()).await?;
                let what = level.map_or_else(|| format!("has no {skill}"), |level| format!("has {skill} {}", level.get()));
                Ok(format!("{agent} {what} from the next decision on, until {until}. Then agents.yaml counts again."))
            }
            Order::End { what, by } => {
                self.ask(Control::LiftOverride(what.clone(), by)).await?;
                Ok(format!("Ended: {what}. The city's files count again."))
            }
            Order::Rollback { number, by, why } => {
                remark(&by)?;
                remark(&why)?;
                let (answer, answered) = oneshot::channel();
                let job = Job::Rollback { number, by, why, answer };
                self.jobs
                    .try_send(job)
                    .map_err(|_| Not::Refused("some publications are under way: ask again when they are done.".to_owned()))?;
                match tokio::time::timeout(PATIENCE, answered).await {
                    Ok(answered) => answered.map_err(|_| Not::Gone)?.map_err(Not::Refused),
                    Err(_) => Ok(format!("Version {number} is on its way: `toritsugi status` says when it is in force.")),
                }
            }
        }
    }

    async fn notice(&self, setting: Setting, until: &str, by: String, why: String) -> Result<String, Not> {
        let Setting::Notice { texts, .. } = &setting else { return Err(Not::Gone) };
        // Before a voice begins: it should not be asked for what nobody would take.
        if texts.iter().any(|(_, text)| text.chars().count() > NOTICE_TEXT_MAX || text.chars().any(char::is_control)) {
            return Err(Not::Refused(calls::NotAllowed::Text.to_string()));
        }
        self.end(until)?;
        let (texts, state, settings) = (texts.clone(), self.state.clone(), self.front.city().book.settings.clone());
        let rendered = tokio::task::spawn_blocking(move || publish::notice(&state, &settings, &texts));
        let Ok(rendered) = tokio::time::timeout(PATIENCE, rendered).await else {
            return Err(Not::Refused("the voice is slow: order it once more in a minute, what it has made by then is kept.".to_owned()));
        };
        let clips = rendered.map_err(|_| Not::Refused("the voice failed: the log says why.".to_owned()))??;
        let longest = clips.values().map(|clip| clip.length()).max().unwrap_or_default();
        let langs: Vec<String> = clips.keys().map(Lang::to_string).collect();
        let until = self.set(setting, until, by, why, clips).await?;
        let mut said = format!(
            "Callers hear this notice from now on ({}), until {until}. It takes {:.0} s: everybody waits so much longer for a person.",
            langs.join(", "),
            longest.as_secs_f32().ceil()
        );
        if longest > LONG {
            said.push_str(" That is long: one sentence, with what to do in it, is enough.");
        }
        Ok(said)
    }

    /// The moment that a text names, in the city's time.
    fn end(&self, until: &str) -> Result<UnixMillis, Not> {
        let shown: String = until.chars().filter(|c| !c.is_control()).take(40).collect();
        flow::until(until, &self.front.city().book.calendar, publish::wall()).map_err(|why| Not::Refused(format!("\"{shown}\" {why}.")))
    }

    /// Sets something; gives its end for people.
    async fn set(&self, setting: Setting, until: &str, by: String, why: String, clips: Clips) -> Result<String, Not> {
        let (since, until) = (publish::wall(), self.end(until)?);
        self.ask(Control::SetOverride(Box::new(Override { setting, by, why, since, until }), clips)).await?;
        Ok(day_and_time(&self.front.zone(), since, until))
    }

    async fn ask(&self, control: Control) -> Result<(), Not> {
        match self.desk.ask(control).await {
            Some(Reply::Done) => Ok(()),
            Some(Reply::NotAllowed(why)) => Err(Not::Refused(format!("{why}."))),
            Some(Reply::Refused(why)) => Err(Not::Refused(format!("{why}."))),
            Some(Reply::Snapshot(_)) | None => Err(Not::Gone),
        }
    }
}

type Clips = BTreeMap<Lang, Arc<media::Clip>>;

fn remark(text: &str) -> Result<(), Not> {
    let fine = text.chars().count() <= REMARK_MAX && !text.chars().any(char::is_control);
    if fine { Ok(()) } else { Err(Not::Refused(format!("{}.", calls::NotAllowed::Remark))) }
}

/// `17:00 today (2026-11-26)`: whoever says a time of day hears which day it is.
fn day_and_time(zone: &Zone, now: UnixMillis, until: UnixMillis) -> String {
    let day = match zone.day(until) - zone.day(now) {
        0 => "today, ",
        1 => "TOMORROW, ",
        _ => "",
    };
    format!("{day}{}", minute(zone, until))
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
        assert_eq!([after(10), after(17), after(48)], ["today, 2026-11-25 17:00", "TOMORROW, 2026-11-26 00:00", "2026-11-27 07:00"]);
    }
}
