//! Our own test phones on real sockets: one thread for all of them.

use crate::clock::Clock;
use model::{Instant, Random};
use phone::{Command, Config, Event, Output, Phone, Socket};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Which phone of an exchange, in the order they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneId(pub usize);

/// What a phone said, and when.
#[derive(Debug)]
pub struct Heard {
    /// When, on the exchange's clock.
    pub at: Instant,
    /// Which phone.
    pub phone: PhoneId,
    /// What.
    pub event: Event,
}

/// The three sockets of one phone.
pub struct PhoneSockets {
    sip: UdpSocket,
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

/// Binds the sockets of one phone on an address, each on a port of the kernel's choice, RTCP above RTP.
/// Returns them with the SIP and the RTP address, for the phone's [`Config`].
///
/// # Errors
/// When no pair of ports can be had.
pub fn bind_phone(ip: IpAddr) -> io::Result<(PhoneSockets, SocketAddr, SocketAddr)> {
    let sip = UdpSocket::bind((ip, 0))?;
    for _ in 0..64 {
        let rtp = UdpSocket::bind((ip, 0))?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 1 || port == u16::MAX - 1 {
            continue;
        }
        if let Ok(rtcp) = UdpSocket::bind((ip, port + 1)) {
            let (sip_addr, rtp_addr) = (sip.local_addr()?, rtp.local_addr()?);
            for socket in [&sip, &rtp, &rtcp] {
                socket.set_nonblocking(true)?;
            }
            return Ok((PhoneSockets { sip, rtp, rtcp }, sip_addr, rtp_addr));
        }
    }
    Err(io::Error::other("no pair of free UDP ports was found in 64 tries: close some programs and try again"))
}

/// Phones on real sockets, run by one thread.
pub struct Exchange {
    commands: SyncSender<(PhoneId, Command)>,
    heard: Receiver<Heard>,
    thread: JoinHandle<Vec<Phone>>,
}

impl Exchange {
    /// Starts the phones.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(phones: Vec<(PhoneSockets, Config)>, clock: Clock, seed: u64) -> io::Result<Exchange> {
        let (commands, inbox) = sync_channel(1024);
        let (say, heard) = channel();
        let mut random = Random::from_number(seed);
        let seats = phones.into_iter().map(|(sockets, config)| Seat { sockets, phone: Phone::new(config, random.fork()) }).collect();
        let thread = std::thread::Builder::new().name("phones".to_owned()).spawn(move || run(seats, &inbox, &say, clock))?;
        Ok(Exchange { commands, heard, thread })
    }
    /// Tells a phone what to do.
    pub fn tell(&self, phone: PhoneId, command: Command) {
        // A full inbox of 1,024 commands means a thread that is gone; its silence shows soon enough.
        let _ = self.commands.try_send((phone, command));
    }
    /// Waits for the next thing that any phone says, at most `patience`.
    pub fn listen(&self, patience: Duration) -> Option<Heard> {
        self.heard.recv_timeout(patience).ok()
    }
    /// Ends the thread and gives the phones back, with all they heard.
    pub fn finish(self) -> Vec<Phone> {
        drop(self.commands);
        self.thread.join().unwrap_or_default()
    }
}

struct Seat {
    sockets: PhoneSockets,
    phone: Phone,
}

fn run(mut seats: Vec<Seat>, inbox: &Receiver<(PhoneId, Command)>, say: &Sender<Heard>, clock: Clock) -> Vec<Phone> {
    let mut packet = vec![0; 65_535];
    loop {
        // Two milliseconds is a tenth of a frame: early enough for every phone's timer.
        match inbox.recv_timeout(Duration::from_millis(2)) {
            Ok((id, command)) => {
                if let Some(seat) = seats.get_mut(id.0) {
                    seat.phone.handle_command(clock.mono(), command);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        for (index, seat) in seats.iter_mut().enumerate() {
            let Seat { sockets, phone } = seat;
            for (kind, socket) in [(Socket::Sip, &sockets.sip), (Socket::Rtp, &sockets.rtp), (Socket::Rtcp, &sockets.rtcp)] {
                for _ in 0..64 {
                    let Ok((len, from)) = socket.recv_from(&mut packet) else { break };
                    phone.handle_packet(clock.mono(), kind, from, &packet[..len]);
                }
            }
            let now = clock.mono();
            if phone.poll_timeout().is_some_and(|at| at <= now) {
                phone.handle_timeout(now);
            }
            while let Some(output) = phone.poll_output() {
                match output {
                    Output::Send { socket, to, bytes } => {
                        let from = match socket {
                            Socket::Sip => &sockets.sip,
                            Socket::Rtp => &sockets.rtp,
                            Socket::Rtcp => &sockets.rtcp,
                        };
                        // A datagram that the kernel does not take is lost on the way, as on any network.
                        let _ = from.send_to(&bytes, to);
                    }
                    Output::Event(event) => {
                        if say.send(Heard { at: now, phone: PhoneId(index), event }).is_err() {
                            return seats.into_iter().map(|seat| seat.phone).collect();
                        }
                    }
                }
            }
        }
    }
    seats.into_iter().map(|seat| seat.phone).collect()
}
