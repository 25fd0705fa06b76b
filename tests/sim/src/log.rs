//! Every packet with its virtual time, as text and as a capture file.

use std::fmt::Write as _;

use crate::packet::{Origin, Packet};
use crate::pcapng;
use crate::time::{Nanos, SECOND};

/// The packets of a world and what else happened, in order.
#[derive(Debug, Default)]
pub struct Log {
    entries: Vec<Entry>,
}

/// One line.
#[derive(Debug)]
pub struct Entry {
    /// When.
    pub at: Nanos,
    /// What.
    pub what: What,
}

/// What a line tells.
#[derive(Debug)]
pub enum What {
    /// A packet enters a network.
    Packet {
        /// Which.
        network: &'static str,
        /// The packet as it was then.
        packet: Packet,
        /// What became of it, if it is worth a word.
        remark: &'static str,
    },
    /// Something else.
    Note(String),
}

impl Log {
    /// Notes a packet.
    pub fn packet(&mut self, at: Nanos, network: &'static str, packet: &Packet, remark: &'static str) {
        let what = What::Packet { network, packet: packet.clone(), remark };
        self.entries.push(Entry { at, what });
    }

    /// Notes something else.
    pub fn note(&mut self, at: Nanos, text: String) {
        self.entries.push(Entry { at, what: What::Note(text) });
    }

    /// All lines.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The last lines as text.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let from = self.entries.len().saturating_sub(lines);
        self.entries[from..].iter().fold(String::new(), |mut text, entry| {
            let (seconds, nanos) = (entry.at / SECOND, entry.at % SECOND);
            let _ = match &entry.what {
                What::Note(note) => writeln!(text, "{seconds:6}.{nanos:09} -- {note}"),
                What::Packet { network, packet, remark } => {
                    writeln!(text, "{seconds:6}.{nanos:09} {network:8} {}", line(packet, remark))
                }
            };
            text
        })
    }

    /// All of it as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.tail(usize::MAX)
    }

    /// All packets as a capture file that Wireshark opens.
    #[must_use]
    pub fn pcapng(&self) -> Vec<u8> {
        pcapng::write(&self.entries)
    }
}

fn line(packet: &Packet, remark: &str) -> String {
    let Packet { source, destination, payload, .. } = packet;
    let damage = if packet.is_intact { "" } else { " (damaged)" };
    let truth = match packet.origin {
        Origin::Request { binding, serial } => format!("request {serial} of {binding}"),
        Origin::Reply { binding, serial, verdict, is_signed } => {
            let signed = if is_signed { ", signed" } else { "" };
            format!("reply to request {serial} of {binding}: {verdict:?}{signed}")
        }
        Origin::Noise => "noise".to_owned(),
    };
    let remark = if remark.is_empty() { String::new() } else { format!(" [{remark}]") };
    format!("{source} > {destination} {} bytes, {truth}{damage}{remark}", payload.len())
}
