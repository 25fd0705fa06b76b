//! The rest of what a host may do: commands to bindings, other networks, connections, surveys; and what servers
//! with a realm, or with somebody in their place, may answer.

use std::net::IpAddr;

use libstun::agent::PowerProfile;
use libstun::stun::SurveyConfig;
use libstun::stun::survey::SurveyTarget;
use libstun::wire::attribute::{AlternateServer, AttributeType, ErrorCode, Nonce, Realm, XorMappedAddress};
use libstun::wire::{BuildError, Class, Key, MessageBuilder, Method, TransactionId};

use super::plan::endpoint;
use super::*;
use crate::naive::{Frame, frame};

#[derive(Arbitrary, Debug)]
pub(super) enum More {
    Answer { which: u8, answer: Answer },
    NetworkChanged(u8),
    Power { slack: u8, refresh: Option<u8> },
    SetRefresh { which: u8, interval: Option<u8> },
    Reconnected { which: u8, local: u8 },
    AnswerRedirect { which: u8, accept: bool },
    Open { which: u8 },
    Close { which: u8 },
    Stream { which: u8, bytes: Vec<u8>, answer: Option<(u8, Answer)> },
    Survey { targets: [u8; 3], credential: u8, is_race: bool },
}

/// What an answer from the right address says, and who signed it.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Answer {
    content: Content,
    signature: Signature,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Content {
    Mapped,
    Challenge { is_stale: bool, realm: bool, nonce: u8, has_algorithms: bool },
    Redirect { server: u8 },
    Error(u16),
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum Signature {
    None,
    Md5Sha1 { realm: bool },
    Md5Sha256 { realm: bool },
    Sha256 { realm: bool },
}

impl Answer {
    pub(super) fn is_signed(self) -> bool {
        self.signature != Signature::None
    }

    pub(super) fn address(self, number: u16) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, if self.is_signed() { 10 } else { 67 }], 10_000 + number))
    }

    pub(super) fn write(self, id: [u8; 12], number: u16) -> Vec<u8> {
        let class = if matches!(self.content, Content::Mapped) {
            Class::SuccessResponse
        } else {
            Class::ErrorResponse
        };
        let mut buffer = [0; 512];
        let mut builder = MessageBuilder::new(&mut buffer, class, Method::BINDING, TransactionId::new(id))
            .expect("room for a header");
        self.fill(number, &mut builder).expect("an answer fits");
        builder.finish().to_vec()
    }

    fn fill(self, number: u16, builder: &mut MessageBuilder<'_>) -> Result<(), BuildError> {
        match self.content {
            Content::Mapped => builder.add(&XorMappedAddress(self.address(number)))?,
            Content::Challenge { is_stale, realm, nonce, has_algorithms } => {
                builder.add(&ErrorCode { code: if is_stale { 438 } else { 401 }, reason: b"" })?;
                builder.add(&Realm(REALMS[usize::from(realm)]))?;
                let cookie = format!("obMatJos2AAA{}{nonce}", ["A", "B", "C", "D"][usize::from(nonce % 4)]);
                builder.add(&Nonce(cookie.as_bytes()))?;
                if has_algorithms {
                    builder.add_raw(AttributeType::PASSWORD_ALGORITHMS, &[0, 2, 0, 0, 0, 1, 0, 0])?;
                }
            }
            Content::Redirect { server } => {
                builder.add(&ErrorCode { code: 300, reason: b"" })?;
                builder.add(&AlternateServer(endpoint(server)))?;
            }
            Content::Error(code) => builder.add(&ErrorCode { code: 300 + code % 400, reason: b"" })?,
        }
        let realm = |second: bool| REALMS[usize::from(second)];
        match self.signature {
            Signature::None => Ok(()),
            Signature::Md5Sha1 { realm: which } => {
                builder.sign(&Key::long_term_md5(USERNAME, realm(which), PASSWORD))
            }
            Signature::Md5Sha256 { realm: which } => {
                builder.sign_sha256(&Key::long_term_md5(USERNAME, realm(which), PASSWORD))
            }
            Signature::Sha256 { realm: which } => {
                builder.sign_sha256(&Key::long_term_sha256(USERNAME, realm(which), PASSWORD))
            }
        }
    }
}

impl World {
    pub(super) fn more(&mut self, more: &More, now: Instant, clamped: Instant) {
        match more {
            More::Answer { which, answer } => {
                let nobody = (FiveTuple::udp(endpoint(1), endpoint(*which)), Vec::new());
                let (path, bytes) = self.answer(*which, *answer).unwrap_or(nobody);
                self.feed(path, &bytes, now, clamped);
            }
            More::NetworkChanged(which) => {
                let addresses: Vec<IpAddr> = (0..ADDRESSES.len())
                    .filter(|bit| which >> bit & 1 == 1)
                    .map(|bit| ADDRESSES[bit].parse().expect("an address"))
                    .collect();
                self.agent.network_changed(&addresses, now);
                self.twin.network_changed(&addresses, clamped);
                self.locals.extend(addresses);
            }
            More::Power { slack, refresh } => {
                let seconds = |count: u8| Duration::from_secs(u64::from(count));
                let profile = PowerProfile { max_slack: seconds(*slack), refresh: refresh.map(seconds) };
                self.agent.set_power(profile, now);
                self.twin.set_power(profile, clamped);
            }
            More::SetRefresh { which, interval } => {
                let interval = interval.map(|seconds| Duration::from_secs(u64::from(seconds)));
                let id = self.operation_id(*which);
                let done = self.agent.set_refresh(id, interval, now);
                assert_eq!(self.twin.set_refresh(id, interval, clamped), done, "C8");
                self.with(id, |operation| operation.is_retimed |= interval.is_some());
            }
            More::Reconnected { which, local } => self.reconnected(*which, *local, now, clamped),
            More::AnswerRedirect { which, accept } => {
                let id = self.operation_id(*which);
                let done = self.agent.answer_redirect(id, *accept, now);
                assert_eq!(self.twin.answer_redirect(id, *accept, clamped), done, "C8");
            }
            More::Open { which } => self.open(*which, now, clamped),
            More::Close { which } => {
                let id = self.operation_id(*which);
                let closed = self.agent.close_stream(id, now);
                assert_eq!(self.twin.close_stream(id, clamped), closed, "C8");
                if closed.is_ok() {
                    self.operations.retain(|operation| operation.id != id);
                }
            }
            More::Stream { which, bytes, answer } => {
                let mut bytes = bytes.clone();
                if let Some((_, written)) = answer.and_then(|(asked, answer)| self.answer(asked, answer)) {
                    bytes.splice(0..0, written);
                }
                self.stream(*which, &bytes, now, clamped);
            }
            More::Survey { targets, credential, is_race } => {
                self.survey(*targets, *credential, *is_race, now, clamped);
            }
        }
    }

    fn answer(&mut self, which: u8, answer: Answer) -> Option<(FiveTuple, Vec<u8>)> {
        let id = self.request(which)?;
        self.replies = (self.replies + 1) % 40_000;
        if answer.is_signed() {
            self.heard_from_realm.push(answer.address(self.replies));
        }
        Some((self.requests[&id].0, answer.write(id, self.replies)))
    }

    fn reconnected(&mut self, which: u8, local: u8, now: Instant, clamped: Instant) {
        let id = self.operation_id(which);
        let known = self.operations.iter().find(|operation| operation.id == id);
        let path = known.and_then(|operation| operation.paths.last()).copied();
        let path = path.unwrap_or(FiveTuple::udp(endpoint(local), endpoint(which)));
        let path = FiveTuple { local: endpoint(local), ..path };
        let done = self.agent.reconnected(id, path, now);
        assert_eq!(self.twin.reconnected(id, path, clamped), done, "C8");
        if done.is_ok() {
            self.with(id, |operation| operation.paths.push(path));
        }
    }

    fn open(&mut self, which: u8, now: Instant, clamped: Instant) {
        // Where somebody asks over a stream, if anybody does.
        let over = |path: &&FiveTuple| path.transport.is_reliable();
        let asked = self.operations.iter().flat_map(|operation| &operation.paths).find(over);
        let path = asked.copied().unwrap_or(FiveTuple::tcp(endpoint(1), endpoint(which)));
        let opened = self.agent.open_stream(path, 0, now);
        assert_eq!(self.twin.open_stream(path, 0, clamped), opened, "C8");
        self.check_limit(opened);
        if let Ok(id) = opened {
            let kind = Kind::Stream { path, pending: Vec::new() };
            self.operations.push(Operation { kind, ..Operation::new(id) });
        }
    }

    /// Bytes of a stream, cut into frames by the second reader too.
    fn stream(&mut self, which: u8, bytes: &[u8], now: Instant, clamped: Instant) {
        let id = self.operation_id(which);
        let mut frames = Vec::new();
        self.with(id, |operation| {
            let Kind::Stream { path, pending } = &mut operation.kind else { return };
            pending.extend_from_slice(bytes);
            while let Frame::Whole(length) = frame(pending) {
                frames.push((*path, pending.drain(..length).collect::<Vec<u8>>()));
            }
        });
        for (path, frame) in frames {
            self.note_input(path, &frame);
        }
        let taken = self.agent.handle_stream(id, bytes, now);
        assert_eq!(self.twin.handle_stream(id, bytes, clamped), taken, "C8");
    }

    fn survey(&mut self, targets: [u8; 3], credential: u8, is_race: bool, now: Instant, clamped: Instant) {
        let targets: Vec<SurveyTarget> = targets
            .iter()
            .map(|which| SurveyTarget::new(FiveTuple::udp(endpoint(which >> 4), endpoint(which & 15))))
            .collect();
        let paths: Vec<FiveTuple> = targets.iter().map(|target| target.path).collect();
        let mut config = if is_race { SurveyConfig::race(targets) } else { SurveyConfig::all(targets) };
        config.request.credentials = plan::credentials(credential);
        let trust = Trust::of(config.request.credentials.as_ref());
        let started = self.agent.start_survey(config.clone(), now);
        assert_eq!(self.twin.start_survey(config, clamped), started, "C8");
        if !matches!(started, Err(StartError::Survey(_))) {
            self.check_limit(started);
        }
        if let Ok(id) = started {
            self.operations.push(Operation { paths, trust, kind: Kind::Survey, ..Operation::new(id) });
        }
    }

    /// An operation by number; an unknown one where there are none.
    fn operation_id(&self, which: u8) -> OperationId {
        let count = self.operations.len().max(1);
        let known = self.operations.get(usize::from(which) % count);
        known.map_or(OperationId::from_u64(u64::from(which)), |operation| operation.id)
    }

    fn with(&mut self, id: OperationId, change: impl FnOnce(&mut Operation)) {
        if let Some(operation) = self.operations.iter_mut().find(|operation| operation.id == id) {
            change(operation);
        }
    }
}

const REALMS: [&[u8]; 2] = [b"example.test", b"x"];

const ADDRESSES: [&str; 5] = ["10.0.0.1", "192.0.2.1", "2001:db8::2", "fe80::1", "198.51.100.7"];
