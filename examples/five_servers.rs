//! Asks five servers from one socket, and compares what they saw.
//!
//! A NAT that gives one socket the same public address whomever it talks to ("endpoint-independent mapping",
//! RFC 4787 s4.1) is one that peers can be told about: hole punching works. If the answers differ, the
//! address is good for that one server only, and peers need a relay.

// An example is a host: it owns sockets, clock and threads.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::indexing_slicing)] // a receive never reports more bytes than the buffer holds

#[path = "support/mod.rs"]
mod support;

use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use libstun::stun::survey::{ObservedMapping, SurveyTarget};
use libstun::stun::{ServerSurvey, SurveyConfig, SurveyEvent};
use libstun::{Clock, Datagram, FiveTuple, Machine, SendError};
use support::{Options, Result};

const USAGE: &str = "five_servers [server[:port]]... [--seed N] [--rto MILLISECONDS]";

/// One line of the table.
struct Line {
    server: SocketAddr,
    answer: Option<(SocketAddr, Option<Duration>)>,
}

fn main() -> ExitCode {
    support::exit(run())
}

fn run() -> Result<()> {
    let options = Options::parse(USAGE)?;
    let clock = Clock::new();
    let servers = support::servers_of_one_family(&options, 5)?;
    let socket = support::socket_towards(servers.first().ok_or("no server to ask")?)?;
    let local = socket.local_addr()?;

    // One survey, five servers: a dead one neither delays nor fails the others. It is a machine like every
    // other, and needs no agent when nothing else is on the socket.
    let targets = servers.iter().map(|server| SurveyTarget::new(FiveTuple::udp(local, *server))).collect();
    let mut config = SurveyConfig::all(targets);
    config.request = options.tune(config.request);
    let mut survey = ServerSurvey::new(config, options.entropy()?, clock.now())?;

    let mut table: Vec<Line> = servers.into_iter().map(|server| Line { server, answer: None }).collect();
    let mapping = drive(&mut survey, &clock, &socket, local, &mut table)?;
    print_table(&table, mapping)
}

/// Runs until the survey has finished, and returns what it has found out about the mapping.
fn drive(
    survey: &mut ServerSurvey,
    clock: &Clock,
    socket: &UdpSocket,
    local: SocketAddr,
    table: &mut [Line],
) -> Result<ObservedMapping> {
    let mut buffer = [0; 1500];
    loop {
        while let Some(transmit) = survey.poll_transmit() {
            if let Err(error) = socket.send_to(transmit.payload, transmit.path.remote) {
                let receipt = transmit.receipt();
                survey.handle_send_error(&receipt, SendError::from(&error), clock.now());
            }
        }
        while let Some(event) = survey.poll_event() {
            support::report_survey(&event);
            match event {
                SurveyEvent::Mapped { target, address, rtt, .. } => {
                    if let Some(line) = table.get_mut(target) {
                        line.answer = Some((address, rtt));
                    }
                }
                SurveyEvent::Finished { mapping, .. } => return Ok(mapping),
                _ => {}
            }
        }
        socket.set_read_timeout(clock.read_timeout(survey.poll_timeout()))?;
        match socket.recv_from(&mut buffer) {
            Ok((length, remote)) => {
                let datagram = Datagram::new(FiveTuple::udp(local, remote), &buffer[..length]);
                // Nothing but STUN is spoken on this socket: whatever else comes is dropped.
                let _ = survey.handle_input(&datagram, clock.now());
            }
            Err(error) if support::is_passing(&error) => {}
            Err(error) => return Err(error.into()),
        }
        survey.handle_timeout(clock.now());
    }
}

fn print_table(table: &[Line], mapping: ObservedMapping) -> Result<()> {
    println!("\n{:<28} {:<28} {:>10}", "server", "mapped address", "rtt");
    for Line { server, answer } in table {
        let (mapped, rtt) = match answer {
            Some((mapped, rtt)) => (mapped.to_string(), support::millis(*rtt)),
            None => ("no answer".to_owned(), String::new()),
        };
        println!("{:<28} {mapped:<28} {rtt:>10}", server.to_string());
    }

    let answers = table.iter().filter(|line| line.answer.is_some()).count();
    match (answers, mapping) {
        (0, _) => return Err("no server has answered".into()),
        (1, _) => println!("\nonly one server has answered: nothing to compare"),
        (_, ObservedMapping::SameEverywhere) => println!("\nall {answers} mapped addresses agree: {mapping}"),
        (_, ObservedMapping::DependsOnDestination { .. }) => println!("\n{mapping}"),
        // As on loopback. A NAT may still map by the server's IP address.
        _ => println!("\nall {answers} mapped addresses agree, as those of one IP address may: {mapping}"),
    }
    Ok(())
}
