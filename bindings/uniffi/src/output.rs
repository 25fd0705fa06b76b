//! Everything that came of a call, in one flat buffer. All numbers are little-endian; codes are those of `include/stun.h`.
//!
//! ```text
//!  0  u64  deadline: call tick() then at the latest; 2^64 - 1 is never
//!  8  u8   outcome: 0 ignored, 1 consumed, 2 data of a peer
//!  9  u8   wake reason: why the deadline is wanted (stun_wake_code)
//! 10  u16  0
//! 12  u32  how many datagrams to send follow
//! 16  u32  how many events follow them
//! 20  u32  how many data of peers come first: with outcome 2 one, or more out of a connection
//! 24       the data of peers, one packet each: its remote is the peer, its local the relayed address
//!          the datagrams to send, one packet each
//!          the events
//!
//! packet                                   event
//!  0  24   local address                    0  u32  length of all that follows this number
//! 24  24   remote address                   4  u16  kind (stun_event_code)
//! 48  u8   transport                        6  u8   1 if it is the operation's last
//! 49  u8   ECN bits                         7  u8   0
//! 50  u16  0                                8  u64  id of the operation
//! 52  u32  number of the host's socket     16  u32  reason, code, count, index, detail, relay
//! 56  u32  length                          40  u64  round trip, at, lifetime: nanoseconds
//! 60       so many bytes                   64  24   addr, previous, server, relayed, additional, peer
//!                                         208   8   token
//! address: the bytes of a stun_addr       216  u32  length of the text, of the name, of the rest
//!                                         228       the text for people, the name, the rest
//! ```
//!
//! The fields of an event mean what `stun_event` says of its kind. With `STUN_EV_NAT_REPORT` the text is the report as
//! text, the name the report as JSON, and the rest the report in numbers:
//!
//! ```text
//!  0  u32  requests, responses
//!  8  u32  whether the mapping depends on the destination: 0, 1, or 2 where that is not known
//! 12  u32  how many findings follow
//! 16  24   local address, the server's other address
//! 64  u64  lifetime: at least, below (2^64 - 1 is no bound)
//! 80       findings: u32 value, confidence, reason, detail, in the order of stun_nat_property
//!          u32 length of a name, and the name: what RFC 3489 s5 would have called the NAT; empty if it has no word
//! ```

use core::net::SocketAddr;

use libstun::nat::{ProbeEvent, Property, Report};
use libstun::{Agent, AgentEvent, Datagram, Event, FiveTuple, Machine, Outcome};
use libstun_flat::codes::{transport_code, wake_code};
use libstun_flat::{FlatEvent, FlatFinding, NEVER, flatten, flatten_report, name_of, write_text};

use crate::address::Endpoint;

/// A buffer that is being written.
pub(crate) struct Output(Vec<u8>);

impl Output {
    /// One that begins with what became of the input. What is lent is copied before the agent is asked for more.
    pub(crate) fn of(outcome: &Outcome<'_>) -> Self {
        let mut output = Self(Vec::with_capacity(HEADER + 2 * TYPICAL_PACKET));
        output.0.resize(HEADER, 0);
        match outcome {
            Outcome::Unclaimed => {}
            Outcome::Consumed => output.put_at(OUTCOME, &[1]),
            Outcome::Unwrapped(inner) => output.peer_data(inner, 1),
        }
        output
    }

    /// Data of a peer, the `count`th, before anything else is written.
    pub(crate) fn peer_data(&mut self, inner: &Datagram<'_>, count: u32) {
        self.put_at(OUTCOME, &[2]);
        self.put_at(PEER_DATA, &count.to_le_bytes());
        self.packet(&inner.path, inner.ecn, inner.socket_id, inner.payload);
    }

    /// All that the agent has for its host, and its deadline. What would make the buffer too long for a phone stays
    /// queued, and the deadline is now.
    pub(crate) fn drain(mut self, agent: &mut Agent) -> Vec<u8> {
        let (mut packets, mut events) = (0_u32, 0_u32);
        while self.0.len() < ENOUGH {
            let Some(transmit) = agent.poll_transmit() else { break };
            self.packet(&transmit.path, transmit.ecn, transmit.socket_id, transmit.payload);
            packets = packets.saturating_add(1);
        }
        while self.0.len() < ENOUGH {
            let Some(happened) = agent.poll_event() else { break };
            self.event(&happened);
            events = events.saturating_add(1);
        }
        let deadline = agent.poll_timeout().map_or(NEVER, |at| at.as_nanos());
        self.put_at(0, &deadline.to_le_bytes());
        self.put_at(WAKE_REASON, &[wake_code(agent.wake_reason()) as u8]);
        self.put_at(PACKETS, &packets.to_le_bytes());
        self.put_at(EVENTS, &events.to_le_bytes());
        self.0
    }

    /// One packet and nothing else.
    pub(crate) fn only_packet(path: &FiveTuple, ecn: u8, socket_id: u32, payload: &[u8]) -> Vec<u8> {
        let mut output = Self(Vec::with_capacity(PACKET_HEADER.saturating_add(payload.len())));
        output.packet(path, ecn, socket_id, payload);
        output.0
    }

    /// One event and nothing else.
    #[cfg(feature = "five-calls")]
    pub(crate) fn only_event(happened: &AgentEvent) -> Vec<u8> {
        let mut output = Self(Vec::new());
        output.event(happened);
        output.0
    }

    fn packet(&mut self, path: &FiveTuple, ecn: u8, socket_id: u32, payload: &[u8]) {
        let is_any = path.local.ip().is_unspecified() && path.local.port() == 0;
        self.address((!is_any).then_some(path.local));
        self.address(Some(path.remote));
        self.put(&[transport_code(path.transport) as u8, ecn, 0, 0]);
        self.number(socket_id);
        self.bytes(payload);
    }

    fn event(&mut self, happened: &AgentEvent) {
        let start = self.0.len();
        self.number(0); // its length, which is known when it is written
        let flat = flatten(happened);
        self.fields(&flat);
        let (text, name, rest) = strings(happened);
        for part in [text.as_bytes(), name.as_bytes(), &rest] {
            self.number(length(part));
        }
        for part in [text.as_bytes(), name.as_bytes(), &rest] {
            self.put(part);
        }
        let written = self.0.len().saturating_sub(start).saturating_sub(size_of::<u32>());
        self.put_at(start, &u32::try_from(written).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn fields(&mut self, flat: &FlatEvent) {
        let kind = u16::try_from(flat.kind).unwrap_or(0).to_le_bytes();
        self.put(&kind);
        self.put(&[u8::from(flat.is_last), 0]);
        self.wide(flat.id);
        for number in [flat.reason, flat.code, flat.count, flat.index, flat.detail, flat.relay] {
            self.number(number);
        }
        for time in [flat.rtt, flat.at, flat.lifetime] {
            self.wide(time);
        }
        for address in [flat.addr, flat.previous, flat.server, flat.relayed, flat.additional, flat.peer] {
            self.address(address);
        }
        self.put(&flat.token);
    }

    fn address(&mut self, address: Option<SocketAddr>) {
        let words = address.map_or(Endpoint::NONE, Endpoint::from);
        self.wide(words.tag);
        self.wide(words.low);
        self.wide(words.high);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(length(bytes));
        self.put(bytes);
    }

    fn number(&mut self, number: u32) {
        self.put(&number.to_le_bytes());
    }

    fn wide(&mut self, number: u64) {
        self.put(&number.to_le_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes over bytes that are there.
    fn put_at(&mut self, at: usize, bytes: &[u8]) {
        let place = self.0.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
        if let Some(place) = place {
            place.copy_from_slice(bytes);
        }
    }
}

/// The text of an event, its name, and what is too long for fields.
fn strings(happened: &AgentEvent) -> (String, String, Vec<u8>) {
    match &happened.event {
        Event::NatProbe(ProbeEvent::Finished(report)) => {
            (report.to_string(), report.to_json().to_string(), report_in_numbers(report))
        }
        event => {
            let mut text = String::new();
            // A String takes all that is written to it.
            let _ = write_text(&mut text, event);
            (text, name_of(happened).to_owned(), Vec::new())
        }
    }
}

fn report_in_numbers(report: &Report) -> Vec<u8> {
    let flat = flatten_report(report);
    let findings = flat.findings.iter().take(Property::ALL.len());
    let mut output = Output(Vec::new());
    output.number(flat.requests);
    output.number(flat.responses);
    output.number(flat.depends_on_destination);
    output.number(u32::try_from(findings.len()).unwrap_or(u32::MAX));
    output.address(Some(flat.local));
    output.address(flat.other);
    output.wide(flat.lifetime_at_least);
    output.wide(flat.lifetime_below);
    for &FlatFinding { value, confidence, reason, detail } in findings {
        for number in [value, confidence, reason, detail] {
            output.number(number);
        }
    }
    output.bytes(report.rfc3489_name().unwrap_or_default().as_bytes());
    output.0
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

const OUTCOME: usize = 8;
const WAKE_REASON: usize = 9;
const PACKETS: usize = 12;
const EVENTS: usize = 16;
const PEER_DATA: usize = 20;
const HEADER: usize = 24;
const PACKET_HEADER: usize = 60;
/// A keepalive with its addresses, so that most buffers are made once.
const TYPICAL_PACKET: usize = 192;
/// Nothing more is begun in a buffer that is this long.
const ENOUGH: usize = 1 << 18;

#[cfg(test)]
mod tests;
