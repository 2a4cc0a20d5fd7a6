//! A session description as values: the part of RFC 8866 that a telephone call needs.

use std::net::IpAddr;

/// A session description, read and within bounds; what it means for us is decided by [`crate::answer`] and [`crate::accept`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// `t=`, start and stop; an answer repeats it (RFC 3264 section 6). Zero and zero on the telephone.
    pub time: (u64, u64),
    /// `c=` for all media that have none of their own.
    pub connection: Option<Connection>,
    /// The direction of all media that have none of their own.
    pub direction: Option<Direction>,
    /// `a=ptime` for all media that have none of their own, in milliseconds.
    pub ptime_ms: Option<u16>,
    /// The `m=` lines in order, at most 8.
    pub media: Vec<Media>,
}

/// One `m=` line and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, `image`, ..
    pub kind: String,
    /// Where its RTP is received; 0 means that it is refused or switched off.
    pub port: u16,
    /// The profile, such as `RTP/AVP`.
    pub transport: String,
    /// Its formats, most preferred first, 1 to 64.
    pub formats: Vec<Format>,
    /// Its own `c=`.
    pub connection: Option<Connection>,
    /// Its own direction.
    pub direction: Option<Direction>,
    /// `a=ptime`, in milliseconds.
    pub ptime_ms: Option<u16>,
    /// `a=rtcp`.
    pub rtcp: Option<Rtcp>,
}

/// One format of a media: for RTP, a payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// As written.
    pub token: String,
    /// `a=rtpmap`, the first one wins.
    pub mapping: Option<Mapping>,
    /// `a=fmtp`, the first one wins, without the payload type.
    pub parameters: Option<String>,
}

impl Format {
    /// The RTP payload type, 0 to 127.
    pub fn payload_type(&self) -> Option<u8> {
        self.token.parse().ok().filter(|pt| *pt < 128)
    }
}

/// What a payload type stands for: `a=rtpmap:<pt> <name>/<rate>[/<channels>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The encoding's name; compared without regard to case (RFC 4855 section 3).
    pub name: String,
    /// Clock rate in Hz.
    pub rate: u32,
    /// Channels; 1 if not written.
    pub channels: u8,
}

/// Where a `c=` line points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// To an address.
    Address(IpAddr),
    /// To a name, or to a network that is not the internet: nothing that we can send to.
    Elsewhere,
}

/// `a=rtcp` (RFC 3605): RTCP that is not at the next port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtcp {
    /// Where it is received.
    pub port: u16,
    /// At another address than the media.
    pub address: Option<IpAddr>,
}

/// Which way the sound goes, as the writer of the description sees it (RFC 8866 section 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// The writer only sends: we are on hold.
    SendOnly,
    /// The writer only receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The word of the attribute.
    pub const fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
    /// From what the writer does.
    pub const fn of(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
    /// Whether the writer sends.
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }
    /// Whether the writer receives.
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
}
