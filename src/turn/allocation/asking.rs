//! The sending half: what is asked, in which order, and with which attributes.

use super::answers::Subject;
use super::{Allocation, FailureReason, RelayFamily, RelayPort, RelayTransport, State};
use crate::auth::{Credentials, SignedBy};
use crate::net::{FiveTuple, SendError};
use crate::time::Instant;
use crate::transaction::Request;
use crate::turn::permission::{BatchId, MAX_BATCH};
use crate::wire::attribute::{
    AdditionalAddressFamily, AddressFamily, ChannelNumberAttribute, ConnectionId, DontFragment, EvenPort,
    Lifetime, MobilityTicket, RequestedAddressFamily, RequestedTransport, ReservationToken, XorPeerAddress,
};
use crate::wire::{BuildError, ChannelNumber, Class, MessageBuilder, Method, TransactionId};

/// Why a request is sent. All that is needed to build it is here or in the tables, so that first sends and retries
/// are built by one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Allocate,
    Refresh,
    /// Refresh from another address, with a ticket (RFC 8016 s3.2.1).
    Move,
    /// Refresh with a lifetime of 0, before an Allocate or the end.
    Free,
    /// The same, because the host wants it.
    Close,
    /// A Binding request, to keep NATs' bindings alive and see what they have made of the host's address.
    Keepalive,
    /// CreatePermission for those of a batch.
    Permissions(BatchId),
    /// ChannelBind.
    Channel(ChannelNumber),
    /// Connect (RFC 6062 s4.3).
    Connect(u32),
    /// ConnectionBind, over its own connection.
    ConnectionBind(u32),
}

/// What is kept of a request with its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) ask: Ask,
    pub(super) by: SignedBy,
    /// What signed requests then: a challenge to what has since been replaced teaches nothing.
    pub(super) epoch: u32,
}

/// What the server has refused to understand or allow, and is asked without (RFC 8656 s7.4, RFC 8016 s3.1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Omitted {
    pub(super) dont_fragment: bool,
    pub(super) mobility: bool,
}

impl Ask {
    pub(super) const fn method(self) -> Method {
        match self {
            Self::Allocate => Method::ALLOCATE,
            Self::Refresh | Self::Move | Self::Free | Self::Close => Method::REFRESH,
            Self::Keepalive => Method::BINDING,
            Self::Permissions(_) => Method::CREATE_PERMISSION,
            Self::Channel(_) => Method::CHANNEL_BIND,
            Self::Connect(_) => Method::CONNECT,
            Self::ConnectionBind(_) => Method::CONNECTION_BIND,
        }
    }

    pub(super) const fn subject(self) -> Subject {
        match self {
            Self::Allocate => Subject::Allocation,
            Self::Refresh | Self::Move | Self::Keepalive => Subject::Refresh,
            Self::Free | Self::Close => Subject::Deletion,
            Self::Permissions(_) | Self::Channel(_) => Subject::Peer,
            Self::Connect(_) | Self::ConnectionBind(_) => Subject::Connection,
        }
    }

    /// Whether asking twice is not the same as asking once (RFC 6062 s4.3): then only a challenge has it asked again.
    const fn acts_once(self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectionBind(_))
    }

    /// Whether it belongs to the life of the allocation, of which one request at a time is made.
    pub(super) const fn is_own(self) -> bool {
        matches!(self, Self::Allocate | Self::Refresh | Self::Move | Self::Free | Self::Close)
    }
}

impl Allocation {
    /// Sends what is to be sent, if nobody else has to grant it.
    pub(super) fn pump(&mut self, now: Instant) {
        // Each round starts a transaction, of which there are only so many.
        for _ in 0..Self::MAX_OUTSTANDING {
            if self.is_gated || !self.has_request() {
                return;
            }
            self.send_next(now);
        }
    }

    /// Whether a request could be sent.
    pub(super) fn has_request(&self) -> bool {
        // Room is kept for the retry of a challenge, without which none of the others would be answered, and for
        // the allocation's own.
        let room = Self::MAX_OUTSTANDING.saturating_sub(self.transactions.len());
        if self.retry.is_some() {
            return room > 0;
        }
        // Until what signs is known to work, every other request would be challenged as well.
        let is_wanted = (self.wanted.is_some() && room > 1) || (self.has_peer_request() && room > 2);
        is_wanted && !self.is_proving()
    }

    /// Sends the next request.
    pub(super) fn send_next(&mut self, now: Instant) {
        if !self.has_request() {
            return;
        }
        if let Some(ask) = self.retry.take() {
            return self.request(ask, SignedBy::Candidate, now);
        }
        let Some(ask) = self.wanted.take().or_else(|| self.next_peer_request()) else { return };
        if ask.is_own() {
            (self.unsigned, self.rejection, self.unreachable) = (None, None, None);
        }
        let by = match &mut self.config.credentials {
            Some(credentials) => {
                credentials.begin();
                credentials.first()
            }
            None => SignedBy::Nobody,
        };
        self.request(ask, by, now);
    }

    /// Wants a request of the allocation's own life next, instead of whatever is outstanding or wanted of it.
    pub(super) fn want(&mut self, ask: Ask) {
        self.withdraw(Ask::is_own);
        self.wanted = Some(ask);
    }

    /// Puts back what has to be asked once more, signed with what works by then.
    pub(super) fn put_back(&mut self, ask: Ask, now: Instant) {
        match ask {
            Ask::Allocate | Ask::Refresh | Ask::Move | Ask::Free | Ask::Close => self.wanted = Some(ask),
            Ask::Keepalive => {}
            Ask::Permissions(batch) => self.permissions.failed(batch, false),
            Ask::Channel(number) => self.channels.failed(number, now),
            Ask::Connect(key) | Ask::ConnectionBind(key) => self.connections.put_back(key),
        }
    }

    /// What signs requests has changed: those that were signed by what was before are asked anew.
    pub(super) fn change_epoch(&mut self, now: Instant) {
        self.epoch = self.epoch.wrapping_add(1);
        let epoch = self.epoch;
        let is_old = |tag: &Tag| tag.epoch != epoch && !tag.ask.acts_once();
        while let Some((id, tag)) = self.transactions.find_tag(is_old) {
            self.transactions.cancel(id);
            self.put_back(tag.ask, now);
        }
        if let Some(ask) = self.retry.take() {
            self.put_back(ask, now);
        }
    }

    /// Ends the outstanding requests that are such, without a response.
    pub(super) fn withdraw(&mut self, is_such: impl Fn(Ask) -> bool) {
        let mut is_candidate = self.retry.is_some_and(&is_such);
        if is_candidate {
            self.retry = None;
        }
        while let Some((id, tag)) = self.transactions.find_tag(|tag| is_such(tag.ask)) {
            is_candidate |= tag.by == SignedBy::Candidate;
            self.transactions.cancel(id);
        }
        if is_candidate {
            self.forget_candidate();
        }
        if self.wanted.is_some_and(is_such) {
            self.wanted = None;
        }
    }

    pub(super) fn forget_candidate(&mut self) {
        if let Some(credentials) = &mut self.config.credentials {
            credentials.forget_candidate();
        }
    }

    /// Whether an answer to such a request may still come.
    pub(super) fn is_asking(&self, ask: Ask) -> bool {
        self.retry == Some(ask) || self.transactions.find_tag(|tag| tag.ask == ask).is_some()
    }

    /// Whether it is still open if what would sign a request is accepted.
    fn is_proving(&self) -> bool {
        let is_open =
            |by| by == SignedBy::Candidate || (by == SignedBy::Nobody && self.config.credentials.is_some());
        self.retry.is_some()
            || self.transactions.find_tag(|tag| is_open(tag.by) && tag.ask != Ask::Keepalive).is_some()
    }

    fn has_peer_request(&self) -> bool {
        let has_peers = self.channels.has_wanted() || self.permissions.has_wanted();
        self.state == State::Allocated && (has_peers || self.connections.has_wanted())
    }

    /// Channels first: they bring their permission with them.
    fn next_peer_request(&mut self) -> Option<Ask> {
        if let Some(bind) = self.channels.take_next() {
            return Some(Ask::Channel(bind.number));
        }
        if let Some(batch) = self.permissions.take_batch(MAX_BATCH) {
            return Some(Ask::Permissions(batch));
        }
        self.connections.take_next()
    }

    fn request(&mut self, ask: Ask, by: SignedBy, now: Instant) {
        let id = TransactionId::new(self.entropy.bytes());
        let mut buffer = [0; MAX_REQUEST];
        let (path, socket_id) = self.path_of(ask);
        let is_started = self.write_request(id, ask, by, &mut buffer).is_ok_and(|bytes| {
            let tag = Tag { ask, by, epoch: self.epoch };
            let request = Request { id, bytes, path, socket_id, tag };
            self.transactions
                .start(&request, &self.config.retransmission, self.round_trips.rto(), now)
                .is_ok()
        });
        if is_started {
            self.keepalive.note_sent(now);
        } else {
            // MAX_REQUEST has room for everything; were it wrong, the host should hear of it.
            self.end(FailureReason::SendFailed { error: SendError::MessageTooLarge });
        }
    }

    fn path_of(&self, ask: Ask) -> (FiveTuple, u32) {
        let own = (self.config.path, self.config.socket_id);
        match ask {
            Ask::ConnectionBind(key) => self.connections.path(key).unwrap_or(own),
            _ => own,
        }
    }

    fn write_request<'b>(
        &self,
        id: TransactionId,
        ask: Ask,
        by: SignedBy,
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], BuildError> {
        let mut builder = MessageBuilder::new(buffer, Class::Request, ask.method(), id)?;
        match ask {
            Ask::Allocate => self.describe_allocation(&mut builder)?,
            Ask::Refresh | Ask::Move => {
                if let Some(lifetime) = self.config.lifetime {
                    builder.add(&Lifetime(lifetime))?;
                }
                let ticket = self.lease.as_ref().and_then(|lease| lease.ticket.as_deref());
                if let (Ask::Move, Some(ticket)) = (ask, ticket) {
                    builder.add(&MobilityTicket(ticket))?;
                }
            }
            Ask::Free | Ask::Close => builder.add(&Lifetime(core::time::Duration::ZERO))?,
            Ask::Keepalive => {}
            Ask::Permissions(batch) => {
                for ip in self.permissions.batch(batch) {
                    builder.add(&XorPeerAddress(core::net::SocketAddr::new(ip, 0)))?;
                }
            }
            Ask::Channel(number) => {
                builder.add(&ChannelNumberAttribute(number))?;
                if let Some(bind) = self.channels.binding(number) {
                    builder.add(&XorPeerAddress(bind.peer))?;
                }
            }
            Ask::Connect(key) => {
                if let Some(peer) = self.connections.peer(key) {
                    builder.add(&XorPeerAddress(peer))?;
                }
            }
            Ask::ConnectionBind(key) => {
                builder.add(&self.connections.id(key).unwrap_or(ConnectionId(0)))?;
            }
        }
        if let (Some(credentials), true) = (&self.config.credentials, ask != Ask::Keepalive) {
            credentials.sign_request(by, &mut builder)?;
        }
        if self.config.fingerprint {
            builder.add_fingerprint()?;
        }
        Ok(builder.finish())
    }

    /// What an Allocate request asks for (RFC 8656 s7.1).
    fn describe_allocation(&self, builder: &mut MessageBuilder<'_>) -> Result<(), BuildError> {
        builder.add(match self.config.transport {
            RelayTransport::Udp => &RequestedTransport::UDP,
            RelayTransport::Tcp => &RequestedTransport::TCP,
        })?;
        if let Some(lifetime) = self.config.lifetime {
            builder.add(&Lifetime(lifetime))?;
        }
        if self.config.dont_fragment && !self.omitted.dont_fragment {
            builder.add(&DontFragment)?;
        }
        match self.config.family {
            RelayFamily::V4 => {}
            RelayFamily::V6 => builder.add(&RequestedAddressFamily(AddressFamily::V6))?,
            RelayFamily::Both => builder.add(&AdditionalAddressFamily(AddressFamily::V6))?,
        }
        match self.config.port {
            RelayPort::Any => {}
            RelayPort::Even => builder.add(&EvenPort { reserves_next: false })?,
            RelayPort::EvenReservingNext => builder.add(&EvenPort { reserves_next: true })?,
            RelayPort::Reserved(token) => builder.add(&ReservationToken(token))?,
        }
        if self.config.mobility && !self.omitted.mobility {
            builder.add(&MobilityTicket(&[]))?;
        }
        Ok(())
    }
}

/// Longest request in bytes: header, credentials, FINGERPRINT, and the longer of a batch of IPv6 peers and a ticket,
/// with room for LIFETIME and its like.
const MAX_REQUEST: usize = 20 + Credentials::MAX_SIGNATURE + 8 + 64 + {
    let (peers, ticket) = (MAX_BATCH * 24, 4 + super::Lease::MAX_TICKET);
    if peers > ticket { peers } else { ticket }
};
