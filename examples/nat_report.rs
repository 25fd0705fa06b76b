//! Finds out what the NAT before this machine does, and prints a report.
//!
//! ```text
//! cargo run --example nat_report -- stun.example.org
//! cargo run --example nat_report -- stun.example.org other.example.net --json
//! ```
//!
//! A server of RFC 5780 tells everything; of ordinary ones it takes two. Progress goes to stderr, the report to
//! stdout. `--lifetime` adds the slow test: how long a binding lives takes up to an hour.

// An example is a host: it owns sockets, clock and threads.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::indexing_slicing)] // a receive never reports more bytes than the buffer holds

#[path = "support/behavior.rs"]
mod behavior;
#[path = "support/mod.rs"]
mod support;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use behavior::embedded_behavior_server;
use libstun::nat::{ProbeConfig, ProbeEvent, ProbeSocket, Property, Report};
use libstun::{Agent, Clock, Datagram, Event, FiveTuple, Machine, SendError};
use support::{Options, Result};

const USAGE: &str = "nat_report [server[:port]]... [--json] [--lifetime] [--seed N]";

/// What has arrived, and on which socket.
struct Arrival {
    socket: u32,
    remote: SocketAddr,
    payload: Vec<u8>,
}

fn main() -> ExitCode {
    support::exit(run())
}

fn run() -> Result<()> {
    let options = Options::parse(USAGE)?;
    let mut servers = match options.names.is_empty().then(embedded_behavior_server) {
        Some(Ok(server)) => vec![server],
        _ => support::servers_of_one_family(&options, 2)?, // without 127.0.0.2, two ordinary ones
    };
    if servers.is_empty() {
        return Err("no server to ask".into());
    }
    let server = servers.remove(0);

    // Fresh sockets on two ports: the tests want a NAT that has not seen them before (RFC 5780 s4.1).
    let sockets = [support::socket_towards(&server)?, support::socket_towards(&server)?];
    let address = local_ip_towards(server)?;
    let described = |number: u32, socket: &UdpSocket| -> Result<ProbeSocket> {
        Ok(ProbeSocket { local: socket.local_addr()?, socket_id: number, address: Some(address) })
    };
    let mut config = ProbeConfig::new(sockets[0].local_addr()?, server);
    config.primary = described(0, &sockets[0])?;
    config.second = Some(described(1, &sockets[1])?);
    config.servers = servers;
    if options.lifetime {
        config.properties = config.properties.with(Property::Lifetime);
    }

    let report = drive(config, &sockets, &options)?;
    if options.json {
        println!("{}", report.to_json());
    } else {
        print!("{report}");
    }
    Ok(())
}

/// The loop of any host. Reading takes a thread for each socket, because the standard library cannot wait for two.
fn drive(config: ProbeConfig, sockets: &[UdpSocket; 2], options: &Options) -> Result<Report> {
    let clock = Clock::new();
    let mut agent = Agent::new(options.entropy()?, clock.now());
    let locals = [config.primary.local, config.second.map_or(config.primary.local, |second| second.local)];
    agent.start_nat_probe(config, clock.now())?;
    let arrivals = read(sockets)?;
    loop {
        while let Some(transmit) = agent.poll_transmit() {
            let socket = &sockets[transmit.socket_id as usize];
            if let Err(error) = socket.send_to(transmit.payload, transmit.path.remote) {
                let receipt = transmit.receipt();
                agent.handle_send_error(&receipt, SendError::from(&error), clock.now());
            }
        }
        while let Some(happened) = agent.poll_event() {
            match happened.event {
                Event::NatProbe(ProbeEvent::Finished(report)) => return Ok(*report),
                Event::NatProbe(progress) => eprintln!("{progress}"),
                _ => {}
            }
        }
        let wait = clock.until(agent.poll_timeout()).unwrap_or(Duration::MAX);
        match arrivals.recv_timeout(wait) {
            Ok(Arrival { socket, remote, payload }) => {
                let path = FiveTuple::udp(locals[socket as usize], remote);
                let datagram = Datagram { socket_id: socket, ..Datagram::new(path, &payload) };
                // Nothing but STUN is spoken on these sockets: whatever else comes is dropped.
                let _ = agent.handle_input(&datagram, clock.now());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("the sockets are gone".into()),
        }
        agent.handle_timeout(clock.now());
    }
}

/// Starts a reader for each socket. They end with the process.
fn read(sockets: &[UdpSocket; 2]) -> Result<Receiver<Arrival>> {
    let (sender, arrivals) = mpsc::channel();
    for (number, socket) in sockets.iter().enumerate() {
        let (socket, sender) = (socket.try_clone()?, sender.clone());
        thread::spawn(move || forward(&socket, number as u32, &sender));
    }
    Ok(arrivals)
}

fn forward(from: &UdpSocket, socket: u32, to: &Sender<Arrival>) {
    let mut buffer = vec![0; 65_536]; // padded responses are longer than an MTU
    loop {
        match from.recv_from(&mut buffer) {
            Ok((length, remote)) => {
                let payload = buffer[..length].to_vec();
                if to.send(Arrival { socket, remote, payload }).is_err() {
                    return;
                }
            }
            Err(error) if support::is_passing(&error) => {}
            Err(error) => {
                eprintln!("error: socket {socket} cannot be read: {error}");
                return;
            }
        }
    }
}

/// The address from which this machine reaches a server: connecting a UDP socket sends nothing.
fn local_ip_towards(server: SocketAddr) -> Result<IpAddr> {
    let socket = support::socket_towards(&server)?;
    socket.connect(server)?;
    Ok(socket.local_addr()?.ip())
}
