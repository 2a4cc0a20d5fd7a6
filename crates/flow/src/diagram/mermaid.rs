//! The picture as a Mermaid flowchart: text that wikis and code hosts draw themselves.
//!
//! Ids are numbered, so that a step may be called `end`; all that people wrote stands in quotes, with its own signs as entity codes.

use super::svg::colours;
use super::text::wrap;
use super::{Diagram, Kind, Pace, word};
use crate::problem::Severity;
use std::fmt::Write;

/// Of what is said, so much.
const COLUMN: f64 = 240.0;

pub(super) fn page(diagram: &Diagram) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "%% {} {}", word(diagram.tongue, "Flow", "フロー"), comment(diagram.name.as_str()));
    for line in &diagram.subtitle {
        let _ = writeln!(out, "%% {}", comment(line));
    }
    out.push_str("flowchart TD\n");
    let start = diagram.nodes.iter().position(|node| node.start);
    if let Some(start) = start {
        let _ = writeln!(out, "  call((\"☎\")) --> {}", id(diagram, start));
    }
    for (index, node) in diagram.nodes.iter().enumerate() {
        let mut lines = vec![quoted(&node.name), quoted(&node.about)];
        let depth = if node.kind == Kind::Menu { 4 } else { 2 };
        for says in &node.says {
            lines.extend(wrap(says, 12.0, COLUMN, depth).iter().map(|line| quoted(line)));
        }
        lines.extend(node.facts.iter().map(|fact| quoted(fact)));
        let label = lines.join("<br/>");
        let (open, close) = shape(node.kind);
        let _ = writeln!(out, "  {}{open}\"{label}\"{close}:::{}", id(diagram, index), class(node.kind));
    }
    for edge in &diagram.edges {
        let arrow = match edge.pace {
            Pace::Itself | Pace::Key => "-->",
            Pace::Silence => "-.->",
            Pace::Otherwise => "--o",
        };
        let words = if edge.words.is_empty() { String::new() } else { format!("|\"{}\"|", quoted(&edge.words)) };
        let _ = writeln!(out, "  {} {arrow}{words} {}", id(diagram, edge.from), id(diagram, edge.to));
    }
    for (number, mark) in (1..).zip(&diagram.marks) {
        let class = match mark.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let lines: Vec<String> = wrap(&mark.sentence, 12.0, COLUMN, 8).iter().map(|line| quoted(line)).collect();
        let _ = writeln!(out, "  p{number}[\"{number}. {}<br/>{}\"]:::{class}", quoted(&mark.place), lines.join("<br/>"));
        for (index, _) in diagram.nodes.iter().enumerate().filter(|(_, node)| node.marks.contains(&number)) {
            let _ = writeln!(out, "  p{number} -.- {}", id(diagram, index));
        }
    }
    let mut kinds: Vec<Kind> = diagram.nodes.iter().map(|node| node.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let (fill, ink) = colours(kind);
        let _ = writeln!(out, "  classDef {} fill:{fill},stroke:{ink},color:#1a1a1a", class(kind));
    }
    if !diagram.marks.is_empty() {
        out.push_str("  classDef error fill:#ffffff,stroke:#b00020,stroke-width:3px,color:#b00020\n");
        out.push_str("  classDef warning fill:#ffffff,stroke:#c77700,stroke-width:3px,color:#1a1a1a\n");
    }
    out
}

/// `s3_main`: never a word of Mermaid's own, and never twice.
fn id(diagram: &Diagram, index: usize) -> String {
    let name = diagram.nodes.get(index).map_or("", |node| &node.name);
    let safe: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("s{index}_{safe}")
}

fn shape(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Say | Kind::Missing => ("[", "]"),
        Kind::Menu => ("{{", "}}"),
        Kind::Hours => ("[[", "]]"),
        Kind::Queue => ("([", "])"),
        Kind::Transfer => ("[/", "/]"),
        Kind::Claim => ("[(", ")]"),
        Kind::HangUp => ("[\\", "/]"),
        Kind::Quiet => ("(", ")"),
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Say => "says",
        Kind::Menu => "menu",
        Kind::Hours => "hours",
        Kind::Queue => "queue",
        Kind::Transfer => "transfer",
        Kind::Claim => "claim",
        Kind::HangUp => "ends",
        Kind::Quiet => "quiet",
        Kind::Missing => "missing",
    }
}

/// Inside quotes. Letters, figures and plain stops stay, every other ASCII sign becomes its entity code, so that none of them is markup.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            c if c.is_control() => out.push(' '),
            c if !c.is_ascii() || c.is_ascii_alphanumeric() => out.push(c),
            ' ' | '.' | ',' | ':' | '-' | '_' | '/' | '=' | '?' | '!' | '(' | ')' => out.push(c),
            c => {
                let _ = write!(out, "#{};", u32::from(c));
            }
        }
    }
    out
}

/// In a comment: on one line, and nothing that could be taken for a directive.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '{' | '}' | '<' | '>') { ' ' } else { c }).collect()
}
