//! An allocation, a TURN server and a network between them that takes no time, in virtual time: what happens is what
//! the test says.

use std::net::SocketAddr;
use std::time::Duration;

use libstun::auth::LongTerm;
use libstun::turn::{Allocation, AllocationConfig, AllocationEvent};
use libstun::wire::attribute::ErrorCode;
use libstun::wire::{Class, Message, MessageBuilder};
use libstun::{Datagram, Entropy, FiveTuple, Instant, Machine, Outcome, WakeReason};
use libstun_sim::turn::{Output, Record, TurnServer, TurnServerConfig};

pub const PEER: &str = "203.0.113.77:7000";

pub fn client_path() -> FiveTuple {
    FiveTuple::udp("10.0.0.2:5000".parse().unwrap(), "192.0.2.1:3478".parse().unwrap())
}

pub fn peer() -> SocketAddr {
    PEER.parse().unwrap()
}

/// alice, whom the server knows, over UDP.
pub fn alice() -> AllocationConfig {
    AllocationConfig::new(client_path(), LongTerm::new("alice", "s3cret").unwrap())
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub struct World {
    pub client: Allocation,
    pub server: TurnServer,
    pub now: Instant,
    /// What the client has told, and when.
    pub events: Vec<(Instant, AllocationEvent)>,
    /// Datagrams that the client has sent, and that have arrived at it.
    pub sent: usize,
    pub received: usize,
    /// Whether nothing arrives on either side.
    pub is_cut: bool,
    /// What somebody on the path answers to every request before the server does, without a signature.
    pub forges: Option<u16>,
    /// How the server sees the client, if not as it is.
    pub mapped: Option<SocketAddr>,
    /// From whom data came to the client: the peer and the payload.
    pub to_client: Vec<(SocketAddr, Vec<u8>)>,
    /// What peers got: the relayed address, the peer and the payload.
    pub to_peers: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// How often the client wanted to be woken.
    pub wakes: usize,
}

impl World {
    pub fn new(config: AllocationConfig, server: TurnServerConfig) -> Self {
        let now = Instant::from_millis(1);
        let client = Allocation::new(config, Entropy::from_seed([3; 32]), now).unwrap();
        let mut world = Self {
            client,
            server: TurnServer::new(server, now),
            now,
            events: Vec::new(),
            sent: 0,
            received: 0,
            is_cut: false,
            forges: None,
            mapped: None,
            to_client: Vec::new(),
            to_peers: Vec::new(),
            wakes: 0,
        };
        world.settle();
        world
    }

    /// One whose client has an allocation.
    pub fn allocated(config: AllocationConfig, server: TurnServerConfig) -> Self {
        let mut world = Self::new(config, server);
        assert!(world.client.is_allocated(), "{:?}", world.events);
        world.events.clear();
        world
    }

    /// One whose client has a channel to the peer.
    pub fn bound(config: AllocationConfig, server: TurnServerConfig) -> Self {
        let mut world = Self::allocated(config, server);
        world.client.bind_channel(peer(), world.now).unwrap();
        world.settle();
        assert!(world.client.channel(peer()).is_some());
        world.events.clear();
        world
    }

    /// Everything that happens before time passes.
    pub fn settle(&mut self) {
        for _ in 0..1000 {
            let mut is_moving = false;
            let mut forged = Vec::new();
            while let Some(transmit) = self.client.poll_transmit() {
                is_moving = true;
                self.sent += 1;
                let path = FiveTuple {
                    local: transmit.path.remote,
                    remote: self.mapped.unwrap_or(transmit.path.local),
                    ..transmit.path
                };
                forged.extend(self.forges.and_then(|code| forgery(transmit.payload, code)));
                if !self.is_cut {
                    self.server.handle_client(path, transmit.payload, self.now);
                }
            }
            for bytes in forged {
                let path = *self.client.path();
                assert!(!self.offer(&path, &bytes));
            }
            while let Some(output) = self.server.poll() {
                is_moving = true;
                self.deliver(output);
            }
            while let Some(event) = self.client.poll_event() {
                self.events.push((self.now, event));
            }
            if !is_moving {
                return;
            }
        }
        panic!("client and server talk without an end");
    }

    fn deliver(&mut self, output: Output) {
        match output {
            _ if self.is_cut => {}
            Output::ToPeer { from, to, payload, .. } => self.to_peers.push((from, to, payload)),
            Output::ToClient { path, payload } => {
                let local = self.client.path().local;
                if path.remote != self.mapped.unwrap_or(local) {
                    return; // to where the client no longer is
                }
                self.received += 1;
                self.offer(&FiveTuple { local, remote: path.local, ..path }, &payload);
            }
        }
    }

    /// Hands the client a datagram, and collects what was inside.
    pub fn offer(&mut self, path: &FiveTuple, payload: &[u8]) -> bool {
        match self.client.handle_input(&Datagram::new(*path, payload), self.now) {
            Outcome::Unwrapped(data) => {
                assert!(self.client.relayed_addresses().any(|relayed| relayed == data.path.local));
                self.to_client.push((data.path.remote, data.payload.to_vec()));
                true
            }
            Outcome::Consumed | Outcome::Unclaimed => false,
        }
    }

    /// Time passes, with both sides woken exactly when they want to be.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now.saturating_add(duration);
        self.settle();
        loop {
            let wake = self.client.poll_timeout();
            let next = [wake, self.server.poll_timeout()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.server.handle_timeout(self.now);
            if wake.is_some_and(|at| at <= self.now) {
                self.wakes += 1;
                self.client.handle_timeout(self.now);
                let is_late = self.client.poll_timeout().is_some_and(|at| at <= self.now);
                assert!(!is_late || self.client.wake_reason() == Some(WakeReason::Output), "it spins");
            }
            self.settle();
        }
        self.now = end;
    }

    /// What the server has recorded.
    pub fn record(&self) -> &Record {
        self.server.record()
    }

    /// The events, without their times, and forgets them.
    pub fn told(&mut self) -> Vec<AllocationEvent> {
        self.events.drain(..).map(|(_, event)| event).collect()
    }

    /// Sends to the peer, and says in how many bytes.
    pub fn say(&mut self, payload: &[u8]) -> usize {
        let mut buffer = [0; 2048];
        let transmit = self.client.send(peer(), payload, &mut buffer, self.now).unwrap();
        let path = FiveTuple {
            local: transmit.path.remote,
            remote: self.mapped.unwrap_or(transmit.path.local),
            ..transmit.path
        };
        let length = transmit.payload.len();
        if !self.is_cut {
            self.server.handle_client(path, &buffer[..length], self.now);
        }
        self.settle();
        length
    }

    /// The peer sends to the relayed address; says whether the client got it.
    pub fn hear(&mut self, from: SocketAddr, payload: &[u8]) -> bool {
        let relayed = self.client.relayed_address().unwrap();
        let before = self.to_client.len();
        self.server.handle_peer(relayed, from, payload, self.now);
        self.settle();
        self.to_client.get(before).is_some_and(|(peer, data)| *peer == from && data == payload)
    }

    /// Data goes both ways.
    pub fn assert_talks(&mut self) {
        let before = self.to_peers.len();
        self.say(b"out");
        let (from, to, payload) = &self.to_peers[before];
        assert_eq!((Some(*from), *to, &payload[..]), (self.client.relayed_address(), peer(), &b"out"[..]));
        assert!(self.hear(peer(), b"in"));
    }

    /// The client did nothing that no client may do.
    pub fn assert_lawful(&self) {
        assert_eq!(self.record().violations, [""; 0]);
    }
}

/// An error that nobody signed, to a request that was seen on its way.
fn forgery(request: &[u8], code: u16) -> Option<Vec<u8>> {
    let request = Message::parse(request).ok().filter(|request| request.class() == Class::Request)?;
    let mut buffer = [0; 64];
    let (method, id) = (request.method(), request.transaction_id());
    let mut builder = MessageBuilder::new(&mut buffer, Class::ErrorResponse, method, id).unwrap();
    builder.add(&ErrorCode { code, reason: b"" }).unwrap();
    Some(builder.finish().to_vec())
}
