//! One script, played to `libstun::Agent` and to `stun_agent` with the same seed: the same bytes at the same
//! times, the same deadlines, the same events.

use core::net::SocketAddr;
use core::ptr::null_mut;
use std::fmt::Write;

use libstun::stun::{BindingConfig, ServerConfig};
use libstun::{Agent, Datagram, Entropy, FiveTuple, Instant, Machine};

use crate::agent::{stun_agent_free, stun_agent_new, stun_poll_timeout};
use crate::binding::{stun_binding_config, stun_binding_start};
use crate::config::stun_config;
use crate::event::{stun_event, stun_poll_event};
use crate::handle::stun_agent;
use crate::input::{stun_handle_input, stun_handle_timeout};
use crate::output::stun_poll_transmit;
use crate::pointer::Growable;
use crate::server::{stun_server_config, stun_server_start};
use crate::status::{STUN_NEVER, stun_status_code::*};
use crate::types::{stun_addr, stun_packet};

const SEED: [u8; 32] = [42; 32];
const CLIENT: &str = "10.0.0.2:5000";
const MAPPED: &str = "203.0.113.9:4242";
const SERVERS: [&str; 2] = ["192.0.2.1:3478", "192.0.2.2:3478"];

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What a host can do to an agent, whichever it is.
trait Played {
    fn start_binding(&mut self, server: SocketAddr, now: u64);
    fn start_server(&mut self, now: u64);
    fn input(&mut self, local: SocketAddr, remote: SocketAddr, bytes: &[u8], now: u64);
    fn timeout(&mut self, now: u64);
    /// Local and remote address, bytes.
    fn transmit(&mut self) -> Option<(SocketAddr, SocketAddr, Vec<u8>)>;
    /// The operation and the sentence.
    fn event(&mut self) -> Option<(u64, String)>;
    fn deadline(&self) -> u64;
}

impl Played for Agent {
    fn start_binding(&mut self, server: SocketAddr, now: u64) {
        let path = FiveTuple::udp(address(CLIENT), server);
        self.start_binding(BindingConfig::new(path), Instant::from_nanos(now)).unwrap();
    }

    fn start_server(&mut self, now: u64) {
        self.start_server(ServerConfig::default(), Instant::from_nanos(now)).unwrap();
    }

    fn input(&mut self, local: SocketAddr, remote: SocketAddr, bytes: &[u8], now: u64) {
        let datagram = Datagram::new(FiveTuple::udp(local, remote), bytes);
        assert_eq!(self.handle_input(&datagram, Instant::from_nanos(now)), libstun::Outcome::Consumed);
    }

    fn timeout(&mut self, now: u64) {
        self.handle_timeout(Instant::from_nanos(now));
    }

    fn transmit(&mut self) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        let transmit = self.poll_transmit()?;
        Some((transmit.path.local, transmit.path.remote, transmit.payload.to_vec()))
    }

    fn event(&mut self) -> Option<(u64, String)> {
        let happened = self.poll_event()?;
        let libstun::Event::Binding(event) = happened.event else { panic!("only bindings tell") };
        Some((happened.id.as_u64(), event.to_string()))
    }

    fn deadline(&self) -> u64 {
        self.poll_timeout().map_or(STUN_NEVER, Instant::as_nanos)
    }
}

struct ThroughC(*mut stun_agent);

impl ThroughC {
    fn new() -> Self {
        let config = stun_config {
            struct_size: size_of::<stun_config>() as u32,
            seed: SEED.as_ptr(),
            ..stun_config::defaults()
        };
        let mut agent = null_mut();
        // SAFETY: all pointers are to locals.
        assert_eq!(unsafe { stun_agent_new(&raw const config, 0, &raw mut agent) }, STUN_OK as i32);
        Self(agent)
    }
}

impl Drop for ThroughC {
    fn drop(&mut self) {
        // SAFETY: made in `new`, freed once.
        unsafe { stun_agent_free(self.0) }
    }
}

impl Played for ThroughC {
    fn start_binding(&mut self, server: SocketAddr, now: u64) {
        let config = stun_binding_config {
            struct_size: size_of::<stun_binding_config>() as u32,
            local: address(CLIENT).into(),
            server: server.into(),
            ..stun_binding_config::defaults()
        };
        let mut id = 0;
        // SAFETY: the agent is live, all other pointers are to locals.
        assert_eq!(
            unsafe { stun_binding_start(self.0, &raw const config, now, &raw mut id) },
            STUN_OK as i32
        );
    }

    fn start_server(&mut self, now: u64) {
        let config = stun_server_config {
            struct_size: size_of::<stun_server_config>() as u32,
            ..stun_server_config::defaults()
        };
        let mut id = 0;
        // SAFETY: as above.
        assert_eq!(unsafe { stun_server_start(self.0, &raw const config, now, &raw mut id) }, STUN_OK as i32);
    }

    fn input(&mut self, local: SocketAddr, remote: SocketAddr, bytes: &[u8], now: u64) {
        let packet =
            stun_packet { data: bytes.as_ptr(), len: bytes.len(), ..packet(local.into(), remote.into()) };
        // SAFETY: as above; the bytes outlive the call.
        assert_eq!(unsafe { stun_handle_input(self.0, &raw const packet, now, null_mut()) }, STUN_OK as i32);
    }

    fn timeout(&mut self, now: u64) {
        // SAFETY: the agent is live.
        assert_eq!(unsafe { stun_handle_timeout(self.0, now) }, STUN_OK as i32);
    }

    fn transmit(&mut self) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        let mut out = packet(stun_addr::NONE, stun_addr::NONE);
        // SAFETY: the agent is live, and what it lends is copied at once.
        unsafe {
            (stun_poll_transmit(self.0, &raw mut out) == STUN_OK as i32).then(|| {
                let bytes = core::slice::from_raw_parts(out.data, out.len).to_vec();
                (out.local.to_required().unwrap(), out.remote.to_required().unwrap(), bytes)
            })
        }
    }

    fn event(&mut self) -> Option<(u64, String)> {
        let mut event = stun_event { struct_size: size_of::<stun_event>() as u32, ..stun_event::defaults() };
        // SAFETY: as above.
        unsafe {
            (stun_poll_event(self.0, &raw mut event) == STUN_OK as i32).then(|| {
                let text = core::slice::from_raw_parts(event.text.cast(), event.text_len as usize);
                (event.id, String::from_utf8(text.to_vec()).unwrap())
            })
        }
    }

    fn deadline(&self) -> u64 {
        // SAFETY: the agent is live.
        unsafe { stun_poll_timeout(self.0) }
    }
}

fn packet(local: stun_addr, remote: stun_addr) -> stun_packet {
    stun_packet {
        local,
        remote,
        data: core::ptr::null(),
        len: 0,
        transport: 0,
        ecn: 0,
        flags: 0,
        socket_id: 0,
    }
}

/// Two bindings and a server in one agent. The first binding asks that server, and is lost every third time;
/// the second asks nobody. Two minutes of it.
fn play(agent: &mut dyn Played) -> String {
    let mut trace = String::new();
    SERVERS.iter().for_each(|server| agent.start_binding(address(server), 0));
    agent.start_server(0);
    let (mut now, mut sent) = (0, 0);
    while now < 120_000_000_000 {
        while let Some((local, remote, bytes)) = agent.transmit() {
            writeln!(trace, "{now} {local} -> {remote} {bytes:02x?}").unwrap();
            if remote == address(MAPPED) {
                agent.input(address(CLIENT), local, &bytes, now + 1_000_000);
            } else if remote == address(SERVERS[0]) {
                sent += 1;
                if sent % 3 != 1 {
                    agent.input(remote, address(MAPPED), &bytes, now);
                }
            }
        }
        while let Some((id, text)) = agent.event() {
            writeln!(trace, "{now} {id} {text}").unwrap();
        }
        let deadline = agent.deadline();
        writeln!(trace, "{now} sleeps until {deadline}").unwrap();
        now = deadline.max(now + 1);
        agent.timeout(now);
    }
    trace
}

#[test]
fn the_same_seed_and_script_give_the_same_trace_through_both_apis() {
    let through_rust = play(&mut Agent::new(Entropy::from_seed(SEED), Instant::ZERO));
    let through_c = play(&mut ThroughC::new());
    assert!(through_rust == through_c, "{through_rust}\n---- through C:\n{through_c}");
    assert!(through_rust.lines().count() > 50 && through_rust.contains(MAPPED), "{through_rust}");
}
