//! Where a trunk leads: a carrier's machine, or its name.
//!
//! `192.0.2.1:5060`, or a name of RFC 1123 section 2.1 whose machines are found by RFC 3263.

use crate::config::lines::Entry;
use crate::problem::{Problems, Spot};
use crate::tree::{Node, shown};
use model::HostName;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where a carrier is.
pub(crate) enum Host {
    At(SocketAddr),
    Named(HostName),
}

/// `192.0.2.1:5060`, `sip.carrier.example` or `sip.carrier.example:5060`.
pub(crate) fn host(node: &Node, problems: &mut Problems) -> Option<Host> {
    let text = node.text(problems)?;
    if let Ok(addr) = text.value.parse() {
        return is_a_machines(addr, text.at, problems).then_some(Host::At(addr));
    }
    let named = host_name(text.value);
    if named.is_none() {
        let en = format!("\"{}\" is neither an address with a port nor a name", shown(text.value));
        let ja = format!("「{}」はアドレスとポート、または名前として読めません。", shown(text.value));
        problems.error(text.at, "not_an_address", en, ja).help("host: 127.0.0.1:5090");
    }
    named.map(Host::Named)
}

/// Whether a carrier can be at this address; a problem if not.
fn is_a_machines(addr: SocketAddr, at: Spot, problems: &mut Problems) -> bool {
    let ip = addr.ip().to_canonical();
    let nobodys = ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    if nobodys {
        let en = format!("{} is no machine's address; write the carrier's", addr.ip());
        let ja = format!("{} は一台の機器を指すアドレスではありません。通信事業者のアドレスを書いてください。", addr.ip());
        problems.error(at, "not_an_address", en, ja).help("host: 192.0.2.1:5060");
    } else if addr.port() == 0 {
        let (en, ja) = ("nobody is heard at port 0; SIP's is 5060", "ポート 0 は使えません。SIP は普通 5060 です。");
        let port = SocketAddr::new(addr.ip(), 5060);
        problems.error(at, "not_an_address", en, ja).help(format!("host: \"{port}\"")).instead(port.to_string());
    }
    !nobodys && addr.port() != 0
}

/// Two ways to one place fail together. Two customers of one carrier are meant.
pub(crate) fn same_place(entry: &Entry, others: &[Entry], problems: &mut Problems) {
    let place = |entry: &Entry| {
        let trunk = entry.line.trunk.as_ref()?;
        let named = trunk.name.as_ref().map(|name| (name.host.to_ascii_lowercase(), name.port));
        Some((trunk.machines.first().map(|machine| machine.addr), named))
    };
    let user = |entry: &Entry| Some(entry.line.trunk.as_ref()?.register.as_ref()?.user.clone());
    let two_customers = |other: &Entry| user(entry).zip(user(other)).is_some_and(|(mine, theirs)| mine != theirs);
    let Some((here, at)) = place(entry).zip(entry.host) else { return };
    if let Some(other) = others.iter().find(|other| place(other).as_ref() == Some(&here) && !two_customers(other)) {
        let (mine, theirs) = (&entry.line.id, &other.line.id);
        let en = format!(
            "trunks {theirs} and {mine} lead to the same place: they fail together; take one of them out, unless each is a number of its own"
        );
        let ja = format!(
            "経路 {theirs} と {mine} は同じ場所につながります。片方が使えないときはもう片方も使えません。番号ごとの契約でなければ、どちらかを消してください。"
        );
        problems.warning(at, "same_place", en, ja);
    }
}

/// A name with a dot in it whose last part is no number (RFC 1123 section 2.1), so that no broken address passes for one.
fn host_name(text: &str) -> Option<HostName> {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port.parse::<u16>().ok().filter(|port| *port > 0)?)),
        None => (text, None),
    };
    let parts: Vec<&str> = host.split('.').collect();
    let part =
        |part: &&str| !part.is_empty() && part.len() <= 63 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let named = parts.len() > 1 && host.len() <= 253 && parts.iter().all(part) && parts.last()?.bytes().any(|b| b.is_ascii_alphabetic());
    named.then(|| HostName { host: host.to_owned(), port, transport: None })
}
