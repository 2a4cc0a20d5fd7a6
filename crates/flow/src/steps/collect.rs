//! `collect`: lets the caller type a number, reads it back digit by digit, and keeps it.
//!
//! What a caller types is a person's own: it is kept for this call only, and neither logs, notes, paths nor positions hold it. What rules
//! can test is that it was given. The time for the first figure counts from the end of the sentence, for each further one from the last.

use super::{Beat, By, Given, Go, MenuFacts, Sketch, Way};
use crate::decode::{Fields, is_name, missing, noun};
use crate::problem::{At, Problems};
use crate::program::{BadKey, Defaults, NoInput};
use crate::run::{Caller, Heard, Note, Scene};
use crate::schema::{Shape, Value, may, must};
use crate::speech::{Part, Speech};
use crate::tree::{Key, Node};
use model::{Digit, Instant, KeyMeaning, PromptId, Redacted, StepId};
use std::time::Duration;

/// Figures of one number: the longest that people read off a card.
const FIGURES_MAX: u32 = 32;
/// Between two figures.
const BETWEEN: Duration = Duration::from_secs(4);
/// The word of the variable once something was typed.
const GIVEN: &str = "given";

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "collect",
    en: "Lets the caller type a number, and reads it back.",
    ja: "番号を押していただき、読み上げて確かめます。",
    words: &[
        must("collect", Value::Map(&BODY), "What is asked for.", "尋ねる内容。"),
        must("next", Value::Name(noun::STEP), "Where the call goes from here.", "次に進むステップ。"),
    ],
    rest: None,
};

const BODY: Shape = Shape {
    name: "collect/body",
    en: "A number that the caller types. No log and no record holds it.",
    ja: "お客様が押す番号。記録には残りません。",
    words: &[
        must("say", crate::speech::SAY, "What is said.", "案内文。"),
        must(
            "into",
            Value::Name(noun::VARIABLE),
            "The variable that rules test: it is `given`, or it is not.",
            "規則で調べる変数。番号が押されると given になります。",
        ),
        may(
            "length",
            Value::Whole(1, FIGURES_MAX),
            "How many figures it has; or digits.",
            "桁数。桁数が決まっていなければ digits を使います。",
        ),
        may(
            "digits",
            Value::Map(&DIGITS),
            "How many figures it has at least and at most; or length.",
            "最小と最大の桁数。桁数が決まっていれば length を使います。",
        ),
        may("between", Value::Time, "How long to wait for each further figure.", "次の数字を待つ時間。"),
        may(
            "confirm",
            Value::Map(&CONFIRM),
            "Reads the number back; 1 takes it, 2 begins anew.",
            "番号を読み上げて確かめます。1 で確定、2 でやり直し。",
        ),
        may("barge_in", Value::Truth, "Whether a key stops the sentence and counts.", "案内の途中でもキーを受け付けるか。"),
        may(
            "no_input",
            Value::Map(&crate::program::NO_INPUT),
            "When nothing is typed; inherited from defaults.",
            "何も押されないとき。書かなければ defaults に従います。",
        ),
        may(
            "bad_key",
            Value::Map(&crate::program::BAD_KEY),
            "When the number is too short or not confirmed; inherited from defaults.",
            "桁が足りない、または確定されないとき。書かなければ defaults に従います。",
        ),
    ],
    rest: None,
};

const DIGITS: Shape = Shape {
    name: "collect/digits",
    en: "How many figures.",
    ja: "桁数の範囲。",
    words: &[
        may("min", Value::Whole(1, FIGURES_MAX), "At least.", "最小の桁数。"),
        may("max", Value::Whole(1, FIGURES_MAX), "At most.", "最大の桁数。"),
    ],
    rest: None,
};

const CONFIRM: Shape = Shape {
    name: "collect/confirm",
    en: "What is said around the figures.",
    ja: "数字の前後の案内文。",
    words: &[
        must("before", crate::speech::SAY, "Said before the figures.", "数字の前の案内文。"),
        must("say", crate::speech::SAY, "Said behind them; it names 1 and 2.", "数字のあとの案内文。1 と 2 を読み上げます。"),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    say: Speech,
    into: At<String>,
    given: At<String>,
    least: u32,
    most: u32,
    after: Duration,
    between: Duration,
    /// Times that silence is forgiven, and where it leads then.
    silences: u32,
    silent: At<StepId>,
    /// Numbers that are too short or not confirmed.
    mistakes: u32,
    mistaken: At<StepId>,
    try_again: Option<Speech>,
    confirm: Option<Confirm>,
    next: At<StepId>,
}

/// The number is read back, and 1 takes it; 2 begins anew.
#[derive(Clone, Debug)]
struct Confirm {
    /// Said before the figures: what is noted of a sentence is its beginning, and no figure may be that.
    before: Speech,
    say: Speech,
    /// `digit_0` to `digit_9`.
    figures: Vec<Speech>,
    yes: At<Digit>,
    no: At<Digit>,
}

#[derive(Clone, Debug)]
pub(crate) struct State {
    stage: Stage,
    typed: Redacted<String>,
    silences: u32,
    mistakes: u32,
}

impl Default for State {
    fn default() -> Self {
        State { stage: Stage::Asking, typed: Redacted::new(String::new()), silences: 0, mistakes: 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The sentence sounds.
    Asking,
    /// A figure is awaited.
    Typing(Instant),
    /// The number is read back.
    ReadingBack,
    /// It was read back.
    Confirming(Instant),
}

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, outer: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
        let mut fields = Fields::of(body, key.at, problems)?;
        let barge_in = fields.take("barge_in").and_then(|n| n.truth(problems)).unwrap_or(defaults.barge_in);
        let say = Speech::needed(fields.take("say"), key.at, barge_in, problems);
        let into = read_into(key, &mut fields, problems);
        let length = read_length(key, &mut fields, problems);
        let between = fields.take("between").map_or(Some(BETWEEN), |n| n.patience(problems));
        let confirm = fields.entry("confirm");
        let confirm = confirm.map(|(key, n)| Confirm::read(key, n, barge_in, problems));
        let no_input = fields.entry("no_input").map(|(key, n)| NoInput::read(key, n, problems)).unwrap_or_default().or(&defaults.no_input);
        let bad_key =
            fields.entry("bad_key").map(|(key, n)| BadKey::read(key, n, barge_in, problems)).unwrap_or_default().or(&defaults.bad_key);
        fields.finish(problems);
        let next = super::next(key, outer, problems);
        let (Some(after), Some(silent), Some(mistaken)) = (no_input.after, no_input.then, bad_key.then) else {
            let en = "say how long this step waits for a figure, and where the call goes when none comes or none is right";
            let ja = "数字が押されないとき、正しく押されないときの待ち時間と行き先が書かれていません。";
            problems.error(key.at, "missing_way", en, ja).help("no_input: { after: 7s, repeat: 1, then: general }");
            return None;
        };
        let (into, (least, most)) = (into?, length?);
        let confirm = match confirm {
            Some(confirm) => Some(confirm?),
            None => None,
        };
        Some(Step {
            say: say?,
            given: At { value: GIVEN.to_owned(), at: into.at },
            into,
            least,
            most,
            after,
            between: between?,
            silences: no_input.repeat.unwrap_or(0),
            silent,
            mistakes: bad_key.repeat.unwrap_or(0),
            mistaken,
            try_again: bad_key.say,
            confirm,
            next: next?,
        })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        let mut speeches = vec![&self.say];
        speeches.extend(&self.try_again);
        let mut questions = Vec::new();
        // The number is typed once the sentence is over, and a shorter one ends by the time-out.
        let pause = if self.least < self.most { self.between } else { Duration::ZERO };
        let mut beats = vec![Beat { presses: self.least, keys: figures(), pause, ..Beat::said(&self.say) }];
        if let Some(confirm) = &self.confirm {
            speeches.push(&confirm.before);
            speeches.extend(&confirm.figures);
            beats.push(Beat::said(&confirm.before));
            speeches.push(&confirm.say);
            let keys = vec![confirm.yes.clone(), confirm.no.clone()];
            questions.push((&confirm.say, MenuFacts { choices: 2, keys, list: false }));
            beats.extend(confirm.figures.first().map(|figure| Beat { times: self.most, ..Beat::said(figure) }));
            beats.push(Beat { keys: vec![confirm.yes.value], ..Beat::said(&confirm.say) });
        }
        let gives = vec![self.into.value.as_str()];
        let mut ways = Vec::from_iter(ONE.map(|one| Way { beats, gives, ..Way::new(&self.next, By::Key(one)) }));
        ways.push(Way { times: self.silences + 1, pause: self.after, ..Way::new(&self.silent, By::Silence) });
        ways.push(Way { times: self.mistakes + 1, ..Way::new(&self.mistaken, By::BadKey) });
        let gives = vec![Given { name: &self.into, words: vec![&self.given], typed: true }];
        Sketch { opening: Some(&self.say), speeches, ways, questions, gives, ..Sketch::new() }
    }

    pub(crate) fn enter(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        caller.forget(&self.into.value);
        self.ask(false, state, scene, caller)
    }

    /// From the beginning, nothing typed.
    fn ask(&self, again: bool, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        state.typed = Redacted::new(String::new());
        let mut speeches: Vec<&Speech> = self.try_again.iter().filter(|_| again).collect();
        speeches.push(&self.say);
        state.stage = if caller.say(scene, &speeches) { Stage::Asking } else { Stage::Typing(scene.now.mono + self.after) };
        Go::Stay
    }

    pub(crate) fn hear(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        match (state.stage, heard) {
            (Stage::Asking, Heard::Played) => {
                state.stage = Stage::Typing(scene.now.mono + self.after);
                Go::Stay
            }
            (Stage::ReadingBack, Heard::Played) => {
                state.stage = Stage::Confirming(scene.now.mono + self.after);
                Go::Stay
            }
            // Which key it was is nobody's business, even where it does not count.
            (Stage::Asking, Heard::Digit(_)) if !self.say.barge_in => Go::Stay,
            (Stage::Asking | Stage::Typing(_), Heard::Digit(digit)) => self.typed(*digit, state, scene, caller),
            (Stage::ReadingBack | Stage::Confirming(_), Heard::Digit(digit)) => self.confirmed(*digit, state, scene, caller),
            _ => Go::Stay,
        }
    }

    fn typed(&self, digit: Digit, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        match digit.as_char() {
            '#' => self.ended(state, scene, caller),
            // Star takes back what was typed.
            '*' => {
                state.typed = Redacted::new(String::new());
                state.stage = Stage::Typing(scene.now.mono + self.after);
                Go::Stay
            }
            figure if !figure.is_ascii_digit() => Go::Stay,
            figure => {
                state.typed = Redacted::new(format!("{}{figure}", state.typed.reveal()));
                if self.length(state) >= self.most {
                    return self.ended(state, scene, caller);
                }
                state.stage = Stage::Typing(scene.now.mono + self.between);
                Go::Stay
            }
        }
    }

    fn length(&self, state: &State) -> u32 {
        u32::try_from(state.typed.reveal().len()).unwrap_or(u32::MAX)
    }

    /// Nothing more is typed.
    fn ended(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        if self.length(state) < self.least {
            return self.mistake(state, scene, caller);
        }
        match &self.confirm {
            Some(confirm) => {
                self.read_back(confirm, &[], state, scene, caller);
                Go::Stay
            }
            None => self.take(state, caller),
        }
    }

    fn mistake(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        if self.is_over_patience(state, caller) {
            return Go::To(&self.mistaken.value);
        }
        self.ask(true, state, scene, caller)
    }

    /// One more mistake: whether it is one too many.
    fn is_over_patience(&self, state: &mut State, caller: &mut Caller) -> bool {
        state.mistakes += 1;
        let over = state.mistakes > self.mistakes;
        if over {
            caller.left_by("bad_key");
        }
        over
    }

    fn read_back(&self, confirm: &Confirm, first: &[&Speech], state: &mut State, scene: &Scene<'_>, caller: &mut Caller) {
        let figures = state.typed.reveal().chars().filter_map(|c| confirm.figures.get(c.to_digit(10)? as usize));
        let speeches: Vec<&Speech> = first.iter().copied().chain([&confirm.before]).chain(figures).chain([&confirm.say]).collect();
        let speaks = caller.say(scene, &speeches);
        state.stage = if speaks { Stage::ReadingBack } else { Stage::Confirming(scene.now.mono + self.after) };
    }

    fn confirmed(&self, digit: Digit, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let Some(confirm) = &self.confirm else { return Go::Fail };
        if state.stage == Stage::ReadingBack && !(confirm.say.barge_in && confirm.before.barge_in) {
            return Go::Stay;
        }
        // Who ends a number that has ended by its length has done nothing wrong; the key has cut the sentence.
        if digit.as_char() == '#' {
            self.read_back(confirm, &[], state, scene, caller);
            return Go::Stay;
        }
        let note = |meaning| Note::Pressed { step: scene.step.clone(), digit, meaning };
        if digit == confirm.yes.value {
            caller.note(note(KeyMeaning::Choice));
            return self.take(state, caller);
        }
        if digit == confirm.no.value {
            caller.note(note(KeyMeaning::Choice));
            return self.mistake(state, scene, caller);
        }
        // It may be one more figure of the number, so which one is not noted. What was typed is kept.
        if self.is_over_patience(state, caller) {
            return Go::To(&self.mistaken.value);
        }
        let again: Vec<&Speech> = self.try_again.iter().collect();
        self.read_back(confirm, &again, state, scene, caller);
        Go::Stay
    }

    fn take(&self, state: &mut State, caller: &mut Caller) -> Go<'_> {
        caller.left_by(GIVEN);
        caller.remember(&self.into.value, GIVEN);
        caller.keep(&self.into.value, state.typed.clone());
        Go::To(&self.next.value)
    }

    pub(crate) fn due(&self, state: &State, _: &Caller, _: &StepId) -> Option<Instant> {
        match state.stage {
            Stage::Typing(until) | Stage::Confirming(until) => Some(until),
            Stage::Asking | Stage::ReadingBack => None,
        }
    }

    pub(crate) fn timeout(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let typing = matches!(state.stage, Stage::Typing(_));
        if typing && self.length(state) > 0 {
            return self.ended(state, scene, caller);
        }
        state.silences += 1;
        caller.note(Note::NoInput { step: scene.step.clone() });
        if state.silences > self.silences {
            caller.left_by("silent");
            return Go::To(&self.silent.value);
        }
        match &self.confirm {
            Some(confirm) if !typing => {
                self.read_back(confirm, &[], state, scene, caller);
                Go::Stay
            }
            _ => self.ask(false, state, scene, caller),
        }
    }
}

/// Stands for the keys that are typed.
const ONE: Option<Digit> = Digit::from_event(1);

/// Any figure begins a number.
fn figures() -> Vec<Digit> {
    ('0'..='9').filter_map(Digit::from_char).collect()
}

impl Confirm {
    /// `{ before: you_typed, say: right_or_again }`.
    fn read(key: &Key, node: &Node, barge_in: bool, problems: &mut Problems) -> Option<Confirm> {
        let mut fields = Fields::of(node, key.at, problems)?;
        let before = fields.take("before");
        if before.is_none() {
            missing(problems, key.at, "before", "confirm: { before: you_typed, say: right_or_again }");
        }
        let before = before.and_then(|n| Speech::read(n, barge_in, problems));
        let say = Speech::needed(fields.take("say"), key.at, barge_in, problems);
        fields.finish(problems);
        let digit = |c| Digit::from_char(c).map(|value| At { value, at: key.at });
        let figure = |n: u32| Part { prompt: At { value: PromptId::from(format!("digit_{n}")), at: key.at }, lang: None };
        let figures = (0..=9).map(|n| Speech { parts: vec![figure(n)], barge_in }).collect();
        Some(Confirm { before: before?, say: say?, figures, yes: digit('1')?, no: digit('2')? })
    }
}

/// `into: card`: the variable, which no rule may take for something else.
fn read_into(key: &Key, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<At<String>> {
    let Some(node) = fields.take("into") else {
        missing(problems, key.at, "into", "into: card_number");
        return None;
    };
    let into = node.text(problems)?;
    if ["lang", "priority", "schedule"].contains(&into.value) {
        crate::program::reserved(into.at, into.value, problems);
        return None;
    }
    is_name(into.value, into.at, problems).then(|| At { value: into.value.to_owned(), at: into.at })
}

/// `length: 7`, or `digits: { min: 7, max: 10 }`.
fn read_length(key: &Key, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<(u32, u32)> {
    let (length, digits) = (fields.take("length"), fields.entry("digits"));
    match (length, digits) {
        (Some(length), None) => length.whole(1, FIGURES_MAX, problems).map(|length| (length, length)),
        (None, Some((key, node))) => {
            let mut fields = Fields::of(node, key.at, problems)?;
            let min = fields.take("min").map_or(Some(1), |n| n.whole(1, FIGURES_MAX, problems));
            let max = fields.take("max").map_or(Some(FIGURES_MAX), |n| n.whole(min.unwrap_or(1), FIGURES_MAX, problems));
            fields.finish(problems);
            min.zip(max)
        }
        (None, None) => {
            missing(problems, key.at, "length", "length: 7");
            None
        }
        (Some(length), Some(_)) => {
            let (en, ja) = ("write length or digits, not both", "length か digits のどちらかひとつを書いてください。");
            problems.error(length.at, "length_and_digits", en, ja);
            None
        }
    }
}
