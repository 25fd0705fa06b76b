//! The core's defaults, for the configurations of the idiomatic packages: said once.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use libstun::agent::PowerProfile;
use libstun::nat::{LifetimeLimits, Patience, ProbeConfig};
use libstun::stun::{BindingConfig, Budget, SurveyConfig};
use libstun::transaction::{Backoff, RetransmissionConfig};
use libstun::turn::AllocationConfig;

use crate::config::{Schedule, Waits};

/// What a host means that says nothing else. Durations are nanoseconds.
#[derive(Clone, uniffi::Record)]
pub struct Defaults {
    /// How often a binding is refreshed.
    pub refresh: u64,
    /// When a request is sent again.
    pub retransmission: Schedule,
    /// How long to wait after failures.
    pub backoff: Waits,
    /// How long a survey may take.
    pub survey_deadline: u64,
    /// Between two servers of a race (RFC 8305 s5).
    pub attempt_delay: u64,
    /// How often something is sent to a TURN server.
    pub keepalive: u64,
    /// `NatOptions.pacing`.
    pub nat_pacing: u64,
    /// `NatOptions.lifetime_max`.
    pub nat_lifetime_max: u64,
    /// `NatOptions.lifetime_precision`.
    pub nat_lifetime_precision: u64,
    /// `NatOptions.attempt_interval`.
    pub nat_attempt_interval: u64,
    /// `NatOptions.last_wait`.
    pub nat_last_wait: u64,
    /// `NatOptions.max_attempts`.
    pub nat_max_attempts: u32,
    /// `NatOptions.padding`.
    pub nat_padding: u16,
    /// `ServerOptions.amplification_percent`.
    pub amplification_percent: u32,
    /// `ServerOptions.error_bytes_per_second`.
    pub error_bytes_per_second: u32,
    /// `ServerOptions.error_burst`.
    pub error_burst: u32,
    /// A slack for `RawAgent::set_power` that suits a phone in a pocket.
    pub idle_slack: u64,
}

/// The core's defaults.
#[uniffi::export]
pub fn defaults() -> Defaults {
    let (schedule, backoff) = (RetransmissionConfig::default(), Backoff::default());
    let (lifetime, patience) = (LifetimeLimits::default(), Patience::default());
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let probe = ProbeConfig::new(any, any);
    Defaults {
        refresh: nanos(BindingConfig::DEFAULT_REFRESH),
        retransmission: Schedule {
            initial_rto: nanos(schedule.initial_rto),
            rc: schedule.rc,
            rm: schedule.rm,
            ti: nanos(schedule.ti),
        },
        backoff: Waits { first: nanos(backoff.first), max: nanos(backoff.max) },
        survey_deadline: nanos(SurveyConfig::DEFAULT_DEADLINE),
        attempt_delay: nanos(SurveyConfig::DEFAULT_ATTEMPT_DELAY),
        keepalive: nanos(AllocationConfig::DEFAULT_KEEPALIVE),
        nat_pacing: nanos(probe.pacing),
        nat_lifetime_max: nanos(lifetime.max),
        nat_lifetime_precision: nanos(lifetime.precision),
        nat_attempt_interval: nanos(patience.interval),
        nat_last_wait: nanos(patience.last_wait),
        nat_max_attempts: patience.max_attempts,
        nat_padding: probe.padding,
        amplification_percent: Budget::DEFAULT_AMPLIFICATION_LIMIT_PERCENT,
        error_bytes_per_second: Budget::DEFAULT_ERROR_BYTES_PER_SECOND,
        error_burst: Budget::DEFAULT_ERROR_BURST,
        idle_slack: nanos(PowerProfile::IDLE.max_slack),
    }
}

fn nanos(duration: Duration) -> u64 {
    libstun_flat::nanos(Some(duration))
}
