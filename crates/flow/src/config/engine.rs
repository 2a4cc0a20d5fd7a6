//! `engine.yaml`: where the engine listens and how much it takes on.

use crate::decode::{Fields, UpTo, missing};
use crate::problem::{Problems, Spot};
use crate::schema::{Shape, Value, may, must};
use crate::tree::{Node, shown};
use model::{DigestAlgorithm, Lang, Settings, Tls, WebSocket};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "engine",
    en: "The engine itself. Read once at start.",
    ja: "本体の設定。起動のときに一度だけ読まれます。",
    words: &[
        may(
            "listen",
            Value::Map(&LISTEN),
            "Where SIP is heard, and where metrics are served.",
            "SIP を受けるアドレスと、監視用のアドレス。",
        ),
        may("tls", Value::Map(&TLS), "A certificate, and where SIP is heard over TLS.", "証明書と、TLS で SIP を受けるアドレス。"),
        may(
            "websocket",
            Value::Map(&WEBSOCKET),
            "Where browsers' SIP is heard: over WSS if `tls` names a certificate.",
            "ブラウザーからの SIP を受けるアドレス。tls に証明書があれば WSS になります。",
        ),
        may(
            "advertise",
            Value::Text,
            "The address that other phones are told to send to, or auto.",
            "ほかの電話に知らせるアドレス、または auto。",
        ),
        may("rtp_ports", Value::Text, "Ports for sound: 20000-24999.", "音声用のポート。20000-24999 のように書きます。"),
        may("calls_max", Value::Whole(1, 100_000), "Calls at once.", "同時通話数の上限。"),
        may("calls_out_per_hour", Value::Whole(0, CALLS_OUT_MAX), "Calls to the outside in any hour.", "1 時間に外へかける電話の上限。"),
        may(
            "calls_per_second",
            Value::Whole(1, 10_000),
            "New calls in any second, from everybody together.",
            "1 秒あたりに受ける新しい電話の上限（全体）。",
        ),
        may(
            "calls_per_number",
            Value::Whole(1, 100_000),
            "Calls at once from one number that is shown; 2.",
            "同じ番号から同時にかけられる電話の上限。書かなければ 2。",
        ),
        may(
            "phone_check",
            Value::Map(&super::lines::CHECK),
            "How every phone that is registered by UDP is asked whether it is there; else only those behind a router are, every 30 s.",
            "UDP で登録した電話機がいるかどうかの確認。書かなければ、ルーターの内側の電話機だけを 30 秒ごとに確認します。",
        ),
        may("voicemail", Value::Map(&VOICEMAIL), "How much each voicemail box takes.", "伝言箱ひとつに入る量。"),
        may("realm", Value::Text, "The name that phones' passwords belong to.", "電話機の認証に使う名前。"),
        may(
            "digest",
            Value::List(&Value::OneOf(&["sha-256", "md5"])),
            "How phones may prove their password, the best first.",
            "電話機の認証方式。望ましい順。",
        ),
        may(
            "voices",
            Value::Each(crate::schema::LANG, &Value::List(&Value::Text)),
            "Programs that speak a language: pt: [piper, --model, pt.onnx].",
            "言語ごとの音声合成プログラム。pt: [piper, --model, pt.onnx] のように書きます。",
        ),
    ],
    rest: None,
};

const LISTEN: Shape = Shape {
    name: "engine/listen",
    en: "Addresses with ports.",
    ja: "アドレスとポート。",
    words: &[
        may("sip", Value::Text, "Where SIP is heard: 127.0.0.1:5060.", "SIP を受けるアドレス。127.0.0.1:5060 のように書きます。"),
        may("admin", Value::Text, "Where /metrics, /healthz and /api are served.", "/metrics、/healthz、/api のアドレス。"),
        may(
            "admin_names",
            Value::List(&Value::Text),
            "Names by which a proxy on this machine asks for those: desk.example.jp. Addresses and localhost need none.",
            "同じ機械のプロキシが使うホスト名。desk.example.jp のように書きます。アドレスと localhost は書かなくても使えます。",
        ),
    ],
    rest: None,
};

const TLS: Shape = Shape {
    name: "engine/tls",
    en: "A certificate. It is read again when its files change, without dropping anybody; one that cannot be used is refused, and the old one stays.",
    ja: "証明書。ファイルが変わると、通話を切らずに読み直します。使えない証明書は受け付けず、前のものを使い続けます。",
    words: &[
        must(
            "certificate",
            Value::Text,
            "A PEM file: the chain, our own certificate first.",
            "証明書の PEM ファイル。自分の証明書を先頭に書きます。",
        ),
        must(
            "key",
            Value::Text,
            "A PEM file: its private key, which nobody else can read.",
            "秘密鍵の PEM ファイル。ほかの人が読めないようにします。",
        ),
        may(
            "listen",
            Value::Text,
            "Where SIP is heard over TLS: 0.0.0.0:5061.",
            "TLS で SIP を受けるアドレス。0.0.0.0:5061 のように書きます。",
        ),
        may(
            "clients",
            Value::Text,
            "A PEM file: authorities of phones' certificates. Phones without one of theirs get no connection.",
            "電話機の証明書を発行した認証局の PEM ファイル。その証明書のない電話機はつながりません。",
        ),
    ],
    rest: None,
};

const WEBSOCKET: Shape = Shape {
    name: "engine/websocket",
    en: "The way in for phones in browsers (RFC 7118).",
    ja: "ブラウザー上の電話の入口（RFC 7118）。",
    words: &[
        must("listen", Value::Text, "Where it is heard: 0.0.0.0:8443.", "受けるアドレス。0.0.0.0:8443 のように書きます。"),
        may(
            "origins",
            Value::List(&Value::Text),
            "The pages that may call: https://desk.example.jp. All of them, if left out.",
            "かけてよいページ。https://desk.example.jp のように書きます。書かなければ制限しません。",
        ),
    ],
    rest: None,
};

const VOICEMAIL: Shape = Shape {
    name: "engine/voicemail",
    en: "How much each voicemail box takes. Whoever finds it full goes where `failed` of the step leads; no message is thrown away.",
    ja: "伝言箱ひとつに入る量。いっぱいのとき、かけた方は failed の行き先へ進みます。古い伝言は消しません。",
    words: &[
        may("messages", Value::Whole(1, BOX_MESSAGES_MAX), "Messages in one box.", "伝言の件数の上限。"),
        may(
            "megabytes",
            Value::Whole(1, BOX_MEGABYTES_MAX),
            "Sound in one box; a minute is almost one.",
            "音声の容量の上限（1 分でほぼ 1 MB）。",
        ),
    ],
    rest: None,
};

/// Larger boxes are archives.
const BOX_MESSAGES_MAX: u32 = 10_000;
const BOX_MEGABYTES_MAX: u32 = 100_000;
/// Names of proxies on this machine.
const NAMES_MAX: usize = 16;
/// Pages whose browsers may call.
const ORIGINS_MAX: usize = 16;
/// RTP and RTCP, for the caller and for the agent.
const PORTS_A_CALL: u32 = 4;
/// Calls out in one hour: a limit above this would be none.
const CALLS_OUT_MAX: u32 = 10_000;
/// Languages with a program of their own.
const VOICES_MAX: usize = 32;
/// Where Linux begins to hand out ports by itself (`ip_local_port_range`).
const EPHEMERAL_FIRST: u16 = 32_768;

pub(crate) fn read(node: &Node, top: Spot, problems: &mut Problems) -> Settings {
    let mut settings = Settings::default();
    let Some(mut fields) = Fields::of(node, top, problems) else { return settings };
    if let Some((key, listen)) = fields.entry("listen")
        && let Some(mut listen) = Fields::of(listen, key.at, problems)
    {
        if let Some(address) = listen.take("sip").and_then(|n| socket(n, problems)) {
            settings.sip = address;
        }
        if let Some(address) = listen.take("admin").and_then(|n| socket(n, problems)) {
            settings.admin = address;
        }
        if let Some(names) = listen.take("admin_names") {
            settings.admin_names = names.items().up_to(NAMES_MAX, problems).iter().filter_map(|item| host_name(item, problems)).collect();
        }
        listen.finish(problems);
    }
    let (mut tls_at, mut web_at) = (top, top);
    if let Some((key, node)) = fields.entry("tls") {
        tls_at = key.at;
        settings.tls = tls(key.at, node, problems);
    }
    if let Some((key, node)) = fields.entry("websocket") {
        web_at = key.at;
        settings.websocket = websocket(key.at, node, problems);
        if let Some(web) = settings.websocket.as_ref().filter(|web| settings.tls.is_none() && !web.listen.ip().is_loopback()) {
            let en =
                format!("without `tls`, whoever is on the way to {} reads every call and password, and browsers refuse it", web.listen);
            let ja = format!("tls がないと、{} までの経路で通話とパスワードが読まれます。ブラウザーも接続を拒みます。", web.listen);
            problems.warning(key.at, "websocket_in_clear", en, ja).help(TLS_EXAMPLE);
        }
    }
    if let Some(node) = fields.take("advertise") {
        settings.advertise = advertise(node, problems);
    }
    let mut ports_at = top;
    if let Some(node) = fields.take("rtp_ports") {
        ports_at = node.at;
        if let Some((first, last)) = ports(node, problems) {
            (settings.rtp_first, settings.rtp_last) = (first, last);
        }
    }
    if let Some(calls) = fields.take("calls_max").and_then(|n| n.whole(1, 100_000, problems)) {
        settings.calls_max = calls;
    }
    if let Some(calls) = fields.take("calls_out_per_hour").and_then(|n| n.whole(0, CALLS_OUT_MAX, problems)) {
        settings.calls_out_per_hour = calls;
    }
    settings.calls_per_second = fields.take("calls_per_second").and_then(|n| n.whole(1, 10_000, problems));
    if let Some(calls) = fields.take("calls_per_number").and_then(|n| n.whole(1, 100_000, problems)) {
        settings.calls_per_number = calls;
    }
    settings.phone_check = fields.entry("phone_check").and_then(|(key, node)| super::lines::read_check(key, node, problems));
    if let Some((key, node)) = fields.entry("voicemail")
        && let Some(mut each) = Fields::of(node, key.at, problems)
    {
        if let Some(messages) = each.take("messages").and_then(|n| n.whole(1, BOX_MESSAGES_MAX, problems)) {
            settings.box_messages_max = messages;
        }
        if let Some(megabytes) = each.take("megabytes").and_then(|n| n.whole(1, BOX_MEGABYTES_MAX, problems)) {
            settings.box_megabytes_max = megabytes;
        }
        each.finish(problems);
    }
    if let Some(realm) = fields.take("realm").and_then(|n| n.text(problems)) {
        settings.realm = realm.value.to_owned();
    }
    if let Some(node) = fields.take("digest") {
        let words = [("sha-256", DigestAlgorithm::Sha256), ("md5", DigestAlgorithm::Md5)];
        let mut digest: Vec<DigestAlgorithm> = Vec::new();
        for algorithm in node.items().iter().filter_map(|item| item.one_of(&words, problems)) {
            if !digest.contains(&algorithm) {
                digest.push(algorithm);
            }
        }
        if !digest.is_empty() {
            settings.digest = digest;
        }
    }
    if let Some(node) = fields.take("voices") {
        settings.voices = voices(node, problems);
    }
    fields.finish(problems);
    enough_ports(&settings, ports_at, problems);
    let tls = settings.tls.as_ref().and_then(|tls| tls.listen);
    let web = settings.websocket.as_ref().map(|web| web.listen);
    one_door_each(&[(Some(settings.sip), top), (Some(settings.admin), top), (tls, tls_at), (web, web_at)], problems);
    let within = [Some(settings.sip), tls, web].into_iter().flatten().map(|at| at.port());
    if let Some(port) = within.into_iter().find(|port| (settings.rtp_first..=settings.rtp_last).contains(port)) {
        let en = format!("the ports for sound hold {port}, where SIP is heard; keep them apart");
        let ja = format!("音声用のポートに、SIP のポート {port} が含まれています。重ならないようにしてください。");
        problems.error(ports_at, "ports_overlap", en, ja).help("rtp_ports: 20000-24999");
    }
    settings
}

const TLS_EXAMPLE: &str = "tls: { listen: 0.0.0.0:5061, certificate: fullchain.pem, key: privkey.pem }";

fn tls(at: Spot, node: &Node, problems: &mut Problems) -> Option<Tls> {
    let mut fields = Fields::of(node, at, problems)?;
    let mut file = |fields: &mut Fields<'_>, word: &'static str, wanted: bool| match fields.take(word) {
        Some(node) => node.text(problems).map(|text| text.value.to_owned()),
        None => {
            if wanted {
                missing(problems, at, word, TLS_EXAMPLE);
            }
            None
        }
    };
    let (certificate, key, clients) =
        (file(&mut fields, "certificate", true), file(&mut fields, "key", true), file(&mut fields, "clients", false));
    let listen = fields.take("listen").and_then(|n| socket(n, problems));
    fields.finish(problems);
    Some(Tls { listen, certificate: certificate?, key: key?, clients })
}

fn websocket(at: Spot, node: &Node, problems: &mut Problems) -> Option<WebSocket> {
    let mut fields = Fields::of(node, at, problems)?;
    let listen = match fields.take("listen") {
        Some(node) => socket(node, problems),
        None => {
            missing(problems, at, "listen", "websocket: { listen: 0.0.0.0:8443 }");
            None
        }
    };
    let origins = fields
        .take("origins")
        .map_or_else(Vec::new, |node| node.items().up_to(ORIGINS_MAX, problems).iter().filter_map(|item| origin(item, problems)).collect());
    fields.finish(problems);
    Some(WebSocket { listen: listen?, origins })
}

/// `https://desk.example.jp`, as browsers write it (RFC 6454 section 6.1): no path behind it.
fn origin(node: &Node, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    let host = text.value.strip_prefix("https://").or_else(|| text.value.strip_prefix("http://"));
    if host.is_none_or(|host| host.is_empty() || !host.bytes().all(|b| b.is_ascii_graphic() && b != b'/')) {
        let en = format!("\"{}\" is no page's origin: scheme and host, without a path", shown(text.value));
        let ja = format!("「{}」はページの origin として読めません。https:// とホスト名だけを書いてください。", shown(text.value));
        problems.error(text.at, "not_an_origin", en, ja).help("origins: [\"https://desk.example.jp\"]");
        return None;
    }
    Some(text.value.to_owned())
}

/// `desk.example.jp`, as it stands in a Host header: no scheme, no port (RFC 9110 section 7.2).
fn host_name(node: &Node, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    if text.value.is_empty() || !text.value.bytes().all(fits) {
        let en = format!("\"{}\" is no host's name: no scheme, port or path stands with it", shown(text.value));
        let ja = format!("「{}」はホスト名として読めません。https:// やポート番号を付けずに書いてください。", shown(text.value));
        problems.error(text.at, "not_a_host_name", en, ja).help("admin_names: [desk.example.jp]");
        return None;
    }
    Some(text.value.to_owned())
}

/// No two doors at one address and port.
fn one_door_each(doors: &[(Option<SocketAddr>, Spot)], problems: &mut Problems) {
    let doors: Vec<(SocketAddr, Spot)> = doors.iter().filter_map(|(door, at)| Some((door.filter(|door| door.port() != 0)?, *at))).collect();
    let meet =
        |a: SocketAddr, b: SocketAddr| a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified());
    for (index, (door, at)) in doors.iter().enumerate() {
        if doors.iter().take(index).any(|(other, _)| meet(*door, *other)) {
            let en = format!("port {} is taken twice: SIP, TLS, WebSocket and /metrics need a port each", door.port());
            let ja = format!("ポート {} が重なっています。SIP、TLS、WebSocket、監視用に、それぞれ別のポートが必要です。", door.port());
            problems.error(*at, "port_taken_twice", en, ja);
        }
    }
}

fn enough_ports(settings: &Settings, at: Spot, problems: &mut Problems) {
    let ports = u32::from(settings.rtp_last) + 1 - u32::from(settings.rtp_first);
    let needed = settings.calls_max.saturating_mul(PORTS_A_CALL);
    if ports < needed {
        let (calls, able) = (settings.calls_max, ports / PORTS_A_CALL);
        let en = format!("{calls} calls need {needed} ports; these {ports} are enough for {able}");
        let ja = format!("{calls} 通話には {needed} 個のポートが必要です。この {ports} 個では {able} 通話までです。");
        problems.warning(at, "few_ports", en, ja);
    }
}

/// Which program speaks which language: `pt: [piper, --model, pt.onnx]`.
fn voices(node: &Node, problems: &mut Problems) -> BTreeMap<Lang, Vec<String>> {
    let mut voices = BTreeMap::new();
    for (key, value) in node.map(problems).unwrap_or_default().up_to(VOICES_MAX, problems) {
        let argv: Vec<String> = value.items().iter().filter_map(|item| item.text(problems)).map(|word| word.value.to_owned()).collect();
        if argv.is_empty() {
            let (en, ja) = ("a voice is a program and its arguments", "voices には、合成音声のプログラムとその引数を書いてください。");
            problems.error(value.at, "voice_without_a_program", en, ja).help("pt: [piper, --model, pt.onnx]");
            continue;
        }
        voices.insert(Lang::from(key.text.as_str()), argv);
    }
    voices
}

fn socket(node: &Node, problems: &mut Problems) -> Option<SocketAddr> {
    let text = node.text(problems)?;
    let address = text.value.parse();
    if address.is_err() {
        let en = format!("\"{}\" is no address with a port", shown(text.value));
        let ja = format!("「{}」はアドレスとポートとして読めません。", shown(text.value));
        problems.error(text.at, "not_an_address", en, ja).help("127.0.0.1:5060");
    }
    address.ok()
}

fn advertise(node: &Node, problems: &mut Problems) -> Option<IpAddr> {
    let text = node.text(problems)?;
    if text.value == "auto" {
        return None;
    }
    let address = text.value.parse();
    if address.is_err() {
        let en = format!("\"{}\" is neither auto nor an address", shown(text.value));
        let ja = format!("「{}」ではなく、auto かアドレスを書いてください。", shown(text.value));
        problems.error(text.at, "not_an_address", en, ja).help("advertise: auto");
    }
    address.ok()
}

fn ports(node: &Node, problems: &mut Problems) -> Option<(u16, u16)> {
    let text = node.text(problems)?;
    let parsed = text.value.split_once('-').and_then(|(a, b)| Some((a.trim().parse::<u16>().ok()?, b.trim().parse::<u16>().ok()?)));
    // RFC 3550 section 11: RTP on an even port, RTCP on the next one.
    let Some((first, last)) = parsed.filter(|(a, b)| *a >= 1024 && a % 2 == 0 && a < b) else {
        let en = format!("\"{}\" is no range of ports; begin with an even port above 1023", shown(text.value));
        let ja = format!("「{}」はポートの範囲として読めません。1024 以上の偶数から始めてください。", shown(text.value));
        problems.error(text.at, "not_a_range_of_ports", en, ja).help("rtp_ports: 20000-24999");
        return None;
    };
    if last >= EPHEMERAL_FIRST {
        let en = format!("the system takes ports from {EPHEMERAL_FIRST} up for itself; stay below");
        let ja = format!("{EPHEMERAL_FIRST} 以上のポートはシステムが使います。それより小さい番号にしてください。");
        problems.warning(text.at, "ephemeral_ports", en, ja);
    }
    Some((first, last))
}
