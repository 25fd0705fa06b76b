//! Every attribute this crate knows, in one table: number, name, type.

use super::super::header::TransactionId;
use super::*;

/// The number of an attribute.
///
/// ```
/// use libstun::wire::attribute::AttributeType;
/// assert_eq!(format!("{:?}", AttributeType::new(0x0020)), "XOR-MAPPED-ADDRESS");
/// assert_eq!(format!("{:?}", AttributeType::new(0x7FFE)), "0x7ffe");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeType(u16);

impl AttributeType {
    /// The type of that number, known or not.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Whether an agent that does not know it must refuse the message (RFC 8489 s14).
    #[must_use]
    pub const fn is_comprehension_required(self) -> bool {
        self.0 < 0x8000
    }

    /// Unknown and required, unlike known but unexpected, which is ignored (RFC 8489 s6.3).
    pub(crate) fn is_unknown_and_required(self) -> bool {
        self.is_comprehension_required() && self.name().is_none()
    }

    /// Whether it protects what stands before it, so that only [`crate::wire::MessageBuilder`] can make one.
    pub(crate) const fn is_seal(self) -> bool {
        matches!(self, Self::MESSAGE_INTEGRITY | Self::MESSAGE_INTEGRITY_SHA256 | Self::FINGERPRINT)
    }
}

impl core::fmt::Debug for AttributeType {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

macro_rules! registry {
    (
        reserved { $($old_number:literal $old:ident $old_name:literal, $old_rfc:literal;)* }
        typed<$lifetime:lifetime> { $($number:literal $constant:ident $name:literal => $variant:ident($value:ty), $rfc:literal;)* }
    ) => {
        impl AttributeType {
            $(#[doc = concat!($old_name, " (", $old_rfc, "). Reserved: it has no type here.")]
            pub const $old: Self = Self($old_number);)*
            $(#[doc = concat!($name, " (", $rfc, ").")]
            pub const $constant: Self = Self($number);)*

            /// Its name in the RFC that registered it; `None` where this crate does not know the number.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                Some(match self {
                    $(Self::$old => $old_name,)*
                    $(Self::$constant => $name,)*
                    _ => return None,
                })
            }
        }

        /// An attribute of whatever type, decoded: for tools that show messages and servers that check whole
        /// ones. Whoever wants one attribute asks for it with [`crate::wire::Message::get`].
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum AttributeValue<$lifetime> {
            $(#[doc = concat!($name, ".")]
            $variant($value),)*
            /// Reserved, or unknown to this crate.
            Unknown(RawAttribute<$lifetime>),
        }

        impl<$lifetime> AttributeValue<$lifetime> {
            /// Decodes by type. `id` is the message's transaction id.
            ///
            /// # Errors
            /// The type is known and the value is not one of it.
            pub fn decode(raw: RawAttribute<$lifetime>, id: &TransactionId) -> Result<Self, AttributeError> {
                match raw.ty {
                    $(AttributeType::$constant => <$value>::decode(raw.value, id).map(Self::$variant),)*
                    _ => Ok(Self::Unknown(raw)),
                }
            }
        }

        #[cfg(test)]
        const ALL: &[AttributeType] = &[$(AttributeType::$old,)* $(AttributeType::$constant,)*];
    };
}

registry! {
    reserved {
        0x0002 RESPONSE_ADDRESS "RESPONSE-ADDRESS", "RFC 3489 s11.2.2";
        0x0004 SOURCE_ADDRESS "SOURCE-ADDRESS", "RFC 3489 s11.2.5";
        0x0005 CHANGED_ADDRESS "CHANGED-ADDRESS", "RFC 3489 s11.2.3";
        0x0007 PASSWORD "PASSWORD", "RFC 3489 s11.2.7";
        0x000B REFLECTED_FROM "REFLECTED-FROM", "RFC 3489 s11.2.11";
        0x0010 BANDWIDTH "BANDWIDTH", "RFC 8656 s18";
        0x0021 TIMER_VAL "TIMER-VAL", "RFC 8656 s18";
    }
    typed<'a> {
        0x0001 MAPPED_ADDRESS "MAPPED-ADDRESS" => MappedAddress(MappedAddress), "RFC 8489 s14.1";
        0x0003 CHANGE_REQUEST "CHANGE-REQUEST" => ChangeRequest(ChangeRequest), "RFC 5780 s7.2";
        0x0006 USERNAME "USERNAME" => Username(Username<'a>), "RFC 8489 s14.3";
        0x0008 MESSAGE_INTEGRITY "MESSAGE-INTEGRITY" => MessageIntegrity(MessageIntegrity), "RFC 8489 s14.5";
        0x0009 ERROR_CODE "ERROR-CODE" => ErrorCode(ErrorCode<'a>), "RFC 8489 s14.8";
        0x000A UNKNOWN_ATTRIBUTES "UNKNOWN-ATTRIBUTES" => UnknownAttributes(UnknownAttributes<'a>), "RFC 8489 s14.13";
        0x000C CHANNEL_NUMBER "CHANNEL-NUMBER" => ChannelNumber(ChannelNumberAttribute), "RFC 8656 s18.1";
        0x000D LIFETIME "LIFETIME" => Lifetime(Lifetime), "RFC 8656 s18.2";
        0x0012 XOR_PEER_ADDRESS "XOR-PEER-ADDRESS" => XorPeerAddress(XorPeerAddress), "RFC 8656 s18.3";
        0x0013 DATA "DATA" => Data(Data<'a>), "RFC 8656 s18.4";
        0x0014 REALM "REALM" => Realm(Realm<'a>), "RFC 8489 s14.9";
        0x0015 NONCE "NONCE" => Nonce(Nonce<'a>), "RFC 8489 s14.10";
        0x0016 XOR_RELAYED_ADDRESS "XOR-RELAYED-ADDRESS" => XorRelayedAddress(XorRelayedAddress), "RFC 8656 s18.5";
        0x0017 REQUESTED_ADDRESS_FAMILY "REQUESTED-ADDRESS-FAMILY"
            => RequestedAddressFamily(RequestedAddressFamily), "RFC 8656 s18.6";
        0x0018 EVEN_PORT "EVEN-PORT" => EvenPort(EvenPort), "RFC 8656 s18.7";
        0x0019 REQUESTED_TRANSPORT "REQUESTED-TRANSPORT" => RequestedTransport(RequestedTransport), "RFC 8656 s18.8";
        0x001A DONT_FRAGMENT "DONT-FRAGMENT" => DontFragment(DontFragment), "RFC 8656 s18.9";
        0x001C MESSAGE_INTEGRITY_SHA256 "MESSAGE-INTEGRITY-SHA256"
            => MessageIntegritySha256(MessageIntegritySha256<'a>), "RFC 8489 s14.6";
        0x001D PASSWORD_ALGORITHM "PASSWORD-ALGORITHM" => PasswordAlgorithm(PasswordAlgorithm<'a>), "RFC 8489 s14.12";
        0x001E USERHASH "USERHASH" => Userhash(Userhash), "RFC 8489 s14.4";
        0x0020 XOR_MAPPED_ADDRESS "XOR-MAPPED-ADDRESS" => XorMappedAddress(XorMappedAddress), "RFC 8489 s14.2";
        0x0022 RESERVATION_TOKEN "RESERVATION-TOKEN" => ReservationToken(ReservationToken), "RFC 8656 s18.10";
        0x0024 PRIORITY "PRIORITY" => Priority(Priority), "RFC 8445 s16.1";
        0x0025 USE_CANDIDATE "USE-CANDIDATE" => UseCandidate(UseCandidate), "RFC 8445 s16.1";
        0x0026 PADDING "PADDING" => Padding(Padding<'a>), "RFC 5780 s7.6";
        0x0027 RESPONSE_PORT "RESPONSE-PORT" => ResponsePort(ResponsePort), "RFC 5780 s7.5";
        0x002A CONNECTION_ID "CONNECTION-ID" => ConnectionId(ConnectionId), "RFC 6062 s6.2.1";
        0x8000 ADDITIONAL_ADDRESS_FAMILY "ADDITIONAL-ADDRESS-FAMILY"
            => AdditionalAddressFamily(AdditionalAddressFamily), "RFC 8656 s18.11";
        0x8001 ADDRESS_ERROR_CODE "ADDRESS-ERROR-CODE" => AddressErrorCode(AddressErrorCode<'a>), "RFC 8656 s18.12";
        0x8002 PASSWORD_ALGORITHMS "PASSWORD-ALGORITHMS"
            => PasswordAlgorithms(PasswordAlgorithms<'a>), "RFC 8489 s14.11";
        0x8003 ALTERNATE_DOMAIN "ALTERNATE-DOMAIN" => AlternateDomain(AlternateDomain<'a>), "RFC 8489 s14.16";
        0x8004 ICMP "ICMP" => Icmp(Icmp), "RFC 8656 s18.13";
        0x8022 SOFTWARE "SOFTWARE" => Software(Software<'a>), "RFC 8489 s14.14";
        0x8023 ALTERNATE_SERVER "ALTERNATE-SERVER" => AlternateServer(AlternateServer), "RFC 8489 s14.15";
        0x8027 CACHE_TIMEOUT "CACHE-TIMEOUT" => CacheTimeout(CacheTimeout), "RFC 5780 s9.1";
        0x8028 FINGERPRINT "FINGERPRINT" => Fingerprint(Fingerprint), "RFC 8489 s14.7";
        0x8029 ICE_CONTROLLED "ICE-CONTROLLED" => IceControlled(IceControlled), "RFC 8445 s16.1";
        0x802A ICE_CONTROLLING "ICE-CONTROLLING" => IceControlling(IceControlling), "RFC 8445 s16.1";
        0x802B RESPONSE_ORIGIN "RESPONSE-ORIGIN" => ResponseOrigin(ResponseOrigin), "RFC 5780 s7.3";
        0x802C OTHER_ADDRESS "OTHER-ADDRESS" => OtherAddress(OtherAddress), "RFC 5780 s7.4";
        0x8030 MOBILITY_TICKET "MOBILITY-TICKET" => MobilityTicket(MobilityTicket<'a>), "RFC 8016 s3.3";
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn every_attribute_has_a_number_and_a_name_of_its_own() {
        for (i, ty) in ALL.iter().enumerate() {
            assert_eq!(format!("{ty:?}"), ty.name().unwrap());
            let rest = ALL.get(i + 1..).unwrap();
            assert!(rest.iter().all(|other| other.number() != ty.number() && other.name() != ty.name()));
        }
        assert_eq!(ALL.len(), 7 + 41);
    }

    #[test]
    fn unknown_attributes_stay_raw() {
        let id = TransactionId::new([0; 12]);
        for number in (0..=u16::MAX).filter(|number| AttributeType::new(*number).name().is_none()) {
            let raw = RawAttribute { ty: AttributeType::new(number), value: b"x", offset: 20 };
            assert_eq!(AttributeValue::decode(raw, &id), Ok(AttributeValue::Unknown(raw)));
        }
        assert_eq!(AttributeType::new(0xC057).name(), None);
    }

    #[test]
    fn the_top_bit_decides_whether_comprehension_is_required() {
        assert!(AttributeType::XOR_MAPPED_ADDRESS.is_comprehension_required());
        assert!(AttributeType::new(0x7FFF).is_comprehension_required());
        assert!(!AttributeType::new(0x8000).is_comprehension_required());
        assert!(!AttributeType::SOFTWARE.is_comprehension_required());
    }
}
