//! The server against hand-made messages.

use std::net::SocketAddr;
use std::time::Duration;

use libstun::wire::attribute::{
    AdditionalAddressFamily, AddressErrorCode, AddressFamily, AlternateServer, Attribute, AttributeType,
    ChannelNumberAttribute, ConnectionId, Data, DontFragment, ErrorCode, EvenPort, Icmp, Lifetime,
    MobilityTicket, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, RequestedAddressFamily,
    RequestedTransport, ReservationToken, UnknownAttributes, Userhash, Username, XorMappedAddress,
    XorPeerAddress, XorRelayedAddress,
};
use libstun::wire::{
    ChannelData, ChannelNumber, Class, Integrity, IntegrityAlgorithm, Key, Message, MessageBuilder, Method,
    TransactionId, userhash,
};
use libstun::{FiveTuple, Instant};

use super::{Fault, Mobility, Output, TurnServer, TurnServerConfig};

/// A server, and a client that signs what it is told to.
struct Pair {
    server: TurnServer,
    path: FiveTuple,
    now: Instant,
    user: &'static str,
    password: &'static str,
    nonce: Vec<u8>,
    serial: u8,
}

/// What came back: the message's bytes.
struct Answer(Vec<u8>);

type Fill<'f> = &'f dyn Fn(&mut MessageBuilder<'_>);

impl Answer {
    fn message(&self) -> Message<'_> {
        Message::parse(&self.0).unwrap()
    }

    fn code(&self) -> u16 {
        self.message().get::<ErrorCode<'_>>().unwrap().map_or(200, |error| error.code)
    }

    fn get<'a, A: Attribute<'a>>(&'a self) -> A {
        self.message().get::<A>().unwrap().unwrap()
    }

    fn relayed(&self) -> SocketAddr {
        self.get::<XorRelayedAddress>().0
    }

    fn lifetime(&self) -> u64 {
        self.get::<Lifetime>().0.as_secs()
    }
}

impl Pair {
    fn new(config: TurnServerConfig) -> Self {
        Self {
            server: TurnServer::new(config, Instant::ZERO),
            path: client(1),
            now: Instant::ZERO,
            user: "alice",
            password: "s3cret",
            nonce: Vec::new(),
            serial: 0,
        }
    }

    /// With an allocation and a fresh nonce.
    fn allocated(config: TurnServerConfig) -> Self {
        let mut pair = Self::new(config);
        assert_eq!(pair.allocate(&|_| ()).code(), 200);
        pair
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.saturating_add(Duration::from_secs(seconds));
    }

    fn bytes(&mut self, method: Method, fill: Fill<'_>) -> Vec<u8> {
        self.serial += 1;
        let id = TransactionId::new([self.serial; 12]);
        let key = Key::long_term_md5(self.user.as_bytes(), b"example.org", self.password.as_bytes());
        build(Class::Request, method, id, &|builder| {
            fill(builder);
            builder.add(&Username(self.user.as_bytes())).unwrap();
            builder.add(&Realm(b"example.org")).unwrap();
            builder.add(&Nonce(&self.nonce)).unwrap();
            builder.sign(&key).unwrap();
        })
    }

    fn send(&mut self, bytes: &[u8]) -> Option<Answer> {
        self.server.handle_client(self.path, bytes, self.now);
        match self.server.poll() {
            Some(Output::ToClient { path, payload }) => {
                assert_eq!(path, self.path);
                Some(Answer(payload))
            }
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    }

    /// A signed request; takes a challenge once.
    fn ask(&mut self, method: Method, fill: Fill<'_>) -> Answer {
        let bytes = self.bytes(method, fill);
        let first = self.send(&bytes).unwrap();
        if first.code() != 438 && (first.code() != 401 || !self.nonce.is_empty()) {
            return first;
        }
        self.nonce = first.get::<Nonce<'_>>().0.to_vec();
        let bytes = self.bytes(method, fill);
        self.send(&bytes).unwrap()
    }

    fn allocate(&mut self, fill: Fill<'_>) -> Answer {
        self.ask(Method::ALLOCATE, &|builder| {
            builder.add(&RequestedTransport::UDP).unwrap();
            fill(builder);
        })
    }

    fn refresh(&mut self, seconds: u64) -> Answer {
        self.ask(Method::REFRESH, &|builder| builder.add(&Lifetime(Duration::from_secs(seconds))).unwrap())
    }

    fn permit(&mut self, peers: &[&str]) -> u16 {
        let all = |builder: &mut MessageBuilder<'_>| {
            peers.iter().for_each(|peer| builder.add(&XorPeerAddress(addr(peer))).unwrap());
        };
        self.ask(Method::CREATE_PERMISSION, &all).code()
    }

    fn bind(&mut self, number: u16, peer: &str) -> u16 {
        self.ask(Method::CHANNEL_BIND, &|builder| {
            let [n0, n1] = number.to_be_bytes();
            builder.add_raw(AttributeType::CHANNEL_NUMBER, &[n0, n1, 0, 0]).unwrap();
            builder.add(&XorPeerAddress(addr(peer))).unwrap();
        })
        .code()
    }

    fn send_indication(&mut self, peer: &str, data: &[u8]) -> Option<Output> {
        let bytes = build(Class::Indication, Method::SEND, TransactionId::new([99; 12]), &|builder| {
            builder.add(&XorPeerAddress(addr(peer))).unwrap();
            builder.add(&Data(data)).unwrap();
        });
        self.server.handle_client(self.path, &bytes, self.now);
        self.server.poll()
    }

    fn peer_sends(&mut self, peer: &str, data: &[u8]) -> Option<Output> {
        let relayed = self.server.allocations()[0].relayed_for(addr(peer).ip()).unwrap();
        self.server.handle_peer(relayed, addr(peer), data, self.now);
        self.server.poll()
    }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn client(host: u8) -> FiveTuple {
    FiveTuple::udp(addr("192.0.2.1:3478"), SocketAddr::new([203, 0, 113, host].into(), 4242))
}

fn over_tcp(host: u8) -> FiveTuple {
    let udp = client(host);
    FiveTuple::tcp(udp.local, udp.remote)
}

fn build(class: Class, method: Method, id: TransactionId, fill: Fill<'_>) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let mut builder = MessageBuilder::new(&mut buffer, class, method, id).unwrap();
    fill(&mut builder);
    builder.finish().to_vec()
}

fn to_peer(output: Option<Output>) -> Vec<u8> {
    match output {
        Some(Output::ToPeer { payload, .. }) => payload,
        other => panic!("{other:?}"),
    }
}

fn to_client(output: Option<Output>) -> Vec<u8> {
    match output {
        Some(Output::ToClient { payload, .. }) => payload,
        other => panic!("{other:?}"),
    }
}

fn mobile() -> TurnServerConfig {
    TurnServerConfig { mobility: Mobility::Allowed, ..TurnServerConfig::default() }
}

fn ticket(builder: &mut MessageBuilder<'_>) {
    builder.add(&MobilityTicket(b"")).unwrap();
}

const PEER: &str = "192.0.2.77:7000";

/// RFC 8489 s9.2.4, check by check.
#[test]
fn credentials_are_checked_in_the_order_of_the_rfc() {
    let mut pair = Pair::new(TurnServerConfig::default());
    let plain = build(Class::Request, Method::ALLOCATE, TransactionId::new([1; 12]), &|_| ());
    let challenge = pair.send(&plain).unwrap();
    assert_eq!(challenge.code(), 401);
    assert_eq!(challenge.get::<Realm<'_>>().0, b"example.org");
    let key = Key::long_term_md5(b"alice", b"example.org", b"s3cret");
    let unnamed = build(Class::Request, Method::ALLOCATE, TransactionId::new([1; 12]), &|builder| {
        builder.add(&Realm(b"example.org")).unwrap();
        builder.add(&Nonce(b"made up")).unwrap();
        builder.sign(&key).unwrap();
    });
    assert_eq!(pair.send(&unnamed).unwrap().code(), 400);
    // A made-up nonce: who signs wrongly hears of that, who signs rightly of the nonce.
    pair.nonce = b"made up".to_vec();
    pair.password = "wrong";
    let wrong = pair.bytes(Method::ALLOCATE, &|_| ());
    assert_eq!(pair.send(&wrong).unwrap().code(), 401);
    pair.password = "s3cret";
    let stale = pair.bytes(Method::ALLOCATE, &|_| ());
    assert_eq!(pair.send(&stale).unwrap().code(), 438);
    let granted = pair.allocate(&|_| ());
    assert_eq!(granted.code(), 200);
    assert_eq!(granted.message().check_integrity(IntegrityAlgorithm::Sha1, &key), Integrity::Valid);
    assert_eq!(granted.get::<XorMappedAddress>().0, pair.path.remote);
    assert_eq!(pair.server.record().answered(Method::ALLOCATE, 438), 2);
}

#[test]
fn another_realm_is_not_ours() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    let key = Key::long_term_md5(b"alice", b"example.org", b"s3cret");
    for (realm, code) in [(&b"example.com"[..], 401), (b"example.org", 200)] {
        let request = build(Class::Request, Method::REFRESH, TransactionId::new([98; 12]), &|builder| {
            builder.add(&Username(b"alice")).unwrap();
            builder.add(&Realm(realm)).unwrap();
            builder.add(&Nonce(&pair.nonce)).unwrap();
            builder.sign(&key).unwrap();
        });
        assert_eq!(pair.send(&request).unwrap().code(), code);
    }
}

#[test]
fn a_nonce_is_stale_after_its_lifetime_and_after_a_restart() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    pair.wait(599);
    let bytes = pair.bytes(Method::REFRESH, &|_| ());
    assert_eq!(pair.send(&bytes).unwrap().code(), 200);
    pair.wait(1);
    let bytes = pair.bytes(Method::REFRESH, &|_| ());
    assert_eq!(pair.send(&bytes).unwrap().code(), 438);
    assert_eq!(pair.refresh(600).code(), 200);
    for is_signed in [false, true] {
        pair.server.config_mut().signs_stale_nonces = is_signed;
        pair.server.expire_nonces();
        let bytes = pair.bytes(Method::REFRESH, &|_| ());
        let stale = pair.send(&bytes).unwrap();
        assert_eq!((stale.code(), stale.message().has_integrity(IntegrityAlgorithm::Sha1)), (438, is_signed));
    }
    assert_eq!(pair.refresh(600).code(), 200);
    pair.server.restart();
    let bytes = pair.bytes(Method::REFRESH, &|_| ());
    assert_eq!(pair.send(&bytes).unwrap().code(), 438);
    assert_eq!(pair.refresh(600).code(), 437);
}

#[test]
fn a_nonce_may_be_bound_to_its_client() {
    let config = TurnServerConfig { binds_nonces_to_clients: true, ..TurnServerConfig::default() };
    for (config, code) in [(config, 438), (TurnServerConfig::default(), 200)] {
        let mut pair = Pair::allocated(config);
        pair.path = client(2);
        let bytes = pair.bytes(Method::ALLOCATE, &|builder| builder.add(&RequestedTransport::UDP).unwrap());
        assert_eq!(pair.send(&bytes).unwrap().code(), code);
    }
}

#[test]
fn sha256_and_userhash_are_taken_where_they_are_offered() {
    let config = TurnServerConfig {
        has_password_algorithms: true,
        has_username_anonymity: true,
        ..TurnServerConfig::default()
    };
    let mut pair = Pair::new(config);
    let plain = build(Class::Request, Method::ALLOCATE, TransactionId::new([1; 12]), &|_| ());
    let challenge = pair.send(&plain).unwrap();
    let nonce = challenge.get::<Nonce<'_>>().0;
    assert!(nonce.starts_with(b"obMatJos2AAAD"));
    let key = Key::long_term_sha256(b"alice", b"example.org", b"s3cret");
    let signed = |choice: Option<PasswordAlgorithm<'_>>| {
        build(Class::Request, Method::ALLOCATE, TransactionId::new([2; 12]), &|builder| {
            builder.add(&RequestedTransport::UDP).unwrap();
            builder.add(&Userhash(userhash(b"alice", b"example.org"))).unwrap();
            builder.add(&Realm(b"example.org")).unwrap();
            builder.add(&Nonce(nonce)).unwrap();
            builder.add(&challenge.get::<PasswordAlgorithms<'_>>()).unwrap();
            choice.iter().for_each(|choice| builder.add(choice).unwrap());
            builder.sign_sha256(&key).unwrap();
        })
    };
    assert_eq!(pair.send(&signed(None)).unwrap().code(), 400);
    let granted = pair.send(&signed(Some(PasswordAlgorithm::SHA256))).unwrap();
    assert_eq!(granted.code(), 200);
    assert_eq!(granted.message().check_integrity(IntegrityAlgorithm::Sha256, &key), Integrity::Valid);
}

/// RFC 8656 s7.2, in its order.
#[test]
fn an_allocate_request_that_makes_no_sense_is_refused() {
    let mut pair = Pair::new(TurnServerConfig::default());
    assert_eq!(pair.ask(Method::ALLOCATE, &|_| ()).code(), 400);
    for protocol in [RequestedTransport::TCP, RequestedTransport(1)] {
        assert_eq!(pair.ask(Method::ALLOCATE, &|builder| builder.add(&protocol).unwrap()).code(), 442);
    }
    let (v4, v6) = (AddressFamily::V4, AddressFamily::V6);
    let even = |reserves_next| EvenPort { reserves_next };
    let token = ReservationToken([1; 8]);
    let both: [Fill<'_>; 5] = [
        &|builder| [builder.add(&token), builder.add(&even(false))].into_iter().for_each(Result::unwrap),
        &|builder| {
            [builder.add(&token), builder.add(&RequestedAddressFamily(v4))]
                .into_iter()
                .for_each(Result::unwrap)
        },
        &|builder| {
            builder.add(&RequestedAddressFamily(v4)).unwrap();
            builder.add(&AdditionalAddressFamily(v6)).unwrap();
        },
        &|builder| {
            builder.add(&even(true)).unwrap();
            builder.add(&AdditionalAddressFamily(v6)).unwrap();
        },
        &|builder| builder.add(&AdditionalAddressFamily(v4)).unwrap(),
    ];
    both.iter().for_each(|fill| assert_eq!(pair.allocate(fill).code(), 400));
    assert_eq!(pair.allocate(&|builder| builder.add(&token).unwrap()).code(), 508);
    assert_eq!(pair.server.record().violations.len(), 6);
    let demanding: Fill<'_> = &|builder| builder.add_raw(AttributeType::new(0x7FFE), b"").unwrap();
    let refused = pair.allocate(demanding);
    let unknown: Vec<_> = refused.get::<UnknownAttributes<'_>>().iter().collect();
    assert_eq!((refused.code(), unknown), (420, vec![AttributeType::new(0x7FFE)]));
    assert!(pair.server.allocations().is_empty());
}

#[test]
fn a_lifetime_is_between_the_default_and_the_greatest() {
    for (asked, granted) in
        [(None, 600), (Some(0), 600), (Some(30), 600), (Some(1200), 1200), (Some(u32::MAX), 3600)]
    {
        let mut pair = Pair::new(TurnServerConfig::default());
        let answer = pair.allocate(&|builder| {
            let lifetime = asked.map(|seconds| Lifetime(Duration::from_secs(seconds.into())));
            lifetime.iter().for_each(|lifetime| builder.add(lifetime).unwrap());
        });
        assert_eq!(answer.lifetime(), granted, "{asked:?}");
        pair.wait(granted - 1);
        assert_eq!(pair.refresh(700).lifetime(), 700);
        pair.wait(700);
        assert_eq!(pair.refresh(700).code(), 437);
    }
}

/// Case 66.
#[test]
fn a_retransmitted_allocate_gets_the_same_allocation_and_another_one_437() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    pair.server.drop_allocation(pair.path);
    let request = pair.bytes(Method::ALLOCATE, &|builder| builder.add(&RequestedTransport::UDP).unwrap());
    let first = pair.send(&request).unwrap();
    let second = pair.send(&request).unwrap();
    assert_eq!((first.code(), &first.0), (200, &second.0));
    assert_eq!(pair.server.allocations().len(), 1);
    let other = pair.allocate(&|_| ());
    assert_eq!(other.code(), 437);
    assert!(other.message().has_integrity(IntegrityAlgorithm::Sha1));
    pair.server.config_mut().unsigned_codes.push(437);
    let other = pair.allocate(&|_| ());
    assert_eq!(other.code(), 437);
    assert!(!other.message().has_integrity(IntegrityAlgorithm::Sha1));
}

#[test]
fn an_even_port_may_reserve_the_next_one_for_whoever_has_the_token() {
    let mut pair = Pair::new(TurnServerConfig::default());
    let first = pair.allocate(&|builder| builder.add(&EvenPort { reserves_next: true }).unwrap());
    assert_eq!(first.relayed().port() % 2, 0);
    let token = first.get::<ReservationToken>();
    pair.path = client(2);
    let second = pair.allocate(&|builder| builder.add(&token).unwrap());
    assert_eq!(second.relayed().port(), first.relayed().port() + 1);
    pair.path = client(3);
    assert_eq!(pair.allocate(&|builder| builder.add(&token).unwrap()).code(), 508);
    let third = pair.allocate(&|builder| builder.add(&EvenPort { reserves_next: true }).unwrap());
    let token = third.get::<ReservationToken>();
    pair.wait(30);
    pair.path = client(4);
    assert_eq!(pair.allocate(&|builder| builder.add(&token).unwrap()).code(), 508);
}

#[test]
fn families_are_given_as_asked_for_and_as_there_are() {
    let v6: Fill<'_> = &|builder| builder.add(&RequestedAddressFamily(AddressFamily::V6)).unwrap();
    let dual: Fill<'_> = &|builder| builder.add(&AdditionalAddressFamily(AddressFamily::V6)).unwrap();
    assert!(Pair::new(TurnServerConfig::default()).allocate(v6).relayed().is_ipv6());
    let both = Pair::new(TurnServerConfig::default()).allocate(dual);
    let relayed: Vec<_> =
        both.message().get_all::<XorRelayedAddress>().map(|one| one.unwrap().0.is_ipv4()).collect();
    assert_eq!(relayed, [true, false]);

    let only_v4 = TurnServerConfig { relay_v6: None, ..TurnServerConfig::default() };
    assert_eq!(Pair::new(only_v4.clone()).allocate(v6).code(), 440);
    let partial = Pair::new(only_v4).allocate(dual);
    let missing = partial.get::<AddressErrorCode<'_>>();
    assert_eq!((partial.code(), missing.family, missing.code), (200, AddressFamily::V6, 440));
    let only_v6 = TurnServerConfig { relay_v4: None, ..TurnServerConfig::default() };
    assert_eq!(Pair::new(only_v6).allocate(&|_| ()).code(), 440);
}

/// RFC 8656 s8.1.
#[test]
fn each_half_of_a_dual_allocation_ends_by_itself() {
    let mut pair = Pair::new(TurnServerConfig::default());
    pair.allocate(&|builder| builder.add(&AdditionalAddressFamily(AddressFamily::V6)).unwrap());
    assert_eq!(pair.permit(&[PEER, "[2001:db8::7]:1"]), 200);
    let deletion: Fill<'_> = &|builder| {
        builder.add(&Lifetime(Duration::ZERO)).unwrap();
        builder.add(&RequestedAddressFamily(AddressFamily::V4)).unwrap();
    };
    assert_eq!(pair.ask(Method::REFRESH, deletion).lifetime(), 0);
    assert_eq!(pair.ask(Method::REFRESH, deletion).code(), 443);
    let left = &pair.server.allocations()[0];
    assert_eq!((left.relays.len(), left.permissions.len()), (1, 1));
    assert_eq!(pair.permit(&[PEER]), 443);
    assert_eq!(pair.refresh(0).code(), 200);
    assert!(pair.server.allocations().is_empty());
}

#[test]
fn quota_capacity_redirection_and_wrong_users_have_their_codes() {
    let users = ["alice", "bob"].map(|name| (name.to_owned(), "s3cret".to_owned())).to_vec();
    let config = TurnServerConfig { users, quota: Some(1), capacity: Some(2), ..TurnServerConfig::default() };
    let mut pair = Pair::allocated(config);
    pair.path = client(2);
    assert_eq!(pair.allocate(&|_| ()).code(), 486);
    pair.user = "bob";
    assert_eq!(pair.allocate(&|_| ()).code(), 200);
    pair.path = client(1);
    assert_eq!(pair.refresh(600).code(), 441);
    pair.path = client(3);
    pair.server.config_mut().quota = None;
    assert_eq!(pair.allocate(&|_| ()).code(), 508);
    pair.server.config_mut().redirect = Some(addr("192.0.2.9:3478"));
    let redirected = pair.allocate(&|_| ());
    assert_eq!((redirected.code(), redirected.get::<AlternateServer>().0), (300, addr("192.0.2.9:3478")));
}

#[test]
fn permissions_are_all_or_nothing() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    pair.server.config_mut().denied_peers.push(addr("127.0.0.1:0").ip());
    assert_eq!(pair.permit(&[]), 400);
    assert_eq!(pair.permit(&[PEER, "[2001:db8::7]:1"]), 443);
    assert_eq!(pair.permit(&[PEER, "127.0.0.1:1"]), 403);
    assert!(pair.server.allocations()[0].permissions.is_empty());
    assert_eq!(pair.permit(&[PEER, "192.0.2.78:1"]), 200);
    assert_eq!(pair.server.allocations()[0].permissions.len(), 2);
    pair.server.config_mut().permission_capacity = Some(2);
    assert_eq!(pair.permit(&["192.0.2.79:1"]), 508);
    assert_eq!(pair.permit(&[PEER]), 200);
}

/// Case 72, RFC 8656 s9: exactly 300 s, and data does not lengthen them.
#[test]
fn data_passes_both_ways_while_there_is_a_permission() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    assert_eq!(pair.send_indication(PEER, b"early"), None);
    assert_eq!(pair.peer_sends(PEER, b"early"), None);
    assert_eq!(pair.permit(&[PEER]), 200);
    pair.wait(299);
    assert_eq!(to_peer(pair.send_indication(PEER, b"")), b"");
    let bytes = to_client(pair.peer_sends("192.0.2.77:1", b"from another port"));
    let indication = Message::parse(&bytes).unwrap();
    assert_eq!((indication.class(), indication.method()), (Class::Indication, Method::DATA));
    assert_eq!(indication.get(), Ok(Some(Data(b"from another port"))));
    assert_eq!(indication.get(), Ok(Some(XorPeerAddress(addr("192.0.2.77:1")))));
    pair.wait(1);
    assert_eq!(pair.send_indication(PEER, b"late"), None);
    assert_eq!(pair.peer_sends(PEER, b"late"), None);
    let drops = pair.server.record().drops;
    assert_eq!((drops.unpermitted_to_peer, drops.unpermitted_from_peer), (2, 2));
}

#[test]
fn send_indications_without_what_they_need_are_dropped() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    assert_eq!(pair.permit(&[PEER]), 200);
    let peer = XorPeerAddress(addr(PEER));
    let send = |fill: Fill<'_>| build(Class::Indication, Method::SEND, TransactionId::new([9; 12]), fill);
    let without_data = send(&|builder| builder.add(&peer).unwrap());
    let unfragmented = send(&|builder| {
        builder.add(&peer).unwrap();
        builder.add(&DontFragment).unwrap();
        builder.add(&Data(b"whole")).unwrap();
    });
    pair.server.handle_client(pair.path, &without_data, pair.now);
    assert_eq!(pair.server.poll(), None);
    pair.server.handle_client(pair.path, &unfragmented, pair.now);
    assert!(matches!(pair.server.poll(), Some(Output::ToPeer { must_not_fragment: true, .. })));
    pair.server.config_mut().unknown_attributes.push(AttributeType::DONT_FRAGMENT);
    pair.server.handle_client(pair.path, &unfragmented, pair.now);
    assert_eq!(pair.server.poll(), None);
    assert_eq!(pair.server.record().drops.malformed, 2);
}

#[test]
fn a_channel_carries_data_both_ways_for_exactly_ten_minutes() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    assert_eq!(pair.bind(0x4001, PEER), 200);
    let number = ChannelNumber::new(0x4001).unwrap();
    let data = b"\x40\x01\x00\x02hi";
    pair.server.handle_client(pair.path, data, pair.now);
    assert_eq!(to_peer(pair.server.poll()), b"hi");
    assert_eq!((pair.server.record().channel_data, pair.server.record().send_indications), (1, 0));
    let back = to_client(pair.peer_sends(PEER, b"hello"));
    assert_eq!(ChannelData::parse_datagram(&back), Ok(ChannelData { number, data: b"hello" }));
    assert_eq!(back.len(), 9);
    // Its permission is shorter; the channel alone lets nothing through.
    pair.wait(300);
    pair.server.handle_client(pair.path, data, pair.now);
    assert_eq!(pair.server.poll(), None);
    assert_eq!(pair.permit(&[PEER]), 200);
    pair.wait(299);
    assert_eq!(pair.refresh(3600).code(), 200);
    pair.server.handle_client(pair.path, data, pair.now);
    assert_eq!(to_peer(pair.server.poll()), b"hi");
    pair.wait(1);
    pair.server.handle_client(pair.path, data, pair.now);
    assert_eq!(pair.server.poll(), None);
    assert_eq!(pair.server.record().drops.unbound_channel, 1);
}

/// Case 74.
#[test]
fn a_channel_bound_otherwise_too_early_is_refused_or_noted() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    assert_eq!(pair.refresh(3600).code(), 200);
    let other = "192.0.2.78:7000";
    assert_eq!(pair.bind(0x3FFF, PEER), 400);
    assert_eq!(pair.bind(0x5000, PEER), 400);
    assert_eq!(pair.bind(0x4000, PEER), 200);
    assert_eq!(pair.bind(0x4000, other), 400);
    assert_eq!(pair.bind(0x4001, PEER), 400);
    assert_eq!(pair.bind(0x4000, "[2001:db8::7]:1"), 400);
    assert_eq!(pair.bind(0x4002, "[2001:db8::7]:1"), 443);
    pair.server.clear_record();
    pair.wait(899);
    assert_eq!(pair.bind(0x4000, other), 200);
    assert_eq!(pair.server.record().violations.len(), 1);
    pair.server.clear_record();
    pair.wait(899);
    assert_eq!(pair.bind(0x4000, other), 200);
    pair.wait(900);
    assert_eq!(pair.bind(0x4000, PEER), 200);
    assert!(pair.server.record().violations.is_empty());
}

#[test]
fn channel_data_on_a_stream_is_padded() {
    let mut pair = Pair::new(TurnServerConfig::default());
    pair.path = over_tcp(1);
    assert_eq!(pair.allocate(&|_| ()).code(), 200);
    assert_eq!(pair.bind(0x4001, PEER), 200);
    assert_eq!(to_client(pair.peer_sends(PEER, b"hello")), b"\x40\x01\x00\x05hello\0\0\0");
    pair.server.handle_client(pair.path, b"\x40\x01\x00\x05hello", pair.now);
    assert_eq!(pair.server.poll(), None);
    pair.server.handle_client(pair.path, b"\x40\x01\x00\x05hello\0\0\0", pair.now);
    assert_eq!(to_peer(pair.server.poll()), b"hello");
}

#[test]
fn two_clients_with_the_same_peer_and_number_do_not_mix() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    assert_eq!(pair.bind(0x4000, PEER), 200);
    pair.path = client(2);
    assert_eq!(pair.allocate(&|_| ()).code(), 200);
    assert_eq!(pair.bind(0x4000, PEER), 200);
    let relayed = pair.server.allocations()[1].relays[0].address;
    pair.server.handle_peer(relayed, addr(PEER), b"x", pair.now);
    assert!(matches!(pair.server.poll(), Some(Output::ToClient { path, .. }) if path == client(2)));
}

#[test]
fn an_icmp_message_becomes_a_data_indication() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    assert_eq!(pair.permit(&[PEER]), 200);
    let relayed = pair.server.allocations()[0].relays[0].address;
    let icmp = Icmp { icmp_type: 3, code: 4, data: 1280 };
    pair.server.handle_icmp(relayed, addr(PEER), icmp, pair.now);
    let bytes = to_client(pair.server.poll());
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.get(), message.get::<Data<'_>>()), (Ok(Some(icmp)), Ok(None)));
}

#[test]
fn faults_strike_the_requests_they_are_meant_for() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    let refresh = Some(Method::REFRESH);
    pair.server.inject(refresh, Fault::LoseRequest, 1);
    pair.server.inject(refresh, Fault::LoseResponse, 2);
    for seconds in [600, 700, 800] {
        let fill: Fill<'_> = &|builder| builder.add(&Lifetime(Duration::from_secs(seconds))).unwrap();
        let bytes = pair.bytes(Method::REFRESH, fill);
        assert!(pair.send(&bytes).is_none());
    }
    assert_eq!(pair.server.allocations()[0].expires_at(), Instant::from_millis(800_000));
    assert_eq!(pair.server.record().answered(Method::REFRESH, 0), 1);
    pair.server.inject(refresh, Fault::Omit(AttributeType::LIFETIME), 1);
    assert_eq!(pair.refresh(600).message().get::<Lifetime>(), Ok(None));
    pair.server.inject(refresh, Fault::Lifetime(Duration::ZERO), 1);
    assert_eq!(pair.refresh(600).lifetime(), 0);
    pair.server.inject(refresh, Fault::UnsignedError(500), 1);
    let unsigned = pair.refresh(600);
    assert!(unsigned.code() == 500 && !unsigned.message().has_integrity(IntegrityAlgorithm::Sha1));
    pair.server.inject(None, Fault::Error(500), 1);
    let signed = pair.refresh(600);
    assert!(signed.code() == 500 && signed.message().has_integrity(IntegrityAlgorithm::Sha1));
    pair.server.inject(None, Fault::ErrorWithoutCode, 1);
    let without = pair.refresh(600);
    assert_eq!((without.message().class(), without.code()), (Class::ErrorResponse, 200));
    pair.server.inject(None, Fault::WrongKey, 1);
    let key = Key::long_term_md5(b"alice", b"example.org", b"s3cret");
    let wrong = pair.refresh(600);
    assert_eq!(wrong.message().check_integrity(IntegrityAlgorithm::Sha1, &key), Integrity::Invalid);
    assert_eq!(pair.refresh(600).code(), 200);
    pair.server.drop_allocation(pair.path);
    pair.server.inject(Some(Method::ALLOCATE), Fault::Relayed(addr("[2001:db8::1]:1")), 1);
    assert_eq!(pair.allocate(&|_| ()).relayed(), addr("[2001:db8::1]:1"));
}

/// RFC 6062.
#[test]
fn a_tcp_allocation_connects_binds_and_carries_bytes() {
    let mut pair = Pair::new(TurnServerConfig { has_tcp: true, ..TurnServerConfig::default() });
    let over: Fill<'_> = &|builder| builder.add(&RequestedTransport::TCP).unwrap();
    assert_eq!(pair.ask(Method::ALLOCATE, over).code(), 400);
    pair.path = over_tcp(1);
    assert_eq!(pair.ask(Method::ALLOCATE, over).code(), 200);
    let connect: Fill<'_> = &|builder| builder.add(&XorPeerAddress(addr(PEER))).unwrap();
    pair.server.config_mut().refusing_peers.push(addr(PEER));
    assert_eq!(pair.ask(Method::CONNECT, connect).code(), 447);
    pair.server.config_mut().refusing_peers.clear();
    let id = pair.ask(Method::CONNECT, connect).get::<ConnectionId>();
    assert_eq!(pair.ask(Method::CONNECT, connect).code(), 446);
    assert_eq!(pair.peer_sends(PEER, b"waits "), None);

    let bind: Fill<'_> = &|builder| builder.add(&id).unwrap();
    let control = std::mem::replace(&mut pair.path, over_tcp(2));
    assert_eq!(pair.ask(Method::CONNECTION_BIND, bind).code(), 200);
    assert_eq!(to_client(pair.server.poll()), b"waits ");
    assert_eq!(to_client(pair.peer_sends(PEER, b"runs")), b"runs");
    pair.server.handle_client(pair.path, b"anything", pair.now);
    assert_eq!(to_peer(pair.server.poll()), b"anything");
    pair.path = over_tcp(3);
    assert_eq!(pair.ask(Method::CONNECTION_BIND, bind).code(), 400);
    pair.path = control;
}

#[test]
fn a_peer_that_connects_needs_a_permission_and_is_bound_within_30_seconds() {
    let mut pair = Pair::new(TurnServerConfig { has_tcp: true, ..TurnServerConfig::default() });
    pair.path = over_tcp(1);
    assert_eq!(
        pair.ask(Method::ALLOCATE, &|builder| builder.add(&RequestedTransport::TCP).unwrap()).code(),
        200
    );
    let relayed = pair.server.allocations()[0].relays[0].address;
    assert_eq!(pair.server.handle_peer_connection(relayed, addr(PEER), pair.now), None);
    assert_eq!(pair.permit(&[PEER]), 200);
    let id = pair.server.handle_peer_connection(relayed, addr(PEER), pair.now).unwrap();
    let bytes = to_client(pair.server.poll());
    let attempt = Message::parse(&bytes).unwrap();
    assert_eq!(attempt.method(), Method::CONNECTION_ATTEMPT);
    assert_eq!(attempt.get(), Ok(Some(ConnectionId(id))));
    pair.wait(30);
    pair.server.handle_timeout(pair.now);
    assert!(pair.server.allocations()[0].connections.is_empty());
}

/// RFC 8016 s3.2.2.
#[test]
fn a_mobile_client_moves_and_data_follows_its_data() {
    let mut pair = Pair::new(mobile());
    let first = pair.allocate(&ticket).get::<MobilityTicket<'_>>().0.to_vec();
    assert_eq!(pair.permit(&[PEER]), 200);
    let with = |ticket: &[u8], pair: &mut Pair| {
        let ticket = ticket.to_vec();
        pair.ask(Method::REFRESH, &move |builder| builder.add(&MobilityTicket(&ticket)).unwrap())
    };
    assert_eq!(with(&first, &mut pair).code(), 400);
    assert_eq!(pair.server.record().violations.len(), 1);
    let (old, new) = (pair.path, client(2));
    pair.path = new;
    assert_eq!(pair.refresh(600).code(), 437);
    let moved = with(&first, &mut pair);
    let second = moved.get::<MobilityTicket<'_>>().0.to_vec();
    assert_ne!(first, second);
    assert_eq!(with(&first, &mut pair).get::<MobilityTicket<'_>>().0, second);
    assert!(matches!(pair.peer_sends(PEER, b"x"), Some(Output::ToClient { path, .. }) if path == old));
    assert_eq!(to_peer(pair.send_indication(PEER, b"here I am")), b"here I am");
    assert!(matches!(pair.peer_sends(PEER, b"x"), Some(Output::ToClient { path, .. }) if path == new));
    pair.wait(30);
    assert_eq!(with(&first, &mut pair).code(), 437);
    pair.server.config_mut().mobility = Mobility::Forbidden;
    assert_eq!(with(&second, &mut pair).code(), 405);
}

#[test]
fn nobody_moves_with_the_ticket_of_another_user() {
    let users = ["alice", "bob"].map(|name| (name.to_owned(), "s3cret".to_owned())).to_vec();
    let mut pair = Pair::new(TurnServerConfig { users, ..mobile() });
    let stolen = pair.allocate(&ticket).get::<MobilityTicket<'_>>().0.to_vec();
    let used: Fill<'_> = &|builder| builder.add(&MobilityTicket(&stolen)).unwrap();
    let forged: Fill<'_> = &|builder| builder.add(&MobilityTicket(b"forged")).unwrap();
    (pair.path, pair.user) = (client(2), "bob");
    assert_eq!(pair.ask(Method::REFRESH, used).code(), 441);
    assert_eq!(pair.ask(Method::REFRESH, forged).code(), 400);
    assert_eq!(pair.server.allocations()[0].path, client(1));
    pair.user = "alice";
    assert_eq!(pair.ask(Method::REFRESH, used).code(), 200);
}

#[test]
fn mobility_may_be_forbidden_or_unknown() {
    let forbidden = TurnServerConfig { mobility: Mobility::Forbidden, ..TurnServerConfig::default() };
    assert_eq!(Pair::new(forbidden).allocate(&ticket).code(), 405);
    let granted = Pair::new(TurnServerConfig::default()).allocate(&ticket);
    assert_eq!((granted.code(), granted.message().get::<MobilityTicket<'_>>()), (200, Ok(None)));
    let full: Fill<'_> = &|builder| builder.add(&MobilityTicket(b"forged")).unwrap();
    assert_eq!(Pair::new(mobile()).allocate(full).code(), 400);
}

#[test]
fn the_deadline_is_the_next_thing_that_runs_out() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    assert_eq!(pair.server.poll_timeout(), Some(Instant::from_millis(600_000)));
    assert_eq!(pair.permit(&[PEER]), 200);
    assert_eq!(pair.server.poll_timeout(), Some(Instant::from_millis(300_000)));
    pair.server.handle_timeout(Instant::from_millis(300_000));
    assert_eq!(pair.server.poll_timeout(), Some(Instant::from_millis(600_000)));
    pair.server.handle_timeout(Instant::from_millis(600_000));
    assert_eq!((pair.server.poll_timeout(), pair.server.allocations().len()), (None, 0));
}

#[test]
fn equal_seeds_give_equal_servers() {
    let run = |seed: u8| {
        let mut pair = Pair::new(TurnServerConfig { seed: [seed; 32], ..mobile() });
        let granted = pair.allocate(&ticket).0;
        (granted, pair.nonce)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn no_bytes_stop_it() {
    let mut pair = Pair::allocated(TurnServerConfig::default());
    let request = pair
        .bytes(Method::REFRESH, &|builder| builder.add(&ChannelNumberAttribute(ChannelNumber::MIN)).unwrap());
    for at in 0..request.len() {
        let mut spoilt = request.clone();
        spoilt[at] ^= 0xFF;
        pair.server.handle_client(pair.path, &spoilt, pair.now);
        pair.server.handle_client(pair.path, &request[..at], pair.now);
    }
    assert_eq!(pair.server.allocations().len(), 1);
}
