//! Attributes that authenticate. The seals, MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, can
//! be read here but are neither checked nor made: [`crate::wire::Message`] checks them, and
//! [`crate::wire::MessageBuilder`] makes them and refuses ready-made ones.

use super::super::header::TransactionId;
use super::super::header::padded_length;
use super::super::integrity::{
    MESSAGE_INTEGRITY_LENGTH, MESSAGE_INTEGRITY_SHA256_LENGTH, MESSAGE_INTEGRITY_SHA256_MIN_LENGTH,
};
use super::super::writer::{BuildError, ValueWriter};
use super::{Attribute, AttributeError, AttributeType, exactly};

/// MESSAGE-INTEGRITY as it stands in a message (RFC 8489 s14.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageIntegrity(pub [u8; MESSAGE_INTEGRITY_LENGTH]);

/// MESSAGE-INTEGRITY-SHA256 as it stands in a message: 16 to 32 bytes, a multiple of four (RFC 8489 s14.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageIntegritySha256<'a>(pub &'a [u8]);

/// FINGERPRINT as it stands in a message (RFC 8489 s14.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub u32);

/// USERHASH: a username that an onlooker cannot read (RFC 8489 s14.4). [`crate::wire::userhash`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Userhash(pub [u8; 32]);

/// PASSWORD-ALGORITHM: how a key was derived from the password (RFC 8489 s14.12), or one entry of
/// [`PasswordAlgorithms`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PasswordAlgorithm<'a> {
    /// Its number (RFC 8489 s18.5).
    pub number: u16,
    /// Its parameters, without padding. The known algorithms have none.
    pub parameters: &'a [u8],
}

/// PASSWORD-ALGORITHMS: those that a server accepts, the best first (RFC 8489 s14.11). May be empty.
#[derive(Clone, Copy)]
pub struct PasswordAlgorithms<'a>(List<'a>);

impl PasswordAlgorithm<'_> {
    /// RFC 8489 s18.5.1.1.
    pub const MD5: Self = Self { number: 1, parameters: &[] };
    /// RFC 8489 s18.5.1.2.
    pub const SHA256: Self = Self { number: 2, parameters: &[] };
}

impl<'a> PasswordAlgorithms<'a> {
    /// A list to send.
    #[must_use]
    pub const fn from_list(algorithms: &'a [PasswordAlgorithm<'a>]) -> Self {
        Self(List::Entries(algorithms))
    }

    /// The algorithms, in order.
    pub fn iter(&self) -> impl Iterator<Item = PasswordAlgorithm<'a>> + Clone + use<'a> {
        let (mut wire, entries): (&'a [u8], &'a [PasswordAlgorithm<'a>]) = match self.0 {
            List::Wire(wire) => (wire, &[]),
            List::Entries(entries) => (&[], entries),
        };
        let decoded = core::iter::from_fn(move || {
            let (entry, rest) = split_entry(wire)?;
            wire = rest;
            Some(entry)
        });
        decoded.chain(entries.iter().copied())
    }
}

impl Attribute<'_> for MessageIntegrity {
    const TYPE: AttributeType = AttributeType::MESSAGE_INTEGRITY;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        exactly(value).map(Self)
    }

    fn encode(&self, _: &TransactionId, _: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        Err(BuildError::InvalidValue)
    }
}

impl<'a> Attribute<'a> for MessageIntegritySha256<'a> {
    const TYPE: AttributeType = AttributeType::MESSAGE_INTEGRITY_SHA256;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let possible = MESSAGE_INTEGRITY_SHA256_MIN_LENGTH..=MESSAGE_INTEGRITY_SHA256_LENGTH;
        if !possible.contains(&value.len()) || value.len() % 4 != 0 {
            return Err(AttributeError::WrongLength);
        }
        Ok(Self(value))
    }

    fn encode(&self, _: &TransactionId, _: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        Err(BuildError::InvalidValue)
    }
}

impl Attribute<'_> for Fingerprint {
    const TYPE: AttributeType = AttributeType::FINGERPRINT;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        exactly(value).map(u32::from_be_bytes).map(Self)
    }

    fn encode(&self, _: &TransactionId, _: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        Err(BuildError::InvalidValue)
    }
}

impl Attribute<'_> for Userhash {
    const TYPE: AttributeType = AttributeType::USERHASH;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        exactly(value).map(Self)
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        out.put(&self.0);
        Ok(())
    }
}

impl<'a> Attribute<'a> for PasswordAlgorithm<'a> {
    const TYPE: AttributeType = AttributeType::PASSWORD_ALGORITHM;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
        match split_entry(value) {
            Some((entry, [])) => Ok(entry),
            _ => Err(AttributeError::WrongLength),
        }
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        put_entry(self, out)
    }
}

impl<'a> Attribute<'a> for PasswordAlgorithms<'a> {
    const TYPE: AttributeType = AttributeType::PASSWORD_ALGORITHMS;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let mut rest = value;
        while !rest.is_empty() {
            (_, rest) = split_entry(rest).ok_or(AttributeError::WrongLength)?;
        }
        Ok(Self(List::Wire(value)))
    }

    fn encode(&self, _: &TransactionId, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
        self.iter().try_for_each(|entry| put_entry(&entry, out))
    }
}

impl PartialEq for PasswordAlgorithms<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for PasswordAlgorithms<'_> {}

impl core::fmt::Debug for PasswordAlgorithms<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Received and checked, or to be sent.
#[derive(Clone, Copy)]
enum List<'a> {
    Wire(&'a [u8]),
    Entries(&'a [PasswordAlgorithm<'a>]),
}

/// Takes one algorithm off the front; `None` at the end and on an overrun.
///
/// ```text
///  |          Algorithm            |  Algorithm Parameters Length  |  parameters, then 0..3 bytes of padding
/// ```
fn split_entry(bytes: &[u8]) -> Option<(PasswordAlgorithm<'_>, &[u8])> {
    let ([n0, n1, l0, l1], rest) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    let (padded, rest) = rest.split_at_checked(padded_length(length))?;
    let parameters = padded.get(..length)?;
    Some((PasswordAlgorithm { number: u16::from_be_bytes([*n0, *n1]), parameters }, rest))
}

fn put_entry(entry: &PasswordAlgorithm<'_>, out: &mut ValueWriter<'_>) -> Result<(), BuildError> {
    let length = entry.parameters.len();
    out.put_u16(entry.number);
    out.put_u16(u16::try_from(length).map_err(|_| BuildError::ValueTooLong)?);
    out.put(entry.parameters);
    out.put([0; 3].get(..padded_length(length).saturating_sub(length)).unwrap_or_default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::super::testing::{decode, encode, round_trip};
    use super::*;

    #[test]
    fn ready_made_seals_are_refused() {
        assert_eq!(encode(&MessageIntegrity([0; 20])), Err(BuildError::InvalidValue));
        assert_eq!(encode(&MessageIntegritySha256(&[0; 32])), Err(BuildError::InvalidValue));
        assert_eq!(encode(&Fingerprint(0)), Err(BuildError::InvalidValue));
    }

    #[test]
    fn seals_have_the_lengths_of_the_rfc() {
        for length in 0..=64 {
            let value = [7; 64];
            let value = value.get(..length).unwrap();
            assert_eq!(decode::<MessageIntegrity>(value).is_ok(), length == 20);
            assert_eq!(
                decode::<MessageIntegritySha256<'_>>(value).is_ok(),
                [16, 20, 24, 28, 32].contains(&length)
            );
            assert_eq!(decode::<Fingerprint>(value).is_ok(), length == 4);
            assert_eq!(decode::<Userhash>(value).is_ok(), length == 32);
        }
    }

    #[test]
    fn algorithms_are_padded_each() {
        let list = [PasswordAlgorithm { number: 9, parameters: b"abcde" }, PasswordAlgorithm::SHA256];
        let value = encode(&PasswordAlgorithms::from_list(&list)).unwrap();
        assert_eq!(value, b"\0\x09\0\x05abcde\0\0\0\0\x02\0\0");
        assert!(decode::<PasswordAlgorithms<'_>>(&value).unwrap().iter().eq(list));
        assert_eq!(decode::<PasswordAlgorithms<'_>>(&[]).unwrap().iter().count(), 0);
    }

    #[test]
    fn an_algorithm_that_overruns_its_list_spoils_it() {
        for value in [&b"\0\x02\0\x20"[..], b"\0\x02\0\x01a", b"\0\x02\0\0\0", b"\0\x01\0\0\0\x02\xFF\xFF"] {
            assert_eq!(decode::<PasswordAlgorithms<'_>>(value), Err(AttributeError::WrongLength));
            assert_eq!(decode::<PasswordAlgorithm<'_>>(value), Err(AttributeError::WrongLength));
        }
        assert_eq!(decode::<PasswordAlgorithm<'_>>(&[]), Err(AttributeError::WrongLength));
        assert_eq!(
            decode::<PasswordAlgorithm<'_>>(b"\0\x01\0\0\0\x02\0\0"),
            Err(AttributeError::WrongLength)
        );
    }

    proptest! {
        #[test]
        fn algorithms_survive_a_round_trip(hash: [u8; 32], list: Vec<(u16, Vec<u8>)>) {
            let entries: Vec<_> =
                list.iter().map(|(number, parameters)| PasswordAlgorithm { number: *number, parameters }).collect();
            round_trip!(Userhash(hash), PasswordAlgorithms::from_list(&entries));
            if let Some(entry) = entries.first() {
                round_trip!(*entry);
            }
        }
    }
}
