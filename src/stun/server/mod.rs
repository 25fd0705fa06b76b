//! The server side of the Binding method: answers with the source address of the request.

use alloc::collections::VecDeque;
use core::net::SocketAddr;

use crate::auth::{Credentials, Refusal};
use crate::machine::{Counters, Disposition, DropReason, Machine, Receipt, Usage, WakeReason};
use crate::net::{self, Datagram, FiveTuple, Outcome, SendError, Transmit};
use crate::time::{Instant, Now};
use crate::wire::attribute::{
    AttributeType, AttributeValue, ErrorCode, UnknownAttributes, XorMappedAddress, default_reason,
};
use crate::wire::{
    BuildError, Class, Integrity, IntegrityAlgorithm, Message, MessageBuilder, Method, TransactionId,
};

/// How a [`Server`] answers. The fields are public: change what you need before you pass it on.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// Answers only what arrives at this address (an unspecified IP is any, port 0 is any); `None` answers
    /// everything.
    pub local: Option<SocketAddr>,
    /// Answers only requests signed with this credential, and signs its answers (RFC 8489 s9.1.3).
    pub credentials: Option<Credentials>,
}

/// Answers Binding requests. Holds no state about anybody.
///
/// A reply is never longer than [`Server::MAX_REPLY`] bytes. Responses, indications, garbage, and sources
/// that nobody can be behind get silence, so that two servers cannot be set upon each other. SOFTWARE is
/// never sent: it would only amplify.
///
/// ```text
///  request --> FINGERPRINT? --> source usable? --> signed? --> attributes known? --> success
///                 | no             | no           | no          | no
///               silence          silence         400, 401      420
/// ```
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    replies: VecDeque<Reply>,
    /// How many of `replies`, from the front, have been polled. They stay until the next input, since their
    /// bytes are lent.
    polled: usize,
    counters: Counters,
    answered: u64,
    now: Now,
}

#[derive(Debug)]
struct Reply {
    path: FiveTuple,
    socket_id: u32,
    buffer: [u8; Server::MAX_REPLY],
    length: u8,
}

impl Server {
    /// Longest reply in bytes. A plain success is 32 (IPv4) or 44 (IPv6), and 8 more with FINGERPRINT.
    pub const MAX_REPLY: usize = 112;

    /// Replies kept for a host that does not poll; more are dropped and counted.
    pub const MAX_QUEUED_REPLIES: usize = 256;

    /// Unknown attributes that a 420 lists at most.
    pub const MAX_LISTED_ATTRIBUTES: usize = 8;

    /// A server.
    #[must_use]
    pub fn new(config: ServerConfig, now: Instant) -> Self {
        Self {
            config,
            replies: VecDeque::new(),
            polled: 0,
            counters: Counters::default(),
            answered: 0,
            now: Now::new(now),
        }
    }

    /// The local addresses whose requests it answers; an unspecified IP is any, port 0 is any.
    pub(crate) fn listening(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        core::iter::once(self.config.local.unwrap_or(net::EVERYWHERE))
    }

    /// Where it answers; `None` is everywhere.
    #[must_use]
    pub const fn local(&self) -> Option<SocketAddr> {
        self.config.local
    }

    /// How many requests it has answered, with success or an error.
    #[must_use]
    pub const fn answered(&self) -> u64 {
        self.answered
    }

    /// What was dropped, by reason.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    fn consider(&mut self, datagram: &Datagram<'_>, now: Instant) -> Disposition {
        self.now.advance(now);
        self.forget_polled();
        let Ok(message) = Message::parse(datagram.payload) else { return Disposition::Unclaimed };
        let is_binding = message.method() == Method::BINDING && !message.class().is_response();
        if !is_binding || !self.listens_on(&datagram.path.local) {
            return Disposition::Unclaimed;
        }
        match self.answer(&message, datagram) {
            Ok(()) => {
                self.answered = self.answered.saturating_add(1);
                Disposition::Done
            }
            Err(reason) => Disposition::Dropped(reason),
        }
    }

    /// The checks of RFC 8489 s6.3 in their order, then the reply.
    fn answer(&mut self, request: &Message<'_>, datagram: &Datagram<'_>) -> Result<(), DropReason> {
        if request.class() == Class::Indication {
            return Err(DropReason::Indication);
        }
        if request.check_fingerprint() == Integrity::Invalid {
            return Err(DropReason::BadFingerprint);
        }
        if !net::is_endpoint(&datagram.path.remote) {
            return Err(DropReason::UnusableSource);
        }
        if has_malformed_attribute(request) {
            return Err(DropReason::MalformedAttribute);
        }
        if self.replies.len() >= Self::MAX_QUEUED_REPLIES {
            return Err(DropReason::QueueFull);
        }
        let mut buffer = [0; Self::MAX_REPLY];
        let written = self.write_reply(request, datagram, &mut buffer).map_err(|_| DropReason::Unexpected)?;
        let length = u8::try_from(written).unwrap_or(u8::MAX);
        self.replies.push_back(Reply { path: datagram.path, socket_id: datagram.socket_id, buffer, length });
        Ok(())
    }

    fn write_reply(
        &self,
        request: &Message<'_>,
        datagram: &Datagram<'_>,
        buffer: &mut [u8],
    ) -> Result<usize, BuildError> {
        let checked = self.config.credentials.as_ref().map(|credentials| credentials.check_request(request));
        let signature = match (&self.config.credentials, checked) {
            (Some(credentials), Some(Ok(algorithm))) => Some((credentials, algorithm)),
            _ => None,
        };
        let mut builder = match checked {
            Some(Err(Refusal::BadRequest)) => error(request, 400, buffer)?,
            Some(Err(Refusal::Unauthenticated)) => error(request, 401, buffer)?,
            Some(Ok(_)) | None => reply_to_accepted(request, datagram, buffer)?,
        };
        sign(signature, &mut builder)?;
        if request.check_fingerprint() == Integrity::Valid {
            builder.add_fingerprint()?;
        }
        Ok(builder.finish().len())
    }

    fn listens_on(&self, local: &SocketAddr) -> bool {
        self.config.local.is_none_or(|own| {
            (own.port() == 0 || own.port() == local.port())
                && (own.ip().is_unspecified() || own.ip() == local.ip())
        })
    }

    /// Gives back the room of replies that the host has been lent and is done with.
    fn forget_polled(&mut self) {
        self.replies.drain(..self.polled.min(self.replies.len()));
        self.polled = 0;
    }
}

impl Reply {
    fn lend(&self) -> Transmit<'_> {
        let payload = self.buffer.get(..usize::from(self.length)).unwrap_or_default();
        Transmit { path: self.path, socket_id: self.socket_id, ecn: 0, payload }
    }
}

impl Usage for Server {
    fn receive(&mut self, datagram: &Datagram<'_>, now: Instant) -> Disposition {
        let disposition = self.consider(datagram, now);
        self.counters.note(disposition);
        disposition
    }

    fn deadline(&self) -> Option<(Instant, WakeReason)> {
        None
    }

    fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.replies.iter().skip(self.polled).map(Reply::lend)
    }

    fn queued_transmits(&self) -> usize {
        self.replies.len().saturating_sub(self.polled)
    }

    fn queued_events(&self) -> usize {
        0
    }

    fn outstanding(&self) -> impl Iterator<Item = (TransactionId, SocketAddr)> {
        core::iter::empty()
    }

    fn is_ended(&self) -> bool {
        false
    }

    fn asks_on(&self, _: &FiveTuple) -> bool {
        false
    }
}

impl Machine for Server {
    /// A server has nothing to tell; its counters do.
    type Event = core::convert::Infallible;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        self.receive(datagram, now).outcome()
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        let next = self.polled;
        self.polled = next.saturating_add(1).min(self.replies.len());
        self.replies.get(next).map(Reply::lend)
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (self.queued_transmits() > 0).then_some(self.now.get())
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now.advance(now);
        self.forget_polled();
    }

    fn handle_send_error(&mut self, _: &Receipt, _: SendError, now: Instant) {
        self.now.advance(now); // the client asks again
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        (self.queued_transmits() > 0).then_some(WakeReason::Output)
    }
}

/// Success, or 420 for what the Binding usage does not understand (RFC 8489 s6.3.1).
fn reply_to_accepted<'b>(
    request: &Message<'_>,
    datagram: &Datagram<'_>,
    buffer: &'b mut [u8],
) -> Result<MessageBuilder<'b>, BuildError> {
    let mut unknown = [AttributeType::new(0); Server::MAX_LISTED_ATTRIBUTES];
    let mut count = 0_usize;
    for raw in
        request.covered().filter(|raw| raw.ty.is_comprehension_required() && !UNDERSTOOD.contains(&raw.ty))
    {
        let is_listed = unknown.iter().take(count).any(|listed| *listed == raw.ty);
        if let Some(slot) = unknown.get_mut(count).filter(|_| !is_listed) {
            *slot = raw.ty;
            count = count.saturating_add(1);
        }
    }
    if count > 0 {
        let mut builder = error(request, 420, buffer)?;
        builder.add(&UnknownAttributes::from_types(unknown.get(..count).unwrap_or_default()))?;
        return Ok(builder);
    }
    let mut builder =
        MessageBuilder::new(buffer, Class::SuccessResponse, Method::BINDING, request.transaction_id())?;
    builder.add(&XorMappedAddress(net::canonical(datagram.path.remote)))?;
    Ok(builder)
}

fn error<'b>(
    request: &Message<'_>,
    code: u16,
    buffer: &'b mut [u8],
) -> Result<MessageBuilder<'b>, BuildError> {
    let mut builder =
        MessageBuilder::new(buffer, Class::ErrorResponse, Method::BINDING, request.transaction_id())?;
    builder.add(&ErrorCode { code, reason: default_reason(code).as_bytes() })?;
    Ok(builder)
}

fn sign(
    signature: Option<(&Credentials, IntegrityAlgorithm)>,
    builder: &mut MessageBuilder<'_>,
) -> Result<(), BuildError> {
    signature.map_or(Ok(()), |(credentials, algorithm)| credentials.sign_response(algorithm, builder))
}

/// Whether a known attribute has an impossible value. Only the first of each type counts (RFC 8489 s14), but
/// looking back for it costs time that a crafted message must not buy: a few broken repetitions are enough.
fn has_malformed_attribute(request: &Message<'_>) -> bool {
    const MAX_BROKEN_REPETITIONS: usize = 4;
    let id = request.transaction_id();
    let mut broken = request.covered().filter(|raw| AttributeValue::decode(*raw, &id).is_err()).enumerate();
    broken.any(|(count, raw)| {
        count >= MAX_BROKEN_REPETITIONS
            || request.find(raw.ty).is_some_and(|first| first.offset == raw.offset)
    })
}

/// The comprehension-required attributes of RFC 8489. Those of its extensions get 420: a server that only
/// ignored CHANGE-REQUEST would make every NAT look like a full cone.
const UNDERSTOOD: [AttributeType; 11] = [
    AttributeType::MAPPED_ADDRESS,
    AttributeType::USERNAME,
    AttributeType::MESSAGE_INTEGRITY,
    AttributeType::ERROR_CODE,
    AttributeType::UNKNOWN_ATTRIBUTES,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::MESSAGE_INTEGRITY_SHA256,
    AttributeType::PASSWORD_ALGORITHM,
    AttributeType::USERHASH,
    AttributeType::XOR_MAPPED_ADDRESS,
];

#[cfg(test)]
mod tests;
