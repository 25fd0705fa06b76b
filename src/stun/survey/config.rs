//! Whom a survey asks, how, and when it has heard enough.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use super::ServerSurvey;
use crate::net::{self, EVERYWHERE, FiveTuple};
use crate::stun::binding::{BindingConfig, ConfigError, RedirectPolicy};

/// One server, and the socket from which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SurveyTarget {
    /// From which socket to which server. The host opens streams before it starts the survey, which has no
    /// command to wait for one.
    pub path: FiveTuple,
    /// The host's number for the socket; handed back in each transmit.
    pub socket_id: u32,
}

impl SurveyTarget {
    /// A target on `path`, with socket number 0.
    #[must_use]
    pub const fn new(path: FiveTuple) -> Self {
        Self { path, socket_id: 0 }
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !net::is_endpoint(&self.path.remote) {
            return Err(ConfigError::ServerAddress);
        }
        if self.path.local.is_ipv4() != self.path.remote.is_ipv4() {
            return Err(ConfigError::MixedFamilies);
        }
        Ok(())
    }
}

/// How a [`ServerSurvey`] asks. The fields are public: change what you need before you pass it on.
#[derive(Clone, Debug)]
pub struct SurveyConfig {
    /// Whom to ask, in that order; 1 to [`ServerSurvey::MAX_TARGETS`].
    pub targets: Vec<SurveyTarget>,
    /// How each is asked: credentials, FINGERPRINT, retransmissions. Its path, socket number and refresh
    /// interval are not used: each target is asked on its own path, once.
    pub request: BindingConfig,
    /// Answers after which nobody else is asked. At least 1; more than there are targets means all.
    pub enough: usize,
    /// How long the whole may take, from the start; `None` leaves every target the time of its transaction,
    /// which is 39.5 s for a silent one (RFC 8489 s6.2.1). 10 s.
    pub deadline: Option<Duration>,
    /// How long to wait before the next target is asked, the "Connection Attempt Delay" of RFC 8305 s5; zero
    /// asks all at once. An attempt that fails starts the next one at once. At least
    /// [`Self::MIN_ATTEMPT_DELAY`] if it is not zero.
    pub attempt_delay: Duration,
}

impl SurveyConfig {
    /// The delay between two attempts of a race (RFC 8305 s8).
    pub const DEFAULT_ATTEMPT_DELAY: Duration = Duration::from_millis(250);

    /// The shortest delay that is not zero (RFC 8305 s8).
    pub const MIN_ATTEMPT_DELAY: Duration = Duration::from_millis(10);

    /// Five sends at an RTO of 500 ms (RFC 8489 s6.2.1) and a wait: who has not answered then is gone, or too
    /// far away to be of use.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

    /// Asks all of them at once, and waits for all.
    #[must_use]
    pub fn all(targets: Vec<SurveyTarget>) -> Self {
        let path = targets.first().map_or(FiveTuple::udp(EVERYWHERE, EVERYWHERE), |target| target.path);
        Self {
            targets,
            request: BindingConfig::once(path),
            enough: usize::MAX,
            deadline: Some(Self::DEFAULT_DEADLINE),
            attempt_delay: Duration::ZERO,
        }
    }

    /// Asks one after the other, 250 ms apart, until the first answers (RFC 8305 s5). Their order is kept: what
    /// [discovery](crate::stun::discovery) found is in order already, other lists want
    /// [`Self::ipv6_first`].
    #[must_use]
    pub fn race(targets: Vec<SurveyTarget>) -> Self {
        Self { enough: 1, attempt_delay: Self::DEFAULT_ATTEMPT_DELAY, ..Self::all(targets) }
    }

    /// Reorders the targets: IPv6 and IPv4 by turns, IPv6 first (RFC 8305 s4), each family in its order.
    #[must_use]
    pub fn ipv6_first(mut self) -> Self {
        self.targets = interleave(self.targets, |target| target.path.remote.is_ipv6());
        self
    }

    pub(super) fn check(&self) -> Result<(), SurveyError> {
        if self.targets.is_empty() {
            return Err(SurveyError::NoTargets);
        }
        if self.targets.len() > ServerSurvey::MAX_TARGETS {
            return Err(SurveyError::TooManyTargets);
        }
        if self.enough == 0 {
            return Err(SurveyError::NothingWanted);
        }
        if !self.attempt_delay.is_zero() && self.attempt_delay < Self::MIN_ATTEMPT_DELAY {
            return Err(SurveyError::AttemptDelayTooShort);
        }
        for (index, target) in self.targets.iter().enumerate() {
            target.check().map_err(|error| SurveyError::Target { index, error })?;
            let server = target.path.remote;
            let at_it = self.targets.iter().filter(|other| other.path.remote == server).count();
            if self.attempt_delay.is_zero() && at_it > ServerSurvey::MAX_PER_SERVER {
                return Err(SurveyError::TooManyAtOneServer { server });
            }
        }
        if self.request.redirects == RedirectPolicy::Ask {
            return Err(SurveyError::AsksHost);
        }
        Ok(())
    }
}

/// The two families by turns, IPv6 first, as long as there are both (RFC 8305 s4).
pub(in crate::stun) fn interleave<T>(all: Vec<T>, is_ipv6: impl Fn(&T) -> bool) -> Vec<T> {
    let mut ordered = Vec::with_capacity(all.len());
    let (six, four): (Vec<T>, Vec<T>) = all.into_iter().partition(is_ipv6);
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    loop {
        let pair = (six.next(), four.next());
        if let (None, None) = pair {
            return ordered;
        }
        ordered.extend(pair.0);
        ordered.extend(pair.1);
    }
}

/// Why a survey cannot be made of its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SurveyError {
    /// There is nobody to ask.
    NoTargets,
    /// There are more targets than [`ServerSurvey::MAX_TARGETS`].
    TooManyTargets,
    /// No answer at all would be enough.
    NothingWanted,
    /// The delay is neither zero nor [`SurveyConfig::MIN_ATTEMPT_DELAY`] or more.
    AttemptDelayTooShort,
    /// More than [`ServerSurvey::MAX_PER_SERVER`] targets are one server, and would be asked at once.
    TooManyAtOneServer {
        /// The server.
        server: SocketAddr,
    },
    /// The request's redirect policy is [`RedirectPolicy::Ask`]: a survey has nobody to ask.
    AsksHost,
    /// A target contradicts itself.
    Target {
        /// Its place in [`SurveyConfig::targets`].
        index: usize,
        /// What is wrong with it.
        error: ConfigError,
    },
}

impl fmt::Display for SurveyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTargets => f.write_str("there is nobody to ask"),
            Self::TooManyTargets => write!(f, "more than {} targets", ServerSurvey::MAX_TARGETS),
            Self::NothingWanted => f.write_str("no answer at all would be enough"),
            Self::AttemptDelayTooShort => f.write_str("the delay between attempts is under 10 ms"),
            Self::TooManyAtOneServer { server } => {
                write!(f, "more than {} requests at once to {server}", ServerSurvey::MAX_PER_SERVER)
            }
            Self::AsksHost => f.write_str("a survey cannot ask the host about redirections"),
            Self::Target { index, error } => write!(f, "target {index}: {error}"),
        }
    }
}

impl core::error::Error for SurveyError {}
