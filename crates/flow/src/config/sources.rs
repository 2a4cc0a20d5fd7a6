//! Who may call in: the networks of a line.

use crate::config::ENTRIES_MAX;
use crate::config::lines::Entry;
use crate::problem::{At, Problems};
use crate::tree::{Node, shown};
use model::Net;

const EXAMPLE: &str = "from: [192.0.2.0/24]";

/// `[10.0.0.0/8, "2001:db8::1"]`. An empty list would be a line that nobody can call on.
pub(crate) fn nets(node: &Node, problems: &mut Problems) -> Vec<At<Net>> {
    if node.items().is_empty() {
        let (en, ja) = (
            "nobody is listed, so nobody may call in; write a network, or leave `from` out",
            "着信を受けるネットワークがひとつもありません。ネットワークを書くか、from を消してください。",
        );
        problems.error(node.at, "nothing_listed", en, ja).help(EXAMPLE);
    }
    node.items().iter().take(ENTRIES_MAX / 100).filter_map(|item| net(item, problems)).collect()
}

fn net(node: &Node, problems: &mut Problems) -> Option<At<Net>> {
    let text = node.text(problems)?;
    let Some(value) = Net::parse(text.value) else {
        let en = format!("\"{}\" is neither a network nor an address", shown(text.value));
        let ja = format!("「{}」はネットワークまたはアドレスとして読めません。", shown(text.value));
        problems.error(text.at, "not_a_network", en, ja).help("127.0.0.0/8");
        return None;
    };
    let (first, prefix) = (value.first(), value.prefix);
    if first != value.addr {
        let en = format!(
            "{} is one address, and /{prefix} would admit all that begin like it; write {first}/{prefix} for the network, or {} alone",
            value.addr, value.addr
        );
        let ja = format!(
            "{} はひとつのアドレスですが、/{prefix} を付けると網全体を受け入れます。網なら {first}/{prefix}、一台なら {} と書いてください。",
            value.addr, value.addr
        );
        problems.error(text.at, "host_bits", en, ja).help(value.addr.to_string());
        return None;
    }
    Some(At { value, at: text.at })
}

/// A network that is everybody: open to the whole world, and vouched for by nobody.
pub(crate) fn everybody(entry: &Entry, problems: &mut Problems) {
    for (_, at) in entry.line.from.iter().zip(&entry.nets).filter(|(net, _)| net.prefix == 0) {
        if entry.line.trusted || entry.line.loopback {
            let en = "this is every address there is: anybody could show any number, or have us send to this machine; name the networks";
            let ja = "これはすべてのアドレスです。誰でも番号を偽ったり、この機器自身を宛先にしたりできます。ネットワークを書いてください。";
            problems.error(*at, "everybody", en, ja).help(EXAMPLE);
        } else {
            let en = "this is every address there is: anybody in the world may call in; name the networks if you can";
            let ja = "これはすべてのアドレスです。世界中の誰からの着信も受けます。できればネットワークを書いてください。";
            problems.warning(*at, "everybody", en, ja).help(EXAMPLE);
        }
    }
}

/// A caller's address must tell which line it is.
pub(crate) fn overlaps(entry: &Entry, others: &[Entry], problems: &mut Problems) {
    for (net, at) in entry.line.from.iter().zip(&entry.nets) {
        let shared = |other: &&Entry| other.line.from.iter().any(|n| n.contains(net.addr) || net.contains(n.addr));
        if let Some(other) = others.iter().find(shared) {
            let (mine, theirs) = (&entry.line.id, &other.line.id);
            let en = format!("lines {theirs} and {mine} share addresses, and a caller could belong to both; leave them out of one");
            let ja =
                format!("回線 {theirs} と {mine} のアドレスが重なっていて、どちらの回線か決められません。どちらかから外してください。");
            problems.error(*at, "overlapping_lines", en, ja);
        }
    }
}
