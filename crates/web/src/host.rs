//! By which names the engine is asked, where only this machine can reach it.
//!
//! A page of somewhere else cannot read what another origin answers (RFC 6454), unless its own name is made to lead to this machine (DNS rebinding).
//! Its browser then names that page's host. So, where we listen on loopback, whoever names a host that is neither an address nor `localhost`
//! nor one of the names that the city declares is sent away, from every route, with 421 (RFC 9110 section 15.5.20).

use crate::plain;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::middleware::Next;
use axum::response::Response;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The names by which the engine may be asked beside addresses and `localhost`: those of a proxy on this machine.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<[String]>);

impl Hosts {
    /// These names.
    pub fn new(names: impl IntoIterator<Item = String>) -> Hosts {
        Hosts(names.into_iter().collect())
    }

    /// Whether `named`, a host with or without a port, is us.
    fn hold(&self, named: &str) -> bool {
        let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
        let host = match named.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            // RFC 3986 section 3.2.2: only an IPv6 address stands in brackets.
            Some((v6, port)) => return v6.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)),
            None => match named.split_once(':') {
                Some((_, port)) if !is_port(port) => return false,
                Some((host, _)) => host,
                None => named,
            },
        };
        // A name may end with the root's dot.
        let host = host.strip_suffix('.').unwrap_or(host);
        let is = |name: &str| host.eq_ignore_ascii_case(name);
        host.parse::<IpAddr>().is_ok() || is("localhost") || self.0.iter().any(|name| is(name))
    }
}

/// Lets in whoever names us. Browsers always name a host; who names none, as old probes do, is no browser.
pub(crate) async fn ours(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let headers = request.headers().get_all(HOST).iter().map(|host| host.to_str().unwrap_or("?"));
    // RFC 9112 section 3.2.2: where the target names a host, it counts and not the header; a browser sends both alike.
    let named: Vec<&str> = headers.chain(request.uri().authority().map(|authority| authority.as_str())).collect();
    if named.iter().all(|named| hosts.hold(named)) {
        return next.run(request).await;
    }
    let text = "This machine is asked by a name that is not its own. Ask by its address or as localhost, or declare the name in config/engine.yaml: \
                listen: { admin_names: [desk.example.jp] }.\n\
                この名前では応答しません。アドレスか localhost を使うか、config/engine.yaml の listen: { admin_names: [...] } に名前を書いてください。\n";
    plain(StatusCode::MISDIRECTED_REQUEST, "text/plain; charset=utf-8", text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_localhost_and_a_declared_name_are_us_and_nobody_else() {
        let hosts = Hosts::new(["desk.example.jp".to_owned()]);
        let ours = ["127.0.0.1", "127.0.0.1:8080", "192.0.2.7:8080", "[::1]", "[::1]:8080", "localhost", "LocalHost:8080", "localhost."];
        for host in ours.into_iter().chain(["desk.example.jp", "Desk.Example.JP:443"]) {
            assert!(hosts.hold(host), "{host}");
        }
        let others = [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "?",
            ":8080",
            "[evil]",
            "[::1]evil",
            "[::1]:8080@evil.example",
            "localhost:8080@evil.example",
            "127.0.0.1:8080:evil",
        ];
        for host in others.into_iter().chain(["desk.example.jp.evil.example", "xdesk.example.jp"]) {
            assert!(!hosts.hold(host), "{host}");
        }
        assert!(!Hosts::default().hold("desk.example.jp"));
    }
}
