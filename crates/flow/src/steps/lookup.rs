//! `lookup`: asks another house (the vaccination register, the shelter list) and goes where its answer says.
//!
//! The answer is one word of a closed list, so that `check` knows every way. Whatever else comes (nothing in time, a refusal, something that
//! cannot be read, a word that is not listed) leads to `failed`. The caller hears `say`, then music: never silence. What is sent may hold
//! what the caller typed; it goes to that one house and nowhere else.

use super::{By, Given, Go, Sketch, Way};
use crate::decode::{Fields, UpTo, is_name, missing, noun};
use crate::problem::{At, Problems, Spot};
use crate::program::{Defaults, VARIABLES_MAX, is_none, reserved};
use crate::run::{Answered, Ask, Caller, Heard, Scene, Sent};
use crate::schema::{NAME, Shape, Value as Said, may, must};
use crate::speech::Speech;
use crate::tree::{Key, Node, shown};
use model::{Instant, LookupId, PromptId, Redacted, StepId};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a caller waits for the answer, every attempt included, unless it is said.
const TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// The edge keeps the time; this is the fence behind it.
const GRACE: Duration = Duration::from_secs(2);
/// Values sent, answers told apart and words kept by one step.
const ENTRIES_MAX: usize = 16;
/// What stands for the number that the caller calls from.
const CALLER: &str = "caller";
/// How an example call says that the lookup fails: no answer can be called so.
pub(crate) const FAILED: &str = "failed";

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "lookup",
    en: "Asks another house and goes where its answer says.",
    ja: "ほかのシステムに問い合わせ、回答に応じて進みます。",
    words: &[must("lookup", Said::Map(&BODY), "What is asked.", "問い合わせの内容。")],
    rest: None,
};

const BODY: Shape = Shape {
    name: "lookup/body",
    en: "Which house, what is sent, and where each answer leads.",
    ja: "問い合わせ先、送る内容、回答ごとの行き先。",
    words: &[
        must("at", Said::Name(noun::LOOKUP), "An entry of config/lookups.yaml.", "config/lookups.yaml の名前。"),
        may(
            "send",
            Said::Each(NAME, &Said::Text),
            "What is sent: a word, or a variable as \"{ticket}\".",
            "送る内容。言葉か、\"{ticket}\" のような変数。",
        ),
        may("timeout", Said::Time, "For how long the caller waits, every attempt included.", "待つ時間（再試行を含みます）。"),
        must("say", crate::speech::SAY, "What is heard while it runs.", "問い合わせ中の案内文。"),
        may("music", Said::Name(noun::MUSIC), "What plays after that.", "そのあとに流す音楽。"),
        must(
            "answers",
            Said::Each(NAME, &Said::Name(noun::STEP)),
            "Words of the answer, and where each leads.",
            "回答の言葉と、それぞれの行き先。",
        ),
        may(
            "keep",
            Said::Each(NAME, &Said::List(&Said::Text)),
            "What else of the answer is remembered, and the words that it can be.",
            "回答のうち記憶する項目と、その取りうる言葉。",
        ),
        may("failed", Said::Name(noun::STEP), "When no answer comes that can be used.", "使える回答がないときの行き先。"),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    at: At<LookupId>,
    send: Vec<(String, Value)>,
    timeout: Duration,
    say: Speech,
    music: Option<At<PromptId>>,
    answers: Vec<(At<String>, At<StepId>)>,
    keep: Vec<(At<String>, Vec<At<String>>)>,
    failed: At<StepId>,
}

/// Something that is sent.
#[derive(Clone, Debug)]
enum Value {
    /// As it is written.
    Word(String),
    Gap(At<String>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    until: Option<Instant>,
    /// The sentence was heard; only then does the call go on, or words would break off.
    heard: bool,
    /// `None`: nothing came yet; within: what came, if it can be used.
    came: Option<Option<Answered>>,
}

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, _: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
        let mut fields = Fields::of(body, key.at, problems)?;
        let at = match fields.take("at") {
            Some(node) => node.name::<LookupId>(problems),
            None => {
                missing(problems, key.at, "at", "at: vaccine");
                None
            }
        };
        let send = fields.take("send").map(|n| read_send(n, problems)).unwrap_or_default();
        let timeout = fields.take("timeout").map_or(TIMEOUT, |n| read_timeout(n, problems));
        // A key must not leave the caller in doubt whether anything goes on.
        let say = Speech::needed(fields.take("say"), key.at, false, problems);
        let music = fields.take("music").and_then(|n| n.name(problems)).or_else(|| defaults.music.clone());
        let answers = match fields.entry("answers") {
            Some((key, node)) => read_answers(key, node, problems),
            None => {
                missing(problems, key.at, "answers", "answers: { found: confirm, unknown: not_found }");
                Vec::new()
            }
        };
        let keep = fields.take("keep").map(|n| read_keep(n, problems)).unwrap_or_default();
        let failed = fields.take("failed").and_then(|n| n.name(problems)).or_else(|| defaults.on_error.clone());
        fields.finish(problems);
        let step = Step { at: at?, send, timeout, say: say?, music, answers, keep, failed: failed? };
        (!step.answers.is_empty()).then_some(step)
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        let way = |to, by| Way { pause: self.timeout, ..Way::new(to, by) };
        let answers = self.answers.iter().map(|(word, to)| Way { word: Some(&word.value), ..way(to, By::Answer) });
        Sketch {
            opening: Some(&self.say),
            speeches: vec![&self.say],
            ways: answers.chain([way(&self.failed, By::Refused)]).collect(),
            gives: self.keep.iter().map(|(name, words)| Given { name, words: words.iter().collect(), typed: false }).collect(),
            lookup: Some(&self.at),
            sends: self.send.iter().filter_map(|(_, value)| if let Value::Gap(gap) = value { Some(gap) } else { None }).collect(),
            music: self.music.as_ref(),
            ..Sketch::new()
        }
    }

    pub(crate) fn enter(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        self.keep.iter().for_each(|(name, _)| caller.forget(&name.value));
        let mut send = BTreeMap::new();
        for (name, value) in &self.send {
            let sent = match value {
                Value::Word(word) => Sent::Text(Redacted::new(word.clone())),
                Value::Gap(gap) if gap.value == CALLER => Sent::Caller,
                Value::Gap(gap) => match caller.known(&gap.value) {
                    Some(text) => Sent::Text(text),
                    // Asking with a hole in the question gives an answer to another question.
                    None => return self.fail(caller),
                },
            };
            send.insert(name.clone(), sent);
        }
        state.until = Some(scene.now.mono + self.timeout + GRACE);
        caller.ask(Ask::Lookup { at: self.at.value.clone(), send, timeout: self.timeout });
        if !caller.say(scene, &[&self.say]) {
            self.wait(state, scene, caller);
        }
        Go::Stay
    }

    fn wait(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) {
        state.heard = true;
        caller.music(scene, self.music.as_ref());
    }

    pub(crate) fn hear(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        match heard {
            Heard::Played if !state.heard => {
                if state.came.is_none() {
                    self.wait(state, scene, caller);
                    return Go::Stay;
                }
                state.heard = true;
            }
            Heard::Answered(answered) if state.came.is_none() => state.came = Some(Some(answered.clone())),
            Heard::NotAnswered if state.came.is_none() => state.came = Some(None),
            Heard::Digit(digit) => {
                caller.note_ignored(scene, *digit);
                return Go::Stay;
            }
            _ => return Go::Stay,
        }
        match (state.heard, state.came.take()) {
            (true, Some(Some(answered))) => self.follow(&answered, caller),
            (true, Some(None)) => self.fail(caller),
            (_, came) => {
                state.came = came;
                Go::Stay
            }
        }
    }

    fn follow(&self, answered: &Answered, caller: &mut Caller) -> Go<'_> {
        let Some((word, to)) = self.answers.iter().find(|(word, _)| word.value == answered.answer) else { return self.fail(caller) };
        caller.left_by(&word.value);
        for (name, _) in &self.keep {
            if let Some(word) = answered.words.get(&name.value) {
                caller.remember(&name.value, word);
            }
        }
        Go::To(&to.value)
    }

    fn fail(&self, caller: &mut Caller) -> Go<'_> {
        caller.left_by(FAILED);
        Go::To(&self.failed.value)
    }

    /// Whether an answer is one that this step knows, every kept word among those listed.
    pub(crate) fn knows(&self, answered: &Answered) -> bool {
        let listed = |(name, words): &(At<String>, Vec<At<String>>)| {
            answered.words.get(&name.value).is_none_or(|word| words.iter().any(|listed| listed.value == *word))
        };
        self.answers.iter().any(|(word, _)| word.value == answered.answer) && self.keep.iter().all(listed)
    }

    /// The words that may come: `answers`, and `keep` with its words.
    pub(crate) fn may_come(&self) -> (Vec<&str>, BTreeMap<&str, Vec<&str>>) {
        let keep = self.keep.iter().map(|(name, words)| (name.value.as_str(), words.iter().map(|word| word.value.as_str()).collect()));
        (self.answers.iter().map(|(word, _)| word.value.as_str()).collect(), keep.collect())
    }

    /// Who is asked.
    pub(crate) fn house(&self) -> &LookupId {
        &self.at.value
    }

    pub(crate) fn due(&self, state: &State, _: &Caller, _: &StepId) -> Option<Instant> {
        state.until.filter(|_| state.came.is_none())
    }

    pub(crate) fn timeout(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        self.hear(state, scene, caller, &Heard::NotAnswered)
    }
}

/// `{ ticket: "{ticket}", desk: north }`.
fn read_send(node: &Node, problems: &mut Problems) -> Vec<(String, Value)> {
    let mut send = Vec::new();
    for (key, value) in node.map(problems).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
        let Some(text) = value.text(problems).filter(|_| is_name(&key.text, key.at, problems)) else { continue };
        let gap = text.value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let value = match gap {
            Some(gap) if !gap.is_empty() && !gap.contains(['{', '}']) => Value::Gap(At { value: gap.to_owned(), at: text.at }),
            None if !text.value.contains(['{', '}']) && !text.value.is_empty() => Value::Word(text.value.to_owned()),
            Some(_) | None => {
                let en = format!("\"{}\" is neither a word nor one variable; a variable is written \"{{ticket}}\"", shown(text.value));
                let ja = format!("「{}」は言葉でも変数でもありません。変数は \"{{ticket}}\" のように書きます。", shown(text.value));
                problems.error(text.at, "not_a_value", en, ja).help("send: { ticket: \"{ticket}\" }");
                continue;
            }
        };
        send.push((key.text.clone(), value));
    }
    send
}

fn read_timeout(node: &Node, problems: &mut Problems) -> Duration {
    let Some(time) = node.time(problems) else { return TIMEOUT };
    if !time.is_zero() && time <= TIMEOUT_MAX {
        return time;
    }
    let most = TIMEOUT_MAX.as_secs();
    let en = format!("a caller waits for an answer for at most {most}s, and for longer than no time");
    let ja = format!("回答を待つ時間は 1s から {most}s までです。");
    problems.error(node.at, "out_of_bounds", en, ja).help("timeout: 5s");
    TIMEOUT
}

/// `{ found: confirm, full: no_room }`: words of the answer, and where each leads.
fn read_answers(key: &Key, node: &Node, problems: &mut Problems) -> Vec<(At<String>, At<StepId>)> {
    let entries = node.map(problems).unwrap_or_default();
    if entries.is_empty() || entries.len() > ENTRIES_MAX {
        let en = format!("an answer is one of 1 to {ENTRIES_MAX} words, not of {}", entries.len());
        let ja = format!("回答の言葉は 1 から {ENTRIES_MAX} 個です（ここは {} 個）。", entries.len());
        problems.error(key.at, "number_of_answers", en, ja).help("answers: { found: confirm, unknown: not_found }");
        return Vec::new();
    }
    let mut answers = Vec::new();
    for (word, to) in entries {
        if word.text == FAILED {
            let en = "\"failed\" is no answer but the lack of one: write it beside answers, not in it";
            let ja = "「failed」は回答ではありません。answers の外に書いてください。";
            problems.error(word.at, "reserved_word", en, ja).help("failed: general");
            continue;
        }
        if let Some(to) = to.name(problems).filter(|_| is_name(&word.text, word.at, problems)) {
            answers.push((At { value: word.text.clone(), at: word.at }, to));
        }
    }
    answers
}

/// `{ ward: [kawasaki, saiwai] }`: what else of the answer is remembered, and the words that it can be.
fn read_keep(node: &Node, problems: &mut Problems) -> Vec<(At<String>, Vec<At<String>>)> {
    let mut keep = Vec::new();
    for (key, value) in node.map(problems).unwrap_or_default().up_to(VARIABLES_MAX, problems) {
        if ["lang", "priority", "schedule", CALLER, "answer"].contains(&key.text.as_str()) {
            reserved(key.at, &key.text, problems);
            continue;
        }
        let mut words: Vec<At<String>> = Vec::new();
        for item in value.items() {
            words.extend(item.name::<String>(problems).filter(|word| !is_none(word, problems)));
        }
        if !is_name(&key.text, key.at, problems) {
            continue;
        }
        if words.is_empty() {
            nothing_listed(key.at, &key.text, problems);
            continue;
        }
        keep.push((At { value: key.text.clone(), at: key.at }, words));
    }
    keep
}

fn nothing_listed(at: Spot, name: &str, problems: &mut Problems) {
    let en = format!("say which words \"{}\" can be: what is not listed is never remembered", shown(name));
    let ja = format!("「{}」になりうる言葉を並べてください。書かれていない言葉は記憶されません。", shown(name));
    problems.error(at, "nothing_listed", en, ja).help("keep: { ward: [kawasaki, saiwai] }");
}
