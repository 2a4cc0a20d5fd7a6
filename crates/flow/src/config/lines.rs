//! `lines.yaml`: who may call in, and where we may call out. No call goes out to a number that does not stand here, but a callback
//! to the caller's own.

use crate::config::ENTRIES_MAX;
use crate::config::places::{Host, host, same_place};
use crate::config::sources::{everybody, nets, overlaps};
use crate::decode::{Fields, UpTo, is_name, lost_zero, missing, noun};
use crate::problem::{At, Problems, Severity, Spot};
use crate::schema::{NAME, Shape, Value, may, must};
use crate::tree::{Key, Node, What, shown};
use model::{
    DigestAlgorithm, HostName, Line, LineId, Machine, Net, Number, NumberKind, Profile, Register, Target, Transport, Trunk, TrunkCheck,
};
use std::time::Duration;

/// Calls at once over one trunk, or to one target.
const PLACES_MAX: u32 = 10_000;

/// Calls in a second.
const RATE_MAX: u32 = 1_000;
/// Orders and weights of trunks.
const ORDER_MAX: u32 = 100;
/// Failures after which a trunk is down.
const FAILURES_MAX: u32 = 20;
/// Trunks that may carry the calls of one line.
const TRUNKS_MAX: usize = 4;
/// The shortest and the longest registration, and the shortest pause between two questions whether a trunk works.
const EXPIRES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));
const CHECK_MIN: Duration = Duration::from_secs(5);

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
            Value::Either(&[Value::List(&Value::Name(noun::TRUNK)), Value::Map(&TRUNK)]),
            "A way to the outside, or the lines that carry the calls of this one: the next one where one does not work.",
            "外への経路、またはこの回線の電話を運ぶ経路の名前。複数あるときは、使えない経路の次を使います。",
        ),
        may(
            "targets",
            Value::OneOf(&["loopback"]),
            "loopback: their messages may name addresses of this machine, because the whole city runs on it.",
            "loopback: このコンピューター自身のアドレスを宛先として書いてよい（市全体を一台で動かすとき）。",
        ),
        may(
            "calls_per_second",
            Value::Whole(1, RATE_MAX),
            "Calls in any second, in each direction.",
            "一秒あたりの通話数の上限（着信・発信それぞれ）。",
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
        must("host", Value::Text, "The carrier's address with its port, or its name.", "通信事業者のアドレスとポート、または名前。"),
        may(
            "transport",
            Value::OneOf(&["udp", "tcp", "tls"]),
            "By what it is reached; else what its name's records say, and UDP for an address.",
            "つなぎ方。書かなければ、名前なら DNS のとおり、アドレスなら UDP。",
        ),
        may(
            "ca",
            Value::Text,
            "For tls: the file in secrets/ of the state folder with the authorities of its certificate; else those of this machine.",
            "tls のとき、相手の証明書の認証局のファイル。状態フォルダーの secrets/ に置きます。書かなければこのコンピューターの認証局。",
        ),
        must("channels", Value::Whole(1, PLACES_MAX), "Calls at once.", "同時通話数の上限。"),
        may(
            "order",
            Value::Whole(1, ORDER_MAX),
            "Of several trunks the one with the lowest order is taken as long as it works.",
            "経路が複数あるときの順番。小さいものから使います。",
        ),
        may(
            "weight",
            Value::Whole(1, ORDER_MAX),
            "Among trunks of one order, how many of the calls it gets.",
            "同じ順番の経路の間で通話を分ける割合。",
        ),
        may(
            "profile",
            Value::OneOf(&["ntt-hikari"]),
            "A network with ways of its own: ntt-hikari vouches for its callers and takes PCMU only.",
            "網ごとの作法。ntt-hikari（ひかり電話）は発信者番号の通知を信用し、PCMU だけを使います。",
        ),
        may("register", Value::Map(&REGISTER), "How we tell the carrier where we are.", "通信事業者への登録（レジスター）。"),
        may("check", Value::Map(&CHECK), "How it is asked whether it works.", "経路が使えるかどうかの確認。"),
    ],
    rest: None,
};

const REGISTER: Shape = Shape {
    name: "lines/register",
    en: "A registration with a carrier.",
    ja: "通信事業者への登録。",
    words: &[
        must("user", Value::Text, "The user of the address, often the number; in quotes.", "登録するアドレスの利用者（多くは電話番号）。"),
        may("domain", Value::Text, "Its domain; else the carrier's address.", "ドメイン。書かなければ事業者のアドレス。"),
        may("login", Value::Text, "The name that the password belongs to; else the user.", "認証に使う名前。書かなければ user と同じ。"),
        may(
            "realm",
            Value::Text,
            "Where the password is proved, and nowhere else; else the domain.",
            "パスワードを使う領域（realm）。書かなければドメインと同じ。",
        ),
        may(
            "password_file",
            Value::Text,
            "The file in secrets/ of the state folder that holds the password.",
            "パスワードを書いたファイル。状態フォルダーの secrets/ に置きます。",
        ),
        may("expires", Value::Time, "How long it lasts before it is renewed; 1h.", "登録の有効期間。書かなければ 1h。"),
        may(
            "digest",
            Value::List(&Value::OneOf(&["sha-256", "md5"])),
            "How the password may be proved, the best first; sha-256. md5 for a carrier that knows nothing better.",
            "パスワードの証明方法。よいものから順に。書かなければ sha-256。",
        ),
    ],
    rest: None,
};

pub(crate) const CHECK: Shape = Shape {
    name: "lines/check",
    en: "Asking a trunk or a phone whether it works.",
    ja: "経路や電話機が使えるかどうかの確認。",
    words: &[
        must("every", Value::Time, "How often.", "間隔。"),
        may(
            "failures",
            Value::Whole(1, FAILURES_MAX),
            "After so many failures in a row it is down; 3.",
            "続けて何回失敗したら使えないとみなすか。書かなければ 3。",
        ),
    ],
    rest: None,
};

/// A line, and where its parts were written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) line: Line,
    pub(crate) nets: Vec<Spot>,
    /// Whether it says who may call in.
    pub(crate) opens: bool,
    /// Whether it carries calls out.
    pub(crate) carries: bool,
    /// Where the place of a trunk was written.
    pub(crate) host: Option<Spot>,
    /// Where the number of a target was written.
    pub(crate) number: Option<Spot>,
    /// The trunks that carry its calls, for a target.
    pub(crate) trunks: Vec<At<LineId>>,
    pub(crate) code: Option<At<Number>>,
}

pub(crate) fn read(node: &Node, problems: &mut Problems) -> Vec<Entry> {
    let mut lines: Vec<Entry> = Vec::new();
    // Lines are compared pairwise: a city has a handful.
    for (key, value) in node.map(problems).unwrap_or_default().iter().take(ENTRIES_MAX / 100) {
        if is_name(&key.text, key.at, problems)
            && let Some(entry) = read_line(key, value, problems)
        {
            everybody(&entry, problems);
            overlaps(&entry, &lines, problems);
            same_place(&entry, &lines, problems);
            counted_twice(&entry, &lines, problems);
            lines.push(entry);
        }
    }
    lines
}

fn read_line(key: &Key, node: &Node, problems: &mut Problems) -> Option<Entry> {
    let mut fields = Fields::of(node, key.at, problems)?;
    let from = fields.take("from");
    let nets: Vec<At<Net>> = from.map(|node| nets(node, problems)).unwrap_or_default();
    let mut entry = Entry {
        line: Line {
            id: LineId::from(key.text.as_str()),
            from: nets.iter().map(|n| n.value).collect(),
            trusted: fields.take("trusted").and_then(|n| n.truth(problems)).unwrap_or(false),
            loopback: fields.take("targets").and_then(|n| n.one_of(&[("loopback", true)], problems)).unwrap_or(false),
            calls_per_second: fields.take("calls_per_second").and_then(|n| n.whole(1, RATE_MAX, problems)),
            ..Line::default()
        },
        nets: nets.iter().map(|n| n.at).collect(),
        opens: from.is_some(),
        carries: false,
        host: None,
        number: None,
        trunks: Vec::new(),
        code: None,
    };
    match fields.entry("trunk") {
        Some((key, node)) if matches!(node.what, What::Map(_)) => {
            entry.carries = true;
            (entry.line.trunk, entry.host) = read_trunk(key, node, problems).unzip();
            entry.line.trusted |= entry.line.trunk.as_ref().is_some_and(|trunk| trunk.profile == Profile::NttHikari);
        }
        Some((_, node)) => {
            entry.trunks = read_trunks(node, problems);
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

/// `trunk: [ntt, spare]`: the lines that carry the calls of one, each once.
fn read_trunks(node: &Node, problems: &mut Problems) -> Vec<At<LineId>> {
    if node.items().is_empty() {
        let (en, ja) = (
            "no trunk is listed: nobody could be called here",
            "経路がひとつもありません。この回線にはかけられません。経路の名前を書いてください。",
        );
        problems.error(node.at, "nothing_listed", en, ja).help("trunk: ntt");
    }
    let mut trunks: Vec<At<LineId>> = Vec::new();
    for item in node.items().up_to(TRUNKS_MAX, problems) {
        let Some(trunk) = item.name::<LineId>(problems) else { continue };
        if trunks.iter().any(|before| before.value == trunk.value) {
            let en = format!("the trunk {} stands in this list twice, and would be tried once; take one out", trunk.value);
            let ja = format!("経路 {} が二度書かれています。試すのは一度だけです。どちらかひとつにしてください。", trunk.value);
            problems.error(trunk.at, "listed_twice", en, ja);
        } else {
            trunks.push(trunk);
        }
    }
    trunks
}

/// `trunk: { host: 127.0.0.1:5090, channels: 30 }`: a way to the outside, and where its place was written.
fn read_trunk(key: &Key, node: &Node, problems: &mut Problems) -> Option<(Trunk, Spot)> {
    const EXAMPLE: &str = "trunk: { host: 127.0.0.1:5090, channels: 30 }";
    let mut fields = Fields::of(node, key.at, problems)?;
    let mut needed = |name: &'static str, problems: &mut Problems| {
        let node = fields.take(name);
        if node.is_none() {
            missing(problems, key.at, name, EXAMPLE);
        }
        node
    };
    let place = needed("host", problems);
    let host = place.and_then(|n| host(n, problems));
    let channels = needed("channels", problems).and_then(|n| n.whole(1, PLACES_MAX, problems));
    let words = [("udp", Transport::Udp), ("tcp", Transport::Tcp), ("tls", Transport::Tls)];
    let transport = fields.take("transport").and_then(|n| n.one_of(&words, problems));
    let ca = fields.take("ca").and_then(|node| Some((node, file_name(node, "ca: carrier-ca.pem", problems)?)));
    // A name's records may lead to TLS by themselves.
    let never_secure = match (transport, &host) {
        (Some(transport), _) => !transport.is_secure(),
        (None, Some(Host::At(_))) => true,
        (None, _) => false,
    };
    if let Some((node, _)) = ca.as_ref().filter(|_| never_secure) {
        let en = "this trunk is not reached by TLS, so nobody shows a certificate; say so, or leave `ca` out";
        let ja = "この経路は TLS でつながないので、証明書は使われません。transport: tls を書くか、ca を消してください。";
        problems.error(node.at, "ca_without_tls", en, ja).help("transport: tls");
    }
    let order = fields.take("order").and_then(|n| n.whole(1, ORDER_MAX, problems)).unwrap_or(1);
    let weight = fields.take("weight").and_then(|n| n.whole(1, ORDER_MAX, problems)).unwrap_or(1);
    let profile = fields.take("profile").and_then(|n| n.one_of(&[("ntt-hikari", Profile::NttHikari)], problems)).unwrap_or_default();
    let register = fields.entry("register").and_then(|(key, node)| read_register(key, node, profile, problems));
    let check = fields.entry("check").and_then(|(key, node)| read_check(key, node, problems));
    fields.finish(problems);
    let (machines, name) = match host? {
        Host::At(addr) => (vec![Machine { transport: transport.unwrap_or(Transport::Udp), addr }], None),
        Host::Named(name) => (Vec::new(), Some(HostName { transport, ..name })),
    };
    let ca = ca.map(|(_, file)| file);
    Some((Trunk { machines, name, transport, ca, channels: channels?, order, weight, profile, register, check }, place?.at))
}

/// `register: { user: "0440000000", domain: carrier.example, password_file: carrier }`.
fn read_register(key: &Key, node: &Node, profile: Profile, problems: &mut Problems) -> Option<Register> {
    const EXAMPLE: &str = "register: { user: \"0440000000\", domain: carrier.example, password_file: carrier }";
    let mut fields = Fields::of(node, key.at, problems)?;
    let in_the_open = fields.refused("password");
    if let Some(key) = in_the_open {
        let en = "a password does not belong into a file that many may read; put it into secrets/ of the state folder, and its name here";
        let ja = "パスワードはここに書けません。状態フォルダーの secrets/ にファイルとして置き、その名前を書いてください。";
        problems.error(key.at, "password_in_the_open", en, ja).help("password_file: carrier");
    }
    let user = fields.take("user");
    if user.is_none() {
        missing(problems, key.at, "user", EXAMPLE);
    }
    let user = user.and_then(|n| word(n, "not_a_user", "user: \"0440000000\"", problems));
    let domain = fields.take("domain").and_then(|n| word(n, "not_a_domain", "domain: carrier.example", problems));
    let login = fields.take("login").and_then(|n| word(n, "not_a_user", "login: city", problems));
    let realm = fields.take("realm").and_then(|n| realm(n, problems));
    let password_file = fields.take("password_file");
    // NTT's network knows us by the line that we are on; others may know us by our address.
    if password_file.is_none() && in_the_open.is_none() && profile == Profile::Plain {
        let en = "this registration has no password: if the carrier asks for one, nobody can call over this trunk";
        let ja = "この登録にはパスワードがありません。事業者が求めた場合、この経路では誰も電話をかけられません。";
        problems.warning(key.at, "no_password_file", en, ja).help("password_file: carrier");
    }
    let password_file = password_file.and_then(|n| file_name(n, "password_file: carrier", problems));
    let expires = fields.take("expires").and_then(|n| within(n, EXPIRES, "expires: 1h", problems)).unwrap_or(Duration::from_secs(3600));
    let algorithms = [("sha-256", DigestAlgorithm::Sha256), ("md5", DigestAlgorithm::Md5)];
    let digest = fields.take("digest").map(|n| n.items().iter().filter_map(|item| item.one_of(&algorithms, problems)).collect());
    fields.finish(problems);
    let digest = digest.filter(|list: &Vec<_>| !list.is_empty()).unwrap_or_else(|| vec![DigestAlgorithm::Sha256]);
    Some(Register { user: user?, domain, login, realm, password_file, expires, digest })
}

/// `check: { every: 30s, failures: 3 }`.
pub(crate) fn read_check(key: &Key, node: &Node, problems: &mut Problems) -> Option<TrunkCheck> {
    let mut fields = Fields::of(node, key.at, problems)?;
    let every = fields.take("every");
    if every.is_none() {
        missing(problems, key.at, "every", "check: { every: 30s }");
    }
    let every = every.and_then(|n| within(n, (CHECK_MIN, EXPIRES.1), "every: 30s", problems));
    let failures = fields.take("failures").and_then(|n| n.whole(1, FAILURES_MAX, problems)).unwrap_or(3);
    fields.finish(problems);
    Some(TrunkCheck { every: every?, failures })
}

/// A word that can stand in an address: no blanks, and nothing that means something there.
fn word(node: &Node, code: &'static str, help: &str, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    let fine = |c: char| c.is_ascii_alphanumeric() || "+-._*#".contains(c);
    if (1..=64).contains(&text.value.len()) && text.value.chars().all(fine) {
        return Some(text.value.to_owned());
    }
    let en = format!("\"{}\" cannot stand in an address; letters, figures and + - . _ can, at most 64", shown(text.value));
    let ja = format!("「{}」はアドレスに使えません。英数字と + - . _ を 64 字まで使えます。", shown(text.value));
    problems.error(text.at, code, en, ja).help(help);
    None
}

/// Where the password is proved: any words, but some.
fn realm(node: &Node, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    if !text.value.trim().is_empty() {
        return Some(text.value.to_owned());
    }
    let en = "no carrier asks for a password in a realm without a name; write its realm, or leave `realm` out";
    let ja = "空の realm は使えません。通信事業者の realm を書くか、realm を消してください。";
    problems.error(text.at, "not_a_realm", en, ja).help("realm: carrier.example");
    None
}

/// The name of a file in `secrets/`, and not the way to another one.
fn file_name(node: &Node, help: &str, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if (1..=64).contains(&text.value.len()) && text.value.chars().all(fine) && !text.value.starts_with('.') {
        return Some(text.value.to_owned());
    }
    let en = format!("\"{}\" is no name of a file in secrets/", shown(text.value));
    let ja = format!("「{}」は secrets/ のファイル名として使えません。", shown(text.value));
    problems.error(text.at, "not_a_file_name", en, ja).help(help);
    None
}

/// A time within limits.
fn within(node: &Node, (least, most): (Duration, Duration), help: &str, problems: &mut Problems) -> Option<Duration> {
    let time = node.time(problems)?;
    if (least..=most).contains(&time) {
        return Some(time);
    }
    let (from, to) = (least.as_secs(), most.as_secs());
    let en = format!("this should be from {from}s to {to}s");
    let ja = format!("{from}s から {to}s までの時間を書いてください。");
    problems.error(node.at, "time_out_of_range", en, ja).help(help);
    None
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
    let trunks: Vec<LineId> = entry.trunks.iter().map(|trunk| trunk.value.clone()).collect();
    if let Some((number, lines)) = number.zip(lines).filter(|_| !trunks.is_empty()) {
        entry.line.target = Some(Target { trunks, number: number.value, lines, code });
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
