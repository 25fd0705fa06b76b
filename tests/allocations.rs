//! Machines in their steady state never touch the heap, and nobody's silence makes them grow.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use libstun::auth::{Credentials, Realm, ShortTerm};
use libstun::stun::{Binding, BindingConfig, Server, ServerConfig, ServerCredentials};
use libstun::transaction::{Request, RetransmissionConfig, Transactions};
use libstun::turn::{AllocationConfig, PoolConfig};
use libstun::wire::attribute::{Lifetime, Nonce, XorMappedAddress, XorRelayedAddress};
use libstun::wire::{Class, Key, Message, MessageBuilder, Method, TransactionId};
use libstun::{Agent, Datagram, Entropy, FiveTuple, Instant, Machine, Outcome};
use support::heap::{self, Counting};
use support::{PASSWORD, USER, asked, request};

#[global_allocator]
static HEAP: Counting = Counting;

const WARM_UP: u32 = 3000;
const ROUNDS: u32 = 1000;

/// What `round` allocates once it has run a while.
fn allocations(name: &str, mut round: impl FnMut()) {
    (0..WARM_UP).for_each(|_| round());
    let before = heap::allocations();
    (0..ROUNDS).for_each(|_| round());
    let count = heap::allocations() - before;
    println!("{name}: {count} allocations in {ROUNDS} rounds");
    assert_eq!(count, 0, "{name}");
}

fn server(credentials: Option<ServerCredentials>) -> Server {
    let config = ServerConfig { credentials, ..ServerConfig::default() };
    Server::new(config, Entropy::from_seed([7; 32]), Instant::ZERO)
}

/// Carries every request of a client to a server and every reply back, through a buffer on the stack.
fn exchange<C: Machine>(client: &mut C, server: &mut Server, now: Instant) -> u32 {
    let (mut buffer, mut count) = ([0; 1024], 0);
    while let Some(transmit) = client.poll_transmit() {
        let (path, length) = (transmit.path, transmit.payload.len());
        buffer[..length].copy_from_slice(transmit.payload);
        let back = FiveTuple { local: path.remote, remote: path.local, ..path };
        let _ = server.handle_input(&Datagram::new(back, &buffer[..length]), now);
        let Some(reply) = server.poll_transmit() else { continue };
        let length = reply.payload.len();
        buffer[..length].copy_from_slice(reply.payload);
        let _ = client.handle_input(&Datagram::new(path, &buffer[..length]), now);
        count += 1;
    }
    while client.poll_event().is_some() {}
    count
}

/// One wake-up at the deadline, and what follows from it.
fn refresh<C: Machine>(client: &mut C, server: &mut Server) -> u32 {
    let now = client.poll_timeout().unwrap();
    client.handle_timeout(now);
    exchange(client, server, now)
}

#[test]
fn the_steady_state_of_every_machine_allocates_nothing() {
    let credential = || ShortTerm::new(USER, PASSWORD).ok();
    for (name, credential) in [("binding that refreshes", None), ("the same, signed", credential())] {
        let credentials = credential.clone().map(Credentials::from);
        let config = BindingConfig { credentials, ..BindingConfig::new(asked()) };
        let mut binding = Binding::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap();
        let mut server = server(credential.map(Into::into));
        allocations(name, || {
            refresh(&mut binding, &mut server);
        });
        assert!(server.answered() >= u64::from(ROUNDS));
    }
    long_term_binding();
    silent_binding();
    servers();
    long_term_server();
    agent_with_a_hundred_bindings();
    pool_of_relays();
    transactions();
    hoarding();
}

/// The server is played by hand: it challenges once, and signs what follows.
fn long_term_binding() {
    let config = BindingConfig { credentials: Some(support::long_term()), ..BindingConfig::new(asked()) };
    let mut binding = Binding::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap();
    let first = support::id_of(binding.poll_transmit().unwrap().payload);
    let challenge = support::challenge(first, 401, support::REALM, b"obMatJos2AAAB-nonce");
    support::offer(&mut binding, asked(), &challenge, Instant::ZERO);
    let key = libstun::wire::Key::from_bytes(&support::long_term_key());
    let mut now = Instant::ZERO;
    allocations("binding that refreshes with long-term credentials", || {
        let mut buffer = [0; 128];
        let id = support::id_of(binding.poll_transmit().unwrap().payload);
        let mut reply =
            MessageBuilder::new(&mut buffer, Class::SuccessResponse, Method::BINDING, id).unwrap();
        reply.add(&XorMappedAddress(support::addr(support::MAPPED))).unwrap();
        reply.sign_sha256(&key).unwrap();
        let _ = binding.handle_input(&Datagram::new(asked(), reply.finish()), now);
        assert!(binding.poll_event().is_some());
        now = binding.poll_timeout().unwrap();
        binding.handle_timeout(now);
    });
}

fn silent_binding() {
    let mut binding =
        Binding::new(BindingConfig::new(asked()), Entropy::from_seed([7; 32]), Instant::ZERO).unwrap();
    allocations("binding that nobody answers", || {
        let now = binding.poll_timeout().unwrap();
        binding.handle_timeout(now);
        while binding.poll_transmit().is_some() {}
        while binding.poll_event().is_some() {}
    });
}

fn servers() {
    let id = TransactionId::new([7; 12]);
    let key = libstun::wire::Key::short_term(PASSWORD);
    let sealed = request(id, |builder| builder.add_fingerprint().unwrap());
    let signed = request(id, |builder| {
        builder.add(&libstun::wire::attribute::Username(USER)).unwrap();
        builder.sign(&key).unwrap();
        builder.sign_sha256(&key).unwrap();
        builder.add_fingerprint().unwrap();
    });
    let guarded = ShortTerm::new(USER, PASSWORD).ok().map(ServerCredentials::from);
    for (name, bytes, credentials) in [
        ("server, plain", request(id, |_| ()), None),
        ("server, FINGERPRINT", sealed, None),
        ("server, credentials", signed, guarded.clone()),
        ("server, refusing", request(id, |_| ()), guarded),
    ] {
        let mut server = server(credentials);
        allocations(name, || {
            let _ = server.handle_input(&Datagram::new(support::served(), &bytes), Instant::ZERO);
            assert!(server.poll_transmit().is_some());
        });
    }
}

/// The whole of a client's life with a server that has a realm: challenged, signed, stale.
fn long_term_server() {
    let id = TransactionId::new([7; 12]);
    let mut realm = Realm::new(b"example.test").unwrap();
    realm.add_user(USER, PASSWORD).unwrap();
    let mut server = server(Some(realm.into()));
    let path = support::served();
    let unsigned =
        request(id, |builder| builder.add(&libstun::wire::attribute::Username(&[b'u'; 40])).unwrap());
    let _ = server.handle_input(&Datagram::new(path, &unsigned), Instant::ZERO);
    let challenge = server.poll_transmit().unwrap().payload.to_vec();
    let nonce = Message::parse(&challenge).unwrap().get::<Nonce<'_>>().unwrap().unwrap().0.to_vec();
    let signed = request(id, |builder| {
        builder.add(&libstun::wire::attribute::Username(USER)).unwrap();
        builder.add(&libstun::wire::attribute::Realm(b"example.test")).unwrap();
        builder.add(&Nonce(&nonce)).unwrap();
        builder.sign(&Key::long_term_md5(USER, b"example.test", PASSWORD)).unwrap();
    });
    let mut now = Instant::ZERO;
    allocations("server with a realm", || {
        for (path, bytes) in
            [(path, &unsigned), (path, &signed), (FiveTuple { remote: path.local, ..path }, &signed)]
        {
            let _ = server.handle_input(&Datagram::new(path, bytes), now);
            assert!(server.poll_transmit().is_some());
        }
        now = now.saturating_add(Duration::from_secs(2));
    });
}

fn agent_with_a_hundred_bindings() {
    // Ten at each server, which is what goes at once; then all at one, where ninety wait their turn.
    for (name, ports, at_once) in [("agent with 100 bindings", 10, 100), ("the same at one server", 1, 10)] {
        let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
        for number in 0..100 {
            let mut path = asked();
            path.remote.set_port(3478 + number % ports);
            let refresh = Some(Duration::from_secs(5 + u64::from(number) % 7));
            agent
                .start_binding(BindingConfig { refresh, ..BindingConfig::new(path) }, Instant::ZERO)
                .unwrap();
        }
        assert_eq!(agent.transmits().count(), at_once);
        let mut server = server(None);
        allocations(name, || {
            refresh(&mut agent, &mut server);
        });
        assert!(server.answered() >= u64::from(ROUNDS));
    }
}

/// Data each way twice a second for half an hour, and whatever keeps two relays, a permission and a channel.
fn pool_of_relays() {
    let relay = |host| AllocationConfig::open(support::udp("10.0.0.1:5000", &format!("192.0.2.{host}:3478")));
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let config = PoolConfig::new(vec![relay(1), relay(2)]);
    let (id, peer) =
        (agent.start_relay_pool(config, Instant::ZERO).unwrap(), support::addr("203.0.113.77:7000"));
    agent.bind_channel(id, peer, Instant::ZERO).unwrap();
    let mut now = Instant::ZERO;
    grant_relays(&mut agent, now);
    allocations("pool of two relays, data each way twice a second", || {
        let mut buffer = [0; 1300];
        let sent = agent.send_to_peer_in_place(id, peer, &mut buffer, 36..1236, now).unwrap();
        let (path, payload) = (sent.path, sent.payload);
        assert!(matches!(agent.handle_input(&Datagram::new(path, payload), now), Outcome::Unwrapped(_)));
        now = now.saturating_add(Duration::from_millis(500));
        agent.handle_timeout(now);
        grant_relays(&mut agent, now);
    });
    assert_eq!(agent.relay_pool(id).unwrap().selected(), Some(0));
}

/// Plays the servers: every request succeeds.
fn grant_relays(agent: &mut Agent, now: Instant) {
    while let Some(transmit) = agent.poll_transmit() {
        let (path, request) = (transmit.path, Message::parse(transmit.payload).unwrap());
        let mut buffer = [0; 128];
        let (method, id) = (request.method(), request.transaction_id());
        let mut reply = MessageBuilder::new(&mut buffer, Class::SuccessResponse, method, id).unwrap();
        let relayed = SocketAddr::new(path.remote.ip(), 49_160);
        reply.add(&XorRelayedAddress(relayed)).unwrap();
        reply.add(&XorMappedAddress(support::addr(support::MAPPED))).unwrap();
        reply.add(&Lifetime(Duration::from_secs(600))).unwrap();
        let _ = agent.handle_input(&Datagram::new(path, reply.finish()), now);
    }
    while agent.poll_event().is_some() {}
}

fn transactions() {
    let mut table: Transactions<u32> = Transactions::new(100);
    let (config, mut entropy, mut now) =
        (RetransmissionConfig::default(), Entropy::from_seed([7; 32]), Instant::ZERO);
    let mut ids = [TransactionId::new([0; 12]); 50];
    allocations("50 transactions, started, sent, resent and ended", || {
        for id in &mut ids {
            *id = TransactionId::new(entropy.bytes());
            let request = Request { id: *id, bytes: &[0; 64], path: asked(), socket_id: 0, tag: 1 };
            table.start(&request, &config, Duration::ZERO, now).unwrap();
        }
        while table.poll_transmit().is_some() {}
        now = now.saturating_add(Duration::from_millis(500));
        table.handle_timeout(now);
        for id in &ids {
            assert!(table.take(*id, now).is_some());
        }
    });
}

/// A host that feeds and never drains (C7): the heap stands still once the queues are full.
fn hoarding() {
    let (mut agent, mut now) = (Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO), Instant::ZERO);
    agent.start_binding(BindingConfig::new(asked()), now).unwrap();
    agent.start_server(ServerConfig::default(), now).unwrap();
    let bytes = request(TransactionId::new([7; 12]), |_| ());
    allocations("agent that nobody drains, 500 inputs a round", || {
        for _ in 0..500 {
            let _ = agent.handle_input(&Datagram::new(support::served(), &bytes), now);
        }
        now = now.saturating_add(Duration::from_secs(20));
        agent.handle_timeout(now);
    });
}
