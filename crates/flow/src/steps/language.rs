//! `language`: asks for the caller's language, each language in its own words, and goes on in it.
//!
//! `{ language: { say: [..], keys: { "1": ja, "2": en } }, next: hours }`. A menu whose keys are languages: whoever presses nothing, or
//! only keys that mean nothing, goes on in the flow's own language. All that is offered can be chosen, or `check` complains.

use super::menu::{self, Choice, Patience, digit};
use super::{Go, Sketch};
use crate::decode::{Fields, missing, noun};
use crate::problem::{At, Problems, Spot};
use crate::program::{BadKey, Defaults, NoInput, Set};
use crate::run::{Caller, Heard, Scene};
use crate::schema::{KEY, Shape, Value, may, must};
use crate::speech::Speech;
use crate::tree::{Key, Node};
use model::{Digit, Instant, Lang, StepId};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use super::menu::State;

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "language",
    en: "Asks for the caller's language, and goes on in it.",
    ja: "言語を尋ね、その言語で進みます。",
    words: &[
        must("language", Value::Map(&BODY), "The menu of languages.", "言語のメニュー。"),
        must("next", Value::Name(noun::STEP), "Where the call goes from here.", "次に進むステップ。"),
    ],
    rest: None,
};

const BODY: Shape = Shape {
    name: "language/body",
    en: "A menu whose keys are languages.",
    ja: "キーが言語を表すメニュー。",
    words: &[
        must("say", crate::speech::SAY, "What is said, each language in its own words.", "案内文。各言語がそれぞれの言葉で案内します。"),
        must("keys", Value::Each(KEY, &Value::Name(noun::LANGUAGE)), "The language of each key.", "各キーの言語。"),
        may("barge_in", Value::Truth, "Whether a key stops the sentence and counts.", "案内の途中でもキーを受け付けるか。"),
        may(
            "no_input",
            Value::Map(&crate::program::NO_INPUT),
            "When nothing is pressed; if left out, on in the flow's own language.",
            "何も押されないとき。書かなければ既定の言語で進みます。",
        ),
        may(
            "bad_key",
            Value::Map(&crate::program::BAD_KEY),
            "When a key is pressed that means nothing here.",
            "使えないキーが押されたとき。",
        ),
    ],
    rest: None,
};

/// Languages speak one after the other: each has its turn before silence counts.
const AFTER: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(crate) struct Step {
    at: Spot,
    menu: menu::Step,
    langs: Vec<Lang>,
}

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, outer: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
        let mut fields = Fields::of(body, key.at, problems)?;
        let barge_in = fields.take("barge_in").and_then(|n| n.truth(problems)).unwrap_or(defaults.barge_in);
        let say = Speech::needed(fields.take("say"), key.at, barge_in, problems);
        let keys = read_keys(key, fields.take("keys"), problems);
        // Where silence leads is not inherited: whoever says nothing of a language has not chosen to leave the menus.
        let inherited = NoInput { after: Some(AFTER), repeat: Some(0), ..NoInput::default() };
        let no_input = fields.entry("no_input").map(|(key, n)| NoInput::read(key, n, problems)).unwrap_or_default().or(&inherited);
        let bad_key = fields.entry("bad_key").map(|(key, n)| BadKey::read(key, n, barge_in, problems)).unwrap_or_default();
        let bad_key = bad_key.or(&BadKey { then: None, ..defaults.bad_key.clone() });
        fields.finish(problems);
        let next = super::next(key, outer, problems);
        let (keys, next) = (keys?, next?);
        let house = Set { lang: defaults.house.clone(), ..Set::default() };
        let langs = keys.values().map(|lang| lang.value.clone()).collect();
        let choice = |lang: At<Lang>| {
            let at = lang.at;
            At { value: Choice::Next { to: next.clone(), set: Set { lang: Some(lang), ..Set::default() } }, at }
        };
        let patience =
            |after, repeat, then: Option<At<StepId>>, set| Patience { after, repeat, then: then.unwrap_or_else(|| next.clone()), set };
        let set = if no_input.set.lang.is_some() { no_input.set } else { Set { lang: house.lang.clone(), ..no_input.set } };
        let menu = menu::Step {
            say: say?,
            keys: keys.into_iter().map(|(digit, lang)| (digit, choice(lang))).collect(),
            list: true,
            no_input: patience(no_input.after.unwrap_or(AFTER), no_input.repeat.unwrap_or(0), no_input.then, set),
            bad_key: patience(Duration::ZERO, bad_key.repeat.unwrap_or(0), bad_key.then, house),
            try_again: bad_key.say,
        };
        Some(Step { at: key.at, menu, langs })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        Sketch { languages: Some((self.at, &self.langs)), ..self.menu.sketch() }
    }

    pub(crate) fn enter(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        self.menu.enter(state, scene, caller)
    }

    pub(crate) fn hear(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        self.menu.hear(state, scene, caller, heard)
    }

    pub(crate) fn due(&self, state: &State, caller: &Caller, at: &StepId) -> Option<Instant> {
        self.menu.due(state, caller, at)
    }

    pub(crate) fn timeout(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        self.menu.timeout(state, scene, caller)
    }
}

/// `{ "1": ja, "2": en }`.
fn read_keys(key: &Key, node: Option<&Node>, problems: &mut Problems) -> Option<BTreeMap<Digit, At<Lang>>> {
    const EXAMPLE: &str = "keys: { \"1\": ja, \"2\": en }";
    let Some(node) = node else {
        missing(problems, key.at, "keys", EXAMPLE);
        return None;
    };
    let entries = node.map(problems)?;
    let keys: BTreeMap<Digit, At<Lang>> =
        entries.iter().filter_map(|(key, value)| digit(key, problems).zip(value.name::<Lang>(problems))).collect();
    if entries.is_empty() {
        missing(problems, node.at, "keys", EXAMPLE);
    }
    (!keys.is_empty() && keys.len() == entries.len()).then_some(keys)
}
