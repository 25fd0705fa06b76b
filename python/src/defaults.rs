//! The core's defaults, for the classes of `libstun.config`: said once.

use core::time::Duration;

use libstun::agent::PowerProfile;
use libstun::nat::{LifetimeLimits, Patience, ProbeConfig};
use libstun::stun::{BindingConfig, Budget, DiscoveryConfig, SurveyConfig};
use libstun::transaction::{Backoff, RetransmissionConfig};
use libstun::turn::{AllocationConfig, PoolConfig, Switching};
use pyo3::prelude::*;

use crate::errors;
use crate::events::nanos;

/// Adds them all to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for (name, duration) in durations()? {
        module.add(name, nanos(duration))?;
    }
    for (name, number) in numbers()? {
        module.add(name, number)?;
    }
    Ok(())
}

fn durations() -> PyResult<Vec<(&'static str, Duration)>> {
    let (schedule, backoff) = (RetransmissionConfig::default(), Backoff::default());
    let (lifetime, patience, switching) =
        (LifetimeLimits::default(), Patience::default(), Switching::default());
    Ok(vec![
        ("DEFAULT_REFRESH_NS", BindingConfig::DEFAULT_REFRESH),
        ("DEFAULT_RTO_NS", schedule.initial_rto),
        ("DEFAULT_TI_NS", schedule.ti),
        ("DEFAULT_BACKOFF_FIRST_NS", backoff.first),
        ("DEFAULT_BACKOFF_MAX_NS", backoff.max),
        ("DEFAULT_SURVEY_DEADLINE_NS", SurveyConfig::DEFAULT_DEADLINE),
        ("DEFAULT_DISCOVERY_DEADLINE_NS", DiscoveryConfig::DEFAULT_DEADLINE),
        ("DEFAULT_RESOLUTION_DELAY_NS", DiscoveryConfig::DEFAULT_RESOLUTION_DELAY),
        ("DEFAULT_NAT_PACING_NS", probe()?.pacing),
        ("DEFAULT_NAT_LIFETIME_MAX_NS", lifetime.max),
        ("DEFAULT_NAT_LIFETIME_PRECISION_NS", lifetime.precision),
        ("DEFAULT_NAT_ATTEMPT_INTERVAL_NS", patience.interval),
        ("DEFAULT_NAT_LAST_WAIT_NS", patience.last_wait),
        ("DEFAULT_KEEPALIVE_NS", AllocationConfig::DEFAULT_KEEPALIVE),
        ("DEFAULT_PATIENCE_NS", PoolConfig::DEFAULT_PATIENCE),
        ("DEFAULT_SETTLING_NS", PoolConfig::DEFAULT_SETTLING),
        ("DEFAULT_LEAST_GAIN_NS", switching.least_gain),
        ("DEFAULT_HOLD_NS", switching.hold),
        ("ATTEMPT_DELAY_NS", SurveyConfig::DEFAULT_ATTEMPT_DELAY),
        ("IDLE_SLACK_NS", PowerProfile::IDLE.max_slack),
    ])
}

fn numbers() -> PyResult<Vec<(&'static str, u32)>> {
    let schedule = RetransmissionConfig::default();
    Ok(vec![
        ("DEFAULT_RC", schedule.rc),
        ("DEFAULT_RM", schedule.rm),
        ("DEFAULT_NAT_MAX_ATTEMPTS", Patience::default().max_attempts),
        ("DEFAULT_NAT_PADDING", probe()?.padding.into()),
        ("DEFAULT_AMPLIFICATION_PERCENT", Budget::DEFAULT_AMPLIFICATION_LIMIT_PERCENT),
        ("DEFAULT_ERROR_BYTES_PER_SECOND", Budget::DEFAULT_ERROR_BYTES_PER_SECOND),
        ("DEFAULT_ERROR_BURST", Budget::DEFAULT_ERROR_BURST),
    ])
}

/// A probe's configuration, whose addresses nobody looks at.
fn probe() -> PyResult<ProbeConfig> {
    let any = "0.0.0.0:0".parse().map_err(errors::value)?;
    Ok(ProbeConfig::new(any, any))
}
