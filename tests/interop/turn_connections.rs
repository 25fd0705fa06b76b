//! Connections to peers (RFC 6062).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use libstun::FiveTuple;
use libstun::turn::{AllocationEvent, FailureReason, RelayTransport};
use libstun::wire::attribute::ConnectionId;
use sha2::{Digest, Sha256};

use crate::turn_host::{Host, server};
use crate::turn_peer::invert;

const BYTES: usize = 1 << 20;
const PIECE: usize = 10_000;

fn host() -> (Host, SocketAddr) {
    let mut host = Host::tcp(server("COTURN_RELAY"), |config| config.transport = RelayTransport::Tcp);
    let (relayed, _) = host.allocated();
    (host, relayed)
}

/// Does what the event asks for, and gives the connection to the peer.
fn open(host: &mut Host, is_expected_incoming: bool) -> (SocketAddr, TcpStream) {
    let (connection, peer, path) = host.expect(10, "connection on the server's side", |event| match event {
        AllocationEvent::OpenConnection { connection, peer, is_incoming, path } => {
            assert_eq!(*is_incoming, is_expected_incoming);
            Some((*connection, *peer, *path))
        }
        _ => None,
    });
    let (path, number): (FiveTuple, u32) = host.connect(path.remote);
    host.agent.peer_connection_opened(host.relay, connection, path, number, host.clock.now()).unwrap();
    let bound: (ConnectionId, SocketAddr, FiveTuple) =
        host.expect(10, "bound connection", |event| match event {
            AllocationEvent::ConnectionBound { connection, peer, path } => Some((*connection, *peer, *path)),
            _ => None,
        });
    assert_eq!(bound, (connection, peer, path));
    let (stream, beyond) = host.take_connection(number);
    assert!(beyond.is_empty(), "{beyond:02x?}");
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    (peer, stream)
}

/// A megabyte to an end that inverts it, and back, through one connection. In pieces: with more under way in both
/// directions than it holds, coturn 4.6 now and then reads from neither end any more.
fn carries(mut stream: TcpStream) {
    let bytes: Vec<u8> = (0..BYTES).map(|place| (place * 31 / 7) as u8).collect();
    let mut back = vec![0; BYTES];
    for (sent, received) in bytes.chunks(PIECE).zip(back.chunks_mut(PIECE)) {
        stream.write_all(sent).unwrap();
        stream.read_exact(received).unwrap();
    }
    invert(&mut back);
    assert_eq!(Sha256::digest(&back), Sha256::digest(&bytes));
}

/// Inverts what comes until there is no more.
fn answer(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        invert(&mut buffer[..length]);
        stream.write_all(&buffer[..length]).unwrap();
    }
}

#[test]
fn a_connection_to_a_peer_is_made_through_the_server() {
    let (mut host, relayed) = host();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = listener.local_addr().unwrap();
    let accepting = thread::spawn(move || {
        let (stream, from) = listener.accept().unwrap();
        answer(stream);
        from
    });
    host.agent.connect_peer(host.relay, peer, host.clock.now()).unwrap();
    let (to, stream) = open(&mut host, false);
    assert_eq!(to, peer);
    carries(stream);
    assert_eq!(accepting.join().unwrap(), relayed, "the peer sees the relayed address");
    println!("connection to a peer: {:?}", host.seen.errors);
    host.close();
}

#[test]
fn a_permitted_peer_connects_to_the_relayed_address() {
    let (mut host, relayed) = host();
    host.permit("127.0.0.1".parse().unwrap());
    let peer = TcpStream::connect(relayed).unwrap();
    let local = peer.local_addr().unwrap();
    let answering = thread::spawn(move || answer(peer));
    let (from, stream) = open(&mut host, true);
    assert_eq!(from, local);
    carries(stream);
    answering.join().unwrap();
    host.close();
}

/// Nobody listens there: 447 (RFC 6062 s4.3).
#[test]
fn a_peer_that_is_not_there_fails_alone() {
    let (mut host, _) = host();
    let peer = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    host.agent.connect_peer(host.relay, peer, host.clock.now()).unwrap();
    let failed = host.expect(40, "failure", |event| match event {
        AllocationEvent::ConnectionFailed { peer, reason } => Some((*peer, *reason)),
        _ => None,
    });
    assert_eq!(failed, (peer, FailureReason::ErrorResponse { code: 447 }));
    assert!(host.agent.allocation(host.relay).unwrap().is_allocated());
    host.close();
}
