//! Small machines that each break one rule of the contract, to prove that the harness notices.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use libstun::wire::{Class, Message, Method, TransactionId};
use libstun::{Datagram, FiveTuple, Instant, Machine, Outcome, Receipt, SendError, Transmit, WakeReason};

use super::contract::Subject;

/// What is wrong with a [`Ticker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Nothing,
    PollsMakeProgress,
    SleepsThroughOutput,
    SpinsAtItsDeadline,
    ActsEarly,
    CatchesUpSevenTimes,
    FollowsTheClockBack,
    WakesFromNever,
    HoardsReplies,
    IsRandom,
    ListensToGarbage,
    HasNoReason,
}

/// Sends a request every second, five times, then says so; answers every request with a success.
#[derive(Debug)]
pub struct Ticker {
    fault: Fault,
    now: Instant,
    due: Option<Instant>,
    ticks: u8,
    transmits: VecDeque<Vec<u8>>,
    events: VecDeque<u8>,
    lent: Vec<u8>,
}

const TICKS: u8 = 5;
const QUEUE_LIMIT: usize = 16;
const SECOND: Duration = Duration::from_secs(1);
static AMBIENT: AtomicU8 = AtomicU8::new(0);

impl Ticker {
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            now: Instant::ZERO,
            due: Some(Instant::ZERO.saturating_add(SECOND)),
            ticks: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            lent: Vec::new(),
        }
    }

    fn advance(&mut self, now: Instant) {
        self.now = if self.fault == Fault::FollowsTheClockBack { now } else { self.now.max(now) };
    }

    fn tick(&mut self) {
        let mut id = [self.ticks; 12];
        if self.fault == Fault::IsRandom {
            id[0] = AMBIENT.fetch_add(1, Ordering::Relaxed);
        }
        self.queue(super::request(TransactionId::new(id), |_| ()));
        self.ticks += 1;
        self.due =
            (self.ticks < TICKS).then(|| self.now.saturating_add(SECOND)).filter(|at| *at < Instant::MAX);
        if self.ticks == TICKS {
            self.events.push_back(self.ticks);
        }
    }

    fn queue(&mut self, bytes: Vec<u8>) {
        if self.transmits.len() < QUEUE_LIMIT || self.fault == Fault::HoardsReplies {
            self.transmits.push_back(bytes);
        }
    }

    fn has_output(&self) -> bool {
        !self.transmits.is_empty() || !self.events.is_empty()
    }

    fn is_due(&self) -> bool {
        match self.fault {
            Fault::SpinsAtItsDeadline => self.due.is_some_and(|at| at < self.now),
            Fault::ActsEarly => self.due.is_some(),
            _ => self.due.is_some_and(|at| at <= self.now),
        }
    }

    fn path() -> FiveTuple {
        super::asked()
    }
}

impl Machine for Ticker {
    type Event = u8;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        self.advance(now);
        let Ok(message) = Message::parse(datagram.payload) else {
            if self.fault == Fault::ListensToGarbage && !datagram.payload.is_empty() {
                self.events.push_back(0);
            }
            return Outcome::Unclaimed;
        };
        if message.class() == Class::Request {
            let id = message.transaction_id();
            self.queue(super::message(Class::SuccessResponse, Method::BINDING, id, |_| ()));
            return Outcome::Consumed;
        }
        Outcome::Unclaimed
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        let next = self.transmits.pop_front();
        if next.is_none() && self.fault == Fault::PollsMakeProgress && self.ticks > 0 {
            self.events.push_back(1);
        }
        self.lent = next?;
        Some(Transmit { path: Self::path(), socket_id: 0, ecn: 0, payload: &self.lent })
    }

    fn poll_event(&mut self) -> Option<u8> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.has_output() && self.fault != Fault::SleepsThroughOutput {
            return Some(self.now);
        }
        self.due
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        if self.due.is_none() && !self.has_output() && self.fault == Fault::WakesFromNever {
            self.events.push_back(9);
        }
        if !self.is_due() {
            return;
        }
        let missed = self.now.saturating_since(self.due.unwrap_or(self.now)) > SECOND;
        self.tick();
        if missed && self.fault == Fault::CatchesUpSevenTimes {
            let again = self.transmits.back().cloned().unwrap_or_default();
            (0..6).for_each(|_| self.queue(again.clone()));
        }
    }

    fn handle_send_error(&mut self, _: &Receipt, _: SendError, now: Instant) {
        self.advance(now);
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        let reason = if self.has_output() { WakeReason::Output } else { WakeReason::Refresh };
        self.poll_timeout().map(|_| reason).filter(|_| self.fault != Fault::HasNoReason)
    }
}

impl Subject for Ticker {}
