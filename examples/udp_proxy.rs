//! A UDP proxy through a TURN relay: what local programs send to one address goes to a peer by way of the relay, and
//! what the peer answers goes back to whoever sent last.
//!
//! ```text
//!   program <--> --listen | udp_proxy | <--> --server, relayed address <--> --to
//! ```
//!
//! No payload is copied on the way: outward it is received behind some headroom, into which the relay's header is
//! written, and inward it is a slice of what the server has sent.

// An example is a host: it owns sockets, clock and threads.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::indexing_slicing)] // a receive never reports more bytes than the buffer holds

#[path = "support/mod.rs"]
mod support;

#[path = "support/progress.rs"]
mod progress;

use std::future;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use libstun::agent::OperationId;
use libstun::auth::LongTerm;
use libstun::stun::{BindingConfig, BindingEvent};
use libstun::turn::{
    AllocationConfig, AllocationEvent, IpRange, MAX_HEADROOM, MAX_TAILROOM, PeerPolicy, RelayFamily,
};
use libstun::{Agent, Clock, Datagram, Event, FiveTuple, Instant, Machine, Outcome, SendError};
use progress::Progress;
use support::{Options, Result};
use tokio::net::UdpSocket;
use tokio::time::{self, MissedTickBehavior};

const USAGE: &str = "udp_proxy [--user NAME] [--password PASSWORD] [--server HOST:PORT] [--listen ADDRESS:PORT] \
    [--to ADDRESS:PORT] [--for SECONDS] [--packets N] [--seed N]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    support::exit(run().await)
}

async fn run() -> Result<()> {
    let options = Options::parse(USAGE)?;
    let mut proxy = Proxy::open(&options).await?;
    let mut stop = pin!(stop(options.limit));
    let mut ticks = time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut outbound = vec![0; MAX_HEADROOM + MAX_PAYLOAD + MAX_TAILROOM];
    let mut inbound = vec![0; MAX_HEADROOM + MAX_PAYLOAD];
    loop {
        proxy.flush().await;
        if proxy.look_at_events().await? {
            proxy.progress.end();
            println!("closed");
            return Ok(());
        }
        if !proxy.is_closing && options.packets.is_some_and(|limit| proxy.progress.packets_in >= limit) {
            proxy.close();
            continue;
        }
        // Every arm may be dropped half-way: a receive that was cancelled has taken no datagram.
        tokio::select! {
            received = proxy.listening.recv_from(&mut outbound[MAX_HEADROOM..MAX_HEADROOM + MAX_PAYLOAD]) => {
                match received {
                    Ok((length, from)) => proxy.outward(&mut outbound, length, from).await,
                    Err(error) if support::is_passing(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            received = proxy.socket.recv_from(&mut inbound) => match received {
                Ok((length, from)) => proxy.inward(&inbound[..length], from).await,
                Err(error) if support::is_passing(&error) => {}
                Err(error) => return Err(error.into()),
            },
            () = sleep_until(&proxy.clock, proxy.agent.poll_timeout()) => {}
            _ = ticks.tick() => proxy.progress.show(),
            () = &mut stop, if !proxy.is_closing => proxy.close(),
        }
        proxy.agent.handle_timeout(proxy.clock.now());
    }
}

/// Two sockets, and an agent on one of them: with the relay, and with a binding that measures the way to its server.
struct Proxy {
    agent: Agent,
    clock: Clock,
    relay: OperationId,
    binding: OperationId,
    /// Towards the server.
    socket: UdpSocket,
    /// Towards local programs.
    listening: UdpSocket,
    to: SocketAddr,
    last_sender: Option<SocketAddr>,
    is_closing: bool,
    progress: Progress,
}

impl Proxy {
    async fn open(options: &Options) -> Result<Self> {
        let server =
            *support::resolve(wanted("--server", options.server.as_ref())?)?.first().ok_or("no server")?;
        let to: SocketAddr = address("--to", options.to.as_ref())?;
        let user = LongTerm::new(
            wanted("--user", options.users.first())?,
            wanted("--password", options.password.as_ref())?,
        )?;
        let listening = UdpSocket::bind(address("--listen", options.listen.as_ref())?).await?;
        let socket = open_socket(&server)?;
        let path = FiveTuple::udp(socket.local_addr()?, server);

        let clock = Clock::new();
        let mut agent = Agent::new(options.entropy()?, clock.now());
        let mut config = AllocationConfig::new(path, user);
        config.family = if to.is_ipv4() { RelayFamily::V4 } else { RelayFamily::V6 };
        // The one peer that was named, wherever it is: the default refuses the relay's own machine.
        config.peers = PeerPolicy::default();
        config.peers.allow(IpRange::new(to.ip(), to.ip())?);
        let relay = agent.start_allocation(config, clock.now())?;
        agent.bind_channel(relay, to, clock.now())?; // as soon as there is a relay, and with every new one
        let binding = agent.start_binding(measuring(path), clock.now())?;
        eprintln!("{} <--> {server} <--> {to}", listening.local_addr()?);
        let (last_sender, is_closing, progress) = (None, false, Progress::new());
        Ok(Self { agent, clock, relay, binding, socket, listening, to, last_sender, is_closing, progress })
    }

    /// Sends what the agent wants sent.
    async fn flush(&mut self) {
        while let Some(transmit) = self.agent.poll_transmit() {
            let receipt = transmit.receipt();
            if let Err(error) = self.socket.send_to(transmit.payload, transmit.path.remote).await {
                self.agent.handle_send_error(&receipt, SendError::from(&error), self.clock.now());
            }
        }
    }

    /// From a program to the peer. The payload lies behind the headroom, where the header goes.
    async fn outward(&mut self, buffer: &mut [u8], length: usize, from: SocketAddr) {
        self.last_sender = Some(from);
        let (payload, now) = (MAX_HEADROOM..MAX_HEADROOM.saturating_add(length), self.clock.now());
        let Ok(transmit) = self.agent.send_to_peer_in_place(self.relay, self.to, buffer, payload, now) else {
            return self.progress.note_drop(); // no relay yet, or none any more
        };
        match self.socket.send_to(transmit.payload, transmit.path.remote).await {
            Ok(_) => self.progress.note_out(length),
            Err(_) => self.progress.note_drop(),
        }
    }

    /// From the server: data of the peer, or an answer to the agent.
    async fn inward(&mut self, payload: &[u8], from: SocketAddr) {
        let Ok(local) = self.socket.local_addr() else { return };
        let datagram = Datagram::new(FiveTuple::udp(local, from), payload);
        let Outcome::Unwrapped(inner) = self.agent.handle_input(&datagram, self.clock.now()) else { return };
        let is_from_peer = inner.path.remote == self.to; // not from another port of its
        let Some(program) = self.last_sender.filter(|_| is_from_peer) else {
            return self.progress.note_drop();
        };
        match self.listening.send_to(inner.payload, program).await {
            Ok(_) => self.progress.note_in(inner.payload.len()),
            Err(_) => self.progress.note_drop(),
        }
    }

    /// Shows what has happened and does what it asks for. Says whether the relay is closed.
    async fn look_at_events(&mut self) -> Result<bool> {
        while let Some(happened) = self.agent.poll_event() {
            match happened.event {
                Event::Allocation(event) if self.happened(&event)? => return Ok(true),
                Event::Binding(BindingEvent::Mapped { rtt, .. } | BindingEvent::Refreshed { rtt, .. }) => {
                    self.progress.rtt = rtt;
                }
                _ => {}
            }
        }
        Ok(false)
    }

    fn happened(&mut self, event: &AllocationEvent) -> Result<bool> {
        match event {
            AllocationEvent::Closed => return Ok(true),
            AllocationEvent::Allocated { relayed, .. } => self.progress.relayed = Some(*relayed),
            AllocationEvent::Lost { .. } => self.progress.relayed = None,
            AllocationEvent::Reconnect { path } => {
                self.socket = open_socket(&path.remote)?;
                let path = FiveTuple::udp(self.socket.local_addr()?, path.remote);
                self.agent.relay_reconnected(self.relay, path, 0, self.clock.now())?;
                self.measure(path)?;
            }
            AllocationEvent::Redirected { server, .. } => {
                self.measure(FiveTuple::udp(self.socket.local_addr()?, *server))?;
            }
            // It would wait for others, and there are none.
            AllocationEvent::Failed { .. }
            | AllocationEvent::CredentialsNeeded { .. }
            | AllocationEvent::PeerRefused { .. } => {
                self.progress.end();
                return Err(event.to_string().into());
            }
            _ => {}
        }
        self.progress.say(event);
        Ok(false)
    }

    /// Measures another way instead.
    fn measure(&mut self, path: FiveTuple) -> Result<()> {
        let _ = self.agent.cancel(self.binding, self.clock.now()); // it may have ended
        self.binding = self.agent.start_binding(measuring(path), self.clock.now())?;
        Ok(())
    }

    /// Has the server delete the relay, which it would keep for ten minutes otherwise.
    fn close(&mut self) {
        self.is_closing = true;
        let _ = self.agent.cancel(self.binding, self.clock.now());
        let _ = self.agent.close_relay(self.relay, self.clock.now());
    }
}

/// Ctrl-C, or the end of the time that was given.
async fn stop(limit: Option<Duration>) {
    let expiry = async {
        match limit {
            Some(limit) => time::sleep(limit).await,
            None => future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = expiry => {}
    }
}

async fn sleep_until(clock: &Clock, deadline: Option<Instant>) {
    match deadline.and_then(|deadline| clock.at(deadline)) {
        Some(at) => time::sleep_until(at.into()).await,
        None => future::pending().await,
    }
}

/// A relay asks its server every few minutes only: for a fresh round trip a binding asks it more often.
fn measuring(path: FiveTuple) -> BindingConfig {
    BindingConfig { refresh: Some(Duration::from_secs(2)), ..BindingConfig::new(path) }
}

fn open_socket(server: &SocketAddr) -> Result<UdpSocket> {
    let socket = support::socket_towards(server)?;
    socket.set_nonblocking(true)?;
    Ok(UdpSocket::from_std(socket)?)
}

fn wanted<'a>(option: &str, value: Option<&'a String>) -> Result<&'a str> {
    value.map(String::as_str).ok_or_else(|| format!("{option} is missing; usage: {USAGE}").into())
}

fn address(option: &str, value: Option<&String>) -> Result<SocketAddr> {
    let text = wanted(option, value)?;
    text.parse().map_err(|_| format!("{option} wants an address and a port, not {text}").into())
}

/// The longest payload of UDP over IPv4. What is longer with its header than a packet can be is dropped.
const MAX_PAYLOAD: usize = 65_507;
