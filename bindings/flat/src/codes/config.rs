//! What configurations choose, and what is asked of the DNS.

use libstun::stun::RedirectPolicy;
use libstun::stun::discovery::{Answer, QuestionKind, Service};
use libstun::turn::{KeepaliveKind, PeerPolicy, RelayFamily, RelayPort, RelayTransport};
use libstun::wire::IntegrityAlgorithm;

use super::stun_status_code::STUN_E_INVALID;
use crate::Misuse;

/// Which integrity attribute to sign with and to accept, of a short-term credential.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_integrity_code {
    /// Both, until the server has shown which one it knows (RFC 8489 s9.1.5).
    STUN_INTEGRITY_BOTH = 0,
    /// MESSAGE-INTEGRITY.
    STUN_INTEGRITY_SHA1 = 1,
    /// MESSAGE-INTEGRITY-SHA256.
    STUN_INTEGRITY_SHA256 = 2,
}

/// What to do when a server names another one in its place (300, RFC 8489 s10). Whoever can forge an answer to an
/// unsigned request can send you elsewhere.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_redirect_code {
    /// Ask the other one, and say so with STUN_EV_REDIRECTED.
    STUN_REDIRECT_FOLLOW = 0,
    /// Fail.
    STUN_REDIRECT_REFUSE = 1,
    /// Ask you with STUN_EV_REDIRECTED, and wait for stun_answer_redirect().
    STUN_REDIRECT_ASK = 2,
}

/// What a server is to do, which is what its SRV records are named after.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_service_code {
    /// Binding requests.
    STUN_SERVICE_STUN = 0,
    /// Relays.
    STUN_SERVICE_TURN = 1,
    /// NAT behaviour discovery.
    STUN_SERVICE_BEHAVIOR = 2,
}

/// Kinds of DNS records, by their numbers in the DNS; `detail` of STUN_EV_RESOLVE.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_record_code {
    /// IPv4 addresses: stun_answer_addresses().
    STUN_RECORD_A = 1,
    /// IPv6 addresses: stun_answer_addresses().
    STUN_RECORD_AAAA = 28,
    /// Hosts and ports of a service: stun_answer_services().
    STUN_RECORD_SRV = 33,
    /// Transports of relays: stun_answer_naptr().
    STUN_RECORD_NAPTR = 35,
}

/// Why the DNS has no answer; for stun_answer_failed().
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_dns_failure_code {
    /// There is no such name, or no such record, or you cannot ask for that kind of record.
    STUN_DNS_NOT_FOUND = 1,
    /// The resolver gave up, or the server had failed.
    STUN_DNS_FAILED = 2,
}

/// Which peers may be reached where no stun_peer_rule says anything. Unspecified, multicast and broadcast addresses
/// never are.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_peer_policy_code {
    /// All but loopback and link-local addresses, which mean the relay's own machine and link (RFC 8656 s21.2.2).
    STUN_PEERS_DEFAULT = 0,
    /// Loopback addresses too: for tests on one machine.
    STUN_PEERS_LOOPBACK = 1,
    /// All.
    STUN_PEERS_ALL = 2,
}

/// The families of the relayed addresses. They need not be the family of the path to the server.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_relay_family {
    /// One IPv4 address.
    STUN_RELAY_IPV4 = 0,
    /// One IPv6 address.
    STUN_RELAY_IPV6 = 1,
    /// One of each; one of them may be refused.
    STUN_RELAY_BOTH = 2,
}

/// Which port the relayed address shall have.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_relay_port {
    /// Any.
    STUN_PORT_ANY = 0,
    /// An even one (RFC 8656 s18.7).
    STUN_PORT_EVEN = 1,
    /// An even one, the next being kept for 30 s for a second allocation: its token comes with STUN_EV_ALLOCATED.
    STUN_PORT_EVEN_RESERVING_NEXT = 2,
    /// The one that `token` stands for (RFC 8656 s18.10).
    STUN_PORT_RESERVED = 3,
}

/// What keeps the NATs' bindings alive while nothing else is sent.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_keepalive_kind {
    /// A Binding indication: one packet, and no answer.
    STUN_KEEPALIVE_INDICATION = 0,
    /// A Binding request: two packets. Its answer tells when a NAT has changed your address.
    STUN_KEEPALIVE_REQUEST = 1,
}

/// The one algorithm that a [`stun_integrity_code`] stands for, `None` for both.
///
/// # Errors
/// If it is none.
pub fn integrity(code: u32) -> Result<Option<IntegrityAlgorithm>, Misuse> {
    match code {
        0 => Ok(None),
        1 => Ok(Some(IntegrityAlgorithm::Sha1)),
        2 => Ok(Some(IntegrityAlgorithm::Sha256)),
        _ => Err(Misuse(STUN_E_INVALID, "integrity is no stun_integrity_code")),
    }
}

/// The core's policy behind a [`stun_redirect_code`].
///
/// # Errors
/// If it is none.
pub fn redirect_policy(code: u32) -> Result<RedirectPolicy, Misuse> {
    match code {
        0 => Ok(RedirectPolicy::Follow),
        1 => Ok(RedirectPolicy::Refuse),
        2 => Ok(RedirectPolicy::Ask),
        _ => Err(Misuse(STUN_E_INVALID, "redirects is no stun_redirect_code")),
    }
}

/// The core's service behind a [`stun_service_code`].
///
/// # Errors
/// If it is none.
pub fn service(code: u32) -> Result<Service, Misuse> {
    match code {
        0 => Ok(Service::Stun),
        1 => Ok(Service::Turn),
        2 => Ok(Service::StunBehavior),
        _ => Err(Misuse(STUN_E_INVALID, "service is no stun_service_code")),
    }
}

/// The code of what the DNS is asked for: a [`stun_record_code`], or 0 for a kind that has none here.
#[must_use]
pub fn record_code(kind: QuestionKind) -> u32 {
    match kind {
        QuestionKind::A => stun_record_code::STUN_RECORD_A as u32,
        QuestionKind::Aaaa => stun_record_code::STUN_RECORD_AAAA as u32,
        QuestionKind::Srv => stun_record_code::STUN_RECORD_SRV as u32,
        QuestionKind::Naptr => stun_record_code::STUN_RECORD_NAPTR as u32,
        _ => 0, // nothing that bindings can say would answer it
    }
}

/// What to answer the core for a [`stun_dns_failure_code`].
///
/// # Errors
/// If it is none.
pub fn dns_failure(code: u32) -> Result<Answer<'static>, Misuse> {
    match code {
        1 => Ok(Answer::NotFound),
        2 => Ok(Answer::Failed),
        _ => Err(Misuse(STUN_E_INVALID, "failure is no stun_dns_failure_code")),
    }
}

/// The core's policy behind a [`stun_peer_policy_code`], without rules.
///
/// # Errors
/// If it is none.
pub fn peer_policy(code: u32) -> Result<PeerPolicy, Misuse> {
    match code {
        0 => Ok(PeerPolicy::default()),
        1 => Ok(PeerPolicy::with_loopback()),
        2 => Ok(PeerPolicy::allow_all()),
        _ => Err(Misuse(STUN_E_INVALID, "peer_policy is no stun_peer_policy_code")),
    }
}

/// The core's families behind a [`stun_relay_family`].
///
/// # Errors
/// If it is none.
pub fn relay_family(code: u32) -> Result<RelayFamily, Misuse> {
    match code {
        0 => Ok(RelayFamily::V4),
        1 => Ok(RelayFamily::V6),
        2 => Ok(RelayFamily::Both),
        _ => Err(Misuse(STUN_E_INVALID, "family is no stun_relay_family")),
    }
}

/// What goes between server and peers, behind one of the first two of
/// [`stun_transport_code`](super::stun_transport_code).
///
/// # Errors
/// If it is neither.
pub fn relay_transport(code: u32) -> Result<RelayTransport, Misuse> {
    match code {
        0 => Ok(RelayTransport::Udp),
        1 => Ok(RelayTransport::Tcp),
        _ => Err(Misuse(STUN_E_INVALID, "relay_transport is neither STUN_UDP nor STUN_TCP")),
    }
}

/// The core's wish behind a [`stun_relay_port`]; the token counts for a reserved one only.
///
/// # Errors
/// If it is none.
pub fn relay_port(code: u32, token: [u8; 8]) -> Result<RelayPort, Misuse> {
    match code {
        0 => Ok(RelayPort::Any),
        1 => Ok(RelayPort::Even),
        2 => Ok(RelayPort::EvenReservingNext),
        3 => Ok(RelayPort::Reserved(token)),
        _ => Err(Misuse(STUN_E_INVALID, "port is no stun_relay_port")),
    }
}

/// The core's kind behind a [`stun_keepalive_kind`].
///
/// # Errors
/// If it is none.
pub fn keepalive_kind(code: u32) -> Result<KeepaliveKind, Misuse> {
    match code {
        0 => Ok(KeepaliveKind::Indication),
        1 => Ok(KeepaliveKind::Request),
        _ => Err(Misuse(STUN_E_INVALID, "keepalive_kind is no stun_keepalive_kind")),
    }
}
