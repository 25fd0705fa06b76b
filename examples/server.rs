//! A STUN server: answers Binding requests over UDP and, with `--tcp`, over TCP, on IPv4 and IPv6. Without an
//! address it listens on port 3478 of every address of the machine.
//!
//! - `--realm NAME --user NAME:PASSWORD ...` demands long-term credentials.
//! - `--behavior ADDRESS` serves NAT behaviour discovery (RFC 5780): the one address that is named and this
//!   second one, its port and the next, four sockets in all.
//! - `--rfc3489` answers clients of 2003 as well.
//!
//! `libstun::stun::Server` keeps nothing about anybody and has no deadlines, so that a thread for each socket,
//! which blocks, and a lock around the one machine are all it needs.

// An example is a host: it owns sockets, clock and threads.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::indexing_slicing)] // a receive never reports more bytes than the buffer holds

#[path = "support/mod.rs"]
mod support;

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use libstun::auth::Realm;
use libstun::stun::{BehaviorDiscovery, Server, ServerConfig};
use libstun::wire::stream::StreamDecoder;
use libstun::{Clock, Datagram, FiveTuple, Machine, Transmit};
use support::{DEFAULT_PORT, Options, Result};

const USAGE: &str = "server [address[:port]]... [--tcp] [--realm NAME] [--user NAME:PASSWORD] \
                     [--behavior ADDRESS] [--rfc3489] [--count N] [--every N]";

fn main() -> ExitCode {
    support::exit(run())
}

fn run() -> Result<()> {
    let options = Options::parse(USAGE)?;
    let (sockets, behavior) = udp_sockets(&options)?;
    let config = ServerConfig {
        credentials: realm(&options)?.map(Into::into),
        behavior,
        answers_rfc3489: options.rfc3489,
        ..ServerConfig::default()
    };
    let clock = Clock::new();
    let (answers, answered) = mpsc::channel();
    let server = Mutex::new(Server::new(config, options.entropy()?, clock.now()));
    let host = Arc::new(Host { server, sockets, clock });
    for (index, socket) in host.sockets.iter().enumerate() {
        println!("listening on udp {}", socket.local_addr()?);
        let (host, answers) = (Arc::clone(&host), answers.clone());
        thread::spawn(move || {
            if let Err(error) = host.serve_udp(index, &answers) {
                eprintln!("error: no longer listening: {error}");
            }
        });
    }
    if options.tcp {
        for listener in listen(&options, TcpListener::bind)? {
            println!("listening on tcp {}", listener.local_addr()?);
            let (host, answers) = (Arc::clone(&host), answers.clone());
            thread::spawn(move || host.serve_tcp(&listener, &answers));
        }
    }
    io::stdout().flush()?; // whoever started us with port 0 waits for these lines
    drop(answers); // the threads hold the others: when the last one ends, so does `count`
    count(&answered, &options)
}

/// What all threads share.
struct Host {
    server: Mutex<Server>,
    /// A socket's place is its id.
    sockets: Vec<UdpSocket>,
    clock: Clock,
}

impl Host {
    /// Offers a datagram, and gives the replies to it away. They lie in the machine, which is locked meanwhile.
    fn offer(
        &self,
        datagram: &Datagram<'_>,
        mut send: impl FnMut(&Transmit<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        // Unclaimed is whatever is not a STUN request: it gets silence, like all garbage.
        let _ = server.handle_input(datagram, self.clock.now());
        while let Some(reply) = server.poll_transmit() {
            send(&reply)?;
        }
        while let Some(event) = server.poll_event() {
            eprintln!("{event}"); // a real host would tell its firewall
        }
        Ok(())
    }

    fn serve_udp(&self, index: usize, answers: &Sender<()>) -> io::Result<()> {
        let Some(socket) = self.sockets.get(index) else { return Ok(()) };
        let local = socket.local_addr()?;
        let mut buffer = [0; 2048]; // a longer datagram arrives cut and is no STUN
        loop {
            let (length, remote) = match socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if support::is_passing(&error) => continue,
                Err(error) => return Err(error),
            };
            let path = FiveTuple::udp(local, remote);
            let datagram = Datagram { socket_id: index as u32, ..Datagram::new(path, &buffer[..length]) };
            self.offer(&datagram, |reply| {
                // With --behavior it may have to leave from another socket than its request came to.
                let from = self.sockets.get(reply.socket_id as usize).unwrap_or(socket);
                // A reply that cannot be sent is lost like any datagram: the client asks again.
                match from.send_to(reply.payload, reply.path.remote) {
                    Ok(_) => answers.send(()).map_err(io::Error::other), // nobody counts any more?
                    Err(_) => Ok(()),
                }
            })?;
        }
    }

    /// A thread for each client: the shortest program, not the largest server.
    fn serve_tcp(self: Arc<Self>, listener: &TcpListener, answers: &Sender<()>) {
        loop {
            match listener.accept() {
                Ok((stream, remote)) => {
                    let (host, answers) = (Arc::clone(&self), answers.clone());
                    // The client sees why its connection ends; nobody else needs to.
                    thread::spawn(move || drop(host.converse(stream, remote, &answers)));
                }
                Err(error) => {
                    eprintln!("a client could not be let in: {error}");
                    thread::sleep(PAUSE); // out of descriptors, most likely: do not spin
                }
            }
        }
    }

    /// Answers one client until it closes, idles, or sends what is not STUN.
    fn converse(&self, mut stream: TcpStream, remote: SocketAddr, answers: &Sender<()>) -> io::Result<()> {
        let path = FiveTuple::tcp(stream.local_addr()?, remote);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut frames = StreamDecoder::new();
        let mut buffer = [0; 1500];
        loop {
            let length = stream.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            // A read may end anywhere: it holds a part of a message, or several. The machine takes whole ones.
            let mut rest = &buffer[..length];
            while !rest.is_empty() {
                let taken = frames.push(rest).map_err(io::Error::other)?;
                rest = &rest[taken..];
                let Some(frame) = frames.next_frame().map_err(io::Error::other)? else { continue };
                // Not written under the lock: a client that does not read would hold up all others.
                let mut replies = Vec::new();
                self.offer(&Datagram::new(path, frame), |reply| {
                    replies.push(reply.payload.to_vec());
                    Ok(())
                })?;
                for reply in replies {
                    stream.write_all(&reply)?;
                    answers.send(()).map_err(io::Error::other)?;
                }
            }
        }
    }
}

/// The users that the command line names.
fn realm(options: &Options) -> Result<Option<Realm>> {
    let Some(name) = &options.realm else { return Ok(None) };
    let mut realm = Realm::new(name.as_bytes())?;
    for user in &options.users {
        let (name, password) = user.split_once(':').ok_or("--user wants NAME:PASSWORD")?;
        realm.add_user(name.as_bytes(), password.as_bytes())?;
    }
    Ok(Some(realm))
}

/// The sockets, and for NAT behaviour discovery which of them is where.
fn udp_sockets(options: &Options) -> Result<(Vec<UdpSocket>, Option<BehaviorDiscovery>)> {
    let Some(second) = options.behavior else { return Ok((listen(options, UdpSocket::bind)?, None)) };
    let [name] = options.names.as_slice() else {
        return Err("--behavior wants one other address to listen on".into());
    };
    let first = support::resolve(name)?.into_iter().next().ok_or("no such address")?;
    let (sockets, ports) = four_sockets([first.ip(), second], first.port())?;
    let behavior = BehaviorDiscovery::new([first.ip(), second], ports, [0, 1, 2, 3])?;
    Ok((sockets, Some(behavior)))
}

/// Two ports that are free on both addresses: the given one and the next, or any.
fn four_sockets(addresses: [IpAddr; 2], port: u16) -> Result<(Vec<UdpSocket>, [u16; 2])> {
    let bind = |ip: IpAddr, port: u16| UdpSocket::bind((ip, port));
    let attempt = || -> io::Result<_> {
        let [first, second] = addresses;
        let a = bind(first, port)?;
        let b = bind(first, if port == 0 { 0 } else { port.saturating_add(1) })?;
        let ports = [a.local_addr()?.port(), b.local_addr()?.port()];
        let (c, d) = (bind(second, ports[0])?, bind(second, ports[1])?);
        Ok((vec![a, b, c, d], ports))
    };
    let tries = if port == 0 { 16 } else { 1 };
    let found = (1..tries).find_map(|_| attempt().ok()).map_or_else(attempt, Ok);
    found.map_err(|error| format!("cannot listen on four sockets: {error}").into())
}

/// One socket for each address. Where `[::]` takes IPv4 as well, `0.0.0.0` is found in use, and not missed:
/// the server writes `::ffff:192.0.2.1` as the IPv4 address that it is.
///
/// On a machine with several addresses, name them: a reply from a socket that is bound to `0.0.0.0` leaves by
/// whichever address the system likes best, and a client takes it from none but the one it asked.
fn listen<S>(options: &Options, bind: impl Fn(SocketAddr) -> io::Result<S>) -> Result<Vec<S>> {
    let refused = |address, error| format!("cannot listen on {address}: {error}");
    if !options.names.is_empty() {
        let named: Result<Vec<_>> = options.names.iter().map(|name| support::resolve(name)).collect();
        let all = named?.into_iter().flatten();
        return all.map(|address| Ok(bind(address).map_err(|error| refused(address, error))?)).collect();
    }
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT));
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT));
    match (bind(v6), bind(v4)) {
        (Ok(v6), Ok(v4)) => Ok(vec![v6, v4]),
        (Ok(socket), Err(_)) | (Err(_), Ok(socket)) => Ok(vec![socket]),
        (Err(_), Err(error)) => Err(refused(v4, error).into()),
    }
}

/// Counts what the threads have answered, and says so now and then.
fn count(answered: &Receiver<()>, options: &Options) -> Result<()> {
    let every = options.every.unwrap_or(1000);
    for total in 1_u64.. {
        answered.recv().map_err(|_| "nothing to listen on any more")?;
        if total.checked_rem(every) == Some(0) {
            eprintln!("answered {total}");
        }
        if options.count == Some(total) {
            break;
        }
    }
    Ok(())
}

/// How long a TCP client may idle: a connection costs a thread.
const PATIENCE: Duration = Duration::from_secs(30);

/// Before the next client is let in after one could not be.
const PAUSE: Duration = Duration::from_millis(100);
