//! The stage: a rack under a clock of its own, and phones that speak to it.

use media::rtp::{Packet, Sender};
use media::{Channel, Clip, Command, Event, FRAME, Far, OnKey, Rack, TICK, Wire, dtmf, g711};
use model::{Codec, Digit, Instant, LegId, MixId, Pcm, PlayId, Random, RecordId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What left the rack.
pub(crate) struct Sent {
    pub(crate) leg: LegId,
    pub(crate) channel: Channel,
    pub(crate) to: SocketAddr,
    pub(crate) packet: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct Out {
    pub(crate) sent: Vec<Sent>,
    /// Messages, as they were written down.
    pub(crate) kept: Vec<i16>,
    /// Frames that the writer takes; `None`: as many as come.
    pub(crate) room: Option<usize>,
}

impl Wire for Out {
    fn send(&mut self, leg: LegId, channel: Channel, to: SocketAddr, packet: &[u8]) {
        self.sent.push(Sent { leg, channel, to, packet: packet.to_vec() });
    }
    fn keep(&mut self, _: RecordId, frame: &[i16; FRAME]) -> bool {
        let room = self.room.is_none_or(|room| self.kept.len() < room * FRAME);
        if room {
            self.kept.extend(frame);
        }
        room
    }
}

pub(crate) struct Desk {
    pub(crate) rack: Rack,
    pub(crate) now: Instant,
    pub(crate) out: Out,
    pub(crate) legs: Vec<LegId>,
}

impl Desk {
    pub(crate) fn new() -> Desk {
        Desk { rack: Rack::new(Random::from_number(7)), now: Instant::from_millis(1000), out: Out::default(), legs: Vec::new() }
    }

    pub(crate) fn command(&mut self, leg: LegId, command: Command) {
        self.rack.handle_command(self.now, leg, command);
    }

    /// A leg, open and connected, and the phone at its other end.
    pub(crate) fn phone(&mut self, number: u64, codec: Codec) -> Phone {
        let leg = LegId(number);
        self.command(leg, Command::Open { local: address(1, 20_000 + number as u16 * 2) });
        let phone = Phone { leg, codec, sender: Sender::new(&mut Random::from_number(number)), at: address(number as u8 + 10, 4000) };
        self.command(leg, Command::Connect(phone.far()));
        self.legs.push(leg);
        let _ = self.events();
        phone
    }

    /// 20 ms pass for everybody.
    pub(crate) fn tick(&mut self) {
        self.now += TICK;
        for leg in self.legs.clone() {
            self.rack.handle_tick(self.now, leg, &mut self.out);
        }
    }

    pub(crate) fn ticks(&mut self, count: usize) {
        for _ in 0..count {
            self.tick();
        }
    }

    pub(crate) fn hears(&mut self, leg: LegId, from: SocketAddr, packet: &[u8]) {
        self.rack.handle_packet(self.now, leg, Channel::Rtp, from, packet, &mut self.out);
    }

    pub(crate) fn events(&mut self) -> Vec<(LegId, Event)> {
        std::iter::from_fn(|| self.rack.poll_event()).collect()
    }

    /// Keys heard since the last question.
    pub(crate) fn digits(&mut self) -> String {
        self.events()
            .into_iter()
            .filter_map(|(_, event)| if let Event::Digit(digit, _) = event { Some(digit.as_char()) } else { None })
            .collect()
    }

    /// RTP packets that a phone got since the last question.
    pub(crate) fn taken(&mut self, phone: &Phone) -> Vec<Vec<u8>> {
        let (mine, rest) =
            std::mem::take(&mut self.out.sent).into_iter().partition(|sent| sent.leg == phone.leg && sent.channel == Channel::Rtp);
        self.out.sent = rest;
        let mine: Vec<Sent> = mine;
        mine.into_iter().map(|sent| sent.packet).collect()
    }

    /// What a phone heard since the last question.
    pub(crate) fn heard(&mut self, phone: &Phone) -> Vec<i16> {
        let packets = self.taken(phone);
        packets
            .iter()
            .map(|bytes| read(bytes))
            .filter(|packet| packet.payload_type == phone.codec.payload_type())
            .flat_map(|packet| packet.payload.iter().map(|byte| g711::decode(phone.codec, *byte)))
            .collect()
    }

    pub(crate) fn play(&mut self, leg: LegId, id: u64, clips: Vec<Arc<Clip>>, on_key: OnKey, repeat: bool) {
        self.command(leg, Command::Play { id: PlayId(id), clips, on_key, repeat });
    }

    pub(crate) fn join(&mut self, phones: &[&Phone], mix: u64) {
        for phone in phones {
            self.command(phone.leg, Command::Join(MixId(mix)));
        }
    }
}

/// A phone: it sends from `at`, in its codec, with keys at payload type 101.
pub(crate) struct Phone {
    pub(crate) leg: LegId,
    pub(crate) codec: Codec,
    pub(crate) sender: Sender,
    pub(crate) at: SocketAddr,
}

impl Phone {
    pub(crate) fn far(&self) -> Far {
        Far {
            remote: self.at,
            remote_rtcp: SocketAddr::new(self.at.ip(), self.at.port() + 1),
            written: None,
            also: None,
            codec: self.codec,
            payload_type: self.codec.payload_type(),
            events: Some(101),
            we_send: true,
            we_receive: true,
        }
    }

    /// One packet of sound, as long as it is.
    pub(crate) fn sound(&mut self, samples: &[i16]) -> Vec<u8> {
        let mut payload = vec![0; samples.len()];
        g711::encode_slice(self.codec, samples, &mut payload);
        let mut out = [0; 1500];
        let length = self.sender.frame(self.codec.payload_type(), &payload, &mut out);
        out[..length].to_vec()
    }

    pub(crate) fn silence(&mut self) -> Vec<u8> {
        self.sound(&[0; FRAME])
    }

    /// All packets of a press; the stream's clock runs on for as long as they take.
    pub(crate) fn press(&mut self, key: char, hold: Duration) -> Vec<Vec<u8>> {
        let mut press = dtmf::Press::new(Digit::from_char(key).unwrap(), self.sender.timestamp(), hold);
        let mut packets = Vec::new();
        while let Some(part) = press.next_part() {
            let mut out = [0; 100];
            let length = self.sender.event(101, &part, &mut out);
            packets.push(out[..length].to_vec());
            self.sender.tick();
        }
        packets
    }
}

pub(crate) fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], port))
}

pub(crate) fn read(bytes: &[u8]) -> Packet<'_> {
    Packet::read(bytes).expect("we send RTP")
}

pub(crate) fn tone(hz: f64, samples: usize) -> Arc<Clip> {
    Arc::new(Clip::encode(&Pcm::tone(8000, hz, 8000, samples)).unwrap())
}

/// Sequence numbers without gap, timestamps on the 20 ms grid.
pub(crate) fn assert_seamless(packets: &[Vec<u8>]) {
    for pair in packets.windows(2) {
        let (before, after) = (read(&pair[0]), read(&pair[1]));
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        assert_eq!(after.timestamp, before.timestamp.wrapping_add(160));
    }
}
