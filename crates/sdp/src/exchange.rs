//! Offer and answer (RFC 3264): what we offer, how we answer, and what was agreed.
//!
//! Pure functions. One audio stream, one codec chosen (so that nobody changes it mid-call), telephone keys as
//! `telephone-event` whenever the other side knows them, 20 ms a packet from us.

use crate::{Connection, Description, Direction, Format, Media, Refusal};
use bytes::Bytes;
use model::Codec;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// The payload type of telephone keys in our own offers: dynamic, and the one that most phones use themselves.
const EVENTS_OURS: u8 = 101;
/// Milliseconds of sound in each packet that we send.
const PTIME_MS: u16 = 20;

/// What we can do on one leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Where we receive RTP; RTCP at the next port.
    pub addr: SocketAddr,
    /// Our codecs, preferred first; at least one.
    pub codecs: Vec<Codec>,
    /// Session id of `o=`: the same for all descriptions of one dialog.
    pub session: u64,
    /// Version of `o=`: one more for each changed description of the dialog (RFC 3264 section 8).
    pub version: u64,
}

/// What both sides agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// Where they receive RTP. Unspecified (`0.0.0.0`) when they hold us the old way; then `we_send` is false.
    pub remote: SocketAddr,
    /// Where they receive RTCP.
    pub remote_rtcp: SocketAddr,
    /// The codec, both ways.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of telephone keys, if both know them.
    pub events: Option<u8>,
    /// Milliseconds of sound that they like in a packet (20 if not said). We send 20 all the same, which every phone takes.
    pub ptime_ms: u16,
    /// The address that they wrote, where the host of `remote` only stands for it ([`Agreed::seen_from`]).
    pub written: Option<IpAddr>,
    /// Another host that the sound may come from, if it shows itself ([`Agreed::seen_from`]).
    pub also: Option<IpAddr>,
    /// Whether we may send; false while they hold us.
    pub we_send: bool,
    /// Whether they will send.
    pub we_receive: bool,
}

impl Agreed {
    /// The same for a phone behind a NAT: it wrote an address that only its own house can reach, so the one that its SIP
    /// came from takes its place. If that is such an address too, both may be of one house, where sound and SIP have machines of their own: what
    /// was written is believed, and the other one may show itself. Anything else is left as it is.
    #[must_use]
    pub fn seen_from(mut self, sip: IpAddr) -> Agreed {
        let (sip, written) = (sip.to_canonical(), self.remote.ip());
        for described in [&mut self.remote, &mut self.remote_rtcp] {
            let ip = described.ip();
            if ip == sip || ip.is_ipv4() != sip.is_ipv4() || !private(ip) || ip.is_unspecified() {
                continue;
            }
            if private(sip) && ip.is_loopback() == sip.is_loopback() {
                self.also = Some(sip);
            } else {
                described.set_ip(sip);
            }
        }
        if written != self.remote.ip() {
            self.written = Some(written);
        }
        self
    }
}

/// Our answer, and what it settles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The description to send.
    pub sdp: Bytes,
    /// What it means.
    pub agreed: Agreed,
}

/// Answers their offer: the first usable audio, in the first of *their* codecs that is one of ours. All their `m=` lines
/// are mirrored in order, the others refused with port 0 (RFC 3264 section 6).
///
/// # Errors
/// [`Refusal::NoAudio`], [`Refusal::NoCommonCodec`] or [`Refusal::Unusable`], the most telling one of all their audio.
pub fn answer(offer: &Description, ours: &Capabilities) -> Result<Answer, Refusal> {
    let mut refusal = Refusal::NoAudio;
    let mut chosen = None;
    for (index, media) in offer.media.iter().enumerate() {
        match agree(offer, media, ours) {
            Ok(agreed) => {
                chosen = Some((index, agreed));
                break;
            }
            Err(Refusal::NoAudio) => {}
            Err(why) => refusal = why,
        }
    }
    let (index, agreed) = chosen.ok_or(refusal)?;
    let mut text = head(ours, offer.time);
    for (i, media) in offer.media.iter().enumerate() {
        if i == index {
            audio(&mut text, ours.addr.port(), &[(agreed.payload_type, agreed.codec)], agreed.events);
            line(&mut text, format_args!("a={}", Direction::of(agreed.we_send, agreed.we_receive).name()));
        } else {
            let format = media.formats.first().map_or("0", |f| f.token.as_str());
            line(&mut text, format_args!("m={} 0 {} {format}", media.kind, media.transport));
        }
    }
    Ok(Answer { sdp: text.into(), agreed })
}

/// Our offer: all our codecs and telephone keys, both ways.
pub fn offer(ours: &Capabilities) -> Bytes {
    offer_of(ours, Direction::SendRecv)
}

/// The same in one direction, as we see it: `SendOnly` puts the other side on hold (RFC 3264 section 8.4).
pub fn offer_of(ours: &Capabilities, direction: Direction) -> Bytes {
    let mut text = head(ours, (0, 0));
    let codecs: Vec<_> = ours.codecs.iter().map(|codec| (codec.payload_type(), *codec)).collect();
    audio(&mut text, ours.addr.port(), &codecs, Some(EVENTS_OURS));
    line(&mut text, format_args!("a={}", direction.name()));
    text.into()
}

/// Reads their answer to our [`offer`].
///
/// # Errors
/// [`Refusal::NoAudio`] when they refused it, [`Refusal::NoCommonCodec`] when they answer with codecs that we did not
/// offer, [`Refusal::Unusable`].
pub fn accept(answer: &Description, ours: &Capabilities) -> Result<Agreed, Refusal> {
    // RFC 3264 section 6: an answer has the same m= lines in the same order; ours has one.
    let media = answer.media.first().ok_or(Refusal::NoAudio)?;
    agree(answer, media, ours)
}

/// What one of their media comes to. Offer and answer alike say what their writer will do, so both read the same way.
fn agree(theirs: &Description, media: &Media, ours: &Capabilities) -> Result<Agreed, Refusal> {
    if media.kind != "audio" || media.port == 0 {
        return Err(Refusal::NoAudio);
    }
    if !media.transport.eq_ignore_ascii_case("RTP/AVP") {
        return Err(Refusal::Unusable("its profile is not RTP/AVP; let the phone offer audio without encryption"));
    }
    let (codec, payload_type) = media.formats.iter().find_map(|f| codec(f, &ours.codecs)).ok_or(Refusal::NoCommonCodec)?;
    let ip = match media.connection.or(theirs.connection) {
        Some(Connection::Address(ip)) => ip,
        Some(Connection::Elsewhere) => return Err(Refusal::Unusable("c= is not an IP address; let the phone write its address")),
        None => return Err(Refusal::Unusable("no c= line says where to send")),
    };
    let remote = SocketAddr::new(ip, media.port);
    // RFC 3264 section 8.4: 0.0.0.0 is how RFC 2543 put a call on hold. They may still send us music.
    let old_hold = ip.is_unspecified();
    if !old_hold {
        reachable(remote, ours)?;
    }
    let next = SocketAddr::new(ip, media.port.checked_add(1).unwrap_or(media.port));
    let remote_rtcp = match media.rtcp {
        Some(rtcp) if !old_hold => {
            let said = SocketAddr::new(rtcp.address.unwrap_or(ip), rtcp.port);
            reachable(said, ours)?;
            said
        }
        _ => next,
    };
    let direction = media.direction.or(theirs.direction).unwrap_or(Direction::SendRecv);
    Ok(Agreed {
        remote,
        remote_rtcp,
        codec,
        payload_type,
        events: media.formats.iter().find_map(|f| events(f).filter(|pt| *pt != payload_type)),
        ptime_ms: media.ptime_ms.or(theirs.ptime_ms).unwrap_or(PTIME_MS),
        written: None,
        also: None,
        we_send: direction.receives() && !old_hold,
        we_receive: direction.sends(),
    })
}

/// Which of our codecs a format is, by its mapping or, for want of one, by the static payload type (RFC 3551 section 6).
fn codec(format: &Format, ours: &[Codec]) -> Option<(Codec, u8)> {
    let payload_type = format.payload_type()?;
    let codec = ours.iter().copied().find(|codec| match &format.mapping {
        Some(m) => m.name.eq_ignore_ascii_case(codec.name()) && m.rate == codec.rate() && m.channels == 1,
        None => payload_type == codec.payload_type(),
    })?;
    Some((codec, payload_type))
}

/// The payload type of telephone keys, if this format is that.
fn events(format: &Format) -> Option<u8> {
    let mapping = format.mapping.as_ref()?;
    let is = mapping.name.eq_ignore_ascii_case("telephone-event") && mapping.rate == 8000;
    (is && keys(format.parameters.as_deref())).then(|| format.payload_type()).flatten()
}

/// Whether the list of events has the twelve keys of a telephone (0 to 11); no list means 0 to 15 (RFC 4733 section 2.4.1).
fn keys(parameters: Option<&str>) -> bool {
    let Some(list) = parameters else { return true };
    let ranges: Vec<(u8, u8)> = list
        .trim_start_matches("events=")
        .split(',')
        .filter_map(|part| {
            let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
            Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
        })
        .collect();
    // A list that cannot be read says nothing against the keys.
    ranges.is_empty() || (0..12).all(|key| ranges.iter().any(|(first, last)| (*first..=*last).contains(&key)))
}

/// Whether RTP may be sent there at all.
fn reachable(remote: SocketAddr, ours: &Capabilities) -> Result<(), Refusal> {
    let ip = remote.ip();
    if ip.is_unspecified() {
        return Err(Refusal::Unusable("its address is unspecified"));
    }
    // A call is between two; a group address would make us shout at a whole network.
    if ip.is_multicast() {
        return Err(Refusal::Unusable("its address is multicast"));
    }
    if matches!(ip, IpAddr::V4(v4) if v4.is_broadcast()) {
        return Err(Refusal::Unusable("its address is broadcast"));
    }
    if ip.is_ipv4() != ours.addr.ip().to_canonical().is_ipv4() {
        return Err(Refusal::Unusable("its address is of the other IP version than ours"));
    }
    if remote == ours.addr {
        return Err(Refusal::Ours);
    }
    Ok(())
}

/// Addresses that mean something only inside a house (RFC 1918, 6598, 3927, 4193) or a machine.
fn private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn head(ours: &Capabilities, time: (u64, u64)) -> String {
    let ip = ours.addr.ip().to_canonical();
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let mut text = String::with_capacity(512);
    line(&mut text, format_args!("v=0"));
    line(&mut text, format_args!("o=- {} {} IN {family} {ip}", ours.session, ours.version));
    line(&mut text, format_args!("s=-"));
    line(&mut text, format_args!("c=IN {family} {ip}"));
    line(&mut text, format_args!("t={} {}", time.0, time.1));
    text
}

fn audio(text: &mut String, port: u16, codecs: &[(u8, Codec)], events: Option<u8>) {
    let mut formats = String::new();
    for payload_type in codecs.iter().map(|(pt, _)| *pt).chain(events) {
        let _ = write!(formats, " {payload_type}");
    }
    line(text, format_args!("m=audio {port} RTP/AVP{formats}"));
    for (payload_type, codec) in codecs {
        line(text, format_args!("a=rtpmap:{payload_type} {}/{}", codec.name(), codec.rate()));
    }
    if let Some(payload_type) = events {
        line(text, format_args!("a=rtpmap:{payload_type} telephone-event/8000"));
        line(text, format_args!("a=fmtp:{payload_type} 0-15"));
    }
    line(text, format_args!("a=ptime:{PTIME_MS}"));
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = text.write_fmt(arguments);
    text.push_str("\r\n");
}
