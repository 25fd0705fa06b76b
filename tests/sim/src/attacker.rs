//! Attackers: one off the path, who sees nothing and guesses, and one on it, who sees all and cannot sign.

use std::net::SocketAddr;

use crate::corpus;
use crate::packet::{Origin, Packet, Verdict};
use crate::random::Random;
use crate::server;
use crate::world::REALM;

/// Somebody off the path: he knows the server and has guessed the external address, but no transaction id.
#[must_use]
pub fn guess(random: &mut Random, server: SocketAddr, victim: SocketAddr) -> Packet {
    let id = random.bytes();
    let payload = match random.below(6) {
        0 => server::error(id, 400),
        1 => server::error(id, 300),
        2 => random.bytes::<48>().to_vec(),
        3 => {
            let list = corpus::malformed();
            list[random.below(list.len() as u64) as usize].bytes.clone()
        }
        _ => server::success(id, coveted()),
    };
    Packet::new(server, victim, payload, Origin::Noise)
}

/// Somebody on the core, past whom every packet goes.
#[derive(Debug)]
pub struct OnPath {
    random: Random,
    seen: Vec<Packet>,
}

impl OnPath {
    const MEMORY: usize = 8;

    /// An attacker who has seen nothing yet.
    #[must_use]
    pub const fn new(random: Random) -> Self {
        Self { random, seen: Vec::new() }
    }

    /// Looks at a packet, perhaps damages it, and perhaps sends some of his own.
    pub fn observe(&mut self, packet: &mut Packet) -> Vec<Packet> {
        let mut sent = Vec::new();
        if self.random.chance(200) {
            sent.extend(self.forge(packet));
        }
        if self.random.chance(100) {
            sent.push(packet.clone());
        }
        if self.random.chance(100) && !self.seen.is_empty() {
            let which = self.random.below(self.seen.len() as u64) as usize;
            sent.push(self.seen[which].clone());
        }
        if self.seen.len() == Self::MEMORY {
            self.seen.remove(0);
        }
        self.seen.push(packet.clone());
        if self.random.chance(100) && !packet.payload.is_empty() {
            let at = self.random.below(packet.payload.len() as u64) as usize;
            packet.payload[at] ^= 1 << self.random.below(8);
            packet.is_intact = false;
        }
        sent
    }

    /// An answer to a request that races the true one.
    fn forge(&mut self, packet: &Packet) -> Option<Packet> {
        let Origin::Request { binding, serial } = packet.origin else { return None };
        let id = corpus::id_of(&packet.payload);
        let payload = match self.random.below(6) {
            5 => {
                let (nonce, is_strong) = (self.random.bytes::<8>(), self.random.chance(500));
                server::challenge(
                    id,
                    self.random.pick(&[401, 438]),
                    self.random.pick(&[REALM, b"elsewhere"]),
                    &nonce,
                    is_strong,
                )
            }
            0 => server::error(id, self.random.pick(&[300, 400, 401, 420, 438, 500])),
            1 => {
                let list = corpus::malformed();
                corpus::with_id(&list[self.random.below(list.len() as u64) as usize].bytes, id)
            }
            _ => server::success(id, coveted()),
        };
        let origin = Origin::Reply { binding, serial, verdict: Verdict::Anything, is_signed: false };
        Some(Packet::new(packet.destination, packet.source, payload, origin))
    }
}

/// The address that an attacker wants a binding to believe in. Nobody in any topology has it.
#[must_use]
pub fn coveted() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 66], 6666))
}
