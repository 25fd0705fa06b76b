//! Why a command was refused.

use libstun::agent::{ReconnectError, RelayError, StartError, UnknownOperation};
use libstun::auth::{CredentialError, PrepareError};
use libstun::nat;
use libstun::stun::binding::ConfigError;
use libstun::stun::discovery::{DiscoveryError, UnknownQuestion};
use libstun::stun::survey::SurveyError;
use libstun::turn::{
    self, ConnectError, FrameError, IpRangeError, MemberError, PeerError, PeerRefusal, PoolConfigError,
    SendToPeerError,
};
use libstun::wire::uri::UriError;

use crate::codes::stun_status_code::{self, *};

/// A call that was refused: the status, and a sentence for people that names what is wrong. Nothing has changed then.
///
/// It is made of what the core answers, and of numbers that are no code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misuse(pub stun_status_code, pub &'static str);

/// There is no operation of that kind by that id.
pub const UNKNOWN_OPERATION: Misuse = Misuse(STUN_E_NOT_FOUND, "no operation of that id");

impl From<UnknownOperation> for Misuse {
    fn from(_: UnknownOperation) -> Self {
        UNKNOWN_OPERATION
    }
}

impl From<StartError> for Misuse {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(error) => error.into(),
            StartError::Survey(error) => error.into(),
            StartError::Discovery(error) => error.into(),
            StartError::NatProbe(error) => error.into(),
            StartError::Allocation(error) => error.into(),
            StartError::RelayPool(error) => error.into(),
            StartError::TooManyOperations => {
                Self(STUN_E_LIMIT, "the agent houses as many operations as it may")
            }
            StartError::AddressTaken => Self(STUN_E_STATE, "another server already answers at that address"),
            StartError::PathTaken => Self(STUN_E_STATE, "another allocation already relays on that path"),
            _ => Self(STUN_E_INVALID, "the operation cannot be started"),
        }
    }
}

/// What is wrong with a path, or with asking along it.
impl From<ConfigError> for Misuse {
    fn from(error: ConfigError) -> Self {
        invalid(match error {
            ConfigError::ServerAddress => "server has port 0, or is unspecified, multicast or broadcast",
            ConfigError::MixedFamilies => "local and server are of different families",
            ConfigError::RefreshTooShort => "refresh is under one second",
            _ => "the operation cannot be started",
        })
    }
}

impl From<ReconnectError> for Misuse {
    fn from(error: ReconnectError) -> Self {
        match error {
            ReconnectError::UnknownOperation => UNKNOWN_OPERATION,
            ReconnectError::Config(error) => error.into(),
        }
    }
}

impl From<SurveyError> for Misuse {
    fn from(error: SurveyError) -> Self {
        invalid(match error {
            SurveyError::NoTargets => "there is nobody to ask",
            SurveyError::TooManyTargets => "there are more than 64 targets",
            SurveyError::AttemptDelayTooShort => "attempt_delay is under 10 ms",
            SurveyError::TooManyAtOneServer { .. } => "more than ten targets at once are one server",
            SurveyError::AsksHost => "a survey cannot ask about redirections",
            SurveyError::Target { error, .. } => return error.into(),
            _ => "the survey cannot be started",
        })
    }
}

impl From<DiscoveryError> for Misuse {
    fn from(error: DiscoveryError) -> Self {
        invalid(match error {
            DiscoveryError::InvalidName => "the host is neither a name nor an address",
            DiscoveryError::InvalidPort => "the port is 0",
            DiscoveryError::SecureAddress => {
                "a secure service needs a name that a certificate can be checked for"
            }
            DiscoveryError::SecureUdp => "there is no UDP inside TLS",
            DiscoveryError::UnknownTransport => "the URI's transport is unknown",
            DiscoveryError::UnsupportedTransport => "none of the transports will do",
            _ => "the discovery cannot be started",
        })
    }
}

impl From<UnknownQuestion> for Misuse {
    fn from(_: UnknownQuestion) -> Self {
        Self(STUN_E_NOT_FOUND, "nobody waits for an answer to that question")
    }
}

impl From<UriError> for Misuse {
    fn from(_: UriError) -> Self {
        invalid("the text is no stun, stuns, turn or turns URI")
    }
}

impl From<nat::ConfigError> for Misuse {
    fn from(error: nat::ConfigError) -> Self {
        invalid(match error {
            nat::ConfigError::ServerAddress => {
                "a server has port 0, or is unspecified, multicast or broadcast"
            }
            nat::ConfigError::MixedFamilies => "sockets and servers are of different families",
            nat::ConfigError::SameSocket => {
                "the second socket differs neither in its port nor in its socket_id"
            }
            nat::ConfigError::TooManyServers => "there are more than 8 further servers",
            _ => "the probe cannot be started",
        })
    }
}

impl From<turn::ConfigError> for Misuse {
    fn from(error: turn::ConfigError) -> Self {
        invalid(match error {
            turn::ConfigError::ServerAddress => {
                "server has port 0, or is unspecified, multicast or broadcast"
            }
            turn::ConfigError::MixedFamilies => "local and server are of different families",
            turn::ConfigError::KeepaliveTooShort => "keepalive is under one second",
            turn::ConfigError::Lifetime => "lifetime is under one second, or over 2^32 - 1",
            turn::ConfigError::TcpOverUdp => "connections to peers need TCP or TLS to the server",
            turn::ConfigError::NotForTcp => {
                "DONT_FRAGMENT, wishes for a port and two families are not for connections to peers"
            }
            turn::ConfigError::PortOfBoth => {
                "a token goes without a family, and two families without wishes for a port"
            }
            _ => "the allocation cannot be started",
        })
    }
}

impl From<PoolConfigError> for Misuse {
    fn from(error: PoolConfigError) -> Self {
        invalid(match error {
            PoolConfigError::NoRelays => "there is no relay",
            PoolConfigError::TooManyRelays => "there are more than 16 relays",
            PoolConfigError::NoneReady => "no relay is to be kept ready",
            PoolConfigError::PatienceTooShort => "patience is under one second",
            PoolConfigError::HoldTooShort => "hold is under one second",
            PoolConfigError::SamePath { .. } => "two relays are on the same path",
            PoolConfigError::Connections { .. } => {
                "a relay is for connections to peers, which cannot migrate"
            }
            PoolConfigError::Relay { error, .. } => return error.into(),
            _ => "the pool cannot be started",
        })
    }
}

impl<E: Into<Self>> From<RelayError<E>> for Misuse {
    fn from(error: RelayError<E>) -> Self {
        match error {
            RelayError::UnknownOperation => UNKNOWN_OPERATION,
            RelayError::Refused(error) => error.into(),
        }
    }
}

impl From<MemberError> for Misuse {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::UnknownRelay => Self(STUN_E_NOT_FOUND, "the pool has no such relay, or it is over"),
            MemberError::SamePath => Self(STUN_E_STATE, "another relay of the pool is on that path"),
            MemberError::Path(error) => error.into(),
            _ => Self(STUN_E_INVALID, "the relay cannot do that"),
        }
    }
}

impl From<PeerError> for Misuse {
    fn from(error: PeerError) -> Self {
        match error {
            PeerError::Refused(refusal) => refusal.into(),
            PeerError::Full => Self(STUN_E_LIMIT, "as many peers are permitted or bound as may be"),
            PeerError::OtherFamily => Self(STUN_E_INVALID, "the relayed address is of another family"),
            PeerError::NotForTcp => Self(STUN_E_STATE, "channels are not for connections to peers"),
            PeerError::Ended => Self(STUN_E_STATE, "the allocation has ended, or is being closed"),
            _ => Self(STUN_E_INVALID, "the peer cannot be permitted"),
        }
    }
}

impl From<ConnectError> for Misuse {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused(refusal) => refusal.into(),
            ConnectError::NoRelay => Self(
                STUN_E_STATE,
                "there is no relay for connections: relay_transport is UDP, or not allocated",
            ),
            ConnectError::AlreadyConnecting => Self(STUN_E_STATE, "a connection to that peer is being made"),
            ConnectError::Full => Self(STUN_E_LIMIT, "as many connections are being made as may be"),
            ConnectError::UnknownConnection => Self(STUN_E_NOT_FOUND, "no such connection waits for you"),
            ConnectError::Path => Self(
                STUN_E_INVALID,
                "the path is no TCP or TLS connection to the server besides the first one",
            ),
            _ => Self(STUN_E_INVALID, "the connection cannot be made"),
        }
    }
}

impl From<SendToPeerError> for Misuse {
    fn from(error: SendToPeerError) -> Self {
        match error {
            SendToPeerError::Refused(refusal) => refusal.into(),
            SendToPeerError::NotAllocated => Self(STUN_E_STATE, "there is no relayed address now"),
            SendToPeerError::NotPermitted => Self(STUN_E_STATE, "the peer is not permitted yet"),
            SendToPeerError::NotForTcp => Self(STUN_E_STATE, "data for connections to peers goes over those"),
            SendToPeerError::Frame(error) => error.into(),
            _ => Self(STUN_E_INVALID, "the data cannot be sent"),
        }
    }
}

impl From<FrameError> for Misuse {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::BufferTooSmall { .. } => Self(STUN_E_BUFFER, "the buffer is too small"),
            FrameError::HeadroomTooSmall { .. } => {
                Self(STUN_E_BUFFER, "there is too little room before the data")
            }
            FrameError::TailroomTooSmall { .. } => {
                Self(STUN_E_BUFFER, "there is too little room behind the data")
            }
            FrameError::PayloadOutside => Self(STUN_E_INVALID, "the data does not lie in the buffer"),
            _ => Self(STUN_E_INVALID, "the data is longer than a message can be"),
        }
    }
}

impl From<PeerRefusal> for Misuse {
    fn from(refusal: PeerRefusal) -> Self {
        invalid(match refusal {
            PeerRefusal::Unspecified => "the peer is an unspecified address",
            PeerRefusal::Loopback => "the peer is a loopback address of the relay, which peer_policy refuses",
            PeerRefusal::LinkLocal => {
                "the peer is an address on the link of the relay, which peer_policy refuses"
            }
            PeerRefusal::Multicast => "the peer is a multicast address",
            PeerRefusal::Broadcast => "the peer is the broadcast address",
            PeerRefusal::PortZero => "the peer has port 0",
            PeerRefusal::Denied => "one of your peer_rules denies the peer",
            PeerRefusal::OwnRelay => "the peer is the relayed address itself",
            _ => "the policy refuses the peer",
        })
    }
}

impl From<IpRangeError> for Misuse {
    fn from(error: IpRangeError) -> Self {
        invalid(match error {
            IpRangeError::MixedFamilies => "the ends of a range are of two families",
            _ => "a range ends before it begins",
        })
    }
}

impl From<CredentialError> for Misuse {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::UsernameLength | CredentialError::PasswordLength => {
                invalid("a credential needs a username of 1 to 508 bytes and a password")
            }
            _ => UNPREPARED,
        }
    }
}

impl From<PrepareError> for Misuse {
    fn from(_: PrepareError) -> Self {
        UNPREPARED
    }
}

const UNPREPARED: Misuse = invalid("a username or password is empty, or has characters that none may have");

const fn invalid(sentence: &'static str) -> Misuse {
    Misuse(STUN_E_INVALID, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status<E: Into<Misuse>>(error: E) -> stun_status_code {
        error.into().0
    }

    #[test]
    fn what_is_wrong_inside_is_said_whichever_error_is_around_it() {
        let inner = Misuse::from(turn::ConfigError::KeepaliveTooShort);
        let outer = PoolConfigError::Relay { index: 2, error: turn::ConfigError::KeepaliveTooShort };
        assert_eq!(Misuse::from(StartError::RelayPool(outer)), inner);
        let outer = SendToPeerError::Refused(PeerRefusal::Loopback);
        assert_eq!(Misuse::from(RelayError::Refused(outer)), PeerRefusal::Loopback.into());
        assert_eq!(Misuse::from(RelayError::<PeerError>::UnknownOperation), UNKNOWN_OPERATION);
        assert_eq!(Misuse::from(UnknownOperation), UNKNOWN_OPERATION);
        assert_eq!(Misuse::from(ReconnectError::UnknownOperation), UNKNOWN_OPERATION);
    }

    #[test]
    fn limits_states_and_values_have_their_own_status() {
        assert_eq!(status(StartError::TooManyOperations), STUN_E_LIMIT);
        assert_eq!(status(StartError::PathTaken), STUN_E_STATE);
        assert_eq!(status(StartError::Config(ConfigError::MixedFamilies)), STUN_E_INVALID);
        assert_eq!(status(PeerError::Full), STUN_E_LIMIT);
        assert_eq!(status(ConnectError::UnknownConnection), STUN_E_NOT_FOUND);
        assert_eq!(status(SendToPeerError::NotAllocated), STUN_E_STATE);
        assert_eq!(status(FrameError::BufferTooSmall { needed: 9 }), STUN_E_BUFFER);
        assert_eq!(status(FrameError::PayloadOutside), STUN_E_INVALID);
        assert_eq!(status(MemberError::UnknownRelay), STUN_E_NOT_FOUND);
        assert_eq!(status(UnknownQuestion), STUN_E_NOT_FOUND);
    }
}
