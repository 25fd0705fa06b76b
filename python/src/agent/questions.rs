//! A discovery's questions to the DNS, answered.

use libstun::stun::discovery::{Answer, QuestionId};
use pyo3::prelude::*;

use super::Agent;
use crate::address::hosts as hosts_of;
use crate::config::{Naptr, Services};
use crate::convert::{Id, Number, Time, Words, word};

#[pymethods]
impl Agent {
    /// Answers a question for A or AAAA records: the addresses.
    ///
    /// This and its like return False if nobody waits for the answer any more: the discovery may have ended meanwhile.
    fn answer_addresses(
        &self,
        py: Python<'_>,
        id: Id,
        question: Number<u32>,
        hosts: &Bound<'_, PyAny>,
        now_ns: Time,
    ) -> PyResult<bool> {
        let hosts = hosts_of(hosts, MAX_HOSTS)?;
        self.answer(py, id, question, Answer::Addresses(&hosts), now_ns)
    }

    /// Answers a question for SRV records, in any order.
    fn answer_services(
        &self,
        py: Python<'_>,
        id: Id,
        question: Number<u32>,
        records: &Bound<'_, PyAny>,
        now_ns: Time,
    ) -> PyResult<bool> {
        let records = Services::read(records)?;
        self.answer(py, id, question, Answer::Services(&records.lend()), now_ns)
    }

    /// Answers a question for NAPTR records, in any order.
    fn answer_naptr(
        &self,
        py: Python<'_>,
        id: Id,
        question: Number<u32>,
        records: &Bound<'_, PyAny>,
        now_ns: Time,
    ) -> PyResult<bool> {
        let records = Naptr::read(records)?;
        self.answer(py, id, question, Answer::Naptr(&records.lend()), now_ns)
    }

    /// Says that a question has no answer, and why: a `DnsFailure`.
    fn answer_failed(
        &self,
        py: Python<'_>,
        id: Id,
        question: Number<u32>,
        failure: &Bound<'_, PyAny>,
        now_ns: Time,
    ) -> PyResult<bool> {
        let failure = word(failure.as_borrowed(), "DnsFailure", FAILURES)?;
        self.answer(py, id, question, failure, now_ns)
    }
}

impl Agent {
    fn answer(
        &self,
        py: Python<'_>,
        id: Id,
        question: Number<u32>,
        answer: Answer<'_>,
        now: Time,
    ) -> PyResult<bool> {
        let question = QuestionId::from_u32(question.0);
        self.with(py, |agent| agent.answer_discovery(id.0, question, answer, now.0).is_ok())
    }
}

/// More than any answer has.
const MAX_HOSTS: usize = 4096;

const FAILURES: &Words<Answer<'static>> = &[("not-found", Answer::NotFound), ("failed", Answer::Failed)];
