//! Asks several servers with two system calls: all requests leave in one `sendmmsg`, and one `recvmmsg`
//! takes every answer that has arrived. This is how a busy server or relay drives the same agent.

// An example is a host: it owns sockets, clock and threads.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[cfg(target_os = "linux")]
#[path = "support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
#[path = "support/mmsg.rs"]
mod mmsg;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    support::exit(linux::run())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("sendmmsg and recvmmsg are calls of Linux; binding_blocking does the same on every system");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::net::{SocketAddr, UdpSocket};

    use libstun::stun::BindingConfig;
    use libstun::{Agent, Clock, Datagram, Event, FiveTuple, Machine, SendError, Transmit};

    use crate::mmsg::{self, Inbox};
    use crate::support::{self, Options, Result};

    /// Datagrams in one system call at most.
    const BATCH: usize = 32;
    const USAGE: &str = "binding_mmsg [server[:port]]... [--seed N] [--rto MILLISECONDS]";

    pub(crate) fn run() -> Result<()> {
        let options = Options::parse(USAGE)?;
        let clock = Clock::new();
        let mut agent = Agent::new(options.entropy()?, clock.now());
        let servers = support::servers_of_one_family(&options, 3)?;
        let socket = support::socket_towards(servers.first().ok_or("no server to ask")?)?;
        let local = socket.local_addr()?;

        let mut asked = BTreeMap::new();
        for server in servers {
            let config = options.tune(BindingConfig::once(FiveTuple::udp(local, server)));
            asked.insert(agent.start_binding(config, clock.now())?, server);
        }

        let mut is_answered = false;
        let mut inbox = Inbox::default();
        loop {
            flush(&socket, &mut agent, &clock);

            while let Some(happened) = agent.poll_event() {
                let (Event::Binding(event), Some(server)) = (happened.event, asked.get(&happened.id)) else {
                    continue;
                };
                is_answered |= support::report(&event, *server).is_some();
            }
            if agent.operation_count() == 0 {
                return if is_answered { Ok(()) } else { Err("no server has answered".into()) };
            }

            socket.set_read_timeout(clock.read_timeout(agent.poll_timeout()))?;
            match inbox.receive(&socket) {
                Ok(_) => hand_over(&inbox, local, &mut agent, &clock),
                Err(error) if support::is_passing(&error) => {}
                Err(error) => return Err(error.into()),
            }
            agent.handle_timeout(clock.now());
        }
    }

    /// Sends what is queued, a batch a call, straight out of the agent's memory. `sendmmsg` stops at the
    /// first datagram that fails: tell the agent which one that was, and go on behind it.
    fn flush(socket: &UdpSocket, agent: &mut Agent, clock: &Clock) {
        loop {
            let batch: Vec<_> = agent.transmits().take(BATCH).collect();
            let Some(first) = batch.first().map(Transmit::receipt) else { return };
            match mmsg::send(socket, &batch) {
                Ok(sent) => agent.forget_transmits(sent),
                Err(error) => {
                    agent.forget_transmits(1);
                    agent.handle_send_error(&first, SendError::from(&error), clock.now());
                }
            }
        }
    }

    /// One time stamp serves a whole batch: it arrived in one call.
    fn hand_over(inbox: &Inbox, local: SocketAddr, agent: &mut Agent, clock: &Clock) {
        let now = clock.now();
        for (payload, remote) in inbox.datagrams() {
            // Nothing but STUN is spoken on this socket: whatever else comes is dropped.
            let _ = agent.handle_input(&Datagram::new(FiveTuple::udp(local, remote), payload), now);
        }
    }
}
