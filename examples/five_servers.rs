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

use libstun::stun::{BindingConfig, BindingEvent};
use libstun::{Agent, Clock, Datagram, Event, FiveTuple, Machine, OperationId, SendError};
use support::{Options, Result};

const USAGE: &str = "five_servers [server[:port]]... [--seed N] [--rto MILLISECONDS]";

/// One line of the table.
struct Question {
    id: OperationId,
    server: SocketAddr,
    answer: Option<(SocketAddr, Option<Duration>)>,
}

fn main() -> ExitCode {
    support::exit(run())
}

fn run() -> Result<()> {
    let options = Options::parse(USAGE)?;
    let clock = Clock::new();
    let mut agent = Agent::new(options.entropy()?, clock.now());

    let servers = support::servers_of_one_family(&options, 5)?;
    let first = servers.first().ok_or("no server to ask")?;
    let socket = support::socket_towards(first)?;
    let local = socket.local_addr()?;

    // One agent, five operations: it tells the answers apart by transaction id, and each event carries the
    // id of the operation that it belongs to.
    let mut questions = Vec::new();
    for server in servers {
        let config = options.tune(BindingConfig::once(FiveTuple::udp(local, server)));
        let id = agent.start_binding(config, clock.now())?;
        questions.push(Question { id, server, answer: None });
    }
    drive(&mut agent, &clock, &socket, local, &mut questions)?;
    print_table(&questions)
}

/// Runs until every operation has ended: an agent without any has nothing to wait for.
fn drive(
    agent: &mut Agent,
    clock: &Clock,
    socket: &UdpSocket,
    local: SocketAddr,
    questions: &mut [Question],
) -> Result<()> {
    let mut buffer = [0; 1500];
    loop {
        while let Some(transmit) = agent.poll_transmit() {
            if let Err(error) = socket.send_to(transmit.payload, transmit.path.remote) {
                let receipt = transmit.receipt();
                agent.handle_send_error(&receipt, SendError::from(&error), clock.now());
            }
        }
        while let Some(happened) = agent.poll_event() {
            let Event::Binding(event) = happened.event else { continue };
            let Some(question) = questions.iter_mut().find(|question| question.id == happened.id) else {
                continue;
            };
            support::report(&event, question.server);
            if let BindingEvent::Mapped { address, rtt } = event {
                question.answer = Some((address, rtt));
            }
        }
        if agent.operation_count() == 0 {
            return Ok(());
        }
        socket.set_read_timeout(clock.read_timeout(agent.poll_timeout()))?;
        match socket.recv_from(&mut buffer) {
            Ok((length, remote)) => {
                let datagram = Datagram::new(FiveTuple::udp(local, remote), &buffer[..length]);
                // Nothing but STUN is spoken on this socket: whatever else comes is dropped.
                let _ = agent.handle_input(&datagram, clock.now());
            }
            Err(error) if support::is_passing(&error) => {}
            Err(error) => return Err(error.into()),
        }
        agent.handle_timeout(clock.now());
    }
}

fn print_table(questions: &[Question]) -> Result<()> {
    println!("\n{:<28} {:<28} {:>10}", "server", "mapped address", "rtt");
    for Question { server, answer, .. } in questions {
        let (mapped, rtt) = match answer {
            Some((mapped, rtt)) => (mapped.to_string(), support::millis(*rtt)),
            None => ("no answer".to_owned(), String::new()),
        };
        println!("{:<28} {mapped:<28} {rtt:>10}", server.to_string());
    }

    let mut mapped: Vec<SocketAddr> =
        questions.iter().filter_map(|question| Some(question.answer?.0)).collect();
    let answers = mapped.len();
    mapped.sort_unstable();
    mapped.dedup();
    match (answers, mapped.len()) {
        (0, _) => return Err("no server has answered".into()),
        (1, _) => println!("\nonly one server has answered: nothing to compare"),
        (_, 1) => {
            println!("\nall {answers} mapped addresses agree: the mapping does not depend on the destination")
        }
        (_, n) => println!("\n{n} different mapped addresses: the mapping depends on the destination"),
    }
    Ok(())
}
