//! What a survey tells its host.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use super::mapping::ObservedMapping;
use crate::net::FiveTuple;
use crate::stun::binding::FailureReason;

/// What a [`super::ServerSurvey`] tells its host: one event for each target that comes to an end, then
/// [`SurveyEvent::Finished`].
///
/// `target` is the place in [`super::SurveyConfig::targets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SurveyEvent {
    /// A server has answered.
    Mapped {
        /// Which one.
        target: usize,
        /// The path it was asked on.
        path: FiveTuple,
        /// The host's address as that server sees it.
        address: SocketAddr,
        /// The round trip, or `None` where a retransmission makes it unknowable.
        rtt: Option<Duration>,
    },
    /// A server will not answer. The others go on.
    Failed {
        /// Which one.
        target: usize,
        /// The path it was asked on.
        path: FiveTuple,
        /// Why.
        reason: FailureReason,
    },
    /// There were enough answers, nobody is left, or time is up. The last event.
    Finished {
        /// Targets that have answered.
        answered: usize,
        /// Targets that have failed.
        failed: usize,
        /// Targets that were not asked, or not waited for any longer.
        unanswered: usize,
        /// What the answers tell about the NAT.
        mapping: ObservedMapping,
    },
}

impl fmt::Display for SurveyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mapped { path, address, .. } => write!(f, "mapped address {address} from {}", path.remote),
            Self::Failed { path, reason, .. } => write!(f, "{}: {reason}", path.remote),
            Self::Finished { answered, failed, unanswered, mapping } => {
                write!(f, "{answered} answered, {failed} failed, {unanswered} did not answer; {mapping}")
            }
        }
    }
}
