//! The events of pools of relays.

use libstun::turn::{MigrationReason, PoolEvent};

use crate::codes::{stun_event_code, stun_migration_code, unserved_code};
use crate::event::{FlatEvent, NO_RELAY, nanos, of};
use crate::flatten_relay::{allocation, with_reason};

pub(crate) fn pool(event: &PoolEvent) -> FlatEvent {
    let about = |kind, relay: usize| FlatEvent { relay: place(relay), ..of(kind) };
    match *event {
        PoolEvent::Ready { relay, relayed, additional, mapped, rtt } => FlatEvent {
            relayed: Some(relayed),
            additional,
            addr: mapped,
            rtt: nanos(rtt),
            ..about(stun_event_code::STUN_EV_RELAY_READY, relay)
        },
        PoolEvent::Selected { relay, relayed, additional } => FlatEvent {
            relayed: Some(relayed),
            additional,
            ..about(stun_event_code::STUN_EV_RELAY_SELECTED, relay)
        },
        PoolEvent::Migrated { from, to, relayed, additional, reason } => migrated(
            reason,
            FlatEvent {
                relayed: Some(relayed),
                additional,
                index: place(from),
                ..about(stun_event_code::STUN_EV_MIGRATED, to)
            },
        ),
        PoolEvent::Lost { relay, relayed, reason, was_selected } => {
            let event = FlatEvent {
                relayed: Some(relayed),
                detail: u32::from(was_selected),
                ..about(stun_event_code::STUN_EV_LOST, relay)
            };
            with_reason(reason, event)
        }
        PoolEvent::PeerUnserved { relay, peer, error } => FlatEvent {
            peer: Some(peer),
            detail: unserved_code(error) as u32,
            ..about(stun_event_code::STUN_EV_PEER_UNSERVED, relay)
        },
        PoolEvent::Relay { relay, event } => FlatEvent { relay: place(relay), ..allocation(&event) },
        PoolEvent::Superseded { relay, by } => {
            FlatEvent { index: place(by), ..about(stun_event_code::STUN_EV_RELAY_SUPERSEDED, relay) }
        }
        PoolEvent::Closed => of(stun_event_code::STUN_EV_CLOSED),
        PoolEvent::Failed { reason } => with_reason(reason, of(stun_event_code::STUN_EV_FAILED)),
        _ => FlatEvent::NOTHING,
    }
}

fn migrated(reason: MigrationReason, event: FlatEvent) -> FlatEvent {
    let (code, event) = match reason {
        MigrationReason::Lost { reason } => {
            (stun_migration_code::STUN_MIGRATION_LOST, with_reason(reason, event))
        }
        MigrationReason::Unresponsive => (stun_migration_code::STUN_MIGRATION_UNRESPONSIVE, event),
        MigrationReason::Family => (stun_migration_code::STUN_MIGRATION_FAMILY, event),
        MigrationReason::Faster => (stun_migration_code::STUN_MIGRATION_FASTER, event),
        _ => (stun_migration_code::STUN_MIGRATION_OTHER, event),
    };
    FlatEvent { detail: code as u32, ..event }
}

fn place(relay: usize) -> u32 {
    u32::try_from(relay).unwrap_or(NO_RELAY)
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;
    use core::time::Duration;
    use std::collections::BTreeSet;

    use libstun::turn::{AllocationEvent, FailureReason, PeerError, PeerRefusal};

    use super::*;
    use crate::codes::stun_failure_code;

    fn relayed() -> SocketAddr {
        "192.0.2.9:99".parse().unwrap()
    }

    fn migration(reason: MigrationReason) -> PoolEvent {
        PoolEvent::Migrated { from: 1, to: 2, relayed: relayed(), additional: Some(relayed()), reason }
    }

    #[test]
    fn every_event_says_which_relay_and_what() {
        let (there, reason) = (Some(relayed()), FailureReason::ErrorResponse { code: 437 });
        let (additional, mapped) = (None, Some(relayed()));
        let rtt = Some(Duration::from_millis(1));
        let event = pool(&PoolEvent::Ready { relay: 3, relayed: relayed(), additional, mapped, rtt });
        assert_eq!((event.kind, event.relay, event.rtt), (36, 3, 1_000_000));
        assert_eq!((event.relayed, event.additional, event.addr), (there, None, there));
        let event = pool(&PoolEvent::Selected { relay: 0, relayed: relayed(), additional: mapped });
        assert_eq!((event.kind, event.relay, event.relayed, event.additional), (37, 0, there, there));
        let event = pool(&migration(MigrationReason::Lost { reason }));
        assert_eq!((event.kind, event.relay, event.index, event.detail), (38, 2, 1, 1));
        assert_eq!((event.reason, event.code), (stun_failure_code::STUN_FAIL_ERROR_RESPONSE as u32, 437));
        assert_eq!((event.relayed, event.additional), (there, there));
        let error = PeerError::OtherFamily;
        let event = pool(&PoolEvent::PeerUnserved { relay: 4, peer: relayed(), error });
        assert_eq!((event.kind, event.relay, event.peer, event.detail), (39, 4, there, 3));
        let event = pool(&PoolEvent::Superseded { relay: 5, by: 6 });
        assert_eq!((event.kind, event.relay, event.index), (40, 5, 6));
        let event = pool(&PoolEvent::Lost { relay: 7, relayed: relayed(), reason, was_selected: true });
        assert_eq!((event.kind, event.relay, event.detail, event.code), (29, 7, 1, 437));
        assert_eq!(event.relayed, there);
        let event =
            pool(&PoolEvent::Relay { relay: 8, event: AllocationEvent::Permitted { peer: relayed().ip() } });
        assert_eq!((event.kind, event.relay, event.peer.unwrap().port()), (25, 8, 0));
    }

    #[test]
    fn what_concerns_the_whole_pool_names_no_relay() {
        let event = pool(&PoolEvent::Closed);
        assert_eq!((event.kind, event.relay), (35, NO_RELAY));
        let event = pool(&PoolEvent::Failed { reason: FailureReason::Timeout });
        assert_eq!((event.kind, event.relay, event.reason), (2, NO_RELAY, 1));
        let event = allocation(&AllocationEvent::Closed);
        assert_eq!(event.relay, NO_RELAY, "so in what is no pool's");
    }

    #[test]
    fn every_reason_has_a_code_of_its_own() {
        let reasons = [
            MigrationReason::Lost { reason: FailureReason::Timeout },
            MigrationReason::Unresponsive,
            MigrationReason::Family,
            MigrationReason::Faster,
        ];
        let codes: BTreeSet<u32> = reasons.iter().map(|reason| pool(&migration(*reason)).detail).collect();
        assert_eq!(codes, BTreeSet::from([1, 2, 3, 4]));
        let errors = [PeerError::Refused(PeerRefusal::OwnRelay), PeerError::Full, PeerError::OtherFamily];
        assert_eq!(errors.map(|error| unserved_code(error) as u32), [1, 2, 3]);
    }
}
