//! What one round costs: nanoseconds for each operation, the best of several runs. `cargo bench`.
//!
//! A benchmark measures and asserts nothing about time; what it computes is checked once before it is timed.

#![allow(clippy::disallowed_methods)] // a benchmark is a host: it reads the clock
#![allow(missing_docs, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use std::hint::black_box;
use std::time::Instant as Wall;

use libstun::auth::ShortTerm;
use libstun::stun::{Binding, BindingConfig, Server, ServerConfig};
use libstun::wire::attribute::{Username, XorMappedAddress};
use libstun::wire::{
    Class, Integrity, IntegrityAlgorithm, Key, Message, MessageBuilder, Method, TransactionId,
};
use libstun::{Datagram, Entropy, FiveTuple, Instant, Machine};

const RUNS: u32 = 7;
const ROUNDS: u32 = 100_000;
const ID: TransactionId = TransactionId::new(*b"transaction!");

fn main() {
    let key = Key::short_term(b"VOkJxbRl1RmTxUk/WvJxBt");
    let mut buffer = [0; 256];

    let response = response(&mut buffer).to_vec();
    assert!(Message::parse(&response).unwrap().get::<XorMappedAddress>().unwrap().is_some());
    time("parse a success response, FINGERPRINT checked, to its address", || {
        let message = Message::parse(black_box(&response)).unwrap();
        assert_eq!(message.check_fingerprint(), Integrity::Valid);
        black_box(message.get::<XorMappedAddress>().unwrap());
    });

    let request = signed(&key, &mut buffer).to_vec();
    time("parse and verify a signed request", || {
        let message = Message::parse(black_box(&request)).unwrap();
        assert_eq!(message.check_integrity(IntegrityAlgorithm::Sha1, &key), Integrity::Valid);
    });
    time("build and sign a request, with FINGERPRINT", || {
        black_box(signed(&key, &mut buffer).len());
    });

    let mut entropy = Entropy::from_seed([1; 32]);
    time("draw a transaction id", || {
        black_box(entropy.bytes::<12>());
    });

    exchange("a Binding's refresh against a Server, both ends", None);
    exchange(
        "the same, signed with a short-term credential",
        Some(ShortTerm::new(b"user", b"password").unwrap()),
    );
}

/// One refresh through a whole client and a whole server in memory.
fn exchange(name: &str, credential: Option<ShortTerm>) {
    let (ours, theirs) = ("203.0.113.7:50000".parse().unwrap(), "192.0.2.1:3478".parse().unwrap());
    let config = BindingConfig {
        credentials: credential.clone().map(Into::into),
        ..BindingConfig::new(FiveTuple::udp(ours, theirs))
    };
    let mut binding = Binding::new(config, Entropy::from_seed([1; 32]), Instant::ZERO).unwrap();
    let mut server = Server::new(
        ServerConfig { credentials: credential.map(Into::into), ..ServerConfig::default() },
        Entropy::from_seed([9; 32]),
        Instant::ZERO,
    );
    time(name, || {
        let now = binding.poll_timeout().unwrap();
        binding.handle_timeout(now);
        let request = binding.poll_transmit().unwrap();
        let _ = server.handle_input(&Datagram::new(FiveTuple::udp(theirs, ours), request.payload), now);
        let reply = server.poll_transmit().unwrap();
        let _ = binding.handle_input(&Datagram::new(FiveTuple::udp(ours, theirs), reply.payload), now);
        assert!(binding.poll_event().is_some());
    });
}

fn response(buffer: &mut [u8]) -> &[u8] {
    let mut builder = MessageBuilder::new(buffer, Class::SuccessResponse, Method::BINDING, ID).unwrap();
    builder.add(&XorMappedAddress("203.0.113.7:50000".parse().unwrap())).unwrap();
    builder.add_fingerprint().unwrap();
    builder.finish()
}

fn signed<'b>(key: &Key, buffer: &'b mut [u8]) -> &'b [u8] {
    let mut builder = MessageBuilder::new(buffer, Class::Request, Method::BINDING, ID).unwrap();
    builder.add(&Username(b"evtj:h6vY")).unwrap();
    builder.sign(key).unwrap();
    builder.add_fingerprint().unwrap();
    builder.finish()
}

fn time(name: &str, mut round: impl FnMut()) {
    let best = (0..RUNS)
        .map(|_| {
            let start = Wall::now();
            (0..ROUNDS).for_each(|_| round());
            start.elapsed().as_nanos() / u128::from(ROUNDS)
        })
        .min();
    println!("{:>6} ns  {name}", best.unwrap_or_default());
}
