//! Asks a STUN server for this host's public address, with a blocking socket of the standard library.
//!
//! The loop below is the whole of what a host does, and it stays the same for every usage of the library:
//! send what is to be sent, look at what happened, wait for input or for the deadline, tell the agent.

// An example is a host: it owns sockets, clock and threads.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::indexing_slicing)] // a receive never reports more bytes than the buffer holds

#[path = "support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::process::ExitCode;

use libstun::stun::BindingConfig;
use libstun::{Agent, Clock, Datagram, Entropy, Event, FiveTuple, Machine, SendError};
use support::{Options, Result, Trace};

const USAGE: &str = "binding_blocking [server[:port]] [--trace] [--seed N] [--rto MILLISECONDS]";

fn main() -> ExitCode {
    support::exit(run())
}

fn run() -> Result<()> {
    let options = Options::parse(USAGE)?;
    let clock = Clock::new();
    let mut entropy = options.entropy()?;
    // IPv4 and IPv6 are two networks with two public addresses: ask in each. One answer is a success.
    let mut is_answered = false;
    for server in support::servers(&options, 1)? {
        match ask(entropy.fork(), &clock, server, &options) {
            Ok(answer) => is_answered |= answer.is_some(),
            Err(error) => eprintln!("cannot ask {server}: {error}"),
        }
    }
    if is_answered { Ok(()) } else { Err("no server has answered".into()) }
}

/// Drives an agent until the binding to `server` has said its last word. The agent goes with the socket that
/// it was made for.
fn ask(entropy: Entropy, clock: &Clock, server: SocketAddr, options: &Options) -> Result<Option<SocketAddr>> {
    let trace = Trace(options.trace);
    let socket = support::socket_towards(&server)?;
    let local = socket.local_addr()?;
    let mut agent = Agent::new(entropy, clock.now());
    let config = options.tune(BindingConfig::once(FiveTuple::udp(local, server)));
    agent.start_binding(config, clock.now())?;

    let mut buffer = [0; 1500]; // more than any STUN message; a longer datagram arrives cut and is no STUN
    loop {
        while let Some(transmit) = agent.poll_transmit() {
            trace.sent(&transmit);
            // A failed send is told to the agent, which knows whether that is the end or only a lost packet.
            if let Err(error) = socket.send_to(transmit.payload, transmit.path.remote) {
                let receipt = transmit.receipt();
                agent.handle_send_error(&receipt, SendError::from(&error), clock.now());
            }
        }

        // A binding that asks once gives one event. Others end with `Failed`.
        if let Some(happened) = agent.poll_event() {
            let Event::Binding(event) = happened.event else { continue };
            trace.event(&event);
            return Ok(support::report(&event, server));
        }

        // Read the deadline after draining: while output is queued, it is in the past.
        socket.set_read_timeout(clock.read_timeout(agent.poll_timeout()))?;
        match socket.recv_from(&mut buffer) {
            Ok((length, remote)) => {
                let datagram = Datagram::new(FiveTuple::udp(local, remote), &buffer[..length]);
                let outcome = agent.handle_input(&datagram, clock.now());
                trace.received(&datagram, &outcome);
            }
            Err(error) if support::is_passing(&error) => {}
            Err(error) => return Err(error.into()),
        }

        // After input as well: under a flood of it, a read never times out. An early call changes nothing.
        agent.handle_timeout(clock.now());
    }
}
