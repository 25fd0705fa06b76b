//! A message on its way out: attributes as data, so that a fault can change them before they become bytes.

use std::net::SocketAddr;
use std::time::Duration;

use libstun::wire::attribute::{
    AddressErrorCode, AddressFamily, AlternateServer, AttributeType, ConnectionId, Data, ErrorCode, Icmp,
    Lifetime, MobilityTicket, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, ReservationToken,
    UnknownAttributes, XorMappedAddress, XorPeerAddress, XorRelayedAddress, default_reason,
};
use libstun::wire::{BuildError, Class, IntegrityAlgorithm, Key, MessageBuilder, Method, TransactionId};

/// An attribute to send.
#[derive(Clone, Debug)]
pub(super) enum Extra {
    Code(u16),
    AddressCode(AddressFamily, u16),
    Unknown(Vec<AttributeType>),
    Alternate(SocketAddr),
    Realm(Vec<u8>),
    Nonce(Vec<u8>),
    Algorithms,
    Mapped(SocketAddr),
    Relayed(SocketAddr),
    Peer(SocketAddr),
    Lifetime(Duration),
    Token([u8; 8]),
    Ticket(Vec<u8>),
    Connection(u32),
    Data(Vec<u8>),
    Icmp(Icmp),
}

/// Why a request fails: an error code and what goes with it.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) extras: Vec<Extra>,
}

/// What a request that succeeds is told, or why it fails.
pub(super) type Handled = Result<Vec<Extra>, Refusal>;

/// What a message is signed with.
#[derive(Clone)]
pub(super) struct Seal {
    pub(super) key: Key,
    pub(super) algorithm: IntegrityAlgorithm,
}

/// A whole message but for its bytes.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) class: Class,
    pub(super) method: Method,
    pub(super) id: TransactionId,
    pub(super) extras: Vec<Extra>,
    pub(super) seal: Option<Seal>,
    pub(super) has_fingerprint: bool,
}

impl From<u16> for Refusal {
    fn from(code: u16) -> Self {
        Self { code, extras: Vec::new() }
    }
}

impl Reply {
    /// The code of an error, 200 for everything else.
    pub(super) fn code(&self) -> u16 {
        self.extras
            .iter()
            .find_map(|extra| if let Extra::Code(code) = extra { Some(*code) } else { None })
            .unwrap_or(200)
    }

    /// Its bytes. Nothing here is longer than a message may be, unless a peer's datagram is: then nothing.
    pub(super) fn encode(&self) -> Vec<u8> {
        self.write(&mut vec![0; BUFFER]).unwrap_or_default()
    }

    fn write(&self, buffer: &mut [u8]) -> Result<Vec<u8>, BuildError> {
        let mut builder = MessageBuilder::new(buffer, self.class, self.method, self.id)?;
        self.extras.iter().try_for_each(|extra| extra.write(&mut builder))?;
        match &self.seal {
            Some(Seal { key, algorithm: IntegrityAlgorithm::Sha1 }) => builder.sign(key)?,
            Some(Seal { key, algorithm: IntegrityAlgorithm::Sha256 }) => builder.sign_sha256(key)?,
            None => {}
        }
        if self.has_fingerprint {
            builder.add_fingerprint()?;
        }
        Ok(builder.finish().to_vec())
    }
}

impl Extra {
    pub(super) const fn ty(&self) -> AttributeType {
        match self {
            Self::Code(_) => AttributeType::ERROR_CODE,
            Self::AddressCode(..) => AttributeType::ADDRESS_ERROR_CODE,
            Self::Unknown(_) => AttributeType::UNKNOWN_ATTRIBUTES,
            Self::Alternate(_) => AttributeType::ALTERNATE_SERVER,
            Self::Realm(_) => AttributeType::REALM,
            Self::Nonce(_) => AttributeType::NONCE,
            Self::Algorithms => AttributeType::PASSWORD_ALGORITHMS,
            Self::Mapped(_) => AttributeType::XOR_MAPPED_ADDRESS,
            Self::Relayed(_) => AttributeType::XOR_RELAYED_ADDRESS,
            Self::Peer(_) => AttributeType::XOR_PEER_ADDRESS,
            Self::Lifetime(_) => AttributeType::LIFETIME,
            Self::Token(_) => AttributeType::RESERVATION_TOKEN,
            Self::Ticket(_) => AttributeType::MOBILITY_TICKET,
            Self::Connection(_) => AttributeType::CONNECTION_ID,
            Self::Data(_) => AttributeType::DATA,
            Self::Icmp(_) => AttributeType::ICMP,
        }
    }

    fn write(&self, builder: &mut MessageBuilder<'_>) -> Result<(), BuildError> {
        let reason = |code| default_reason(code).as_bytes();
        match self {
            Self::Code(code) => builder.add(&ErrorCode { code: *code, reason: reason(*code) }),
            Self::AddressCode(family, code) => {
                builder.add(&AddressErrorCode { family: *family, code: *code, reason: reason(*code) })
            }
            Self::Unknown(types) => builder.add(&UnknownAttributes::from_types(types)),
            Self::Alternate(address) => builder.add(&AlternateServer(*address)),
            Self::Realm(realm) => builder.add(&Realm(realm)),
            Self::Nonce(nonce) => builder.add(&Nonce(nonce)),
            Self::Algorithms => builder.add(&PasswordAlgorithms::from_list(&ALGORITHMS)),
            Self::Mapped(address) => builder.add(&XorMappedAddress(*address)),
            Self::Relayed(address) => builder.add(&XorRelayedAddress(*address)),
            Self::Peer(address) => builder.add(&XorPeerAddress(*address)),
            Self::Lifetime(lifetime) => builder.add(&Lifetime(*lifetime)),
            Self::Token(token) => builder.add(&ReservationToken(*token)),
            Self::Ticket(ticket) => builder.add(&MobilityTicket(ticket)),
            Self::Connection(id) => builder.add(&ConnectionId(*id)),
            Self::Data(data) => builder.add(&Data(data)),
            Self::Icmp(icmp) => builder.add(icmp),
        }
    }
}

/// What PASSWORD-ALGORITHMS offers, the better one first.
pub(super) const ALGORITHMS: [PasswordAlgorithm<'static>; 2] =
    [PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5];

/// The longest STUN message: a header and what Length can say.
const BUFFER: usize = 20 + 65_532;
