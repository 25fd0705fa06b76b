//! What a host commands a pool.

use core::net::{IpAddr, SocketAddr};
use core::ops::Range;

use super::member::Progress;
use super::{DOUBT, FASTER, LINGERING, RelayPool, SILENCE, State};
use crate::auth::Credentials;
use crate::net::{self, FiveTuple, Transmit};
use crate::time::Instant;
use crate::turn::{AllocationConfig, ConfigError, PeerError, SendToPeerError};

/// Why a command about one relay of a pool has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberError {
    /// There is no relay at that place, or nothing more will come of it.
    UnknownRelay,
    /// Another relay is on that path.
    SamePath,
    /// The path contradicts itself.
    Path(ConfigError),
}

impl core::fmt::Display for MemberError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UnknownRelay => f.write_str("there is no relay at that place"),
            Self::SamePath => f.write_str("another relay is on that path"),
            Self::Path(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MemberError {}

impl RelayPool {
    /// Lets a peer send to the relayed address and be sent to, whichever relay is selected: see
    /// [`Allocation::permit`](super::Allocation::permit). [`PoolEvent::Relay`](super::PoolEvent::Relay) with
    /// `Permitted` says when it is in force. A peer whose family the selected relay has not waits for one that has,
    /// and is a reason to select that.
    ///
    /// # Errors
    /// No relay could serve the peer, or there are too many; nothing has changed.
    pub fn permit(&mut self, peer: IpAddr, now: Instant) -> Result<(), PeerError> {
        let now = self.now.advance(now);
        let peer = net::canonical(SocketAddr::new(peer, 0)).ip();
        self.check_peer(peer)?;
        let is_new = self.wishes.permit(peer).map_err(|_| PeerError::Full)?;
        let result = self.ask_everywhere(now, |relay| relay.permit(peer, now));
        if is_new && result.is_err() {
            self.wishes.revoke(&peer);
        }
        self.settle(now);
        result
    }

    /// Wants a permission no longer, at any relay: see [`Allocation::revoke`](super::Allocation::revoke). Says whether
    /// it did.
    pub fn revoke(&mut self, peer: IpAddr, now: Instant) -> bool {
        let now = self.now.advance(now);
        let peer = net::canonical(SocketAddr::new(peer, 0)).ip();
        let was_wanted = self.wishes.revoke(&peer);
        for index in 0..self.members.len() {
            self.with(index, now, |relay| {
                relay.revoke(peer, now);
            });
        }
        was_wanted
    }

    /// Binds a channel to a peer, whichever relay is selected: see
    /// [`Allocation::bind_channel`](super::Allocation::bind_channel) and [`RelayPool::permit`].
    ///
    /// # Errors
    /// No relay could serve the peer, or there are too many; nothing has changed.
    pub fn bind_channel(&mut self, peer: SocketAddr, now: Instant) -> Result<(), PeerError> {
        let now = self.now.advance(now);
        let peer = net::canonical(peer);
        self.check_peer(peer.ip())?;
        let is_new = self.wishes.bind(peer).map_err(|_| PeerError::Full)?;
        let result = self.ask_everywhere(now, |relay| relay.bind_channel(peer, now));
        if is_new && result.is_err() {
            self.wishes.release(&peer);
        }
        self.settle(now);
        result
    }

    /// Wants a channel no longer, at any relay: see
    /// [`Allocation::release_channel`](super::Allocation::release_channel). Says whether it did.
    pub fn release_channel(&mut self, peer: SocketAddr, now: Instant) -> bool {
        let now = self.now.advance(now);
        let peer = net::canonical(peer);
        let was_wanted = self.wishes.release(&peer);
        for index in 0..self.members.len() {
            self.with(index, now, |relay| {
                relay.release_channel(peer, now);
            });
        }
        was_wanted
    }

    /// Frames data for a peer in the caller's buffer, to be sent to the server of the selected relay: see
    /// [`Allocation::send`](super::Allocation::send). Read [`poll_timeout`](crate::Machine::poll_timeout) anew
    /// afterwards: the answer is waited for.
    ///
    /// # Errors
    /// See [`SendToPeerError`]; nothing was written.
    pub fn send<'b>(
        &mut self,
        peer: SocketAddr,
        payload: &[u8],
        buffer: &'b mut [u8],
        now: Instant,
    ) -> Result<Transmit<'b>, SendToPeerError> {
        let now = self.now.advance(now);
        let relay = self.selected().and_then(|index| self.allocation_mut(index));
        let transmit = relay.ok_or(SendToPeerError::NotAllocated)?.send(peer, payload, buffer, now)?;
        self.expect_answer(now);
        Ok(transmit)
    }

    /// The same where the payload already lies in the buffer: see
    /// [`Allocation::send_in_place`](super::Allocation::send_in_place).
    ///
    /// # Errors
    /// See [`SendToPeerError`]; nothing was written.
    pub fn send_in_place<'b>(
        &mut self,
        peer: SocketAddr,
        buffer: &'b mut [u8],
        payload: Range<usize>,
        now: Instant,
    ) -> Result<Transmit<'b>, SendToPeerError> {
        let now = self.now.advance(now);
        let relay = self.selected().and_then(|index| self.allocation_mut(index));
        let transmit =
            relay.ok_or(SendToPeerError::NotAllocated)?.send_in_place(peer, buffer, payload, now)?;
        self.expect_answer(now);
        Ok(transmit)
    }

    /// Gives one relay other credentials: see [`Allocation::set_credentials`](super::Allocation::set_credentials).
    ///
    /// # Errors
    /// There is no such relay.
    pub fn set_credentials(
        &mut self,
        relay: usize,
        credentials: Credentials,
        expire: Option<Instant>,
        now: Instant,
    ) -> Result<(), MemberError> {
        let now = self.now.advance(now);
        match &mut self.open_member(relay)?.progress {
            Progress::Spare(config) => {
                (config.credentials, config.credentials_expire) = (Some(credentials), expire);
            }
            _ => self.with(relay, now, |allocation| allocation.set_credentials(credentials, expire, now)),
        }
        Ok(())
    }

    /// The socket or connection that one relay has asked for is open: see
    /// [`Allocation::reconnected`](super::Allocation::reconnected).
    ///
    /// # Errors
    /// There is no such relay, or it cannot go there; nothing has changed.
    pub fn reconnected(
        &mut self,
        relay: usize,
        path: FiveTuple,
        socket_id: u32,
        now: Instant,
    ) -> Result<(), MemberError> {
        let now = self.now.advance(now);
        AllocationConfig::check_path(&path).map_err(MemberError::Path)?;
        let mut others = self.members.iter().enumerate().filter(|(index, _)| *index != relay);
        if others.any(|(_, member)| member.path() == Some(path)) {
            return Err(MemberError::SamePath);
        }
        match &mut self.open_member(relay)?.progress {
            Progress::Spare(config) => (config.path, config.socket_id) = (path, socket_id),
            _ => self.with(relay, now, |allocation| {
                // The path was looked at above, and connections to peers are not for pools.
                let _ = allocation.reconnected(path, socket_id, now);
            }),
        }
        Ok(())
    }

    /// Answers the question of one relay whether to follow a redirection: see
    /// [`Allocation::answer_redirect`](super::Allocation::answer_redirect).
    ///
    /// # Errors
    /// There is no such relay.
    pub fn answer_redirect(&mut self, relay: usize, accept: bool, now: Instant) -> Result<(), MemberError> {
        let now = self.now.advance(now);
        self.open_member(relay)?;
        self.with(relay, now, |allocation| allocation.answer_redirect(accept, now));
        Ok(())
    }

    /// Deletes every allocation at its server (RFC 8656 s8), and ends with
    /// [`Closed`](super::PoolEvent::Closed) when all have said so or nobody has answered. Nothing can be sent to peers
    /// any more. Once more changes nothing.
    pub fn close(&mut self, now: Instant) {
        let now = self.now.advance(now);
        if self.state != State::Running {
            return;
        }
        self.state = State::Closing;
        self.selection = super::Selection::default();
        (SILENCE..=DOUBT).for_each(|key| self.timers.set(key, None));
        for index in 0..self.members.len() {
            match self.members.get_mut(index).map(|member| &mut member.progress) {
                Some(Progress::Asked(relay)) => relay.close(now),
                Some(spare) => *spare = Progress::Gone,
                None => {}
            }
            self.note(index, now);
        }
        self.settle(now);
    }

    fn open_member(&mut self, relay: usize) -> Result<&mut super::Member, MemberError> {
        self.members.get_mut(relay).filter(|member| !member.is_over()).ok_or(MemberError::UnknownRelay)
    }

    /// Whether any relay could serve a peer; if not, what the first one says.
    fn check_peer(&self, peer: IpAddr) -> Result<(), PeerError> {
        if self.state != State::Running {
            return Err(PeerError::Ended);
        }
        let mut answers =
            self.members.iter().filter(|member| !member.is_over()).map(|member| member.check(peer));
        let first = answers.next().unwrap_or(Err(PeerError::Ended));
        if answers.any(|answer| answer.is_ok()) { Ok(()) } else { first }
    }

    /// Asks for a peer at the selected relay, and at those that are to know the peers as well. What the selected one
    /// says counts; that it has not the peer's family is no error, since another may be selected that has.
    fn ask_everywhere(
        &mut self,
        now: Instant,
        mut ask: impl FnMut(&mut super::Allocation) -> Result<(), PeerError>,
    ) -> Result<(), PeerError> {
        let selected = self.selected();
        let mut result = Ok(());
        for index in 0..self.members.len() {
            let knows = |member: &super::Member| member.has_wishes && member.has_relay();
            if selected != Some(index) && !self.members.get(index).is_some_and(knows) {
                continue;
            }
            let Some(relay) = self.allocation_mut(index) else { continue };
            match ask(relay) {
                Err(PeerError::OtherFamily) | Ok(()) => {}
                Err(error) if selected == Some(index) => result = Err(error),
                Err(_) => {}
            }
            self.note(index, now);
        }
        result
    }
}

const _: () = assert!(SILENCE < LINGERING && LINGERING < FASTER && FASTER < DOUBT);
