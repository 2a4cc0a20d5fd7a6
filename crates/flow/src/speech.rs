//! What is said: a sentence in one language, as it is asked for, rendered, and written in a step.

use crate::budget::estimate;
use crate::decode::{Fields, missing, noun};
use crate::problem::{At, Problems, Spot};
use crate::schema::{Shape, Value, may, must};
use crate::tree::{Node, What};
use model::{Lang, Millis, PromptId};
use serde::{Deserialize, Serialize};

/// Sentences said in one breath.
const PARTS_MAX: usize = 16;

/// One concrete sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Spoken {
    /// Its key in `flows/prompts/`.
    pub prompt: PromptId,
    /// The language; `music` for music.
    pub lang: Lang,
    /// The changing word: the caller's place in line, 1 to 30, or the wait in minutes; `None` for a sentence that never changes.
    pub value: Option<u32>,
}

/// A sentence, and how it comes to sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// What to ask for.
    pub spoken: Spoken,
    /// How it sounds.
    pub form: Form,
}

impl Sentence {
    /// How long it takes about, for whoever has not rendered it; a recording counts as four seconds.
    pub fn estimated(&self) -> Millis {
        match &self.form {
            Form::Text { text, reading } => estimate(reading.as_ref().unwrap_or(text), &self.spoken.lang).into(),
            Form::Files(files) => Millis(files.len() as u64 * 4_000),
        }
    }
}

/// How a sentence comes to sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A voice of `spoken.lang` says it.
    Text {
        /// As people read it.
        text: String,
        /// As the voice should read it, where that differs.
        reading: Option<String>,
    },
    /// Recordings, one after the other; paths relative to `flows/prompts/recorded/`, the language's folder first: `en/goodbye.wav`.
    Files(Vec<String>),
}

/// What is said: the name of a prompt, one with its language, or a list of these.
pub(crate) const SAY: Value = Value::List(&Value::Either(&[Value::Name(noun::PROMPT), Value::Map(&SHAPE)]));

const SHAPE: Shape = Shape {
    name: "sentence",
    en: "A sentence of flows/prompts/, and how it is said.",
    ja: "flows/prompts/ の案内文と、その流し方。",
    words: &[
        must("prompt", Value::Name(noun::PROMPT), "Which sentence.", "どの案内文か。"),
        may(
            "lang",
            Value::Name(noun::LANGUAGE),
            "Always in this language; in the caller's, if left out.",
            "いつもこの言語で流します。書かなければお客様の言語です。",
        ),
        may("barge_in", Value::Truth, "Whether a key stops it and counts.", "途中でもキーを受け付けるか。"),
    ],
    rest: None,
};

/// What a step says in one breath, as written: one sentence or several.
#[derive(Clone, Debug)]
pub(crate) struct Speech {
    pub(crate) parts: Vec<Part>,
    /// Whether a key press stops it, and counts.
    pub(crate) barge_in: bool,
}

/// One sentence of a speech.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) prompt: At<PromptId>,
    /// Always in this language; `None` for the caller's.
    pub(crate) lang: Option<At<Lang>>,
}

impl Part {
    /// The language in which a caller hears it.
    pub(crate) fn lang<'a>(&'a self, caller: &'a Lang) -> &'a Lang {
        self.lang.as_ref().map_or(caller, |lang| &lang.value)
    }
}

impl Speech {
    /// `main_menu`, `{ prompt: welcome, lang: ja, barge_in: false }`, or a list of these.
    pub(crate) fn read(node: &Node, barge_in: bool, problems: &mut Problems) -> Option<Speech> {
        let mut speech = Speech { parts: Vec::new(), barge_in };
        let items = node.items();
        if items.is_empty() || items.len() > PARTS_MAX {
            let en = format!("say 1 to {PARTS_MAX} sentences");
            let ja = format!("案内文を 1 から {PARTS_MAX} 個書いてください。");
            problems.error(node.at, "nothing_to_say", en, ja).help("say: goodbye");
        }
        for item in items.iter().take(PARTS_MAX) {
            speech.read_part(item, problems);
        }
        (!speech.parts.is_empty()).then_some(speech)
    }
    /// The `say` of a step, which must be there.
    pub(crate) fn needed(node: Option<&Node>, at: Spot, barge_in: bool, problems: &mut Problems) -> Option<Speech> {
        match node {
            Some(node) => Speech::read(node, barge_in, problems),
            None => {
                missing(problems, at, "say", "say: goodbye");
                None
            }
        }
    }

    fn read_part(&mut self, item: &Node, problems: &mut Problems) {
        let What::Map(_) = item.what else {
            if let Some(prompt) = item.name(problems) {
                self.parts.push(Part { prompt, lang: None });
            }
            return;
        };
        let Some(mut fields) = Fields::of(item, item.at, problems) else { return };
        let prompt = match fields.take("prompt") {
            Some(node) => node.name(problems),
            None => {
                missing(problems, item.at, noun::PROMPT.en, "{ prompt: goodbye }");
                None
            }
        };
        let lang = fields.take("lang").and_then(|n| n.name(problems));
        if let Some(barge_in) = fields.take("barge_in").and_then(|n| n.truth(problems)) {
            self.barge_in = barge_in;
        }
        fields.finish(problems);
        if let Some(prompt) = prompt {
            self.parts.push(Part { prompt, lang });
        }
    }
}
