//! The example `udp_proxy`, started as its reader would.

use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::turn_host::{Peer, Tally, invert, payload, server, variable_of};

const PACKETS: u32 = 2000;

#[test]
fn the_udp_proxy_carries_what_a_local_program_sends_and_closes_its_relay() {
    let peer = Peer::new("127.0.0.1");
    let listen: SocketAddr = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut proxy = Command::new(variable_of("PROXY_BIN"))
        .args(["--user", "alice", "--password", "s3cret", "--server", &server("COTURN_RELAY").to_string()])
        .args(["--listen", &listen.to_string(), "--to", &peer.address.to_string()])
        .args(["--packets", &PACKETS.to_string(), "--for", "30"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let program = UdpSocket::bind("127.0.0.1:0").unwrap();
    program.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let (mut sent, mut received) = (Tally::default(), Tally::default());
    for number in 0..PACKETS {
        let bytes = payload(number);
        let mut buffer = [0; 2048];
        // Until the relay is there, what is sent is dropped; and before the proxy listens, the system says so.
        let length = (0..50)
            .find_map(|_| {
                program.send_to(&bytes, listen).unwrap();
                program.recv_from(&mut buffer).ok().filter(|(_, from)| *from == listen).map(|(length, _)| length)
            })
            .expect("an answer");
        invert(&mut buffer[..length]);
        sent.note(&bytes);
        received.note(&buffer[..length]);
    }
    assert_eq!(sent.digest(), received.digest());
    let status = proxy.wait().unwrap();
    let mut told = String::new();
    proxy.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(status.success(), "{told}");
    assert_eq!(peer.end().sources.len(), 1, "one relayed address");
    for text in ["relayed address 127.0.0.1:", "rtt ", "closed"] {
        assert!(told.contains(text), "{told}");
    }
    println!("{}", told.lines().rev().take(2).collect::<Vec<_>>().join("\n"));
}
