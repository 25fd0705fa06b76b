//! A host with real sockets around an agent with one relay, and what it has seen on the way.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use libstun::agent::{OperationId, StreamEvent};
use libstun::auth::LongTerm;
use libstun::turn::{AllocationConfig, AllocationEvent, MAX_HEADROOM, MAX_TAILROOM, PeerPolicy};
use libstun::wire::attribute::ErrorCode;
use libstun::wire::stream::{StreamDecoder, StreamError};
use libstun::wire::{Classification, Message, Method, classify};
use libstun::{
    Agent, Clock, Datagram, Entropy, Event, FiveTuple, Instant, Machine, Outcome, SendError, Transport,
};

/// Where a server is, as relay.sh says it.
pub(crate) fn server(variable: &str) -> SocketAddr {
    variable_of(variable).parse().unwrap()
}

pub(crate) fn variable_of(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run tests/interop/relay.sh"))
}

/// What alice asks for, with peers on this machine allowed.
pub(crate) fn config(path: FiveTuple) -> AllocationConfig {
    config_with(path, "s3cret")
}

pub(crate) fn config_with(path: FiveTuple, password: &str) -> AllocationConfig {
    let peers = PeerPolicy::with_loopback();
    AllocationConfig { peers, ..AllocationConfig::new(path, LongTerm::new("alice", password).unwrap()) }
}

/// An agent with sockets; a socket's number is its place among the links.
pub(crate) struct Host {
    pub(crate) agent: Agent,
    pub(crate) clock: Clock,
    pub(crate) relay: OperationId,
    pub(crate) seen: Seen,
    links: Vec<Link>,
    events: VecDeque<AllocationEvent>,
    data: VecDeque<Received>,
    buffer: Vec<u8>,
}

/// What went over the wire between host and server.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Codes of error responses, in order.
    pub(crate) errors: Vec<u16>,
    /// Data by how it came from and went to the server.
    pub(crate) data_indications: u32,
    pub(crate) channel_data: u32,
    pub(crate) sent_indications: u32,
    pub(crate) sent_channel_data: u32,
    /// Connections that the server has broken with what is no message.
    pub(crate) broken: Vec<StreamError>,
    /// Bytes that are no message, over UDP.
    pub(crate) garbage: Vec<Vec<u8>>,
    /// Every event, to be read when a test fails.
    pub(crate) events: Vec<AllocationEvent>,
}

/// What a peer has sent.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) peer: SocketAddr,
    pub(crate) relayed: SocketAddr,
    pub(crate) payload: Vec<u8>,
}

enum Link {
    Udp(UdpSocket),
    Tcp {
        connection: TcpStream,
        stream: OperationId,
        path: FiveTuple,
        /// Cuts the same bytes once more, to see what comes.
        spy: StreamDecoder,
        /// What has come behind the answer to ConnectionBind.
        beyond: Vec<u8>,
    },
    Closed,
}

impl Host {
    /// Asks the server for a relay as `change` wants it.
    pub(crate) fn start(
        server: SocketAddr,
        transport: Transport,
        change: impl FnOnce(&mut AllocationConfig),
    ) -> Self {
        let clock = Clock::new();
        let mut agent = Agent::new(Entropy::from_os().unwrap(), clock.now());
        let (path, link) = match transport {
            Transport::Udp => open_udp(server, SocketAddr::new(loopback(&server), 0)),
            _ => open_tcp(&mut agent, server, 0, clock.now()),
        };
        let mut config = config(path);
        change(&mut config);
        let relay = agent.start_allocation(config, clock.now()).unwrap();
        let (links, events, data) = (vec![link], VecDeque::new(), VecDeque::new());
        let buffer = vec![0; 65_536];
        Self { agent, clock, relay, seen: Seen::default(), links, events, data, buffer }
    }

    pub(crate) fn udp(server: SocketAddr, change: impl FnOnce(&mut AllocationConfig)) -> Self {
        Self::start(server, Transport::Udp, change)
    }

    pub(crate) fn tcp(server: SocketAddr, change: impl FnOnce(&mut AllocationConfig)) -> Self {
        Self::start(server, Transport::Tcp, change)
    }

    /// The program is started again: an agent that knows nothing, on the same socket.
    pub(crate) fn forget(self) -> Self {
        let clock = Clock::new();
        let mut agent = Agent::new(Entropy::from_os().unwrap(), clock.now());
        let path = *self.agent.allocation(self.relay).unwrap().path();
        let relay = agent.start_allocation(config(path), clock.now()).unwrap();
        let (seen, events, data) = (Seen::default(), VecDeque::new(), VecDeque::new());
        Self { agent, clock, relay, seen, events, data, ..self }
    }

    pub(crate) fn in_seconds(&self, seconds: u64) -> Instant {
        self.clock.now().saturating_add(Duration::from_secs(seconds))
    }

    /// Waits for an event that `pick` picks, and passes over others.
    pub(crate) fn expect<T>(
        &mut self,
        seconds: u64,
        what: &str,
        mut pick: impl FnMut(&AllocationEvent) -> Option<T>,
    ) -> T {
        let limit = self.in_seconds(seconds);
        loop {
            let Some(event) = self.event(limit) else { panic!("no {what} in {seconds} s: {:?}", self.seen) };
            if let Some(picked) = pick(&event) {
                return picked;
            }
            let is_end = matches!(event, AllocationEvent::Failed { .. } | AllocationEvent::Closed);
            assert!(!is_end, "no {what}: {:?}", self.seen);
        }
    }

    /// The relayed address, and the other one if there are two.
    pub(crate) fn allocated(&mut self) -> (SocketAddr, Option<SocketAddr>) {
        self.expect(20, "relay", |event| match event {
            AllocationEvent::Allocated { relayed, additional, .. } => Some((*relayed, *additional)),
            _ => None,
        })
    }

    pub(crate) fn permit(&mut self, ip: IpAddr) {
        self.agent.permit_peer(self.relay, ip, self.clock.now()).unwrap();
        self.expect(10, "permission", |event| {
            matches!(event, AllocationEvent::Permitted { peer } if *peer == ip).then_some(())
        });
    }

    pub(crate) fn bind(&mut self, peer: SocketAddr) {
        self.agent.bind_channel(self.relay, peer, self.clock.now()).unwrap();
        self.bound(peer);
    }

    pub(crate) fn bound(&mut self, to: SocketAddr) {
        self.expect(10, "channel", |event| {
            matches!(event, AllocationEvent::ChannelBound { peer, .. } if *peer == to).then_some(())
        });
    }

    /// Deletes the relay, which the server must confirm.
    pub(crate) fn close(mut self) {
        self.agent.close_relay(self.relay, self.clock.now()).unwrap();
        let limit = self.in_seconds(10);
        while let Some(event) = self.event(limit) {
            if event == AllocationEvent::Closed {
                return assert_eq!(self.agent.operation_count(), self.open_streams());
            }
        }
        panic!("it was not closed: {:?}", self.seen);
    }

    /// Sends to a peer at once: the payload lies where it is to lie, and gets its header in place.
    pub(crate) fn send(&mut self, peer: SocketAddr, payload: &[u8]) {
        let place = MAX_HEADROOM..MAX_HEADROOM + payload.len();
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer[place.clone()].copy_from_slice(payload);
        let now = self.clock.now();
        let end = place.end + MAX_TAILROOM;
        let transmit =
            self.agent.send_to_peer_in_place(self.relay, peer, &mut buffer[..end], place, now).unwrap();
        match classify(transmit.payload) {
            Classification::ChannelData => self.seen.sent_channel_data += 1,
            _ => self.seen.sent_indications += 1,
        }
        self.links[transmit.socket_id as usize].write(transmit.payload, transmit.path.remote).unwrap();
        self.buffer = buffer;
    }

    /// The next event, or `None` at `until`.
    pub(crate) fn event(&mut self, until: Instant) -> Option<AllocationEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if !self.turn(until) {
                return None;
            }
        }
    }

    /// The next data, or `None` at `until`.
    pub(crate) fn data(&mut self, until: Instant) -> Option<Received> {
        loop {
            if let Some(data) = self.data.pop_front() {
                return Some(data);
            }
            if !self.turn(until) {
                return None;
            }
        }
    }

    /// Opens the socket or connection that the relay asks for, at that local address or another port of it.
    pub(crate) fn reconnect(&mut self, path: FiveTuple) {
        let number = self.links.len() as u32;
        let now = self.clock.now();
        let (path, link) = match path.transport {
            Transport::Udp => open_udp(path.remote, SocketAddr::new(path.local.ip(), 0)),
            _ => open_tcp(&mut self.agent, path.remote, number, now),
        };
        self.links.push(link);
        self.agent.relay_reconnected(self.relay, path, number, now).unwrap();
    }

    /// The interface has another address: puts a socket there in the place of the first one.
    pub(crate) fn rebind(&mut self, local: SocketAddr) {
        self.links[0] = Link::Udp(UdpSocket::bind(local).unwrap());
    }

    /// Opens another connection to the server, for a peer's, and gives its path and number.
    pub(crate) fn connect(&mut self, server: SocketAddr) -> (FiveTuple, u32) {
        let number = self.links.len() as u32;
        let (path, link) = open_tcp(&mut self.agent, server, number, self.clock.now());
        self.links.push(link);
        (path, number)
    }

    /// Takes a connection that has become a peer's, and what has been read of it.
    pub(crate) fn take_connection(&mut self, number: u32) -> (TcpStream, Vec<u8>) {
        let link = std::mem::replace(&mut self.links[number as usize], Link::Closed);
        let Link::Tcp { connection, stream, beyond, .. } = link else { panic!("no connection {number}") };
        self.agent.cancel(stream, self.clock.now()).unwrap();
        (connection, beyond)
    }

    /// The connection breaks, as the host sees it.
    pub(crate) fn break_connection(&mut self, number: u32) {
        let link = std::mem::replace(&mut self.links[number as usize], Link::Closed);
        let Link::Tcp { stream, .. } = link else { panic!("no connection {number}") };
        self.agent.close_stream(stream, self.clock.now()).unwrap();
    }

    fn open_streams(&self) -> usize {
        self.links.iter().filter(|link| matches!(link, Link::Tcp { .. })).count()
    }

    /// Sends what is queued, takes what has happened, and otherwise waits for something. Says whether there is time
    /// left.
    fn turn(&mut self, until: Instant) -> bool {
        self.flush();
        let known = self.events.len();
        while let Some(happened) = self.agent.poll_event() {
            match happened.event {
                Event::Allocation(event) => {
                    self.seen.events.push(event);
                    self.events.push_back(event);
                }
                Event::Stream(StreamEvent::Close { path, error }) => self.closed(path, error),
                event => panic!("{event:?}"),
            }
        }
        if self.events.len() > known {
            return true;
        }
        let now = self.clock.now();
        if now >= until {
            return false;
        }
        let deadline = self.agent.poll_timeout().map_or(until, |at| at.min(until));
        self.read(deadline);
        self.agent.handle_timeout(self.clock.now());
        true
    }

    /// What comes over a connection is no message: the agent wants it closed.
    fn closed(&mut self, path: FiveTuple, error: StreamError) {
        self.seen.broken.push(error);
        let is_it = |link: &&mut Link| matches!(link, Link::Tcp { path: own, .. } if *own == path);
        *self.links.iter_mut().find(is_it).unwrap() = Link::Closed;
    }

    fn flush(&mut self) {
        while let Some(transmit) = self.agent.poll_transmit() {
            let receipt = transmit.receipt();
            let link = &mut self.links[transmit.socket_id as usize];
            trace("sent", transmit.payload);
            if let Err(error) = link.write(transmit.payload, transmit.path.remote) {
                self.agent.handle_send_error(&receipt, SendError::from(&error), self.clock.now());
            }
        }
    }

    /// One read of each link; of a single one until the deadline.
    fn read(&mut self, deadline: Instant) {
        let open = |link: &&Link| !matches!(link, Link::Closed);
        let is_single = self.links.iter().filter(open).count() == 1;
        let timeout =
            if is_single { self.clock.read_timeout(Some(deadline)) } else { Some(Duration::from_millis(2)) };
        if self.links.iter().filter(open).count() == 0 {
            return thread::sleep(Duration::from_millis(2));
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        for number in 0..self.links.len() {
            match self.links[number].read(&mut buffer, timeout) {
                Ok((length, Some(path))) => self.take_datagram(path, number as u32, &buffer[..length]),
                Ok((0, None)) if matches!(self.links[number], Link::Closed) => {}
                Ok((0, None)) => self.break_connection(number as u32),
                Ok((length, None)) => self.take_bytes(number, &buffer[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    self.break_connection(number as u32)
                }
                Err(error) => panic!("{error}"),
            }
        }
        self.buffer = buffer;
    }

    fn take_datagram(&mut self, path: FiveTuple, socket_id: u32, payload: &[u8]) {
        self.seen.note(payload);
        let datagram = Datagram { socket_id, ..Datagram::new(path, payload) };
        match self.agent.handle_input(&datagram, self.clock.now()) {
            Outcome::Unwrapped(inner) => {
                assert!(is_within(inner.payload, payload), "the payload was copied");
                self.data.push_back(Received::of(&inner));
            }
            Outcome::Consumed => {}
            Outcome::Unclaimed => assert!(Message::parse(payload).is_err(), "unclaimed: {payload:02x?}"),
        }
    }

    fn take_bytes(&mut self, number: usize, mut bytes: &[u8]) {
        let Link::Tcp { stream, spy, beyond, .. } = &mut self.links[number] else { panic!("{number}") };
        self.seen.spy(spy, bytes);
        let stream = *stream;
        loop {
            let (taken, data) = self.agent.unwrap_stream(stream, bytes, self.clock.now()).unwrap();
            bytes = &bytes[taken..];
            let Some(data) = data else { break };
            self.data.push_back(Received::of(&data));
        }
        beyond.extend_from_slice(bytes);
    }
}

impl Seen {
    fn note(&mut self, frame: &[u8]) {
        trace("received", frame);
        match (classify(frame), Message::parse(frame)) {
            (Classification::ChannelData, _) => self.channel_data += 1,
            (_, Ok(message)) => {
                self.data_indications += u32::from(message.method() == Method::DATA);
                self.errors.extend(message.get::<ErrorCode<'_>>().unwrap().map(|error| error.code));
            }
            (_, Err(_)) => self.garbage.push(frame.to_vec()),
        }
    }

    /// What follows the answer to ConnectionBind are no frames, and ends it.
    fn spy(&mut self, spy: &mut StreamDecoder, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Ok(taken) = spy.push(bytes) else { return };
            bytes = &bytes[taken..];
            if let Ok(Some(frame)) = spy.next_frame() {
                self.note(frame);
            }
        }
    }

    pub(crate) fn count(&self, code: u16) -> usize {
        self.errors.iter().filter(|seen| **seen == code).count()
    }
}

/// With TURN_TRACE set, prints what is no ChannelData.
fn trace(way: &str, frame: &[u8]) {
    if std::env::var_os("TURN_TRACE").is_some() && classify(frame) != Classification::ChannelData {
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        let kind = Message::parse(frame).map(|message| (message.method(), message.class()));
        eprintln!("{way} {kind:?} {hex}");
    }
}

impl Received {
    fn of(data: &Datagram<'_>) -> Self {
        Self { peer: data.path.remote, relayed: data.path.local, payload: data.payload.to_vec() }
    }
}

impl Link {
    fn write(&mut self, bytes: &[u8], remote: SocketAddr) -> std::io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send_to(bytes, remote).map(|_| ()),
            Self::Tcp { connection, .. } => connection.write_all(bytes),
            Self::Closed => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// The path is that of a datagram.
    fn read(
        &mut self,
        buffer: &mut [u8],
        timeout: Option<Duration>,
    ) -> std::io::Result<(usize, Option<FiveTuple>)> {
        match self {
            Self::Udp(socket) => {
                socket.set_read_timeout(timeout)?;
                let (length, from) = socket.recv_from(buffer)?;
                Ok((length, Some(FiveTuple::udp(socket.local_addr()?, from))))
            }
            Self::Tcp { connection, .. } => {
                connection.set_read_timeout(timeout)?;
                Ok((connection.read(buffer)?, None))
            }
            Self::Closed => Ok((0, None)),
        }
    }
}

fn loopback(server: &SocketAddr) -> IpAddr {
    if server.is_ipv4() { "127.0.0.1".parse().unwrap() } else { "::1".parse().unwrap() }
}

fn open_udp(server: SocketAddr, local: SocketAddr) -> (FiveTuple, Link) {
    let socket = UdpSocket::bind(local).unwrap();
    (FiveTuple::udp(socket.local_addr().unwrap(), server), Link::Udp(socket))
}

fn open_tcp(agent: &mut Agent, server: SocketAddr, number: u32, now: Instant) -> (FiveTuple, Link) {
    let connection = TcpStream::connect(server).unwrap();
    connection.set_nodelay(true).unwrap();
    let path = FiveTuple::tcp(connection.local_addr().unwrap(), server);
    let stream = agent.open_stream(path, number, now).unwrap();
    (path, Link::Tcp { connection, stream, path, spy: StreamDecoder::new(), beyond: Vec::new() })
}

fn is_within(part: &[u8], whole: &[u8]) -> bool {
    whole.as_ptr_range().start <= part.as_ptr() && part.as_ptr_range().end <= whole.as_ptr_range().end
}
