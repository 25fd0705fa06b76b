//! One UDP socket for STUN and for a protocol of your own, here lines of `PING n` and `PONG n`.
//!
//! They must share it: the public address that STUN learns belongs to this socket alone. Each datagram is
//! offered to the agent first; what the agent does not claim is the next protocol's, and each protocol has
//! its deadline, of which the earlier one bounds the wait.

// An example is a host: it owns sockets, clock and threads.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::indexing_slicing)] // a receive never reports more bytes than the buffer holds

#[path = "support/mod.rs"]
mod support;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::str;
use std::thread;
use std::time::Duration;

use libstun::stun::BindingConfig;
use libstun::{Agent, Clock, Datagram, Event, FiveTuple, Instant, Machine, Outcome, SendError};
use support::{Options, Result};

const USAGE: &str = "shared_socket [server[:port]] [--seed N] [--rto MILLISECONDS]";

fn main() -> ExitCode {
    support::exit(run())
}

fn run() -> Result<()> {
    let options = Options::parse(USAGE)?;
    let clock = Clock::new();
    let mut agent = Agent::new(options.entropy()?, clock.now());
    let server = *support::servers(&options, 1)?.first().ok_or("no server to ask")?;
    let socket = support::socket_towards(&server)?;
    let local = socket.local_addr()?;
    // `new`, not `once`: a socket in use wants its NAT binding kept alive for as long as it lives.
    agent.start_binding(options.tune(BindingConfig::new(FiveTuple::udp(local, server))), clock.now())?;
    let mut pings = Pings::new(spawn_peer(local.is_ipv4())?, clock.now());

    let mut is_mapped = false;
    let mut buffer = [0; 1500];
    loop {
        while let Some(transmit) = agent.poll_transmit() {
            if let Err(error) = socket.send_to(transmit.payload, transmit.path.remote) {
                let receipt = transmit.receipt();
                agent.handle_send_error(&receipt, SendError::from(&error), clock.now());
            }
        }
        while let Some((line, peer)) = pings.poll_transmit(clock.now()) {
            let _ = socket.send_to(line.as_bytes(), peer); // a lost line: it is due again in a second
        }
        while let Some(happened) = agent.poll_event() {
            let Event::Binding(event) = happened.event else { continue };
            is_mapped |= support::report(&event, server).is_some();
            if agent.operation_count() == 0 {
                return Err("the binding has ended".into());
            }
        }
        // Ask this between draining and waiting: the last thing may just have happened.
        if is_mapped && pings.is_done() {
            return Ok(());
        }

        let deadline = agent.poll_timeout().into_iter().chain(pings.deadline()).min();
        socket.set_read_timeout(clock.read_timeout(deadline))?;
        match socket.recv_from(&mut buffer) {
            Ok((length, remote)) => {
                let datagram = Datagram::new(FiveTuple::udp(local, remote), &buffer[..length]);
                match agent.handle_input(&datagram, clock.now()) {
                    Outcome::Consumed => {}
                    Outcome::Unclaimed => pings.handle_input(datagram.payload, remote),
                    // Through a relay, the path inside tells who the peer is. The line is the same.
                    Outcome::Unwrapped(inner) => pings.handle_input(inner.payload, inner.path.remote),
                }
            }
            Err(error) if support::is_passing(&error) => {}
            Err(error) => return Err(error.into()),
        }
        agent.handle_timeout(clock.now());
    }
}

/// The other protocol: asks the peer three times, and again each second until it answers.
struct Pings {
    peer: SocketAddr,
    number: u32,
    due: Instant,
}

impl Pings {
    const COUNT: u32 = 3;
    const INTERVAL: Duration = Duration::from_secs(1);

    fn new(peer: SocketAddr, now: Instant) -> Self {
        Self { peer, number: 1, due: now }
    }

    fn is_done(&self) -> bool {
        self.number > Self::COUNT
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.is_done()).then_some(self.due)
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<(String, SocketAddr)> {
        if self.is_done() || now < self.due {
            return None;
        }
        self.due = now.saturating_add(Self::INTERVAL);
        Some((format!("PING {}", self.number), self.peer))
    }

    fn handle_input(&mut self, payload: &[u8], remote: SocketAddr) {
        let line = str::from_utf8(payload).unwrap_or("");
        if remote == self.peer && line == format!("PONG {}", self.number) {
            println!("{line}  from {remote}");
            self.number = self.number.saturating_add(1);
            self.due = Instant::ZERO; // the next one at once
        }
    }
}

/// The peer: on a socket of its own, turns every `PING` into a `PONG`.
fn spawn_peer(is_ipv4: bool) -> io::Result<SocketAddr> {
    let socket =
        if is_ipv4 { UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))? } else { UdpSocket::bind("[::1]:0")? };
    let address = socket.local_addr()?;
    thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((length, remote)) = socket.recv_from(&mut buffer) {
            if let Some(number) = buffer[..length].strip_prefix(b"PING ") {
                let _ = socket.send_to(&[b"PONG ", number].concat(), remote);
            }
        }
    });
    Ok(address)
}
