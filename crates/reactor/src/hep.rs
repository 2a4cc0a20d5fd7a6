//! SIP messages for a capture server (Homer and others): HEP version 3 over UDP, one datagram a message.
//!
//! The Homer Encapsulation Protocol, version 3: a header, then chunks of vendor, type, length and value, all numbers in network order. What is sent names
//! nobody (`nameless`). It is UDP: what nobody hears is lost, and costs calls nothing.

use crate::nameless::nameless;
use crate::trace::Seen;
use calls::Vault;
use model::Transport;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// `HEP3`, then the length of all.
const HEAD: usize = 6;
/// A chunk's vendor, type and length.
const CHUNK: usize = 6;
/// The longest message that is sent: with its chunks it fits into one datagram.
const MESSAGE_MAX: usize = 60_000;
/// IANA protocol numbers.
const TCP: u8 = 6;
const UDP: u8 = 17;
/// HEP's word for SIP.
const SIP: u8 = 1;
/// Which capture agent we are; a server that hears several tells them apart by their addresses, too.
const AGENT: u32 = 2020;

/// The way to a capture server.
#[derive(Debug)]
pub struct Hep {
    socket: UdpSocket,
    to: SocketAddr,
    /// Where we are reached, by what.
    ours: Vec<(Transport, SocketAddr)>,
}

impl Hep {
    /// Opens it. `ours` are the addresses that others reach us at.
    ///
    /// # Errors
    /// When there is no socket to be had.
    pub fn open(to: SocketAddr, ours: Vec<(Transport, SocketAddr)>) -> io::Result<Hep> {
        let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Hep { socket, to, ours })
    }

    /// Sends a message. `call_id` is its Call-ID as it is kept.
    pub(crate) fn send(&self, seen: &Seen, call_id: &str, vault: &Vault, unnamed: bool) {
        let transport = seen.flow.transport();
        let ours = self.ours.iter().find(|(over, _)| *over == transport).map(|(_, at)| *at);
        if let Some(text) = nameless(&seen.bytes, vault, unnamed).filter(|text| text.len() <= MESSAGE_MAX) {
            // A socket that takes nothing at this moment: one message fewer.
            let _ = self.socket.send_to(&packet(seen, ours, call_id, &text), self.to);
        }
    }
}

fn packet(seen: &Seen, ours: Option<SocketAddr>, call_id: &str, text: &str) -> Vec<u8> {
    let peer = SocketAddr::new(seen.peer.ip().to_canonical(), seen.peer.port());
    // Both addresses are of one family.
    let nowhere: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let ours = ours.map(|at| SocketAddr::new(at.ip().to_canonical(), at.port())).unwrap_or(SocketAddr::new(nowhere, 0));
    let ours = if ours.is_ipv4() == peer.is_ipv4() { ours } else { SocketAddr::new(nowhere, ours.port()) };
    let (from, to) = if seen.sent { (ours, peer) } else { (peer, ours) };
    let millis = seen.at.0.max(0).cast_unsigned();
    let seconds = u32::try_from(millis / 1000).unwrap_or(u32::MAX);
    let micros = u32::try_from(millis % 1000 * 1000).unwrap_or_default();

    let mut chunks = Vec::with_capacity(text.len() + 160);
    let mut chunk = |kind: u16, value: &[u8]| {
        let length = u16::try_from(CHUNK + value.len()).unwrap_or(u16::MAX);
        chunks.extend_from_slice(&0_u16.to_be_bytes());
        chunks.extend_from_slice(&kind.to_be_bytes());
        chunks.extend_from_slice(&length.to_be_bytes());
        chunks.extend_from_slice(value);
    };
    // Linux's numbers of address families, which HEP took over.
    chunk(1, &[if peer.is_ipv4() { 2 } else { 10 }]);
    chunk(2, &[if seen.flow.transport() == Transport::Udp { UDP } else { TCP }]);
    for (at, of_v4, of_v6) in [(from, 3, 5), (to, 4, 6)] {
        match at.ip() {
            IpAddr::V4(ip) => chunk(of_v4, &ip.octets()),
            IpAddr::V6(ip) => chunk(of_v6, &ip.octets()),
        }
    }
    chunk(7, &from.port().to_be_bytes());
    chunk(8, &to.port().to_be_bytes());
    chunk(9, &seconds.to_be_bytes());
    chunk(10, &micros.to_be_bytes());
    chunk(11, &[SIP]);
    chunk(12, &AGENT.to_be_bytes());
    chunk(15, text.as_bytes());
    chunk(17, call_id.as_bytes());

    let mut packet = Vec::with_capacity(HEAD + chunks.len());
    packet.extend_from_slice(b"HEP3");
    packet.extend_from_slice(&u16::try_from(HEAD + chunks.len()).unwrap_or(u16::MAX).to_be_bytes());
    packet.extend_from_slice(&chunks);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::{FlowId, UnixMillis};
    use std::collections::BTreeMap;

    fn seen(peer: &str, sent: bool, flow: FlowId) -> Seen {
        let bytes = Bytes::from_static(b"BYE sip:09012345678@192.0.2.9 SIP/2.0\r\n\r\n");
        Seen { at: UnixMillis(1_794_186_000_123), sent, flow, peer: peer.parse().unwrap(), leg: None, bytes, after_gap: false }
    }

    /// The chunks of a packet by their type.
    fn read(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        assert_eq!((&packet[..4], usize::from(u16::from_be_bytes([packet[4], packet[5]]))), (b"HEP3".as_slice(), packet.len()));
        let (mut rest, mut chunks) = (&packet[HEAD..], BTreeMap::new());
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[4], rest[5]]));
            assert_eq!(rest[..2], [0, 0]);
            chunks.insert(u16::from_be_bytes([rest[2], rest[3]]), rest[CHUNK..length].to_vec());
            rest = &rest[length..];
        }
        chunks
    }

    #[test]
    fn a_packet_says_who_sent_what_to_whom_and_when() {
        let ours = Some("192.0.2.1:5060".parse().unwrap());
        let came = read(&packet(&seen("192.0.2.9:5062", false, FlowId::UDP), ours, "abc", "text"));
        assert_eq!((&came[&1], &came[&2], &came[&3], &came[&4]), (&vec![2], &vec![17], &vec![192, 0, 2, 9], &vec![192, 0, 2, 1]));
        assert_eq!((&came[&7], &came[&8]), (&5062_u16.to_be_bytes().to_vec(), &5060_u16.to_be_bytes().to_vec()));
        assert_eq!((&came[&9], &came[&10]), (&1_794_186_000_u32.to_be_bytes().to_vec(), &123_000_u32.to_be_bytes().to_vec()));
        assert_eq!((&came[&11], &came[&15], &came[&17]), (&vec![1], &b"text".to_vec(), &b"abc".to_vec()));
        let sent = read(&packet(&seen("[2001:db8::9]:5062", true, FlowId::TCP), ours, "abc", "text"));
        assert_eq!((&sent[&1], &sent[&2], sent[&5].as_slice(), sent[&6][15]), (&vec![10], &vec![6], &[0; 16][..], 9));
        let mapped = read(&packet(&seen("[::ffff:192.0.2.9]:5062", true, FlowId::UDP), ours, "abc", "text"));
        assert_eq!((&mapped[&3], &mapped[&4]), (&vec![192, 0, 2, 1], &vec![192, 0, 2, 9]));
    }

    #[test]
    fn what_is_sent_names_nobody_and_nobody_need_listen() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let hep = Hep::open(server.local_addr().unwrap(), vec![(Transport::Udp, "192.0.2.1:5060".parse().unwrap())]).unwrap();
        let vault = Vault::new([7; 32]);
        hep.send(&seen("192.0.2.9:5062", false, FlowId::UDP), "abc", &vault, false);
        let mut buffer = [0; 2048];
        let length = server.recv(&mut buffer).unwrap();
        assert_eq!(read(&buffer[..length])[&15], b"BYE sip:***@192.0.2.9 SIP/2.0\r\n\r\n");
        drop(server);
        (0..100).for_each(|_| hep.send(&seen("192.0.2.9:5062", false, FlowId::UDP), "abc", &vault, false));
    }
}
