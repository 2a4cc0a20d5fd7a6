//! What editors are told is what is read: every file that is shipped stands in its schema, and what `check` does not know does not.

use crate::common::{files, root, shipped};
use boon::{Compiler, SchemaIndex, Schemas};
use flow::{Source, Tongue, schema};
use serde_json::Value;

/// A schema, ready to judge.
fn compiled(kind: &str) -> (Schemas, SchemaIndex) {
    let schema: Value = serde_json::from_str(&schema(kind, Tongue::Ja).unwrap()).unwrap();
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("schema.json", schema).unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    (schemas, index)
}

/// What an editor says about a file; `None`: it is fine.
fn complaint(kind: &str, text: &str) -> Option<String> {
    let (schemas, index) = compiled(kind);
    let file = json(serde_yaml::from_str(text).unwrap());
    schemas.validate(&file, index).err().map(|fault| format!("{fault:#}"))
}

/// YAML as editors hold it.
fn json(yaml: serde_yaml::Value) -> Value {
    match yaml {
        serde_yaml::Value::Mapping(entries) => {
            let word = |key: serde_yaml::Value| serde_yaml::to_string(&key).unwrap().trim().trim_matches(['"', '\'']).to_owned();
            entries.into_iter().map(|(key, value)| (word(key), json(value))).collect::<serde_json::Map<_, _>>().into()
        }
        serde_yaml::Value::Sequence(items) => items.into_iter().map(json).collect(),
        other => serde_json::to_value(other).unwrap(),
    }
}

/// Which schema a file has, by its place.
fn kind(source: &Source) -> Option<String> {
    let path = source.path.strip_suffix(".yaml")?;
    Some(match path.split('/').collect::<Vec<_>>()[..] {
        ["config", name] => name.to_owned(),
        ["flows", "prompts", ..] | ["flows", "examples", "prompts"] => "prompts".to_owned(),
        ["flows", name] if name.ends_with(".tests") => "tests".to_owned(),
        ["flows", ..] => "flow".to_owned(),
        _ => panic!("{path}"),
    })
}

#[test]
fn every_shipped_file_stands_in_its_schema() {
    let mut kinds = std::collections::BTreeSet::new();
    for source in shipped() {
        let Some(kind) = kind(&source) else { continue };
        assert_eq!(complaint(&kind, &source.text), None, "{}", source.path);
        kinds.insert(kind);
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), {
        let mut all: Vec<&str> = flow::schemas().collect();
        all.sort_unstable();
        all
    });
}

#[test]
fn a_word_that_check_does_not_know_is_unknown_to_editors_too() {
    let mut refused = 0;
    for seed in files(&root().join("tests/flows/mistakes"), &["."]) {
        let unknown = seed.text.lines().any(|line| line.starts_with("# finds: ") && line.contains("unknown_key"));
        let path = seed.text.lines().find_map(|line| line.strip_prefix("# file: ")).unwrap().to_owned();
        if let Some(kind) = kind(&Source { path, text: String::new() }).filter(|_| unknown) {
            assert!(complaint(&kind, &seed.text).is_some(), "{}", seed.path);
            refused += 1;
        }
    }
    assert!(refused >= 8, "{refused}");
}
