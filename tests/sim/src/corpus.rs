//! The vectors of `tests/vectors`, read once, with what they must come to.

use std::net::SocketAddr;
use std::sync::OnceLock;

use serde_json::Value;

use crate::packet::Verdict;

/// A message that some server or some enemy has sent.
#[derive(Clone, Debug)]
pub struct Canned {
    /// Its name in the file.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether every server must keep silent about it.
    pub is_for_no_server: bool,
    /// What it says to a plain Binding request, once it carries its transaction id.
    pub verdict: Verdict,
}

/// Responses of coturn and pion/turn.
pub fn captured() -> &'static [Canned] {
    static CAPTURED: OnceLock<Vec<Canned>> = OnceLock::new();
    CAPTURED.get_or_init(|| {
        let file: Value =
            serde_json::from_str(include_str!("../../vectors/captured_servers.json")).unwrap_or_default();
        let servers = file["servers"].as_object().into_iter().flatten();
        servers
            .flat_map(|(server, exchanges)| {
                exchanges.as_array().into_iter().flatten().map(move |one| (server, one))
            })
            .filter_map(|(server, one)| captured_one(server, one))
            .collect()
    })
}

/// Messages that are wrong in some way.
pub fn malformed() -> &'static [Canned] {
    static MALFORMED: OnceLock<Vec<Canned>> = OnceLock::new();
    MALFORMED.get_or_init(|| {
        let file: Value =
            serde_json::from_str(include_str!("../../vectors/malformed.json")).unwrap_or_default();
        file["vectors"].as_array().into_iter().flatten().filter_map(malformed_one).collect()
    })
}

/// The same message under another transaction id, with a right FINGERPRINT if it had one at its end.
#[must_use]
pub fn with_id(bytes: &[u8], id: [u8; 12]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(slot) = bytes.get_mut(8..20) {
        slot.copy_from_slice(&id);
    }
    let end = bytes.len().saturating_sub(8);
    if end >= 20 && bytes[end..end + 4] == [0x80, 0x28, 0, 4] {
        let sum = crc32(&bytes[..end]) ^ 0x5354_554E; // RFC 8489 s14.7
        bytes[end + 4..].copy_from_slice(&sum.to_be_bytes());
    }
    bytes
}

/// The bytes where a transaction id stands; zeros if there are none.
#[must_use]
pub fn id_of(payload: &[u8]) -> [u8; 12] {
    payload.get(8..20).and_then(|id| id.try_into().ok()).unwrap_or_default()
}

fn captured_one(server: &str, one: &Value) -> Option<Canned> {
    let bytes = hex(one["response"].as_str()?)?;
    let mapped: Option<SocketAddr> = one["xor_mapped"].as_str().and_then(|text| text.parse().ok());
    let code = one["error"].as_u64().or_else(|| one["error"].as_str()?.parse().ok());
    let is_stun = bytes.get(4..8) == Some(&[0x21, 0x12, 0xA4, 0x42]);
    let verdict = match (one["response_type"].as_str(), mapped, code) {
        (Some("0x0101"), Some(address), _) if is_stun => Verdict::Success(address),
        (Some("0x0111"), _, Some(code)) => Verdict::Error(code as u16),
        _ => Verdict::Ignored,
    };
    Some(Canned {
        name: format!("{server}/{}", one["name"].as_str()?),
        bytes,
        is_for_no_server: true,
        verdict,
    })
}

fn malformed_one(one: &Value) -> Option<Canned> {
    let (name, bytes) = (one["name"].as_str()?.to_owned(), hex(one["hex"].as_str()?)?);
    let expected = one["expect"]["client_with_matching_transaction"].as_str().unwrap_or_default();
    let verdict = match expected {
        "accept" | "first occurrence wins" => Verdict::Anything,
        legacy if legacy.starts_with("accept MAPPED-ADDRESS only if") => {
            Verdict::Legacy(plain_address(&bytes)?)
        }
        _ => Verdict::NoSuccess,
    };
    let is_for_no_server = one["expect"]["stun_server"] == "silent";
    Some(Canned { name, bytes, is_for_no_server, verdict })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}

/// The IPv4 address of a message whose only attribute is MAPPED-ADDRESS.
fn plain_address(bytes: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(bytes.get(26..28)?.try_into().ok()?);
    let ip: [u8; 4] = bytes.get(28..32)?.try_into().ok()?;
    Some(SocketAddr::from((ip, port)))
}

/// ITU V.42, bit by bit: slow, short, and not the library's.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_are_there_and_fingerprints_can_be_made_anew() {
        assert_eq!(malformed().len(), 124);
        assert!(captured().len() > 40);
        for canned in captured() {
            assert_eq!(with_id(&canned.bytes, id_of(&canned.bytes)), canned.bytes, "{}", canned.name);
        }
        let useful = captured().iter().filter(|canned| matches!(canned.verdict, Verdict::Success(_)));
        assert!(useful.count() >= 8);
        assert!(captured().iter().any(|canned| canned.verdict == Verdict::Error(420)));
    }
}
