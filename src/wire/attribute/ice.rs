//! Attributes of ICE's connectivity checks (RFC 8445 s16.1).

use super::super::header::TransactionId;
use super::super::writer::{BuildError, ValueWriter};
use super::{Attribute, AttributeError, AttributeType, empty, exactly};

/// PRIORITY: of the peer-reflexive candidate that the check may find (RFC 8445 s7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Priority(pub u32);

/// USE-CANDIDATE: the controlling agent nominates the pair (RFC 8445 s7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UseCandidate;

/// ICE-CONTROLLED: the sender is controlled; its tie-breaker (RFC 8445 s7.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IceControlled(pub u64);

/// ICE-CONTROLLING: the sender controls; its tie-breaker (RFC 8445 s7.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IceControlling(pub u64);

impl Attribute<'_> for Priority {
    const TYPE: AttributeType = AttributeType::PRIORITY;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        exactly(value).map(u32::from_be_bytes).map(Self)
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        out.put_u32(self.0);
        Ok(())
    }
}

impl Attribute<'_> for UseCandidate {
    const TYPE: AttributeType = AttributeType::USE_CANDIDATE;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        empty(value).map(|()| Self)
    }

    fn encode(&self, _: &TransactionId, _: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        Ok(())
    }
}

macro_rules! tie_breakers {
    ($($name:ident = $ty:ident;)*) => {$(
        impl Attribute<'_> for $name {
            const TYPE: AttributeType = AttributeType::$ty;

            fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
                exactly(value).map(u64::from_be_bytes).map(Self)
            }

            fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
                out.put_u64(self.0);
                Ok(())
            }
        }
    )*};
}

tie_breakers! {
    IceControlled = ICE_CONTROLLED;
    IceControlling = ICE_CONTROLLING;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{decode, round_trip};
    use super::*;

    #[test]
    fn a_flag_has_no_value() {
        assert_eq!(decode(&[]), Ok(UseCandidate));
        assert_eq!(decode::<UseCandidate>(&[1]), Err(AttributeError::WrongLength));
    }

    proptest! {
        #[test]
        fn ice_attributes_survive_a_round_trip(priority: u32, tie_breaker: u64) {
            round_trip!(Priority(priority), UseCandidate, IceControlled(tie_breaker), IceControlling(tie_breaker));
        }
    }
}
