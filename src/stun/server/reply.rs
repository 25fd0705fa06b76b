//! What a server writes, in the order of RFC 8489 s6.3.1, whatever the reply is.

use core::net::SocketAddr;

use super::Server;
use super::behavior::MAX_PADDING;
use crate::auth::nonce::Nonce;
use crate::auth::realm::Signer;
use crate::auth::{Realm, ShortTerm};
use crate::wire::attribute::{
    AttributeType, ErrorCode, MappedAddress, OtherAddress, Padding, ResponseOrigin, UnknownAttributes,
    XorMappedAddress, default_reason,
};
use crate::wire::classic::ClassicId;
use crate::wire::{BuildError, Class, IntegrityAlgorithm, Message, MessageBuilder, Method};

/// A reply to be written, as often as it takes to make it short enough.
#[derive(Clone, Copy)]
pub(super) struct Reply<'a> {
    pub(super) request: &'a Message<'a>,
    pub(super) content: Content<'a>,
    pub(super) seal: Seal<'a>,
    /// Whether the request had FINGERPRINT, so that the reply has it.
    pub(super) has_fingerprint: bool,
    /// For a client of RFC 3489: the whole of its id.
    pub(super) classic: Option<ClassicId>,
}

#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    /// Here you are, for whoever is at that address.
    Success {
        mapped: SocketAddr,
        extras: Extras,
        padding: Option<usize>,
    },
    Error {
        code: u16,
    },
    /// 401 or 438, with what it takes to sign.
    Challenge {
        code: u16,
        realm: &'a Realm,
        nonce: &'a Nonce,
    },
    /// 420 and the attributes that are not understood.
    Unknown(&'a [AttributeType]),
}

/// The attributes that RFC 5780 s6.1 adds to a success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extras {
    pub(super) mapped: bool,
    pub(super) origin: Option<SocketAddr>,
    pub(super) other: Option<SocketAddr>,
}

/// Who signs.
#[derive(Clone, Copy)]
pub(super) enum Seal<'a> {
    Nobody,
    ShortTerm(&'a ShortTerm, IntegrityAlgorithm),
    LongTerm(&'a Signer),
}

impl Extras {
    /// The next shorter set: MAPPED-ADDRESS goes first, since XOR-MAPPED-ADDRESS says the same; then
    /// RESPONSE-ORIGIN, which the source of the datagram says too; OTHER-ADDRESS last.
    pub(super) fn fewer(self) -> Option<Self> {
        match self {
            Self { mapped: true, .. } => Some(Self { mapped: false, ..self }),
            Self { origin: Some(_), .. } => Some(Self { origin: None, ..self }),
            Self { other: Some(_), .. } => Some(Self { other: None, ..self }),
            Self { .. } => None,
        }
    }
}

impl Reply<'_> {
    /// How much room it may need.
    pub(super) fn room(&self) -> usize {
        match self.content {
            Content::Success { padding: Some(_), .. } => Server::MAX_PADDED_REPLY,
            _ => Server::MAX_REPLY,
        }
    }

    /// The next shorter one that still answers; `None` where nothing can be left out.
    pub(super) fn shorter(self) -> Option<Self> {
        let Content::Success { mapped, extras, padding } = self.content else { return None };
        // A client of RFC 3489 reads MAPPED-ADDRESS alone.
        let extras = if self.classic.is_some() { Extras { mapped: false, ..extras } } else { extras };
        let extras = extras.fewer()?;
        Some(Self { content: Content::Success { mapped, extras, padding }, ..self })
    }

    pub(super) fn is_error(&self) -> bool {
        !matches!(self.content, Content::Success { .. })
    }

    /// Writes it, and says how long it is.
    pub(super) fn write(&self, buffer: &mut [u8]) -> Result<usize, BuildError> {
        let class = if self.is_error() { Class::ErrorResponse } else { Class::SuccessResponse };
        let mut builder = MessageBuilder::new(buffer, class, Method::BINDING, self.request.transaction_id())?;
        self.write_content(&mut builder)?;
        match self.seal {
            Seal::Nobody => {}
            Seal::ShortTerm(credential, algorithm) => credential.sign_response(algorithm, &mut builder)?,
            Seal::LongTerm(signer) => signer.sign(&mut builder)?,
        }
        if self.has_fingerprint {
            builder.add_fingerprint()?;
        }
        let length = builder.finish().len();
        if let Some(id) = self.classic {
            id.restore(buffer);
        }
        Ok(length)
    }

    fn write_content(&self, builder: &mut MessageBuilder<'_>) -> Result<(), BuildError> {
        match self.content {
            Content::Success { mapped, extras, padding } if self.classic.is_some() => {
                write_classic(builder, mapped, extras, padding)
            }
            Content::Success { mapped, extras, padding } => write_success(builder, mapped, extras, padding),
            Content::Error { code } => builder.add(&error(code)),
            // Strangers get challenges: as short as they can be, and a reason is for people.
            Content::Challenge { code, realm, nonce } => {
                builder.add(&ErrorCode { code, reason: b"" })?;
                realm.challenge(nonce, builder)
            }
            Content::Unknown(types) => {
                builder.add(&error(420))?;
                builder.add(&UnknownAttributes::from_types(types))
            }
        }
    }
}

fn error(code: u16) -> ErrorCode<'static> {
    ErrorCode { code, reason: default_reason(code).as_bytes() }
}

fn write_success(
    builder: &mut MessageBuilder<'_>,
    mapped: SocketAddr,
    extras: Extras,
    padding: Option<usize>,
) -> Result<(), BuildError> {
    builder.add(&XorMappedAddress(mapped))?;
    if extras.mapped {
        builder.add(&MappedAddress(mapped))?;
    }
    extras.origin.map_or(Ok(()), |origin| builder.add(&ResponseOrigin(origin)))?;
    extras.other.map_or(Ok(()), |other| builder.add(&OtherAddress(other)))?;
    pad(builder, padding)
}

/// The names and numbers of RFC 3489 s11.2 for the same things.
fn write_classic(
    builder: &mut MessageBuilder<'_>,
    mapped: SocketAddr,
    extras: Extras,
    padding: Option<usize>,
) -> Result<(), BuildError> {
    builder.add(&MappedAddress(mapped))?;
    extras.origin.map_or(Ok(()), |origin| add_address(builder, AttributeType::SOURCE_ADDRESS, origin))?;
    extras.other.map_or(Ok(()), |other| add_address(builder, AttributeType::CHANGED_ADDRESS, other))?;
    pad(builder, padding)
}

fn add_address(
    builder: &mut MessageBuilder<'_>,
    ty: AttributeType,
    address: SocketAddr,
) -> Result<(), BuildError> {
    let [p0, p1] = address.port().to_be_bytes();
    match address.ip() {
        core::net::IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            builder.add_raw(ty, &[0, 1, p0, p1, a, b, c, d])
        }
        // RFC 3489 knows IPv4 alone (s11.2.1).
        core::net::IpAddr::V6(_) => Ok(()),
    }
}

fn pad(builder: &mut MessageBuilder<'_>, padding: Option<usize>) -> Result<(), BuildError> {
    let Some(length) = padding else { return Ok(()) };
    builder.add(&Padding([0; MAX_PADDING].get(..length).unwrap_or_default()))
}
