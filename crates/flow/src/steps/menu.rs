//! `menu`: says what can be pressed, waits for a key, and goes on.
//!
//! The time for a key counts from the end of the sentence, never from its beginning: nobody is hurried by a slow voice.

use super::{By, Go, MenuFacts, Sketch, Way};
use crate::decode::{Fields, missing, noun, unknown};
use crate::problem::{At, Problems};
use crate::program::{BadKey, Defaults, NoInput, Set};
use crate::run::{Caller, Heard, Note, Scene};
use crate::schema::{KEY, Shape, Value, may, must};
use crate::speech::Speech;
use crate::tree::{Key, Node, What};
use model::{Digit, Instant, KeyMeaning, StepId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "menu",
    en: "Says what can be pressed, waits for a key, and goes on.",
    ja: "選択肢を案内し、キーが押されるのを待って進みます。",
    words: &[must("menu", Value::Map(&BODY), "The menu.", "メニューの内容。")],
    rest: None,
};

const BODY: Shape = Shape {
    name: "menu/body",
    en: "A menu: what is said, and where each key leads.",
    ja: "メニュー。案内文と、各キーの行き先。",
    words: &[
        must("say", crate::speech::SAY, "What is said; it names every key.", "案内文。すべてのキーを読み上げます。"),
        must(
            "keys",
            Value::Each(KEY, &Value::Either(&[Value::Name(noun::STEP), Value::Map(&CHOICE)])),
            "Where each key leads: \"0\" to \"9\" in quotes, star, hash.",
            "各キーの行き先。\"0\" から \"9\"（引用符付き）、star（米印）、hash（シャープ）。",
        ),
        may("next", Value::Name(noun::STEP), "Where keys lead that do not say it themselves.", "行き先を書かなかったキーの行き先。"),
        may(
            "list",
            Value::Truth,
            "A closed list of like things: more than four choices are fine.",
            "同じ種類の一覧。選択肢が 4 個を超えても注意されません。",
        ),
        may(
            "barge_in",
            Value::Truth,
            "Whether a key stops the sentence and counts; it does, if left out.",
            "案内の途中でもキーを受け付けるか。書かなければ受け付けます。",
        ),
        may(
            "no_input",
            Value::Map(&crate::program::NO_INPUT),
            "When nothing is pressed; inherited from defaults.",
            "何も押されないとき。書かなければ defaults に従います。",
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

const CHOICE: Shape = Shape {
    name: "menu/key",
    en: "Where a key leads, and what is remembered.",
    ja: "キーの行き先と、覚えておくこと。",
    words: &[
        may("next", Value::Name(noun::STEP), "Where the key leads.", "キーの行き先。"),
        may("set", Value::Map(&crate::program::SET), "What is remembered about the caller.", "お客様について覚えておくこと。"),
        may("repeat", Value::Truth, "Says the menu again.", "メニューをもう一度流します。"),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(super) say: Speech,
    pub(super) keys: BTreeMap<Digit, At<Choice>>,
    pub(super) list: bool,
    pub(super) no_input: Patience,
    pub(super) bad_key: Patience,
    /// Said after a key that means nothing, before the menu is said again.
    pub(super) try_again: Option<Speech>,
}

#[derive(Clone, Debug)]
pub(super) enum Choice {
    Next { to: At<StepId>, set: Set },
    Repeat,
}

/// How often something is forgiven, and where it leads then.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    pub(super) after: Duration,
    pub(super) repeat: u32,
    pub(super) then: At<StepId>,
    pub(super) set: Set,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Set once the sentence has sounded to its end.
    listening_until: Option<Instant>,
    silences: u32,
    bad_keys: u32,
}

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, _: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
        let mut fields = Fields::of(body, key.at, problems)?;
        let barge_in = fields.take("barge_in").and_then(|n| n.truth(problems)).unwrap_or(defaults.barge_in);
        let say = Speech::needed(fields.take("say"), key.at, barge_in, problems);
        let list = fields.take("list").and_then(|n| n.truth(problems)).unwrap_or(false);
        let next = fields.take("next").and_then(|n| n.name::<StepId>(problems));
        let keys = match fields.entry("keys") {
            Some((_, node)) => read_keys(node, next.as_ref(), problems),
            None => {
                missing(problems, key.at, "keys", "keys: { \"1\": nurse, \"2\": general }");
                None
            }
        };
        let no_input = fields.entry("no_input").map(|(key, n)| NoInput::read(key, n, problems)).unwrap_or_default().or(&defaults.no_input);
        let bad_key =
            fields.entry("bad_key").map(|(key, n)| BadKey::read(key, n, barge_in, problems)).unwrap_or_default().or(&defaults.bad_key);
        fields.finish(problems);
        let (Some(after), Some(then)) = (no_input.after, no_input.then) else {
            let en = "say how long this menu waits for a key, and where the call goes then";
            let ja = "何も押されないときの待ち時間と行き先が書かれていません。";
            problems.error(key.at, "missing_way", en, ja).help("no_input: { after: 7s, repeat: 1, then: general }");
            return None;
        };
        let Some(bad_then) = bad_key.then else {
            let en = "say where the call goes after keys that mean nothing here";
            let ja = "使えないキーが押されたときの行き先が書かれていません。";
            problems.error(key.at, "missing_way", en, ja).help("bad_key: { say: try_again, repeat: 1, then: general }");
            return None;
        };
        Some(Step {
            say: say?,
            keys: keys?,
            list,
            no_input: Patience { after, repeat: no_input.repeat.unwrap_or(0), then, set: no_input.set },
            bad_key: Patience { after: Duration::ZERO, repeat: bad_key.repeat.unwrap_or(0), then: bad_then, set: Set::default() },
            try_again: bad_key.say,
        })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        let mut ways: Vec<Way<'_>> = Vec::new();
        for (digit, choice) in &self.keys {
            if let Choice::Next { to, set } = &choice.value {
                ways.push(Way { set: Some(set), ..Way::new(to, By::Key(*digit)) });
            }
        }
        let choices = ways.len();
        let silence = &self.no_input;
        ways.push(Way { times: silence.repeat + 1, pause: silence.after, set: Some(&silence.set), ..Way::new(&silence.then, By::Silence) });
        let bad = &self.bad_key;
        ways.push(Way { times: bad.repeat + 1, set: Some(&bad.set), ..Way::new(&bad.then, By::BadKey) });
        let mut speeches = vec![&self.say];
        speeches.extend(&self.try_again);
        let keys = self.keys.iter().map(|(digit, choice)| At { value: *digit, at: choice.at }).collect();
        Sketch { opening: Some(&self.say), speeches, ways, menu: Some(MenuFacts { choices, keys, list: self.list }), ..Sketch::new() }
    }

    pub(crate) fn enter(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        self.speak(state, scene, caller, &[&self.say]);
        Go::Stay
    }

    fn speak(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, speeches: &[&Speech]) {
        let speaks = caller.say(scene, speeches);
        state.listening_until = (!speaks).then(|| scene.now.mono + self.no_input.after);
    }

    pub(crate) fn hear(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        match heard {
            Heard::Played => {
                state.listening_until = Some(scene.now.mono + self.no_input.after);
                Go::Stay
            }
            Heard::Digit(digit) => self.pressed(state, scene, caller, *digit),
            _ => Go::Stay,
        }
    }

    fn pressed(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, digit: Digit) -> Go<'_> {
        let note = |meaning| Note::Pressed { step: scene.step.clone(), digit, meaning };
        if state.listening_until.is_none() && !self.say.barge_in {
            caller.note(note(KeyMeaning::Ignored));
            return Go::Stay;
        }
        state.listening_until = None;
        match self.keys.get(&digit).map(|choice| &choice.value) {
            Some(Choice::Next { to, set }) => {
                caller.note(note(KeyMeaning::Choice));
                caller.left_by(&digit.to_string());
                caller.set(set);
                Go::To(&to.value)
            }
            Some(Choice::Repeat) => {
                caller.note(note(KeyMeaning::Choice));
                self.speak(state, scene, caller, &[&self.say]);
                Go::Stay
            }
            None => {
                caller.note(note(KeyMeaning::Unknown));
                state.bad_keys += 1;
                if state.bad_keys > self.bad_key.repeat {
                    caller.left_by("bad_key");
                    caller.set(&self.bad_key.set);
                    return Go::To(&self.bad_key.then.value);
                }
                match &self.try_again {
                    Some(try_again) => self.speak(state, scene, caller, &[try_again, &self.say]),
                    None => self.speak(state, scene, caller, &[&self.say]),
                }
                Go::Stay
            }
        }
    }

    pub(crate) fn due(&self, state: &State, _: &Caller, _: &StepId) -> Option<Instant> {
        state.listening_until
    }

    pub(crate) fn timeout(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        state.listening_until = None;
        state.silences += 1;
        caller.note(Note::NoInput { step: scene.step.clone() });
        if state.silences > self.no_input.repeat {
            caller.left_by("silent");
            caller.set(&self.no_input.set);
            return Go::To(&self.no_input.then.value);
        }
        self.speak(state, scene, caller, &[&self.say]);
        Go::Stay
    }
}

fn read_keys(node: &Node, next: Option<&At<StepId>>, problems: &mut Problems) -> Option<BTreeMap<Digit, At<Choice>>> {
    let mut keys = BTreeMap::new();
    let mut whole = true;
    for (key, value) in node.map(problems)? {
        let choice = read_choice(key, value, next, problems);
        let Some((digit, choice)) = digit(key, problems).zip(choice) else {
            whole = false;
            continue;
        };
        if keys.insert(digit, At { value: choice, at: key.at }).is_some() {
            let en = format!("the key {digit} is written twice; take one out");
            let ja = format!("キー {digit} が二度書かれています。どちらかひとつにしてください。");
            problems.error(key.at, "duplicate_key", en, ja);
        }
    }
    if keys.is_empty() && whole {
        let (en, ja) = ("a menu without keys; use `say`", "menu にキーがひとつもありません。案内だけなら say を使ってください。");
        problems.error(node.at, "empty_menu", en, ja).help("say: welcome");
        return None;
    }
    whole.then_some(keys)
}

/// `"0"` to `"9"`, `star`, `hash`.
pub(crate) fn digit(key: &Key, problems: &mut Problems) -> Option<Digit> {
    let mut letters = key.text.chars();
    let digit = match (key.text.as_str(), letters.next(), letters.next()) {
        ("star", ..) => Digit::from_char('*'),
        ("hash", ..) => Digit::from_char('#'),
        (_, Some(c @ ('0'..='9' | '*' | '#')), None) => Digit::from_char(c),
        _ => None,
    };
    if digit.is_none() {
        let names = ["star", "hash", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        unknown(problems, key.at, "unknown_telephone_key", noun::TELEPHONE_KEY, &key.text, names.into_iter());
    }
    digit
}

/// `nurse`, `{ next: nurse }`, `{ set: { lang: en }, next: hours }`, or `{ repeat: true }`.
fn read_choice(key: &Key, node: &Node, next: Option<&At<StepId>>, problems: &mut Problems) -> Option<Choice> {
    let What::Map(_) = node.what else {
        return node.name(problems).map(|to| Choice::Next { to, set: Set::default() });
    };
    let mut fields = Fields::of(node, key.at, problems)?;
    let repeat = fields.take("repeat").and_then(|n| n.truth(problems)).unwrap_or(false);
    let set = fields.entry("set").map(|(key, n)| Set::read(key, n, problems)).unwrap_or_default();
    let to = fields.take("next").map(|n| n.name(problems));
    fields.finish(problems);
    if repeat {
        return Some(Choice::Repeat);
    }
    match to {
        Some(to) => to.map(|to| Choice::Next { to, set }),
        None if next.is_some() => next.cloned().map(|to| Choice::Next { to, set }),
        None => {
            let en = format!("say where the key {} leads", key.text);
            let ja = format!("キー {} の行き先が書かれていません。", key.text);
            problems.error(key.at, "missing_way", en, ja).help(format!("\"{}\": {{ next: general }}", key.text));
            None
        }
    }
}
