//! `ask`: a few questions, answered by keys, and rules that say what follows from the answers.
//!
//! Questions stop at the first rule that can no longer change: nobody who cannot breathe is asked about a fever. Silence counts as the
//! answer that `no_input` names, so that whoever cannot press is taken for the urgent case and not for the easy one.

use super::menu::digit;
use super::{Beat, By, Given, Go, MenuFacts, Sketch, Way, rules as by_rule};
use crate::decode::{Fields, missing, nearest, noun};
use crate::problem::{At, Problems, Spot};
use crate::program::{BadKey, Defaults};
use crate::rules::{self, Pick, Real, Rule, Word};
use crate::run::{Caller, Heard, Note, Scene};
use crate::schema::{KEY, Shape, Value, may, must};
use crate::speech::Speech;
use crate::tree::{Key, Node, shown};
use model::{Digit, Instant, KeyMeaning, StepId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Questions of one step: more is an interview, and that is for people.
const QUESTIONS_MAX: usize = 8;
/// Courses of answers that are laid open for the checks; of more, every rule counts as reached by all questions.
const COURSES_MAX: u32 = 4_096;

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "ask",
    en: "A few questions, answered by keys, and rules that say what follows.",
    ja: "キーで答える質問と、答えによる行き先の規則。",
    words: &[
        must(
            "ask",
            Value::List(&Value::Map(&QUESTION)),
            "The questions, in order; they stop as soon as no answer can change the rule.",
            "質問。上から順に尋ね、規則が決まったところで終わります。",
        ),
        must(
            "rules",
            Value::List(&Value::Map(&rules::SHAPE)),
            "What follows from the answers, the last one for everybody.",
            "答えによる行き先。最後のひとつは全員に当てはまるものにします。",
        ),
        may(
            "no_input",
            Value::Map(&SILENCE),
            "When nothing is pressed: what that is taken for, or where it leads.",
            "何も押されないとき。どの答えとみなすか、またはどこへ進むか。",
        ),
        may(
            "bad_key",
            Value::Map(&crate::program::BAD_KEY),
            "When a key is pressed that means nothing here; inherited from defaults.",
            "使えないキーが押されたとき。書かなければ defaults に従います。",
        ),
    ],
    rest: None,
};

const QUESTION: Shape = Shape {
    name: "ask/question",
    en: "A question, and the answer of each key.",
    ja: "質問と、各キーの答え。",
    words: &[
        must("id", Value::Name(noun::VARIABLE), "Under which name rules test the answer.", "規則で答えを調べるときの名前。"),
        must("say", crate::speech::SAY, "The question, which names its keys.", "質問文。キーも読み上げます。"),
        must(
            "keys",
            Value::Each(KEY, &Value::Name(noun::ANSWER)),
            "The answer of each key; \"yes\" and \"no\" in quotes.",
            "各キーの答え。\"yes\" と \"no\" は引用符で囲みます。",
        ),
    ],
    rest: None,
};

const SILENCE: Shape = Shape {
    name: "ask/no_input",
    en: "When nothing is pressed.",
    ja: "何も押されないとき。",
    words: &[
        may("after", Value::Time, "How long after the end of the sentence.", "案内が終わってから待つ時間。"),
        may("repeat", Value::Whole(0, 9), "How often the question is said again.", "質問を繰り返す回数。"),
        may(
            "answer",
            Value::Name(noun::ANSWER),
            "The answer that silence is taken for: the urgent one.",
            "何も押されないときにみなす答え。急ぐほうの答えにします。",
        ),
        may("then", Value::Name(noun::STEP), "Where the call goes instead.", "答えとみなさず、進むステップ。"),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    questions: Vec<Question>,
    silence: Silence,
    bad_key: BadKeys,
    rules: Vec<Rule>,
    /// How the rules are reached.
    leads: Vec<Lead>,
}

#[derive(Clone, Debug)]
struct Question {
    id: At<String>,
    say: Speech,
    keys: BTreeMap<Digit, At<String>>,
}

/// When nothing is pressed.
#[derive(Clone, Debug)]
struct Silence {
    after: Duration,
    repeat: u32,
    /// What it is taken for, or where it leads.
    means: Means,
}

#[derive(Clone, Debug)]
enum Means {
    Answer(At<String>),
    Way(At<StepId>),
}

#[derive(Clone, Debug)]
struct BadKeys {
    say: Option<Speech>,
    repeat: u32,
    then: At<StepId>,
}

/// A rule, the keys of each question that lead to it, and whether pressing nothing does.
#[derive(Clone, Debug)]
struct Lead {
    rule: usize,
    keys: Vec<BTreeSet<Digit>>,
    silent: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    stage: Stage,
    silences: u32,
    bad_keys: u32,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Fresh,
    /// A question sounds; `until` is set once it has sounded to its end.
    Asking { question: usize, until: Option<Instant> },
    /// What a rule says sounds.
    Leaving(usize),
}

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, fields: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
        let questions = read_questions(key, body, defaults.barge_in, problems);
        let rules = match fields.entry("rules") {
            Some((key, node)) => rules::read(key, node, defaults.barge_in, false, problems),
            None => {
                missing(problems, key.at, "rules", "rules: [ { when: { fever: \"yes\" }, next: nurse }, { otherwise: general } ]");
                None
            }
        };
        let silence = read_silence(key, fields, questions.as_deref(), defaults, problems);
        let bad_key = fields.entry("bad_key").map(|(key, n)| BadKey::read(key, n, defaults.barge_in, problems));
        let bad_key = bad_key.unwrap_or_default().or(&defaults.bad_key);
        let Some(then) = bad_key.then else {
            let en = "say where the call goes after keys that mean nothing here";
            let ja = "使えないキーが押されたときの行き先が書かれていません。";
            problems.error(key.at, "missing_way", en, ja).help("bad_key: { say: try_again, repeat: 1, then: general }");
            return None;
        };
        let bad_key = BadKeys { say: bad_key.say, repeat: bad_key.repeat.unwrap_or(0), then };
        let (questions, rules, silence) = (questions?, rules?, silence?);
        let leads = leads(&questions, &rules, &silence.means);
        Some(Step { questions, silence, bad_key, rules, leads })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        let mut speeches: Vec<&Speech> = self.questions.iter().map(|question| &question.say).collect();
        speeches.extend(&self.bad_key.say);
        speeches.extend(self.rules.iter().filter_map(|rule| rule.say.as_ref()));
        let mut ways: Vec<Way<'_>> = self.leads.iter().flat_map(|lead| self.ways(lead)).collect();
        let first: Vec<Beat<'_>> = self.questions.first().map(|question| self.silent(question)).into_iter().collect();
        if let Means::Way(to) = &self.silence.means {
            ways.push(Way { beats: first.clone(), ..Way::new(to, By::Silence) });
        }
        ways.push(Way { beats: first, times: self.bad_key.repeat + 1, ..Way::new(&self.bad_key.then, By::BadKey) });
        let questions = self.questions.iter().map(|question| (&question.say, question.facts())).collect();
        let gives = self.questions.iter().map(|q| Given { name: &q.id, words: q.keys.values().collect(), typed: false }).collect();
        Sketch { speeches, ways, questions, gives, rules: &self.rules, ..Sketch::new() }
    }

    fn ways<'s>(&'s self, lead: &Lead) -> Vec<Way<'s>> {
        let Some(rule) = self.rules.get(lead.rule) else { return Vec::new() };
        let asked = self.questions.iter().zip(&lead.keys);
        let mut ways = Vec::new();
        let mut add = |by: By, mut beats: Vec<Beat<'s>>| {
            beats.extend(rule.say.iter().map(Beat::said));
            let gives = self.questions.iter().take(lead.keys.len()).map(|question| question.id.value.as_str()).collect();
            ways.push(Way { set: Some(&rule.set), beats, gives, ..Way::new(&rule.to, by) });
        };
        match lead.keys.last().and_then(BTreeSet::first) {
            Some(last) => {
                let beat = |(question, keys): (&'s Question, &BTreeSet<Digit>)| Beat {
                    keys: keys.iter().copied().collect(),
                    ..Beat::said(&question.say)
                };
                add(By::Key(*last), asked.map(beat).collect());
                if lead.silent {
                    add(By::Silence, self.questions.iter().take(lead.keys.len()).map(|question| self.silent(question)).collect());
                }
            }
            // Decided before anything is asked.
            None => add(By::Itself, Vec::new()),
        }
        ways
    }

    fn silent<'s>(&'s self, question: &'s Question) -> Beat<'s> {
        Beat { times: self.silence.repeat + 1, pause: self.silence.after, ..Beat::said(&question.say) }
    }

    pub(crate) fn enter(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        // Whoever comes again is asked again.
        self.questions.iter().for_each(|question| caller.forget(&question.id.value));
        self.decide(0, state, scene, caller)
    }

    /// Goes on by the rule that can no longer change, or asks the next question.
    fn decide(&self, answered: usize, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let pending = |name: &str| self.questions.iter().skip(answered).any(|question| question.id.value == name);
        match rules::pick(&self.rules, 0, &Real { scene, caller, pending }) {
            Pick::Rule(index) => {
                let Some(rule) = self.rules.get(index) else { return Go::Fail };
                if rules::leave(rule, index, scene, caller) {
                    state.stage = Stage::Leaving(index);
                    return Go::Stay;
                }
                Go::To(&rule.to.value)
            }
            Pick::Open => {
                *state = State::default();
                self.speak(answered, false, state, scene, caller)
            }
            Pick::Look(_) | Pick::Nothing => Go::Fail,
        }
    }

    fn speak(&self, question: usize, again: bool, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let Some(asked) = self.questions.get(question) else { return Go::Fail };
        let mut speeches: Vec<&Speech> = self.bad_key.say.iter().filter(|_| again).collect();
        speeches.push(&asked.say);
        let speaks = caller.say(scene, &speeches);
        state.stage = Stage::Asking { question, until: (!speaks).then(|| scene.now.mono + self.silence.after) };
        Go::Stay
    }

    pub(crate) fn hear(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        match (state.stage, heard) {
            (Stage::Leaving(index), heard) => by_rule::leaving(&self.rules, index, scene, caller, heard),
            (Stage::Asking { question, .. }, Heard::Played) => {
                state.stage = Stage::Asking { question, until: Some(scene.now.mono + self.silence.after) };
                Go::Stay
            }
            (Stage::Asking { question, until }, Heard::Digit(digit)) => self.pressed(question, until, *digit, state, scene, caller),
            (Stage::Fresh | Stage::Asking { .. }, _) => Go::Stay,
        }
    }

    fn pressed(
        &self,
        at: usize,
        until: Option<Instant>,
        digit: Digit,
        state: &mut State,
        scene: &Scene<'_>,
        caller: &mut Caller,
    ) -> Go<'_> {
        let Some(question) = self.questions.get(at) else { return Go::Fail };
        if until.is_none() && !question.say.barge_in {
            caller.note_ignored(scene, digit);
            return Go::Stay;
        }
        let note = |meaning| Note::Pressed { step: scene.step.clone(), digit, meaning };
        if let Some(answer) = question.keys.get(&digit) {
            caller.note(note(KeyMeaning::Choice));
            caller.remember(&question.id.value, &answer.value);
            return self.decide(at + 1, state, scene, caller);
        }
        caller.note(note(KeyMeaning::Unknown));
        state.bad_keys += 1;
        if state.bad_keys > self.bad_key.repeat {
            caller.left_by("bad_key");
            return Go::To(&self.bad_key.then.value);
        }
        self.speak(at, true, state, scene, caller)
    }

    pub(crate) fn due(&self, state: &State, _: &Caller, _: &StepId) -> Option<Instant> {
        match state.stage {
            Stage::Asking { until, .. } => until,
            Stage::Fresh | Stage::Leaving(_) => None,
        }
    }

    pub(crate) fn timeout(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let Stage::Asking { question: at, .. } = state.stage else { return Go::Stay };
        let Some(question) = self.questions.get(at) else { return Go::Fail };
        caller.note(Note::NoInput { step: scene.step.clone() });
        state.silences += 1;
        if state.silences <= self.silence.repeat {
            return self.speak(at, false, state, scene, caller);
        }
        match &self.silence.means {
            Means::Answer(answer) => {
                caller.remember(&question.id.value, &answer.value);
                self.decide(at + 1, state, scene, caller)
            }
            Means::Way(to) => {
                caller.left_by("silent");
                Go::To(&to.value)
            }
        }
    }
}

impl Question {
    fn facts(&self) -> MenuFacts {
        let keys = self.keys.iter().map(|(digit, answer)| At { value: *digit, at: answer.at }).collect();
        MenuFacts { choices: self.keys.len(), keys, list: false }
    }

    /// `{ id: fever, say: q_fever, keys: { "1": "yes", "2": "no" } }`.
    fn read(node: &Node, barge_in: bool, problems: &mut Problems) -> Option<Question> {
        const EXAMPLE: &str = "{ id: fever, say: q_fever, keys: { \"1\": \"yes\", \"2\": \"no\" } }";
        let mut fields = Fields::of(node, node.at, problems)?;
        let id = match fields.take("id") {
            Some(id) => id.name::<String>(problems),
            None => {
                missing(problems, node.at, "id", EXAMPLE);
                None
            }
        };
        let say = Speech::needed(fields.take("say"), node.at, barge_in, problems);
        let mut keys = BTreeMap::new();
        let written = fields.take("keys");
        let entries = written.and_then(|n| n.map(problems)).unwrap_or_default();
        for (key, value) in entries {
            if let Some((digit, answer)) = digit(key, problems).zip(value.name::<String>(problems)) {
                keys.insert(digit, At { value: answer.value, at: key.at });
            }
        }
        if written.is_none() || (entries.is_empty() && written.is_some_and(|n| n.map(problems).is_some())) {
            missing(problems, node.at, "keys", EXAMPLE);
        }
        fields.finish(problems);
        (!keys.is_empty() && keys.len() == entries.len()).then_some(Question { id: id?, say: say?, keys })
    }
}

fn read_questions(key: &Key, node: &Node, barge_in: bool, problems: &mut Problems) -> Option<Vec<Question>> {
    let items = node.items();
    if items.is_empty() || items.len() > QUESTIONS_MAX {
        let en = format!("ask 1 to {QUESTIONS_MAX} questions; who needs more should talk to a person");
        let ja = format!("質問は 1 から {QUESTIONS_MAX} 個までです。それより多く尋ねることは、担当者がうかがうようにしてください。");
        problems.error(key.at, "number_of_questions", en, ja);
    }
    let questions: Vec<Option<Question>> = items.iter().take(QUESTIONS_MAX).map(|item| Question::read(item, barge_in, problems)).collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for question in questions.iter().flatten() {
        if !seen.insert(&question.id.value) {
            let en = format!("the question \"{}\" is written twice", shown(&question.id.value));
            let ja = format!("質問「{}」が二度書かれています。", shown(&question.id.value));
            problems.error(question.id.at, "duplicate_question", en, ja);
        }
    }
    questions.into_iter().collect::<Option<Vec<Question>>>().filter(|questions| !questions.is_empty())
}

/// `{ after: 6s, repeat: 1, answer: "yes" }`, or `then: general`.
fn read_silence(
    key: &Key,
    outer: &mut Fields<'_>,
    questions: Option<&[Question]>,
    defaults: &Defaults,
    problems: &mut Problems,
) -> Option<Silence> {
    let inherited = &defaults.no_input;
    let (mut after, mut repeat, mut answer, mut then) = (inherited.after, inherited.repeat, None, None);
    if let Some((key, node)) = outer.entry("no_input") {
        let mut fields = Fields::of(node, key.at, problems)?;
        after = fields.take("after").map(|n| n.patience(problems).unwrap_or_default()).or(after);
        repeat = fields.take("repeat").and_then(|n| n.whole(0, 9, problems)).or(repeat);
        answer = fields.take("answer").map(|n| n.name::<String>(problems));
        then = fields.take("then").map(|n| n.name::<StepId>(problems));
        fields.finish(problems);
    }
    let means = match (answer, then) {
        (Some(answer), None) => {
            let answer = answer?;
            for question in questions.unwrap_or_default() {
                answers(question, &answer, problems);
            }
            Means::Answer(answer)
        }
        (Some(_), Some(_)) => {
            let (en, ja) = ("silence is an answer or leads on; write answer or then", "answer か then のどちらかひとつを書いてください。");
            problems.error(key.at, "answer_and_then", en, ja);
            return None;
        }
        (None, Some(then)) => Means::Way(then?),
        (None, None) => match &inherited.then {
            Some(then) => Means::Way(then.clone()),
            None => return no_silence(key.at, problems),
        },
    };
    let Some(after) = after else { return no_silence(key.at, problems) };
    Some(Silence { after, repeat: repeat.unwrap_or(0), means })
}

fn no_silence(at: Spot, problems: &mut Problems) -> Option<Silence> {
    let en = "say how long these questions wait for a key, and what silence means";
    let ja = "何も押されないときの待ち時間と、その扱いが書かれていません。";
    problems.error(at, "missing_way", en, ja).help("no_input: { after: 6s, repeat: 1, answer: \"yes\" }");
    None
}

/// What silence stands for must be an answer of every question.
fn answers(question: &Question, answer: &At<String>, problems: &mut Problems) {
    if question.keys.values().any(|key| key.value == answer.value) {
        return;
    }
    let (id, word) = (shown(&question.id.value), shown(&answer.value));
    let (more_en, more_ja) = match nearest(&answer.value, question.keys.values().map(|key| key.value.as_str())) {
        Some(near) => (format!("; did you mean \"{near}\"?"), format!("「{near}」ではありませんか？")),
        None => (String::new(), String::new()),
    };
    let en = format!("\"{word}\" is no answer to \"{id}\"{more_en}");
    let ja = format!("「{word}」は質問「{id}」の答えにありません。{more_ja}");
    problems.error(answer.at, "unknown_answer", en, ja);
}

/// Every course that answers can take, as far as they decide: what else rules test may be either way.
fn leads(questions: &[Question], rules: &[Rule], silence: &Means) -> Vec<Lead> {
    let mut courses = Courses { questions, rules, found: BTreeMap::new(), visits: 0 };
    courses.from(&mut Vec::new());
    let mut leads: BTreeMap<(usize, usize), Lead> = BTreeMap::new();
    if courses.visits > COURSES_MAX {
        let keys: Vec<BTreeSet<Digit>> = questions.iter().map(|question| question.keys.keys().copied().collect()).collect();
        let every = (0..rules.len()).map(|rule| ((rule, keys.len()), Lead { rule, keys: keys.clone(), silent: false }));
        leads.extend(every);
    } else {
        let found = courses.found.into_iter();
        leads.extend(found.map(|((rule, asked), keys)| ((rule, asked), Lead { rule, keys, silent: false })));
    }
    if let Means::Answer(answer) = silence {
        // The course of somebody who presses nothing.
        let same: Vec<Question> = questions
            .iter()
            .map(|q| Question {
                keys: q.keys.iter().filter(|(_, a)| a.value == answer.value).map(|(d, a)| (*d, a.clone())).collect(),
                ..q.clone()
            })
            .collect();
        let mut courses = Courses { questions: &same, rules, found: BTreeMap::new(), visits: 0 };
        courses.from(&mut Vec::new());
        for ((rule, asked), keys) in courses.found {
            leads.entry((rule, asked)).or_insert(Lead { rule, keys, silent: true }).silent = true;
        }
    }
    leads.into_values().collect()
}

struct Courses<'a> {
    questions: &'a [Question],
    rules: &'a [Rule],
    /// By rule and number of questions asked: the keys of each.
    found: BTreeMap<(usize, usize), Vec<BTreeSet<Digit>>>,
    visits: u32,
}

impl<'a> Courses<'a> {
    fn from(&mut self, answers: &mut Vec<&'a str>) {
        self.visits += 1;
        if self.visits > COURSES_MAX {
            return;
        }
        for (index, rule) in self.rules.iter().enumerate() {
            match self.verdict(rule, answers) {
                Verdict::No => {}
                Verdict::Perhaps => self.note(index, answers),
                Verdict::Yes => return self.note(index, answers),
                Verdict::Asks { perhaps } => {
                    let Some(question) = self.questions.get(answers.len()) else { return };
                    let words: BTreeSet<&'a str> = question.keys.values().map(|answer| answer.value.as_str()).collect();
                    for word in words {
                        answers.push(word);
                        self.from(answers);
                        answers.pop();
                    }
                    if !perhaps {
                        return;
                    }
                }
            }
        }
    }

    fn note(&mut self, rule: usize, answers: &[&str]) {
        let keys = self.found.entry((rule, answers.len())).or_insert_with(|| vec![BTreeSet::new(); answers.len()]);
        for ((question, answer), keys) in self.questions.iter().zip(answers).zip(keys) {
            keys.extend(question.keys.iter().filter(|(_, word)| word.value == *answer).map(|(digit, _)| *digit));
        }
    }

    fn verdict(&self, rule: &Rule, answers: &[&str]) -> Verdict {
        let when = &rule.when;
        let mut perhaps = !when.lang.is_empty() || !when.class.is_empty() || !when.schedules.is_empty();
        let mut asks = false;
        for (name, wanted) in &when.words {
            let word = match self.questions.iter().position(|question| question.id.value == name.value) {
                Some(at) => answers.get(at).map_or(Word::Pending, |answer| Word::Is(answer)),
                None => Word::Never,
            };
            match word {
                Word::Is(word) if wanted.iter().any(|w| w.value == word) => {}
                Word::Is(_) => return Verdict::No,
                Word::Never => perhaps = true,
                Word::Pending => asks = true,
            }
        }
        match (asks, perhaps) {
            (true, perhaps) => Verdict::Asks { perhaps },
            (false, true) => Verdict::Perhaps,
            (false, false) => Verdict::Yes,
        }
    }
}

/// What a course of answers makes of a rule.
enum Verdict {
    No,
    Yes,
    /// It depends on what the answers do not tell.
    Perhaps,
    /// It depends on an answer, and perhaps on more.
    Asks {
        perhaps: bool,
    },
}
