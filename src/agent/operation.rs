//! One operation of an agent, whatever it is, and the id it is known by.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::event::Event;
use super::pacing::Pacer;
use super::routes::Routes;
use super::stream::Stream;
use crate::machine::{Disposition, Machine, Receipt, Usage, WakeReason};
use crate::nat::Probe;
use crate::net::{Datagram, FiveTuple, SendError, Transmit};
use crate::stun::{Binding, Discovery, Server, ServerSurvey};
use crate::time::Instant;
use crate::turn::{Allocation, RelayPool};
use crate::wire::TransactionId;

/// Names an operation of one agent. Never reused: the id of an operation that has ended stays unknown for
/// ever, even when its slot houses another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(u64);

impl OperationId {
    /// From the number that [`OperationId::as_u64`] gave, across a border such as a C ABI.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// As a number; never 0.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// 44 bits of generation last for 500 years of a thousand starts a second; slots need 20 bits.
    pub(super) const fn new(slot: u32, generation: u64) -> Self {
        Self(generation << SLOT_BITS | slot as u64)
    }

    pub(super) const fn slot(self) -> u32 {
        (self.0 & ((1 << SLOT_BITS) - 1)) as u32
    }
}

/// As many as [`super::Agent::DEFAULT_MAX_OPERATIONS`] needs.
const SLOT_BITS: u32 = 20;

/// An operation and what the agent has noted of it.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) id: OperationId,
    pub(super) machine: Housed,
    /// The transaction ids under which the agent routes messages to it, and the pacer's key of each one's server.
    pub(super) routed: Vec<(TransactionId, u32)>,
    pub(super) is_in_ended: bool,
    /// The paths on which the agent routes relayed data to it.
    pub(super) relays: Vec<FiveTuple>,
}

/// Writes down what every usage is asked in the same way. One row for each usage; nothing else in the agent
/// asks which one it is, but for the commands that only one of them has.
macro_rules! usages {
    ($($name:ident($machine:ty), $as_ref:ident, $as_mut:ident;)*) => {
        /// The machines that an agent houses.
        #[derive(Debug)]
        pub(super) enum Housed {
            $($name(Box<$machine>),)*
        }

        impl Housed {
            $(
                pub(super) fn $as_ref(&self) -> Option<&$machine> {
                    match self {
                        Self::$name(machine) => Some(machine),
                        #[allow(unreachable_patterns)]
                        _ => None,
                    }
                }

                #[allow(dead_code)] // not every usage has commands
                pub(super) fn $as_mut(&mut self) -> Option<&mut $machine> {
                    match self {
                        Self::$name(machine) => Some(machine),
                        #[allow(unreachable_patterns)]
                        _ => None,
                    }
                }
            )*
        }

        impl Operation {
            pub(super) fn receive<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a> {
                match &mut self.machine {
                    $(Housed::$name(machine) => machine.receive(datagram, now),)*
                }
            }

            pub(super) fn handle_timeout(&mut self, now: Instant) {
                match &mut self.machine {
                    $(Housed::$name(machine) => machine.handle_timeout(now),)*
                }
            }

            pub(super) fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
                match &mut self.machine {
                    $(Housed::$name(machine) => machine.handle_send_error(failed, error, now),)*
                }
            }

            pub(super) fn asks_on(&self, path: &FiveTuple) -> bool {
                match &self.machine {
                    $(Housed::$name(machine) => machine.asks_on(path),)*
                }
            }

            pub(super) fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
                match &mut self.machine {
                    $(Housed::$name(machine) => machine.poll_transmit(),)*
                }
            }

            pub(super) fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
                core::iter::empty()
                    $(.chain(self.machine.$as_ref().into_iter().flat_map(|machine| machine.transmits())))*
            }

            pub(super) fn poll_event(&mut self) -> Option<Event> {
                match &mut self.machine {
                    $(Housed::$name(machine) => machine.poll_event().map(Event::from),)*
                }
            }

            pub(super) fn queued_transmits(&self) -> usize {
                match &self.machine {
                    $(Housed::$name(machine) => machine.queued_transmits(),)*
                }
            }

            pub(super) fn queued_events(&self) -> usize {
                match &self.machine {
                    $(Housed::$name(machine) => machine.queued_events(),)*
                }
            }

            pub(super) fn deadline(&self) -> Option<(Instant, WakeReason)> {
                match &self.machine {
                    $(Housed::$name(machine) => machine.deadline(),)*
                }
            }

            pub(super) fn is_ended(&self) -> bool {
                match &self.machine {
                    $(Housed::$name(machine) => Usage::is_ended(&**machine),)*
                }
            }

            /// Tells the routes and the pacer what it waits for now. A handful of ids at a time. Gives the pacer's key
            /// of a server at which a request of it has just ended.
            pub(super) fn route(&mut self, routes: &mut Routes, pacer: &mut Pacer, now: Instant) -> Option<u32> {
                let mut freed = None;
                match &self.machine {
                    $(Housed::$name(machine) => {
                        let ids = || machine.outstanding();
                        let slot = self.id.slot();
                        self.routed.retain(|(known, server)| {
                            let stays = ids().any(|(id, _)| id == *known);
                            if !stays {
                                routes.remove_response(*known, slot);
                                pacer.end(*server, now);
                                freed = Some(*server);
                            }
                            stays
                        });
                        for (id, server) in ids() {
                            if !self.routed.iter().any(|(known, _)| *known == id) {
                                self.routed.push((id, pacer.begin(server)));
                                routes.add_response(id, slot);
                            }
                        }
                    })*
                }
                freed
            }

            /// Tells the routes on which paths it relays now. Gives one on which another operation relays already.
            pub(super) fn route_relays(&mut self, routes: &mut Routes) -> Option<FiveTuple> {
                let mut taken = None;
                match &self.machine {
                    $(Housed::$name(machine) => {
                        if machine.relay_paths().eq(self.relays.iter().copied()) {
                            return None;
                        }
                        for path in self.relays.drain(..) {
                            routes.remove_relay(self.id.slot(), path);
                        }
                        for path in machine.relay_paths() {
                            if routes.relays_on(&path) {
                                taken = Some(path);
                            }
                            self.relays.push(path);
                            routes.add_relay(self.id.slot(), path);
                        }
                    })*
                }
                taken
            }

            pub(super) fn path_taken(&mut self, path: &FiveTuple, now: Instant) {
                match &mut self.machine {
                    $(Housed::$name(machine) => Usage::path_taken(&mut **machine, path, now),)*
                }
            }

            pub(super) fn wish(&self) -> Option<SocketAddr> {
                match &self.machine {
                    $(Housed::$name(machine) => machine.wish(),)*
                }
            }

            pub(super) fn wishes_retry(&self) -> bool {
                match &self.machine {
                    $(Housed::$name(machine) => machine.wishes_retry(),)*
                }
            }

            pub(super) fn grant(&mut self, now: Instant) {
                match &mut self.machine {
                    $(Housed::$name(machine) => machine.grant(now),)*
                }
            }

            pub(super) fn refresh_early(&mut self, horizon: Instant, now: Instant) {
                match &mut self.machine {
                    $(Housed::$name(machine) => Usage::refresh_early(&mut **machine, horizon, now),)*
                }
            }

            pub(super) fn override_refresh(&mut self, interval: Option<Duration>, now: Instant) {
                match &mut self.machine {
                    $(Housed::$name(machine) => Usage::override_refresh(&mut **machine, interval, now),)*
                }
            }

            pub(super) fn network_changed(&mut self, addresses: &[IpAddr], now: Instant) {
                match &mut self.machine {
                    $(Housed::$name(machine) => Usage::network_changed(&mut **machine, addresses, now),)*
                }
            }
        }
    };
}

usages! {
    Binding(Binding), as_binding, as_binding_mut;
    Server(Server), as_server, as_server_mut;
    Stream(Stream), as_stream, as_stream_mut;
    Survey(ServerSurvey), as_survey, as_survey_mut;
    Discovery(Discovery), as_discovery, as_discovery_mut;
    NatProbe(Probe), as_nat_probe, as_nat_probe_mut;
    Allocation(Allocation), as_allocation, as_allocation_mut;
    RelayPool(RelayPool), as_relay_pool, as_relay_pool_mut;
}

impl Operation {
    pub(super) fn new(id: OperationId, machine: Housed) -> Self {
        Self { id, machine, routed: Vec::new(), is_in_ended: false, relays: Vec::new() }
    }
}
