//! A server for NAT behaviour discovery on loopback (RFC 5780), for a run without network.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use libstun::stun::{BehaviorDiscovery, Server, ServerConfig};
use libstun::{Clock, Datagram, Entropy, FiveTuple, Machine};

use crate::support::is_passing;

/// Four sockets and one server, which ends with the process. Fails where 127.0.0.2 is no address of this machine.
pub(crate) fn embedded_behavior_server() -> io::Result<SocketAddr> {
    let ips = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];
    let [first, second] = [0, 0].map(|port| UdpSocket::bind((ips[0], port)));
    let (first, second) = (first?, second?);
    let ports = [first.local_addr()?.port(), second.local_addr()?.port()];
    let [third, fourth] = ports.map(|port| UdpSocket::bind((ips[1], port)));
    let sockets = Arc::new([first, second, third?, fourth?]);

    let behavior =
        BehaviorDiscovery::new(ips.map(IpAddr::V4), ports, [0, 1, 2, 3]).map_err(io::Error::other)?;
    let config = ServerConfig { behavior: Some(behavior), ..ServerConfig::default() };
    let clock = Clock::new();
    let entropy = Entropy::from_os().map_err(io::Error::other)?;
    let server = Arc::new(Mutex::new(Server::new(config, entropy, clock.now())));
    for number in 0..sockets.len() {
        let (sockets, server) = (Arc::clone(&sockets), Arc::clone(&server));
        thread::spawn(move || serve(&sockets, number, &server, clock));
    }
    Ok(SocketAddr::from((ips[0], ports[0])))
}

/// Reads one socket; a reply may have to leave from another one.
fn serve(sockets: &[UdpSocket; 4], number: usize, server: &Mutex<Server>, clock: Clock) -> io::Result<()> {
    let (own, mut buffer) = (&sockets[number], vec![0; 65_536]);
    let local = own.local_addr()?;
    loop {
        let (length, remote) = match own.recv_from(&mut buffer) {
            Ok(arrived) => arrived,
            Err(error) if is_passing(&error) => continue,
            Err(error) => return Err(error),
        };
        let path = FiveTuple::udp(local, remote);
        let datagram = Datagram { socket_id: number as u32, ..Datagram::new(path, &buffer[..length]) };
        let Ok(mut server) = server.lock() else { return Ok(()) };
        let _ = server.handle_input(&datagram, clock.now()); // whatever is not STUN has no other taker here
        while let Some(reply) = server.poll_transmit() {
            let socket = &sockets[reply.socket_id as usize];
            let _ = socket.send_to(reply.payload, reply.path.remote); // a lost reply: the client asks again
        }
    }
}
