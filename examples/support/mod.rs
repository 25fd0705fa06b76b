//! What the examples share and a reader need not see again: arguments, names, an embedded server, and how
//! things are printed. The event loops themselves stand in the examples.

#![allow(dead_code, unreachable_pub)] // every example takes what it needs

mod options;

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use libstun::stun::{BindingEvent, Server, ServerConfig, SurveyEvent};
use libstun::{Clock, Datagram, Entropy, FiveTuple, Machine, Outcome, Transmit};

pub use options::Options;

/// What an example's `run` returns: an error is a sentence for whoever started it.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Ends `main`: 0, or a sentence on stderr and 1.
pub fn exit(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The addresses of `host[:port]`, `192.0.2.1[:port]` or `[2001:db8::1][:port]`: at most one of each family,
/// in the order that the system's resolver prefers.
pub fn resolve(text: &str) -> Result<Vec<SocketAddr>> {
    let has_port = text.contains(':') && !text.ends_with(']');
    let full = if has_port { text.to_owned() } else { format!("{text}:{DEFAULT_PORT}") };
    let all: Vec<SocketAddr> =
        full.to_socket_addrs().map_err(|error| format!("cannot resolve {text}: {error}"))?.collect();
    let first_of = |v4: bool| all.iter().position(|address| address.is_ipv4() == v4);
    let mut chosen: Vec<usize> = [first_of(true), first_of(false)].into_iter().flatten().collect();
    chosen.sort_unstable();
    let addresses: Vec<SocketAddr> = chosen.into_iter().filter_map(|place| all.get(place).copied()).collect();
    if addresses.is_empty() { Err(format!("{text} has no address").into()) } else { Ok(addresses) }
}

/// The servers that were named, or else `embedded` servers of our own on loopback.
pub fn servers(options: &Options, embedded: usize) -> Result<Vec<SocketAddr>> {
    if options.names.is_empty() {
        return (0..embedded).map(|_| Ok(embedded_server()?)).collect();
    }
    let resolved: Result<Vec<_>> = options.names.iter().map(|name| resolve(name)).collect();
    Ok(resolved?.concat())
}

/// The servers that one socket can ask: those of the first one's family.
pub fn servers_of_one_family(options: &Options, embedded: usize) -> Result<Vec<SocketAddr>> {
    let mut servers = servers(options, embedded)?;
    let is_ipv4 = servers.first().is_some_and(SocketAddr::is_ipv4);
    servers.retain(|server| server.is_ipv4() == is_ipv4);
    Ok(servers)
}

/// A socket on a port of the system's choosing, of the family that reaches `remote`.
pub fn socket_towards(remote: &SocketAddr) -> io::Result<UdpSocket> {
    match remote {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
    }
}

/// Whether a failed read says only "not now", or repeats an ICMP error of an earlier datagram (Windows does
/// on unconnected sockets, without saying of which), or says that a datagram was longer than the buffer (an
/// error on Windows alone). The machine's deadlines cover them all, and a stranger's datagram must not end
/// the loop.
pub fn is_passing(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, TimedOut, WouldBlock};
    let is_cut = cfg!(windows) && error.raw_os_error() == Some(WSAEMSGSIZE);
    is_cut
        || matches!(error.kind(), WouldBlock | TimedOut | Interrupted | ConnectionRefused | ConnectionReset)
}

/// Prints what a binding came to, and returns the mapped address if it has one.
pub fn report(event: &BindingEvent, server: SocketAddr) -> Option<SocketAddr> {
    match event {
        BindingEvent::Mapped { address, rtt }
        | BindingEvent::Refreshed { address, rtt }
        | BindingEvent::AddressChanged { address, rtt, .. } => {
            println!("mapped address {address}  rtt {}  from {server}", millis(*rtt));
            Some(*address)
        }
        BindingEvent::Retrying { reason, .. } => {
            eprintln!("no answer from {server} yet: {reason}");
            None
        }
        BindingEvent::Failed { reason } => {
            eprintln!("no mapped address from {server}: {reason}");
            None
        }
        _ => None, // what a newer libstun tells
    }
}

/// Prints what became of one of many servers.
pub fn report_survey(event: &SurveyEvent) {
    match event {
        SurveyEvent::Mapped { path, address, rtt, .. } => {
            println!("mapped address {address}  rtt {}  from {}", millis(*rtt), path.remote);
        }
        SurveyEvent::Failed { path, reason, .. } => {
            eprintln!("no mapped address from {}: {reason}", path.remote);
        }
        _ => {}
    }
}

/// A round trip as `12.3 ms`. A request that was sent more than once does not say which one was answered.
pub fn millis(rtt: Option<Duration>) -> String {
    rtt.map_or_else(|| "unknown".to_owned(), |rtt| format!("{:.1} ms", rtt.as_secs_f64() * 1000.0))
}

/// Prints every step of a loop, if asked to, without what the system chooses: no times and no ports. Equal
/// seeds therefore print equal traces, whatever drives the core.
#[derive(Clone, Copy)]
pub struct Trace(pub bool);

impl Trace {
    pub fn sent(self, transmit: &Transmit<'_>) {
        let mut hex = String::new();
        for word in transmit.payload.chunks(4) {
            hex.push(' ');
            hex.extend(word.iter().map(|byte| format!("{byte:02x}")));
        }
        self.line(&format!("sent {} bytes to {}:{hex}", transmit.payload.len(), transmit.path.remote.ip()));
    }

    pub fn received(self, datagram: &Datagram<'_>, outcome: &Outcome<'_>) {
        let became = match outcome {
            Outcome::Unclaimed => "unclaimed",
            Outcome::Consumed => "consumed",
            Outcome::Unwrapped(_) => "unwrapped",
        };
        self.line(&format!(
            "received {} bytes from {}: {became}",
            datagram.payload.len(),
            datagram.path.remote.ip()
        ));
    }

    pub fn event(self, event: &BindingEvent) {
        match event {
            BindingEvent::Mapped { address, .. } => self.line(&format!("event mapped {}", address.ip())),
            BindingEvent::Refreshed { .. } => self.line("event refreshed"),
            BindingEvent::AddressChanged { address, .. } => {
                self.line(&format!("event changed {}", address.ip()))
            }
            BindingEvent::Retrying { reason, .. } => self.line(&format!("event retrying: {reason}")),
            BindingEvent::Failed { reason } => self.line(&format!("event failed: {reason}")),
            _ => {}
        }
    }

    fn line(self, text: &str) {
        if self.0 {
            println!("trace: {text}");
        }
    }
}

/// A server on loopback, for a run without network. It ends with the process.
pub fn embedded_server() -> io::Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let local = socket.local_addr()?;
    thread::spawn(move || {
        if let Err(error) = serve(&socket, local) {
            eprintln!("error: the embedded server has ended: {error}");
        }
    });
    Ok(local)
}

/// All that it takes to serve: a server has no deadlines, and its events are for hosts with a firewall.
fn serve(socket: &UdpSocket, local: SocketAddr) -> io::Result<()> {
    let clock = Clock::new();
    let mut server =
        Server::new(ServerConfig::default(), Entropy::from_os().map_err(io::Error::other)?, clock.now());
    let mut buffer = [0; 1500];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, remote)) => {
                let payload = buffer.get(..length).unwrap_or_default();
                // Whatever is not STUN has no other taker here.
                let _ =
                    server.handle_input(&Datagram::new(FiveTuple::udp(local, remote), payload), clock.now());
            }
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
        while let Some(reply) = server.poll_transmit() {
            let _ = socket.send_to(reply.payload, reply.path.remote); // a lost reply: the client asks again
        }
    }
}

/// Windows: a datagram was longer than the buffer.
const WSAEMSGSIZE: i32 = 10_040;

/// Where STUN is served unless somebody says otherwise (RFC 8489 s18.6).
pub const DEFAULT_PORT: u16 = 3478;
