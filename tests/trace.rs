//! Golden traces: what an agent does is written down in `tests/vectors/traces`, and stays so, bit for bit, in
//! every language. `STUN_UPDATE_TRACES=1 cargo test --test trace` writes them anew.

#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)] // a test may
#![allow(clippy::panic, clippy::unwrap_used)]

#[path = "support/trace.rs"]
mod trace;

use std::fs;
use std::path::{Path, PathBuf};

use libstun::wire::attribute::{
    AttributeType, ErrorCode, MappedAddress, Nonce, Realm, Username, XorMappedAddress,
};
use libstun::wire::{Class, Key, MessageBuilder, Method, TransactionId};
use libstun::{FiveTuple, Instant};
use trace::{BindingCall, Call, Credential, Recorder, SurveyCall, replay, without_comments};

const SECOND: u64 = 1_000_000_000;
const MAPPED: &str = "203.0.113.9:4242";
const MOVED: &str = "203.0.113.10:4243";
const REALM: &[u8] = b"example.org";
const PASSWORD: &[u8] = b"secretpassword-0123456789";

#[test]
fn binding_discovers_refreshes_and_notices_another_address() {
    let mut recorder = Recorder::new([1; 32], at(0));
    recorder.note("Discovery: one request, one response, 12 ms.");
    let config = BindingCall { refresh: Some(25 * SECOND), socket_id: 7, ..BindingCall::once(asked()) };
    recorder.call(at(0), &Call::Binding(config));
    respond(&mut recorder, 12, |message| message.add(&XorMappedAddress(addr(MAPPED))).unwrap());
    recorder.note("A second copy of the response answers nothing any more.");
    respond(&mut recorder, 13, |message| message.add(&XorMappedAddress(addr(MAPPED))).unwrap());
    recorder.note("Refresh, 25 s after the request. The first send is lost.");
    recorder.wake();
    recorder.wake();
    respond(&mut recorder, 25_540, |message| message.add(&XorMappedAddress(addr(MAPPED))).unwrap());
    recorder.note("An early wake-up changes nothing, and time does not run backwards.");
    recorder.call(at(26_000), &Call::Timeout);
    recorder.call(at(0), &Call::Timeout);
    recorder.note("The NAT has rebooted.");
    let now = recorder.wake().as_nanos() / 1_000_000;
    respond(&mut recorder, now + 30, |message| message.add(&XorMappedAddress(addr(MOVED))).unwrap());
    recorder.note("The server is overloaded; the binding tries again later.");
    let now = recorder.wake().as_nanos() / 1_000_000;
    refuse(&mut recorder, now + 20, 500);
    recorder.wake();
    recorder
        .note("The end: cancelled while a request is outstanding. A second time there is nothing to cancel.");
    let id = recorder.last_id();
    recorder.call(at(90_000), &Call::Cancel(id));
    recorder.call(at(90_000), &Call::Cancel(id));
    golden("binding.trace", recorder);
}

#[test]
fn silence_garbage_and_send_errors_end_in_their_own_ways() {
    let mut recorder = Recorder::new([2; 32], at(1000));
    recorder.note("Nobody answers: sends at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, the end at 39.5 s.");
    recorder.call(at(1000), &Call::Binding(BindingCall::once(asked())));
    (0..7).for_each(|_| {
        recorder.wake();
    });
    recorder.note("Garbage, a stranger's answer and a wrong FINGERPRINT, then an answer of RFC 3489.");
    let legacy = BindingCall { flags: 3, ..BindingCall::once(asked()) };
    recorder.call(at(50_000), &Call::Binding(legacy));
    for bytes in [&b""[..], b"hello", b"\x80\x60\0\0", &[0; 20]] {
        let call = Call::Input { path: asked(), socket_id: 0, bytes: bytes.to_vec() };
        recorder.call(at(50_001), &call);
    }
    let (path, id, _) = recorder.request();
    let bytes = message(Class::SuccessResponse, id, |message| {
        message.add(&XorMappedAddress(addr(MAPPED))).unwrap();
        message.add_fingerprint().unwrap();
    });
    let elsewhere = FiveTuple { remote: addr("198.51.100.66:3478"), ..path };
    recorder.call(at(50_002), &Call::Input { path: elsewhere, socket_id: 0, bytes: bytes.clone() });
    let mut wrong = bytes;
    *wrong.last_mut().unwrap() ^= 1;
    recorder.call(at(50_003), &Call::Input { path, socket_id: 0, bytes: wrong });
    respond(&mut recorder, 50_040, |message| message.add(&MappedAddress(addr(MAPPED))).unwrap());
    recorder.note("Send errors: a passing one changes nothing, a hard one ends what asks once ...");
    recorder.call(at(60_000), &Call::Binding(BindingCall::once(asked())));
    let (path, _, bytes) = recorder.request();
    recorder.call(at(60_001), &Call::Error { kind: 7, path, bytes: bytes.clone() });
    recorder.call(at(60_002), &Call::Error { kind: 4, path, bytes });
    recorder.note("... and delays what refreshes. This one names only the path, as ICMP does.");
    let v6 = FiveTuple::udp(addr("[::]:0"), addr("[2001:db8::1]:3478"));
    recorder
        .call(at(60_003), &Call::Binding(BindingCall { refresh: Some(9 * SECOND), ..BindingCall::once(v6) }));
    recorder.call(at(60_004), &Call::Error { kind: 1, path: v6, bytes: Vec::new() });
    recorder.wake();
    recorder.note("A configuration that contradicts itself starts nothing.");
    let nowhere = FiveTuple::udp(addr("0.0.0.0:0"), addr("192.0.2.1:0"));
    recorder.call(at(70_000), &Call::Binding(BindingCall::once(nowhere)));
    golden("silence.trace", recorder);
}

#[test]
fn credentials_sign_both_ways_until_one_is_known() {
    let key = Key::short_term(PASSWORD);
    let mut recorder = Recorder::new([3; 32], at(0));
    recorder.note("Requests are signed with both algorithms; unsigned answers are not believed.");
    let config = BindingCall {
        refresh: Some(10 * SECOND),
        credential: Some(credential(0)),
        ..BindingCall::once(asked())
    };
    recorder.call(at(0), &Call::Binding(config));
    respond(&mut recorder, 10, |message| message.add(&XorMappedAddress(addr(MOVED))).unwrap());
    recorder.note("The server shows that it knows SHA-256, and with that alone the next request is signed.");
    respond(&mut recorder, 20, |message| {
        message.add(&XorMappedAddress(addr(MAPPED))).unwrap();
        message.sign_sha256(&key).unwrap();
        message.add_fingerprint().unwrap();
    });
    recorder.wake();
    recorder.note("A signature of SHA-1 is not believed from now on; 400 without any is counted.");
    respond(&mut recorder, 10_010, |message| {
        message.add(&XorMappedAddress(addr(MOVED))).unwrap();
        message.sign(&key).unwrap();
    });
    refuse(&mut recorder, 10_011, 400);
    recorder.note("So it ends as a violation of integrity, not as silence.");
    (0..7).for_each(|_| {
        recorder.wake();
    });
    recorder.note("Over TCP the first answer that is not signed is the end.");
    let tcp = FiveTuple { transport: libstun::Transport::Tcp, ..asked() };
    let config = BindingCall { credential: Some(credential(1)), flags: 1, ..BindingCall::once(tcp) };
    recorder.call(at(100_000), &Call::Binding(config));
    refuse(&mut recorder, 100_010, 401);
    golden("credentials.trace", recorder);
}

#[test]
fn challenges_are_met_and_stale_nonces_replaced() {
    let key = Key::long_term_md5(b"l:r", REALM, PASSWORD);
    let mut recorder = Recorder::new([5; 32], at(0));
    recorder.note("Nothing is signed until the server asks for it: 401 with a realm and a nonce.");
    let config = BindingCall {
        refresh: Some(10 * SECOND),
        credential: Some(credential(3)),
        ..BindingCall::once(asked())
    };
    recorder.call(at(0), &Call::Binding(config));
    challenge(&mut recorder, 10, 401, b"first");
    recorder.note("The signed request, and an answer that is signed too.");
    let mapped = |message: &mut MessageBuilder<'_>| {
        message.add(&XorMappedAddress(addr(MAPPED))).unwrap();
        message.sign(&key).unwrap();
    };
    respond(&mut recorder, 20, mapped);
    recorder.note("Ten seconds later the nonce is stale: 438 with another one.");
    recorder.wake();
    challenge(&mut recorder, 10_010, 438, b"second");
    recorder.note("A forged answer in between counts for nothing.");
    respond(&mut recorder, 10_015, |message| message.add(&XorMappedAddress(addr(MOVED))).unwrap());
    respond(&mut recorder, 10_020, mapped);
    recorder
        .note("Another user, whom the server does not know: 401 again, and after a while that is the end.");
    let stranger = Credential { username: b"stranger".to_vec(), ..credential(3) };
    let config = BindingCall { credential: Some(stranger), ..BindingCall::once(asked()) };
    recorder.call(at(11_000), &Call::Binding(config));
    challenge(&mut recorder, 11_010, 401, b"third");
    challenge(&mut recorder, 11_020, 401, b"fourth");
    recorder.wake();
    golden("long_term.trace", recorder);
}

#[test]
fn a_survey_and_a_race_tell_each_answer_and_the_sum() {
    let mut recorder = Recorder::new([6; 32], at(0));
    recorder
        .note("Three servers at once. The first answers, the second cannot be reached, the third is silent.");
    let target = |host: u8| (FiveTuple::udp(asked().local, addr(&format!("192.0.2.{host}:3478"))), 7);
    let targets: Vec<_> = (1..=3).map(target).collect();
    let (deadline, attempt_delay) = (2 * SECOND, 0);
    let all = SurveyCall { enough: 0, deadline, attempt_delay, targets: targets.clone() };
    recorder.call(at(0), &Call::Survey(all));
    let asked: Vec<_> = (0..3).map(|number| recorder.request_at(number)).collect();
    answer(&mut recorder, 15, &asked[0]);
    let (path, _, bytes) = asked[1].clone();
    recorder.call(at(16), &Call::Error { kind: 1, path, bytes });
    recorder.wake();
    recorder.wake();
    recorder.wake();
    recorder.note("A race, 250 ms apart. The second server answers first, and then all is over.");
    let race = SurveyCall { enough: 1, deadline, attempt_delay: SECOND / 4, targets };
    recorder.call(at(10_000), &Call::Survey(race));
    recorder.wake();
    let second = recorder.request();
    answer(&mut recorder, 10_260, &second);
    recorder.note("Nobody to ask: refused.");
    let nobody = SurveyCall { enough: 0, deadline, attempt_delay, targets: Vec::new() };
    recorder.call(at(20_000), &Call::Survey(nobody));
    golden("survey.trace", recorder);
}

#[test]
fn server_answers_what_it_should_and_is_silent_otherwise() {
    let mut recorder = Recorder::new([4; 32], at(0));
    recorder
        .note("A server everywhere, and one with a credential at one address; the address is then taken.");
    let open = Call::Server { local: None, credential: None };
    let at_home = addr("192.0.2.1:3478");
    let closed = Call::Server { local: Some(at_home), credential: Some(credential(0)) };
    recorder.call(at(0), &open);
    recorder.call(at(0), &closed);
    recorder.call(at(0), &closed);
    let (outside, inside) = ("198.51.100.1:3478", "192.0.2.1:3478");
    recorder.note("Plain, with FINGERPRINT, IPv6, IPv4 in IPv6.");
    ask(&mut recorder, outside, "203.0.113.9:4242", |_| ());
    ask(&mut recorder, outside, "203.0.113.9:4242", |message| message.add_fingerprint().unwrap());
    ask(&mut recorder, "[2001:db8::1]:3478", "[2001:db8::2]:4242", |_| ());
    ask(&mut recorder, "[2001:db8::1]:3478", "[::ffff:203.0.113.9]:4242", |_| ());
    recorder
        .note("An attribute that it would have to know: 420. A source that nobody can be behind: silence.");
    ask(&mut recorder, outside, "203.0.113.9:4242", |message| {
        message.add_raw(AttributeType::new(0x7FFE), b"abcd").unwrap();
    });
    ask(&mut recorder, outside, "203.0.113.9:0", |_| ());
    recorder.note("With a credential: 400 unsigned, 401 for a stranger, success for who knows the password.");
    ask(&mut recorder, inside, "203.0.113.9:4242", |_| ());
    for (user, password) in [(&b"stranger"[..], PASSWORD), (b"l:r", b"wrong"), (b"l:r", PASSWORD)] {
        ask(&mut recorder, inside, "203.0.113.9:4242", |message| {
            message.add(&Username(user)).unwrap();
            message.sign(&Key::short_term(password)).unwrap();
        });
    }
    recorder.note("An indication and a response are not answered.");
    for class in [Class::Indication, Class::SuccessResponse] {
        let path = FiveTuple::udp(addr(outside), addr("203.0.113.9:4242"));
        let bytes = message(class, TransactionId::new([9; 12]), |_| ());
        recorder.call(at(1), &Call::Input { path, socket_id: 0, bytes });
    }
    golden("server.trace", recorder);
}

#[test]
fn golden_traces_replay_bit_for_bit() {
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "trace") {
            let trace = fs::read_to_string(&path).unwrap();
            assert_eq!(replay(&trace), without_comments(&trace), "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 4 || is_updating(), "only {count} traces");
}

#[test]
fn changed_trace_does_not_pass_for_same() {
    let trace = fs::read_to_string(folder().join("binding.trace")).unwrap();
    let answers = trace.lines().filter(|line| line.starts_with("< "));
    for answer in answers.filter(|line| line.ends_with("000")) {
        let changed = trace.replacen(answer, &answer.replace("000", "001"), 1);
        assert_ne!(replay(&changed), without_comments(&changed), "{answer}");
    }
}

/// Compares a recording with the golden one, or makes it that.
fn golden(name: &str, recorder: Recorder) {
    let (path, text) = (folder().join(name), recorder.finish());
    if is_updating() {
        fs::create_dir_all(folder()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let line = known.lines().zip(text.lines()).position(|(known, now)| known != now);
    assert_eq!(text, known, "{name} differs, first in line {:?}", line.map(|line| line + 1));
}

fn is_updating() -> bool {
    std::env::var_os("STUN_UPDATE_TRACES").is_some()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/traces")
}

/// A success response to the latest request, which `fill` completes.
fn respond(recorder: &mut Recorder, millis: u64, fill: impl FnOnce(&mut MessageBuilder<'_>)) {
    let (path, id, _) = recorder.request();
    let bytes = message(Class::SuccessResponse, id, fill);
    recorder.call(at(millis), &Call::Input { path, socket_id: 0, bytes });
}

fn refuse(recorder: &mut Recorder, millis: u64, code: u16) {
    let (path, id, _) = recorder.request();
    let fill = |message: &mut MessageBuilder<'_>| message.add(&ErrorCode { code, reason: b"" }).unwrap();
    let bytes = message(Class::ErrorResponse, id, fill);
    recorder.call(at(millis), &Call::Input { path, socket_id: 0, bytes });
}

/// An error response that asks for credentials.
fn challenge(recorder: &mut Recorder, millis: u64, code: u16, nonce: &[u8]) {
    let (path, id, _) = recorder.request();
    let bytes = message(Class::ErrorResponse, id, |message| {
        message.add(&ErrorCode { code, reason: b"" }).unwrap();
        message.add(&Realm(REALM)).unwrap();
        message.add(&Nonce(nonce)).unwrap();
    });
    recorder.call(at(millis), &Call::Input { path, socket_id: 0, bytes });
}

/// A success response to some request.
fn answer(recorder: &mut Recorder, millis: u64, (path, id, _): &(FiveTuple, TransactionId, Vec<u8>)) {
    let bytes = message(Class::SuccessResponse, *id, |message| {
        message.add(&XorMappedAddress(addr(MAPPED))).unwrap();
    });
    recorder.call(at(millis), &Call::Input { path: *path, socket_id: 7, bytes });
}

/// A request to a server.
fn ask(recorder: &mut Recorder, local: &str, remote: &str, fill: impl FnOnce(&mut MessageBuilder<'_>)) {
    let bytes = message(Class::Request, TransactionId::new([5; 12]), fill);
    let path = FiveTuple::udp(addr(local), addr(remote));
    recorder.call(at(1), &Call::Input { path, socket_id: 3, bytes });
}

fn message(class: Class, id: TransactionId, fill: impl FnOnce(&mut MessageBuilder<'_>)) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut builder = MessageBuilder::new(&mut buffer, class, Method::BINDING, id).unwrap();
    fill(&mut builder);
    builder.finish().to_vec()
}

fn credential(integrity: u32) -> Credential {
    Credential { username: b"l:r".to_vec(), password: PASSWORD.to_vec(), integrity }
}

fn asked() -> FiveTuple {
    FiveTuple::udp(addr("10.0.0.1:5000"), addr("192.0.2.1:3478"))
}

fn addr(text: &str) -> std::net::SocketAddr {
    text.parse().unwrap()
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}
