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

fn program() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    socket
}

/// Sends until an echo comes: before the proxy listens the system drops what is sent, and before it has a relay it
/// does.
fn echo(program: &UdpSocket, proxy: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 2048];
    for _ in 0..50 {
        program.send_to(bytes, proxy).unwrap();
        if let Ok((length, from)) = program.recv_from(&mut buffer) {
            assert_eq!(from, proxy);
            invert(&mut buffer[..length]);
            return buffer[..length].to_vec();
        }
    }
    panic!("no echo")
}

#[test]
fn the_udp_proxy_carries_what_a_local_program_sends_and_closes_its_relay() {
    let (peer, listen, program) = (Peer::new("127.0.0.1"), free_address(), program());
    let proxy = start(listen, peer.address, "s3cret", &["--packets", &PACKETS.to_string(), "--for", "30"]);
    let (mut sent, mut received) = (Tally::default(), Tally::default());
    for number in 0..PACKETS {
        let bytes = payload(number);
        sent.note(&bytes);
        received.note(&echo(&program, listen, &bytes));
    }
    assert_eq!(sent.digest(), received.digest());
    let (code, told) = end(proxy);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(peer.end().sources.len(), 1, "one relayed address");
    for text in ["relayed address 127.0.0.1:", &format!("  in {PACKETS} packets, "), "  rtt ", "\nclosed\n"] {
        assert!(told.contains(text), "{text} is not in {told}");
    }
    println!("{}", told.lines().rev().nth(1).unwrap_or_default());
}

/// Ctrl-C, as a terminal would send it.
#[test]
fn the_udp_proxy_closes_its_relay_when_it_is_interrupted() {
    let (peer, listen) = (Peer::new("127.0.0.1"), free_address());
    let proxy = start(listen, peer.address, "s3cret", &["--for", "30"]);
    assert_eq!(echo(&program(), listen, b"through the relay"), b"through the relay");
    let interrupted = Command::new("kill").args(["-INT", &proxy.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let (code, told) = end(proxy);
    assert!(code == Some(0) && told.ends_with("closed\n"), "{code:?} {told}");
}

#[test]
fn the_udp_proxy_ends_with_a_sentence_when_its_password_is_wrong() {
    let (code, told) = end(start(free_address(), free_address(), "wrong", &["--for", "30"]));
    let sentence = "error: other credentials are needed: the server rejects these\n";
    assert!(code == Some(1) && told.ends_with(sentence), "{code:?} {told}");
}
