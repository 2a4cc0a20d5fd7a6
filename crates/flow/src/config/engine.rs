//! `engine.yaml`: where the engine listens and how much it takes on.

use crate::decode::Fields;
use crate::decode::UpTo;
use crate::problem::{Problems, Spot};
use crate::schema::{Shape, Value, may};
use crate::tree::{Node, shown};
use model::{DigestAlgorithm, Lang, Settings};
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
        may("admin", Value::Text, "Where /metrics and /healthz are served.", "/metrics と /healthz のアドレス。"),
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
        listen.finish(problems);
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
    if (settings.rtp_first..=settings.rtp_last).contains(&settings.sip.port()) {
        let port = settings.sip.port();
        let en = format!("the ports for sound hold {port}, where SIP is heard; keep them apart");
        let ja = format!("音声用のポートに、SIP のポート {port} が含まれています。重ならないようにしてください。");
        problems.error(ports_at, "ports_overlap", en, ja).help("rtp_ports: 20000-24999");
    }
    settings
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
