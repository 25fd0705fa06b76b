//! The five questions of sans-IO testing, put to every machine: what if this packet is lost, the reply is
//! malformed, the round trip is very long, there is no IPv6, there is only IPv6?

#![allow(missing_docs, reason = "tests are named as sentences")]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use std::net::{IpAddr, SocketAddr};

use libstun::SendError;
use libstun::stun::BindingEvent;
use libstun::stun::binding::FailureReason;
use libstun_sim::corpus;
use libstun_sim::host::Password;
use libstun_sim::lab::{Lab, server_ipv4, server_ipv6};
use libstun_sim::link::Loss;
use libstun_sim::net::PortId;
use libstun_sim::packet::{BindingIndex, Origin, Packet};
use libstun_sim::server::Script;
use libstun_sim::time::{MILLISECOND, Nanos, SECOND};
use libstun_sim::world::How;

/// Bindings: once, refreshing, with credentials; on their own and in an agent.
const CLIENTS: [(How, bool); 8] = [
    (How::ONCE, true),
    (How::ONCE, false),
    (How::every(25 * SECOND), true),
    (How::every(25 * SECOND), false),
    (How::ONCE.signed(Password::Right), true),
    (How::ONCE.signed(Password::Right), false),
    (How::every(25 * SECOND).signed(Password::Right), true),
    (How::every(25 * SECOND).signed(Password::Right), false),
];

const ALONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 114, 9));

/// A client of some kind, and the cable that its packets take.
struct Asked {
    lab: Lab,
    binding: BindingIndex,
    port: PortId,
}

/// With one of our servers, which is a machine on its own or an agent's; the two take turns.
fn ask(how: How, in_agent: bool, prepare: impl Fn(&mut Lab, PortId)) -> Asked {
    let mut lab = Lab::public(3, Lab::PUBLIC);
    lab.world.keep_log();
    let (remote, guards) = (server_ipv4(1), how.password != Password::None);
    if in_agent {
        lab.world.add_server(guards, remote.ip());
    } else {
        lab.add_agent_server(guards, remote.ip()).unwrap();
    }
    start(lab, remote, how, in_agent, prepare)
}

/// The first packets are sent before a lone binding's cable is known: its faults start with the second.
fn start(
    mut lab: Lab,
    remote: SocketAddr,
    how: How,
    in_agent: bool,
    prepare: impl Fn(&mut Lab, PortId),
) -> Asked {
    if in_agent {
        let port = lab.port;
        prepare(&mut lab, port);
        let binding = lab.start(remote, how);
        return Asked { lab, binding, port };
    }
    let (binding, port) = lab.start_alone(ALONE, remote, how).unwrap();
    prepare(&mut lab, port);
    Asked { lab, binding, port }
}

impl Asked {
    fn found(&self) -> bool {
        self.lab.world.model.mapped(self.binding).is_some()
    }

    fn last(&self) -> (Nanos, BindingEvent) {
        *self.lab.world.model.events(self.binding).last().unwrap()
    }
}

mod this_packet_is_lost {
    use super::*;

    #[test]
    fn any_one_packet_in_either_direction() {
        for (how, in_agent) in CLIENTS {
            for lost in 0..12 {
                for is_up in [true, false] {
                    let mut asked = ask(how, in_agent, |lab, port| {
                        let faults = if is_up { lab.world.net.up(port) } else { lab.world.net.down(port) };
                        faults.loss = Loss::These(vec![lost]);
                    });
                    asked.lab.run(120 * SECOND);
                    assert!(asked.found(), "{how:?}, packet {lost}");
                }
            }
        }
    }

    #[test]
    fn any_two_packets() {
        for (how, in_agent) in CLIENTS {
            for (first, second) in (0..8).flat_map(|first| (0..8).map(move |second| (first, second))) {
                let mut asked = ask(how, in_agent, |lab, port| {
                    lab.world.net.up(port).loss = Loss::These(vec![first]);
                    lab.world.net.down(port).loss = Loss::These(vec![second]);
                });
                asked.lab.run(120 * SECOND);
                assert!(asked.found(), "{how:?}, packets {first} and {second}");
            }
        }
    }

    /// RFC 8489 s6.2.1: sends at 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s, the end at 39.5 s.
    #[test]
    fn the_first_packets_up_to_all_of_them() {
        let sends = [0, 500, 1500, 3500, 7500, 15_500, 31_500].map(|at| at * MILLISECOND);
        for (how, in_agent) in CLIENTS {
            for lost in 0..=7 {
                let mut asked = ask(how, in_agent, |lab, port| {
                    lab.world.net.down(port).loss = Loss::These((0..lost).collect());
                });
                asked.lab.run(41 * SECOND);
                let (at, event) = asked.lab.world.model.events(asked.binding)[0];
                if let Some(answered) = sends.get(lost as usize) {
                    assert!(matches!(event, BindingEvent::Mapped { .. }));
                    assert_eq!(at, answered + 40 * MILLISECOND);
                } else {
                    let reason = FailureReason::Timeout;
                    assert!(
                        event == BindingEvent::Failed { reason }
                            || matches!(event, BindingEvent::Retrying { reason: why, .. } if why == reason)
                    );
                    assert_eq!(at, 39_500 * MILLISECOND);
                }
            }
        }
    }
}

mod the_reply_is_malformed {
    use super::*;

    #[test]
    fn every_vector_as_the_reply_under_the_right_id() {
        for (how, in_agent) in CLIENTS {
            for (number, canned) in corpus::malformed().iter().enumerate() {
                let mut lab = Lab::public(4, Lab::PUBLIC);
                lab.world.add_script(Script::Malformed(number), server_ipv4(1).ip());
                let mut asked = start(lab, server_ipv4(1), how, in_agent, |lab, port| {
                    lab.world.net.down(port).mtu = usize::MAX;
                });
                asked.lab.run(90 * SECOND);
                let may_find = matches!(
                    canned.name.as_str(),
                    "xor-mapped-reserved-byte-nonzero" | "xor-mapped-duplicate-different"
                );
                let believes = how.password == Password::None && may_find;
                assert_eq!(asked.found(), believes, "{}: {how:?}", canned.name);
            }
        }
    }

    #[test]
    fn every_captured_response_as_the_reply_under_the_right_id() {
        for (how, in_agent) in CLIENTS {
            for number in 0..corpus::captured().len() {
                let mut lab = Lab::public(4, Lab::PUBLIC);
                lab.world.add_script(Script::Captured(number), server_ipv4(1).ip());
                let mut asked = start(lab, server_ipv4(1), how, in_agent, |_, _| ());
                asked.lab.run(90 * SECOND);
                assert!(!asked.found() || how.password == Password::None);
            }
        }
    }

    #[test]
    fn every_vector_before_the_true_reply() {
        for (how, in_agent) in CLIENTS.into_iter().filter(|(how, _)| how.password == Password::Right) {
            let mut asked = ask(how, in_agent, |_, _| ());
            let (serial, id) = asked.lab.world.model.outstanding(asked.binding).unwrap();
            let host = asked.lab.world.model.spec(asked.binding).host;
            let own = asked.lab.world.host(host).unwrap().interfaces[0].address;
            let victim = SocketAddr::new(own, asked.lab.world.model.path(asked.binding).local.port());
            asked.lab.world.net.down(asked.port).mtu = usize::MAX;
            for canned in corpus::malformed() {
                let (binding, verdict) = (asked.binding, canned.verdict);
                let origin = Origin::Reply { binding, serial, verdict, is_signed: false };
                let payload = corpus::with_id(&canned.bytes, id);
                asked.lab.world.net.inject(Packet::new(server_ipv4(1), victim, payload, origin));
            }
            asked.lab.run(SECOND);
            let (at, event) = asked.last();
            assert!(matches!(event, BindingEvent::Mapped { .. }));
            assert_eq!(at, 40 * MILLISECOND);
        }
    }

    #[test]
    fn every_vector_as_a_request_to_a_server_that_goes_on_answering() {
        for (guards, in_agent) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut lab = Lab::public(5, Lab::PUBLIC);
            if in_agent {
                lab.add_agent_server(guards, server_ipv4(1).ip()).unwrap();
            } else {
                lab.world.add_server(guards, server_ipv4(1).ip());
            }
            for canned in corpus::malformed().iter().chain(corpus::captured()) {
                let from = "198.51.100.7:4000".parse().unwrap();
                let packet = Packet::new(from, server_ipv4(1), canned.bytes.clone(), Origin::Noise);
                let before = lab.world.model.tally().replies;
                lab.world.net.inject(packet);
                lab.run(SECOND);
                let replies = lab.world.model.tally().replies - before;
                assert!(replies <= u64::from(!canned.is_for_no_server), "{}", canned.name);
            }
            let password = if guards { Password::Right } else { Password::None };
            let binding = lab.start(server_ipv4(1), How::ONCE.signed(password));
            lab.run(SECOND);
            assert!(lab.world.model.mapped(binding).is_some());
        }
    }
}

mod the_round_trip_is_very_long {
    use super::*;

    /// Up to the end of the last wait an answer counts; after it nothing does.
    #[test]
    fn up_to_thirty_seconds_and_beyond_the_end() {
        for (how, in_agent) in CLIENTS.into_iter().filter(|(how, _)| how.refresh.is_none()) {
            for millis in [300, 490, 510, 2000, 9000, 15_000, 30_000, 39_400, 39_600, 60_000] {
                let mut asked = ask(how, in_agent, |lab, port| {
                    lab.world.net.down(port).delay = millis * MILLISECOND;
                });
                asked.lab.run(300 * SECOND);
                assert_eq!(asked.found(), millis < 39_500, "{millis} ms");
                assert_eq!(asked.lab.events(asked.binding).len(), 1);
            }
        }
    }

    #[test]
    fn a_refreshing_binding_lives_through_a_swelling_buffer() {
        for (how, in_agent) in CLIENTS.into_iter().filter(|(how, _)| how.refresh.is_some()) {
            let mut asked = ask(how, in_agent, |_, _| ());
            for seconds in [0, 1, 5, 20, 30, 50, 30, 5, 0] {
                asked.lab.world.net.down(asked.port).delay = seconds * SECOND;
                asked.lab.run(200 * SECOND);
            }
            let (at, event) = asked.last();
            assert!(matches!(event, BindingEvent::Refreshed { .. }));
            assert!(asked.lab.world.net.now - at <= 26 * SECOND);
        }
    }
}

mod there_is_no_ipv6 {
    use super::*;

    #[test]
    fn the_ipv6_server_fails_at_once_and_the_ipv4_one_is_asked_all_the_same() {
        for how in [How::ONCE, How::every(25 * SECOND)] {
            let mut lab = Lab::public(6, Lab::PUBLIC);
            lab.world.add_server(false, server_ipv4(1).ip());
            lab.world.add_server(false, server_ipv6(1).ip());
            let [ipv6, ipv4] = [server_ipv6(1), server_ipv4(1)].map(|server| lab.start(server, how));
            lab.run(SECOND / 2);
            check_one_family(&lab, ipv6, ipv4, how);
            lab.run(300 * SECOND);
        }
    }

    #[test]
    fn a_server_with_one_family_answers_in_it() {
        let mut lab = Lab::public(7, Lab::PUBLIC);
        lab.add_agent_server(true, server_ipv4(1).ip()).unwrap();
        let binding = lab.start(server_ipv4(1), How::ONCE.signed(Password::Right));
        lab.run(SECOND);
        assert!(lab.world.model.mapped(binding).is_some_and(|mapped| mapped.is_ipv4()));
    }
}

mod there_is_only_ipv6 {
    use super::*;

    #[test]
    fn the_ipv4_server_fails_at_once_and_the_ipv6_one_is_asked_all_the_same() {
        for how in [How::ONCE, How::every(25 * SECOND)] {
            let mut lab = Lab::public(8, Lab::IPV6);
            lab.world.add_server(false, server_ipv4(1).ip());
            lab.world.add_server(false, server_ipv6(1).ip());
            let [ipv4, ipv6] = [server_ipv4(1), server_ipv6(1)].map(|server| lab.start(server, how));
            lab.run(SECOND / 2);
            check_one_family(&lab, ipv4, ipv6, how);
            lab.run(300 * SECOND);
        }
    }

    #[test]
    fn a_server_with_one_family_answers_in_it() {
        let mut lab = Lab::public(9, Lab::IPV6);
        lab.add_agent_server(true, server_ipv6(1).ip()).unwrap();
        let binding = lab.start(server_ipv6(1), How::ONCE.signed(Password::Right));
        lab.run(SECOND);
        let mapped = lab.world.model.mapped(binding).unwrap();
        assert_eq!(mapped.ip(), Lab::IPV6);
    }
}

/// The one without its family has failed for want of a route, the other has its address.
fn check_one_family(lab: &Lab, without: BindingIndex, with: BindingIndex, how: How) {
    let reason = FailureReason::SendFailed { error: SendError::NoRoute };
    let events = lab.events(without);
    match how.refresh {
        None => assert_eq!(events, [BindingEvent::Failed { reason }]),
        Some(_) => assert!(
            matches!(events[..], [BindingEvent::Retrying { reason: why, .. }] if why == reason),
            "{events:?}"
        ),
    }
    assert!(lab.world.model.mapped(with).is_some());
}
