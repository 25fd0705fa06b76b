//! Asks a STUN server for this host's public address, under tokio.
//!
//! Compare with `binding_blocking`: the core is the same, and so is every byte and every event (run both
//! with `--trace --seed 7`). Only the way of waiting differs, and it is the only `await` that matters.

// An example is a host: it owns sockets, clock and threads.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::indexing_slicing)] // a receive never reports more bytes than the buffer holds

#[path = "support/mod.rs"]
mod support;

use std::future;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use libstun::stun::BindingConfig;
use libstun::{Agent, Datagram, Entropy, Event, FiveTuple, Instant, Machine, SendError};
use support::{Options, Result, Trace};
use tokio::net::UdpSocket;
use tokio::time;

const USAGE: &str = "binding_tokio [server[:port]] [--trace] [--seed N] [--rto MILLISECONDS]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    support::exit(run().await)
}

async fn run() -> Result<()> {
    let options = Options::parse(USAGE)?;
    let clock = TokioClock(time::Instant::now());
    let mut entropy = options.entropy()?;
    // IPv4 and IPv6 are two networks with two public addresses: ask in each. One answer is a success.
    let mut is_answered = false;
    for server in support::servers(&options, 1)? {
        match ask(entropy.fork(), clock, server, &options).await {
            Ok(answer) => is_answered |= answer.is_some(),
            Err(error) => eprintln!("cannot ask {server}: {error}"),
        }
    }
    if is_answered { Ok(()) } else { Err("no server has answered".into()) }
}

/// Drives an agent until the binding to `server` has said its last word. The agent goes with the socket that
/// it was made for.
async fn ask(
    entropy: Entropy,
    clock: TokioClock,
    server: SocketAddr,
    options: &Options,
) -> Result<Option<SocketAddr>> {
    let trace = Trace(options.trace);
    let socket = support::socket_towards(&server)?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket)?;
    let local = socket.local_addr()?;
    let mut agent = Agent::new(entropy, clock.now());
    let config = options.tune(BindingConfig::once(FiveTuple::udp(local, server)));
    agent.start_binding(config, clock.now())?;

    let mut buffer = [0; 1500]; // more than any STUN message; a longer datagram arrives cut and is no STUN
    loop {
        while let Some(transmit) = agent.poll_transmit() {
            trace.sent(&transmit);
            // A failed send is told to the agent, which knows whether that is the end or only a lost packet.
            if let Err(error) = socket.send_to(transmit.payload, transmit.path.remote).await {
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

        // Both arms may be dropped half-way: a receive that was cancelled has taken no datagram.
        tokio::select! {
            received = socket.recv_from(&mut buffer) => match received {
                Ok((length, remote)) => {
                    let datagram = Datagram::new(FiveTuple::udp(local, remote), &buffer[..length]);
                    let outcome = agent.handle_input(&datagram, clock.now());
                    trace.received(&datagram, &outcome);
                }
                Err(error) if support::is_passing(&error) => {}
                Err(error) => return Err(error.into()),
            },
            () = clock.sleep_until(agent.poll_timeout()) => {}
        }

        // After input as well: the select may prefer the socket for ever. An early call changes nothing.
        agent.handle_timeout(clock.now());
    }
}

/// Tokio's clock as the machines count it: nanoseconds since an origin that means nothing. On tokio's own
/// clock, a test that pauses time (`tokio::time::pause`) pauses the machines too.
#[derive(Clone, Copy)]
struct TokioClock(time::Instant);

impl TokioClock {
    fn now(self) -> Instant {
        Instant::ZERO.saturating_add(self.0.elapsed())
    }

    async fn sleep_until(self, deadline: Option<Instant>) {
        match deadline.and_then(|at| self.0.checked_add(Duration::from_nanos(at.as_nanos()))) {
            Some(at) => time::sleep_until(at).await,
            None => future::pending().await,
        }
    }
}
