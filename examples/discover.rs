//! From a URI to a mapped address: finds the servers of `stun:stun.example.org`, races their addresses, IPv6
//! first, and prints what the first one answered.
//!
//! The library does no DNS of its own. It says what to look up, and whatever resolver the host has answers. The
//! one of the standard library knows addresses alone, so SRV records are answered with "there are none"; a host
//! with a real resolver passes on what it finds.

// An example is a host: it owns sockets, clock and threads.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::indexing_slicing)] // a receive never reports more bytes than the buffer holds

#[path = "support/mod.rs"]
mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use libstun::stun::discovery::{Answer, DiscoveredServer, LocalSocket, QuestionId, QuestionKind, targets};
use libstun::stun::{DiscoveryConfig, DiscoveryEvent, SurveyConfig, SurveyEvent};
use libstun::wire::uri::Uri;
use libstun::{Agent, Clock, Datagram, Event, FiveTuple, Machine, OperationId, SendError, Transport};
use support::{Options, Result};

const USAGE: &str = "discover [stun:host[:port]] [--seed N] [--rto MILLISECONDS]";

fn main() -> ExitCode {
    support::exit(run())
}

fn run() -> Result<()> {
    let options = Options::parse(USAGE)?;
    let clock = Clock::new();
    let mut agent = Agent::new(options.entropy()?, clock.now());
    let text = match options.names.as_slice() {
        [] => format!("stun:localhost:{}", support::embedded_server()?.port()),
        [uri] => uri.clone(),
        _ => return Err(format!("one URI at a time; usage: {USAGE}").into()),
    };
    let servers = discover(&mut agent, &clock, &text)?;
    race(&mut agent, &clock, &options, &servers).map_err(|error| format!("{text}: {error}").into())
}

/// Asks the system's resolver until the discovery has said its last word.
fn discover(agent: &mut Agent, clock: &Clock, text: &str) -> Result<Vec<DiscoveredServer>> {
    let uri = Uri::parse(text).map_err(|error| format!("{text}: {error}"))?;
    let config = DiscoveryConfig::from_uri(&uri).map_err(|error| format!("{text}: {error}"))?;
    let config = DiscoveryConfig { transports: vec![Transport::Udp], ..config };
    let id = agent.start_discovery(config, clock.now()).map_err(|error| format!("{text}: {error}"))?;
    while let Some(happened) = agent.poll_event() {
        match happened.event {
            Event::Discovery(DiscoveryEvent::Resolve { question, name, kind }) => {
                answer(agent, clock, id, question, &name, kind)
            }
            Event::Discovery(DiscoveryEvent::Servers(servers)) => return Ok(servers),
            Event::Discovery(DiscoveryEvent::Failed { reason }) => {
                return Err(format!("{text}: {reason}").into());
            }
            _ => {}
        }
    }
    Err(format!("{text}: every question was answered, and nothing came of it").into())
}

/// One look-up. It blocks; a host with other things to do asks elsewhere, and answers when it knows.
fn answer(
    agent: &mut Agent,
    clock: &Clock,
    id: OperationId,
    question: QuestionId,
    name: &str,
    kind: QuestionKind,
) {
    let found: Vec<IpAddr>;
    let answer = match kind {
        QuestionKind::A | QuestionKind::Aaaa => match (name, 0).to_socket_addrs() {
            Ok(all) => {
                // Both families come at once; the discovery takes what it has asked for.
                found = all.map(|address| address.ip()).collect();
                eprintln!("resolve {kind} of {name}: {found:?}");
                Answer::Addresses(&found)
            }
            Err(error) => {
                eprintln!("resolve {kind} of {name}: {error}");
                Answer::Failed
            }
        },
        _ => {
            eprintln!("resolve {kind} of {name}: not known to the standard library");
            Answer::NotFound
        }
    };
    // While the resolver took its time the discovery may have ended: then nobody waits for the answer.
    let _ = agent.answer_discovery(id, question, answer, clock.now());
}

/// Races the addresses until one has answered.
fn race(agent: &mut Agent, clock: &Clock, options: &Options, servers: &[DiscoveredServer]) -> Result<()> {
    let sockets = sockets()?;
    let locals: Vec<LocalSocket> = sockets.iter().map(|(_, local)| *local).collect();
    let mut config = SurveyConfig::race(targets(servers, &locals));
    config.request = options.tune(config.request);
    agent.start_survey(config, clock.now())?;

    let mut buffer = [0; 1500];
    loop {
        while let Some(transmit) = agent.poll_transmit() {
            let Some((socket, _)) = sockets.get(transmit.socket_id as usize) else { continue };
            if let Err(error) = socket.send_to(transmit.payload, transmit.path.remote) {
                let receipt = transmit.receipt();
                agent.handle_send_error(&receipt, SendError::from(&error), clock.now());
            }
        }
        while let Some(happened) = agent.poll_event() {
            let Event::Survey(event) = happened.event else { continue };
            support::report_survey(&event);
            match event {
                SurveyEvent::Finished { answered: 0, .. } => return Err("no server has answered".into()),
                SurveyEvent::Finished { .. } => return Ok(()),
                _ => {}
            }
        }
        // The standard library cannot wait for two sockets at once: a short wait for each, by turns. A host
        // has poll(2) or better.
        let deadline = clock.read_timeout(agent.poll_timeout()).unwrap_or(TURN);
        for (socket, LocalSocket { local, .. }) in &sockets {
            socket.set_read_timeout(Some(deadline.min(TURN)))?;
            match socket.recv_from(&mut buffer) {
                Ok((length, remote)) => {
                    let datagram = Datagram::new(FiveTuple::udp(*local, remote), &buffer[..length]);
                    // Nothing but STUN is spoken on these sockets: whatever else comes is dropped.
                    let _ = agent.handle_input(&datagram, clock.now());
                }
                Err(error) if support::is_passing(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        agent.handle_timeout(clock.now());
    }
}

/// A socket for each family that this machine has.
fn sockets() -> Result<Vec<(UdpSocket, LocalSocket)>> {
    let mut sockets = Vec::new();
    for any in [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)] {
        let Ok(socket) = UdpSocket::bind((any, 0)) else { continue };
        let (transport, local) = (Transport::Udp, socket.local_addr()?);
        let socket_id = u32::try_from(sockets.len())?;
        sockets.push((socket, LocalSocket { transport, local, socket_id }));
    }
    Ok(sockets)
}

/// How long to wait for one of several sockets.
const TURN: Duration = Duration::from_millis(2);
