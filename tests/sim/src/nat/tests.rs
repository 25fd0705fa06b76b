use super::*;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn nat(behaviour: Behaviour) -> Nat {
    let config = NatConfig::new(behaviour, "203.0.113.9".parse().unwrap());
    Nat::new(config, PortId::default(), PortId::default(), Random::new(4787))
}

const SERVERS: [&str; 3] = ["192.0.2.1:3478", "192.0.2.1:3479", "192.0.2.2:3478"];

/// RFC 4787 s4.1.
#[test]
fn a_mapping_is_shared_as_far_as_its_behaviour_says() {
    for behaviour in Behaviour::all() {
        let mut nat = nat(behaviour);
        let inside = addr("10.0.0.2:5000");
        let [first, same_ip, other_ip] = SERVERS.map(|server| nat.outbound(inside, addr(server), 0).unwrap());
        assert_eq!(first == same_ip, behaviour.mapping != Dependence::AddressAndPort, "{behaviour:?}");
        assert_eq!(first == other_ip, behaviour.mapping == Dependence::Endpoint, "{behaviour:?}");
        assert_eq!(first.port() == 5000, behaviour.preserves_port, "{behaviour:?}");
        assert_ne!(nat.outbound(addr("10.0.0.3:5000"), addr(SERVERS[0]), 0), Some(first));
    }
}

/// RFC 4787 s5.
#[test]
fn a_filter_admits_whom_its_behaviour_says() {
    for behaviour in Behaviour::all() {
        let mut nat = nat(behaviour);
        let inside = addr("10.0.0.2:5000");
        let external = nat.outbound(inside, addr(SERVERS[0]), 0).unwrap();
        let [asked, same_ip, other_ip] =
            SERVERS.map(|server| nat.inbound(external, addr(server), 1) == Some(inside));
        assert!(asked);
        assert_eq!(same_ip, behaviour.filtering != Dependence::AddressAndPort, "{behaviour:?}");
        assert_eq!(other_ip, behaviour.filtering == Dependence::Endpoint, "{behaviour:?}");
        assert_eq!(nat.inbound(addr("203.0.113.9:1"), addr(SERVERS[0]), 1), None);
    }
}

/// RFC 4787 s4.3: outbound packets keep a mapping, inbound ones only where the behaviour says so.
#[test]
fn a_mapping_expires_unless_it_is_used() {
    for behaviour in Behaviour::all() {
        let mut nat = nat(behaviour);
        nat.config.timeout = 30 * SECOND;
        let (inside, server) = (addr("10.0.0.2:5000"), addr(SERVERS[0]));
        let external = nat.outbound(inside, server, 0).unwrap();
        assert_eq!(nat.outbound(inside, server, 29 * SECOND), Some(external));
        assert_eq!(nat.inbound(external, server, 58 * SECOND), Some(inside));
        let lives_on = nat.inbound(external, server, 60 * SECOND).is_some();
        assert_eq!(lives_on, behaviour.inbound_refreshes);
        assert_eq!(nat.lookup(inside, server, 60 * SECOND).is_some(), lives_on);
    }
}

#[test]
fn a_full_table_evicts_what_expires_first_and_a_reboot_everything() {
    let mut nat = nat(Behaviour::numbered(0));
    nat.config.table_limit = 2;
    let hosts = [1, 2, 3].map(|n| addr(&format!("10.0.0.{n}:5000")));
    for (at, host) in hosts.iter().enumerate() {
        nat.outbound(*host, addr(SERVERS[0]), at as u64);
    }
    let known = hosts.map(|host| nat.lookup(host, addr(SERVERS[0]), 5).is_some());
    assert_eq!(known, [false, true, true]);
    let before = nat.lookup(hosts[1], addr(SERVERS[0]), 5);
    nat.flip_ports();
    let after = nat.lookup(hosts[1], addr(SERVERS[0]), 5);
    assert!(after.is_some() && after != before);
    nat.reboot();
    assert!(nat.mappings().is_empty());
}

#[test]
fn a_pool_is_paired() {
    let mut nat = nat(Behaviour::numbered(2));
    nat.config.pool = (1..=8).map(|n| IpAddr::V4(Ipv4Addr::new(203, 0, 113, n))).collect();
    let seen = SERVERS.map(|server| nat.outbound(addr("10.0.0.2:5000"), addr(server), 0).unwrap());
    assert!(seen.iter().all(|external| external.ip() == seen[0].ip()));
}

#[test]
fn addresses_of_nat64_are_those_of_rfc_6052() {
    let inside = addr("[64:ff9b::192.0.2.33]:3478");
    assert_eq!(embed_ipv4(addr("192.0.2.33:3478")), inside);
    assert_eq!(embedded_ipv4(inside), Some(addr("192.0.2.33:3478")));
    assert_eq!(embedded_ipv4(addr("[2001:db8::1]:3478")), None);
}
