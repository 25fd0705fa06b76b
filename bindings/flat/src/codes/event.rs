//! What events say.

use libstun::auth::AuthFailure;
use libstun::stun::binding::RedirectRefusal;
use libstun::stun::survey::{ObservedMapping, ServersDiffer};
use libstun::turn::PeerError;

/// Values of `stun_event.kind`. Skip kinds that you do not know. 4 to 6 are reserved for ICE.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_event_code {
    /// The first mapped address: addr, rtt. The last event of a binding that asks once.
    STUN_EV_MAPPED = 1,
    /// The operation has failed for good: reason, code, count. Its last event, unless is_last is 0: then a relay of a pool
    /// has, and is never asked again.
    STUN_EV_FAILED = 2,
    /// A TURN server relays: relayed, additional, addr, lifetime, rtt; token, if code is 1. Tell your peers relayed, and
    /// permit them. Comes again after STUN_EV_LOST.
    STUN_EV_ALLOCATED = 3,
    /// The mapped address is the same as before: addr, rtt.
    STUN_EV_REFRESHED = 7,
    /// The mapped address is another: addr, previous, rtt.
    STUN_EV_ADDRESS_CHANGED = 8,
    /// An attempt has failed and another follows: reason, code, count, at.
    STUN_EV_RETRYING = 9,
    /// Close the connection: what its peer sent cannot be understood. addr is the peer, id the connection. Its last
    /// event.
    STUN_EV_CLOSE = 10,
    /// The server `previous` names `addr` in its place, which is asked from now on; with code 1 only if you agree with
    /// stun_answer_redirect(), for a relay of a pool stun_relay_pool_answer_redirect(). See also
    /// stun_binding_alternate_domain() and its like.
    STUN_EV_REDIRECTED = 11,
    /// The network has changed, and the binding or allocation asks again at once: addr is its local address now, previous the one
    /// before. If they differ, have a socket at the new one.
    STUN_EV_RESTARTED = 12,
    /// Open a connection to the server addr from local address `previous` (any port does), then call stun_reconnected(),
    /// for an allocation stun_allocation_reconnected(), for a relay of a pool stun_relay_pool_reconnected(); code is its
    /// `enum stun_transport_code`, with STUN_UDP it is a socket at another port. Nothing is due until then.
    STUN_EV_RECONNECT = 13,
    /// A server of a survey has answered: index is its place in the targets, server, addr, rtt.
    STUN_EV_ANSWER = 14,
    /// A server of a survey will not answer: index, server, reason, code, count.
    STUN_EV_NO_ANSWER = 15,
    /// A survey is over: count servers have answered, code have failed, index were not asked or not waited for; detail is
    /// an `enum stun_mapping_code`. Its last event.
    STUN_EV_SURVEYED = 16,
    /// Ask the DNS for records of kind detail (`enum stun_record_code`) of name, and answer question index.
    STUN_EV_RESOLVE = 17,
    /// count servers were found: see stun_discovered_server(). The last event of a discovery.
    STUN_EV_SERVERS = 18,
    /// A server has refused the network of addr many replies: it has used up its budget.
    STUN_EV_THROTTLED = 19,
    /// The network of addr keeps failing to authenticate at a server; code is 1 if addr is proved not to be forged.
    STUN_EV_AUTHENTICATION_FAILURES = 20,
    /// A request of a NAT probe was not answered: server was asked, name is what, in a word.
    STUN_EV_NAT_UNANSWERED = 21,
    /// A property of the NAT is decided: index is the `enum stun_nat_property`, detail its `enum stun_nat_value`, count the
    /// `enum stun_nat_confidence`; reason is an `enum stun_nat_reason` here, with its detail in code.
    STUN_EV_NAT_FOUND = 22,
    /// Everything is decided: see stun_nat_report_read() and stun_nat_report_text(). The last event of a NAT probe.
    STUN_EV_NAT_REPORT = 23,
    /// Of two families of relayed addresses the server gave one: detail, 4 or 6, is missing, code is the server's reason.
    STUN_EV_FAMILY_REFUSED = 24,
    /// The peer may send and be sent to, whatever its port, which is 0 here.
    STUN_EV_PERMITTED = 25,
    /// What is sent to the peer from now on goes through channel detail.
    STUN_EV_CHANNEL_BOUND = 26,
    /// The server will not relay to the peer, for reason code: 403 is its policy, 443 the family. Port 0 where it was a
    /// permission. It is forgotten, and may be asked for again.
    STUN_EV_PEER_REFUSED = 27,
    /// What was sent to the peer did not arrive: detail is the type of the ICMP message that came back, code its code,
    /// count the MTU where it was too big. A hint, which anybody could have sent.
    STUN_EV_PEER_UNREACHABLE = 28,
    /// The relayed address is gone: relayed; reason, code, count. Another is asked for, and the same peers permitted there. In
    /// a pool, detail is 1 if data went through it: STUN_EV_MIGRATED follows as soon as another relay is ready.
    STUN_EV_LOST = 29,
    /// Call stun_allocation_set_credentials(), for a relay of a pool stun_relay_pool_set_credentials(): code is an
    /// `enum stun_credentials_need_code`, at when they expire.
    STUN_EV_CREDENTIALS_NEEDED = 30,
    /// An allocation has moved with you to another network: relayed address, permissions and channels are as before; addr.
    STUN_EV_MOVED = 31,
    /// A connection to the peer is there on the server's side: within 30 s open one to the server addr from local address
    /// `previous`, from another port than any other, and call stun_allocation_connection_opened() with index; code is the
    /// `enum stun_transport_code`, detail 1 if the peer has connected and 0 if you have.
    STUN_EV_OPEN_CONNECTION = 32,
    /// From now on your connection from `previous` to the server addr, index, carries the bytes of the peer and nothing
    /// else; code is its `enum stun_transport_code`.
    STUN_EV_CONNECTION_BOUND = 33,
    /// A connection to the peer was not made, or not taken in time: reason, code, count. Close yours to the server, if you
    /// have one.
    STUN_EV_CONNECTION_FAILED = 34,
    /// The allocation or pool was closed, as you wished. Its last event.
    STUN_EV_CLOSED = 35,
    /// A relay of a pool is there: relay, relayed, additional, addr, rtt. Its address is a candidate, selected or not.
    STUN_EV_RELAY_READY = 36,
    /// The first relay through which data of a pool goes: relay, relayed, additional. Tell your peers relayed.
    STUN_EV_RELAY_SELECTED = 37,
    /// Data of a pool goes through another relayed address, which peers have to be told: relay now, index before, relayed,
    /// additional; detail is an `enum stun_migration_code`, with its reason, code and count if the relay was lost. Every
    /// peer has been asked for there.
    STUN_EV_MIGRATED = 38,
    /// The peer, of port 0 where it was a permission, cannot be asked for at the relay that was selected just now: detail is
    /// an `enum stun_unserved_code`.
    STUN_EV_PEER_UNSERVED = 39,
    /// A relay of a pool has come to the path of relay index, by a redirection or with your network: relay ends without a
    /// word to the server, and is never asked again.
    STUN_EV_RELAY_SUPERSEDED = 40,
}

/// Values of `stun_event.reason`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_failure_code {
    /// Not a failure.
    STUN_FAIL_NONE = 0,
    /// Nobody answered in time.
    STUN_FAIL_TIMEOUT = 1,
    /// `count` answers came, none signed with the password; `code` is the last one's error code.
    STUN_FAIL_INTEGRITY = 2,
    /// The server refused with error `code`.
    STUN_FAIL_ERROR_RESPONSE = 3,
    /// An error response without a usable ERROR-CODE.
    STUN_FAIL_MALFORMED_ERROR = 4,
    /// The response demands to understand attribute `code`.
    STUN_FAIL_UNKNOWN_ATTRIBUTE = 5,
    /// A success response without a usable mapped address.
    STUN_FAIL_NO_MAPPED_ADDRESS = 6,
    /// It could not be sent; `code` is the `enum stun_send_error_code` that you reported.
    STUN_FAIL_SEND = 7,
    /// The server does not understand attribute `code` of the request (420).
    STUN_FAIL_NOT_UNDERSTOOD = 8,
    /// The server's challenge was not met; `code` is the `enum stun_auth_failure_code`.
    STUN_FAIL_AUTHENTICATION = 9,
    /// The server named another that was not asked; `code` is the `enum stun_redirect_refusal_code`.
    STUN_FAIL_REDIRECTED = 10,
    /// The local address has gone, and you have none of its family.
    STUN_FAIL_NETWORK_CHANGED = 11,
    /// The DNS has no usable address of a server.
    STUN_FAIL_NOT_FOUND = 12,
    /// The domain says that it does not offer the service.
    STUN_FAIL_NOT_OFFERED = 13,
    /// The resolver has failed, and nothing else led to a server.
    STUN_FAIL_RESOLVER = 14,
    /// A success response without a usable relayed address.
    STUN_FAIL_NO_RELAYED_ADDRESS = 15,
    /// The relayed address is of a family that was not asked for.
    STUN_FAIL_WRONG_FAMILY = 16,
    /// The server gave no lifetime, or an impossible one.
    STUN_FAIL_LIFETIME = 17,
    /// The relay's lifetime ended before the server could be asked.
    STUN_FAIL_EXPIRED = 18,
    /// The relay that it belongs to is gone.
    STUN_FAIL_ALLOCATION_LOST = 19,
    /// A reason that is newer than this function.
    STUN_FAIL_OTHER = 255,
}

/// Why a challenge was not met (RFC 8489 s9.2.5).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_auth_failure_code {
    /// A reason that is newer than this function.
    STUN_AUTH_OTHER = 0,
    /// The server rejects the credentials.
    STUN_AUTH_REJECTED = 1,
    /// No usable REALM.
    STUN_AUTH_NO_REALM = 2,
    /// No usable NONCE.
    STUN_AUTH_NO_NONCE = 3,
    /// The nonce that is called stale is offered again.
    STUN_AUTH_SAME_NONCE = 4,
    /// The server challenges again and again.
    STUN_AUTH_TOO_MANY_CHALLENGES = 5,
    /// Somebody on the path takes security away.
    STUN_AUTH_BID_DOWN = 6,
    /// None of the server's password algorithms is known here.
    STUN_AUTH_NO_KNOWN_ALGORITHM = 7,
    /// STUN_CREDENTIAL_REQUIRE_SHA256, and it is not offered.
    STUN_AUTH_SHA256_NOT_OFFERED = 8,
    /// STUN_CREDENTIAL_REQUIRE_ANONYMITY, and it is not offered.
    STUN_AUTH_ANONYMITY_NOT_OFFERED = 9,
}

/// Why a redirection was not followed.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_redirect_refusal_code {
    /// A reason that is newer than this function.
    STUN_REFUSED_OTHER = 0,
    /// You declined it.
    STUN_REFUSED_DECLINED = 1,
    /// It names no server of the family that was asked.
    STUN_REFUSED_OTHER_FAMILY = 2,
    /// It names an address that no server can have.
    STUN_REFUSED_UNUSABLE_ADDRESS = 3,
    /// It leads back to a server that was asked in the last five minutes.
    STUN_REFUSED_LOOP = 4,
    /// Four servers in a row have redirected.
    STUN_REFUSED_TOO_MANY = 5,
}

/// Why an allocation needs other credentials.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_credentials_need_code {
    /// A reason that is newer than this function.
    STUN_CREDENTIALS_OTHER = 0,
    /// The server rejects those that it was given. Nothing is sent until there are others.
    STUN_CREDENTIALS_REJECTED = 1,
    /// They expire. What is there goes on meanwhile.
    STUN_CREDENTIALS_EXPIRING = 2,
}

/// What the answers to one socket tell of the NAT, in STUN_EV_SURVEYED.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_mapping_code {
    /// Too few answers to compare.
    STUN_MAPPING_UNKNOWN = 0,
    /// Servers of different IP addresses saw the same address.
    STUN_MAPPING_SAME = 1,
    /// Servers of different IP addresses saw different ones: peers need a relay.
    STUN_MAPPING_DEPENDS_ON_ADDRESS = 2,
    /// Even two ports of one server saw different ones.
    STUN_MAPPING_DEPENDS_ON_PORT = 3,
}

/// Why data goes through another relay, in STUN_EV_MIGRATED.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_migration_code {
    /// A reason that is newer than this function.
    STUN_MIGRATION_OTHER = 0,
    /// The relay before is gone, for the reason in reason, code and count.
    STUN_MIGRATION_LOST = 1,
    /// The relay before has not answered for as long as `patience` says. What still comes through it is unwrapped.
    STUN_MIGRATION_UNRESPONSIVE = 2,
    /// More of the peers can be reached from this one, for their family.
    STUN_MIGRATION_FAMILY = 3,
    /// This one is faster.
    STUN_MIGRATION_FASTER = 4,
}

/// Why a peer cannot be asked for at a relay, in STUN_EV_PEER_UNSERVED.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_unserved_code {
    /// A reason that is newer than this function.
    STUN_UNSERVED_OTHER = 0,
    /// The policy of this relay refuses the address, or it is the relayed address itself.
    STUN_UNSERVED_POLICY = 1,
    /// As many peers are permitted or bound there as may be.
    STUN_UNSERVED_FULL = 2,
    /// The relayed address is of another family.
    STUN_UNSERVED_FAMILY = 3,
}

/// Why a challenge was not met.
#[must_use]
pub fn auth_failure_code(failure: AuthFailure) -> stun_auth_failure_code {
    match failure {
        AuthFailure::Rejected => stun_auth_failure_code::STUN_AUTH_REJECTED,
        AuthFailure::NoRealm => stun_auth_failure_code::STUN_AUTH_NO_REALM,
        AuthFailure::NoNonce => stun_auth_failure_code::STUN_AUTH_NO_NONCE,
        AuthFailure::SameNonce => stun_auth_failure_code::STUN_AUTH_SAME_NONCE,
        AuthFailure::TooManyChallenges => stun_auth_failure_code::STUN_AUTH_TOO_MANY_CHALLENGES,
        AuthFailure::BidDown => stun_auth_failure_code::STUN_AUTH_BID_DOWN,
        AuthFailure::NoKnownAlgorithm => stun_auth_failure_code::STUN_AUTH_NO_KNOWN_ALGORITHM,
        AuthFailure::Sha256NotOffered => stun_auth_failure_code::STUN_AUTH_SHA256_NOT_OFFERED,
        AuthFailure::AnonymityNotOffered => stun_auth_failure_code::STUN_AUTH_ANONYMITY_NOT_OFFERED,
        _ => stun_auth_failure_code::STUN_AUTH_OTHER,
    }
}

/// Why a redirection was not followed.
#[must_use]
pub fn redirect_refusal_code(refusal: RedirectRefusal) -> stun_redirect_refusal_code {
    match refusal {
        RedirectRefusal::Declined => stun_redirect_refusal_code::STUN_REFUSED_DECLINED,
        RedirectRefusal::OtherFamily => stun_redirect_refusal_code::STUN_REFUSED_OTHER_FAMILY,
        RedirectRefusal::UnusableAddress => stun_redirect_refusal_code::STUN_REFUSED_UNUSABLE_ADDRESS,
        RedirectRefusal::Loop => stun_redirect_refusal_code::STUN_REFUSED_LOOP,
        RedirectRefusal::TooMany => stun_redirect_refusal_code::STUN_REFUSED_TOO_MANY,
        _ => stun_redirect_refusal_code::STUN_REFUSED_OTHER,
    }
}

/// What the answers to one socket tell of the NAT.
#[must_use]
pub fn mapping_code(mapping: ObservedMapping) -> stun_mapping_code {
    match mapping {
        ObservedMapping::SameEverywhere => stun_mapping_code::STUN_MAPPING_SAME,
        ObservedMapping::DependsOnDestination { servers: ServersDiffer::Address } => {
            stun_mapping_code::STUN_MAPPING_DEPENDS_ON_ADDRESS
        }
        ObservedMapping::DependsOnDestination { servers: ServersDiffer::PortOnly } => {
            stun_mapping_code::STUN_MAPPING_DEPENDS_ON_PORT
        }
        _ => stun_mapping_code::STUN_MAPPING_UNKNOWN,
    }
}

/// Why a peer cannot be asked for at a relay.
#[must_use]
pub fn unserved_code(error: PeerError) -> stun_unserved_code {
    match error {
        PeerError::Refused(_) => stun_unserved_code::STUN_UNSERVED_POLICY,
        PeerError::Full => stun_unserved_code::STUN_UNSERVED_FULL,
        PeerError::OtherFamily => stun_unserved_code::STUN_UNSERVED_FAMILY,
        _ => stun_unserved_code::STUN_UNSERVED_OTHER,
    }
}
