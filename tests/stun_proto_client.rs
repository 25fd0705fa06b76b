//! A Binding with long-term credentials against the server side of `stun-proto`, an independent codec, in memory.
//!
//! Its `LongTermServerAuth` challenges, checks and signs; what it leaves to its user, the error and the mapped
//! address, is added here. Its cookies count their bits from the left (`vectors/nonce_cookie.json`), and it puts
//! NONCE without PASSWORD-ALGORITHMS into the responses that it signs.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use libstun::auth::{AuthFailure, LongTerm};
use libstun::stun::binding::FailureReason;
use libstun::stun::{Binding, BindingConfig, BindingEvent};
use libstun::wire::Message as OurMessage;
use libstun::wire::attribute::{Nonce, PasswordAlgorithm, PasswordAlgorithms, Userhash, Username};
use libstun::{Entropy, Instant, Machine};
use stun_proto::auth::{Feature, LongTermServerAuth, LongTermServerAuthErrorReason};
use stun_proto::types::attribute::{ErrorCode, XorMappedAddress};
use stun_proto::types::message::{IntegrityAlgorithm, LongTermCredentials, Message, MessageWriteVec};
use stun_proto::types::prelude::{MessageWrite, MessageWriteExt};
use support::{MAPPED, addr, asked, at, events, offer, transmits};

const NAME: &str = "マトリックス";
const SECRET: &str = "TheMatrIX";

/// A server of one user.
struct Server {
    auth: LongTermServerAuth,
    client: SocketAddr,
    /// What it has answered: 200 for a success.
    answered: Vec<u16>,
}

impl Server {
    fn new(integrity: &[IntegrityAlgorithm], anonymity: Feature) -> Self {
        let mut auth = LongTermServerAuth::new("example.org".into());
        auth.set_anonymous_username(anonymity);
        auth.set_supported_integrity(integrity[0]);
        integrity[1..].iter().for_each(|more| auth.add_supported_integrity(*more));
        auth.add_user(LongTermCredentials::new(NAME.into(), SECRET.into()));
        Self { auth, client: addr(MAPPED), answered: Vec::new() }
    }

    fn answer(&mut self, request: &[u8], now: Instant) -> Vec<u8> {
        let request = Message::from_bytes(request).unwrap();
        let now = stun_proto::Instant::from_nanos(now.as_nanos() as i64);
        let reply = match self.auth.validate_incoming_message(&request, self.client, now) {
            Ok(_) => {
                let mut reply = Message::builder_success(&request, MessageWriteVec::new());
                let mapped = XorMappedAddress::new(self.client, request.transaction_id());
                reply.add_attribute(&mapped).unwrap();
                self.answered.push(200);
                reply
            }
            Err(error) => {
                let code = match error.reason() {
                    LongTermServerAuthErrorReason::Unauthorized => 401,
                    LongTermServerAuthErrorReason::StaleNonce => 438,
                    _ => 400,
                };
                // A challenge lists the algorithms only while nobody is known to be there.
                self.auth.remove_client(self.client);
                let mut reply = Message::builder_error(&request, MessageWriteVec::new());
                reply.add_attribute(&ErrorCode::builder(code).build().unwrap()).unwrap();
                self.answered.push(code);
                reply
            }
        };
        self.auth.sign_outgoing_message(reply, self.client).unwrap().finish()
    }
}

fn binding(user: LongTerm) -> Binding {
    let config = BindingConfig { credentials: Some(user.into()), ..BindingConfig::new(asked()) };
    Binding::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
}

fn user() -> LongTerm {
    LongTerm::new(NAME, SECRET).unwrap()
}

/// Carries messages until nothing is sent any more; gives the last request.
fn exchange(binding: &mut Binding, server: &mut Server, now: Instant) -> Vec<u8> {
    let mut last = Vec::new();
    loop {
        let sent = transmits(binding);
        if sent.is_empty() {
            return last;
        }
        for (path, request) in sent {
            let reply = server.answer(&request, now);
            offer(binding, path, &reply, now);
            last = request;
        }
    }
}

const SHA256: &[IntegrityAlgorithm] = &[IntegrityAlgorithm::Sha256];
const BOTH: &[IntegrityAlgorithm] = &[IntegrityAlgorithm::Sha256, IntegrityAlgorithm::Sha1];

#[test]
fn sha256_userhash_and_the_list_of_algorithms_are_understood_by_an_independent_server() {
    for (integrity, anonymity) in
        [(SHA256, Feature::Disabled), (SHA256, Feature::Required), (BOTH, Feature::Auto)]
    {
        let mut server = Server::new(integrity, anonymity);
        let mut binding = binding(user().require_sha256());
        let retry = exchange(&mut binding, &mut server, at(0));
        assert_eq!(server.answered, [401, 200], "{integrity:?} {anonymity:?}");
        assert!(
            matches!(events(&mut binding)[..], [BindingEvent::Mapped { address, .. }] if address == addr(MAPPED))
        );
        let retry = OurMessage::parse(&retry).unwrap();
        let is_anonymous = anonymity != Feature::Disabled;
        assert_eq!(retry.get::<Userhash>().unwrap().is_some(), is_anonymous);
        assert_eq!(retry.get::<Username<'_>>().unwrap().is_some(), !is_anonymous);
        assert_eq!(retry.get(), Ok(Some(PasswordAlgorithm::SHA256)));
        let list = retry.get::<PasswordAlgorithms<'_>>().unwrap().unwrap();
        assert_eq!(list.iter().count(), integrity.len());
    }
}

#[test]
fn refreshes_reuse_the_session_and_a_stale_nonce_of_an_independent_server_is_replaced() {
    let mut server = Server::new(SHA256, Feature::Required);
    server.auth.set_nonce_expiry_duration(Duration::from_secs(60));
    let mut binding = binding(user().require_sha256().require_anonymity());
    let mut nonces = Vec::new();
    let mut now = at(0);
    for _ in 0..7 {
        let request = exchange(&mut binding, &mut server, now);
        let request = OurMessage::parse(&request).unwrap();
        nonces.push(request.get::<Nonce<'_>>().unwrap().unwrap().0.to_vec());
        let told = events(&mut binding);
        assert!(
            matches!(told[..], [BindingEvent::Mapped { .. } | BindingEvent::Refreshed { .. }]),
            "{told:?}"
        );
        now = binding.poll_timeout().unwrap();
        binding.handle_timeout(now);
    }
    assert_eq!(server.answered, [401, 200, 200, 200, 438, 200, 200, 200, 438, 200]);
    nonces.dedup();
    assert_eq!(nonces.len(), 3);
}

#[test]
fn a_wrong_password_is_rejected_by_an_independent_server_and_told_as_such() {
    let mut server = Server::new(SHA256, Feature::Auto);
    let mut binding = binding(LongTerm::new(NAME, "another").unwrap());
    exchange(&mut binding, &mut server, at(0));
    assert_eq!(server.answered, [401, 401]);
    let now = binding.poll_timeout().unwrap();
    binding.handle_timeout(now);
    let reason = FailureReason::Authentication { failure: AuthFailure::Rejected };
    assert_eq!(events(&mut binding), [BindingEvent::Failed { reason }]);
}

#[test]
fn what_an_independent_server_does_not_offer_is_named_where_it_is_required() {
    for (server, user, failure) in [
        (
            Server::new(SHA256, Feature::Disabled),
            user().require_anonymity(),
            AuthFailure::AnonymityNotOffered,
        ),
        (
            Server::new(&[IntegrityAlgorithm::Sha1], Feature::Auto),
            user().require_sha256(),
            AuthFailure::Sha256NotOffered,
        ),
    ] {
        let (mut server, mut binding) = (server, binding(user));
        exchange(&mut binding, &mut server, at(0));
        assert_eq!(server.answered, [401]);
        let now = binding.poll_timeout().unwrap();
        binding.handle_timeout(now);
        let reason = FailureReason::Authentication { failure };
        assert_eq!(events(&mut binding), [BindingEvent::Failed { reason }]);
    }
}
