//! The data path: in and out without a copy beyond the caller's own, and without allocating.

use core::net::SocketAddr;
use core::ops::Range;

use super::{Allocation, AllocationEvent, RelayTransport, State};
use crate::machine::{Disposition, DropReason};
use crate::net::{Datagram, FiveTuple, Transmit, Transport};
use crate::time::Instant;
use crate::turn::PeerRefusal;
use crate::turn::frame::{self, Frame, FrameError, Indication};
use crate::wire::attribute::{ConnectionId, XorPeerAddress};
use crate::wire::{Message, TransactionId};

/// Why data cannot be framed for a peer. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendToPeerError {
    /// The policy refuses the address.
    Refused(PeerRefusal),
    /// There is no relayed address now: wait for [`AllocationEvent::Allocated`] or, after a move,
    /// [`AllocationEvent::Moved`].
    NotAllocated,
    /// The peer is not permitted, or the server has not said so yet: wait for [`AllocationEvent::Permitted`] or
    /// [`AllocationEvent::ChannelBound`].
    NotPermitted,
    /// Data for connections goes over those (RFC 6062 s4.5).
    NotForTcp,
    /// The buffer has no room, or the payload is longer than a message can be.
    Frame(FrameError),
}

impl core::fmt::Display for SendToPeerError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NotAllocated => f.write_str("there is no relayed address now"),
            Self::NotPermitted => f.write_str("the peer is not permitted yet"),
            Self::NotForTcp => f.write_str("data for connections goes over those"),
            Self::Frame(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SendToPeerError {}

impl From<FrameError> for SendToPeerError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl Allocation {
    /// Frames data for a peer in the caller's buffer, and returns what to send to the server at once: nothing is queued
    /// here. Over a bound channel that is four bytes and the payload, else a Send indication of
    /// [`MAX_HEADROOM`](crate::turn::MAX_HEADROOM) bytes more at most; a stream and an indication are padded to a
    /// multiple of four. The payload is copied once, into `buffer`.
    ///
    /// # Errors
    /// See [`SendToPeerError`]; nothing was written.
    pub fn send<'b>(
        &mut self,
        peer: SocketAddr,
        payload: &[u8],
        buffer: &'b mut [u8],
        now: Instant,
    ) -> Result<Transmit<'b>, SendToPeerError> {
        let now = self.now.advance(now);
        let payload = self.frame(peer, now)?.write(buffer, payload)?;
        Ok(self.transmit(payload, now))
    }

    /// The same where the payload already lies in the buffer, at `payload`, with free room before it:
    /// [`CHANNEL_HEADROOM`](crate::turn::CHANNEL_HEADROOM) bytes where a channel is bound,
    /// [`MAX_HEADROOM`](crate::turn::MAX_HEADROOM) for any case, and [`MAX_TAILROOM`](crate::turn::MAX_TAILROOM)
    /// after it for padding. Copies nothing.
    ///
    /// ```
    /// # use libstun::turn::{Allocation, AllocationConfig, MAX_HEADROOM, SendToPeerError};
    /// # use libstun::{Entropy, FiveTuple, Instant};
    /// # let path = FiveTuple::udp("10.0.0.2:5000".parse()?, "192.0.2.1:3478".parse()?);
    /// # let config = AllocationConfig::open(path);
    /// # let mut relay = Allocation::new(config, Entropy::from_seed([7; 32]), Instant::ZERO)?;
    /// # let (peer, now) = ("198.51.100.9:4000".parse()?, Instant::ZERO);
    /// let mut buffer = [0; 1500];
    /// let length = 1200; // what the application has put at buffer[MAX_HEADROOM..]
    /// let payload = MAX_HEADROOM..MAX_HEADROOM + length;
    /// match relay.send_in_place(peer, &mut buffer, payload, now) {
    ///     Ok(transmit) => { /* socket.send_to(transmit.payload, transmit.path.remote) */ }
    ///     Err(error) => assert_eq!(error, SendToPeerError::NotAllocated), // the server has not answered yet
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`SendToPeerError`]; nothing was written.
    pub fn send_in_place<'b>(
        &mut self,
        peer: SocketAddr,
        buffer: &'b mut [u8],
        payload: Range<usize>,
        now: Instant,
    ) -> Result<Transmit<'b>, SendToPeerError> {
        let now = self.now.advance(now);
        let whole = self.frame(peer, now)?.write_around(buffer, payload)?;
        let payload = buffer.get(whole).unwrap_or_default();
        Ok(self.transmit(payload, now))
    }

    /// What data for that peer is wrapped in.
    fn frame(&mut self, peer: SocketAddr, now: Instant) -> Result<Frame, SendToPeerError> {
        let peer = self.admit(peer).map_err(SendToPeerError::Refused)?;
        if self.state != State::Allocated {
            return Err(SendToPeerError::NotAllocated);
        }
        if self.config.transport == RelayTransport::Tcp {
            return Err(SendToPeerError::NotForTcp);
        }
        if let Some(number) = self.channels.number_of(&peer, now) {
            return Ok(Frame::Channel { number, is_padded: self.config.path.transport.is_reliable() });
        }
        if !self.permissions.is_installed(peer.ip(), now) {
            return Err(SendToPeerError::NotPermitted);
        }
        let id = TransactionId::new(self.entropy.bytes());
        let dont_fragment = self.config.dont_fragment && !self.omitted.dont_fragment;
        Ok(Frame::Send { peer, id, dont_fragment })
    }

    fn transmit<'b>(&mut self, payload: &'b [u8], now: Instant) -> Transmit<'b> {
        self.keepalive.note_sent(now);
        Transmit { path: self.config.path, socket_id: self.config.socket_id, ecn: 0, payload }
    }

    /// RFC 8656 s12.6. Data changes nothing: no timer moves, and nothing is allocated.
    pub(super) fn receive_channel_data<'a>(&self, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a> {
        if !self.config.path.admits(&datagram.path) || self.state == State::Ended {
            return Disposition::Unclaimed;
        }
        let data = match frame::channel_data(datagram.payload, datagram.path.transport.is_reliable()) {
            Ok(data) => data,
            Err(reason) => return Disposition::Dropped(reason),
        };
        match self.channels.peer_of(data.number, now) {
            Some(peer) => self.unwrap(datagram, peer, data.data),
            // Late, of an allocation that is gone; or forged.
            None => Disposition::Dropped(DropReason::UnknownChannel),
        }
    }

    /// RFC 8656 s11.4, s11.6.
    pub(super) fn receive_data<'a>(
        &mut self,
        message: &Message<'a>,
        datagram: &Datagram<'a>,
        now: Instant,
    ) -> Disposition<'a> {
        let indication = match frame::data_indication(message) {
            Ok(indication) => indication,
            Err(reason) => return Disposition::Dropped(reason),
        };
        let (Indication::Data { peer, .. } | Indication::Icmp { peer, .. }) = indication;
        // A server that is not ours to trust may name any peer: the same rules as for the host.
        let Ok(peer) = self.admit(peer) else { return Disposition::Dropped(DropReason::UnpermittedPeer) };
        if self.lease.is_none() || !self.permissions.is_installed(peer.ip(), now) {
            return Disposition::Dropped(DropReason::UnpermittedPeer);
        }
        match indication {
            Indication::Data { payload, .. } => self.unwrap(datagram, peer, payload),
            Indication::Icmp { icmp, .. } => {
                // Unsigned, and no news that may push out other news.
                if self.events.len() >= Self::MAX_EVENTS / 2 {
                    return Disposition::Dropped(DropReason::QueueFull);
                }
                self.push(AllocationEvent::PeerUnreachable { peer, icmp });
                Disposition::Done
            }
        }
    }

    /// A datagram as if it had arrived at the relayed address.
    fn unwrap<'a>(&self, datagram: &Datagram<'a>, peer: SocketAddr, payload: &'a [u8]) -> Disposition<'a> {
        let Some(local) = self.lease.as_ref().and_then(|lease| lease.address_towards(&peer)) else {
            return Disposition::Dropped(DropReason::UnpermittedPeer);
        };
        let path = FiveTuple { transport: Transport::Udp, local, remote: peer };
        Disposition::Unwrapped(Datagram { path, ecn: datagram.ecn, socket_id: datagram.socket_id, payload })
    }

    /// A peer has connected to the relayed address (RFC 6062 s4.4).
    pub(super) fn receive_connection_attempt(
        &mut self,
        message: &Message<'_>,
        now: Instant,
    ) -> Disposition<'static> {
        let (peer, connection) = match (message.get::<XorPeerAddress>(), message.get::<ConnectionId>()) {
            (Ok(Some(peer)), Ok(Some(connection))) => (peer.0, connection),
            _ => return Disposition::Dropped(DropReason::MalformedAttribute),
        };
        let is_open = self.lease.is_some() && self.config.transport == RelayTransport::Tcp;
        let Some(peer) =
            self.admit(peer).ok().filter(|peer| is_open && self.permissions.is_installed(peer.ip(), now))
        else {
            return Disposition::Dropped(DropReason::UnpermittedPeer);
        };
        let until = now.deadline_after(Self::CONNECTION_TIMEOUT);
        if self.connections.is_full() {
            return Disposition::Dropped(DropReason::QueueFull);
        }
        if self.connections.offer(peer, connection, until) {
            let (is_incoming, path) = (true, self.config.path);
            self.push(AllocationEvent::OpenConnection { connection, peer, is_incoming, path });
        }
        Disposition::Done
    }
}
