//! A city as it was written, good or bad: every file read, every problem kept.

use crate::calendar::{Calendar, DAY};
use crate::config::{self, FILES, agents, breaks, calendar, lines, lookups, queues, roster};
use crate::decode::nearest;
use crate::problem::{At, Problems, Spot};
use crate::program::{self, Flow};
use crate::prompts::{self, Music, Prompt};
use crate::second;
use crate::speech::{Sentence, Spoken};
use crate::tree::{Node, legible, parse, shown};
use jiff::civil::Date;
use model::{AgentId, BreakReason, FlowName, Lang, Lookup, LookupId, Number, PromptId, Queue, QueueId, Settings, StepId, Version};
use std::collections::{BTreeMap, BTreeSet};

/// One file of a city.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As it is shown to people, with `/`: `flows/city.yaml`. Its folder says what it is.
    pub path: String,
    /// Its text. Bytes that are no UTF-8 stand in it as U+FFFD, which [`check`](crate::check) complains of.
    pub text: String,
}

/// Everything that was written, read as far as it could be.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(crate) problems: Problems,
    pub(crate) version: Version,
    pub(crate) flows: BTreeMap<FlowName, Flow>,
    pub(crate) prompts: BTreeMap<PromptId, Prompt>,
    pub(crate) music: BTreeMap<PromptId, Music>,
    pub(crate) settings: Settings,
    pub(crate) agents: BTreeMap<AgentId, agents::Entry>,
    pub(crate) breaks: BTreeMap<BreakReason, breaks::Entry>,
    pub(crate) lines: Vec<lines::Entry>,
    pub(crate) lookups: BTreeMap<LookupId, Lookup>,
    pub(crate) numbers: BTreeMap<Number, At<FlowName>>,
    pub(crate) queues: BTreeMap<QueueId, queues::Entry>,
    pub(crate) calendar: calendar::Entries,
    /// Empty without a roster.
    pub(crate) roster: Vec<roster::Shift>,
    /// Where to point for what is missing as a whole: by the file's name.
    pub(crate) tops: BTreeMap<&'static str, Spot>,
    /// Files that could not be read: what they would have held is not missing, only unreadable.
    pub(crate) unreadable: BTreeSet<&'static str>,
}

impl Draft {
    /// The name of exactly these texts, good or bad.
    pub fn version(&self) -> &Version {
        &self.version
    }
    /// The supervisor's note on the flow that is written in this file, if it is one.
    pub fn note_in(&self, path: &str) -> Option<&str> {
        self.flows.values().find(|flow| self.problems.path(flow.at.file) == path).map(|flow| flow.note.as_str())
    }
    /// The name of the flow that is written in this file, if it is one.
    pub fn flow_in(&self, path: &str) -> Option<&FlowName> {
        self.flows.values().find(|flow| self.problems.path(flow.at.file) == path).map(|flow| &flow.name)
    }
    /// The agents that were written, by name, whether or not the rest is right.
    pub fn agents(&self) -> impl Iterator<Item = &AgentId> {
        self.agents.keys()
    }
    /// The engine's settings as far as they could be read; the rest has its defaults.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
    /// The calendar as far as it could be read; Tokyo's time without one.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar.calendar
    }
    /// The words of a sentence, whether a voice or a recording says them; `None` if there is no such sentence.
    pub fn words(&self, spoken: &Spoken) -> Option<String> {
        let wording = self.prompts.get(&spoken.prompt)?.wordings.get(&spoken.lang)?;
        Some(wording.words(&spoken.lang, spoken.value))
    }
    /// Who is planned on a day of the week, 0 for Monday: from when to when, in minutes of the day. A stretch that goes on after midnight
    /// is two. `None` without a roster.
    pub fn planned(&self, weekday: u16) -> Option<Vec<(AgentId, u16, u16)>> {
        let (begins, ends) = (weekday * DAY, (weekday + 1) * DAY);
        let mut planned = Vec::new();
        for shift in &self.roster {
            let spans = if shift.from < shift.to { vec![(shift.from, shift.to)] } else { vec![(shift.from, roster::WEEK), (0, shift.to)] };
            for (from, to) in spans.into_iter().map(|(from, to)| (from.max(begins), to.min(ends))).filter(|(from, to)| from < to) {
                planned.extend(shift.agents.iter().map(|agent| (agent.value.clone(), from - begins, to - begins)));
            }
        }
        planned.sort();
        // Whoever has two stretches that meet is there all along.
        planned.dedup_by(|next, last| {
            let meet = next.0 == last.0 && next.1 <= last.2;
            last.2 = if meet { last.2.max(next.2) } else { last.2 };
            meet
        });
        (!self.roster.is_empty()).then_some(planned)
    }
    /// Whether any sentence is written in a language.
    pub(crate) fn has_texts_in(&self, lang: &Lang) -> bool {
        self.prompts.values().any(|prompt| !prompt.lacks(lang))
    }
    /// The queues that were written, by name, whether or not the rest is right.
    pub fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.values().map(|entry| &entry.queue)
    }
}

/// What a file is, by its place.
enum Kind<'s> {
    Flow,
    Prompts,
    Config(&'static str),
    Holidays(&'s str),
    /// Scenes to play before a flow goes live; whoever plays them reads them.
    Tests,
    /// Small flows to learn from: each could stand in the place of the city's own, and none of them is part of it.
    Example,
    Unknown(Option<&'static str>),
}

/// Reads the files of a city. Never fails; what is wrong is kept and told by [`check`](crate::check).
///
/// A file is known by its place: `flows/*.yaml` (but those of `flows/examples/` are not read), `flows/prompts/*.yaml`, `config/{engine,agents,breaks,lines,lookups,numbers,queues,calendar,roster}.yaml`,
/// and tables of holidays `config/**/*.csv`.
pub fn read(sources: Vec<Source>) -> Draft {
    let mut draft = Draft {
        problems: Problems::default(),
        version: version(&sources),
        flows: BTreeMap::new(),
        prompts: BTreeMap::new(),
        music: BTreeMap::new(),
        settings: Settings::default(),
        agents: BTreeMap::new(),
        breaks: BTreeMap::new(),
        lines: Vec::new(),
        lookups: BTreeMap::new(),
        numbers: BTreeMap::new(),
        queues: BTreeMap::new(),
        calendar: calendar::Entries::default(),
        roster: Vec::new(),
        tops: BTreeMap::new(),
        unreadable: BTreeSet::new(),
    };
    let mut holidays = BTreeMap::new();
    for source in &sources {
        let file = draft.problems.file(&source.path);
        if let Kind::Holidays(name) = kind(&source.path) {
            let table = if legible(file, &source.text, &mut draft.problems) {
                calendar::read_holidays(file, &source.text, &mut draft.problems)
            } else {
                draft.unreadable.insert("holidays");
                BTreeSet::new()
            };
            holidays.insert(name.to_owned(), table);
        }
    }
    for source in &sources {
        let file = draft.problems.file(&source.path);
        draft.read_file(file, source, &holidays);
    }
    draft
}

/// Everything that may be spoken, once each: what a caller meets first comes first, then what no step says, then music.
pub fn sentences(draft: &Draft) -> Vec<Sentence> {
    let mut seen: BTreeSet<Spoken> = BTreeSet::new();
    let mut all = Vec::new();
    let mut add = |sentences: Vec<Sentence>| {
        for sentence in sentences {
            if seen.insert(sentence.spoken.clone()) {
                all.push(sentence);
            }
        }
    };
    for flow in draft.flows.values() {
        for step in in_call_order(flow) {
            let Some(named) = flow.steps.get(step) else { continue };
            for part in named.step.sketch().speeches.iter().flat_map(|speech| &speech.parts) {
                let Some(prompt) = draft.prompts.get(&part.prompt.value) else { continue };
                match &part.lang {
                    Some(lang) => add(prompt.sentences(&part.prompt.value, &lang.value)),
                    None => flow.languages().for_each(|lang| add(prompt.sentences(&part.prompt.value, lang))),
                }
            }
        }
    }
    for (name, prompt) in &draft.prompts {
        prompt.wordings.keys().for_each(|lang| add(prompt.sentences(name, lang)));
    }
    add(draft.breaks.values().filter_map(breaks::Entry::sentence).collect());
    add(draft.music.iter().map(|(name, music)| music.sentence(name)).collect());
    all
}

/// The steps of a flow from its start on, breadth first; those that cannot be reached come last.
fn in_call_order(flow: &Flow) -> Vec<&StepId> {
    let mut order: Vec<&StepId> = vec![&flow.start.value];
    let mut seen: BTreeSet<&StepId> = order.iter().copied().collect();
    let mut next = 0;
    while let Some(step) = order.get(next).copied() {
        next += 1;
        if let Some(named) = flow.steps.get(step) {
            for way in named.step.sketch().ways {
                if seen.insert(&way.to.value) {
                    order.push(&way.to.value);
                }
            }
        }
    }
    order.extend(flow.steps.keys().filter(|step| !seen.contains(step)));
    order
}

impl Draft {
    fn read_file(&mut self, file: u16, source: &Source, holidays: &BTreeMap<String, BTreeSet<Date>>) {
        let top = Spot::top(file);
        let kind = kind(&source.path);
        match kind {
            Kind::Holidays(_) | Kind::Tests | Kind::Example => return,
            Kind::Unknown(near) => {
                let name = shown(source.path.rsplit('/').next().unwrap_or_default());
                let (en, ja) = match near {
                    Some(near) => (format!("; did you mean {near}.yaml?"), format!("{near}.yaml ではありませんか？")),
                    None => (String::new(), String::new()),
                };
                let en = format!("nobody reads the file {name}{en}");
                let ja = format!("ファイル {name} は読まれません。{ja}");
                self.problems.warning(top, "unknown_file", en, ja);
                return;
            }
            Kind::Flow | Kind::Prompts | Kind::Config(_) => {}
        }
        if let Kind::Config(name) = kind {
            self.tops.insert(name, top);
        }
        let before = self.problems.count();
        // Windows' Notepad begins a file with a mark that means nothing in UTF-8.
        let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
        let Some(node) = parse(file, text, &mut self.problems) else {
            self.unreadable.insert(match kind {
                Kind::Config(name) => name,
                Kind::Prompts => "prompts",
                _ => "flows",
            });
            return;
        };
        // Only a file that we understood is worth a second opinion.
        if self.problems.count() == before {
            second_opinion(file, &node, text, &mut self.problems);
        }
        match kind {
            Kind::Flow => self.read_flow(&node, top),
            Kind::Prompts => prompts::read(&node, &mut self.prompts, &mut self.music, &mut self.problems),
            Kind::Config("engine") => self.settings = config::engine::read(&node, top, &mut self.problems),
            Kind::Config("agents") => self.agents = agents::read(&node, &mut self.problems),
            Kind::Config("breaks") => self.breaks = breaks::read(&node, &mut self.problems),
            Kind::Config("lines") => self.lines = lines::read(&node, &mut self.problems),
            Kind::Config("lookups") => self.lookups = lookups::read(&node, &mut self.problems),
            Kind::Config("numbers") => self.numbers = config::numbers::read(&node, &mut self.problems),
            Kind::Config("queues") => self.queues = queues::read(&node, top, &mut self.problems),
            Kind::Config("calendar") => self.calendar = calendar::read(&node, top, holidays, &mut self.problems),
            Kind::Config("roster") => self.roster = roster::read(&node, &mut self.problems),
            Kind::Config(_) | Kind::Holidays(_) | Kind::Tests | Kind::Example | Kind::Unknown(_) => {}
        }
    }

    fn read_flow(&mut self, node: &Node, top: Spot) {
        let Some(flow) = program::read(node, top, &mut self.problems) else {
            self.unreadable.insert("flows");
            return;
        };
        let (name, at) = (flow.name.clone(), flow.at);
        if self.flows.insert(name.clone(), flow).is_some() {
            let en = format!("another file holds a flow \"{name}\" too");
            let ja = format!("フロー「{name}」は別のファイルにも書かれています。");
            self.problems.error(at, "duplicate_flow", en, ja);
        }
    }

    /// The flow that is written in the file of this name: `city` of `flows/city.yaml`.
    pub(crate) fn flow_of(&self, stem: &str) -> Option<&Flow> {
        let written = |flow: &&Flow| {
            let file = self.problems.path(flow.at.file).rsplit('/').next().unwrap_or_default();
            file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")) == Some(stem)
        };
        self.flows.values().find(written)
    }

    /// The languages of the whole city.
    pub(crate) fn languages(&self) -> BTreeSet<&Lang> {
        self.flows.values().flat_map(Flow::offered).collect()
    }
}

/// Asks the other reader whether it reads the same; a problem if not.
pub(crate) fn second_opinion(file: u16, node: &Node, text: &str, problems: &mut Problems) {
    if let Err(difference) = second::opinion(node, text) {
        let at = Spot { file, line: difference.line, column: difference.column, length: 1 };
        let en = format!("other YAML readers understand this file differently ({}); quote the text here", difference.why);
        let ja = format!("ほかの YAML の読み手はこのファイルを違う意味に読みます（{}）。引用符で囲んでください。", difference.why);
        problems.error(at, "readers_differ", en, ja);
    }
}

/// Beside which flow file a file of examples stands: `city` of `flows/city.tests.yaml`; `None` if it is no such file.
pub(crate) fn tested(path: &str) -> Option<String> {
    let Kind::Tests = kind(path) else { return None };
    let file = path.rsplit('/').next()?;
    file.split_once(".tests.").map(|(stem, _)| stem.to_owned())
}

fn kind(path: &str) -> Kind<'_> {
    let parts: Vec<&str> = path.split('/').collect();
    let Some((file, folders)) = parts.split_last() else { return Kind::Unknown(None) };
    let stem = file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml"));
    let home = folders.iter().rposition(|part| *part == "flows" || *part == "config");
    match (home.and_then(|home| folders.get(home).map(|name| (home, *name))), stem) {
        (Some((home, "flows")), Some(stem)) => {
            if folders.get(home + 1) == Some(&"prompts") {
                Kind::Prompts
            } else if folders.get(home + 1) == Some(&"examples") {
                Kind::Example
            } else if stem.ends_with(".tests") {
                Kind::Tests
            } else {
                Kind::Flow
            }
        }
        (Some((home, "config")), Some(stem)) if home + 1 == folders.len() => match FILES.iter().find(|name| **name == stem) {
            Some(name) => Kind::Config(name),
            None => Kind::Unknown(nearest(stem, FILES.into_iter())),
        },
        (Some((home, "config")), None) if file.ends_with(".csv") => {
            let before: usize = folders.iter().take(home + 1).map(|part| part.len() + 1).sum();
            Kind::Holidays(path.get(before..).unwrap_or(file))
        }
        _ => Kind::Unknown(None),
    }
}

/// A short name of exactly these texts (FNV-1a, 128 bits, the first 48 shown). It tells versions apart; it proves nothing.
fn version(sources: &[Source]) -> Version {
    let mut sorted: Vec<&Source> = sources.iter().collect();
    sorted.sort_by(|a, b| (&a.path, &a.text).cmp(&(&b.path, &b.text)));
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for part in sorted.iter().flat_map(|s| [s.path.as_bytes(), &[0], s.text.as_bytes(), &[0]]) {
        for byte in part {
            hash = (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    Version::from(format!("{hash:032x}").chars().take(12).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_place() {
        assert!(matches!(kind("flows/city.yaml"), Kind::Flow));
        assert!(matches!(kind("/etc/config/flows/prompts/front.yaml"), Kind::Prompts));
        assert!(matches!(kind("flows/city.tests.yaml"), Kind::Tests));
        assert!(matches!(kind("flows/examples/ask.yaml"), Kind::Example));
        assert!(matches!(kind("/a/flows/b/config/queues.yaml"), Kind::Config("queues")));
        assert!(matches!(kind("config/holidays/japan.csv"), Kind::Holidays("holidays/japan.csv")));
        assert!(matches!(kind("config/queue.yaml"), Kind::Unknown(Some("queues"))));
        assert!(matches!(kind("README.md"), Kind::Unknown(None)));
    }

    #[test]
    fn a_version_names_the_texts_whatever_their_order() {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let (a, b) = (source("flows/a.yaml", "x"), source("flows/b.yaml", "y"));
        assert_eq!(version(&[a.clone(), b.clone()]), version(&[b.clone(), a.clone()]));
        assert_ne!(version(&[a.clone(), b]), version(&[a, source("flows/b.yaml", "z")]));
    }
}
