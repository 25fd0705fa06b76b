//! One keyed hash for every table of addresses.

use core::net::{IpAddr, SocketAddr};

/// Hashes addresses by a secret of their owner's: a server may redirect a crowd of bindings to addresses of its
/// choosing, which must not collide. Equal seeds give equal secrets, and no order depends on them (C8).
#[derive(Clone)]
pub(crate) struct AddressHasher([u64; 2]);

impl AddressHasher {
    /// A hasher with 16 random bytes for its secret.
    pub(crate) fn new(secret: [u8; 16]) -> Self {
        let [h0, h1, h2, h3, h4, h5, h6, h7, l0, l1, l2, l3, l4, l5, l6, l7] = secret;
        Self([[h0, h1, h2, h3, h4, h5, h6, h7], [l0, l1, l2, l3, l4, l5, l6, l7]].map(u64::from_ne_bytes))
    }

    /// Both halves of a 128-bit product of the halves of the address, each hidden by a half of the secret.
    pub(crate) fn hash(&self, address: &SocketAddr) -> u64 {
        self.hash_parts(address.ip(), address.port())
    }

    /// The same for an IP without a port.
    pub(crate) fn hash_ip(&self, ip: IpAddr) -> u64 {
        self.hash_parts(ip, 0)
    }

    fn hash_parts(&self, ip: IpAddr, port: u16) -> u64 {
        let bits = match ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let Self([high, low]) = self;
        let (left, right) = ((bits >> 64) as u64 ^ high, bits as u64 ^ low);
        let left = left ^ u64::from(port).rotate_left(48);
        let product = u128::from(left).wrapping_mul(u128::from(right));
        (product as u64) ^ ((product >> 64) as u64)
    }
}

impl core::fmt::Debug for AddressHasher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("AddressHasher(..)")
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use super::*;
    use crate::entropy::Entropy;

    #[test]
    fn addresses_that_collide_for_one_agent_do_not_for_another() {
        let hashers = [1, 2].map(|seed| AddressHasher::new(Entropy::from_seed([seed; 32]).bytes()));
        // Where the left half is the secret's, the product is zero whatever the right half is.
        let AddressHasher([high, _]) = hashers[0];
        let crowd = (0..1000u64).map(|low| {
            SocketAddr::new(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into(), 0)
        });
        let distinct = hashers.map(|hasher| {
            let mut all: alloc::vec::Vec<u64> = crowd.clone().map(|address| hasher.hash(&address)).collect();
            all.sort_unstable();
            all.dedup();
            all.len()
        });
        assert_eq!(distinct, [1, 1000]);
        for text in ["[::1:0:0:0:1]:1", "[0:0:0:1::]:1", "10.0.0.1:1", "10.0.0.1:2"] {
            let address: SocketAddr = text.parse().unwrap();
            let [one, other] =
                [1, 2].map(|seed| AddressHasher::new(Entropy::from_seed([seed; 32]).bytes()).hash(&address));
            assert_ne!(one, other, "{text}");
        }
    }
}
