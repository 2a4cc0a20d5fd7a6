//! `lookups.yaml`: the houses that flows may ask over HTTP, and where those may be. No other address is ever asked.
//!
//! An allow-list of networks stands beside each address, for a name can come to mean another machine (OWASP: server-side request forgery).
//! Secrets do not stand here: `secret` names a file in the state folder, whose lines are sent as headers.

use crate::config::ENTRIES_MAX;
use crate::decode::{Fields, UpTo, is_name, missing};
use crate::problem::{Problems, Spot};
use crate::schema::{NAME, Shape, Value, may, must};
use crate::tree::{Node, shown};
use model::{Lookup, LookupId, LookupMethod, Net};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// One attempt, unless it is said.
const TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT_MAX: Duration = Duration::from_secs(30);
const RETRIES_MAX: u32 = 5;
/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "lookups",
    en: "The houses that flows may ask over HTTP. No other address is ever asked.",
    ja: "問い合わせてよいシステム。ここにない宛先には問い合わせません。",
    words: &[],
    rest: Some((NAME, &Value::Map(&ONE))),
};

const ONE: Shape = Shape {
    name: "lookups/lookup",
    en: "A house.",
    ja: "問い合わせ先。",
    words: &[
        must("url", Value::Text, "Its address: http or https.", "宛先（http または https）。"),
        may(
            "method",
            Value::OneOf(&["get", "post"]),
            "post sends a JSON object; get writes what is sent into the address.",
            "post は JSON で、get は宛先の中に書いて送ります。",
        ),
        may("timeout", Value::Time, "One attempt.", "1 回の問い合わせの時間。"),
        may(
            "retries",
            Value::Whole(0, RETRIES_MAX),
            "More attempts; none where asking twice would book twice.",
            "やり直しの回数。二重の予約になりうるときは書きません。",
        ),
        may(
            "allow",
            Value::List(&Value::Text),
            "The networks where it may be; this machine, if left out.",
            "宛先があってよいネットワーク。書かなければこの機械だけです。",
        ),
        may(
            "secret",
            Value::Text,
            "A file in secrets/ of the state folder, whose lines are sent as headers.",
            "状態フォルダーの secrets/ にあるファイル。各行をヘッダーとして送ります。",
        ),
        may(
            "ca",
            Value::Text,
            "For https: a file in secrets/ of the state folder with the authority of its certificate (PEM). Those this machine trusts, if left out.",
            "https のとき、証明書を発行した認証局の PEM ファイル（状態フォルダーの secrets/）。書かなければ、この機械が信頼する認証局です。",
        ),
        may("caller_number", Value::Truth, "Whether flows may send the caller's number.", "かけてきた番号を送ってよいか。"),
    ],
    rest: None,
};

const EXAMPLE: &str = "vaccine: { url: \"http://127.0.0.1:8090/tickets\" }";

pub(crate) fn read(node: &Node, problems: &mut Problems) -> BTreeMap<LookupId, Lookup> {
    let mut lookups = BTreeMap::new();
    for (key, value) in node.map(problems).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
        if !is_name(&key.text, key.at, problems) {
            continue;
        }
        let Some(mut fields) = Fields::of(value, key.at, problems) else { continue };
        let url = match fields.take("url") {
            Some(node) => url(node, problems),
            None => {
                missing(problems, key.at, "url", EXAMPLE);
                None
            }
        };
        let methods = [("get", LookupMethod::Get), ("post", LookupMethod::Post)];
        let method = fields.take("method").and_then(|n| n.one_of(&methods, problems)).unwrap_or(LookupMethod::Post);
        let timeout = fields.take("timeout").map_or(TIMEOUT, |n| attempt(n, problems));
        let retries = fields.take("retries").and_then(|n| n.whole(0, RETRIES_MAX, problems)).unwrap_or(0);
        let allow = fields.take("allow").map_or_else(loopback, |n| nets(n, problems));
        let secret = fields.take("secret").and_then(|n| n.text(problems)).filter(|text| is_plain(text.value, text.at, problems));
        let ca = fields.take("ca").and_then(|n| n.text(problems)).filter(|text| is_plain(text.value, text.at, problems));
        let caller_number = fields.take("caller_number").and_then(|n| n.truth(problems)).unwrap_or(false);
        fields.finish(problems);
        let Some(Url { secure, host, port, path }) = url else { continue };
        if let Some(ca) = ca.as_ref().filter(|_| !secure) {
            let (en, ja) = ("without https nobody shows a certificate", "https でなければ、証明書は確かめられません。");
            problems.error(ca.at, "ca_without_https", en, ja).help("url: \"https://register.example/tickets\"");
        }
        let id = LookupId::from(key.text.as_str());
        let [secret, ca] = [secret, ca].map(|text| text.map(|text| text.value.to_owned()));
        lookups.insert(id.clone(), Lookup { id, host, port, secure, ca, path, method, timeout, retries, allow, secret, caller_number });
    }
    lookups
}

/// Whether a name can be that of a file or folder, and of nothing outside its folder: letters, figures, `-` and `_`. A problem if not.
pub(crate) fn is_plain(name: &str, at: Spot, problems: &mut Problems) -> bool {
    let plain = !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !plain {
        let en = format!("\"{}\" becomes the name of a file: letters, figures, - and _ only", shown(name));
        let ja = format!("「{}」はファイル名になります。半角の英数字、-、_ だけを使ってください。", shown(name));
        problems.error(at, "not_a_file_name", en, ja);
    }
    plain
}

/// What is asked when nothing is allowed: this machine only.
fn loopback() -> Vec<Net> {
    vec![Net { addr: Ipv4Addr::new(127, 0, 0, 0).into(), prefix: 8 }]
}

/// `[10.0.0.0/8]`. An empty list would be a lookup that never asks anybody.
fn nets(node: &Node, problems: &mut Problems) -> Vec<Net> {
    if node.items().is_empty() {
        let (en, ja) =
            ("nothing is allowed: this lookup could ask nobody", "許可するネットワークがありません。どこにも問い合わせできません。");
        problems.error(node.at, "nothing_listed", en, ja).help("allow: [127.0.0.0/8]");
    }
    node.items().iter().filter_map(|node| net(node, problems)).collect()
}

fn net(node: &Node, problems: &mut Problems) -> Option<Net> {
    let text = node.text(problems)?;
    let net = Net::parse(text.value);
    if net.is_none() {
        let en = format!("\"{}\" is neither a network nor an address", shown(text.value));
        let ja = format!("「{}」はネットワークまたはアドレスとして読めません。", shown(text.value));
        problems.error(text.at, "not_a_network", en, ja).help("allow: [10.0.0.0/8]");
    }
    net
}

fn attempt(node: &Node, problems: &mut Problems) -> Duration {
    let Some(time) = node.time(problems) else { return TIMEOUT };
    if !time.is_zero() && time <= TIMEOUT_MAX {
        return time;
    }
    let most = TIMEOUT_MAX.as_secs();
    let en = format!("one attempt takes at most {most}s, and longer than no time");
    let ja = format!("1 回の問い合わせは 1s から {most}s までです。");
    problems.error(node.at, "out_of_bounds", en, ja).help("timeout: 2s");
    TIMEOUT
}

/// A machine, its port, and what is asked for there.
struct Url {
    secure: bool,
    host: String,
    port: u16,
    path: String,
}

/// `http://HOST[:PORT]/PATH[?QUERY]`, or `https`.
fn url(node: &Node, problems: &mut Problems) -> Option<Url> {
    let text = node.text(problems)?;
    let parsed = split(text.value);
    if parsed.is_none() {
        let en = format!("\"{}\" is no address of a web service", shown(text.value));
        let ja = format!("「{}」は Web サービスのアドレスとして読めません。", shown(text.value));
        problems.error(text.at, "not_a_url", en, ja).help("url: \"http://127.0.0.1:8090/tickets\"");
    }
    parsed
}

fn split(url: &str) -> Option<Url> {
    let (secure, usual, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, 443, rest),
        (None, Some(rest)) => (false, 80, rest),
        (None, None) => return None,
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    // RFC 3986 section 3.2: no user before the host (a secret has another place), an IPv6 address in brackets.
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let named = host.contains(':') || host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    let visible = path.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    let port = port.map_or(Some(usual), |port| port.parse::<u16>().ok().filter(|port| *port > 0))?;
    let sound = !host.is_empty() && host.len() <= 253 && named && visible && path.len() <= 1024;
    sound.then(|| Url { secure, host: host.to_owned(), port, path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_or_refused() {
        let parts = |url| split(url).map(|url| format!("{}{} {} {}", if url.secure { "s " } else { "" }, url.host, url.port, url.path));
        assert_eq!(parts("http://127.0.0.1:8090/tickets").as_deref(), Some("127.0.0.1 8090 /tickets"));
        assert_eq!(parts("http://register.example").as_deref(), Some("register.example 80 /"));
        assert_eq!(parts("http://[::1]:81/a?b=c").as_deref(), Some("::1 81 /a?b=c"));
        assert_eq!(parts("https://register.example/a").as_deref(), Some("s register.example 443 /a"));
        assert_eq!(parts("https://[::1]:8443").as_deref(), Some("s ::1 8443 /"));
        for broken in [
            "ftp://x/",
            "http://",
            "http://:80/",
            "http://a:0/",
            "http://a:99999/",
            "http://me:secret@a/",
            "http://a/b c",
            "http://[::1/",
            "http://a/#x",
        ] {
            assert_eq!(parts(broken).as_deref(), None, "{broken}");
        }
    }
}
