//! Peers that answer, and packets that are counted.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::turn_host::Host;

/// A socket somewhere that answers each datagram with its bytes inverted, and counts.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Tally>,
}

/// Packets, and the SHA-256 of their payloads one after the other.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: u32,
    pub(crate) bytes: u64,
    hash: Sha256,
    /// From where.
    pub(crate) sources: BTreeSet<SocketAddr>,
}

impl Peer {
    pub(crate) fn new(ip: &str) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let address = socket.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let (mut tally, mut buffer) = (Tally::default(), [0; 2048]);
            while !ends.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                tally.note(&buffer[..length]);
                tally.sources.insert(from);
                invert(&mut buffer[..length]);
                socket.send_to(&buffer[..length], from).unwrap();
            }
            tally
        });
        Self { address, is_over, thread }
    }

    /// What it has received.
    pub(crate) fn end(self) -> Tally {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

impl Tally {
    pub(crate) fn note(&mut self, payload: &[u8]) {
        self.count += 1;
        self.bytes += payload.len() as u64;
        self.hash.update(payload);
    }

    pub(crate) fn digest(&self) -> Vec<u8> {
        self.hash.clone().finalize().to_vec()
    }
}

/// Sends numbered packets of 4 to 1200 bytes, a window at a time so that no buffer of the system or of coturn (32 kB
/// towards a stream) overflows, and takes their echoes. Each must come, in order, from the peer to the relayed address. Gives what was sent and what came,
/// echoes turned back.
pub(crate) fn exchange(host: &mut Host, peer: SocketAddr, numbers: Range<u32>) -> (Tally, Tally) {
    const WINDOW: usize = 16;
    let (mut sent, mut received) = (Tally::default(), Tally::default());
    let all: Vec<u32> = numbers.collect();
    for window in all.chunks(WINDOW) {
        for number in window {
            let payload = payload(*number);
            sent.note(&payload);
            host.send(peer, &payload);
        }
        for number in window {
            let limit = host.in_seconds(5);
            let Some(mut data) = host.data(limit) else { panic!("packet {number} is lost: {:?}", host.seen) };
            let mut relayed = host.agent.allocation(host.relay).unwrap().relayed_addresses();
            assert!(relayed.any(|address| address == data.relayed), "{data:?}");
            assert_eq!(data.peer, peer);
            invert(&mut data.payload);
            assert_eq!(&data.payload[..4], number.to_be_bytes(), "in order");
            received.note(&data.payload);
            received.sources.insert(data.peer);
        }
    }
    (sent, received)
}

/// Every length from 4 to 1200 comes, and each leaves every rest when divided by four.
pub(crate) fn payload(number: u32) -> Vec<u8> {
    let length = 4 + (number as usize * 7) % 1197;
    let mut payload: Vec<u8> = (0..length).map(|place| (number as usize * 31 + place * 7) as u8).collect();
    payload[..4].copy_from_slice(&number.to_be_bytes());
    payload
}

pub(crate) fn invert(payload: &mut [u8]) {
    payload.iter_mut().for_each(|byte| *byte = !*byte);
}
