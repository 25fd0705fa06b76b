//! Every machine under the contract C1 to C10 of [`libstun::Machine`], and machines that break it under the
//! harness.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use libstun::auth::{Credentials, Realm, ShortTerm};
use libstun::nat::{Probe, ProbeConfig, ProbeSocket, Property};
use libstun::stun::discovery::{Answer, Discovery, DiscoveryConfig, NaptrRecord, Service, SrvRecord};
use libstun::stun::survey::SurveyTarget;
use libstun::stun::{
    BehaviorDiscovery, Binding, BindingConfig, Budget, RedirectPolicy, Server, ServerConfig,
    ServerCredentials, ServerSurvey, SurveyConfig,
};
use libstun::{
    Agent, AgentEvent, Datagram, Entropy, FiveTuple, Instant, Machine, OperationId, Outcome, Receipt,
    SendError, Transmit, Transport, WakeReason,
};
use support::broken::{Fault, Ticker};
use support::contract::{self, Subject};
use support::{PASSWORD, USER, addr, asked, udp};

impl Subject for Binding {}
impl Subject for Server {}
impl Subject for ServerSurvey {}

/// A resolver that answers whatever is pending, rightly or not.
impl Subject for Discovery {
    fn command(&mut self, choice: u8, now: Instant) -> bool {
        let Some(question) = self.pending().nth(usize::from(choice / 32)) else { return false };
        let addresses = ["192.0.2.1", "2001:db8::1", "0.0.0.0"].map(|ip| ip.parse().unwrap());
        let service = SrvRecord { priority: 1, weight: 2, port: 3478, target: "a.example.org" };
        let refused = SrvRecord { target: ".", ..service };
        let loops = NaptrRecord {
            order: 1,
            preference: 1,
            flags: "",
            services: "RELAY:turn.udp:turn.tcp",
            regexp: "",
            replacement: "example.org",
        };
        let leads = NaptrRecord { flags: "s", replacement: "_turn._udp.example.org", ..loops };
        let answer = match choice % 32 {
            0..=5 => Answer::Addresses(&addresses),
            6..=11 => Answer::Services(&[service, SrvRecord { port: 5000, ..service }]),
            12 => Answer::Services(&[refused]),
            13..=17 => Answer::Naptr(&[loops, leads]),
            18..=22 => Answer::Failed,
            _ => Answer::NotFound,
        };
        self.answer(question, answer, now).unwrap();
        assert!(self.answer(question, answer, now).is_err());
        true
    }
}
impl Subject for Probe {}

/// An agent, with the ids that its host would keep.
struct Host {
    agent: Agent,
    ids: Vec<OperationId>,
}

impl Host {
    fn new() -> Self {
        let mut host = Self { agent: agent(), ids: Vec::new() };
        for choice in [0, 1, 2, 6] {
            host.command(choice, Instant::ZERO);
        }
        host
    }
}

impl Subject for Host {
    fn command(&mut self, choice: u8, now: Instant) -> bool {
        let remote = addr(["192.0.2.1:3478", "192.0.2.2:3478"][usize::from(choice / 16 % 2)]);
        let path = FiveTuple { remote, ..asked() };
        let refresh = Some(Duration::from_secs(5));
        let started = match choice % 9 {
            0 => self.agent.start_binding(BindingConfig::new(path), now),
            1 => self.agent.start_binding(BindingConfig::once(path), now),
            2 => self.agent.start_binding(BindingConfig { refresh, ..BindingConfig::new(path) }, now),
            3 => {
                let path = FiveTuple { transport: Transport::Tcp, ..path };
                self.agent.start_binding(BindingConfig::new(path), now)
            }
            4 => self.agent.start_binding(BindingConfig::new(udp("[::]:0", "192.0.2.1:3478")), now),
            5 => self.agent.start_server(at("192.0.2.1:3478"), now),
            6 if choice < 128 => self.agent.start_server(ServerConfig::default(), now),
            6 => self.agent.start_survey(SurveyConfig::race(targets()), now),
            8 => self.agent.start_nat_probe(ProbeConfig { server: remote, ..probe_config() }, now),
            _ => {
                let index = usize::from(choice / 9) % self.ids.len().max(1);
                return self.ids.get(index).is_some_and(|id| {
                    let _ = self.agent.cancel(*id, now);
                    true
                });
            }
        };
        self.ids.extend(started.ok());
        true
    }
}

impl Machine for Host {
    type Event = AgentEvent;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        self.agent.handle_input(datagram, now)
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.agent.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<AgentEvent> {
        self.agent.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.agent.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
    }

    fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        self.agent.handle_send_error(failed, error, now);
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        self.agent.wake_reason()
    }
}

/// A binding whose host commands it: networks, connections, intervals, redirections.
struct Steered(Binding);

impl Subject for Steered {
    fn command(&mut self, choice: u8, now: Instant) -> bool {
        let local = addr(["10.0.0.1:5000", "10.0.0.2:5000"][usize::from(choice / 8 % 2)]);
        let interval = [None, Some(Duration::from_secs(2)), Some(Duration::from_secs(30))];
        match choice % 8 {
            0 => self.0.network_changed(&[local.ip()], now),
            1 | 2 => {
                let path = FiveTuple { local, ..*self.0.path() };
                self.0.reconnected(path, now).unwrap();
            }
            3 => self.0.set_refresh(interval[usize::from(choice / 8 % 3)], now),
            4 => {
                self.0.refresh_early(now.saturating_add(Duration::from_secs(10)), now);
            }
            5 => self.0.answer_redirect(choice > 127, now),
            _ => return false,
        }
        true
    }
}

impl Machine for Steered {
    type Event = <Binding as Machine>::Event;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        self.0.handle_input(datagram, now)
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.0.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.0.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        self.0.handle_send_error(failed, error, now);
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        self.0.wake_reason()
    }
}

fn agent() -> Agent {
    Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO)
}

fn binding(config: BindingConfig) -> Binding {
    Binding::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
}

/// Six servers, two of them behind a stream.
fn targets() -> Vec<SurveyTarget> {
    let mut targets: Vec<SurveyTarget> = (1..=6)
        .map(|host| SurveyTarget::new(udp("10.0.0.1:5000", &format!("192.0.2.{host}:3478"))))
        .collect();
    targets.iter_mut().skip(4).for_each(|target| target.path.transport = Transport::Tcp);
    targets
}

fn survey(config: SurveyConfig) -> ServerSurvey {
    ServerSurvey::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
}

fn discovery(service: Service) -> Discovery {
    let config = DiscoveryConfig::new(service, "example.org");
    Discovery::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
}

fn server(config: ServerConfig) -> Server {
    Server::new(config, Entropy::from_seed([7; 32]), Instant::ZERO)
}

fn realm() -> Option<ServerCredentials> {
    let mut realm = Realm::new(b"example.test").unwrap();
    realm.add_user(USER, PASSWORD).unwrap();
    Some(realm.into())
}

fn probe_config() -> ProbeConfig {
    ProbeConfig::new(asked().local, asked().remote)
}

fn probe(config: ProbeConfig) -> Probe {
    Probe::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
}

fn credentials() -> Option<Credentials> {
    ShortTerm::new(USER, PASSWORD).ok().map(Into::into)
}

fn at(local: &str) -> ServerConfig {
    ServerConfig { local: Some(addr(local)), ..ServerConfig::default() }
}

#[test]
fn a_binding_that_asks_once_keeps_the_contract() {
    contract::hold(None, || binding(BindingConfig::once(asked())));
}

#[test]
fn a_binding_that_refreshes_keeps_the_contract() {
    contract::hold(None, || binding(BindingConfig::new(asked())));
}

#[test]
fn a_binding_with_credentials_keeps_the_contract() {
    contract::hold(Some(PASSWORD), || {
        binding(BindingConfig { credentials: credentials(), ..BindingConfig::new(asked()) })
    });
}

#[test]
fn a_binding_with_long_term_credentials_keeps_the_contract() {
    let stream = FiveTuple { transport: Transport::Tcp, ..asked() };
    for path in [asked(), stream] {
        contract::hold(Some(&support::long_term_key()), || {
            let credentials = Some(support::long_term());
            let redirects = [RedirectPolicy::Ask, RedirectPolicy::Follow][usize::from(path == stream)];
            Steered(binding(BindingConfig { credentials, redirects, ..BindingConfig::new(path) }))
        });
    }
}

#[test]
fn a_binding_over_a_stream_keeps_the_contract() {
    let path = FiveTuple { transport: Transport::Tcp, ..asked() };
    contract::hold(Some(PASSWORD), || {
        binding(BindingConfig { credentials: credentials(), ..BindingConfig::new(path) })
    });
}

#[test]
fn a_server_keeps_the_contract() {
    contract::hold(None, || server(ServerConfig::default()));
}

#[test]
fn a_server_with_credentials_keeps_the_contract() {
    let credentials = ShortTerm::new(USER, PASSWORD).ok().map(Into::into);
    let config = ServerConfig { credentials, ..ServerConfig::default() };
    contract::hold(Some(PASSWORD), || server(config.clone()));
}

#[test]
fn a_server_with_a_realm_keeps_the_contract() {
    // Without the first rule, so that challenges are sent; with it in the test after this.
    let budget = Some(Budget { amplification_limit_percent: None, ..Budget::default() });
    let config = ServerConfig { credentials: realm(), budget, ..ServerConfig::default() };
    contract::hold(None, || server(config.clone()));
    let config = ServerConfig { credentials: realm(), ..ServerConfig::default() };
    contract::hold(None, || server(config.clone()));
}

#[test]
fn a_server_for_behavior_discovery_keeps_the_contract() {
    let addresses = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
    let behavior = BehaviorDiscovery::new(addresses, [3478, 3479], [0, 1, 2, 3]).ok();
    let config = ServerConfig { behavior, ..ServerConfig::default() };
    contract::hold(None, || server(config.clone()));
}

#[test]
fn a_survey_of_many_servers_keeps_the_contract() {
    contract::hold(None, || survey(SurveyConfig::all(targets())));
    contract::hold(None, || {
        survey(SurveyConfig { enough: 2, deadline: None, ..SurveyConfig::all(targets()) })
    });
}

#[test]
fn a_race_keeps_the_contract() {
    contract::hold(None, || survey(SurveyConfig::race(targets())));
    contract::hold(Some(PASSWORD), || {
        let mut config = SurveyConfig { deadline: None, ..SurveyConfig::race(targets()) };
        config.request.credentials = credentials();
        survey(config)
    });
}

#[test]
fn a_discovery_keeps_the_contract() {
    for service in [Service::Stun, Service::Turn, Service::StunBehavior] {
        contract::hold(None, || discovery(service));
    }
}

#[test]
fn a_nat_probe_keeps_the_contract() {
    contract::hold(None, || probe(probe_config()));
}

#[test]
fn a_nat_probe_with_credentials_and_everything_to_find_keeps_the_contract() {
    let mut config = probe_config();
    config.second = Some(ProbeSocket::new(addr("10.0.0.1:5001")));
    config.servers = [addr("192.0.2.7:3478"), addr("192.0.2.1:3479")].to_vec();
    config.properties = config.properties.with(Property::Lifetime);
    config.deadline = Some(Duration::from_secs(10_000));
    contract::hold(None, || probe(config.clone()));
    config.credentials = credentials();
    contract::hold(Some(PASSWORD), || probe(config.clone()));
}

#[test]
fn an_agent_keeps_the_contract() {
    contract::hold(None, Host::new);
}

#[test]
fn no_machine_hoards_what_nobody_takes() {
    const INPUTS: u32 = 100_000;
    contract::c7_queues_are_bounded(|| binding(BindingConfig::new(asked())), INPUTS, Binding::MAX_EVENTS + 1);
    contract::c7_queues_are_bounded(|| survey(SurveyConfig::all(targets())), INPUTS, 2 * 6 + 1);
    contract::c7_queues_are_bounded(|| discovery(Service::Turn), INPUTS, 2);
    contract::c7_queues_are_bounded(|| server(ServerConfig::default()), INPUTS, Server::MAX_QUEUED_REPLIES);
    let probe_limit = Probe::MAX_EVENTS + Probe::MAX_REQUESTS;
    contract::c7_queues_are_bounded(|| probe(probe_config()), INPUTS, probe_limit);
    let operations = 3 * (Binding::MAX_EVENTS + 1);
    contract::c7_queues_are_bounded(Host::new, INPUTS, operations + Server::MAX_QUEUED_REPLIES);
}

/// Relays: allocations and pools of them, under the commands of their host.
mod relays {
    use libstun::turn::{Allocation, AllocationConfig, KeepaliveKind, PoolConfig, RelayPool};

    use super::*;

    const PEERS: [&str; 3] = ["203.0.113.77:7000", "203.0.113.78:7000", "[2001:db8::77]:7000"];

    impl Subject for Allocation {
        fn relays(&self) -> bool {
            true
        }

        fn command(&mut self, choice: u8, now: Instant) -> bool {
            let peer = addr(PEERS[usize::from(choice / 8 % 3)]);
            let local = addr(["10.0.0.1:5000", "10.0.0.2:5000"][usize::from(choice / 8 % 2)]);
            match choice % 8 {
                0 | 1 => drop(self.permit(peer.ip(), now)),
                2 => drop(self.bind_channel(peer, now)),
                3 => drop(self.revoke(peer.ip(), now)),
                4 => drop(self.release_channel(peer, now)),
                5 => drop(self.send(peer, b"data", &mut [0; 100], now).is_ok()),
                6 => self.reconnected(FiveTuple { local, ..*self.path() }, 1, now).unwrap(),
                _ if choice < 240 => self.network_changed(&[local.ip()], now),
                _ => self.close(now),
            }
            true
        }
    }

    impl Subject for RelayPool {
        fn relays(&self) -> bool {
            true
        }

        fn command(&mut self, choice: u8, now: Instant) -> bool {
            let peer = addr(PEERS[usize::from(choice / 8 % 3)]);
            let local = addr(["10.0.0.1:5000", "10.0.0.2:5000"][usize::from(choice / 8 % 2)]);
            let relay = usize::from(choice / 8) % self.len();
            match choice % 8 {
                0 | 1 => drop(self.permit(peer.ip(), now)),
                2 => drop(self.bind_channel(peer, now)),
                3 => drop(self.revoke(peer.ip(), now)),
                4 => drop(self.release_channel(peer, now)),
                5 => drop(self.send(peer, b"data", &mut [0; 100], now).is_ok()),
                6 => {
                    let remote = servers()[relay].path.remote;
                    let _ = self.reconnected(relay, FiveTuple::udp(local, remote), 1, now);
                }
                _ if choice < 240 => self.network_changed(&[local.ip()], now),
                _ => self.close(now),
            }
            true
        }
    }

    /// A pool inside an agent, and an allocation beside it.
    struct Relaying(Agent, OperationId, OperationId);

    impl Relaying {
        fn new() -> Self {
            let mut agent = agent();
            let pool = agent.start_relay_pool(PoolConfig::new(servers()), Instant::ZERO).unwrap();
            let path = udp("10.0.0.1:5001", "192.0.2.1:3478");
            let relay = agent.start_allocation(AllocationConfig::open(path), Instant::ZERO).unwrap();
            Self(agent, pool, relay)
        }
    }

    impl Subject for Relaying {
        fn relays(&self) -> bool {
            true
        }

        fn command(&mut self, choice: u8, now: Instant) -> bool {
            let peer = addr(PEERS[usize::from(choice / 8 % 3)]);
            let local = addr(["10.0.0.1:5000", "10.0.0.2:5000"][usize::from(choice / 8 % 2)]);
            let Self(agent, pool, relay) = self;
            match choice % 8 {
                0 => drop(agent.permit_peer(*pool, peer.ip(), now)),
                1 => drop(agent.bind_channel(*relay, peer, now)),
                2 => drop(agent.bind_channel(*pool, peer, now)),
                3 => drop(agent.revoke_peer(*pool, peer.ip(), now)),
                4 => drop(agent.release_channel(*pool, peer, now)),
                5 | 6 => drop(agent.send_to_peer(*pool, peer, b"data", &mut [0; 100], now).is_ok()),
                _ if choice < 240 => agent.network_changed(&[local.ip()], now),
                _ => drop(agent.close_relay(*pool, now)),
            }
            true
        }
    }

    impl Machine for Relaying {
        type Event = AgentEvent;

        fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
            self.0.handle_input(datagram, now)
        }

        fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
            self.0.poll_transmit()
        }

        fn poll_event(&mut self) -> Option<AgentEvent> {
            self.0.poll_event()
        }

        fn poll_timeout(&self) -> Option<Instant> {
            self.0.poll_timeout()
        }

        fn handle_timeout(&mut self, now: Instant) {
            self.0.handle_timeout(now);
        }

        fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
            self.0.handle_send_error(failed, error, now);
        }

        fn wake_reason(&self) -> Option<WakeReason> {
            self.0.wake_reason()
        }
    }

    fn servers() -> Vec<AllocationConfig> {
        let path = |host| udp("10.0.0.1:5000", &format!("192.0.2.{host}:3478"));
        (1..=3).map(|host| AllocationConfig::open(path(host))).collect()
    }

    fn allocation(config: AllocationConfig) -> Allocation {
        Allocation::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
    }

    fn pool(config: PoolConfig) -> RelayPool {
        RelayPool::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
    }

    #[test]
    fn an_allocation_keeps_the_contract() {
        for kind in [KeepaliveKind::Indication, KeepaliveKind::Request] {
            let config = AllocationConfig { keepalive_kind: kind, ..AllocationConfig::open(asked()) };
            contract::hold(None, || allocation(config.clone()));
        }
        contract::hold(Some(&support::long_term_key()), || {
            let credentials = Some(support::long_term());
            allocation(AllocationConfig { credentials, ..AllocationConfig::open(asked()) })
        });
    }

    #[test]
    fn a_pool_of_relays_keeps_the_contract() {
        contract::hold(None, || pool(PoolConfig::new(servers())));
        contract::hold(None, || {
            pool(PoolConfig { ready: 1, warm_standby: true, ..PoolConfig::new(servers()) })
        });
        contract::hold(None, || pool(PoolConfig { patience: None, ..PoolConfig::new(servers()) }));
        contract::hold(Some(&support::long_term_key()), || {
            let mut config = PoolConfig { ready: 2, ..PoolConfig::new(servers()) };
            config.relays.iter_mut().for_each(|relay| relay.credentials = Some(support::long_term()));
            pool(config)
        });
    }

    #[test]
    fn an_agent_with_relays_keeps_the_contract() {
        contract::hold(None, Relaying::new);
    }

    #[test]
    fn no_relay_hoards_what_nobody_takes() {
        let limit = RelayPool::MAX_EVENTS + 3 * 9;
        contract::c7_queues_are_bounded(|| pool(PoolConfig::new(servers())), 100_000, limit);
    }
}

mod the_harness {
    use super::*;

    fn hold(fault: Fault) {
        contract::hold(None, || Ticker::new(fault));
        contract::c7_queues_are_bounded(|| Ticker::new(fault), 1000, 17);
    }

    #[test]
    fn accepts_a_sound_machine() {
        hold(Fault::Nothing);
    }

    #[test]
    #[should_panic(expected = "C1: a poll that gave nothing")]
    fn notices_polls_that_make_progress() {
        hold(Fault::PollsMakeProgress);
    }

    #[test]
    #[should_panic(expected = "C2: output was queued")]
    fn notices_a_machine_that_sleeps_through_its_output() {
        hold(Fault::SleepsThroughOutput);
    }

    #[test]
    #[should_panic(expected = "C3: ")]
    fn notices_a_machine_that_spins_at_its_deadline() {
        hold(Fault::SpinsAtItsDeadline);
    }

    #[test]
    #[should_panic(expected = "C4: an early or repeated")]
    fn notices_a_machine_that_acts_early() {
        hold(Fault::ActsEarly);
    }

    #[test]
    #[should_panic(expected = "C4: a request was sent more than once")]
    fn notices_a_machine_that_catches_up_seven_times() {
        hold(Fault::CatchesUpSevenTimes);
    }

    #[test]
    #[should_panic(expected = "C5: ")]
    fn notices_a_machine_that_follows_the_clock_back() {
        hold(Fault::FollowsTheClockBack);
    }

    #[test]
    #[should_panic(expected = "C6: ")]
    fn notices_a_machine_that_wakes_from_never() {
        hold(Fault::WakesFromNever);
    }

    #[test]
    #[should_panic(expected = "C7: ")]
    fn notices_a_machine_that_hoards() {
        hold(Fault::HoardsReplies);
    }

    #[test]
    #[should_panic(expected = "C8: ")]
    fn notices_a_machine_that_is_random() {
        hold(Fault::IsRandom);
    }

    #[test]
    #[should_panic(expected = "C9: ")]
    fn notices_a_machine_that_listens_to_garbage() {
        hold(Fault::ListensToGarbage);
    }

    #[test]
    #[should_panic(expected = "C10: ")]
    fn notices_a_machine_without_reasons() {
        hold(Fault::HasNoReason);
    }
}
