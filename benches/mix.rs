//! What a sum of voices costs: legs of three and four against legs of two, without the kernel.
//!
//! The same rack, packets and frames; in turns in one run. Printed: processor time per leg and 20 ms frame, one packet in and one out,
//! of each, and the ratio to a relay. The kernel's own price of two packets comes on top of all of them (`play` prints it).

use media::{Channel, Command, Far, Rack, TICK, Wire, rtp};
use model::{Codec, Instant, LegId, MixId, Pcm, Random};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use toritsugi_benches::{cpu_of, load};

/// Legs of each kind.
const LEGS: u64 = 240;
const ROUNDS: usize = 3;
/// Frames of each leg in a round.
const FRAMES: usize = 4000;

/// Counts, and sends nothing.
struct Counter(u64);

impl Wire for Counter {
    fn send(&mut self, _: LegId, _: Channel, _: SocketAddr, _: &[u8]) {
        self.0 += 1;
    }
}

struct Stage {
    rack: Rack,
    now: Instant,
    phones: Vec<(LegId, SocketAddr, Codec, rtp::Sender)>,
    wire: Counter,
}

impl Stage {
    /// All legs in mixes of `size`, in both codecs by turns.
    fn new(size: u64) -> Stage {
        let mut stage =
            Stage { rack: Rack::new(Random::from_number(size)), now: Instant::from_millis(1000), phones: Vec::new(), wire: Counter(0) };
        for i in 0..LEGS {
            let (leg, at) = (LegId(i), SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000 + 2 * i as u16)));
            let codec = if i % 2 == 0 { Codec::Pcmu } else { Codec::Pcma };
            let far = Far {
                remote: at,
                remote_rtcp: at,
                written: None,
                also: None,
                codec,
                payload_type: codec.payload_type(),
                events: Some(101),
                we_send: true,
                we_receive: true,
            };
            stage.rack.handle_command(stage.now, leg, Command::Open { local: at });
            stage.rack.handle_command(stage.now, leg, Command::Connect(far));
            stage.rack.handle_command(stage.now, leg, Command::Join(MixId(i / size)));
            stage.phones.push((leg, at, codec, rtp::Sender::new(&mut Random::from_number(i))));
        }
        stage
    }

    /// Nanoseconds of this thread per leg and frame.
    fn round(&mut self, voice: &[u8]) -> f64 {
        let mut packet = [0; rtp::HEADER + media::FRAME];
        let (before, sent) = (cpu(), self.wire.0);
        for _ in 0..FRAMES {
            self.now += TICK;
            for (leg, at, codec, sender) in &mut self.phones {
                sender.frame(codec.payload_type(), voice, &mut packet);
                sender.tick();
                self.rack.handle_packet(self.now, *leg, Channel::Rtp, *at, &packet, &mut self.wire);
                self.rack.handle_tick(self.now, *leg, &mut self.wire);
            }
            while self.rack.poll_event().is_some() {}
        }
        let (used, sent) = (cpu() - before, self.wire.0 - sent);
        assert!(sent + 10 * LEGS >= LEGS * FRAMES as u64, "every leg hears something: {sent} packets");
        used.as_nanos() as f64 / (LEGS * FRAMES as u64) as f64
    }
}

fn cpu() -> Duration {
    cpu_of("mix")
}

fn main() {
    println!("{LEGS} legs of each kind, {FRAMES} frames a round, load {}", load());
    let pcm = Pcm::tone(8000, 440.0, 6000, media::FRAME);
    let mut voice = [0; media::FRAME];
    media::g711::encode_slice(Codec::Pcmu, &pcm.samples, &mut voice);
    let mut stages = [Stage::new(2), Stage::new(3), Stage::new(4)];
    let mut costs = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (stage, costs) in stages.iter_mut().zip(&mut costs) {
            costs.push(stage.round(&voice));
        }
    }
    let [two, three, four] = costs.map(|mut costs| {
        costs.sort_by(f64::total_cmp);
        costs[ROUNDS / 2]
    });
    println!("relay of two: {two:.0} ns per leg and frame");
    println!("sum of three: {three:.0} ns per leg and frame, {:.2} x of the relay", three / two);
    println!("sum of four:  {four:.0} ns per leg and frame, {:.2} x of the relay", four / two);
}
