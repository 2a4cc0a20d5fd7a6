//! `breaks.yaml`: the reasons for which agents are away, each with the figure that is dialled for it. The trade says *not ready reasons*,
//! or AUX codes.

use crate::config::ENTRIES_MAX;
use crate::decode::{Fields, UpTo, is_name, missing};
use crate::problem::{At, Problems, Spot};
use crate::schema::{NAME, Shape, Value, must};
use crate::speech::{Form, Sentence, Spoken};
use crate::tree::{Key, Node, shown};
use model::{Break, BreakReason, Lang, PromptId};
use std::collections::BTreeMap;

/// The codes are one figure each and no two alike, so there are never more reasons than this: more would be told apart by nobody.
const CODE_MAX: u32 = 9;
/// Characters of a label: it stands on boards, and is spoken before a sentence.
const LABEL_MAX: usize = 20;
/// The languages of the house, in which whoever looks at a board reads.
const LABELS: [&str; 2] = ["ja", "en"];
/// The language in which agents hear what they have dialled.
const SPOKEN: &str = "ja";
/// Names that figures have for what has no name.
const RESERVED: [&str; 2] = ["none", "other"];

/// Its words, for editors.
pub(crate) const SHAPE: Shape =
    Shape {
        name: "breaks", en: "Why agents are away.", ja: "担当者が席を外す理由。", words: &[], rest: Some((NAME, &Value::Map(&ONE)))
    };

const ONE: Shape = Shape {
    name: "breaks/break",
    en: "A reason.",
    ja: "理由。",
    words: &[
        must(
            "code",
            Value::Whole(1, CODE_MAX),
            "One figure, dialled after the star code of a break.",
            "休憩の番号のあとに押す数字ひとつ。",
        ),
        must("label", Value::Map(&LABEL), "What people call it.", "表示名。"),
    ],
    rest: None,
};

const LABEL: Shape = Shape {
    name: "breaks/label",
    en: "What people call it, in both languages of the house.",
    ja: "二つの言語での表示名。",
    words: &[
        must("ja", Value::Text, "In Japanese; it is spoken, too.", "日本語。読み上げにも使います。"),
        must("en", Value::Text, "In English.", "英語。"),
    ],
    rest: None,
};

/// A reason, and where its spoken label was written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) declared: Break,
    pub(crate) at: Spot,
}

/// Under which name the label of a reason is spoken.
pub fn label_of(reason: &BreakReason) -> PromptId {
    PromptId::from(format!("break/{reason}"))
}

impl Entry {
    /// The label as a sentence, for the agent who has dialled its code.
    pub(crate) fn sentence(&self) -> Option<Sentence> {
        let text = self.declared.label.get(SPOKEN)?;
        let spoken = Spoken { prompt: label_of(&self.declared.reason), lang: Lang::from(SPOKEN), value: None };
        Some(Sentence { spoken, form: Form::Text { text: format!("{text}。"), reading: None } })
    }
}

pub(crate) fn read(node: &Node, problems: &mut Problems) -> BTreeMap<BreakReason, Entry> {
    let mut breaks = BTreeMap::new();
    let mut codes: BTreeMap<u8, String> = BTreeMap::new();
    for (key, value) in node.map(problems).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
        if !is_free(key, problems) {
            continue;
        }
        let Some(mut fields) = Fields::of(value, key.at, problems) else { continue };
        let code = code(fields.take("code"), key, problems);
        let label = match fields.entry("label") {
            Some((at, node)) => label(node, at.at, problems),
            None => {
                missing(problems, key.at, "label", "label: { ja: 昼休み, en: Lunch }");
                None
            }
        };
        fields.finish(problems);
        if let Some(code) = &code
            && let Some(other) = codes.insert(code.value, key.text.clone())
        {
            let en = format!("the code {} belongs to \"{other}\" already; \"{}\" needs one of its own", code.value, key.text);
            let ja = format!("番号 {} は「{other}」で使われています。「{}」には別の番号を付けてください。", code.value, key.text);
            problems.error(code.at, "same_code", en, ja);
        }
        if let Some((code, (label, at))) = code.zip(label) {
            let reason = BreakReason::from(key.text.as_str());
            breaks.insert(reason.clone(), Entry { declared: Break { reason, code: code.value, label }, at });
        }
    }
    breaks
}

/// Whether a reason may have this name.
fn is_free(key: &Key, problems: &mut Problems) -> bool {
    if RESERVED.contains(&key.text.as_str()) {
        let en = format!("\"{}\" means something else in the figures; give this one another name", key.text);
        let ja = format!("「{}」は集計で別の意味に使われます。別の名前を付けてください。", key.text);
        problems.error(key.at, "reserved_name", en, ja);
        return false;
    }
    is_name(&key.text, key.at, problems)
}

fn code(node: Option<&Node>, key: &Key, problems: &mut Problems) -> Option<At<u8>> {
    let Some(node) = node else {
        missing(problems, key.at, "code", "code: 1");
        return None;
    };
    let value = node.whole(1, CODE_MAX, problems)?;
    Some(At { value: u8::try_from(value).ok()?, at: node.at })
}

/// What people call it, in the languages of the house, and where the spoken one is written.
fn label(node: &Node, at: Spot, problems: &mut Problems) -> Option<(BTreeMap<Lang, String>, Spot)> {
    let mut fields = Fields::of(node, at, problems)?;
    let (mut label, mut spoken_at) = (BTreeMap::new(), at);
    for lang in LABELS {
        let Some(node) = fields.take(lang) else {
            missing(problems, at, lang, "label: { ja: 昼休み, en: Lunch }");
            continue;
        };
        let Some(text) = node.text(problems) else { continue };
        if text.value.chars().count() > LABEL_MAX {
            let en = format!("\"{}\" is too long for a board; at most {LABEL_MAX} letters", shown(text.value));
            let ja = format!("「{}」は表示には長すぎます。{LABEL_MAX} 字までにしてください。", shown(text.value));
            problems.error(text.at, "long_label", en, ja);
            continue;
        }
        if lang == SPOKEN {
            spoken_at = text.at;
        }
        label.insert(Lang::from(lang), text.value.to_owned());
    }
    fields.finish(problems);
    (label.len() == LABELS.len()).then_some((label, spoken_at))
}
