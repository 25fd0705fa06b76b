//! The adversarial cases that concern Bindings, servers and the agent: one test each, named as a sentence,
//! with the number of the case.
//!
//! Cases that are not here, and where they are or why they are nowhere yet:
//! - 38 to 49, 57: long-term credentials and redirections, in `credential_cases.rs`;
//! - 56: 5xx is in `stun/binding/tests.rs`;
//! - 59: ten requests at a server, in `agent_power.rs`;
//! - 37, 46, 48, 61 to 69: servers, in `server_cases.rs`; 70 to 88: TURN; 89 to 106: ICE;
//! - 1 to 33: the wire, see the tests of vectors and wire cases; 120 to 131: the bindings' own tests.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use libstun::auth::ShortTerm;
use libstun::stun::binding::{Backoff, FailureReason};
use libstun::stun::{Binding, BindingConfig, BindingEvent, Server, ServerConfig};
use libstun::transaction::RetransmissionConfig;
use libstun::wire::attribute::{AttributeType, ErrorCode, Username, XorMappedAddress};
use libstun::wire::{Class, IntegrityAlgorithm, Key, Message, Method, TransactionId};
use libstun::{
    Agent, Datagram, DropReason, Entropy, FiveTuple, Instant, Machine, Outcome, Receipt, SendError,
    WakeReason,
};
use support::{
    MAPPED, PASSWORD, USER, addr, asked, at, error, events, id_of, malformed, message, offer, request,
    served, success, transmits, udp, with_id,
};

const STRANGE_ID: TransactionId = TransactionId::new([0xEE; 12]);

fn entropy() -> Entropy {
    Entropy::from_seed([7; 32])
}

fn binding(config: BindingConfig) -> Binding {
    Binding::new(config, entropy(), Instant::ZERO).unwrap()
}

fn signed(config: BindingConfig) -> BindingConfig {
    BindingConfig { credentials: ShortTerm::new(USER, PASSWORD).ok().map(Into::into), ..config }
}

fn key() -> Key {
    Key::short_term(PASSWORD)
}

/// A binding that asks once, has sent its first request, and the id of that.
fn asking(config: BindingConfig) -> (Binding, TransactionId) {
    let mut binding = binding(config);
    let sent = transmits(&mut binding);
    (binding, id_of(&sent[0].1))
}

fn agent() -> Agent {
    Agent::new(entropy(), Instant::ZERO)
}

fn plain_server() -> Server {
    Server::new(ServerConfig::default(), entropy(), Instant::ZERO)
}

fn guarded_server() -> Server {
    Server::new(
        ServerConfig {
            credentials: ShortTerm::new(USER, PASSWORD).ok().map(Into::into),
            ..ServerConfig::default()
        },
        entropy(),
        Instant::ZERO,
    )
}

fn reply_of(server: &mut Server, path: FiveTuple, bytes: &[u8]) -> Option<Vec<u8>> {
    offer(server, path, bytes, Instant::ZERO);
    let mut replies = transmits(server);
    assert!(replies.len() <= 1);
    replies.pop().map(|(_, bytes)| bytes)
}

/// 200 for a success.
fn code_of(reply: &[u8]) -> u16 {
    Message::parse(reply).unwrap().get::<ErrorCode<'_>>().unwrap().map_or(200, |error| error.code)
}

/// Wakes exactly at each deadline until it has ended, answering each request; says when that was.
fn run_out(binding: &mut Binding, answer: impl Fn(TransactionId) -> Vec<u8>) -> Instant {
    let mut now = Instant::ZERO;
    while !binding.is_ended() {
        for (path, bytes) in transmits(binding) {
            offer(binding, path, &answer(id_of(&bytes)), now);
        }
        now = binding.poll_timeout().unwrap();
        binding.handle_timeout(now);
    }
    now
}

/// Case 34.
#[test]
fn a_response_with_another_algorithm_than_the_only_one_sent_is_discarded() {
    let only = ShortTerm::new(USER, PASSWORD).unwrap().only(IntegrityAlgorithm::Sha1);
    let (mut binding, id) =
        asking(BindingConfig { credentials: Some(only.into()), ..BindingConfig::once(asked()) });
    offer(&mut binding, asked(), &success(id, MAPPED, Some(&key())), at(1));
    assert!(events(&mut binding).is_empty());
    let answer = message(Class::SuccessResponse, Method::BINDING, id, |builder| {
        builder.add(&XorMappedAddress(addr(MAPPED))).unwrap();
        builder.sign(&key()).unwrap();
    });
    offer(&mut binding, asked(), &answer, at(2));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Mapped { .. }]));
}

/// Case 35.
#[test]
fn unsigned_replies_keep_the_request_going_and_end_as_a_violated_integrity() {
    let mut binding = binding(signed(BindingConfig::once(asked())));
    let end = run_out(&mut binding, |id| error(id, 400, None));
    let reason = FailureReason::IntegrityViolated { code: 400, count: 7 };
    assert_eq!((end, events(&mut binding)), (at(39_500), vec![BindingEvent::Failed { reason }]));
}

/// Case 36.
#[test]
fn the_true_reply_wins_over_forged_ones_that_came_first() {
    let (mut binding, id) = asking(signed(BindingConfig::once(asked())));
    let wrong = Key::short_term(b"guess");
    for forged in [
        success(id, "198.51.100.66:1", None),
        success(id, "198.51.100.66:1", Some(&wrong)),
        error(id, 401, None),
        error(id, 420, Some(&wrong)),
        error(id, 300, None),
    ] {
        offer(&mut binding, asked(), &forged, at(1));
    }
    offer(&mut binding, asked(), &success(id, MAPPED, Some(&key())), at(9));
    let (address, rtt) = (addr(MAPPED), Some(Duration::from_millis(9)));
    assert_eq!(events(&mut binding), [BindingEvent::Mapped { address, rtt }]);
}

/// Case 37, as far as an answer shows it. Equal work is by construction, not measured: the HMAC is computed
/// whoever the user is.
#[test]
fn an_unknown_user_and_a_wrong_password_get_the_same_bytes() {
    let mut server = guarded_server();
    let mut ask = |user: &[u8], password: &[u8]| {
        let bytes = request(STRANGE_ID, |builder| {
            builder.add(&Username(user)).unwrap();
            builder.sign(&Key::short_term(password)).unwrap();
        });
        reply_of(&mut server, served(), &bytes).unwrap()
    };
    let (unknown, wrong) = (ask(b"x:y", PASSWORD), ask(USER, b"wrong"));
    assert_eq!((code_of(&unknown), unknown), (401, wrong));
}

/// Case 47.
#[test]
fn no_secret_stands_in_debug_output() {
    let secret = std::str::from_utf8(PASSWORD).unwrap();
    let config = signed(BindingConfig::once(asked()));
    let binding = binding(config.clone());
    let server = guarded_server();
    let mut agent = agent();
    agent.start_binding(config.clone(), Instant::ZERO).unwrap();
    let shown = format!("{config:?} {binding:?} {server:?} {agent:?} {:?} {:?}", key(), entropy());
    assert!(!shown.contains(secret) && !shown.contains(&format!("{PASSWORD:?}")));
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(!shown.to_lowercase().contains(&bytes(PASSWORD)));
    assert!(shown.contains("Entropy(..)") && shown.contains(r#"username: "l:r""#));
}

/// Case 50.
#[test]
fn ids_repeat_with_the_seed_and_never_without() {
    let ids = |seed| {
        let mut agent = Agent::new(Entropy::from_seed([seed; 32]), Instant::ZERO);
        for number in 0..500 {
            let mut path = asked();
            path.remote.set_port(3478 + number / 10); // ten at a server
            agent.start_binding(BindingConfig::once(path), Instant::ZERO).unwrap();
        }
        transmits(&mut agent).iter().map(|(_, bytes)| id_of(bytes)).collect::<Vec<_>>()
    };
    assert_eq!(ids(1), ids(1));
    let mut all = [ids(1), ids(2)].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1000);
}

/// Case 51.
#[test]
fn unknown_ids_and_repeated_replies_are_ignored() {
    let (mut binding, id) = asking(BindingConfig::once(asked()));
    let reply = success(id, MAPPED, None);
    assert!(!offer(&mut binding, asked(), &success(STRANGE_ID, MAPPED, None), at(1)));
    assert!(offer(&mut binding, asked(), &reply, at(2)));
    assert!(!offer(&mut binding, asked(), &reply, at(3)));
    assert_eq!(events(&mut binding).len(), 1);
}

/// Case 52.
#[test]
fn the_right_id_from_the_wrong_source_is_ignored() {
    let (mut binding, id) = asking(BindingConfig::once(asked()));
    for path in [
        udp("10.0.0.1:5000", "192.0.2.1:3479"),
        udp("10.0.0.1:5000", "192.0.2.2:3478"),
        udp("10.0.0.1:5001", "192.0.2.1:3478"),
        FiveTuple::tcp(asked().local, asked().remote),
    ] {
        offer(&mut binding, path, &success(id, MAPPED, None), at(1));
    }
    assert_eq!((events(&mut binding).len(), binding.counters().dropped(DropReason::WrongSource)), (0, 4));
    assert_eq!(binding.poll_timeout(), Some(at(500)));
}

/// Case 53.
#[test]
fn an_allocate_success_does_not_answer_a_binding() {
    let (mut binding, id) = asking(BindingConfig::once(asked()));
    let bytes = message(Class::SuccessResponse, Method::ALLOCATE, id, |builder| {
        builder.add(&XorMappedAddress(addr(MAPPED))).unwrap();
    });
    offer(&mut binding, asked(), &bytes, at(1));
    assert_eq!((events(&mut binding).len(), binding.counters().dropped(DropReason::WrongMethod)), (0, 1));
}

/// Case 54.
#[test]
fn silence_follows_the_schedule_of_the_rfc() {
    let mut binding = binding(BindingConfig::once(asked()));
    let (mut sends, mut now) = (Vec::new(), Instant::ZERO);
    while !binding.is_ended() {
        sends.extend(transmits(&mut binding).iter().map(|_| now));
        now = binding.poll_timeout().unwrap();
        binding.handle_timeout(now);
    }
    assert_eq!(sends, [0, 500, 1500, 3500, 7500, 15_500, 31_500].map(at));
    assert_eq!(
        (now, events(&mut binding)),
        (at(39_500), vec![BindingEvent::Failed { reason: FailureReason::Timeout }])
    );
}

/// Case 55.
#[test]
fn a_reply_during_the_last_wait_is_accepted() {
    let (mut binding, id) = asking(BindingConfig::once(asked()));
    while binding.wake_reason() != Some(WakeReason::TransactionTimeout) {
        let now = binding.poll_timeout().unwrap();
        binding.handle_timeout(now);
        transmits(&mut binding);
    }
    offer(&mut binding, asked(), &success(id, MAPPED, None), at(39_499));
    assert_eq!(events(&mut binding), [BindingEvent::Mapped { address: addr(MAPPED), rtt: None }]);
}

/// Case 58.
#[test]
fn an_unknown_required_attribute_fails_only_after_integrity() {
    let attribute = AttributeType::new(0x7FFE);
    let (mut binding, id) = asking(signed(BindingConfig::once(asked())));
    offer(&mut binding, asked(), &support::demanding(id, None), at(1));
    assert!(events(&mut binding).is_empty(), "an unsigned one kills nothing");
    offer(&mut binding, asked(), &support::demanding(id, Some(&key())), at(2));
    let reason = FailureReason::UnknownAttribute { attribute };
    assert_eq!(events(&mut binding), [BindingEvent::Failed { reason }]);
}

/// Case 60.
#[test]
fn icmp_ends_only_the_flow_it_names_and_soft_errors_none() {
    let mut agent = agent();
    let (near, far) = (udp("10.0.0.1:5000", "192.0.2.1:3478"), udp("10.0.0.1:5000", "192.0.2.2:3478"));
    for path in [near, far] {
        agent.start_binding(BindingConfig::once(path), Instant::ZERO).unwrap();
    }
    transmits(&mut agent);
    agent.handle_send_error(&Receipt { path: near, transaction_id: None }, SendError::Transient, at(1));
    let spoofed = udp("10.0.0.1:5000", "192.0.2.1:9");
    agent.handle_send_error(&Receipt { path: spoofed, transaction_id: None }, SendError::Refused, at(1));
    agent.handle_send_error(
        &Receipt { path: near, transaction_id: Some(STRANGE_ID) },
        SendError::Refused,
        at(1),
    );
    assert!(events(&mut agent).is_empty());
    agent.handle_send_error(&Receipt { path: near, transaction_id: None }, SendError::Refused, at(2));
    assert_eq!((events(&mut agent).len(), agent.operation_count()), (1, 1));
}

/// Whether a server's reply (its code, or nothing) is what a vector expects.
fn is_expected(expected: &str, reply: Option<u16>) -> bool {
    let begins = |prefix: &str| expected.starts_with(prefix);
    if begins("silent or") {
        reply != Some(200)
    } else if begins("silent") || begins("discard") || begins("600") {
        reply.is_none()
    } else if begins("200 or silent") {
        matches!(reply, None | Some(200))
    } else if begins("400 or silent") {
        matches!(reply, None | Some(400))
    } else if begins("not 420") {
        reply != Some(420)
    } else if begins("verify SHA-256") {
        matches!(reply, Some(200 | 420)) // authenticated; its PRIORITY is for ICE, and not understood here
    } else if begins("200") {
        reply == Some(200)
    } else if begins("420") {
        reply == Some(420)
    } else if begins("400 short") || begins("400 (short") {
        reply == Some(400)
    } else if begins("401") || begins("ICE: 401") {
        reply == Some(401)
    } else {
        true
    }
}

/// Case 61.
#[test]
fn malformed_messages_get_silence_or_a_short_reply() {
    for vector in malformed() {
        let [plain, guarded] = [plain_server(), guarded_server()].map(|mut server| {
            let reply = reply_of(&mut server, served(), &vector.bytes);
            let length = reply.as_ref().map_or(0, Vec::len);
            assert!(length <= Server::MAX_REPLY, "{}: {length} bytes", vector.name);
            reply.map(|reply| code_of(&reply))
        });
        let is_for_guarded = vector.is_signed || vector.server.starts_with("400 short");
        let (which, reply) = if is_for_guarded { ("guarded", guarded) } else { ("plain", plain) };
        assert!(
            is_expected(&vector.server, reply),
            "{}: {which} server: {reply:?}, not {}",
            vector.name,
            vector.server
        );
        assert!(vector.is_signed || guarded != Some(200), "{}: unsigned, and yet accepted", vector.name);
        let is_refresh = vector.bytes.first_chunk() == Some(&[0, 4]);
        assert!(!is_refresh || (plain, guarded) == (None, None));
    }
}

/// Case 61: the cap for a Binding success, and the algorithm of the reply to both.
#[test]
fn a_success_is_as_long_as_promised_and_signed_with_the_stronger() {
    let v6 = udp("[2001:db8::1]:3478", "[2001:db8::2]:4242");
    let sealed = request(STRANGE_ID, |builder| builder.add_fingerprint().unwrap());
    assert_eq!(reply_of(&mut plain_server(), v6, &sealed).unwrap().len(), 52);
    let both = malformed().into_iter().find(|vector| vector.name == "mi-and-mi-sha256-both-valid").unwrap();
    let reply = reply_of(&mut guarded_server(), served(), &both.bytes).unwrap();
    let reply = Message::parse(&reply).unwrap();
    assert!(
        reply.has_integrity(IntegrityAlgorithm::Sha256) && !reply.has_integrity(IntegrityAlgorithm::Sha1)
    );
}

/// What a client that has no credentials makes of a response that a vector describes.
fn check_client(name: &str, expected: &str, told: &[BindingEvent]) {
    let first = told.first();
    let reason = match first {
        Some(BindingEvent::Failed { reason }) => Some(*reason),
        _ => None,
    };
    let is_mapped = matches!(first, Some(BindingEvent::Mapped { .. }));
    let code = |code| reason == Some(FailureReason::ErrorResponse { code });
    let is_right = match expected {
        "transaction was Binding: method mismatch -> ignore" => told.is_empty(),
        "discard, transaction failed" => matches!(reason, Some(FailureReason::UnknownAttribute { .. })),
        "accept" | "first occurrence wins" => is_mapped,
        "401" => code(401),
        "420" | "failed 420, empty list" | "failed 420" => code(420),
        "transaction failed (no usable ERROR-CODE)" => reason == Some(FailureReason::MalformedError),
        "attribute ignored -> response has no address -> fail"
        | "as above"
        | "must not become a candidate" => reason == Some(FailureReason::NoMappedAddress),
        text if text.starts_with("accept MAPPED-ADDRESS only") => {
            reason == Some(FailureReason::NoMappedAddress)
        }
        text if text.starts_with("ignore response or fail") => !is_mapped,
        _ => reason.is_some(),
    };
    assert!(is_right, "{name}: {told:?}, not {expected}");
}

/// Cases 12 to 19 and 58, at a client whose transaction they answer.
#[test]
fn malformed_responses_do_to_a_client_what_their_vectors_say() {
    let vectors: Vec<_> =
        malformed().into_iter().filter(|vector| vector.client.is_some() && !vector.is_signed).collect();
    assert!(vectors.len() > 20);
    for vector in vectors {
        let (mut binding, id) = asking(BindingConfig::once(asked()));
        let mut bytes = with_id(&vector.bytes, id);
        if vector.name == "error-response-no-error-code" {
            bytes[..2].copy_from_slice(&[0x01, 0x11]); // it is CreatePermission's, and asked about Binding's
        }
        offer(&mut binding, asked(), &bytes, at(1));
        let told = events(&mut binding);
        check_client(&vector.name, vector.client.as_deref().unwrap_or_default(), &told);
        if vector.name == "xor-mapped-duplicate-different" {
            let first = Message::parse(&bytes).unwrap().get::<XorMappedAddress>().unwrap().unwrap();
            assert_eq!(binding.mapped_address(), Some(first.0));
        }
    }
}

/// Case 62.
#[test]
fn nobody_is_answered_at_port_0_or_at_a_whole_network() {
    let mut server = plain_server();
    let local = "192.0.2.1:3478";
    for remote in ["203.0.113.9:0", "224.0.0.1:9", "255.255.255.255:9", "0.0.0.0:9"] {
        assert_eq!(reply_of(&mut server, udp(local, remote), &request(STRANGE_ID, |_| ())), None, "{remote}");
    }
    for remote in ["[ff02::1]:9", "[::]:9", "[::ffff:224.0.0.1]:9"] {
        assert_eq!(
            reply_of(&mut server, udp("[::1]:3478", remote), &request(STRANGE_ID, |_| ())),
            None,
            "{remote}"
        );
    }
}

/// Case 63.
#[test]
fn two_servers_aimed_at_each_other_fall_silent() {
    for bytes in [
        request(STRANGE_ID, |_| ()),
        support::request(STRANGE_ID, |b| b.add_raw(AttributeType::new(0x7FFE), b"").unwrap()),
    ] {
        let (mut left, mut right) = (agent(), plain_server());
        left.start_server(ServerConfig::default(), Instant::ZERO).unwrap();
        offer(&mut left, served(), &bytes, Instant::ZERO);
        let replies = transmits(&mut left);
        assert_eq!(replies.len(), 1);
        assert_eq!(reply_of(&mut right, served(), &replies[0].1), None);
        offer(&mut left, served(), &replies[0].1, Instant::ZERO);
        assert!(transmits(&mut left).is_empty());
    }
}

/// Case 64.
#[test]
fn two_hundred_unknown_attributes_get_a_420_with_a_short_list() {
    let bytes = request(STRANGE_ID, |builder| {
        (0..200).for_each(|number| builder.add_raw(AttributeType::new(0x4000 + number), b"").unwrap());
    });
    let reply = reply_of(&mut plain_server(), served(), &bytes).unwrap();
    let listed =
        Message::parse(&reply).unwrap().find(AttributeType::UNKNOWN_ATTRIBUTES).unwrap().value.len() / 2;
    assert_eq!((code_of(&reply), listed), (420, Server::MAX_LISTED_ATTRIBUTES));
    assert!(reply.len() <= Server::MAX_REPLY);
}

/// Case 65.
#[test]
fn an_unknown_method_is_met_with_silence() {
    for number in [0x002, 0x003, 0x0FF, 0xFFF] {
        let bytes = message(Class::Request, Method::new(number).unwrap(), STRANGE_ID, |_| ());
        let mut server = plain_server();
        assert_eq!(reply_of(&mut server, served(), &bytes), None);
        assert_eq!(server.counters().total(), 0, "alone it leaves the method to the next machine");
        let mut agent = Agent::new(Entropy::from_seed([1; 32]), at(0));
        agent.start_server(ServerConfig::default(), at(0)).unwrap();
        assert_eq!(agent.handle_input(&Datagram::new(served(), &bytes), at(0)), Outcome::Consumed);
        assert_eq!(agent.counters().dropped(DropReason::UnsupportedMethod), 1);
        assert_eq!(agent.poll_transmit(), None);
    }
}

/// Case 107.
#[test]
fn woken_exactly_at_a_deadline_the_next_is_later_or_output_is_queued() {
    let mut agent = agent();
    for number in 1..=20 {
        let path = udp("10.0.0.1:5000", &format!("192.0.2.{number}:3478"));
        agent.start_binding(BindingConfig::new(path), at(number * 7)).unwrap();
    }
    for _ in 0..2000 {
        transmits(&mut agent);
        events(&mut agent);
        let now = agent.poll_timeout().unwrap();
        agent.handle_timeout(now);
        let has_output = agent.wake_reason() == Some(WakeReason::Output);
        assert!(has_output || agent.poll_timeout().is_none_or(|next| next > now));
    }
}

/// Case 108.
#[test]
fn what_is_disabled_does_not_wake_anybody() {
    let (mut binding, id) = asking(BindingConfig::once(asked()));
    offer(&mut binding, asked(), &success(id, MAPPED, None), at(1));
    events(&mut binding);
    let mut agent = agent();
    agent.start_server(ServerConfig::default(), Instant::ZERO).unwrap();
    assert_eq!((binding.poll_timeout(), agent.poll_timeout()), (None, None));
    binding.handle_timeout(Instant::MAX);
    assert_eq!((binding.poll_timeout(), transmits(&mut binding).len()), (None, 0));
}

/// Case 109.
#[test]
fn a_deadline_in_the_past_is_legal_and_acted_upon_at_once() {
    let (mut binding, _) = asking(BindingConfig::once(asked()));
    offer(&mut binding, asked(), b"not STUN at all", at(10_000));
    assert_eq!(binding.poll_timeout(), Some(at(500)), "overdue");
    binding.handle_timeout(at(500));
    assert_eq!(transmits(&mut binding).len(), 1);
    assert_eq!(binding.poll_timeout(), Some(at(11_000)), "and counted from the latest time");
}

/// Case 110.
#[test]
fn queued_output_makes_the_deadline_now() {
    let mut agent = agent();
    agent.start_binding(BindingConfig::new(asked()), at(100)).unwrap();
    assert_eq!((agent.poll_timeout(), agent.wake_reason()), (Some(at(100)), Some(WakeReason::Output)));
    let sent = transmits(&mut agent);
    assert_eq!(agent.poll_timeout(), Some(at(600)));
    offer(&mut agent, asked(), &success(id_of(&sent[0].1), MAPPED, None), at(200));
    assert_eq!(agent.poll_timeout(), Some(at(200)));
    assert_eq!(events(&mut agent).len(), 1);
    assert_eq!(agent.poll_timeout(), Some(at(25_100)));
}

/// Case 111.
#[test]
fn time_that_goes_back_stands_still() {
    let (mut binding, id) = asking(BindingConfig::new(asked()));
    binding.handle_timeout(at(500));
    transmits(&mut binding);
    binding.handle_timeout(at(3));
    offer(&mut binding, asked(), &success(id, MAPPED, None), Instant::ZERO);
    events(&mut binding);
    assert_eq!(binding.poll_timeout(), Some(at(25_500)));
    binding.handle_timeout(Instant::ZERO);
    assert!(transmits(&mut binding).is_empty());
}

/// Case 112.
#[test]
fn ten_years_later_and_at_the_end_of_the_clock_each_timer_fires_once() {
    let (mut binding, id) = asking(BindingConfig::new(asked()));
    offer(&mut binding, asked(), &success(id, MAPPED, None), at(1));
    binding.handle_timeout(at(10 * 365 * 86_400_000));
    assert_eq!(transmits(&mut binding).len(), 1);
    let late = Instant::from_nanos(u64::MAX - 1_000_000_000);
    let mut last = Binding::new(BindingConfig::new(asked()), entropy(), late).unwrap();
    assert_eq!(transmits(&mut last).len(), 1);
    let retransmission = last.poll_timeout().unwrap();
    last.handle_timeout(retransmission);
    assert_eq!(transmits(&mut last).len(), 1);
    for _ in 0..3 {
        last.handle_timeout(Instant::MAX);
    }
    assert_eq!((transmits(&mut last).len(), last.poll_timeout()), (0, None));
}

/// Case 113.
#[test]
fn a_frozen_clock_and_zero_timeouts_put_out_nothing_more() {
    let zero = RetransmissionConfig { initial_rto: Duration::ZERO, rc: 0, rm: 0, ti: Duration::ZERO };
    let backoff = Backoff { first: Duration::ZERO, max: Duration::ZERO };
    let config = BindingConfig { retransmission: zero, backoff, ..BindingConfig::new(asked()) };
    let (mut binding, _) = asking(config);
    let before = binding.poll_timeout();
    for _ in 0..1_000_000 {
        binding.handle_timeout(Instant::ZERO);
    }
    assert_eq!((transmits(&mut binding).len(), binding.poll_timeout()), (0, before));
    assert!(before > Some(Instant::ZERO), "zero counts as the least wait");
}

/// Case 114.
#[test]
fn a_host_that_wakes_a_minute_late_sends_once() {
    let (mut binding, _) = asking(BindingConfig::once(asked()));
    binding.handle_timeout(at(60_000));
    assert_eq!(transmits(&mut binding).len(), 1);
    assert_eq!((binding.poll_timeout(), events(&mut binding).len()), (Some(at(61_000)), 0));
}

/// Case 115; the memory is measured in `allocations.rs`.
#[test]
fn a_host_that_never_drains_loses_replies_and_is_told_how_many() {
    let mut agent = agent();
    agent.start_server(ServerConfig::default(), Instant::ZERO).unwrap();
    let bytes = request(STRANGE_ID, |_| ());
    for _ in 0..100_000 {
        offer(&mut agent, served(), &bytes, Instant::ZERO);
    }
    let kept = transmits(&mut agent).len();
    assert_eq!(kept, Server::MAX_QUEUED_REPLIES);
    assert_eq!(agent.counters().dropped(DropReason::QueueFull) as usize, 100_000 - kept);
}

/// Case 116.
#[test]
fn a_flood_does_not_hold_up_the_timers() {
    let mut agent = agent();
    agent.start_binding(BindingConfig::once(asked()), Instant::ZERO).unwrap();
    let (mut sends, mut now) = (Vec::new(), Instant::ZERO);
    while agent.operation_count() > 0 {
        sends.extend(transmits(&mut agent).iter().map(|_| now));
        for _ in 0..100 {
            offer(&mut agent, asked(), &success(STRANGE_ID, MAPPED, None), now);
            offer(&mut agent, asked(), &[0xFF; 60], now);
        }
        events(&mut agent);
        if let Some(next) = agent.poll_timeout() {
            now = next;
            agent.handle_timeout(now);
        }
    }
    assert_eq!((sends.len(), sends.last(), now), (7, Some(&at(31_500)), at(39_500)));
}

/// Case 117.
#[test]
fn commands_in_any_order_are_typed_errors_at_worst() {
    let mut agent = agent();
    let id = agent.start_binding(BindingConfig::new(asked()), Instant::ZERO).unwrap();
    let sent = transmits(&mut agent);
    agent.cancel(id, at(1)).unwrap();
    assert!(agent.cancel(id, at(1)).is_err());
    offer(&mut agent, asked(), &success(id_of(&sent[0].1), MAPPED, None), at(2));
    agent.handle_send_error(&Receipt::of(sent[0].0, &sent[0].1).unwrap(), SendError::Refused, at(3));
    agent.handle_timeout(at(60_000));
    assert!(agent.start_binding(BindingConfig::new(udp("0.0.0.0:0", "192.0.2.1:0")), at(4)).is_err());
    assert_eq!((agent.poll_timeout(), agent.poll_event(), transmits(&mut agent).len()), (None, None, 0));
}

/// Case 118.
#[test]
fn equal_seeds_give_equal_runs_to_the_byte() {
    let run = || {
        let (mut agent, mut server, mut log) = (agent(), plain_server(), Vec::new());
        for number in 1..=9 {
            let path = udp("10.0.0.1:5000", &format!("192.0.2.{number}:3478"));
            agent.start_binding(BindingConfig::new(path), at(number)).unwrap();
        }
        for step in 0..300 {
            for (path, bytes) in transmits(&mut agent) {
                if step % 3 == 0 {
                    let reply = reply_of(&mut server, served(), &bytes).unwrap();
                    offer(&mut agent, path, &reply, Instant::ZERO);
                }
                log.push(format!("{path:?} {bytes:?}"));
            }
            log.extend(events(&mut agent).iter().map(|event| format!("{event:?}")));
            let now = agent.poll_timeout().unwrap();
            agent.handle_timeout(now);
        }
        log
    };
    assert_eq!(run(), run());
}

/// Case 119.
#[test]
fn a_send_that_fails_concerns_its_own_path() {
    let errors = [SendError::PermissionDenied, SendError::Transient, SendError::MessageTooLarge];
    let mut agent = agent();
    let paths = [1, 2, 3].map(|number| udp("10.0.0.1:5000", &format!("192.0.2.{number}:3478")));
    let ids = paths.map(|path| agent.start_binding(BindingConfig::once(path), Instant::ZERO).unwrap());
    let mut receipts = Vec::new();
    while let Some(transmit) = agent.poll_transmit() {
        receipts.push(transmit.receipt());
    }
    for (receipt, error) in receipts.iter().zip(errors) {
        agent.handle_send_error(receipt, error, at(1));
    }
    let failed: Vec<_> = events(&mut agent).iter().map(|event| event.id).collect();
    assert_eq!(failed, [ids[0], ids[2]]);
    assert!(agent.contains(ids[1]));
    assert_eq!(agent.handle_input(&Datagram::new(paths[0], b""), at(2)), Outcome::Unclaimed);
}
