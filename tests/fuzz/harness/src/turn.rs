//! A TURN allocation under its host's commands, and a server that says anything, signed or not.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use libstun::auth::LongTerm;
use libstun::turn::{
    Allocation, AllocationConfig, AllocationEvent, KeepaliveKind, RelayFamily, RelayTransport,
};
use libstun::wire::attribute::{
    AddressErrorCode, AddressFamily, AlternateServer, ConnectionId, Data, ErrorCode, Icmp, Lifetime,
    MobilityTicket, Nonce, Realm, XorMappedAddress, XorPeerAddress, XorRelayedAddress,
};
use libstun::wire::{BuildError, Class, Key, Message, MessageBuilder, Method, TransactionId};
use libstun::{Datagram, Entropy, FiveTuple, Instant, Machine, Outcome, Receipt, SendError, Transport};

#[derive(Arbitrary, Debug)]
struct Settings {
    has_credentials: bool,
    requires_sha256: bool,
    is_stream: bool,
    is_tcp: bool,
    has_both: bool,
    no_keepalive: bool,
    asks_keepalive: bool,
    no_mobility: bool,
    expires: bool,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Reply {
        which: u8,
        says: Says,
        is_signed: bool,
        flip: Option<u16>,
    },
    /// A grant of whatever is asked, as an honest server gives it.
    Grant {
        which: u8,
    },
    Data {
        peer: u8,
        what: u8,
        length: u8,
    },
    Channel {
        number: u8,
        length: u8,
    },
    Attempt {
        peer: u8,
        connection: u8,
    },
    Bytes(Vec<u8>),
    Wake(u16),
    /// Long after the deadline.
    Sleep(u8),
    SendError {
        which: u8,
        is_whole_path: bool,
        error: u8,
    },
    Permit(u8),
    Revoke(u8),
    Bind(u8),
    Release(u8),
    Send {
        peer: u8,
        length: u8,
        room: u8,
        is_in_place: bool,
    },
    Connect(u8),
    Opened {
        connection: u8,
        is_same_path: bool,
    },
    Credentials {
        is_other_user: bool,
    },
    Reconnected(u8),
    NetworkChanged {
        stays: bool,
    },
    AnswerRedirect(bool),
    Close,
}

#[derive(Arbitrary, Debug)]
enum Says {
    Grant { lifetime: u16, relayed: u8, has_second: bool, has_ticket: bool },
    Error(u16),
    Challenge(u8),
    Alternate(u8),
    Connection(u8),
    Nothing,
}

/// Whatever a server says and a host wishes, an allocation keeps the contract, takes data only from those whom the
/// host has named, and asks ever more rarely when nobody answers.
pub fn turn(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(settings) = Settings::arbitrary(&mut source) else { return };
    let mut run = Run::new(&settings);
    while let Ok(step) = Step::arbitrary(&mut source) {
        if source.is_empty() {
            break;
        }
        run.step(step);
    }
    // Nobody says anything any more: a bounded number of wake-ups in a bounded time.
    let begin = run.now;
    for _ in 0..300 {
        let Some(due) = run.relay.poll_timeout() else { return };
        run.wake(due);
    }
    let passed = run.now.saturating_since(begin);
    assert!(passed >= Duration::from_secs(300), "300 wake-ups in {passed:?}");
}

struct Run {
    relay: Allocation,
    now: Instant,
    /// The latest requests.
    sent: Vec<(FiveTuple, Vec<u8>)>,
    named: BTreeSet<IpAddr>,
    has_ended: bool,
    is_signed: bool,
}

impl Run {
    fn new(settings: &Settings) -> Self {
        let transport = if settings.is_stream { Transport::Tcp } else { Transport::Udp };
        let path = FiveTuple { transport, local: at(5000), remote: server() };
        let mut config = AllocationConfig::open(path);
        if settings.has_credentials {
            let credential = LongTerm::new("alice", "s3cret").expect("ASCII");
            let credential = if settings.requires_sha256 { credential.require_sha256() } else { credential };
            config.credentials = Some(credential.into());
        }
        if settings.is_tcp && settings.is_stream {
            config.transport = RelayTransport::Tcp;
        } else if settings.has_both {
            config.family = RelayFamily::Both;
        }
        if settings.no_keepalive {
            config.keepalive = None;
        }
        if settings.asks_keepalive {
            config.keepalive_kind = KeepaliveKind::Request;
        }
        config.mobility = !settings.no_mobility;
        config.credentials_expire = settings.expires.then(|| Instant::from_millis(600_000));
        let relay =
            Allocation::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).expect("it fits together");
        let (sent, named) = (Vec::new(), BTreeSet::new());
        let is_signed = settings.has_credentials;
        let mut run = Self { relay, now: Instant::ZERO, sent, named, has_ended: false, is_signed };
        run.drain();
        run
    }

    fn step(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Reply { which, says, is_signed, flip } => self.reply(which, &says, is_signed, flip),
            Step::Grant { which } => {
                let says = Says::Grant { lifetime: 600, relayed: 0, has_second: true, has_ticket: true };
                self.reply(which, &says, true, None);
            }
            Step::Data { peer, what, length } => {
                let bytes = indication(Method::DATA, |builder| {
                    builder.add(&XorPeerAddress(peer_of(peer)))?;
                    match what % 4 {
                        0 => builder.add(&Icmp { icmp_type: 3, code: 4, data: 1200 }),
                        1 => Ok(()),
                        _ => builder.add(&Data(&[7; 255][..length.into()])),
                    }
                });
                self.offer(&bytes);
            }
            Step::Channel { number, length } => {
                let mut bytes = vec![0x40, number % 8, 0, length];
                bytes.resize(4 + usize::from(length).next_multiple_of(4), 9);
                self.offer(&bytes);
            }
            Step::Attempt { peer, connection } => {
                let bytes = indication(Method::CONNECTION_ATTEMPT, |builder| {
                    builder.add(&XorPeerAddress(peer_of(peer)))?;
                    builder.add(&ConnectionId(connection.into()))
                });
                self.offer(&bytes);
            }
            Step::Bytes(bytes) => self.offer(&bytes),
            Step::Wake(late) => {
                let Some(due) = self.relay.poll_timeout() else { return };
                self.wake(due.saturating_add(Duration::from_millis(late.into())));
            }
            Step::Sleep(hours) => self.wake(now.saturating_add(Duration::from_secs(3600 * u64::from(hours)))),
            Step::SendError { which, is_whole_path, error } => self.fail(which, is_whole_path, error),
            Step::Permit(peer) => {
                if self.relay.permit(peer_of(peer).ip(), now).is_ok() {
                    self.named.insert(peer_of(peer).ip());
                }
            }
            Step::Revoke(peer) => _ = self.relay.revoke(peer_of(peer).ip(), now),
            Step::Bind(peer) => {
                if self.relay.bind_channel(peer_of(peer), now).is_ok() {
                    self.named.insert(peer_of(peer).ip());
                }
            }
            Step::Release(peer) => _ = self.relay.release_channel(peer_of(peer), now),
            Step::Send { peer, length, room, is_in_place } => self.send(peer, length, room, is_in_place),
            Step::Connect(peer) => _ = self.relay.connect(peer_of(peer), now),
            Step::Opened { connection, is_same_path } => {
                let path = FiveTuple::tcp(at(if is_same_path { 5000 } else { 6000 }), server());
                _ = self.relay.connection_opened(ConnectionId(connection.into()), path, 1, now);
            }
            Step::Credentials { is_other_user } => {
                let name = if is_other_user { "bob" } else { "alice" };
                let credentials = LongTerm::new(name, "s3cret").expect("ASCII");
                self.relay.set_credentials(credentials.into(), None, now);
            }
            Step::Reconnected(port) => {
                let path = FiveTuple { local: at(5000 + u16::from(port % 4)), ..*self.relay.path() };
                self.relay.reconnected(path, 0, now).expect("a path to the server");
            }
            Step::NetworkChanged { stays } => {
                let ip: IpAddr = (if stays { [10, 0, 0, 2] } else { [10, 0, 0, 3] }).into();
                self.relay.network_changed(&[ip], now);
            }
            Step::AnswerRedirect(accept) => self.relay.answer_redirect(accept, now),
            Step::Close => self.relay.close(now),
        }
        self.drain();
    }

    fn wake(&mut self, at: Instant) {
        self.now = self.now.max(at);
        self.relay.handle_timeout(self.now);
        let next = self.relay.poll_timeout();
        let has_output = self.drain();
        assert!(has_output || next.is_none_or(|next| next > self.now), "C3: woken, and nothing came of it");
    }

    fn send(&mut self, peer: u8, length: u8, room: u8, is_in_place: bool) {
        let (peer, length, room) = (peer_of(peer), usize::from(length), usize::from(room));
        let mut buffer = [0xAA; 600];
        let sent = if is_in_place {
            self.relay.send_in_place(peer, &mut buffer[..room + length], room..room + length, self.now)
        } else {
            self.relay.send(peer, &[7; 255][..length], &mut buffer[..room], self.now)
        };
        match sent {
            Ok(transmit) => {
                assert!(self.named.contains(&peer.ip()), "to nobody whom the host has not named");
                assert!(transmit.payload.len() >= 4 + length);
            }
            Err(_) => assert_eq!(buffer, [0xAA; 600], "nothing was written"),
        }
    }

    fn fail(&mut self, which: u8, is_whole_path: bool, error: u8) {
        let Some((path, bytes)) = self.pick(which) else { return };
        let bytes = if is_whole_path { &[][..] } else { &bytes };
        let Some(receipt) = Receipt::of(path, bytes) else { return };
        let errors =
            [SendError::Transient, SendError::Refused, SendError::SocketClosed, SendError::MessageTooLarge];
        self.relay.handle_send_error(&receipt, errors[usize::from(error) % 4], self.now);
    }

    fn reply(&mut self, which: u8, says: &Says, is_signed: bool, flip: Option<u16>) {
        let Some((path, bytes)) = self.pick(which) else { return };
        let Ok(request) = Message::parse(&bytes) else { return };
        if request.class() != Class::Request {
            return;
        }
        let class = match says {
            Says::Error(_) | Says::Challenge(_) | Says::Alternate(_) => Class::ErrorResponse,
            _ => Class::SuccessResponse,
        };
        let mut buffer = [0; 512];
        let (method, id) = (request.method(), request.transaction_id());
        let mut reply = MessageBuilder::new(&mut buffer, class, method, id).expect("room");
        fill(&mut reply, says, method).expect("room");
        if is_signed && self.is_signed {
            reply.sign(&Key::long_term_md5(b"alice", b"example.test", b"s3cret")).expect("room");
        }
        let mut bytes = reply.finish().to_vec();
        if let Some(flip) = flip {
            let place = usize::from(flip) / 8 % bytes.len();
            bytes[place] ^= 1 << (flip % 8);
        }
        self.offer_on(path, &bytes);
    }

    fn offer(&mut self, bytes: &[u8]) {
        self.offer_on(*self.relay.path(), bytes);
    }

    fn offer_on(&mut self, path: FiveTuple, bytes: &[u8]) {
        if let Outcome::Unwrapped(data) = self.relay.handle_input(&Datagram::new(path, bytes), self.now) {
            assert!(self.named.contains(&data.path.remote.ip()), "from nobody whom the host has not named");
            assert!(self.relay.relayed_addresses().any(|relayed| relayed == data.path.local));
            assert!(bytes.as_ptr_range().contains(&data.payload.as_ptr()) || data.payload.is_empty());
        }
    }

    fn pick(&self, which: u8) -> Option<(FiveTuple, Vec<u8>)> {
        self.sent.iter().rev().nth(usize::from(which) % self.sent.len().max(1)).cloned()
    }

    /// Takes all output, and says whether there was any.
    fn drain(&mut self) -> bool {
        let due = self.relay.poll_timeout();
        let mut count = 0;
        while let Some(transmit) = self.relay.poll_transmit() {
            self.sent.push((transmit.path, transmit.payload.to_vec()));
            count += 1;
        }
        assert!(count <= 9, "{count} at once");
        let mut has_output = count > 0;
        while let Some(event) = self.relay.poll_event() {
            assert!(!self.has_ended, "the last event is the last");
            self.has_ended = matches!(event, AllocationEvent::Closed | AllocationEvent::Failed { .. });
            has_output = true;
        }
        assert_eq!(self.has_ended, self.relay.is_ended());
        assert!(!has_output || due.is_some_and(|due| due <= self.now), "C2: output was queued");
        let spare = self.sent.len().saturating_sub(32);
        self.sent.drain(..spare);
        has_output
    }
}

fn fill(reply: &mut MessageBuilder<'_>, says: &Says, method: Method) -> Result<(), BuildError> {
    match says {
        Says::Grant { lifetime, relayed, has_second, has_ticket } => {
            if method == Method::ALLOCATE {
                let choices = ["192.0.2.1:49160", "[2001:db8::1]:49160", "0.0.0.0:1", "192.0.2.1:49162"];
                reply.add(&XorRelayedAddress(
                    choices[usize::from(*relayed) % 4].parse().expect("an address"),
                ))?;
                if *has_second {
                    reply.add(&XorRelayedAddress("[2001:db8::1]:49160".parse().expect("an address")))?;
                } else {
                    reply.add(&AddressErrorCode { family: AddressFamily::V6, code: 508, reason: b"" })?;
                }
                reply.add(&XorMappedAddress("203.0.113.9:5000".parse().expect("an address")))?;
            }
            if method == Method::CONNECT {
                reply.add(&ConnectionId(u32::from(*relayed)))?;
            }
            if *has_ticket {
                reply.add(&MobilityTicket(b"ticket"))?;
            }
            reply.add(&Lifetime(Duration::from_secs((*lifetime).into())))
        }
        Says::Error(code) => reply.add(&ErrorCode { code: 300 + code % 400, reason: b"" }),
        Says::Challenge(nonce) => {
            reply.add(&ErrorCode { code: if nonce % 2 == 0 { 401 } else { 438 }, reason: b"" })?;
            reply.add(&Realm(b"example.test"))?;
            reply.add(&Nonce(&[b'n', nonce % 8]))
        }
        Says::Alternate(host) => {
            reply.add(&ErrorCode { code: 300, reason: b"" })?;
            reply.add(&AlternateServer(SocketAddr::from(([192, 0, 2, *host], 3478))))
        }
        Says::Connection(id) => reply.add(&ConnectionId((*id).into())),
        Says::Nothing => Ok(()),
    }
}

fn indication(
    method: Method,
    fill: impl FnOnce(&mut MessageBuilder<'_>) -> Result<(), BuildError>,
) -> Vec<u8> {
    let mut buffer = [0; 512];
    let id = TransactionId::new([5; 12]);
    let mut builder = MessageBuilder::new(&mut buffer, Class::Indication, method, id).expect("room");
    fill(&mut builder).expect("room");
    builder.finish().to_vec()
}

fn peer_of(number: u8) -> SocketAddr {
    match number % 16 {
        13 => "127.0.0.1:9".parse().expect("an address"),
        14 => "192.0.2.1:49160".parse().expect("the relay itself"),
        15 => "[2001:db8::7]:7000".parse().expect("an address"),
        host => SocketAddr::from(([198, 51, 100, host / 2], 7000 + u16::from(host % 2))),
    }
}

fn server() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 3478))
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], port))
}
