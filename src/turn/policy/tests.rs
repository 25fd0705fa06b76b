//! Who is a peer, in every notation.

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// One IPv4 address in each notation that IPv6 has for it. Case 70.
fn notations(v4: Ipv4Addr) -> [IpAddr; 11] {
    let [bits, inner] = [u128::from(v4.to_bits()), u128::from(!v4.to_bits())];
    let global = 0x2400_0001_u128 << 96;
    [
        0xFFFF << 32 | bits,
        bits,
        IPV4_TRANSLATED | bits,
        NAT64_WELL_KNOWN | bits,
        NAT64_LOCAL | bits,
        NAT64_LOCAL | (bits >> 16) << 64 | (bits & 0xFFFF) << 40,
        SIX_TO_FOUR | bits << 80,
        TEREDO | bits << 64 | u128::from(!0x0808_0808_u32),
        TEREDO | 0x0808_0808 << 64 | inner & 0xFFFF_FFFF,
        global | 0x5EFE << 32 | bits,
        global | 0x0200_5EFE << 32 | bits,
    ]
    .map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
}

#[test]
fn every_notation_of_an_address_has_the_same_verdict() {
    let policy = PeerPolicy::default();
    for (text, verdict) in [
        ("127.0.0.1", Err(PeerRefusal::Loopback)),
        ("127.255.3.4", Err(PeerRefusal::Loopback)),
        ("0.1.2.3", Err(PeerRefusal::Unspecified)),
        ("224.0.0.1", Err(PeerRefusal::Multicast)),
        ("239.255.255.255", Err(PeerRefusal::Multicast)),
        ("255.255.255.255", Err(PeerRefusal::Broadcast)),
        ("169.254.169.254", Err(PeerRefusal::LinkLocal)),
        ("10.0.0.1", Ok(())),
        ("8.8.8.8", Ok(())),
    ] {
        let v4: Ipv4Addr = text.parse().unwrap();
        assert_eq!(policy.check_ip(v4.into()).map(drop), verdict, "{text}");
        for notation in notations(v4) {
            assert_eq!(policy.check_ip(notation).map(drop), verdict, "{text} as {notation}");
        }
    }
}

#[test]
fn a_rule_about_ipv4_holds_in_every_notation() {
    let mut policy = PeerPolicy::default();
    policy.deny(IpRange::prefix(ip("10.0.0.0"), 8).unwrap());
    policy.allow(IpRange::ALL_V6); // opens no back door to what is denied as IPv4
    for notation in notations(Ipv4Addr::new(10, 1, 2, 3)) {
        assert_eq!(policy.check_ip(notation), Err(PeerRefusal::Denied), "{notation}");
    }
    assert_eq!(policy.check_ip(ip("64:ff9b::7f00:1")), Err(PeerRefusal::Loopback));
}

#[test]
fn addresses_of_ipv6_itself() {
    let policy = PeerPolicy::default();
    for (text, verdict) in [
        ("::", Err(PeerRefusal::Unspecified)),
        ("::1", Err(PeerRefusal::Loopback)),
        ("ff02::1", Err(PeerRefusal::Multicast)),
        ("fe80::1", Err(PeerRefusal::LinkLocal)),
        ("febf::1", Err(PeerRefusal::LinkLocal)),
        ("fec0::1", Ok(())),
        ("fd00::1", Ok(())),
        ("2001:db8::1", Ok(())),
    ] {
        assert_eq!(policy.check_ip(ip(text)).map(drop), verdict, "{text}");
    }
}

#[test]
fn the_rule_added_last_decides() {
    let mut policy = PeerPolicy::default();
    policy.deny(IpRange::ALL_V4);
    policy.allow(IpRange::new(ip("192.0.2.9"), ip("192.0.3.1")).unwrap());
    policy.deny(IpRange::prefix(ip("192.0.2.255"), 32).unwrap());
    for (text, verdict) in [
        ("192.0.2.8", Err(PeerRefusal::Denied)),
        ("192.0.2.9", Ok(())),
        ("192.0.2.254", Ok(())),
        ("192.0.2.255", Err(PeerRefusal::Denied)),
        ("192.0.3.1", Ok(())),
        ("192.0.3.2", Err(PeerRefusal::Denied)),
        ("2001:db8::1", Ok(())),
    ] {
        assert_eq!(policy.check_ip(ip(text)).map(drop), verdict, "{text}");
    }
    assert_eq!(PeerPolicy::default().check_ip(ip("192.0.2.8")), Ok(ip("192.0.2.8")));
}

#[test]
fn no_rule_makes_a_peer_of_what_is_no_single_host() {
    let policy = PeerPolicy::allow_all();
    for text in ["127.0.0.1:1", "[::1]:1", "[fe80::1]:1", "169.254.0.1:1"] {
        assert_eq!(policy.check(socket(text)), Ok(socket(text)));
    }
    assert_eq!(policy.check(socket("0.0.0.0:1")), Err(PeerRefusal::Unspecified));
    assert_eq!(policy.check(socket("[ff02::1]:1")), Err(PeerRefusal::Multicast));
    assert_eq!(policy.check(socket("192.0.2.1:0")), Err(PeerRefusal::PortZero));
    let loopback = PeerPolicy::with_loopback();
    assert_eq!(loopback.check(socket("[::1]:1")), Ok(socket("[::1]:1")));
    assert_eq!(loopback.check(socket("[::ffff:127.0.0.1]:1")), Ok(socket("127.0.0.1:1")));
    assert_eq!(loopback.check(socket("[fe80::1]:1")), Err(PeerRefusal::LinkLocal));
}

#[test]
fn a_peer_comes_back_in_one_form() {
    let noisy = core::net::SocketAddrV6::new("2001:db8::1".parse().unwrap(), 9, 77, 3);
    assert_eq!(PeerPolicy::default().check(noisy.into()), Ok(socket("[2001:db8::1]:9")));
}

#[test]
fn the_own_relayed_address_is_no_peer_in_any_notation() {
    let policy = PeerPolicy::default();
    let relayed = [socket("192.0.2.15:50000"), socket("[2001:db8::15]:50000")];
    for text in ["192.0.2.15:50000", "[::ffff:192.0.2.15]:50000", "[2001:db8::15]:50000"] {
        assert_eq!(policy.check_beyond(&relayed, socket(text)), Err(PeerRefusal::OwnRelay), "{text}");
    }
    // Another client of the same relay is a peer like any other.
    let neighbour = socket("192.0.2.15:50001");
    assert_eq!(policy.check_beyond(&relayed, neighbour), Ok(neighbour));
}

#[test]
fn a_range_that_is_none_says_why() {
    let range = |first: &str, last: &str| IpRange::new(ip(first), ip(last));
    assert_eq!(range("10.0.0.1", "::1"), Err(IpRangeError::MixedFamilies));
    assert_eq!(range("10.0.0.2", "10.0.0.1"), Err(IpRangeError::Reversed));
    assert_eq!(range("::ffff:10.0.0.1", "10.0.0.2"), range("10.0.0.1", "10.0.0.2"));
    let prefix = |text: &str, length: u8| IpRange::prefix(ip(text), length);
    assert_eq!(prefix("10.0.0.0", 33), Err(IpRangeError::PrefixTooLong { max: 32 }));
    assert_eq!(prefix("::", 129), Err(IpRangeError::PrefixTooLong { max: 128 }));
    assert_eq!(prefix("10.0.0.1", 8), Err(IpRangeError::HostBits));
    assert_eq!(prefix("10.0.0.0", 8), range("10.0.0.0", "10.255.255.255"));
    assert_eq!(prefix("0.0.0.0", 0), Ok(IpRange::ALL_V4));
    assert_eq!(prefix("::", 0), Ok(IpRange::ALL_V6));
    assert_eq!(prefix("2001:db8::1", 128), range("2001:db8::1", "2001:db8::1"));
    assert_eq!(prefix("::ffff:10.0.0.0", 104), prefix("10.0.0.0", 8));
}
