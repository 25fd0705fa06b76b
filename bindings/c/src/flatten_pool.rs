//! The events of pools of relays as the one struct of C.

use libstun::turn::{MigrationReason, PeerError, PoolEvent};

use crate::event::{stun_event, stun_event_code};
use crate::flatten::{nanos, of};
use crate::flatten_relay::{allocation, with_reason};
use crate::relay_pool::{STUN_NO_RELAY, stun_migration_code, stun_unserved_code};
use crate::types::stun_addr;

pub(crate) fn pool(event: &PoolEvent) -> stun_event {
    let about = |kind, relay: usize| stun_event { relay: place(relay), ..of(kind) };
    match *event {
        PoolEvent::Ready { relay, relayed, additional, mapped, rtt } => stun_event {
            relayed: relayed.into(),
            additional: optional(additional),
            addr: optional(mapped),
            rtt: nanos(rtt),
            ..about(stun_event_code::STUN_EV_RELAY_READY, relay)
        },
        PoolEvent::Selected { relay, relayed, additional } => stun_event {
            relayed: relayed.into(),
            additional: optional(additional),
            ..about(stun_event_code::STUN_EV_RELAY_SELECTED, relay)
        },
        PoolEvent::Migrated { from, to, relayed, additional, reason } => migrated(
            reason,
            stun_event {
                relayed: relayed.into(),
                additional: optional(additional),
                index: place(from),
                ..about(stun_event_code::STUN_EV_MIGRATED, to)
            },
        ),
        PoolEvent::Lost { relay, relayed, reason, was_selected } => {
            let event = stun_event {
                relayed: relayed.into(),
                detail: u32::from(was_selected),
                ..about(stun_event_code::STUN_EV_LOST, relay)
            };
            with_reason(reason, event)
        }
        PoolEvent::PeerUnserved { relay, peer, error } => stun_event {
            peer: peer.into(),
            detail: unserved(error) as u32,
            ..about(stun_event_code::STUN_EV_PEER_UNSERVED, relay)
        },
        PoolEvent::Relay { relay, event } => stun_event { relay: place(relay), ..allocation(&event) },
        PoolEvent::Superseded { relay, by } => {
            stun_event { index: place(by), ..about(stun_event_code::STUN_EV_RELAY_SUPERSEDED, relay) }
        }
        PoolEvent::Closed => of(stun_event_code::STUN_EV_CLOSED),
        PoolEvent::Failed { reason } => with_reason(reason, of(stun_event_code::STUN_EV_FAILED)),
        _ => crate::pointer::Growable::defaults(),
    }
}

fn migrated(reason: MigrationReason, event: stun_event) -> stun_event {
    let (code, event) = match reason {
        MigrationReason::Lost { reason } => {
            (stun_migration_code::STUN_MIGRATION_LOST, with_reason(reason, event))
        }
        MigrationReason::Unresponsive => (stun_migration_code::STUN_MIGRATION_UNRESPONSIVE, event),
        MigrationReason::Family => (stun_migration_code::STUN_MIGRATION_FAMILY, event),
        MigrationReason::Faster => (stun_migration_code::STUN_MIGRATION_FASTER, event),
        _ => (stun_migration_code::STUN_MIGRATION_OTHER, event),
    };
    stun_event { detail: code as u32, ..event }
}

fn unserved(error: PeerError) -> stun_unserved_code {
    match error {
        PeerError::Refused(_) => stun_unserved_code::STUN_UNSERVED_POLICY,
        PeerError::Full => stun_unserved_code::STUN_UNSERVED_FULL,
        PeerError::OtherFamily => stun_unserved_code::STUN_UNSERVED_FAMILY,
        _ => stun_unserved_code::STUN_UNSERVED_OTHER,
    }
}

fn place(relay: usize) -> u32 {
    u32::try_from(relay).unwrap_or(STUN_NO_RELAY)
}

fn optional(address: Option<core::net::SocketAddr>) -> stun_addr {
    address.map_or(stun_addr::NONE, Into::into)
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;
    use core::time::Duration;
    use std::collections::BTreeSet;

    use libstun::turn::{AllocationEvent, FailureReason, PeerRefusal};

    use super::*;
    use crate::event::stun_failure_code;

    fn relayed() -> SocketAddr {
        "192.0.2.9:99".parse().unwrap()
    }

    fn migration(reason: MigrationReason) -> PoolEvent {
        PoolEvent::Migrated { from: 1, to: 2, relayed: relayed(), additional: Some(relayed()), reason }
    }

    #[test]
    fn every_event_says_which_relay_and_what() {
        let (there, reason) = (stun_addr::from(relayed()), FailureReason::ErrorResponse { code: 437 });
        let (additional, mapped) = (None, Some(relayed()));
        let rtt = Some(Duration::from_millis(1));
        let event = pool(&PoolEvent::Ready { relay: 3, relayed: relayed(), additional, mapped, rtt });
        assert_eq!((event.kind, event.relay, event.rtt), (36, 3, 1_000_000));
        assert_eq!((event.relayed, event.additional, event.addr), (there, stun_addr::NONE, there));
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
        assert_eq!((event.kind, event.relay, event.peer.port), (25, 8, 0));
    }

    #[test]
    fn what_concerns_the_whole_pool_names_no_relay() {
        let event = pool(&PoolEvent::Closed);
        assert_eq!((event.kind, event.relay), (35, STUN_NO_RELAY));
        let event = pool(&PoolEvent::Failed { reason: FailureReason::Timeout });
        assert_eq!((event.kind, event.relay, event.reason), (2, STUN_NO_RELAY, 1));
        let event = allocation(&AllocationEvent::Closed);
        assert_eq!(event.relay, STUN_NO_RELAY, "so in what is no pool's");
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
        assert_eq!(errors.map(|error| unserved(error) as u32), [1, 2, 3]);
    }
}
