//! An agent's configuration, its log, and what is wrong with a configuration.

use core::ffi::{c_char, c_void};

use libstun::agent::StartError;
use libstun::nat;
use libstun::stun::binding::ConfigError;
use libstun::stun::discovery::DiscoveryError;
use libstun::stun::survey::SurveyError;
use libstun::turn;

use crate::pointer::Growable;
use crate::status::{Misuse, stun_status_code::*};

/// Receives a line of text: UTF-8, `len` bytes, not NUL-terminated, valid during the call. It must not call
/// the agent that it logs for: such a call answers STUN_E_BUSY.
pub type stun_log_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, level: u32, text: *const c_char, len: usize)>;

/// How much to log; each level includes those before it.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_log_level {
    /// Nothing.
    STUN_LOG_OFF = 0,
    /// Calls that were refused.
    STUN_LOG_WARN = 1,
    /// And what happened to operations.
    STUN_LOG_INFO = 2,
    /// And what was dropped.
    STUN_LOG_DEBUG = 3,
}

/// An agent's configuration. All zeros but struct_size is the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_config {
    /// sizeof(stun_config).
    pub struct_size: u32,
    /// Operations at a time; 0 is 1048576, the most there can be.
    pub max_operations: u32,
    /// 32 secret bytes that all randomness comes from, copied; NULL asks the operating system. Never the
    /// same seed twice outside tests: whoever knows it can forge answers.
    pub seed: *const u8,
    /// Receives log lines; NULL is off.
    pub log: stun_log_fn,
    /// Passed to `log`.
    pub log_user: *mut c_void,
    /// `enum stun_log_level`.
    pub log_level: u32,
    /// Set it to 0.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers, raw pointers and an optional function pointer.
unsafe impl Growable for stun_config {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            max_operations: 0,
            seed: core::ptr::null(),
            log: None,
            log_user: core::ptr::null_mut(),
            log_level: 0,
            reserved: 0,
        }
    }

    const MIN_SIZE: u32 = 8;
}

/// The host's log, called with finished lines.
#[derive(Clone, Copy)]
pub(crate) struct Logger {
    log: stun_log_fn,
    user: *mut c_void,
    level: u32,
}

impl Logger {
    pub(crate) fn new(config: &stun_config) -> Self {
        let level = if config.log.is_some() { config.log_level } else { 0 };
        Self { log: config.log, user: config.log_user, level }
    }

    pub(crate) fn is_on(&self, level: stun_log_level) -> bool {
        self.level >= level as u32
    }

    pub(crate) fn misuse(&self, text: &str) {
        self.write(stun_log_level::STUN_LOG_WARN, text);
    }

    pub(crate) fn write(&self, level: stun_log_level, text: &str) {
        if let Some(log) = self.log.filter(|_| self.is_on(level)) {
            // SAFETY: the host gave the function and its argument together in stun_config and keeps both
            // valid for the life of the agent; the text outlives the call.
            unsafe { log(self.user, level as u32, text.as_ptr().cast(), text.len()) }
        }
    }
}

/// Why an operation was not started, in C's words.
pub(crate) fn start_misuse(error: StartError) -> Misuse {
    match error {
        StartError::Config(error) => path_misuse(error),
        StartError::Survey(error) => survey_misuse(error),
        StartError::Discovery(error) => discovery_misuse(error),
        StartError::NatProbe(error) => nat_misuse(error),
        StartError::Allocation(error) => allocation_misuse(error),
        StartError::RelayPool(error) => pool_misuse(error),
        StartError::TooManyOperations => {
            Misuse(STUN_E_LIMIT, "the agent houses as many operations as it may")
        }
        StartError::AddressTaken => Misuse(STUN_E_STATE, "another server already answers at that address"),
        StartError::PathTaken => Misuse(STUN_E_STATE, "another allocation already relays on that path"),
        _ => Misuse(STUN_E_INVALID, "the operation cannot be started"),
    }
}

/// What is wrong with a path, or with asking along it.
pub(crate) fn path_misuse(error: ConfigError) -> Misuse {
    Misuse(
        STUN_E_INVALID,
        match error {
            ConfigError::ServerAddress => "server has port 0, or is unspecified, multicast or broadcast",
            ConfigError::MixedFamilies => "local and server are of different families",
            ConfigError::RefreshTooShort => "refresh is under one second",
            _ => "the operation cannot be started",
        },
    )
}

fn survey_misuse(error: SurveyError) -> Misuse {
    Misuse(
        STUN_E_INVALID,
        match error {
            SurveyError::NoTargets => "there is nobody to ask",
            SurveyError::TooManyTargets => "there are more than 64 targets",
            SurveyError::AttemptDelayTooShort => "attempt_delay is under 10 ms",
            SurveyError::TooManyAtOneServer { .. } => "more than ten targets at once are one server",
            SurveyError::AsksHost => "a survey cannot ask about redirections",
            SurveyError::Target { error, .. } => return path_misuse(error),
            _ => "the survey cannot be started",
        },
    )
}

pub(crate) fn discovery_misuse(error: DiscoveryError) -> Misuse {
    Misuse(
        STUN_E_INVALID,
        match error {
            DiscoveryError::InvalidName => "the host is neither a name nor an address",
            DiscoveryError::InvalidPort => "the port is 0",
            DiscoveryError::SecureAddress => {
                "a secure service needs a name that a certificate can be checked for"
            }
            DiscoveryError::SecureUdp => "there is no UDP inside TLS",
            DiscoveryError::UnknownTransport => "the URI's transport is unknown",
            DiscoveryError::UnsupportedTransport => "none of the transports will do",
            _ => "the discovery cannot be started",
        },
    )
}

fn nat_misuse(error: nat::ConfigError) -> Misuse {
    Misuse(
        STUN_E_INVALID,
        match error {
            nat::ConfigError::ServerAddress => {
                "a server has port 0, or is unspecified, multicast or broadcast"
            }
            nat::ConfigError::MixedFamilies => "sockets and servers are of different families",
            nat::ConfigError::SameSocket => {
                "the second socket differs neither in its port nor in its socket_id"
            }
            nat::ConfigError::TooManyServers => "there are more than 8 further servers",
            _ => "the probe cannot be started",
        },
    )
}

/// What is wrong with an allocation's configuration.
pub(crate) fn allocation_misuse(error: turn::ConfigError) -> Misuse {
    Misuse(
        STUN_E_INVALID,
        match error {
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
        },
    )
}

fn pool_misuse(error: turn::PoolConfigError) -> Misuse {
    Misuse(
        STUN_E_INVALID,
        match error {
            turn::PoolConfigError::NoRelays => "there is no relay",
            turn::PoolConfigError::TooManyRelays => crate::relay_pool::TOO_MANY_RELAYS,
            turn::PoolConfigError::NoneReady => "no relay is to be kept ready",
            turn::PoolConfigError::PatienceTooShort => "patience is under one second",
            turn::PoolConfigError::HoldTooShort => "hold is under one second",
            turn::PoolConfigError::SamePath { .. } => "two relays are on the same path",
            turn::PoolConfigError::Connections { .. } => {
                "a relay is for connections to peers, which cannot migrate"
            }
            turn::PoolConfigError::Relay { error, .. } => return allocation_misuse(error),
            _ => "the pool cannot be started",
        },
    )
}
