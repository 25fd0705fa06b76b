//! A TCP or TLS connection of the host's: its bytes are cut into frames here, and its end is told to those who
//! asked over it.

use core::net::SocketAddr;

use super::operation::Housed;
use super::{Agent, OperationId, UnknownOperation};
use crate::machine::{Disposition, Machine, Receipt, Usage, WakeReason};
use crate::net::{Datagram, FiveTuple, Outcome, SendError, Transmit};
use crate::time::{Instant, Now};
use crate::wire::stream::{StreamDecoder, StreamError};
use crate::wire::{Class, Message, Method, TransactionId};

/// A connection as an agent knows it. The host opens it, ends its TLS, reads and writes it, and closes it.
///
/// ```text
///   Agent::open_stream --> Open --handle_stream...--> Open
///                           |  \--the peer has lost its place--> Broken --Closed polled--> (gone)
///                           |\--Agent::close_stream--> (gone)
///                           \--it is a peer's now--> HandedOver --Agent::cancel--> (gone)
/// ```
#[derive(Debug)]
pub(super) struct Stream {
    path: FiveTuple,
    socket_id: u32,
    decoder: StreamDecoder,
    state: State,
    now: Now,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// What follows cannot be understood; the event has not been polled.
    Broken(StreamError),
    /// The event has been polled.
    Ended,
    /// It carries a peer's bytes, and no frames any more.
    HandedOver,
}

/// Where the data is in its frame, and whose it is: the frame is lent again when its decoder is back in its place.
#[derive(Clone, Copy, Debug)]
struct Unwrapped {
    path: FiveTuple,
    socket_id: u32,
    offset: usize,
    length: usize,
}

impl Unwrapped {
    fn of(data: &Datagram<'_>, frame: &[u8]) -> Self {
        let offset = data.payload.as_ptr().addr().saturating_sub(frame.as_ptr().addr());
        Self { path: data.path, socket_id: data.socket_id, offset, length: data.payload.len() }
    }

    fn lend(self, frame: &[u8]) -> Option<Datagram<'_>> {
        let payload = frame.get(self.offset..self.offset.saturating_add(self.length))?;
        Some(Datagram { path: self.path, ecn: 0, socket_id: self.socket_id, payload })
    }
}

/// After that a connection is a peer's (RFC 6062 s4.3).
fn is_connection_bind_success(frame: &[u8]) -> bool {
    let is_it = |message: Message<'_>| {
        message.method() == Method::CONNECTION_BIND && message.class() == Class::SuccessResponse
    };
    Message::parse(frame).is_ok_and(is_it)
}

/// What an agent tells of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEvent {
    /// The peer sent what is neither STUN nor ChannelData, and nothing marks where the next message begins
    /// (RFC 8489 s6.2.2): close the connection. Those who asked over it have been told. The last event.
    Close {
        /// The connection.
        path: FiveTuple,
        /// What was wrong.
        error: StreamError,
    },
}

impl core::fmt::Display for StreamEvent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self::Close { path, error } = self;
        write!(f, "close the connection to {}: {error}", path.remote)
    }
}

impl Agent {
    /// A connection is open: give what is read from it to [`Agent::handle_stream`], and write each transmit on
    /// `path` to it whole, one after the other. Of two connections to one server, name the local addresses: by them the
    /// agent tells which has ended. A host that cuts frames itself ([`crate::wire::stream`]) needs
    /// none of this.
    ///
    /// Ti, how long a request waits on it (RFC 8489 s6.2.2), is in each operation's
    /// [`RetransmissionConfig`](crate::transaction::RetransmissionConfig).
    ///
    /// # Errors
    /// There are too many operations.
    pub fn open_stream(
        &mut self,
        path: FiveTuple,
        socket_id: u32,
        now: Instant,
    ) -> Result<OperationId, super::StartError> {
        let now = self.begin(now);
        self.check_room()?;
        let (decoder, state) = (StreamDecoder::new(), State::Open);
        let stream = Stream { path, socket_id, decoder, state, now: Now::new(now) };
        Ok(self.house(Housed::Stream(alloc::boxed::Box::new(stream))))
    }

    /// Bytes that were read from a connection, however they were split. Whole frames among them go to the
    /// operations that they are for; the beginning of another one is kept, at most
    /// [`MAX_FRAME`](crate::wire::stream::MAX_FRAME) bytes. For a connection over which nothing is relayed: data of
    /// peers would be lost here.
    ///
    /// # Errors
    /// No such connection, or it was broken before; nothing was taken.
    pub fn handle_stream(
        &mut self,
        id: OperationId,
        mut bytes: &[u8],
        now: Instant,
    ) -> Result<(), UnknownOperation> {
        loop {
            let (taken, data) = self.unwrap_stream(id, bytes, now)?;
            let is_done = data.is_none();
            bytes = bytes.get(taken..).unwrap_or_default();
            if is_done {
                return Ok(());
            }
        }
    }

    /// The same up to the first data of a peer that was relayed, which is lent until the next call. Says how many
    /// bytes were taken; call it again with the others until no data comes.
    ///
    /// If some are left over then, the connection has become one to a peer
    /// ([`ConnectionBound`](crate::turn::AllocationEvent::ConnectionBound), RFC 6062 s4.5): those and all that follow
    /// are the peer's, and [`Agent::cancel`] ends what the agent knows of it.
    ///
    /// # Errors
    /// No such connection, or it was broken before; nothing was taken.
    pub fn unwrap_stream(
        &mut self,
        id: OperationId,
        bytes: &[u8],
        now: Instant,
    ) -> Result<(usize, Option<Datagram<'_>>), UnknownOperation> {
        let now = self.begin(now);
        let stream = self.stream_mut(id).ok_or(UnknownOperation)?;
        stream.now.advance(now);
        if stream.state == State::HandedOver {
            return Ok((0, None));
        }
        let (path, socket_id) = (stream.path, stream.socket_id);
        // Out of the agent, so that its frames can be lent to the agent's operations.
        let mut decoder = core::mem::take(&mut stream.decoder);
        let (mut rest, mut state, mut data) = (bytes, State::Open, None);
        while !rest.is_empty() && state == State::Open && data.is_none() {
            let step = decoder.push(rest).and_then(|taken| {
                rest = rest.get(taken..).unwrap_or_default();
                decoder.next_frame()
            });
            match step {
                Ok(Some(payload)) => {
                    let frame = Datagram { path, ecn: 0, socket_id, payload };
                    let outcome = self.handle_input(&frame, now);
                    if let Outcome::Unwrapped(inner) = outcome {
                        data = Some(Unwrapped::of(&inner, payload));
                    } else if self.counters.latest().is_none() && is_connection_bind_success(payload) {
                        state = State::HandedOver;
                    }
                }
                Ok(None) => {}
                Err(error) => state = State::Broken(error),
            }
        }
        if let Some(stream) = self.stream_mut(id) {
            (stream.decoder, stream.state) = (decoder, state);
        }
        if let State::Broken(_) = state {
            self.lose(path, now);
            self.note(id.slot());
        }
        let taken = bytes.len().saturating_sub(rest.len());
        let stream = self.operation(id).and_then(|operation| operation.machine.as_stream());
        let frame = stream.and_then(|stream| stream.decoder.taken_frame());
        Ok((taken, data.zip(frame).and_then(|(data, frame)| data.lend(frame))))
    }

    /// A connection is closed: the peer or the host has closed it, or it failed. Those who asked over it are told,
    /// and those that go on ask for another one with an event.
    ///
    /// # Errors
    /// No such connection.
    pub fn close_stream(&mut self, id: OperationId, now: Instant) -> Result<(), UnknownOperation> {
        let now = self.begin(now);
        let path = self.stream_mut(id).ok_or(UnknownOperation)?.path;
        self.remove(id.slot());
        self.lose(path, now);
        Ok(())
    }

    fn lose(&mut self, path: FiveTuple, now: Instant) {
        self.handle_send_error(&Receipt { path, transaction_id: None }, SendError::SocketClosed, now);
    }

    fn stream_mut(&mut self, id: OperationId) -> Option<&mut Stream> {
        let stream = self.operation_mut(id)?.machine.as_stream_mut()?;
        matches!(stream.state, State::Open | State::HandedOver).then_some(stream)
    }
}

impl Usage for Stream {
    fn receive(&mut self, _: &Datagram<'_>, now: Instant) -> Disposition<'static> {
        self.now.advance(now);
        Disposition::Unclaimed
    }

    fn deadline(&self) -> Option<(Instant, WakeReason)> {
        None
    }

    fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        core::iter::empty()
    }

    fn queued_transmits(&self) -> usize {
        0
    }

    fn queued_events(&self) -> usize {
        usize::from(matches!(self.state, State::Broken(_)))
    }

    fn outstanding(&self) -> impl Iterator<Item = (TransactionId, SocketAddr)> {
        core::iter::empty()
    }

    fn is_ended(&self) -> bool {
        matches!(self.state, State::Broken(_) | State::Ended)
    }

    fn asks_on(&self, _: &FiveTuple) -> bool {
        false
    }
}

impl Machine for Stream {
    type Event = StreamEvent;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        self.receive(datagram, now).outcome()
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        None
    }

    fn poll_event(&mut self) -> Option<StreamEvent> {
        let State::Broken(error) = self.state else { return None };
        self.state = State::Ended;
        Some(StreamEvent::Close { path: self.path, error })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.wake(self.now.get()).map(|(at, _)| at)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now.advance(now);
    }

    fn handle_send_error(&mut self, _: &Receipt, _: SendError, now: Instant) {
        self.now.advance(now);
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        self.wake(self.now.get()).map(|(_, reason)| reason)
    }
}
