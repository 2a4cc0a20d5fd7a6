//! Where a trunk leads: a carrier's machine, or its name.
//!
//! `192.0.2.1:5060`, or a name of RFC 1123 section 2.1 whose machines are found by RFC 3263.

use crate::problem::Problems;
use crate::tree::{Node, shown};
use model::HostName;
use std::net::SocketAddr;

/// Where a carrier is.
pub(crate) enum Host {
    At(SocketAddr),
    Named(HostName),
}

/// `192.0.2.1:5060`, `sip.carrier.example` or `sip.carrier.example:5060`.
pub(crate) fn host(node: &Node, problems: &mut Problems) -> Option<Host> {
    let text = node.text(problems)?;
    if let Ok(addr) = text.value.parse() {
        return Some(Host::At(addr));
    }
    let named = host_name(text.value);
    if named.is_none() {
        let en = format!("\"{}\" is neither an address with a port nor a name", shown(text.value));
        let ja = format!("「{}」はアドレスとポート、または名前として読めません。", shown(text.value));
        problems.error(text.at, "not_an_address", en, ja).help("host: 127.0.0.1:5090");
    }
    named.map(Host::Named)
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
