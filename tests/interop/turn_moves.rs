//! What moves or goes away: the host's address, the connection, the server.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use libstun::SendError;
use libstun::turn::{AllocationEvent, FailureReason};
use libstun::wire::stream::StreamError;

use crate::turn_host::{Host, server, variable_of};
use crate::turn_peer::{Peer, exchange};

/// One at a time, at a server where nobody else is: while a relay moves, coturn 4.6 now and then sends a packet of
/// another client's to it.
static MOVING: Mutex<()> = Mutex::new(());

/// coturn does not say where it sees the host now; RFC 8016 s3.2.2 does not ask it to.
fn moved(host: &mut Host) {
    host.expect(15, "move", |event| matches!(event, AllocationEvent::Moved { mapped: None }).then_some(()));
}

/// Relayed address and channel are as before the move.
fn is_as_before(mut host: Host, peer: Peer, relayed: SocketAddr, packets: u32) {
    let sent = host.seen.sent_channel_data;
    let counts = exchange(&mut host, peer.address, packets..packets + 100);
    assert_eq!(counts.0.digest(), counts.1.digest());
    assert_eq!(host.seen.sent_channel_data, sent + 100);
    assert_eq!(host.agent.allocation(host.relay).unwrap().relayed_address(), Some(relayed));
    let heard = peer.end();
    assert_eq!(heard.count, packets + 100);
    assert_eq!(heard.sources.iter().collect::<Vec<_>>(), [&relayed], "peers see no move");
    println!("moved, {:?}", host.seen.errors);
    host.close();
}

#[test]
fn a_relay_moves_to_another_port_of_the_host() {
    let _alone = MOVING.lock();
    let mut host = Host::udp(server("COTURN_MOVES"), |_| {});
    let (relayed, _) = host.allocated();
    let peer = Peer::new("127.0.0.1");
    host.bind(peer.address);
    exchange(&mut host, peer.address, 0..100);
    let path = *host.agent.allocation(host.relay).unwrap().path();
    host.reconnect(path);
    moved(&mut host);
    is_as_before(host, peer, relayed, 100);
}

#[test]
fn a_relay_moves_to_another_address_of_the_host_and_back() {
    let _alone = MOVING.lock();
    let mut host = Host::udp(server("COTURN_MOVES"), |_| {});
    let (relayed, _) = host.allocated();
    let peer = Peer::new("127.0.0.1");
    host.bind(peer.address);
    exchange(&mut host, peer.address, 0..100);
    let before = host.agent.allocation(host.relay).unwrap().path().local;
    let elsewhere: IpAddr = "127.0.0.2".parse().unwrap();
    for (ip, packets) in [(elsewhere, 100), (before.ip(), 200)] {
        host.agent.network_changed(&[ip], host.clock.now());
        let local = host.expect(1, "change of address", |event| match event {
            AllocationEvent::Restarted { local, .. } => Some(*local),
            _ => None,
        });
        assert_eq!(local, SocketAddr::new(ip, before.port()));
        host.rebind(local);
        moved(&mut host);
        exchange(&mut host, peer.address, packets..packets + 100);
    }
    is_as_before(host, peer, relayed, 300);
}

/// Over TCP coturn 4.6 answers a move with eight bytes that are no message: FINGERPRINT alone, in the order of bytes of
/// its machine. (Over UDP they are nobody's, and the retransmission is answered.) So the relay is lost, and the next
/// one has the same peers.
#[test]
fn where_a_server_cannot_move_to_another_connection_another_relay_is_asked_for() {
    let _alone = MOVING.lock();
    let mut host = Host::tcp(server("COTURN_MOVES"), |_| {});
    let (relayed, _) = host.allocated();
    let peer = Peer::new("127.0.0.1");
    host.bind(peer.address);
    exchange(&mut host, peer.address, 0..100);
    host.break_connection(0);
    let mut connections = 0;
    loop {
        let limit = host.in_seconds(15);
        match host.event(limit).unwrap_or_else(|| panic!("no channel: {:?}", host.seen)) {
            AllocationEvent::Reconnect { path } => {
                connections += 1;
                host.reconnect(path);
            }
            AllocationEvent::ChannelBound { .. } => break,
            _ => {}
        }
    }
    assert_eq!((connections, host.seen.broken.as_slice()), (2, &[StreamError::WrongCookie][..]));
    let reason = FailureReason::SendFailed { error: SendError::SocketClosed };
    assert!(host.seen.events.contains(&AllocationEvent::Lost { relayed, reason }), "{:?}", host.seen);
    exchange(&mut host, peer.address, 100..200);
    assert_eq!(peer.end().count, 200);
    host.close();
}

/// coturn without mobility answers 405, and the relay is lost with the port.
#[test]
fn where_the_server_knows_no_mobility_another_relay_is_asked_for() {
    let mut host = Host::udp(server("COTURN_DENY"), |_| {});
    let (before, _) = host.allocated();
    let path = *host.agent.allocation(host.relay).unwrap().path();
    host.reconnect(path);
    let lost = host.expect(5, "loss", |event| match event {
        AllocationEvent::Lost { relayed, reason } => Some((*relayed, *reason)),
        _ => None,
    });
    assert_eq!(lost, (before, FailureReason::NetworkChanged));
    host.allocated();
    host.close();
}

/// A coturn of our own, which ends when it is dropped.
struct Coturn(Child);

impl Coturn {
    fn start() -> Self {
        let conf = variable_of("COTURN_RESTART_CONF");
        let log = File::options().append(true).create(true).open(format!("{conf}.log")).unwrap();
        let mut command = Command::new("turnserver");
        command.args(["-c", &conf]).stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The relay is refreshed after 10 s, which tells; nobody has to do anything but tell the peer its new address.
#[test]
fn a_server_that_is_started_again_is_noticed_and_gives_another_relay() {
    let coturn = Coturn::start();
    let mut host = Host::udp(server("COTURN_RESTART"), |_| {});
    let (before, _) = host.allocated();
    let peer = Peer::new("127.0.0.1");
    host.bind(peer.address);
    let first = exchange(&mut host, peer.address, 0..100);
    drop(coturn);
    let began = host.clock.now();
    let _again = Coturn::start();
    let lost = host.expect(20, "loss", |event| match event {
        AllocationEvent::Lost { relayed, reason } => Some((*relayed, *reason)),
        _ => None,
    });
    assert_eq!(lost.0, before);
    println!("lost after {:?}: {}", host.clock.now().saturating_since(began), lost.1);
    let (after, _) = host.allocated();
    host.bound(peer.address);
    println!(
        "back after {:?}: {before} {after} {:?}",
        host.clock.now().saturating_since(began),
        host.seen.errors
    );
    let second = exchange(&mut host, peer.address, 100..200);
    assert_eq!(second.0.digest(), second.1.digest());
    let heard = peer.end();
    assert_eq!(heard.count, first.0.count + second.0.count);
    assert!(heard.sources.contains(&after));
    host.close();
}
