//! Requests out, and responses in: built, placed and authenticated.

use core::net::SocketAddr;
use core::time::Duration;

use super::config::{ProbeConfig, ProbeSocket, differ_in_port};
use super::finding::Test;
use super::probe::{Probe, Stage, Upshot};
use crate::auth::{Credentials, ResponseCheck, SignedBy};
use crate::machine::{Disposition, DropReason};
use crate::net::{self, Datagram, FiveTuple, SendError, Transport};
use crate::time::Instant;
use crate::transaction::{Request, RetransmissionConfig};
use crate::wire::attribute::{
    AttributeType, ChangeRequest, ErrorCode, MappedAddress, OtherAddress, Padding, ResponsePort, Software,
    XorMappedAddress,
};
use crate::wire::{BuildError, Class, Integrity, Message, MessageBuilder, Method, TransactionId};

/// Which of the host's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Primary,
    Second,
}

/// Why a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) test: Test,
    pub(super) from: Role,
    pub(super) asked: SocketAddr,
    /// Sent once, as one of many: nobody is told if it is not answered.
    pub(super) is_attempt: bool,
    /// The port to answer to.
    pub(super) response_port: Option<u16>,
    /// What it was signed with.
    pub(super) signed: SignedBy,
    /// When it was first sent.
    pub(super) started: Instant,
}

/// A request to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) test: Test,
    pub(super) from: Role,
    pub(super) to: SocketAddr,
    pub(super) is_attempt: bool,
    /// The port to answer to.
    pub(super) response_port: Option<u16>,
}

/// A response that is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Its real source.
    pub(super) from: SocketAddr,
    /// The socket on which it arrived.
    pub(super) on: Role,
    /// Whether it comes as the request wanted it to, and not as an ordinary response would.
    pub(super) is_as_asked: bool,
    pub(super) said: Result<Success, u16>,
}

/// What a success response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Success {
    pub(super) mapped: SocketAddr,
    /// MAPPED-ADDRESS, if XOR-MAPPED-ADDRESS was there too.
    pub(super) plain: Option<SocketAddr>,
    pub(super) other: Option<SocketAddr>,
    pub(super) is_padded: bool,
}

impl Probe {
    /// Queues an ordinary request.
    pub(super) fn ask(&mut self, test: Test, from: Role, to: SocketAddr) {
        self.queue.push_back(Question { test, from, to, is_attempt: false, response_port: None });
    }

    /// Queues a request that is sent once.
    pub(super) fn attempt(&mut self, test: Test, from: Role, to: SocketAddr, response_port: Option<u16>) {
        self.queue.push_back(Question { test, from, to, is_attempt: true, response_port });
    }

    /// Starts the next queued request if the pacing lets it (RFC 5780 s5).
    pub(super) fn start_due(&mut self, now: Instant) {
        if self.stage == Stage::Ended || now < self.pace {
            return;
        }
        let Some(question) = self.queue.pop_front() else { return };
        self.pace = now.saturating_add(self.config.pacing);
        self.last_start = now;
        if let Some(trial) = &mut self.trial {
            trial.note_start(now);
        }
        if !self.start(&question, now) {
            // The buffer and the table have room for everything; were that wrong, it is as if the send had failed.
            self.end_unanswered(question.tag(SignedBy::Nobody, now), Some(SendError::MessageTooLarge));
        }
    }

    fn start(&mut self, question: &Question, now: Instant) -> bool {
        // What signs a retry that is on its way has to check its answer too. An attempt does not wait for another's.
        let is_fresh = question.is_attempt || !self.has_retry(question.from);
        let signed = self.credentials_mut(question.from).map_or(SignedBy::Nobody, |credentials| {
            if is_fresh {
                credentials.begin();
            }
            credentials.first()
        });
        self.send(question, signed, now)
    }

    /// Whether a request of that socket is outstanding that is signed with what a challenge has taught.
    fn has_retry(&self, role: Role) -> bool {
        let mut tags = self.transactions.outstanding().filter_map(|(id, _)| self.transactions.asked(id));
        tags.any(|(_, tag)| tag.from == role && tag.signed == SignedBy::Candidate)
    }

    /// The same request again, signed with what a challenge has taught, as part of the one that it answers.
    fn start_retry(&mut self, tag: &Tag, now: Instant) {
        // It is the request of its attempt, and has its full wait.
        if let (Some(trial), true) = (&mut self.trial, tag.is_attempt) {
            trial.note_start(now);
        }
        if !self.send(&Question::of(tag), SignedBy::Candidate, now) {
            self.end_unanswered(*tag, Some(SendError::MessageTooLarge));
        }
    }

    fn send(&mut self, question: &Question, signed: SignedBy, now: Instant) -> bool {
        let id = TransactionId::new(self.entropy.bytes());
        let socket = self.socket(question.from);
        let mut buffer = core::mem::take(&mut self.scratch);
        buffer.resize(MAX_REQUEST.saturating_add(usize::from(self.config.padding)), 0);
        let path = FiveTuple::udp(socket.local, question.to);
        let config = self.schedule(question);
        let is_started = self.write(question, id, signed, &mut buffer).is_ok_and(|length| {
            let bytes = buffer.get(..length).unwrap_or_default();
            let tag = question.tag(signed, now);
            let request = Request { id, bytes, path, socket_id: socket.socket_id, tag };
            self.transactions.start(&request, &config, self.round_trips.rto(), now).is_ok()
        });
        self.scratch = buffer;
        if is_started {
            self.report.requests = self.report.requests.saturating_add(1);
            if question.is_attempt {
                self.attempts.push_back((id, now));
            }
        }
        is_started
    }

    fn schedule(&self, question: &Question) -> RetransmissionConfig {
        let full = self.config.retransmission;
        if question.is_attempt {
            return ATTEMPT;
        }
        if question.test == Test::Binding && self.facts.tried == 0 {
            return full;
        }
        RetransmissionConfig { rc: full.rc.min(LATER_RC), rm: full.rm.min(LATER_RM), ..full }
    }

    /// How often a request is sent that nobody answers.
    pub(super) fn sends(&self, tag: &Tag) -> u32 {
        let is_first = tag.test == Test::Binding && self.facts.tried == 0;
        let most = if is_first { MAX_RC } else { LATER_RC };
        self.config.retransmission.rc.clamp(1, most)
    }

    fn write(
        &self,
        question: &Question,
        id: TransactionId,
        signed: SignedBy,
        buffer: &mut [u8],
    ) -> Result<usize, BuildError> {
        let mut builder = MessageBuilder::new(buffer, Class::Request, Method::BINDING, id)?;
        if question.test == Test::Binding {
            // A server that never sends more than it was sent leaves OTHER-ADDRESS out of the answer to a bare
            // header. This says nothing of version or maker.
            builder.add(&Software(b"NAT behavior discovery"))?;
        }
        if let Some(change) = question.test.change() {
            builder.add(&change)?;
        }
        if let Some(port) = question.response_port {
            builder.add(&ResponsePort(port))?;
        }
        let padding = match question.test {
            Test::Padding => usize::from(self.config.padding),
            Test::ShortPadding => SHORT_PADDING,
            _ => 0,
        };
        if padding > 0 {
            static ZEROS: [u8; ProbeConfig::MAX_PADDING as usize] = [0; ProbeConfig::MAX_PADDING as usize];
            builder.add(&Padding(ZEROS.get(..padding).unwrap_or_default()))?;
        }
        if let Some(credentials) = self.credentials(question.from) {
            credentials.sign_request(signed, &mut builder)?;
        }
        if self.config.fingerprint {
            builder.add_fingerprint()?;
        }
        Ok(builder.finish().len())
    }

    /// What a datagram is to this probe.
    pub(super) fn consider(&mut self, datagram: &Datagram<'_>, now: Instant) -> Disposition<'static> {
        let now = self.now.advance(now);
        let Ok(message) = Message::parse(datagram.payload) else { return Disposition::Unclaimed };
        let id = message.transaction_id();
        let Some((_, tag)) = self.transactions.asked(id) else { return Disposition::Unclaimed };
        if message.class() == Class::Request {
            return self.consider_own_request(tag, id, datagram, now);
        }
        if !message.class().is_response() {
            return Disposition::Unclaimed;
        }
        let Some((on, is_as_asked)) = self.place(&tag, datagram) else {
            return Disposition::Dropped(DropReason::WrongSource);
        };
        let check = match self.authenticate(&message, &tag) {
            Ok(ResponseCheck::Discard) => Err(DropReason::Unauthenticated),
            // Only an error may be taken for what it says where its protection is refused (RFC 8489 s9.2.1).
            Ok(ResponseCheck::Reject { .. }) if message.class() == Class::SuccessResponse => {
                Err(DropReason::Unauthenticated)
            }
            other => other,
        };
        let check = match check {
            Ok(check) => check,
            Err(reason) => {
                self.facts.is_altered |= reason != DropReason::WrongMethod;
                return Disposition::Dropped(reason);
            }
        };
        let Some(completed) = self.transactions.take(id, now) else { return Disposition::Unclaimed };
        if let Some(rtt) = completed.rtt {
            self.round_trips.note(rtt);
            self.facts.longest_rtt = self.facts.longest_rtt.max(rtt);
        }
        if let Some(rto) = completed.retransmitted_after {
            self.round_trips.note_retransmitted(rto);
        }
        self.report.responses = self.report.responses.saturating_add(1);
        if on == Role::Primary && !datagram.path.local.ip().is_unspecified() {
            self.facts.local_ip = Some(datagram.path.local.ip());
        }
        if let ResponseCheck::Retry { .. } = check {
            self.facts.is_reached = true; // a challenge is an answer, whatever becomes of the retry
            self.start_retry(&tag, now);
            self.proceed(now);
            return Disposition::Done;
        }
        let from = datagram.path.remote;
        let reply = Reply { from, on, is_as_asked, said: verdict(&message, &tag.asked) };
        self.note_reply(&tag, &reply, now);
        self.proceed(now);
        Disposition::Done
    }

    /// A request of our own is back: something has turned it round (RFC 5780 s3.4).
    fn consider_own_request(
        &mut self,
        tag: Tag,
        id: TransactionId,
        datagram: &Datagram<'_>,
        now: Instant,
    ) -> Disposition<'static> {
        let there = if tag.from == Role::Primary { Role::Second } else { Role::Primary };
        if tag.test != Test::Hairpin || !self.is_on(there, datagram) {
            return Disposition::Unclaimed;
        }
        self.transactions.cancel(id);
        self.note_own_request(&tag, datagram.path.remote);
        self.proceed(now);
        Disposition::Done
    }

    /// On which socket a response has arrived, and whether it comes from where it was asked to come from. `None` if
    /// it may not be believed.
    fn place(&self, tag: &Tag, datagram: &Datagram<'_>) -> Option<(Role, bool)> {
        let arrived = &datagram.path.remote;
        let is_from = |remote: &SocketAddr| net::same_endpoint(remote, arrived);
        // RFC 5780 s6.1, table 1: where the flags of CHANGE-REQUEST let the response come from.
        let elsewhere = match (tag.test, self.facts.other) {
            (Test::ChangeBoth | Test::Confirmation, Some(other)) => Some(other),
            (Test::ChangePort, Some(other)) => Some(SocketAddr::new(tag.asked.ip(), other.port())),
            _ => None,
        };
        if tag.test == Test::ResponsePort {
            let on = [Role::Primary, Role::Second].into_iter().find(|role| self.is_on(*role, datagram))?;
            return is_from(&tag.asked).then_some((on, on == Role::Primary));
        }
        if !self.is_on(tag.from, datagram) {
            return None;
        }
        match elsewhere {
            Some(elsewhere) if is_from(&elsewhere) => Some((tag.from, true)),
            Some(_) => is_from(&tag.asked).then_some((tag.from, false)),
            None => is_from(&tag.asked).then_some((tag.from, true)),
        }
    }

    /// Whether a datagram has arrived on that socket.
    fn is_on(&self, role: Role, datagram: &Datagram<'_>) -> bool {
        if role == Role::Second && self.config.second.is_none() {
            return false;
        }
        let socket = self.socket(role);
        let path = FiveTuple { local: socket.local, ..datagram.path };
        let ports_tell =
            self.config.second.is_none_or(|second| differ_in_port(&self.config.primary, &second))
                && datagram.path.local.port() != 0;
        path.transport == Transport::Udp
            && path.admits(&datagram.path)
            && (ports_tell || self.config.second.is_none() || socket.socket_id == datagram.socket_id)
    }

    pub(super) fn socket(&self, role: Role) -> ProbeSocket {
        match role {
            Role::Primary => self.config.primary,
            Role::Second => self.config.second.unwrap_or(self.config.primary),
        }
    }

    /// RFC 8489 s6.3, s9.1.4 and s9.2.5. The one place that judges credentials. A challenge that cannot be met
    /// counts as the error response that it is.
    fn authenticate(&mut self, response: &Message<'_>, tag: &Tag) -> Result<ResponseCheck, DropReason> {
        if response.method() != Method::BINDING {
            return Err(DropReason::WrongMethod);
        }
        if response.check_fingerprint() == Integrity::Invalid {
            return Err(DropReason::BadFingerprint);
        }
        let credentials = self.credentials_mut(tag.from);
        Ok(credentials
            .map_or(ResponseCheck::Accept, |credentials| credentials.check_response(response, tag.signed)))
    }

    /// Each socket has its own: a server's nonce counts for one address (RFC 8489 s9.2.4).
    fn credentials(&self, role: Role) -> Option<&Credentials> {
        match role {
            Role::Primary => self.config.credentials.as_ref(),
            Role::Second => self.second_credentials.as_ref(),
        }
    }

    fn credentials_mut(&mut self, role: Role) -> Option<&mut Credentials> {
        match role {
            Role::Primary => self.config.credentials.as_mut(),
            Role::Second => self.second_credentials.as_mut(),
        }
    }
}

impl Reply {
    /// What it means for a test that may be answered with silence.
    pub(super) const fn upshot(&self) -> Upshot {
        match self.said {
            Err(code) => Upshot::Refused(code),
            Ok(_) if self.is_as_asked => Upshot::Answered,
            Ok(_) => Upshot::Elsewhere,
        }
    }
}

impl Question {
    fn of(tag: &Tag) -> Self {
        let Tag { test, from, asked, is_attempt, response_port, .. } = *tag;
        Self { test, from, to: asked, is_attempt, response_port }
    }

    fn tag(&self, signed: SignedBy, now: Instant) -> Tag {
        let Self { test, from, to, is_attempt, response_port } = *self;
        Tag { test, from, asked: to, is_attempt, response_port, signed, started: now }
    }
}

impl Test {
    const fn change(self) -> Option<ChangeRequest> {
        match self {
            Self::ChangeBoth | Self::Confirmation => {
                Some(ChangeRequest { change_ip: true, change_port: true })
            }
            Self::ChangePort => Some(ChangeRequest { change_ip: false, change_port: true }),
            _ => None,
        }
    }
}

/// What an authentic response says (RFC 8489 s6.3.3, s6.3.4); the code of an error, 0 for what is no use.
fn verdict(response: &Message<'_>, server: &SocketAddr) -> Result<Success, u16> {
    if response.covered().any(|raw| raw.ty.is_unknown_and_required()) {
        return Err(0);
    }
    if response.class() == Class::ErrorResponse {
        return Err(response.get::<ErrorCode<'_>>().ok().flatten().map_or(0, |error| error.code));
    }
    let usable = |address: SocketAddr| net::is_endpoint(&address).then(|| net::canonical(address));
    let mapped = response.get::<XorMappedAddress>().ok().flatten();
    let mapped = mapped.and_then(|address| usable(address.0)).ok_or(0u16)?;
    let plain = response.get::<MappedAddress>().ok().flatten();
    let other = response.get::<OtherAddress>().ok().flatten();
    Ok(Success {
        mapped,
        plain: plain.map(|address| net::canonical(address.0)),
        other: other.map(|address| address.0).filter(|other| is_other(other, server)),
        is_padded: response.find(AttributeType::PADDING).is_some(),
    })
}

/// Whether an OTHER-ADDRESS may be what RFC 5780 s6.1 says: another IP and another port, of the same family. Nobody
/// gets this host to send to its own loopback interface.
fn is_other(other: &SocketAddr, server: &SocketAddr) -> bool {
    net::is_endpoint(other)
        && other.is_ipv4() == server.is_ipv4()
        && other.ip() != server.ip()
        && other.port() != server.port()
        && other.ip().is_loopback() == server.ip().is_loopback()
}

/// An attempt is sent once, and withdrawn when it has had its time: the trial keeps it, not the table.
const ATTEMPT: RetransmissionConfig =
    RetransmissionConfig { initial_rto: Duration::from_secs(60), rc: 1, rm: 64, ti: Duration::from_secs(60) };

/// Sends of a request to a server that is known to answer, or is one of several, and its last wait in RTOs: with
/// 500 ms it is given up after 11.5 s, which is sooner than the shortest-lived bindings die.
const LATER_RC: u32 = 5;
const LATER_RM: u32 = 8;

/// As the configuration documents it.
const MAX_RC: u32 = 16;

/// PADDING that no datagram is too long with.
const SHORT_PADDING: usize = 4;

/// Longest request in bytes without the value of PADDING: header, SOFTWARE, CHANGE-REQUEST, RESPONSE-PORT,
/// credentials, FINGERPRINT.
const MAX_REQUEST: usize = 20 + 28 + 8 + 8 + 4 + Credentials::MAX_SIGNATURE + 8;
