//! Who may call in: the networks of a line.

use crate::config::lines::Entry;
use crate::problem::{At, Problems};
use crate::tree::{Node, shown};
use model::Net;

pub(crate) fn net(node: &Node, problems: &mut Problems) -> Option<At<Net>> {
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
pub(crate) fn overlaps(entry: &Entry, others: &[Entry], problems: &mut Problems) {
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
