//! Replies to requests, from honest to forged, for the targets that drive an agent.

use std::net::{Ipv4Addr, SocketAddr};

use arbitrary::Arbitrary;
use libstun::wire::attribute::{AttributeType, ErrorCode, MappedAddress, XorMappedAddress};
use libstun::wire::{Class, Key, MessageBuilder, Method, TransactionId};

/// The credential that both ends know.
pub(crate) const USERNAME: &[u8] = b"l:r";
pub(crate) const PASSWORD: &[u8] = b"secretpassword-0123456789";

/// A reply to make.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) struct Reply {
    content: Content,
    signature: Signature,
    has_fingerprint: bool,
    /// Flips one bit of what was made.
    flip: Option<u16>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Content {
    Mapped,
    SameAddress,
    LegacyMapped,
    Error(u16),
    EmptyError,
    Demanding,
    Nothing,
    Unspecified,
    OtherMethod,
    Indication,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum Signature {
    None,
    Sha1,
    Sha256,
    Both,
    WrongKey,
}

impl Reply {
    /// Whether it is signed with the right key.
    pub(crate) fn is_signed(&self) -> bool {
        matches!(self.signature, Signature::Sha1 | Signature::Sha256 | Signature::Both)
    }

    /// The address that it gives: another for every number, unless it gives the same on purpose.
    pub(crate) fn address(&self, number: u16) -> SocketAddr {
        let port = if matches!(self.content, Content::SameAddress) { 4242 } else { 10_000 + number };
        SocketAddr::new(Ipv4Addr::new(203, 0, 113, if self.is_signed() { 9 } else { 66 }).into(), port)
    }

    /// Its bytes.
    pub(crate) fn write(&self, id: [u8; 12], number: u16) -> Vec<u8> {
        let (class, method) = match self.content {
            Content::Error(_) | Content::EmptyError => (Class::ErrorResponse, Method::BINDING),
            Content::OtherMethod => (Class::SuccessResponse, Method::ALLOCATE),
            Content::Indication => (Class::Indication, Method::BINDING),
            _ => (Class::SuccessResponse, Method::BINDING),
        };
        let mut buffer = [0; 256];
        let mut builder =
            MessageBuilder::new(&mut buffer, class, method, TransactionId::new(id)).expect("room");
        self.fill(&mut builder, number).expect("a reply fits");
        let mut bytes = builder.finish().to_vec();
        if let Some(flip) = self.flip {
            let bit = usize::from(flip) % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        bytes
    }

    fn fill(&self, builder: &mut MessageBuilder<'_>, number: u16) -> Result<(), libstun::wire::BuildError> {
        let address = self.address(number);
        match self.content {
            Content::Mapped | Content::SameAddress | Content::OtherMethod | Content::Indication => {
                builder.add(&XorMappedAddress(address))?;
            }
            Content::LegacyMapped => builder.add(&MappedAddress(address))?,
            Content::Error(code) => builder.add(&ErrorCode { code: 300 + code % 400, reason: b"no" })?,
            Content::Demanding => {
                builder.add(&XorMappedAddress(address))?;
                builder.add_raw(AttributeType::new(0x7FFE), b"abc")?;
            }
            Content::Unspecified => builder.add(&XorMappedAddress(SocketAddr::from(([0; 4], 0))))?,
            Content::EmptyError | Content::Nothing => {}
        }
        let key = match self.signature {
            Signature::WrongKey => Key::short_term(b"not the password"),
            _ => Key::short_term(PASSWORD),
        };
        if matches!(self.signature, Signature::Sha1 | Signature::Both) {
            builder.sign(&key)?;
        }
        if matches!(self.signature, Signature::Sha256 | Signature::Both | Signature::WrongKey) {
            builder.sign_sha256(&key)?;
        }
        if self.has_fingerprint { builder.add_fingerprint() } else { Ok(()) }
    }
}
