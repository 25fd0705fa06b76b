//! Which relays a pool houses, how many it keeps ready, and when it changes from one to another.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::RelayPool;
use crate::turn::{AllocationConfig, ConfigError, KeepaliveKind, RelayTransport};

/// What a [`RelayPool`] houses and how it chooses. The fields are public: change what you need before you pass it on.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The relays, 1 to [`RelayPool::MAX_RELAYS`], each on a path of its own. Events and commands name a relay by its
    /// place here.
    pub relays: Vec<AllocationConfig>,
    /// How many are kept ready. The first so many are asked at once; each of the others is a spare that is asked when
    /// fewer than that are well. All; at least 1.
    pub ready: usize,
    /// Wants every peer at every relay that is ready, and not only at the selected one: a migration then costs no
    /// round trip, and every standby the packets of its permissions and channels. No.
    pub warm_standby: bool,
    /// A relay that has not answered a request for so long is unresponsive: another that is ready is selected in its
    /// stead. On a slow path it is eight times the RTO, which is what four sends take, and it doubles with each alarm
    /// that was false; 30 s at most. `None` waits until the relay is lost, which takes 39.5 s and more.
    /// [`Self::DEFAULT_PATIENCE`]; at least [`Self::MIN_PATIENCE`].
    pub patience: Option<Duration>,
    /// For so long after the first selection, and while no peer is wanted, a relay that is faster by a quarter takes
    /// over at once: the first to answer need not be the fastest. [`Self::DEFAULT_SETTLING`].
    pub settling: Duration,
    /// When a faster relay takes over after that. `None` never does: every migration gives peers another address.
    pub switching: Option<Switching>,
}

/// When a faster relay takes over from one that works.
///
/// Round trips vary, and a pool that followed each variation would flap between two relays that are as good as each
/// other. Hence three conditions: half the round trip, a gain that can be felt, and for long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Switching {
    /// By how much the smoothed round trip must be shorter, besides being half as long at most. 50 ms.
    pub least_gain: Duration,
    /// For how long it must have been. 60 s, which is two keepalives and more; at least 1 s.
    pub hold: Duration,
}

impl Default for Switching {
    fn default() -> Self {
        Self { least_gain: Duration::from_millis(50), hold: Duration::from_secs(60) }
    }
}

impl PoolConfig {
    /// Four sends of a request at an RTO of 500 ms, at 0, 0.5, 1.5 and 3.5 s (RFC 8489 s6.2.1), and half a second.
    pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(4);

    /// Two sends of a request at an RTO of 500 ms, and half a second.
    pub const MIN_PATIENCE: Duration = Duration::from_secs(1);

    /// Time for those that are a retransmission behind.
    pub const DEFAULT_SETTLING: Duration = Duration::from_secs(2);

    /// Keeps all of them ready. Makes their keepalives requests ([`KeepaliveKind::Request`]): an indication neither
    /// tells that a server is gone nor measures a round trip.
    #[must_use]
    pub fn new(mut relays: Vec<AllocationConfig>) -> Self {
        for relay in &mut relays {
            relay.keepalive_kind = KeepaliveKind::Request;
        }
        Self {
            relays,
            ready: RelayPool::MAX_RELAYS,
            warm_standby: false,
            patience: Some(Self::DEFAULT_PATIENCE),
            settling: Self::DEFAULT_SETTLING,
            switching: Some(Switching::default()),
        }
    }

    pub(super) fn check(&self) -> Result<(), PoolConfigError> {
        if self.relays.is_empty() {
            return Err(PoolConfigError::NoRelays);
        }
        if self.relays.len() > RelayPool::MAX_RELAYS {
            return Err(PoolConfigError::TooManyRelays);
        }
        if self.ready == 0 {
            return Err(PoolConfigError::NoneReady);
        }
        if self.patience.is_some_and(|patience| patience < Self::MIN_PATIENCE) {
            return Err(PoolConfigError::PatienceTooShort);
        }
        if self.switching.is_some_and(|switching| switching.hold < MIN_HOLD) {
            return Err(PoolConfigError::HoldTooShort);
        }
        for (index, relay) in self.relays.iter().enumerate() {
            relay.check().map_err(|error| PoolConfigError::Relay { index, error })?;
            if relay.transport == RelayTransport::Tcp {
                return Err(PoolConfigError::Connections { index });
            }
            if let Some(first) = self.relays.iter().take(index).position(|other| other.path == relay.path) {
                return Err(PoolConfigError::SamePath { first, second: index });
            }
        }
        Ok(())
    }
}

/// Why a pool cannot be made of its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolConfigError {
    /// There is no relay.
    NoRelays,
    /// There are more relays than [`RelayPool::MAX_RELAYS`].
    TooManyRelays,
    /// None is to be kept ready.
    NoneReady,
    /// The patience is under [`PoolConfig::MIN_PATIENCE`].
    PatienceTooShort,
    /// [`Switching::hold`] is under a second.
    HoldTooShort,
    /// Two relays are on one path: a server knows one allocation for each 5-tuple (RFC 8656 s3.2).
    SamePath {
        /// The place of one in [`PoolConfig::relays`].
        first: usize,
        /// The place of the other.
        second: usize,
    },
    /// A relay for connections to peers (RFC 6062), which cannot migrate.
    Connections {
        /// Its place in [`PoolConfig::relays`].
        index: usize,
    },
    /// A relay's configuration contradicts itself.
    Relay {
        /// Its place in [`PoolConfig::relays`].
        index: usize,
        /// What is wrong with it.
        error: ConfigError,
    },
}

impl fmt::Display for PoolConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRelays => f.write_str("there is no relay"),
            Self::TooManyRelays => write!(f, "more than {} relays", RelayPool::MAX_RELAYS),
            Self::NoneReady => f.write_str("no relay is to be kept ready"),
            Self::PatienceTooShort => f.write_str("the patience is under one second"),
            Self::HoldTooShort => f.write_str("a faster relay is to take over within a second"),
            Self::SamePath { first, second } => write!(f, "relays {first} and {second} are on the same path"),
            Self::Connections { index } => {
                write!(f, "relay {index} is for connections, which cannot migrate")
            }
            Self::Relay { index, error } => write!(f, "relay {index}: {error}"),
        }
    }
}

impl core::error::Error for PoolConfigError {}

/// The shortest [`Switching::hold`].
const MIN_HOLD: Duration = Duration::from_secs(1);
