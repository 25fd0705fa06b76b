//! A NAT probe among servers that say anything, or nothing, from anywhere.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use libstun::auth::LongTerm;
use libstun::nat::{Probe, ProbeConfig, ProbeEvent, ProbeSocket, Property};
use libstun::wire::attribute::{ErrorCode, MappedAddress, Nonce, OtherAddress, Realm, XorMappedAddress};
use libstun::wire::{Class, MessageBuilder, Method, TransactionId};
use libstun::{Datagram, Entropy, FiveTuple, Instant, Machine, Receipt, SendError};

#[derive(Arbitrary, Debug)]
struct Settings {
    has_second: bool,
    has_more: bool,
    wants_lifetime: bool,
    is_wildcard: bool,
    has_credentials: bool,
    requires_sha256: bool,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// Answers one of the latest requests.
    Reply {
        which: u8,
        says: Says,
        from: u8,
        mapped: u8,
        flip: Option<u16>,
    },
    /// A request comes back as it was sent, perhaps on the other socket.
    TurnBack {
        which: u8,
        on_second: bool,
    },
    Bytes(Vec<u8>),
    /// To the deadline, and so many milliseconds later.
    Wake(u16),
    SendError {
        which: u8,
        is_whole_path: bool,
        is_passing: bool,
    },
    NetworkChanged {
        stays: bool,
    },
}

#[derive(Arbitrary, Debug)]
enum Says {
    Mapped,
    Everything,
    Error(u16),
    Challenge(u8),
    Nothing,
}

/// Whatever arrives, a probe ends by itself, in bounded time and with a bounded number of requests, and keeps the
/// contract on the way.
pub fn nat(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(settings) = Settings::arbitrary(&mut source) else { return };
    let mut run = Run::new(&settings);
    while let Ok(step) = Step::arbitrary(&mut source) {
        if source.is_empty() {
            break;
        }
        run.step(step);
    }
    // Nobody says anything any more.
    for _ in 0..MAX_WAKES {
        let Some(due) = run.probe.poll_timeout() else { break };
        run.wake(due);
    }
    assert!(run.probe.is_ended() && run.is_finished, "a probe ends");
    assert_eq!(run.probe.poll_timeout(), None, "and then waits for nothing");
}

struct Run {
    probe: Probe,
    now: Instant,
    /// The latest requests.
    sent: Vec<(FiveTuple, u32, Vec<u8>)>,
    is_finished: bool,
}

impl Run {
    fn new(settings: &Settings) -> Self {
        let ip = if settings.is_wildcard { "0.0.0.0" } else { "10.0.0.2" };
        let socket = |number: u16| {
            let local = address(ip, 5000 + number);
            ProbeSocket { socket_id: number.into(), ..ProbeSocket::new(local) }
        };
        let mut config = ProbeConfig::new(socket(0).local, servers()[0]);
        config.primary = socket(0);
        config.second = settings.has_second.then(|| socket(1));
        config.servers = if settings.has_more { servers()[1..3].to_vec() } else { Vec::new() };
        if settings.wants_lifetime {
            config.properties = config.properties.with(Property::Lifetime);
            config.lifetime.max = Duration::from_secs(60);
        }
        if settings.has_credentials {
            let credential = LongTerm::new("alice", "s3cret").expect("ASCII");
            let credential = if settings.requires_sha256 { credential.require_sha256() } else { credential };
            config.credentials = Some(credential.into());
        }
        let probe = Probe::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).expect("it fits together");
        let mut run = Self { probe, now: Instant::ZERO, sent: Vec::new(), is_finished: false };
        run.drain();
        run
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Reply { which, says, from, mapped, flip } => self.reply(which, &says, from, mapped, flip),
            Step::TurnBack { which, on_second } => {
                let Some((path, _, bytes)) = self.pick(which) else { return };
                let local = address(&path.local.ip().to_string(), 5000 + u16::from(on_second));
                let back = FiveTuple::udp(local, path.local);
                self.offer(back, u32::from(on_second), &bytes);
            }
            Step::Bytes(bytes) => {
                let path = FiveTuple::udp(address("10.0.0.2", 5000), servers()[0]);
                self.offer(path, 0, &bytes);
            }
            Step::Wake(late) => {
                let Some(due) = self.probe.poll_timeout() else { return };
                self.wake(due.saturating_add(Duration::from_millis(late.into())));
            }
            Step::SendError { which, is_whole_path, is_passing } => {
                let Some((path, _, bytes)) = self.pick(which) else { return };
                let bytes = if is_whole_path { &[][..] } else { &bytes };
                let Some(receipt) = Receipt::of(path, bytes) else { return };
                let error = if is_passing { SendError::Transient } else { SendError::Refused };
                self.probe.handle_send_error(&receipt, error, self.now);
            }
            Step::NetworkChanged { stays } => {
                let ip: IpAddr = (if stays { [10, 0, 0, 2] } else { [10, 0, 0, 3] }).into();
                self.probe.network_changed(&[ip], self.now);
            }
        }
        self.drain();
    }

    fn wake(&mut self, at: Instant) {
        self.now = self.now.max(at);
        self.probe.handle_timeout(self.now);
        let next = self.probe.poll_timeout();
        let has_output = self.drain();
        assert!(has_output || next.is_none_or(|next| next > self.now), "C3: woken, and nothing came of it");
    }

    fn reply(&mut self, which: u8, says: &Says, from: u8, mapped: u8, flip: Option<u16>) {
        let Some((path, socket_id, bytes)) = self.pick(which) else { return };
        let id = TransactionId::of_message(&bytes).expect("a probe sends STUN");
        let mut buffer = [0; 512];
        let class = match says {
            Says::Error(_) | Says::Challenge(_) => Class::ErrorResponse,
            _ => Class::SuccessResponse,
        };
        let mut reply = MessageBuilder::new(&mut buffer, class, Method::BINDING, id).expect("room");
        let seen = address("203.0.113.9", 4000 + u16::from(mapped % 4));
        let built = match says {
            Says::Mapped => reply.add(&XorMappedAddress(seen)),
            Says::Everything => reply
                .add(&XorMappedAddress(seen))
                .and_then(|()| reply.add(&MappedAddress(seen)))
                .and_then(|()| reply.add(&OtherAddress(servers()[3]))),
            Says::Error(code) => reply.add(&ErrorCode { code: 300 + code % 400, reason: b"" }),
            Says::Challenge(nonce) => reply
                .add(&ErrorCode { code: if nonce % 2 == 0 { 401 } else { 438 }, reason: b"" })
                .and_then(|()| reply.add(&Realm(b"example.test")))
                .and_then(|()| reply.add(&Nonce(&[b'n', nonce % 8]))),
            Says::Nothing => Ok(()),
        };
        built.expect("room");
        let mut bytes = reply.finish().to_vec();
        if let Some(flip) = flip {
            let place = usize::from(flip) / 8 % bytes.len();
            bytes[place] ^= 1 << (flip % 8);
        }
        let remote = servers().get(usize::from(from)).copied().unwrap_or(path.remote);
        self.offer(FiveTuple { remote, ..path }, socket_id, &bytes);
    }

    fn offer(&mut self, path: FiveTuple, socket_id: u32, bytes: &[u8]) {
        let datagram = Datagram { socket_id, ..Datagram::new(path, bytes) };
        let _ = self.probe.handle_input(&datagram, self.now);
    }

    fn pick(&self, which: u8) -> Option<(FiveTuple, u32, Vec<u8>)> {
        self.sent.iter().rev().nth(usize::from(which) % self.sent.len().max(1)).cloned()
    }

    /// Takes all output, and says whether there was any.
    fn drain(&mut self) -> bool {
        let due = self.probe.poll_timeout();
        let before = self.sent.len();
        while let Some(transmit) = self.probe.poll_transmit() {
            self.sent.push((transmit.path, transmit.socket_id, transmit.payload.to_vec()));
        }
        let sent = self.sent.len() - before;
        assert!(sent <= Probe::MAX_REQUESTS, "{sent} at once");
        let mut has_output = sent > 0;
        while let Some(event) = self.probe.poll_event() {
            assert!(!self.is_finished, "the last event is the last");
            self.is_finished = matches!(event, ProbeEvent::Finished(_));
            has_output = true;
        }
        assert!(!has_output || due.is_some_and(|due| due <= self.now), "C2: output was queued");
        let spare = self.sent.len().saturating_sub(64);
        self.sent.drain(..spare);
        has_output
    }
}

/// The first is asked; two more are ordinary; the last is where the first has its other address.
fn servers() -> [SocketAddr; 4] {
    [("192.0.2.1", 3478), ("192.0.2.3", 3478), ("192.0.2.5", 3479), ("192.0.2.2", 3479)]
        .map(|(ip, port)| address(ip, port))
}

fn address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("an address"), port)
}

/// Wake-ups of the slowest probe, generously.
const MAX_WAKES: usize = 50_000;
