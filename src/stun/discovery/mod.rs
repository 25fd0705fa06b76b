//! Where the servers of a domain are (RFC 8489 s8, RFC 5928), without asking the DNS itself.
//!
//! The machine says what to look up, the host asks its resolver in whatever way it likes, and answers. The
//! result is a list of addresses in the order in which to try them, which [`targets`] turns into those of a
//! [race](crate::stun::SurveyConfig::race).
//!
//! ```text
//!                      TURN, no transport            no port             a port
//!   host name --------> NAPTR ----+-------> SRV ----+-------> AAAA, A -------> servers
//!                         |  ^    |  none   ^ |     |  none: the host itself, default port
//!                         +--+    +---------+ +-----+
//!                       by its flags
//!   address ------------------------------------------------------------------> servers
//! ```
//!
//! Two readings of RFC 5928, where its text and its examples differ: what runs over TLS is the service `turns`
//! with port 5349 even for a `turn:` URI (as in its table 2 and figure 3), and a single NAPTR record that
//! only points to another domain leaves the ranking of transports to that one (as in s4.2).

mod config;
mod event;
mod leads;
mod naptr;
mod servers;
mod srv;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

pub use config::{DiscoveryConfig, DiscoveryError, Service};
use config::{Place, default_port};
pub use event::{
    Answer, DiscoveryEvent, DiscoveryFailure, NaptrRecord, QuestionId, QuestionKind, SrvRecord,
    UnknownQuestion,
};
use leads::{Lead, Question, Seed};
use naptr::Step;
pub use servers::{DiscoveredServer, LocalSocket, targets};

use super::survey::interleave;
use crate::entropy::Entropy;
use crate::machine::{Disposition, Machine, Receipt, Usage, WakeReason};
use crate::net::{self, Datagram, FiveTuple, Outcome, SendError, Transmit, Transport};
use crate::time::{Instant, Now, earliest};
use crate::wire::TransactionId;

/// Finds the servers of one URI.
///
/// ```
/// use libstun::stun::discovery::{Answer, Discovery, DiscoveryConfig, DiscoveryEvent, QuestionKind};
/// use libstun::{Entropy, Instant, Machine, wire::uri::Uri};
///
/// let config = DiscoveryConfig::from_uri(&Uri::parse("stun:example.org:3479")?)?;
/// let mut discovery = Discovery::new(config, Entropy::from_seed([7; 32]), Instant::ZERO)?;
/// while let Some(event) = discovery.poll_event() {
///     match event {
///         DiscoveryEvent::Resolve { question, kind: QuestionKind::A, .. } => {
///             discovery.answer(question, Answer::Addresses(&["192.0.2.1".parse()?]), Instant::ZERO)?;
///         }
///         DiscoveryEvent::Resolve { question, .. } => {
///             discovery.answer(question, Answer::NotFound, Instant::ZERO)?;
///         }
///         DiscoveryEvent::Servers(servers) => assert_eq!(servers[0].address, "192.0.2.1:3479".parse()?),
///         other => panic!("{other}"),
///     }
/// }
/// assert!(discovery.is_ended());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Discovery {
    config: DiscoveryConfig,
    /// Those that will do, best first.
    transports: Vec<Transport>,
    entropy: Entropy,
    state: State,
    /// What may become servers, in the order in which to try them. An answer replaces a lead by what it leads
    /// to, in its place.
    leads: Vec<Lead>,
    /// All that were ever asked, by id.
    questions: Vec<Question>,
    pending: usize,
    is_refused: bool,
    has_resolver_failed: bool,
    /// At most one for each question, and the last.
    events: VecDeque<DiscoveryEvent>,
    now: Now,
}

/// The whole discovery.
///
/// ```text
///            start                 all is answered, or time is up
///   (none) --------> Resolving --------------------------------------> Ended
///                    |       ^
///                    +-------+ answer: more questions; the first address shortens the time
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Questions are pending, until then.
    Resolving { until: Option<Instant>, has_address: bool },
    /// The last event has been given.
    Ended,
}

impl Discovery {
    /// Questions of one discovery at most. What they would have led to is left out.
    pub const MAX_QUESTIONS: usize = 64;

    /// Records read of one answer at most.
    pub const MAX_RECORDS: usize = 32;

    /// Addresses kept of one host and family at most.
    pub const MAX_ADDRESSES: usize = 16;

    /// Servers found at most.
    pub const MAX_SERVERS: usize = 64;

    /// Bytes of a name at most: no longer one fits into a question (RFC 1035 s2.3.4).
    pub const MAX_NAME: usize = 255;

    /// NAPTR records that lead to each other at most; a loop ends there.
    pub const MAX_NAPTR_DEPTH: u32 = 5;

    /// Events that can be queued: one for each question, and the last. None is ever dropped.
    pub const MAX_EVENTS: usize = Self::MAX_QUESTIONS + 1;

    /// A discovery, with its first questions.
    ///
    /// # Errors
    /// The configuration contradicts itself, or can lead to no server (RFC 5928 s3).
    pub fn new(mut config: DiscoveryConfig, entropy: Entropy, now: Instant) -> Result<Self, DiscoveryError> {
        let (place, transports) = (config.place()?, config.usable_transports()?);
        if let Place::Name(name) = &place {
            config.host.clone_from(name); // certificates name hosts without a dot at the end
        }
        let mut discovery = Self {
            state: State::Resolving { until: now.deadline_after(config.deadline), has_address: false },
            config,
            transports,
            entropy,
            leads: Vec::new(),
            questions: Vec::new(),
            pending: 0,
            is_refused: false,
            has_resolver_failed: false,
            events: VecDeque::new(),
            now: Now::new(now),
        };
        let seeds = discovery.first_seeds(place);
        discovery.leads = discovery.plant(seeds, 0);
        discovery.settle(now);
        Ok(discovery)
    }

    /// Takes what the DNS said. More questions may follow.
    ///
    /// # Errors
    /// It waits for no answer to that question; nothing has changed.
    pub fn answer(
        &mut self,
        question: QuestionId,
        answer: Answer<'_>,
        now: Instant,
    ) -> Result<(), UnknownQuestion> {
        let now = self.now.advance(now);
        let index = usize::try_from(question.0).map_err(|_| UnknownQuestion)?;
        let asked = self.questions.get_mut(index).filter(|asked| asked.is_pending).ok_or(UnknownQuestion)?;
        asked.is_pending = false;
        self.pending = self.pending.saturating_sub(1);
        self.has_resolver_failed |= answer == Answer::Failed;
        match (asked.kind, answer) {
            (QuestionKind::A | QuestionKind::Aaaa, Answer::Addresses(addresses)) => asked.keep(addresses),
            (QuestionKind::A | QuestionKind::Aaaa, _) => {}
            (QuestionKind::Srv | QuestionKind::Naptr, answer) => self.follow(index, answer),
        }
        self.settle(now);
        Ok(())
    }

    /// Whether it has given its last event, or will with those that are queued.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// The questions that wait for an answer, whether or not their events have been polled.
    pub fn pending(&self) -> impl Iterator<Item = QuestionId> {
        self.questions.iter().zip(0..).filter(|(asked, _)| asked.is_pending).map(|(_, id)| QuestionId(id))
    }

    /// Where the search begins (RFC 8489 s8.1; RFC 5928 s3, steps 1 to 4).
    fn first_seeds(&self, place: Place) -> Vec<Seed> {
        let transports = self.transports.iter().copied();
        match (place, self.config.port) {
            (Place::Ip(ip), port) => transports
                .map(|transport| {
                    let address = SocketAddr::new(ip, port.unwrap_or(default_port(transport)));
                    Seed::Ip { transport, address }
                })
                .collect(),
            (Place::Name(name), Some(port)) => {
                transports.map(|transport| Seed::Host { name: name.clone(), transport, port }).collect()
            }
            (Place::Name(name), None)
                if self.config.service == Service::Turn && self.config.transport.is_none() =>
            {
                let transports = self.transports.clone();
                [Seed::Naptr { name, transports, is_ranked: false, depth: 0 }].into_iter().collect()
            }
            (Place::Name(name), None) => self.srv_seeds(&name, &self.transports),
        }
    }

    /// SRV records for each transport (RFC 8489 s8.1; RFC 5928 s3, steps 3 and 5).
    fn srv_seeds(&self, host: &str, transports: &[Transport]) -> Vec<Seed> {
        let seed = |&transport: &Transport| {
            let name = self.config.srv_name(transport, host);
            Seed::Srv { name, transport, may_fall_back: true }
        };
        transports.iter().map(seed).collect()
    }

    /// Without SRV records the host itself serves, at the default port (RFC 2782, RFC 8489 s8.1).
    fn fall_back(&self, transport: Transport) -> Seed {
        Seed::Host { name: self.config.host.clone(), transport, port: default_port(transport) }
    }

    /// Puts in the place of each lead that waited for the question what the answer leads to.
    fn follow(&mut self, question: usize, answer: Answer<'_>) {
        while let Some(place) = self.leads.iter().position(|lead| lead.waits_for(question)) {
            let seeds = match self.leads.remove(place) {
                Lead::Naptr { transports, is_ranked, depth, .. } => {
                    self.naptr_seeds(answer, &transports, is_ranked, depth)
                }
                Lead::Srv { transport, may_fall_back, .. } => {
                    self.targets_of(answer, transport, may_fall_back)
                }
                Lead::Host { .. } | Lead::Ip { .. } => Vec::new(),
            };
            let grown = self.plant(seeds, self.leads.len());
            self.leads.splice(place..place, grown);
        }
    }

    fn naptr_seeds(
        &self,
        answer: Answer<'_>,
        transports: &[Transport],
        is_ranked: bool,
        depth: u32,
    ) -> Vec<Seed> {
        let branches = match answer {
            Answer::Naptr(records) => naptr::branches(records, transports, is_ranked),
            _ => Vec::new(),
        };
        // RFC 5928 s3 step 5: only the first query that finds nothing falls back.
        if branches.is_empty() && depth == 0 {
            return self.srv_seeds(&self.config.host, transports);
        }
        let mut seeds = Vec::new();
        for naptr::Branch { transports, is_ranked, step, name } in branches {
            let next = depth.saturating_add(1);
            match step {
                Step::Naptr if next > Self::MAX_NAPTR_DEPTH => {}
                Step::Naptr => seeds.push(Seed::Naptr { name, transports, is_ranked, depth: next }),
                Step::Srv => seeds.extend(transports.iter().map(|&transport| Seed::Srv {
                    name: name.clone(),
                    transport,
                    may_fall_back: false,
                })),
                Step::Host => seeds.extend(transports.iter().map(|&transport| Seed::Host {
                    name: name.clone(),
                    transport,
                    port: default_port(transport),
                })),
            }
        }
        seeds
    }

    /// The hosts that SRV records name. Records that are there but useless say that the domain wants something
    /// else than a guess at its own address.
    fn targets_of(&mut self, answer: Answer<'_>, transport: Transport, may_fall_back: bool) -> Vec<Seed> {
        match answer {
            Answer::Services(records) if srv::is_refusal(records) => {
                self.is_refused = true;
                Vec::new()
            }
            Answer::Services(records) if !records.is_empty() => srv::order(records, &mut self.entropy)
                .into_iter()
                .map(|target| Seed::Host { name: target.name, transport, port: target.port })
                .collect(),
            _ if may_fall_back => [self.fall_back(transport)].into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Asks what leads need to know. `others` are there already; beyond [`Self::MAX_SERVERS`] none is added.
    fn plant(&mut self, seeds: Vec<Seed>, others: usize) -> Vec<Lead> {
        let room = Self::MAX_SERVERS.saturating_sub(others);
        seeds.into_iter().filter_map(|seed| self.lead(seed)).take(room).collect()
    }

    fn lead(&mut self, seed: Seed) -> Option<Lead> {
        Some(match seed {
            Seed::Naptr { name, transports, is_ranked, depth } => {
                let question = self.ask(name, QuestionKind::Naptr)?;
                Lead::Naptr { question, transports, is_ranked, depth }
            }
            Seed::Srv { name, transport, may_fall_back } => match self.ask(name, QuestionKind::Srv) {
                Some(question) => Lead::Srv { question, transport, may_fall_back },
                // With its prefix the name is too long to have such records.
                None if may_fall_back => self.lead(self.fall_back(transport))?,
                None => return None,
            },
            Seed::Host { name, transport, port } => self.ask_for_host(name, transport, port)?,
            Seed::Ip { transport, address } => Lead::Ip { transport, address },
        })
    }

    /// Asks a question, unless an answer to the same one is there or on its way. `None`: it cannot be asked.
    fn ask(&mut self, name: String, kind: QuestionKind) -> Option<usize> {
        if let Some(index) = self.asked(&name, kind) {
            return Some(index);
        }
        let index = self.questions.len();
        if name.len() > Self::MAX_NAME || index >= Self::MAX_QUESTIONS {
            return None;
        }
        let question = QuestionId(u32::try_from(index).ok()?);
        self.events.push_back(DiscoveryEvent::Resolve { question, name: name.clone(), kind });
        self.questions.push(Question { name, kind, is_pending: true, addresses: Vec::new() });
        self.pending = self.pending.saturating_add(1);
        Some(index)
    }

    /// The same question, if it waits for an answer or has kept it.
    fn asked(&self, name: &str, kind: QuestionKind) -> Option<usize> {
        self.questions.iter().position(|asked| asked.is_same(name, kind))
    }

    /// Asks for both kinds of addresses, AAAA first, or for none (RFC 8489 s8.1, RFC 8305 s3).
    fn ask_for_host(&mut self, name: String, transport: Transport, port: u16) -> Option<Lead> {
        let after = self.questions.len().saturating_add(2);
        if after > Self::MAX_QUESTIONS && self.asked(&name, QuestionKind::Aaaa).is_none() {
            return None;
        }
        let aaaa = self.ask(name.clone(), QuestionKind::Aaaa)?;
        let a = self.ask(name, QuestionKind::A)?;
        Some(Lead::Host { aaaa, a, transport, port })
    }

    /// After every answer: ends when nothing is pending, and hurries once there is an address.
    fn settle(&mut self, now: Instant) {
        let State::Resolving { until, has_address: false } = self.state else {
            if self.pending == 0 {
                self.finish(false);
            }
            return;
        };
        if self.pending == 0 {
            self.finish(false);
        } else if !self.servers().is_empty() {
            let until = earliest(until, now.deadline_after(self.config.resolution_delay));
            self.state = State::Resolving { until, has_address: true };
        }
    }

    /// Gives the last event. Questions that nobody has seen are taken back.
    fn finish(&mut self, is_late: bool) {
        if self.state == State::Ended {
            return;
        }
        self.state = State::Ended;
        self.pending = 0;
        self.questions.iter_mut().for_each(|question| question.is_pending = false);
        self.events.clear();
        let servers = self.servers();
        self.events.push_back(if servers.is_empty() {
            DiscoveryEvent::Failed { reason: self.failure(is_late) }
        } else {
            DiscoveryEvent::Servers(servers)
        });
    }

    const fn failure(&self, is_late: bool) -> DiscoveryFailure {
        if is_late {
            DiscoveryFailure::Timeout
        } else if self.has_resolver_failed {
            DiscoveryFailure::ResolverFailed
        } else if self.is_refused {
            DiscoveryFailure::NotOffered
        } else {
            DiscoveryFailure::NotFound
        }
    }

    /// What is known so far: the leads in order, and of each host IPv6 and IPv4 by turns (RFC 8305 s4).
    fn servers(&self) -> Vec<DiscoveredServer> {
        let mut servers: Vec<DiscoveredServer> = Vec::new();
        let mut add = |transport: Transport, address: SocketAddr| {
            let is_known =
                servers.iter().any(|known| known.transport == transport && known.address == address);
            if !is_known && servers.len() < Self::MAX_SERVERS && net::is_endpoint(&address) {
                servers.push(DiscoveredServer { transport, address, host: self.config.host.clone() });
            }
        };
        for lead in &self.leads {
            match *lead {
                Lead::Ip { transport, address } => add(transport, address),
                Lead::Host { aaaa, a, transport, port } => {
                    let both = [aaaa, a].into_iter().filter_map(|index| self.questions.get(index));
                    let all: Vec<IpAddr> = both.flat_map(|asked| &asked.addresses).copied().collect();
                    for ip in interleave(all, IpAddr::is_ipv6) {
                        add(transport, SocketAddr::new(ip, port));
                    }
                }
                Lead::Naptr { .. } | Lead::Srv { .. } => {}
            }
        }
        servers
    }
}

impl Usage for Discovery {
    fn receive(&mut self, _datagram: &Datagram<'_>, now: Instant) -> Disposition<'static> {
        self.now.advance(now);
        Disposition::Unclaimed
    }

    fn deadline(&self) -> Option<(Instant, WakeReason)> {
        match self.state {
            State::Resolving { until, .. } => until.map(|at| (at, WakeReason::Deadline)),
            State::Ended => None,
        }
    }

    fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        core::iter::empty()
    }

    fn queued_transmits(&self) -> usize {
        0
    }

    fn queued_events(&self) -> usize {
        self.events.len()
    }

    fn outstanding(&self) -> impl Iterator<Item = (TransactionId, SocketAddr)> {
        core::iter::empty()
    }

    fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn asks_on(&self, _path: &FiveTuple) -> bool {
        false
    }
}

impl Machine for Discovery {
    type Event = DiscoveryEvent;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        self.receive(datagram, now).outcome()
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        None
    }

    fn poll_event(&mut self) -> Option<DiscoveryEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.wake(self.now.get()).map(|(at, _)| at)
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.now.advance(now);
        if self.deadline().is_some_and(|(at, _)| at <= now) {
            self.finish(true);
        }
    }

    fn handle_send_error(&mut self, _failed: &Receipt, _error: SendError, now: Instant) {
        self.now.advance(now);
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        self.wake(self.now.get()).map(|(_, reason)| reason)
    }
}
