//! The first 20 bytes: class, method, length, cookie and transaction id.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0 0|     STUN Message Type     |         Message Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         Magic Cookie                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     Transaction ID (96 bits)                  |
//! |                                                               |
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! RFC 8489 s5. The type interleaves the class (C) and the method (M): `MMMMMCMMMCMMMM`.

/// Length of a STUN header in bytes.
pub const HEADER_LENGTH: usize = 20;

/// Length of an attribute's type and length fields in bytes.
pub const ATTRIBUTE_HEADER_LENGTH: usize = 4;

/// The fixed value of bytes 4 to 8, which tells STUN from its neighbours and from RFC 3489.
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// What kind of message it is (RFC 8489 s5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Asks for an answer.
    Request,
    /// Asks for none.
    Indication,
    /// The answer: done.
    SuccessResponse,
    /// The answer: not done, and ERROR-CODE says why.
    ErrorResponse,
}

impl Class {
    /// Whether it answers a request.
    #[must_use]
    pub const fn is_response(self) -> bool {
        matches!(self, Self::SuccessResponse | Self::ErrorResponse)
    }
}

/// What a message is about: a number of 12 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Method(u16);

impl Method {
    /// RFC 8489 s18.2.
    pub const BINDING: Self = Self(0x001);
    /// RFC 8656 s17.
    pub const ALLOCATE: Self = Self(0x003);
    /// RFC 8656 s17.
    pub const REFRESH: Self = Self(0x004);
    /// RFC 8656 s17. Indications only.
    pub const SEND: Self = Self(0x006);
    /// RFC 8656 s17. Indications only.
    pub const DATA: Self = Self(0x007);
    /// RFC 8656 s17.
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// RFC 8656 s17.
    pub const CHANNEL_BIND: Self = Self(0x009);
    /// RFC 6062 s6.1.
    pub const CONNECT: Self = Self(0x00A);
    /// RFC 6062 s6.1.
    pub const CONNECTION_BIND: Self = Self(0x00B);
    /// RFC 6062 s6.1. Indications only.
    pub const CONNECTION_ATTEMPT: Self = Self(0x00C);

    /// The method of that number; `None` above 0xFFF.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number <= 0xFFF { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its name in the RFC that registered it, where there is one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::BINDING => "Binding",
            Self::ALLOCATE => "Allocate",
            Self::REFRESH => "Refresh",
            Self::SEND => "Send",
            Self::DATA => "Data",
            Self::CREATE_PERMISSION => "CreatePermission",
            Self::CHANNEL_BIND => "ChannelBind",
            Self::CONNECT => "Connect",
            Self::CONNECTION_BIND => "ConnectionBind",
            Self::CONNECTION_ATTEMPT => "ConnectionAttempt",
            _ => return None,
        })
    }
}

impl core::fmt::Debug for Method {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Method({:#05x})", self.0),
        }
    }
}

/// The 96 bits that pair a response with its request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId([u8; 12]);

impl TransactionId {
    /// An id of those bytes. Draw them from [`crate::Entropy::bytes`]: whoever guesses one can forge
    /// an answer.
    #[must_use]
    pub const fn new(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// The id in the header of a STUN message; `None` if the bytes do not begin with one.
    #[must_use]
    pub fn of_message(bytes: &[u8]) -> Option<Self> {
        let [t0, _, _, _, c0, c1, c2, c3, id @ ..] = *bytes.first_chunk::<HEADER_LENGTH>()?;
        let is_stun = t0 & 0xC0 == 0 && u32::from_be_bytes([c0, c1, c2, c3]) == MAGIC_COOKIE;
        is_stun.then_some(Self(id))
    }

    /// Its bytes, in network order.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// Eight of its bytes, as a ready-made hash: they are random already.
    pub(crate) fn hash(&self) -> u64 {
        self.0.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }
}

impl core::fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Class and method in the 14 bits of the message type.
pub(crate) const fn message_type(class: Class, method: Method) -> u16 {
    let m = method.number();
    let class_bits = match class {
        Class::Request => 0x000,
        Class::Indication => 0x010,
        Class::SuccessResponse => 0x100,
        Class::ErrorResponse => 0x110,
    };
    (m & 0x000F) | (m & 0x0070) << 1 | (m & 0x0F80) << 2 | class_bits
}

/// The reverse of [`message_type`]; the two top bits are ignored.
pub(crate) const fn split_message_type(bits: u16) -> (Class, Method) {
    let class = match bits & 0x0110 {
        0x000 => Class::Request,
        0x010 => Class::Indication,
        0x100 => Class::SuccessResponse,
        _ => Class::ErrorResponse,
    };
    (class, Method((bits & 0x000F) | (bits & 0x00E0) >> 1 | (bits & 0x3E00) >> 2))
}

/// The length of a value with its padding to a multiple of four (RFC 8489 s14). Cannot wrap: a value is at
/// most 65 535 bytes where this is called, and the sum is a `usize`.
pub(crate) const fn padded_length(length: usize) -> usize {
    length.saturating_add(3) & !3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_and_class_survives_the_interleaving() {
        for number in 0..=0xFFF {
            let method = Method::new(number).unwrap();
            for class in [Class::Request, Class::Indication, Class::SuccessResponse, Class::ErrorResponse] {
                let bits = message_type(class, method);
                assert_eq!(bits & 0xC000, 0);
                assert_eq!(split_message_type(bits), (class, method));
            }
        }
        assert_eq!(Method::new(0x1000), None);
    }

    #[test]
    fn the_types_of_rfc_8489_section_5_come_out_as_printed() {
        assert_eq!(message_type(Class::Request, Method::BINDING), 0x0001);
        assert_eq!(message_type(Class::SuccessResponse, Method::BINDING), 0x0101);
        assert_eq!(message_type(Class::ErrorResponse, Method::ALLOCATE), 0x0113);
    }
}
