//! The example `udp_proxy`, started as its reader would.

use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::turn_host::{server, variable_of};
use crate::turn_peer::{Peer, Tally, invert, payload};

const PACKETS: u32 = 2000;

/// The proxy from `listen` to `to`, with more arguments.
fn start(listen: SocketAddr, to: SocketAddr, password: &str, more: &[&str]) -> Child {
    Command::new(variable_of("PROXY_BIN"))
        .args(["--user", "alice", "--password", password, "--server", &server("COTURN_RELAY").to_string()])
        .args(["--listen", &listen.to_string(), "--to", &to.to_string()])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// How it has ended, and all that it has said.
fn end(mut proxy: Child) -> (Option<i32>, String) {
    let status = proxy.wait().unwrap();
    let mut told = String::new();
    proxy.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    proxy.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    (status.code(), told)
}

/// An address where nobody listens yet.
fn free_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A local program that has sent until an echo came: before the proxy listens the system drops what is sent, and
/// before it has a relay it does.
fn program(proxy: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut buffer = [0; 2048];
    let is_there = (0..50).any(|_| {
        socket.send_to(b"?", proxy).unwrap();
        socket.recv_from(&mut buffer).is_ok()
    });
    assert!(is_there, "no echo");
    while socket.recv_from(&mut buffer).is_ok() {} // of those that were sent in vain, as it seemed
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn echo(program: &UdpSocket, proxy: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 2048];
    program.send_to(bytes, proxy).unwrap();
    let (length, from) = program.recv_from(&mut buffer).unwrap();
    assert_eq!(from, proxy);
    invert(&mut buffer[..length]);
    buffer[..length].to_vec()
}

/// Interrupted as a terminal does it on Ctrl-C.
#[test]
fn the_udp_proxy_carries_what_a_local_program_sends_and_closes_its_relay_when_interrupted() {
    let (peer, listen) = (Peer::new("127.0.0.1"), free_address());
    let proxy = start(listen, peer.address, "s3cret", &["--for", "60"]);
    let program = program(listen);
    let (mut sent, mut received) = (Tally::default(), Tally::default());
    for number in 0..PACKETS {
        let bytes = payload(number);
        sent.note(&bytes);
        received.note(&echo(&program, listen, &bytes));
    }
    assert_eq!(sent.digest(), received.digest());
    let interrupted = Command::new("kill").args(["-INT", &proxy.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let (code, told) = end(proxy);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(peer.end().sources.len(), 1, "one relayed address");
    for text in ["relayed address 127.0.0.1:", " packets, 1.2 MB  rtt ", "\nclosed\n"] {
        assert!(told.contains(text), "{text} is not in {told}");
    }
    println!("{}", told.lines().rev().nth(1).unwrap_or_default());
}

#[test]
fn the_udp_proxy_ends_after_as_many_packets_as_it_was_told() {
    let (peer, listen) = (Peer::new("127.0.0.1"), free_address());
    let proxy = start(listen, peer.address, "s3cret", &["--for", "60", "--packets", "1"]);
    program(listen);
    let (code, told) = end(proxy);
    assert!(code == Some(0) && told.ends_with("closed\n"), "{code:?} {told}");
}

#[test]
fn the_udp_proxy_ends_with_a_sentence_when_its_password_is_wrong() {
    let (code, told) = end(start(free_address(), free_address(), "wrong", &["--for", "30"]));
    let sentence = "error: other credentials are needed: the server rejects these\n";
    assert!(code == Some(1) && told.ends_with(sentence), "{code:?} {told}");
}
