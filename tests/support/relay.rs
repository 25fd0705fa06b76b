//! A TURN server that grants whatever it is asked for, without credentials: for tests that are about something else.

use libstun::turn::AllocationConfig;
use libstun::wire::attribute::{Lifetime, XorMappedAddress, XorRelayedAddress};
use libstun::wire::{Class, Message, MessageBuilder, Method};
use libstun::{FiveTuple, Machine};
use std::net::SocketAddr;
use std::time::Duration;

pub const PEER: &str = "198.51.100.9:4000";

/// A path of its own for each number, all from one socket.
pub fn relay_path(number: u16) -> FiveTuple {
    let server = SocketAddr::from(([192, 0, 2, 1], 10_000 + number));
    FiveTuple::udp("10.0.0.2:5000".parse().unwrap(), server)
}

pub fn relay_config(number: u16) -> AllocationConfig {
    AllocationConfig::open(relay_path(number))
}

/// Answers everything that a machine sends with a success, until it sends nothing more. Indications are not answered.
pub fn grant_all<M: Machine>(machine: &mut M, now: libstun::Instant) -> usize {
    let (mut buffer, mut count) = ([0; 256], 0);
    while let Some(transmit) = machine.poll_transmit() {
        count += 1;
        let path = transmit.path;
        let Ok(request) = Message::parse(transmit.payload) else { continue };
        if request.class() != Class::Request {
            continue;
        }
        let (method, id) = (request.method(), request.transaction_id());
        let mut builder = MessageBuilder::new(&mut buffer, Class::SuccessResponse, method, id).unwrap();
        if method == Method::ALLOCATE {
            builder
                .add(&XorRelayedAddress(SocketAddr::from(([192, 0, 2, 1], path.remote.port() + 20_000))))
                .unwrap();
            builder.add(&XorMappedAddress("203.0.113.9:5000".parse().unwrap())).unwrap();
        }
        if method == Method::ALLOCATE || method == Method::REFRESH {
            builder.add(&Lifetime(Duration::from_secs(600))).unwrap();
        }
        let reply = libstun::Datagram::new(path, builder.finish());
        let _ = machine.handle_input(&reply, now);
        while machine.poll_event().is_some() {}
    }
    count
}

/// A Data indication from [`PEER`], as a server sends it.
pub fn data_indication<'b>(payload: &[u8], buffer: &'b mut [u8]) -> &'b [u8] {
    use libstun::wire::attribute::{Data, XorPeerAddress};
    let id = libstun::wire::TransactionId::new([9; 12]);
    let mut builder = MessageBuilder::new(buffer, Class::Indication, Method::DATA, id).unwrap();
    builder.add(&XorPeerAddress(PEER.parse().unwrap())).unwrap();
    builder.add(&Data(payload)).unwrap();
    builder.finish()
}
