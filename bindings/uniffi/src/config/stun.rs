//! Bindings and surveys.

use core::time::Duration;

use libstun::stun::survey::SurveyTarget;
use libstun::stun::{BindingConfig, ServerSurvey, SurveyConfig};
use libstun_flat::codes::redirect_policy;

use super::{Credential, Schedule, Waits, at_most, credentials, duration};
use crate::address::{Endpoint, path};
use crate::error::{Refusal, invalid};

/// See `libstun::stun::BindingConfig`.
#[derive(Clone, uniffi::Record)]
pub struct BindingOptions {
    /// The server.
    pub server: Endpoint,
    /// What the socket is bound to, if that matters.
    pub local: Endpoint,
    /// `stun_transport_code`.
    pub transport: u32,
    /// The host's number for the socket.
    pub socket_id: u32,
    /// Ask again this long after the last request; never asks once.
    pub refresh: u64,
    /// Sign with these.
    pub credentials: Option<Credential>,
    /// End requests with FINGERPRINT.
    pub fingerprint: bool,
    /// Take MAPPED-ADDRESS where XOR-MAPPED-ADDRESS is missing.
    pub accepts_mapped_address: bool,
    /// `stun_redirect_code`.
    pub redirects: u32,
    /// When a request is sent again.
    pub retransmission: Schedule,
    /// How long to wait after failures.
    pub backoff: Waits,
}

impl BindingOptions {
    pub(crate) fn read(self) -> Result<BindingConfig, Refusal> {
        Ok(BindingConfig {
            path: path(self.transport, self.local, self.server)?,
            socket_id: self.socket_id,
            refresh: duration(self.refresh),
            backoff: self.backoff.read(),
            credentials: credentials(self.credentials)?,
            fingerprint: self.fingerprint,
            accepts_mapped_address: self.accepts_mapped_address,
            redirects: redirect_policy(self.redirects)?,
            retransmission: self.retransmission.read()?,
        })
    }
}

/// See `libstun::stun::survey::SurveyTarget`.
#[derive(Clone, uniffi::Record)]
pub struct Target {
    /// The server.
    pub server: Endpoint,
    /// What the socket is bound to, if that matters.
    pub local: Endpoint,
    /// `stun_transport_code`.
    pub transport: u32,
    /// The host's number for the socket.
    pub socket_id: u32,
}

/// See `libstun::stun::SurveyConfig`.
#[derive(Clone, uniffi::Record)]
pub struct SurveyOptions {
    /// Whom to ask.
    pub targets: Vec<Target>,
    /// Answers after which nobody else is asked; 0 is all.
    pub enough: u32,
    /// How long the whole may take, or never.
    pub deadline: u64,
    /// How long to wait before the next is asked.
    pub attempt_delay: u64,
    /// Sign with these.
    pub credentials: Option<Credential>,
    /// End requests with FINGERPRINT.
    pub fingerprint: bool,
    /// Take MAPPED-ADDRESS where XOR-MAPPED-ADDRESS is missing.
    pub accepts_mapped_address: bool,
    /// `stun_redirect_code`.
    pub redirects: u32,
    /// When a request is sent again.
    pub retransmission: Schedule,
}

impl SurveyOptions {
    pub(crate) fn read(self) -> Result<SurveyConfig, Refusal> {
        at_most(&self.targets, ServerSurvey::MAX_TARGETS, "targets")?;
        let targets = self.targets.into_iter().map(|target| {
            let path = path(target.transport, target.local, target.server)?;
            Ok(SurveyTarget { path, socket_id: target.socket_id })
        });
        let targets = targets.collect::<Result<Vec<_>, Refusal>>()?;
        let first = targets.first().ok_or_else(|| invalid("there is no target"))?.path;
        let defaults = SurveyConfig::all(targets);
        let enough = usize::try_from(self.enough).unwrap_or(usize::MAX);
        Ok(SurveyConfig {
            request: BindingConfig {
                refresh: None,
                credentials: credentials(self.credentials)?,
                fingerprint: self.fingerprint,
                accepts_mapped_address: self.accepts_mapped_address,
                redirects: redirect_policy(self.redirects)?,
                retransmission: self.retransmission.read()?,
                ..BindingConfig::new(first)
            },
            enough: if enough == 0 { defaults.enough } else { enough },
            deadline: duration(self.deadline),
            attempt_delay: Duration::from_nanos(self.attempt_delay),
            ..defaults
        })
    }
}
