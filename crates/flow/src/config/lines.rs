//! `lines.yaml`: who may call in, and where we may call out. No call goes out to a number that does not stand here, but a callback
//! to the caller's own.

use crate::config::ENTRIES_MAX;
use crate::decode::{Fields, is_name, lost_zero, missing, noun};
use crate::problem::{At, Problems, Severity, Spot};
use crate::schema::{NAME, Shape, Value, may, must};
use crate::tree::{Key, Node, What, shown};
use model::{Line, LineId, Net, Number, NumberKind, Target, Trunk};
use std::net::SocketAddr;

/// Calls at once over one trunk, or to one target.
const PLACES_MAX: u32 = 10_000;

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "lines",
    en: "Who may call in, and where we may call out.",
    ja: "誰がかけてこられるか、どこへかけてよいか。",
    words: &[],
    rest: Some((NAME, &Value::Map(&ONE))),
};

const ONE: Shape = Shape {
    name: "lines/line",
    en: "A line: a way in, a way out, or a place that callers are put through to.",
    ja: "回線。着信元、発信の経路、または転送先。",
    words: &[
        may("from", Value::List(&Value::Text), "Networks that may call in.", "着信を受けるネットワーク。"),
        may(
            "trusted",
            Value::Truth,
            "Whether these networks are a carrier's, which vouches for who calls and who was called.",
            "通信事業者の網として、発信者番号や着信番号の通知（P-Asserted-Identity など）を信用するか。",
        ),
        may(
            "trunk",
            Value::Either(&[Value::Name(noun::TRUNK), Value::Map(&TRUNK)]),
            "A way to the outside, or the line that carries the calls of this one.",
            "外への経路、またはこの回線の電話を運ぶ経路の名前。",
        ),
        may(
            "number",
            Value::Figures,
            "What is dialled, in quotes; only places in Japan.",
            "かける番号（引用符付き）。国内の一般の番号だけです。",
        ),
        may("lines", Value::Whole(1, PLACES_MAX), "Calls at once.", "同時にかける数の上限。"),
        may("code", Value::Figures, "The figures by which agents name it; in quotes.", "担当者が転送するときの短縮番号（引用符付き）。"),
    ],
    rest: None,
};

const TRUNK: Shape = Shape {
    name: "lines/trunk",
    en: "A way to the outside.",
    ja: "外への経路。",
    words: &[
        must("host", Value::Text, "The carrier's address with its port.", "通信事業者のアドレスとポート。"),
        must("channels", Value::Whole(1, PLACES_MAX), "Calls at once.", "同時通話数の上限。"),
    ],
    rest: None,
};

/// A line, and where its parts were written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) line: Line,
    nets: Vec<Spot>,
    /// Whether it says who may call in.
    pub(crate) opens: bool,
    /// Whether it carries calls out.
    pub(crate) carries: bool,
    /// Where the number of a target was written.
    pub(crate) number: Option<Spot>,
    /// The trunk that carries its calls, for a target.
    pub(crate) trunk: Option<At<LineId>>,
    pub(crate) code: Option<At<Number>>,
}

pub(crate) fn read(node: &Node, problems: &mut Problems) -> Vec<Entry> {
    let mut lines: Vec<Entry> = Vec::new();
    // Lines are compared pairwise: a city has a handful.
    for (key, value) in node.map(problems).unwrap_or_default().iter().take(ENTRIES_MAX / 100) {
        if is_name(&key.text, key.at, problems)
            && let Some(entry) = read_line(key, value, problems)
        {
            overlaps(&entry, &lines, problems);
            counted_twice(&entry, &lines, problems);
            lines.push(entry);
        }
    }
    lines
}

fn read_line(key: &Key, node: &Node, problems: &mut Problems) -> Option<Entry> {
    let mut fields = Fields::of(node, key.at, problems)?;
    let from = fields.take("from");
    let nets: Vec<At<Net>> =
        from.map(|node| node.items().iter().take(ENTRIES_MAX / 100).filter_map(|item| net(item, problems)).collect()).unwrap_or_default();
    let mut entry = Entry {
        line: Line {
            id: LineId::from(key.text.as_str()),
            from: nets.iter().map(|n| n.value).collect(),
            trusted: fields.take("trusted").and_then(|n| n.truth(problems)).unwrap_or(false),
            ..Line::default()
        },
        nets: nets.iter().map(|n| n.at).collect(),
        opens: from.is_some(),
        carries: false,
        number: None,
        trunk: None,
        code: None,
    };
    match fields.entry("trunk") {
        Some((key, node)) if matches!(node.what, What::Map(_)) => {
            entry.carries = true;
            entry.line.trunk = read_trunk(key, node, problems);
        }
        Some((_, node)) => {
            entry.trunk = node.name(problems);
            read_target(key.at, &mut fields, &mut entry, problems);
        }
        None if fields.has("number") => {
            missing(problems, key.at, "trunk", "{ trunk: ntt, number: \"0440000013\", lines: 2 }");
            read_target(key.at, &mut fields, &mut entry, problems);
        }
        None if from.is_none() => missing(problems, key.at, "from", "from: [127.0.0.0/8]"),
        None => {}
    }
    fields.finish(problems);
    Some(entry)
}

/// `trunk: { host: 127.0.0.1:5090, channels: 30 }`: a way to the outside.
fn read_trunk(key: &Key, node: &Node, problems: &mut Problems) -> Option<Trunk> {
    const EXAMPLE: &str = "trunk: { host: 127.0.0.1:5090, channels: 30 }";
    let mut fields = Fields::of(node, key.at, problems)?;
    let mut needed = |name: &'static str, problems: &mut Problems| {
        let node = fields.take(name);
        if node.is_none() {
            missing(problems, key.at, name, EXAMPLE);
        }
        node
    };
    let host = needed("host", problems).and_then(|n| host(n, problems));
    let channels = needed("channels", problems).and_then(|n| n.whole(1, PLACES_MAX, problems));
    fields.finish(problems);
    Some(Trunk { host: host?, channels: channels? })
}

fn host(node: &Node, problems: &mut Problems) -> Option<SocketAddr> {
    let text = node.text(problems)?;
    let host = text.value.parse();
    if host.is_err() {
        let en = format!("\"{}\" is no address with a port", shown(text.value));
        let ja = format!("「{}」はアドレスとポートとして読めません。", shown(text.value));
        problems.error(text.at, "not_an_address", en, ja).help("host: 127.0.0.1:5090");
    }
    host.ok()
}

/// `number`, `lines`, `code`: whom a line reaches, and how many calls at once.
fn read_target(at: Spot, fields: &mut Fields<'_>, entry: &mut Entry, problems: &mut Problems) {
    const EXAMPLE: &str = "{ trunk: ntt, number: \"0440000013\", lines: 2 }";
    let mut needed = |name: &'static str, problems: &mut Problems| {
        let node = fields.take(name);
        if node.is_none() {
            missing(problems, at, name, EXAMPLE);
        }
        node
    };
    let number = needed("number", problems).and_then(|n| n.number(problems)).filter(|number| may_be_called(number, problems));
    let lines = needed("lines", problems).and_then(|n| n.whole(1, PLACES_MAX, problems));
    entry.number = number.as_ref().map(|number| number.at);
    entry.code = fields.take("code").and_then(|n| n.code(problems));
    let code = entry.code.as_ref().map(|code| code.value.clone());
    if let Some(((trunk, number), lines)) = entry.trunk.as_ref().zip(number).zip(lines) {
        entry.line.target = Some(Target { trunk: trunk.value.clone(), number: number.value, lines, code });
    }
}

/// Whoever misuses us would have us call premium numbers, and numbers abroad.
fn may_be_called(number: &At<Number>, problems: &mut Problems) -> bool {
    if lost_zero(&number.value, Severity::Error, number.at, problems) {
        return false;
    }
    match number.value.kind() {
        NumberKind::JpLandline | NumberKind::JpMobile | NumberKind::JpIp => true,
        NumberKind::Other => {
            let en = format!(
                "{} is abroad, or a service that costs extra, or no whole number; calls out go only to places in Japan",
                number.value
            );
            let ja = format!("{} は国外、有料サービス、または桁の足りない番号です。国内の一般の番号だけにつなげます。", number.value);
            problems.error(number.at, "number_not_allowed", en, ja).help("number: \"0440000013\"");
            false
        }
    }
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

/// Telephones are counted by line: a number that stands in two lines would get the calls of both.
fn counted_twice(entry: &Entry, others: &[Entry], problems: &mut Problems) {
    let Some((target, at)) = entry.line.target.as_ref().zip(entry.number) else { return };
    let same = |other: &&Entry| other.line.target.as_ref().is_some_and(|theirs| theirs.number == target.number);
    if let Some(other) = others.iter().find(same) {
        let (mine, theirs, number) = (&entry.line.id, &other.line.id, &target.number);
        let en =
            format!("lines {theirs} and {mine} reach the same number {number}: together they would call more telephones than there are");
        let ja = format!(
            "回線 {theirs} と {mine} は同じ番号 {number} につながります。合わせると、実際の電話の台数を超えて呼び出してしまいます。"
        );
        let all = other.line.target.as_ref().map_or(0, |theirs| theirs.lines).saturating_add(target.lines);
        problems.error(at, "number_in_two_lines", en, ja).help(format!("{theirs}: {{ .., number: \"{number}\", lines: {all} }}"));
    }
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
