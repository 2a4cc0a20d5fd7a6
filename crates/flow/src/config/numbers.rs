//! `numbers.yaml`: which number leads to which flow.

use crate::config::ENTRIES_MAX;
use crate::decode::{Fields, missing, noun};
use crate::problem::{At, Problems};
use crate::tree::{Key, Node, What, shown};
use model::{FlowName, Number};
use std::collections::BTreeMap;

/// Figures from which on a number without 0 or + in front has probably lost its zero.
const WHOLE_NUMBER: usize = 9;

pub(crate) fn read(node: &Node, problems: &mut Problems) -> BTreeMap<Number, At<FlowName>> {
    let mut numbers = BTreeMap::new();
    for (key, value) in node.map(problems).unwrap_or_default().iter().take(ENTRIES_MAX) {
        let number = number(key, problems);
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
            let en = format!("the number {} is written twice", key.text);
            let ja = format!("番号 {} が二度書かれています。", key.text);
            problems.error(key.at, "duplicate_key", en, ja);
        }
    }
    numbers
}

fn number(key: &Key, problems: &mut Problems) -> Option<Number> {
    match Number::parse(&key.text) {
        Ok(number) => {
            let text = number.as_str();
            if text.len() >= WHOLE_NUMBER && text.starts_with(|c: char| ('1'..='9').contains(&c)) {
                let en = "a number of this length begins with 0 or +; was its leading zero lost?";
                let ja = "この長さの番号は 0 か + で始まります。先頭の 0 が消えていませんか？";
                problems.warning(key.at, "lost_zero", en, ja).help(format!("\"0{text}\""));
            }
            Some(number)
        }
        Err(fault) => {
            let ja = format!("「{}」は{}として読めません。", shown(&key.text), noun::NUMBER.ja);
            problems.error(key.at, "not_a_number", fault.to_string(), ja);
            None
        }
    }
}
