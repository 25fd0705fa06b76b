//! A STUN server: answers Binding requests over UDP and, with `--tcp`, over TCP, on IPv4 and IPv6.
//!
//! `libstun::stun::Server` keeps nothing about anybody and has no deadlines, so that a thread with a blocking
//! socket is all it needs. Without an address it listens on port 3478 of every address of the machine.

// An example is a host: it owns sockets, clock and threads.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::indexing_slicing)] // a receive never reports more bytes than the buffer holds

#[path = "support/mod.rs"]
mod support;

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use libstun::stun::{Server, ServerConfig};
use libstun::wire::stream::StreamDecoder;
use libstun::{Clock, Datagram, Entropy, FiveTuple, Machine};
use support::{DEFAULT_PORT, Options, Result};

const USAGE: &str = "server [address[:port]]... [--tcp] [--count N] [--every N]";

fn main() -> ExitCode {
    support::exit(run())
}

fn run() -> Result<()> {
    let options = Options::parse(USAGE)?;
    let (answers, answered) = mpsc::channel();
    for socket in listen(&options, UdpSocket::bind)? {
        println!("listening on udp {}", socket.local_addr()?);
        let answers = answers.clone();
        thread::spawn(move || {
            if let Err(error) = serve_udp(&socket, &answers) {
                eprintln!("error: no longer listening: {error}");
            }
        });
    }
    if options.tcp {
        for listener in listen(&options, TcpListener::bind)? {
            println!("listening on tcp {}", listener.local_addr()?);
            let answers = answers.clone();
            thread::spawn(move || serve_tcp(&listener, &answers));
        }
    }
    io::stdout().flush()?; // whoever started us with port 0 waits for these lines
    drop(answers); // the threads hold the others: when the last one ends, so does `count`
    count(&answered, &options)
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

fn serve_udp(socket: &UdpSocket, answers: &Sender<()>) -> io::Result<()> {
    let local = socket.local_addr()?;
    let clock = Clock::new();
    let mut server =
        Server::new(ServerConfig::default(), Entropy::from_os().map_err(io::Error::other)?, clock.now());
    let mut buffer = [0; 1500]; // a longer datagram arrives cut and is no STUN
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, remote)) => {
                let datagram = Datagram::new(FiveTuple::udp(local, remote), &buffer[..length]);
                // Unclaimed is whatever is not a STUN request: it gets silence, like all garbage.
                let _ = server.handle_input(&datagram, clock.now());
            }
            Err(error) if support::is_passing(&error) => {}
            Err(error) => return Err(error),
        }
        while let Some(reply) = server.poll_transmit() {
            // A reply that cannot be sent is lost like any datagram: the client asks again.
            if socket.send_to(reply.payload, reply.path.remote).is_ok() && answers.send(()).is_err() {
                return Ok(()); // nobody counts any more
            }
        }
    }
}

/// A thread for each client: the shortest program, not the largest server.
fn serve_tcp(listener: &TcpListener, answers: &Sender<()>) {
    loop {
        match listener.accept() {
            Ok((stream, remote)) => {
                let answers = answers.clone();
                // The client sees why its connection ends; nobody else needs to.
                thread::spawn(move || drop(converse(stream, remote, &answers)));
            }
            Err(error) => {
                eprintln!("a client could not be let in: {error}");
                thread::sleep(PAUSE); // out of descriptors, most likely: do not spin
            }
        }
    }
}

/// Answers one client until it closes, idles, or sends what is not STUN.
fn converse(mut stream: TcpStream, remote: SocketAddr, answers: &Sender<()>) -> io::Result<()> {
    let path = FiveTuple::tcp(stream.local_addr()?, remote);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let clock = Clock::new();
    let mut server =
        Server::new(ServerConfig::default(), Entropy::from_os().map_err(io::Error::other)?, clock.now());
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
            let _ = server.handle_input(&Datagram::new(path, frame), clock.now());
            while let Some(reply) = server.poll_transmit() {
                stream.write_all(reply.payload)?;
                answers.send(()).map_err(io::Error::other)?;
            }
        }
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
