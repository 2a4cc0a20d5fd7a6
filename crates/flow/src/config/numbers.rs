//! `numbers.yaml`: which number leads to which flow.

use crate::config::ENTRIES_MAX;
use crate::decode::{Fields, UpTo, lost_zero, missing, noun, number};
use crate::problem::{At, Problems, Severity};
use crate::schema::{NUMBER, Shape, Value, must};
use crate::tree::{Node, What};
use model::{FlowName, Number};
use std::collections::BTreeMap;

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "numbers",
    en: "Which number leads to which flow. Numbers stand in quotes.",
    ja: "どの番号がどのフローにつながるか。番号は引用符で囲みます。",
    words: &[],
    rest: Some((NUMBER, &Value::Either(&[Value::Name(noun::FLOW), Value::Map(&LEADS)]))),
};

const LEADS: Shape = Shape {
    name: "numbers/number",
    en: "Where a number leads.",
    ja: "番号の行き先。",
    words: &[must("flow", Value::Name(noun::FLOW), "Which flow.", "どのフローか。")],
    rest: None,
};

pub(crate) fn read(node: &Node, problems: &mut Problems) -> BTreeMap<Number, At<FlowName>> {
    let mut numbers = BTreeMap::new();
    for (key, value) in node.map(problems).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
        let number = number(&key.text, key.quoted, key.at, problems);
        if let Some(number) = &number {
            lost_zero(number, Severity::Error, key.at, problems);
        }
        let flow = match &value.what {
            What::Map(_) => Fields::of(value, key.at, problems).and_then(|mut fields| {
                let flow = fields.take("flow");
                if flow.is_none() {
                    missing(problems, key.at, "flow", "flow: city");
                }
                fields.finish(problems);
                flow.and_then(|node| node.name::<FlowName>(problems))
            }),
            What::Scalar(_) | What::List(_) | What::Broken => value.name::<FlowName>(problems),
        };
        if let Some((number, flow)) = number.zip(flow)
            && numbers.insert(number, flow).is_some()
        {
            let en = format!("the number {} is written twice; take one out", key.text);
            let ja = format!("番号 {} が二度書かれています。どちらかひとつにしてください。", key.text);
            problems.error(key.at, "duplicate_key", en, ja);
        }
    }
    numbers
}
