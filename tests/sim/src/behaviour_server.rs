//! A server of NAT behaviour discovery (RFC 5780) that is not ours, and the ways in which such servers go wrong. It
//! reads and writes its messages byte by byte: the library has no part in it.

use std::net::{IpAddr, SocketAddr};

use crate::packet::{Origin, Packet};

/// How a server treats what RFC 5780 adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As the RFC says.
    Full,
    /// It has another address and says so, but answers from the one that was asked, whatever CHANGE-REQUEST says.
    IgnoresChange,
    /// It has another address and says so, but never answers what carries CHANGE-REQUEST.
    DropsChange,
    /// It answers 420 to CHANGE-REQUEST, although it has said that it has another address.
    RefusesChange,
    /// As the RFC says, without RESPONSE-PORT, which is optional: 420.
    NoResponsePort,
    /// It knows RESPONSE-PORT, and answers to the port that asked.
    IgnoresResponsePort,
    /// It says that it has another address, where nobody answers.
    DeadAlternate,
    /// An ordinary server: 420 to everything of RFC 5780, and no other address.
    Plain,
    /// A server that gives XOR-MAPPED-ADDRESS only, and no other address.
    Bare,
    /// It answers nothing.
    Silent,
}

/// A server at two addresses with two ports each.
#[derive(Clone, Copy, Debug)]
pub struct BehaviourServer {
    /// How it goes wrong.
    pub manner: Manner,
    /// The address that it is known by.
    pub primary: SocketAddr,
    /// The other one: another IP, another port.
    pub other: SocketAddr,
}

impl BehaviourServer {
    /// The answer to a packet, if there is one.
    #[must_use]
    pub fn answer(&self, asked: &Packet) -> Option<Packet> {
        let is_alternate = asked.destination.ip() == self.other.ip();
        if self.manner == Manner::Silent || (self.manner == Manner::DeadAlternate && is_alternate) {
            return None;
        }
        let request = Request::read(&asked.payload)?;
        let here = asked.destination;
        let reply = |from, to, payload| Some(Packet::new(from, to, payload, Origin::Noise));
        let refused = self.refused(&request);
        if let Some(attribute) = refused {
            return reply(here, asked.source, unknown_attribute(request.id, attribute));
        }
        if request.change.is_some() && self.manner == Manner::DropsChange {
            return None;
        }
        if request.padding.is_some() && request.response_port.is_some() {
            return reply(here, asked.source, message(0x0111, request.id, &[error(400)]));
        }
        let (ip, port) = match (self.manner, request.change) {
            (Manner::IgnoresChange, _) | (_, None) => (false, false),
            (_, Some(flags)) => (flags & 4 != 0, flags & 2 != 0),
        };
        let other = self.opposite(here);
        let from = SocketAddr::new(
            if ip { other.ip() } else { here.ip() },
            if port { other.port() } else { here.port() },
        );
        let mut to = asked.source;
        if let (Some(port), true) = (request.response_port, self.manner != Manner::IgnoresResponsePort) {
            to.set_port(port);
        }
        reply(from, to, self.success(&request, asked.source, from, other))
    }

    fn refused(&self, request: &Request) -> Option<u16> {
        let ordinary = matches!(self.manner, Manner::Plain | Manner::Bare);
        let port = ordinary || self.manner == Manner::NoResponsePort;
        let change = ordinary || self.manner == Manner::RefusesChange;
        match request {
            Request { change: Some(_), .. } if change => Some(CHANGE_REQUEST),
            Request { response_port: Some(_), .. } if port => Some(RESPONSE_PORT),
            Request { padding: Some(_), .. } if ordinary => Some(PADDING),
            _ => None,
        }
    }

    fn opposite(&self, here: SocketAddr) -> SocketAddr {
        let swap = |is_primary: bool| if is_primary { self.other } else { self.primary };
        SocketAddr::new(
            swap(here.ip() == self.primary.ip()).ip(),
            swap(here.port() == self.primary.port()).port(),
        )
    }

    fn success(&self, request: &Request, seen: SocketAddr, from: SocketAddr, other: SocketAddr) -> Vec<u8> {
        let mut attributes = vec![(XOR_MAPPED_ADDRESS, xored(seen, request.id))];
        if self.manner != Manner::Bare {
            attributes.push((MAPPED_ADDRESS, address(seen)));
        }
        if !matches!(self.manner, Manner::Plain | Manner::Bare) {
            attributes.push((RESPONSE_ORIGIN, address(from)));
            attributes.push((OTHER_ADDRESS, address(other)));
        }
        if request.padding.is_some() {
            attributes.push((PADDING, vec![0; 1500]));
        }
        message(0x0101, request.id, &attributes)
    }
}

struct Request {
    id: [u8; 12],
    change: Option<u32>,
    response_port: Option<u16>,
    padding: Option<usize>,
}

impl Request {
    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < 20 || bytes[..2] != [0, 1] || bytes[4..8] != COOKIE {
            return None;
        }
        let id = bytes[8..20].try_into().ok()?;
        let mut request = Self { id, change: None, response_port: None, padding: None };
        let mut at = 20;
        while at + 4 <= bytes.len() {
            let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            let (ty, length) = (word(at), usize::from(word(at + 2)));
            let value = &bytes[at + 4..at + 4 + length];
            match ty {
                CHANGE_REQUEST => request.change = Some(u32::from_be_bytes(value.try_into().ok()?)),
                RESPONSE_PORT => request.response_port = Some(u16::from_be_bytes([value[0], value[1]])),
                PADDING => request.padding = Some(length),
                _ => {}
            }
            at += 4 + length.next_multiple_of(4);
        }
        Some(request)
    }
}

fn unknown_attribute(id: [u8; 12], ty: u16) -> Vec<u8> {
    let [high, low] = ty.to_be_bytes();
    message(0x0111, id, &[error(420), (0x000A, vec![high, low])])
}

fn error(code: u16) -> (u16, Vec<u8>) {
    (0x0009, vec![0, 0, (code / 100) as u8, (code % 100) as u8])
}

fn message(ty: u16, id: [u8; 12], attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (ty, value) in attributes {
        body.extend(ty.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut bytes = ty.to_be_bytes().to_vec();
    bytes.extend((body.len() as u16).to_be_bytes());
    bytes.extend(COOKIE);
    bytes.extend(id);
    bytes.extend(body);
    bytes
}

fn address(seen: SocketAddr) -> Vec<u8> {
    let mut value = vec![0, if seen.is_ipv4() { 1 } else { 2 }];
    value.extend(seen.port().to_be_bytes());
    match seen.ip() {
        IpAddr::V4(ip) => value.extend(ip.octets()),
        IpAddr::V6(ip) => value.extend(ip.octets()),
    }
    value
}

fn xored(seen: SocketAddr, id: [u8; 12]) -> Vec<u8> {
    let mut value = address(seen);
    let mask = COOKIE[..2].iter().chain(&COOKIE).chain(&id);
    value.iter_mut().skip(2).zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    value
}

const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const MAPPED_ADDRESS: u16 = 0x0001;
const CHANGE_REQUEST: u16 = 0x0003;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PADDING: u16 = 0x0026;
const RESPONSE_PORT: u16 = 0x0027;
const RESPONSE_ORIGIN: u16 = 0x802B;
const OTHER_ADDRESS: u16 = 0x802C;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5780 s6.1, table 1.
    #[test]
    fn a_full_server_answers_from_where_the_table_says() {
        let (primary, other) = ("192.0.2.1:3478".parse().unwrap(), "192.0.2.2:3479".parse().unwrap());
        let server = BehaviourServer { manner: Manner::Full, primary, other };
        let client = "203.0.113.1:4242".parse().unwrap();
        for (asked, flags, from) in [
            ("192.0.2.1:3478", 0, "192.0.2.1:3478"),
            ("192.0.2.1:3478", 4, "192.0.2.2:3478"),
            ("192.0.2.1:3478", 2, "192.0.2.1:3479"),
            ("192.0.2.1:3478", 6, "192.0.2.2:3479"),
            ("192.0.2.2:3478", 6, "192.0.2.1:3479"),
            ("192.0.2.2:3479", 4, "192.0.2.1:3479"),
        ] {
            let change = (CHANGE_REQUEST, u32::to_be_bytes(flags).to_vec());
            let payload = message(0x0001, [7; 12], &[change]);
            let packet = Packet::new(client, asked.parse().unwrap(), payload, Origin::Noise);
            assert_eq!(server.answer(&packet).unwrap().source, from.parse().unwrap(), "{asked} {flags}");
        }
    }
}
