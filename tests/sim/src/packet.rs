//! A UDP packet, and what the simulator knows of it that no receiver can see.

use std::net::SocketAddr;

/// Which packets of a client belong to which of its bindings: a number over the whole world.
pub type BindingIndex = usize;

/// A packet on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it says it comes from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// Where it really comes from. No machine sees this: it is what the reference model judges by.
    pub origin: Origin,
    /// Whether the bytes are still those that were sent.
    pub is_intact: bool,
}

/// The truth about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A request of a binding; `serial` counts its requests, and retransmissions share one.
    Request {
        /// Whose.
        binding: BindingIndex,
        /// Which.
        serial: u32,
    },
    /// An answer to one, or a forgery under its transaction id.
    Reply {
        /// Who was asked by.
        binding: BindingIndex,
        /// The request that it answers.
        serial: u32,
        /// What it says.
        verdict: Verdict,
        /// Whether the password of the binding signed it.
        is_signed: bool,
    },
    /// Under no transaction id that anybody waits for: nobody may act on it.
    Noise,
}

/// What an answer says to somebody who may believe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The mapped address.
    Success(SocketAddr),
    /// The mapped address in MAPPED-ADDRESS only, as servers of RFC 3489 have it.
    Legacy(SocketAddr),
    /// 401 or 438 with a realm and a nonce, of a server of ours.
    Challenge,
    /// An error with that code.
    Error(u16),
    /// An answer to some other method, or not STUN at all.
    Ignored,
    /// Malformed: it may be ignored or fail the request, and must not succeed.
    NoSuccess,
    /// Forged with care: whoever does not ask for signatures is lost.
    Anything,
}

impl Packet {
    /// A packet as its sender makes it.
    #[must_use]
    pub fn new(source: SocketAddr, destination: SocketAddr, payload: Vec<u8>, origin: Origin) -> Self {
        Self { source, destination, payload, origin, is_intact: true }
    }
}
