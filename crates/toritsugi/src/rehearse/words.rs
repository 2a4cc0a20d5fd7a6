//! The page of `toritsugi rehearse`, in English and Japanese, and as JSON.

use super::figures::{self, Day, Figure, Mean};
use super::plan::{self, CALLS_MAX, Callers, HALVES};
use super::{RehearseArgs, Side};
use crate::explain::Tongue;
use crate::words::{Stop, clock, fill, width};
use model::{QueueId, Skill, StepId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that the page tells.
pub(super) struct Shown<'a> {
    pub(super) args: &'a RehearseArgs,
    pub(super) date: &'a str,
    pub(super) draft: &'a Side,
    pub(super) against: Option<&'a Side>,
    pub(super) callers: &'a Callers,
    pub(super) days: &'a [Day],
    pub(super) before: Option<&'a [Day]>,
}

pub(super) fn too_many(calls: f64, tongue: Tongue) -> Stop {
    Stop(match tongue {
        Tongue::English => format!("{calls:.0} calls a day are more than a rehearsal plays, which is {CALLS_MAX:.0}: take fewer"),
        Tongue::Japanese => format!("1日 {calls:.0} 件は、予行の上限 {CALLS_MAX:.0} 件を超えています。件数を減らしてください。"),
    })
}
pub(super) fn nobody(tongue: Tongue) -> Stop {
    Stop::new(match tongue {
        Tongue::English => "nobody would call on such a day: give counts with --calls, or plan agents for the daytime",
        Tongue::Japanese => "この条件では電話が1件もかかりません。--calls で件数を指定するか、日中の担当者を決めてください。",
    })
}
pub(super) fn nobody_yesterday(day: &str, tongue: Tongue) -> Stop {
    Stop(match tongue {
        Tongue::English => format!(
            "nobody called yesterday, {day}, as far as this journal knows: --state names another folder, --like quiet a made-up day"
        ),
        Tongue::Japanese => {
            format!("この記録には、きのう({day})の電話がありません。--state で別のフォルダーを指定するか、--like quiet をお使いください。")
        }
    })
}
pub(super) fn no_such_step(step: &StepId, near: Option<&str>, there: &[&str], tongue: Tongue) -> Stop {
    Stop(match tongue {
        Tongue::English => {
            let near = near.map_or(String::new(), |near| format!("did you mean {near}? "));
            format!("--press: there is no step {step} at which callers press keys; {near}These are: {}", there.join(", "))
        }
        Tongue::Japanese => {
            let near = near.map_or(String::new(), |near| format!("{near} のことですか。"));
            format!("--press: キーを押すステップに {step} はありません。{near}指定できるステップ: {}", there.join("、"))
        }
    })
}
pub(super) fn no_such_key(step: &StepId, key: char, there: &[String], tongue: Tongue) -> Stop {
    Stop(match tongue {
        Tongue::English => format!("--press: {key} is no key at {step}; those that lead on there are {}", there.join(", ")),
        Tongue::Japanese => format!("--press: {step} に {key} のキーはありません。指定できるキー: {}", there.join("、")),
    })
}
pub(super) fn not_played(city: &str, tongue: Tongue) -> Stop {
    Stop(match tongue {
        Tongue::English => format!("no day is played with errors in {city}: mend them first"),
        Tongue::Japanese => format!("{city} に誤りがあるうちは予行できません。先に直してください。"),
    })
}

impl Shown<'_> {
    pub(super) fn page(&self, tongue: Tongue) -> String {
        [self.head(tongue), self.sums(tongue), self.halves(tongue), self.foot(tongue)].join("\n")
    }

    fn head(&self, tongue: Tongue) -> String {
        let Callers { talk, patience, again, .. } = self.callers;
        let (calls, days) = (self.callers.calls(), self.days.len());
        let (talk, patience) = (clock(*talk), clock(*patience));
        let (draft, flow) = (&self.draft.name, &self.draft.flow);
        let mut head = match tongue {
            Tongue::English => format!(
                "Flow {flow} of {draft}, on {}: {days} days of about {calls:.0} calls, seed {}.\n\
                 Callers talk {talk} on average, give up after {patience} on average, and {again} of 100 who were not served call again.\n",
                self.date, self.args.seed
            ),
            Tongue::Japanese => format!(
                "{draft} のフロー {flow}、{} の1日を {days} 回(1日およそ {calls:.0} 件、シード {})。\n\
                 通話は平均 {talk}、待つのをあきらめるまで平均 {patience}、応答されなかった方の {again}% がかけ直すものとします。\n",
                self.date, self.args.seed
            ),
        };
        for (step, keys) in plan::assumed(self.callers, &self.draft.choices) {
            let keys: Vec<String> = keys.into_iter().map(|(key, percent)| format!("{} {percent:.0}%", key.as_char())).collect();
            head.push_str(&match tongue {
                Tongue::English => format!("At {step} they press {}.\n", keys.join(", ")),
                Tongue::Japanese => format!("{step} で押すキー: {}。\n", keys.join("、")),
            });
        }
        if let Some(against) = self.against {
            head.push_str(&match tongue {
                Tongue::English => format!("Held against {}, with the same callers.\n", against.name),
                Tongue::Japanese => format!("比べる相手: {}(同じ方々が電話をかけます)。\n", against.name),
            });
        }
        head
    }

    /// A line for each figure: the draft, what it is held against, and the difference.
    fn sums(&self, tongue: Tongue) -> String {
        let mut rows = Vec::new();
        if let Some(before) = self.before {
            let titles = match tongue {
                Tongue::English => ["", "draft", "now", "difference"],
                Tongue::Japanese => ["", "変更案", "現行", "差"],
            };
            rows.push(titles.map(str::to_owned).to_vec());
            for figure in figures::all(self.days).union(&figures::all(before)) {
                let shown = |mean: Option<Mean>, signed: bool| mean.map_or("-".to_owned(), |mean| written(figure, mean, signed));
                rows.push(vec![
                    self.title(figure, tongue),
                    shown(figures::mean(self.days, figure), false),
                    shown(figures::mean(before, figure), false),
                    figures::difference(self.days, before, figure).map_or("-".to_owned(), |mean| difference(figure, mean, tongue)),
                ]);
            }
        } else {
            for figure in figures::all(self.days) {
                let mean = figures::mean(self.days, &figure).map_or("-".to_owned(), |mean| written(&figure, mean, false));
                rows.push(vec![self.title(&figure, tongue), mean]);
            }
        }
        columns(&rows)
    }

    fn halves(&self, tongue: Tongue) -> String {
        let skills: Vec<&Skill> = self.draft.skilled.keys().collect();
        let mut titles = match tongue {
            Tongue::English => ["time", "calls", "answered", "gave up", "mean wait"],
            Tongue::Japanese => ["時刻", "件数", "応答", "放棄", "平均待ち"],
        }
        .map(str::to_owned)
        .to_vec();
        titles.extend(skills.iter().map(|skill| match tongue {
            Tongue::English => format!("load {skill}"),
            Tongue::Japanese => format!("{skill} の稼働"),
        }));
        let mut rows = vec![titles];
        for half in 0..HALVES {
            let of = |value: &dyn Fn(&figures::Half) -> Option<f64>| {
                Mean::of(&self.days.iter().filter_map(|day| value(&day.halves[half])).collect::<Vec<_>>())
            };
            if of(&|half| Some(half.calls)).is_none_or(|mean| mean.mean == 0.0) {
                continue;
            }
            let number = |mean: Option<Mean>| mean.map_or("-".to_owned(), |mean| format!("{:.1}{}", mean.mean, within(mean, 1.0, 1)));
            let time = |mean: Option<Mean>| {
                mean.map_or("-".to_owned(), |mean| {
                    let secs = Duration::from_secs_f64(mean.mean.max(0.0).round());
                    format!(
                        "{}{}",
                        clock(secs),
                        mean.within.map_or(String::new(), |w| format!(" ±{}", clock(Duration::from_secs_f64(w.round()))))
                    )
                })
            };
            let percent =
                |mean: Option<Mean>| mean.map_or("-".to_owned(), |mean| format!("{:.0}%{}", mean.mean * 100.0, within(mean, 100.0, 0)));
            let mut row = vec![
                format!("{:02}:{:02}", half / 2, half % 2 * 30),
                number(of(&|half| Some(half.calls))),
                number(of(&|half| Some(half.answered))),
                number(of(&|half| Some(half.gave_up))),
                time(of(&|half| half.mean_wait)),
            ];
            row.extend(skills.iter().map(|skill| percent(of(&|half| half.load.get(*skill).copied().flatten()))));
            rows.push(row);
        }
        columns(&rows)
    }

    fn foot(&self, tongue: Tongue) -> String {
        match tongue {
            Tongue::English => {
                "± is where the true mean is 19 times out of 20, by these days. Load: ringing, talking and after-call work, of the time there.\n"
            }
            Tongue::Japanese => "± は95%信頼区間(この日数による)。稼働は、勤務時間に占める呼び出し・通話・後処理の割合です。\n",
        }
        .to_owned()
    }

    fn title(&self, figure: &Figure, tongue: Tongue) -> String {
        let queue = |id: &QueueId| self.draft.queues.get(id).map_or(id.to_string(), |queue| queue.label.clone());
        let promised = |id: &QueueId| clock(self.draft.queues.get(id).map(|q| q.service_level.answered_within).unwrap_or_default());
        let (en, ja) = match figure {
            Figure::Calls => ("calls".to_owned(), "着信".to_owned()),
            Figure::Answered => ("answered".to_owned(), "応答".to_owned()),
            Figure::GaveUpWaiting => ("gave up waiting".to_owned(), "待ち中の放棄".to_owned()),
            Figure::GaveUpInMenu => ("gave up in the menu".to_owned(), "案内中の放棄".to_owned()),
            Figure::Announced => ("ended with an announcement".to_owned(), "案内で終了".to_owned()),
            Figure::Booked => ("booked a callback".to_owned(), "折り返し予約".to_owned()),
            Figure::LeftMessage => ("left a message".to_owned(), "伝言".to_owned()),
            Figure::Blocked => ("calls without room".to_owned(), "話中(回線なし)".to_owned()),
            Figure::SecondsToHuman => ("half of all talked to a person within".to_owned(), "半数が人と話せるまで".to_owned()),
            Figure::InTime(id) => {
                (format!("{}: answered within {}", queue(id), promised(id)), format!("{}: {} 以内の応答", queue(id), promised(id)))
            }
            Figure::GaveUpIn(id) => (format!("{}: gave up", queue(id)), format!("{}: 放棄", queue(id))),
            Figure::MeanWait(id) => (format!("{}: mean wait", queue(id)), format!("{}: 平均待ち時間", queue(id))),
            Figure::NineOfTen(id) => (format!("{}: 9 of 10 waited at most", queue(id)), format!("{}: 9割の待ち時間", queue(id))),
            Figure::Load(skill) => (format!("load of those with {skill}"), format!("{skill} の担当者の稼働")),
        };
        match tongue {
            Tongue::English => en,
            Tongue::Japanese => ja,
        }
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let sums = |days: &[Day]| -> BTreeMap<String, Option<Mean>> {
            figures::all(days).iter().map(|figure| (word(figure), figures::mean(days, figure))).collect()
        };
        let halves = (0..HALVES).map(|half| {
            let of = |value: &dyn Fn(&figures::Half) -> Option<f64>| {
                Mean::of(&self.days.iter().filter_map(|day| value(&day.halves[half])).collect::<Vec<_>>())
            };
            let load: BTreeMap<&Skill, Option<Mean>> =
                self.draft.skilled.keys().map(|skill| (skill, of(&|half| half.load.get(skill).copied().flatten()))).collect();
            serde_json::json!({
                "time": format!("{:02}:{:02}", half / 2, half % 2 * 30),
                "calls": of(&|half| Some(half.calls)),
                "answered": of(&|half| Some(half.answered)),
                "gave_up": of(&|half| Some(half.gave_up)),
                "mean_wait_secs": of(&|half| half.mean_wait),
                "load": load,
            })
        });
        let assumed: BTreeMap<String, BTreeMap<char, f64>> = plan::assumed(self.callers, &self.draft.choices)
            .into_iter()
            .map(|(step, keys)| (step.to_string(), keys.into_iter().map(|(key, percent)| (key.as_char(), percent)).collect()))
            .collect();
        let difference = self.before.map(|before| {
            let both = figures::all(self.days);
            both.iter().map(|figure| (word(figure), figures::difference(self.days, before, figure))).collect::<BTreeMap<_, _>>()
        });
        serde_json::json!({
            "flow": self.draft.flow,
            "date": self.date,
            "seed": self.args.seed,
            "days": self.days.len(),
            "calls_a_day": self.callers.calls(),
            "talk_secs": self.callers.talk.as_secs_f64(),
            "patience_secs": self.callers.patience.as_secs_f64(),
            "pressed_percent": assumed,
            "draft": sums(self.days),
            "now": self.before.map(sums),
            "difference": difference,
            "half_hours": halves.collect::<Vec<_>>(),
        })
    }
}

/// A figure's name for programs.
fn word(figure: &Figure) -> String {
    match figure {
        Figure::Calls => "calls".to_owned(),
        Figure::Answered => "answered".to_owned(),
        Figure::GaveUpWaiting => "gave_up_waiting".to_owned(),
        Figure::GaveUpInMenu => "gave_up_in_menu".to_owned(),
        Figure::Announced => "announced".to_owned(),
        Figure::Booked => "callback_booked".to_owned(),
        Figure::LeftMessage => "message_left".to_owned(),
        Figure::Blocked => "blocked".to_owned(),
        Figure::SecondsToHuman => "median_secs_to_human".to_owned(),
        Figure::InTime(queue) => format!("{queue}.answered_in_time"),
        Figure::GaveUpIn(queue) => format!("{queue}.gave_up"),
        Figure::MeanWait(queue) => format!("{queue}.mean_wait_secs"),
        Figure::NineOfTen(queue) => format!("{queue}.nine_of_ten_wait_secs"),
        Figure::Load(skill) => format!("{skill}.load"),
    }
}

/// What a figure is measured in.
enum Unit {
    Number,
    Share,
    Time,
}

fn unit(figure: &Figure) -> Unit {
    match figure {
        Figure::Calls | Figure::Blocked => Unit::Number,
        Figure::SecondsToHuman | Figure::MeanWait(_) | Figure::NineOfTen(_) => Unit::Time,
        Figure::Answered
        | Figure::GaveUpWaiting
        | Figure::GaveUpInMenu
        | Figure::Announced
        | Figure::Booked
        | Figure::LeftMessage
        | Figure::InTime(_)
        | Figure::GaveUpIn(_)
        | Figure::Load(_) => Unit::Share,
    }
}

fn within(mean: Mean, times: f64, digits: usize) -> String {
    mean.within.map_or(String::new(), |within| format!(" ±{:.digits$}", within * times))
}

fn written(figure: &Figure, mean: Mean, signed: bool) -> String {
    let sign = if signed && mean.mean > 0.0 { "+" } else { "" };
    match unit(figure) {
        Unit::Number => format!("{sign}{:.1}{}", mean.mean, within(mean, 1.0, 1)),
        Unit::Share => format!("{sign}{:.1}%{}", mean.mean * 100.0, within(mean, 100.0, 1)),
        Unit::Time => format!("{sign}{:.1} s{}", mean.mean, within(mean, 1.0, 1)),
    }
}

/// A difference within chance is not called one.
fn difference(figure: &Figure, mean: Mean, tongue: Tongue) -> String {
    let chance = mean.within.is_some_and(|within| mean.mean.abs() <= within);
    let remark = match (chance, tongue) {
        (false, _) => "",
        (true, Tongue::English) => " (may be chance)",
        (true, Tongue::Japanese) => "(偶然の範囲)",
    };
    format!("{}{remark}", written(figure, mean, true))
}

/// Rows in columns as wide as what is in them; the first to the left, the others to the right.
fn columns(rows: &[Vec<String>]) -> String {
    let wide = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0);
    let mut page = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().enumerate().map(|(at, cell)| fill(cell, wide(at), at > 0)).collect();
        page.push_str(cells.join("  ").trim_end());
        page.push('\n');
    }
    page
}
