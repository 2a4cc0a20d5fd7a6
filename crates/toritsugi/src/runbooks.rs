//! Whoever is woken at night types what a runbook prints: each of its commands is one that this program takes.

use super::Cli;
use clap::Parser;
use std::path::Path;

/// Words as a shell cuts them; the runbooks need double quotes only.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    assert!(!quoted, "a quote stays open: {line}");
    words.retain(|word| !word.is_empty());
    words
}

/// What `deploy/runbooks/README.md` says to write behind a command.
fn behind(command: &str) -> &'static str {
    match command {
        "staff" => "",
        "check" | "test" | "rehearse" => "/etc/toritsugi/flows --config /etc/toritsugi/config --state /var/lib/toritsugi",
        "calls" | "explain" | "trace" | "history" | "report" => {
            "--state /var/lib/toritsugi --config /etc/toritsugi/config --flows /etc/toritsugi/flows"
        }
        _ => "--state /var/lib/toritsugi",
    }
}

#[test]
fn every_command_of_the_runbooks_is_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/runbooks");
    let mut commands = 0;
    for page in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if page.ends_with("README.md") {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap();
        for printed in text.split('`').skip(1).step_by(2).filter(|code| code.starts_with("toritsugi ")) {
            assert!(!printed.contains(".."), "{}: what is filled in stands in capitals: {printed}", page.display());
            let mut typed = words(printed);
            let command = typed[1].clone();
            for word in &mut typed {
                if word == "N" || word == "CALL" {
                    "1".clone_into(word);
                }
            }
            if let Some(said) = typed.iter().position(|word| word == "--text").map(|at| &typed[at + 1]) {
                let japanese = said.chars().any(|c| ('ぁ'..='ヿ').contains(&c));
                assert!(japanese, "{}: a text without a Japanese sign needs its language: {printed}", page.display());
            }
            typed.extend(words(behind(&command)));
            if let Err(fault) = Cli::try_parse_from(&typed) {
                panic!("{}: {printed}: {fault}", page.display());
            }
            commands += 1;
        }
    }
    assert!(commands > 60, "{commands} were found");
}
