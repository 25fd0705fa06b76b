//! What a host commands a binding that is under way.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::RedirectRefusal;
use super::{Binding, BindingConfig, BindingEvent, ConfigError, FailureReason, State};
use crate::machine::WakeReason;
use crate::net::{self, FiveTuple};
use crate::time::Instant;

impl Binding {
    /// Sends the refresh that is due by `horizon` now, so that a host wakes up once for several bindings. Says
    /// whether there was one; another try after a failure keeps its time.
    pub fn refresh_early(&mut self, horizon: Instant, now: Instant) -> bool {
        let now = self.now.advance(now);
        match self.state {
            State::Waiting { until: Some(at), reason: WakeReason::Refresh } if at <= horizon => {
                self.resume(now);
                true
            }
            _ => false,
        }
    }

    /// Changes how long after a request the next one follows, at once: a refresh that is waited for is timed anew
    /// from the last request, and may be due now. Less than [`BindingConfig::MIN_REFRESH`] counts as that.
    ///
    /// `None`: no more refreshes. The binding stays, without a deadline, until this is called again or it is
    /// cancelled; it tries again after failures as before. A binding that asks once is kept from the first
    /// interval on, unless it has ended.
    pub fn set_refresh(&mut self, interval: Option<Duration>, now: Instant) {
        self.own_refresh = interval;
        self.time_refresh(interval, now);
    }

    /// Times the next refresh by another interval.
    pub(super) fn time_refresh(&mut self, interval: Option<Duration>, now: Instant) {
        self.now.advance(now);
        self.config.refresh = interval.map(|interval| interval.max(BindingConfig::MIN_REFRESH));
        self.is_kept |= interval.is_some();
        if let State::Waiting { until, reason: WakeReason::Refresh } = &mut self.state {
            *until = self.config.refresh.and_then(|interval| self.last_sent.deadline_after(interval));
        }
    }

    /// The host's local addresses are these now: the network has changed.
    ///
    /// A binding on an address that is still there does nothing. On one that is gone, it moves to the first of
    /// its family, with the same port, where the host must open a socket; if there is none, it fails with
    /// [`FailureReason::NetworkChanged`]. On an unspecified address nobody knows, and it asks again at once. The
    /// last two say so by [`BindingEvent::Restarted`]; a stream wants a new connection then, as
    /// [`BindingEvent::Reconnect`] says.
    pub fn network_changed(&mut self, addresses: &[IpAddr], now: Instant) {
        let now = self.now.advance(now);
        let previous = self.config.path.local;
        if self.state == State::Ended || net::is_among(&previous, addresses) {
            return;
        }
        if !net::canonical(previous).ip().is_unspecified() {
            let Some(ip) = addresses.iter().find(|ip| ip.is_ipv4() == previous.is_ipv4()) else {
                self.abandon();
                return self.end(FailureReason::NetworkChanged);
            };
            self.config.path.local = SocketAddr::new(*ip, previous.port());
            self.mapped = None;
        }
        self.round_trips = Default::default();
        self.failures = 0;
        self.push(BindingEvent::Restarted { previous, local: self.config.path.local });
        if let State::Redirected(_) = self.state {
            return; // the host's answer decides what is asked next
        }
        if self.config.path.transport.is_reliable() {
            self.want_connection();
        } else {
            self.request(now);
        }
    }

    /// The host has opened the connection that [`BindingEvent::Reconnect`] asked for, or another one: the binding
    /// goes on there, and asks at once. Does nothing once it has ended.
    ///
    /// # Errors
    /// The path contradicts itself; nothing has changed.
    pub fn reconnected(&mut self, path: FiveTuple, now: Instant) -> Result<(), ConfigError> {
        let now = self.now.advance(now);
        BindingConfig::check_path(&path)?;
        if self.state != State::Ended {
            self.config.path = path;
            self.is_disconnected = false;
            self.request(now);
        }
        Ok(())
    }

    /// Answers [`BindingEvent::Redirected`] where the binding waits for it
    /// ([`RedirectPolicy::Ask`](super::RedirectPolicy::Ask)): follows the redirection, or fails. Does nothing
    /// otherwise.
    pub fn answer_redirect(&mut self, accept: bool, now: Instant) {
        let now = self.now.advance(now);
        match self.state {
            State::Redirected(server) if accept => self.follow(server, now),
            State::Redirected(_) => {
                self.end(FailureReason::Redirected { refusal: RedirectRefusal::Declined });
            }
            _ => {}
        }
    }
}
