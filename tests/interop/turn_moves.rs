//! What moves or goes away: the host's address, the connection, the server.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libstun::turn::{AllocationEvent, FailureReason};

use crate::turn_host::{Host, Peer, exchange, server, variable_of};
use crate::reconnect_path;

fn moved(host: &mut Host) -> SocketAddr {
    let mapped = host.expect(15, "move", |event| match event {
        AllocationEvent::Moved { mapped } => Some(*mapped),
        _ => None,
    });
    mapped.expect("coturn says where it sees us")
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
    let mut host = Host::udp(server("COTURN_RELAY"), |_| {});
    let (relayed, _) = host.allocated();
    let peer = Peer::new("127.0.0.1");
    host.bind(peer.address);
    exchange(&mut host, peer.address, 0..100);
    let path = *host.agent.allocation(host.relay).unwrap().path();
    host.reconnect(path);
    let mapped = moved(&mut host);
    assert_ne!(mapped, path.local);
    is_as_before(host, peer, relayed, 100);
}

#[test]
fn a_relay_moves_to_another_address_of_the_host_and_back() {
    let mut host = Host::udp(server("COTURN_RELAY"), |_| {});
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
        assert_eq!(moved(&mut host), local);
        exchange(&mut host, peer.address, packets..packets + 100);
    }
    is_as_before(host, peer, relayed, 300);
}

#[test]
fn a_relay_moves_to_another_connection_when_the_first_one_breaks() {
    let mut host = Host::tcp(server("COTURN_RELAY"), |_| {});
    let (relayed, _) = host.allocated();
    let peer = Peer::new("127.0.0.1");
    host.bind(peer.address);
    exchange(&mut host, peer.address, 0..100);
    host.break_connection(0);
    let path = reconnect_path(&mut host);
    host.reconnect(path);
    moved(&mut host);
    is_as_before(host, peer, relayed, 100);
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

/// The relay is refreshed every 10 s, which tells; nobody has to do anything but tell the peer its new address.
#[test]
fn a_server_that_is_started_again_is_noticed_and_gives_another_relay() {
    let coturn = Coturn::start();
    let lifetime = Some(Duration::from_secs(700));
    let mut host = Host::udp(server("COTURN_RESTART"), |config| config.lifetime = lifetime);
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
    println!("back after {:?}: {before} {after} {:?}", host.clock.now().saturating_since(began), host.seen.errors);
    let second = exchange(&mut host, peer.address, 100..200);
    assert_eq!(second.0.digest(), second.1.digest());
    let heard = peer.end();
    assert_eq!(heard.count, first.0.count + second.0.count);
    assert!(heard.sources.contains(&after));
    host.close();
}
