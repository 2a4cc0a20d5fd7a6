//! `lines.yaml`: who may call in.

use crate::config::ENTRIES_MAX;
use crate::decode::{Fields, is_name, missing};
use crate::problem::{At, Problems, Spot};
use crate::tree::{Node, shown};
use model::{Line, LineId, Net};

/// A line, and where each network was written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) line: Line,
    nets: Vec<Spot>,
}

pub(crate) fn read(node: &Node, problems: &mut Problems) -> Vec<Entry> {
    let mut lines: Vec<Entry> = Vec::new();
    // Lines are compared pairwise: a city has a handful.
    for (key, value) in node.map(problems).unwrap_or_default().iter().take(ENTRIES_MAX / 100) {
        if !is_name(&key.text, key.at, problems) {
            continue;
        }
        let Some(mut fields) = Fields::of(value, key.at, problems) else { continue };
        fields.not_yet(&["trunk", "number", "lines", "targets"], problems);
        let nets: Vec<At<Net>> = match fields.take("from") {
            Some(node) => node.items().iter().take(ENTRIES_MAX / 100).filter_map(|item| net(item, problems)).collect(),
            None => {
                missing(problems, key.at, "from", "from: [127.0.0.0/8]");
                Vec::new()
            }
        };
        fields.finish(problems);
        let entry = Entry {
            line: Line { id: LineId::from(key.text.as_str()), from: nets.iter().map(|n| n.value).collect(), ..Line::default() },
            nets: nets.iter().map(|n| n.at).collect(),
        };
        overlaps(&entry, &lines, problems);
        lines.push(entry);
    }
    lines
}

fn net(node: &Node, problems: &mut Problems) -> Option<At<Net>> {
    let text = node.text(problems)?;
    let net = Net::parse(text.value);
    if net.is_none() {
        let en = format!("\"{}\" is neither a network nor an address", shown(text.value));
        let ja = format!("「{}」はネットワークまたはアドレスとして読めません。", shown(text.value));
        problems.error(text.at, "not_a_network", en, ja).help("127.0.0.0/8");
    }
    net.map(|value| At { value, at: text.at })
}

/// A caller's address must tell which line it is.
fn overlaps(entry: &Entry, others: &[Entry], problems: &mut Problems) {
    for (net, at) in entry.line.from.iter().zip(&entry.nets) {
        let shared = |other: &&Entry| other.line.from.iter().any(|n| n.contains(net.addr) || net.contains(n.addr));
        if let Some(other) = others.iter().find(shared) {
            let (mine, theirs) = (&entry.line.id, &other.line.id);
            let en = format!("lines {theirs} and {mine} share addresses; a caller could belong to both");
            let ja = format!("回線 {theirs} と {mine} のアドレスが重なっています。どちらの回線か決められません。");
            problems.error(*at, "overlapping_lines", en, ja);
        }
    }
}
