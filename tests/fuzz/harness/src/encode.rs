//! Writing messages, and reading back what was written.

use std::net::SocketAddr;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use libstun::wire::attribute::*;
use libstun::wire::{
    BuildError, ChannelNumber, Class, HEADER_LENGTH, Integrity, IntegrityAlgorithm, Key, Message,
    MessageBuilder, Method, TransactionId,
};

use crate::naive;

/// Whatever is added to a dirty buffer of any size can be read back; what does not fit is refused with the
/// exact size that it needs, and leaves the message as it was.
pub fn encode(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(head) = Head::arbitrary(&mut source) else { return };
    let room = usize::from(head.room) % (MAX_ROOM + 1);
    let mut memory = vec![head.dirt; room + CANARY];
    let mut small = Small { room, length: 0, is_untouched: true };
    if !small.begin(&mut memory, &head) {
        return;
    }
    let mut reference = vec![0; MAX_MESSAGE + CANARY];
    reference[..HEADER_LENGTH].copy_from_slice(&memory[..HEADER_LENGTH]);
    for _ in 0..MAX_PARTS {
        if source.is_empty() {
            break;
        }
        let Ok(part) = Part::arbitrary(&mut source) else { break };
        small.add(&mut memory, &mut reference, &part);
    }
    let tail = if small.is_untouched { &memory[small.length..] } else { &memory[room..] };
    assert!(tail.iter().all(|byte| *byte == head.dirt), "something was written behind the message");
}

const MAX_ROOM: usize = 1500;
const MAX_MESSAGE: usize = 70_000;
const MAX_PARTS: usize = 24;
const CANARY: usize = 16;

#[derive(Arbitrary, Debug)]
struct Head {
    class: u8,
    method: u16,
    id: [u8; 12],
    dirt: u8,
    room: u16,
}

#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Raw(u16, &'a [u8]),
    Zeros(u16, u16),
    Address(u8, SocketAddr),
    Text(u8, &'a [u8]),
    Error(u16, &'a [u8]),
    AddressError(bool, u16, &'a [u8]),
    Unknown(Vec<u16>),
    Algorithms(Vec<(u16, &'a [u8])>),
    Userhash([u8; 32]),
    Lifetime(u64),
    Bytes(u8, &'a [u8]),
    Channel(u16),
    Family(bool, bool),
    Flags(u8),
    Word(u8, u64),
    Seal(u8),
    Sign,
    SignSha256,
    SignTruncated(u8),
    Fingerprint,
}

struct Small {
    room: usize,
    length: usize,
    /// Nothing was refused so far: a refused value may have been begun behind the message.
    is_untouched: bool,
}

impl Small {
    fn begin(&mut self, memory: &mut [u8], head: &Head) -> bool {
        let classes = [Class::Request, Class::Indication, Class::SuccessResponse, Class::ErrorResponse];
        let (class, id) = (classes[usize::from(head.class % 4)], TransactionId::new(head.id));
        let method = Method::new(head.method & 0xFFF).expect("12 bits");
        match MessageBuilder::new(&mut memory[..self.room], class, method, id) {
            Ok(builder) => {
                let message = Message::parse(builder.as_bytes()).expect("a header is a message");
                assert_eq!(
                    (message.class(), message.method(), message.transaction_id()),
                    (class, method, id)
                );
                self.length = HEADER_LENGTH;
                true
            }
            Err(error) => {
                assert_eq!(error, BuildError::BufferTooSmall { needed: HEADER_LENGTH });
                assert!(self.room < HEADER_LENGTH && memory.iter().all(|byte| *byte == head.dirt));
                false
            }
        }
    }

    /// Adds the part to the message, and to a copy with all the room there can be.
    fn add(&mut self, memory: &mut [u8], reference: &mut [u8], part: &Part<'_>) {
        let before = memory[..self.length].to_vec();
        let (in_small, length) = put(&mut memory[..self.room], self.length, part);
        let (in_large, large) = put(&mut reference[..MAX_MESSAGE], self.length, part);
        match in_small {
            Ok(()) => {
                assert_eq!(in_large, Ok(()));
                assert_eq!(memory[..length], reference[..large], "the same bytes in any buffer");
                assert!(naive::read(&memory[..length]).is_some(), "the naive decoder reads it");
                self.length = length;
            }
            Err(error) => {
                assert_eq!(memory[..self.length], before, "a refused part changed the message");
                self.is_untouched = false;
                if let BuildError::BufferTooSmall { needed } = error {
                    assert!(needed > self.room);
                    assert_eq!((in_large, large), (Ok(()), needed), "exactly what it needs");
                } else {
                    assert_eq!(in_large, Err(error), "refused for the same reason whatever the room");
                }
                reference[..self.length].copy_from_slice(&before);
            }
        }
    }
}

fn put(buffer: &mut [u8], length: usize, part: &Part<'_>) -> (Result<(), BuildError>, usize) {
    let mut builder = MessageBuilder::resume(buffer, length).expect("every message can be continued");
    let before = builder.as_bytes().len();
    let result = apply(&mut builder, part);
    let after = builder.as_bytes().len();
    assert_eq!(result.is_err(), after == before);
    assert_eq!(Message::parse(builder.as_bytes()).map(|message| message.as_bytes().len()), Ok(after));
    (result, after)
}

fn apply(builder: &mut MessageBuilder<'_>, part: &Part<'_>) -> Result<(), BuildError> {
    let key = || Key::short_term(b"a password");
    match *part {
        Part::Raw(number, value) => add_raw(builder, number, value),
        Part::Zeros(number, length) => add_raw(builder, number, &vec![0; usize::from(length)]),
        Part::Address(which, address) => add_address(builder, which, address),
        Part::Text(which, text) => add_text(builder, which, text),
        Part::Error(code, reason) => add(builder, &ErrorCode { code, reason }),
        Part::AddressError(is_v6, code, reason) => {
            add(builder, &AddressErrorCode { family: family(is_v6), code, reason })
        }
        Part::Unknown(ref numbers) => {
            let types: Vec<_> = numbers.iter().copied().map(AttributeType::new).collect();
            add(builder, &UnknownAttributes::from_types(&types))
        }
        Part::Algorithms(ref entries) => {
            let list: Vec<_> = entries
                .iter()
                .map(|&(number, parameters)| PasswordAlgorithm { number, parameters })
                .collect();
            match list.as_slice() {
                [single] => add(builder, single),
                list => add(builder, &PasswordAlgorithms::from_list(list)),
            }
        }
        Part::Userhash(hash) => add(builder, &Userhash(hash)),
        Part::Lifetime(seconds) => add(builder, &Lifetime(Duration::from_secs(seconds))),
        Part::Bytes(which, bytes) => match which % 3 {
            0 => add(builder, &Data(bytes)),
            1 => add(builder, &MobilityTicket(bytes)),
            _ => add(builder, &Padding(bytes)),
        },
        Part::Channel(number) => match ChannelNumber::new(number) {
            Some(number) => add(builder, &ChannelNumberAttribute(number)),
            None => add(builder, &ResponsePort(number)),
        },
        Part::Family(is_v6, true) => add(builder, &AdditionalAddressFamily(family(is_v6))),
        Part::Family(is_v6, false) => add(builder, &RequestedAddressFamily(family(is_v6))),
        Part::Flags(bits) => add_flags(builder, bits),
        Part::Word(which, word) => add_word(builder, which, word),
        Part::Seal(which) => match which % 3 {
            0 => refused(builder.add(&MessageIntegrity([which; 20]))),
            1 => refused(builder.add(&MessageIntegritySha256(&[which; 32]))),
            _ => refused(builder.add(&Fingerprint(u32::from(which)))),
        },
        Part::Sign => signed(builder.sign(&key()), builder, IntegrityAlgorithm::Sha1, 20),
        Part::SignSha256 => signed(builder.sign_sha256(&key()), builder, IntegrityAlgorithm::Sha256, 32),
        Part::SignTruncated(length) => {
            let length = usize::from(length);
            let result = builder.sign_sha256_truncated(&key(), length);
            signed(result, builder, IntegrityAlgorithm::Sha256, length)
        }
        Part::Fingerprint => {
            let result = builder.add_fingerprint();
            if result.is_ok() {
                let message = Message::parse(builder.as_bytes()).expect("a message");
                assert_eq!(message.check_fingerprint(), Integrity::Valid);
                assert_eq!(naive::read(builder.as_bytes()).and_then(|read| read.fingerprint), Some(true));
            }
            result
        }
    }
}

/// Adds a typed attribute, and reads it back.
fn add<'v, A>(builder: &mut MessageBuilder<'_>, attribute: &A) -> Result<(), BuildError>
where
    A: Attribute<'v> + SameAs,
{
    builder.add(attribute)?;
    let message = Message::parse(builder.as_bytes()).expect("a message");
    let raw = message.attributes().last().expect("what was just added");
    assert_eq!(raw.ty, A::TYPE);
    let padding = &message.as_bytes()[raw.offset as usize + 4 + raw.value.len()..];
    assert!(padding.iter().all(|byte| *byte == 0), "padding is zero");
    assert!(attribute.is_same(raw, &message.transaction_id()), "{raw:?}");
    Ok(())
}

/// Whether a raw attribute decodes to `self`. A trait, because what is decoded lives shorter than what was
/// written.
trait SameAs {
    fn is_same(&self, raw: RawAttribute<'_>, id: &TransactionId) -> bool;
}

macro_rules! same_as {
    ($($plain:ty),*; $($borrowed:ident),*) => {
        $(impl SameAs for $plain {
            fn is_same(&self, raw: RawAttribute<'_>, id: &TransactionId) -> bool {
                <$plain>::decode(raw.value, id).is_ok_and(|read| read == *self)
            }
        })*
        $(impl SameAs for $borrowed<'_> {
            fn is_same(&self, raw: RawAttribute<'_>, id: &TransactionId) -> bool {
                $borrowed::decode(raw.value, id).is_ok_and(|read| read == *self)
            }
        })*
    };
}

same_as! {
    MappedAddress, XorMappedAddress, AlternateServer, ResponseOrigin, OtherAddress, XorPeerAddress,
    XorRelayedAddress, Userhash, Lifetime, ChannelNumberAttribute, ResponsePort, RequestedAddressFamily,
    AdditionalAddressFamily, EvenPort, RequestedTransport, DontFragment, ReservationToken, Icmp, ConnectionId,
    ChangeRequest, CacheTimeout, Priority, UseCandidate, IceControlled, IceControlling;
    Username, Realm, Nonce, Software, AlternateDomain, ErrorCode, AddressErrorCode, UnknownAttributes,
    PasswordAlgorithm, PasswordAlgorithms, Data, MobilityTicket, Padding
}

fn add_raw(builder: &mut MessageBuilder<'_>, number: u16, value: &[u8]) -> Result<(), BuildError> {
    let result = builder.add_raw(AttributeType::new(number), value);
    if matches!(number, 0x0008 | 0x001C | 0x8028) {
        return refused(result);
    }
    if result.is_ok() {
        let message = Message::parse(builder.as_bytes()).expect("a message");
        let raw = message.attributes().last().expect("what was just added");
        assert_eq!((raw.ty.number(), raw.value), (number, value));
    }
    result
}

fn add_address(builder: &mut MessageBuilder<'_>, which: u8, address: SocketAddr) -> Result<(), BuildError> {
    // The wire has neither zone nor flow label.
    let address = SocketAddr::new(address.ip(), address.port());
    match which % 7 {
        0 => add(builder, &MappedAddress(address)),
        1 => add(builder, &XorMappedAddress(address)),
        2 => add(builder, &AlternateServer(address)),
        3 => add(builder, &ResponseOrigin(address)),
        4 => add(builder, &OtherAddress(address)),
        5 => add(builder, &XorPeerAddress(address)),
        _ => add(builder, &XorRelayedAddress(address)),
    }
}

fn add_text(builder: &mut MessageBuilder<'_>, which: u8, text: &[u8]) -> Result<(), BuildError> {
    match which % 5 {
        0 => add(builder, &Username(text)),
        1 => add(builder, &Realm(text)),
        2 => add(builder, &Nonce(text)),
        3 => add(builder, &Software(text)),
        _ => add(builder, &AlternateDomain(text)),
    }
}

fn add_flags(builder: &mut MessageBuilder<'_>, bits: u8) -> Result<(), BuildError> {
    match bits % 5 {
        0 => add(builder, &EvenPort { reserves_next: bits & 0x80 != 0 }),
        1 => add(builder, &DontFragment),
        2 => add(builder, &UseCandidate),
        3 => add(builder, &ChangeRequest { change_ip: bits & 0x80 != 0, change_port: bits & 0x40 != 0 }),
        _ => add(builder, &RequestedTransport(bits)),
    }
}

fn add_word(builder: &mut MessageBuilder<'_>, which: u8, word: u64) -> Result<(), BuildError> {
    let [a, b, ..] = word.to_be_bytes();
    match which % 7 {
        0 => add(builder, &Priority(word as u32)),
        1 => add(builder, &IceControlled(word)),
        2 => add(builder, &IceControlling(word)),
        3 => add(builder, &ReservationToken(word.to_be_bytes())),
        4 => add(builder, &ConnectionId(word as u32)),
        5 => add(builder, &Icmp { icmp_type: a, code: b, data: word as u32 }),
        _ => add(builder, &CacheTimeout(Duration::from_secs(word >> 24))),
    }
}

fn signed(
    result: Result<(), BuildError>,
    builder: &MessageBuilder<'_>,
    algorithm: IntegrityAlgorithm,
    length: usize,
) -> Result<(), BuildError> {
    result?;
    let message = Message::parse(builder.as_bytes()).expect("a message");
    let (right, wrong) = (Key::short_term(b"a password"), Key::short_term(b"another"));
    assert_eq!(message.check_integrity_of_length(algorithm, &right, length), Integrity::Valid);
    assert_eq!(message.check_integrity_of_length(algorithm, &wrong, length), Integrity::Invalid);
    let is_full = length == 32 || algorithm == IntegrityAlgorithm::Sha1;
    assert_eq!(message.check_integrity(algorithm, &right) == Integrity::Valid, is_full);
    Ok(())
}

fn refused(result: Result<(), BuildError>) -> Result<(), BuildError> {
    assert_eq!(result, Err(BuildError::InvalidValue), "a ready-made seal");
    result
}

fn family(is_v6: bool) -> AddressFamily {
    if is_v6 { AddressFamily::V6 } else { AddressFamily::V4 }
}
