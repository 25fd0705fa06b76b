//! Case 67: a million requests from sources that nobody has, and what they leave behind.
//!
//! A server that remembers a nonce for each address grew to 215 MB under such a flood. Ours recognises its nonces.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use libstun::auth::Realm;
use libstun::stun::{Server, ServerConfig};
use libstun::wire::TransactionId;
use libstun::wire::attribute::Username;
use libstun::{Agent, Datagram, DropReason, Entropy, FiveTuple, Instant, Machine};
use support::heap::{self, Counting};
use support::{addr, at, request};

#[global_allocator]
static HEAP: Counting = Counting;

const REQUESTS: u32 = 1_000_000;
const WARM_UP: u32 = 10_000;

fn config() -> ServerConfig {
    let mut realm = Realm::new(b"example.test").unwrap();
    realm.add_user(b"alice", b"s3cret").unwrap();
    ServerConfig { credentials: Some(realm.into()), ..ServerConfig::default() }
}

/// Another network for each number, of either family.
fn source(number: u32) -> SocketAddr {
    // An odd factor: every number has another product, and none is multicast.
    let spread = number.wrapping_mul(2_654_435_761);
    let ip = if number % 4 == 0 {
        IpAddr::V6(Ipv6Addr::from_bits(0x2001_0DB8_u128 << 96 | u128::from(spread) << 64 | 1))
    } else {
        IpAddr::V4(Ipv4Addr::from_bits(spread % 0xDF00_0000 + 0x0100_0000))
    };
    SocketAddr::new(ip, 1024 + (number % 60_000) as u16)
}

/// Sends the flood, and says how many bytes came back of how many sent.
fn flood(machine: &mut impl Machine, numbers: Range<u32>, payloads: &[Vec<u8>; 2]) -> [u64; 2] {
    let mut bytes = [0, 0];
    for number in numbers {
        let payload = &payloads[number as usize % 2];
        let path = FiveTuple::udp(addr("192.0.2.1:3478"), source(number));
        let _ = machine.handle_input(&Datagram::new(path, payload), at(u64::from(number) / 100));
        bytes[0] += payload.len() as u64;
        while let Some(reply) = machine.poll_transmit() {
            bytes[1] += reply.payload.len() as u64;
        }
        while machine.poll_event().is_some() {}
    }
    bytes
}

#[test]
fn a_million_spoofed_requests_leave_nothing_behind() {
    let short = request(TransactionId::new([7; 12]), |_| ());
    let long = request(TransactionId::new([7; 12]), |builder| builder.add(&Username(&[b'u'; 24])).unwrap());
    let payloads = [short, long];
    let empty = heap::live_bytes();
    let mut server = Server::new(config(), Entropy::from_seed([7; 32]), Instant::ZERO);
    let built = heap::live_bytes() - empty;
    flood(&mut server, 0..WARM_UP, &payloads); // the room for one reply is made at the first
    let (before, allocations) = (heap::live_bytes(), heap::allocations());
    let [received, sent] = flood(&mut server, WARM_UP..WARM_UP + REQUESTS, &payloads);
    let (after, allocated) = (heap::live_bytes(), heap::allocations() - allocations);
    let (answered, withheld) = (server.answered(), server.counters().dropped(DropReason::OverBudget));
    println!(
        "a server: {built} bytes when built, {} before {REQUESTS} requests, {} after",
        before - empty,
        after - empty
    );
    println!("{received} bytes received, {sent} sent; {answered} answered, {withheld} withheld");
    assert_eq!((after, allocated), (before, 0));
    assert!(after - empty < 64 << 10);
    assert!(sent > 0 && sent * 100 <= received * 260);

    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    agent.start_server(config(), Instant::ZERO).unwrap();
    flood(&mut agent, 0..WARM_UP, &payloads);
    let before = heap::live_bytes();
    flood(&mut agent, WARM_UP..2 * WARM_UP, &payloads);
    assert_eq!(heap::live_bytes(), before, "in an agent as well");
}
