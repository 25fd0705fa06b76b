//! Capture files (pcapng, draft-ietf-opsawg-pcapng), with link type RAW: IP packets without a link layer.
//!
//! ```text
//!   Section Header Block
//!   Interface Description Block, one for each network, in nanoseconds
//!   Enhanced Packet Block: interface, time, IPv4 or IPv6 header, UDP header, payload, and a comment
//! ```

use std::net::{IpAddr, SocketAddr};

use crate::log::{Entry, What};
use crate::packet::Packet;

/// The packets of a log as a file.
#[must_use]
pub fn write(entries: &[Entry]) -> Vec<u8> {
    let mut networks: Vec<&str> = Vec::new();
    let mut blocks = Vec::new();
    for entry in entries {
        let What::Packet { network, packet, remark } = &entry.what else { continue };
        let interface = networks.iter().position(|known| known == network).unwrap_or_else(|| {
            networks.push(network);
            networks.len() - 1
        });
        let Some(bytes) = ip_packet(packet) else { continue };
        block(&mut blocks, 6, |body| {
            body.extend((interface as u32).to_le_bytes());
            body.extend(((entry.at >> 32) as u32).to_le_bytes());
            body.extend((entry.at as u32).to_le_bytes());
            body.extend((bytes.len() as u32).to_le_bytes());
            body.extend((bytes.len() as u32).to_le_bytes());
            body.extend(&bytes);
            pad(body);
            if !remark.is_empty() {
                option(body, 1, remark.as_bytes());
                option(body, 0, &[]);
            }
        });
    }
    let mut file = Vec::new();
    block(&mut file, 0x0A0D_0D0A, |body| {
        body.extend(0x1A2B_3C4D_u32.to_le_bytes());
        body.extend(1u16.to_le_bytes());
        body.extend(0u16.to_le_bytes());
        body.extend(u64::MAX.to_le_bytes());
    });
    for network in networks {
        block(&mut file, 1, |body| {
            body.extend(LINK_TYPE_RAW.to_le_bytes());
            body.extend(0u16.to_le_bytes());
            body.extend(0u32.to_le_bytes());
            option(body, 2, network.as_bytes());
            option(body, 9, &[9]); // if_tsresol: 10^-9 s
            option(body, 0, &[]);
        });
    }
    file.extend(blocks);
    file
}

/// A packet with IP and UDP headers and right checksums. `None` if it would be too long for IP.
#[must_use]
pub fn ip_packet(packet: &Packet) -> Option<Vec<u8>> {
    let length = u16::try_from(packet.payload.len() + 8).ok().filter(|length| *length < 65_500)?;
    let mut udp = Vec::new();
    udp.extend(packet.source.port().to_be_bytes());
    udp.extend(packet.destination.port().to_be_bytes());
    udp.extend(length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(&packet.payload);
    let mut covered = pseudo_header(&packet.source, &packet.destination, length);
    covered.extend(&udp);
    let sum = match checksum(&covered) {
        0 => 0xFFFF, // RFC 768: zero means none
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    let mut bytes = ip_header(&packet.source, &packet.destination, length)?;
    bytes.extend(udp);
    Some(bytes)
}

/// The Internet checksum (RFC 1071).
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |byte| u32::from(*byte)));
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

fn ip_header(source: &SocketAddr, destination: &SocketAddr, length: u16) -> Option<Vec<u8>> {
    let mut header = Vec::new();
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            header.extend([0x45, 0]);
            header.extend((length + 20).to_be_bytes());
            header.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
            header.extend(source.octets());
            header.extend(destination.octets());
            let sum = checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            header.extend([0x60, 0, 0, 0]);
            header.extend(length.to_be_bytes());
            header.extend([UDP, 64]);
            header.extend(source.octets());
            header.extend(destination.octets());
        }
        _ => return None,
    }
    Some(header)
}

/// RFC 768 and RFC 8200 s8.1; the sum of the latter's wider fields is the same.
fn pseudo_header(source: &SocketAddr, destination: &SocketAddr, length: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for address in [source, destination] {
        match address.ip() {
            IpAddr::V4(ip) => bytes.extend(ip.octets()),
            IpAddr::V6(ip) => bytes.extend(ip.octets()),
        }
    }
    bytes.extend([0, UDP]);
    bytes.extend(length.to_be_bytes());
    bytes
}

fn block(file: &mut Vec<u8>, ty: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    fill(&mut body);
    let length = body.len() as u32 + 12;
    file.extend(ty.to_le_bytes());
    file.extend(length.to_le_bytes());
    file.extend(body);
    file.extend(length.to_le_bytes());
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

const LINK_TYPE_RAW: u16 = 101;
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Origin;

    #[test]
    fn checksums_verify_and_blocks_close_with_their_length() {
        for (source, destination) in
            [("10.0.0.1:5000", "192.0.2.1:3478"), ("[2001:db8::1]:5000", "[2001:db8::2]:3478")]
        {
            let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
            let packet = Packet::new(source, destination, vec![1, 2, 3], Origin::Noise);
            let bytes = ip_packet(&packet).unwrap();
            let header = if source.is_ipv4() { 20 } else { 40 };
            if source.is_ipv4() {
                assert_eq!(checksum(&bytes[..header]), 0);
            }
            let mut covered = pseudo_header(&source, &destination, 11);
            covered.extend(&bytes[header..]);
            assert_eq!(checksum(&covered), 0);
        }
    }
}
