//! What may stand in each file, as an editor reads it: `toritsugi schema` prints it, and the editor completes words and explains them.
//!
//! JSON Schema (draft 07, which editors' YAML servers know best). Each file's and each step's words are a [`Shape`] beside the decoder that
//! asks for them; a test sees to it that the decoder asks for exactly these words, so that neither can drift from the other.

use crate::config;
use crate::decode::Noun;
use crate::problem::Tongue;
use crate::{examples, program, prompts};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// A map of words, and what each of them is for.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Unlike that of any other shape.
    pub(crate) name: &'static str,
    pub(crate) en: &'static str,
    pub(crate) ja: &'static str,
    pub(crate) words: &'static [Word],
    /// Words that people make up themselves: how they are spelt (a regular expression), and what stands behind them.
    pub(crate) rest: Option<(&'static str, &'static Value)>,
}

/// A word, what stands behind it, and what it is for.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) name: &'static str,
    value: Value,
    needed: bool,
    en: &'static str,
    ja: &'static str,
}

/// What may stand behind a colon.
#[derive(Debug)]
pub(crate) enum Value {
    Text,
    /// A name of something.
    Name(Noun),
    /// `7s`, `5m`, `2h`.
    Time,
    Whole(u32, u32),
    Truth,
    /// `80%`.
    Percent,
    /// A telephone number or a code: figures in quotes.
    Figures,
    /// `2026-12-28`.
    Date,
    OneOf(&'static [&'static str]),
    Map(&'static Shape),
    /// A map whose words people make up, spelt like this.
    Each(&'static str, &'static Value),
    /// A list; a lone value is a list of one.
    List(&'static Value),
    Either(&'static [Value]),
    /// What a step does: one of the steps.
    Step,
}

/// A word that may be left out.
pub(crate) const fn may(name: &'static str, value: Value, en: &'static str, ja: &'static str) -> Word {
    Word { name, value, needed: false, en, ja }
}

/// A word that must be there.
pub(crate) const fn must(name: &'static str, value: Value, en: &'static str, ja: &'static str) -> Word {
    Word { name, value, needed: true, en, ja }
}

/// How a name is spelt.
pub(crate) const NAME: &str = "^[^ {}\\[\\]:,&#|>%@`\"']{1,64}$";
/// How a telephone key is spelt.
pub(crate) const KEY: &str = "^([0-9]|star|hash|\\*|#)$";
/// How a telephone number is spelt.
pub(crate) const NUMBER: &str = "^\\+?[0-9*#() .-]{1,40}$";
/// How a language is spelt.
pub(crate) const LANG: &str = "^[a-z]{2,3}(-[a-z0-9]{1,8}){0,2}$";

/// Kinds of files that have a schema, by the word that asks for it.
fn roots() -> [(&'static str, &'static Shape); 12] {
    [
        ("flow", &program::SHAPE),
        ("prompts", &prompts::SHAPE),
        ("tests", &examples::SHAPE),
        ("engine", &config::engine::SHAPE),
        ("agents", &config::agents::SHAPE),
        ("breaks", &config::breaks::SHAPE),
        ("lines", &config::lines::SHAPE),
        ("lookups", &config::lookups::SHAPE),
        ("numbers", &config::numbers::SHAPE),
        ("queues", &config::queues::SHAPE),
        ("calendar", &config::calendar::SHAPE),
        ("roster", &config::roster::SHAPE),
    ]
}

/// The words that [`schema`] understands: `flow`, `queues`, ...
pub fn schemas() -> impl Iterator<Item = &'static str> {
    roots().into_iter().map(|(kind, _)| kind)
}

/// The JSON Schema of one kind of file, its descriptions in one language; `None` if there is no such kind.
pub fn schema(kind: &str, tongue: Tongue) -> Option<String> {
    let (_, shape) = roots().into_iter().find(|(name, _)| *name == kind)?;
    let mut page = Page { tongue, shapes: BTreeMap::new() };
    let Json::Object(mut root) = page.map(shape) else { return None };
    root.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    root.insert("title".to_owned(), json!(format!("Toritsugi: {kind}")));
    let definitions: Map<String, Json> = page.shapes.into_iter().filter_map(|(name, json)| Some((plain(name), json?))).collect();
    if !definitions.is_empty() {
        root.insert("definitions".to_owned(), Json::Object(definitions));
    }
    serde_json::to_string_pretty(&Json::Object(root)).ok()
}

/// A shape's name as a step of a JSON pointer, where a slash would lead further down (RFC 6901).
fn plain(name: &str) -> String {
    name.replace('/', ".")
}

struct Page {
    tongue: Tongue,
    /// What is referred to by its name; `None` while it is being written.
    shapes: BTreeMap<&'static str, Option<Json>>,
}

impl Page {
    fn told(&self, en: &'static str, ja: &'static str) -> &'static str {
        match self.tongue {
            Tongue::En => en,
            Tongue::Ja => ja,
        }
    }

    fn map(&mut self, shape: &'static Shape) -> Json {
        let properties: Map<String, Json> = shape.words.iter().map(|word| (word.name.to_owned(), self.word(word))).collect();
        let needed: Vec<&str> = shape.words.iter().filter(|word| word.needed).map(|word| word.name).collect();
        let mut map = json!({
            "type": "object",
            "description": self.told(shape.en, shape.ja),
            "properties": properties,
            "additionalProperties": false,
        });
        if !needed.is_empty() {
            map["required"] = json!(needed);
        }
        // Beside words of ours a pattern would hold for these too: people's own are what is left.
        match shape.rest {
            Some((spelt, value)) if shape.words.is_empty() => map["patternProperties"] = json!({ spelt: self.value(value) }),
            Some((spelt, value)) => {
                map["additionalProperties"] = self.value(value);
                map["propertyNames"] = json!({ "pattern": spelt });
            }
            None => {}
        }
        map
    }

    fn word(&mut self, word: &'static Word) -> Json {
        let description = self.told(word.en, word.ja);
        match self.value(&word.value) {
            // Draft 07, section 8.3: what stands beside a reference is ignored.
            reference if reference.get("$ref").is_some() => json!({ "description": description, "allOf": [reference] }),
            mut value => {
                value["description"] = json!(description);
                value
            }
        }
    }

    /// A reference to a shape, which is written down once.
    fn shape(&mut self, shape: &'static Shape) -> Json {
        if !self.shapes.contains_key(shape.name) {
            self.shapes.insert(shape.name, None);
            let map = self.map(shape);
            self.shapes.insert(shape.name, Some(map));
        }
        json!({ "$ref": format!("#/definitions/{}", plain(shape.name)) })
    }

    fn value(&mut self, value: &'static Value) -> Json {
        match value {
            Value::Text => json!({ "type": ["string", "number"] }),
            Value::Name(noun) => {
                let (en, ja) = (format!("The name of a {}.", noun.en), format!("{}の名前。", noun.ja));
                let description = match self.tongue {
                    Tongue::En => en,
                    Tongue::Ja => ja,
                };
                json!({ "type": "string", "minLength": 1, "maxLength": 64, "description": description })
            }
            Value::Time => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$", "examples": ["7s", "5m", "2h"] }),
            Value::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Value::Truth => json!({ "type": "boolean" }),
            Value::Percent => json!({ "type": "string", "pattern": "^[0-9]{1,3} ?%$", "examples": ["80%"] }),
            Value::Figures => json!({ "type": "string", "pattern": NUMBER, "examples": ["\"0440000000\""] }),
            Value::Date => json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "examples": ["2026-12-28"] }),
            Value::OneOf(words) => json!({ "type": "string", "enum": words }),
            Value::Map(shape) => self.shape(shape),
            Value::Each(spelt, value) => {
                json!({ "type": "object", "patternProperties": { *spelt: self.value(value) }, "additionalProperties": false })
            }
            Value::List(item) => {
                let item = self.value(item);
                json!({ "anyOf": [item.clone(), { "type": "array", "items": item }] })
            }
            Value::Either(values) => json!({ "anyOf": values.iter().map(|value| self.value(value)).collect::<Vec<_>>() }),
            Value::Step => json!({ "oneOf": crate::steps::SHAPES.iter().map(|shape| self.shape(shape)).collect::<Vec<_>>() }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read the files that are shipped")]

    use super::*;
    use crate::draft::{Source, read};
    use std::collections::BTreeSet;
    use std::path::Path;

    fn sources(folder: &Path, path: &str, found: &mut Vec<Source>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let (file, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
            let path = format!("{path}/{}", name.to_str().unwrap());
            if file.is_dir() {
                sources(&file, &path, found);
            } else if file.extension().is_some_and(|e| e == "yaml" || e == "csv") {
                found.push(Source { path, text: std::fs::read_to_string(&file).unwrap() });
            }
        }
    }

    /// Everything that the decoder asks for together, over all shipped files, small flows and seeded mistakes.
    fn asked() -> BTreeSet<BTreeSet<&'static str>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut shipped = Vec::new();
        for folder in ["flows", "config"] {
            sources(&root.join(folder), folder, &mut shipped);
        }
        let mut seeded = Vec::new();
        sources(&root.join("tests/flows/mistakes"), "mistakes", &mut seeded);
        let mut asked = BTreeSet::new();
        let mut ask = |file: Source| {
            let draft = read(vec![file]);
            asked.extend(draft.problems.asked);
        };
        for mut file in shipped.iter().cloned() {
            // A small flow is read where it stands in the place of a city's own.
            file.path = file.path.replace("flows/examples/prompts", "flows/prompts/examples").replace("flows/examples/", "flows/");
            ask(file);
        }
        for file in seeded {
            let path = file.text.lines().next().and_then(|line| line.strip_prefix("# file: ")).unwrap().to_owned();
            ask(Source { path, ..file });
        }
        let draft = read(shipped.clone());
        let (_, problems) = examples::tested(&draft, &shipped);
        asked.extend(problems.asked);
        // Asked for in a flow only to be refused there with better words than "unknown".
        if let Some(flow) = asked.iter().find(|words| words.contains("timezone") && words.contains("flow")).cloned() {
            asked.remove(&flow);
            asked.insert(flow.into_iter().filter(|word| *word != "timezone").collect());
        }
        asked
    }

    fn shapes(shape: &'static Shape, found: &mut BTreeMap<&'static str, BTreeSet<&'static str>>) {
        let words: BTreeSet<&str> = shape.words.iter().map(|word| word.name).collect();
        if let Some(other) = found.insert(shape.name, words.clone()) {
            assert_eq!(other, words, "two shapes are called {}", shape.name);
            return;
        }
        shape.words.iter().map(|word| &word.value).chain(shape.rest.map(|(_, value)| value)).for_each(|value| within(value, found));
    }

    fn within(value: &'static Value, found: &mut BTreeMap<&'static str, BTreeSet<&'static str>>) {
        match value {
            Value::Map(shape) => shapes(shape, found),
            Value::Each(_, value) | Value::List(value) => within(value, found),
            Value::Either(values) => values.iter().for_each(|value| within(value, found)),
            Value::Step => crate::steps::SHAPES.iter().for_each(|shape| shapes(shape, found)),
            Value::Text
            | Value::Name(_)
            | Value::Time
            | Value::Whole(..)
            | Value::Truth
            | Value::Percent
            | Value::Figures
            | Value::Date
            | Value::OneOf(_) => {}
        }
    }

    /// Maps whose words are partly people's own: they are matched one by one, and not asked for.
    const MATCHED: [&str; 7] = ["set", "needs", "rule/when", "queues/relax", "tests/agent", "tests/lookup", "prompts"];

    #[test]
    fn the_decoder_asks_for_exactly_the_words_that_editors_are_told() {
        let mut told = BTreeMap::new();
        roots().into_iter().for_each(|(_, shape)| shapes(shape, &mut told));
        let asked = asked();
        for words in &asked {
            let known = |shape: &BTreeSet<&str>| words.is_subset(shape);
            assert!(told.values().any(known), "the decoder knows words together that no shape of the schema has: {words:?}");
        }
        for (name, words) in told.iter().filter(|(name, words)| !words.is_empty() && !MATCHED.contains(name)) {
            assert!(asked.contains(words), "the schema has a shape {name} that the decoder never asked for: {words:?}");
        }
    }

    #[test]
    fn every_word_is_explained_in_both_languages() {
        for kind in schemas() {
            let [en, ja] = [Tongue::En, Tongue::Ja].map(|tongue| schema(kind, tongue).unwrap());
            assert!(en.contains("draft-07") && en.is_ascii(), "{kind}");
            assert_ne!(en, ja);
        }
        assert_eq!(schema("city", Tongue::En), None);
    }
}
