//! What keeps the bindings of NATs between host and server alive while nothing else is sent.

use core::time::Duration;

use super::AllocationConfig;
use crate::entropy::Entropy;
use crate::net::Transmit;
use crate::time::Instant;
use crate::wire::{Class, MessageBuilder, Method, TransactionId};

/// Keeps the bindings of NATs between host and server.
///
/// What is sent anyway is not noted in the timer but looked at when it goes off, so that sending costs nothing.
#[derive(Debug)]
pub(super) struct Keepalive {
    interval: Option<Duration>,
    at: Option<Instant>,
    last_sent: Instant,
    is_queued: bool,
    message: [u8; KEEPALIVE_LENGTH],
    length: usize,
}

impl Keepalive {
    pub(super) fn new(config: &AllocationConfig) -> Self {
        let interval = config.keepalive;
        let (at, last_sent, message) = (None, Instant::ZERO, [0; KEEPALIVE_LENGTH]);
        Self { interval, at, last_sent, is_queued: false, message, length: 0 }
    }

    /// There is something to keep, from now on.
    pub(super) fn start(&mut self, config: &AllocationConfig) {
        let interval = self.interval.filter(|_| !config.path.transport.is_reliable());
        self.at = interval.and_then(|interval| self.last_sent.deadline_after(interval));
    }

    pub(super) fn stop(&mut self) {
        (self.at, self.is_queued) = (None, false);
    }

    /// Something was sent to the server.
    pub(super) fn note_sent(&mut self, now: Instant) {
        self.last_sent = self.last_sent.max(now);
    }

    /// Another interval, or that of the configuration.
    pub(super) fn set_interval(&mut self, interval: Option<Duration>, config: &AllocationConfig) {
        // Whoever does without keepalives is not to be kept alive more often.
        self.interval =
            config.keepalive.map(|own| interval.unwrap_or(own).max(AllocationConfig::MIN_KEEPALIVE));
        if self.at.is_some() {
            self.start(config);
        }
    }

    /// Later than the timer says if something was sent meanwhile: nobody is woken for nothing.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (at, interval) = (self.at?, self.interval?);
        Some(at.max(self.last_sent.saturating_add(interval))).filter(|at| *at < Instant::MAX)
    }

    /// Looks whether one is due by `horizon`, and times the next one.
    pub(super) fn take_due(&mut self, horizon: Instant, now: Instant) -> Option<Duration> {
        let interval = self.interval?;
        self.at.filter(|at| *at <= horizon)?;
        let due = self.last_sent.saturating_add(interval);
        let is_due = due <= horizon;
        self.at =
            if is_due { now.deadline_after(interval) } else { Some(due).filter(|at| *at < Instant::MAX) };
        is_due.then_some(interval)
    }

    /// A Binding indication: no answer, no credentials (RFC 8489 s9.2: indications cannot be challenged).
    pub(super) fn queue(&mut self, entropy: &mut Entropy, fingerprint: bool, now: Instant) {
        let id = TransactionId::new(entropy.bytes());
        let built = MessageBuilder::new(&mut self.message, Class::Indication, Method::BINDING, id);
        let built = built.and_then(|mut builder| {
            if fingerprint {
                builder.add_fingerprint()?;
            }
            Ok(builder.finish().len())
        });
        self.length = built.unwrap_or(0);
        self.is_queued = self.length > 0;
        self.note_sent(now);
    }

    pub(super) fn queued(&self, config: &AllocationConfig) -> Option<Transmit<'_>> {
        let payload = self.message.get(..self.length).filter(|_| self.is_queued)?;
        Some(Transmit { path: config.path, socket_id: config.socket_id, ecn: 0, payload })
    }

    pub(super) fn take(&mut self, config: &AllocationConfig) -> Option<Transmit<'_>> {
        if !core::mem::take(&mut self.is_queued) {
            return None;
        }
        let payload = self.message.get(..self.length)?;
        Some(Transmit { path: config.path, socket_id: config.socket_id, ecn: 0, payload })
    }
}

/// A header and FINGERPRINT.
const KEEPALIVE_LENGTH: usize = 20 + 8;
