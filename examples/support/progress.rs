//! One line that says how a relay is doing: rewritten in place on a terminal, and else printed once a second.

#![allow(unreachable_pub)] // a module of a program: its `pub` says what the program may use

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::time::Duration;

use crate::support;

/// What there is to show.
pub struct Progress {
    /// The relayed address, while there is one.
    pub relayed: Option<SocketAddr>,
    /// The last round trip to the server.
    pub rtt: Option<Duration>,
    pub packets_in: u64,
    bytes_in: u64,
    packets_out: u64,
    bytes_out: u64,
    drops: u64,
    is_terminal: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self {
            relayed: None,
            rtt: None,
            packets_in: 0,
            bytes_in: 0,
            packets_out: 0,
            bytes_out: 0,
            drops: 0,
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// A packet from the peer.
    pub fn note_in(&mut self, length: usize) {
        self.packets_in = self.packets_in.saturating_add(1);
        self.bytes_in = self.bytes_in.saturating_add(length as u64);
    }

    /// A packet to the peer.
    pub fn note_out(&mut self, length: usize) {
        self.packets_out = self.packets_out.saturating_add(1);
        self.bytes_out = self.bytes_out.saturating_add(length as u64);
    }

    /// A packet that went nowhere.
    pub fn note_drop(&mut self) {
        self.drops = self.drops.saturating_add(1);
    }

    /// Brings the line up to date.
    pub fn show(&self) {
        let line = self.line();
        if self.is_terminal {
            eprint!("{CLEAR}{line}");
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    /// Says something above the line.
    pub fn say(&self, what: impl Display) {
        eprintln!("{}{what}", if self.is_terminal { CLEAR } else { "" });
    }

    /// Shows the line for the last time.
    pub fn end(&self) {
        self.say(self.line());
    }

    fn line(&self) -> String {
        let relayed = self.relayed.map_or_else(|| "no relay".to_owned(), |relayed| relayed.to_string());
        format!(
            "{relayed}  out {} packets, {}  in {} packets, {}  rtt {}  dropped {}",
            self.packets_out,
            size(self.bytes_out),
            self.packets_in,
            size(self.bytes_in),
            support::millis(self.rtt),
            self.drops
        )
    }
}

/// Bytes as `12.3 MB`.
fn size(bytes: u64) -> String {
    let scaled = |unit: f64| bytes as f64 / unit;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", scaled(1e3)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", scaled(1e6)),
        _ => format!("{:.1} GB", scaled(1e9)),
    }
}

/// To the beginning of the line, and empties it.
const CLEAR: &str = "\r\x1b[2K";
