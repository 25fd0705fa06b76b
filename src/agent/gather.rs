//! Commands of an agent that concern many servers: to find them, and to ask them.

use alloc::boxed::Box;

use super::operation::{Housed, OperationId};
use super::{Agent, StartError};
use crate::stun::discovery::{Answer, QuestionId, UnknownQuestion};
use crate::stun::{Discovery, DiscoveryConfig, ServerSurvey, SurveyConfig};
use crate::time::Instant;

impl Agent {
    /// Starts a survey, which asks at once. Its id stays valid until its last event,
    /// [`Finished`](crate::stun::SurveyEvent::Finished), has been polled.
    ///
    /// # Errors
    /// The configuration contradicts itself, or there are too many operations; nothing was started.
    pub fn start_survey(&mut self, config: SurveyConfig, now: Instant) -> Result<OperationId, StartError> {
        let now = self.begin(now);
        self.check_room()?;
        let survey = ServerSurvey::start(config, self.entropy.fork(), now).map_err(StartError::Survey)?;
        Ok(self.house(Housed::Survey(Box::new(survey))))
    }

    /// Starts a discovery, whose first questions are events at once. Its id stays valid until its last event,
    /// [`Servers`](crate::stun::DiscoveryEvent::Servers) or [`Failed`](crate::stun::DiscoveryEvent::Failed),
    /// has been polled.
    ///
    /// # Errors
    /// The configuration contradicts itself or can lead to no server, or there are too many operations;
    /// nothing was started.
    pub fn start_discovery(
        &mut self,
        config: DiscoveryConfig,
        now: Instant,
    ) -> Result<OperationId, StartError> {
        let now = self.begin(now);
        self.check_room()?;
        let discovery = Discovery::new(config, self.entropy.fork(), now).map_err(StartError::Discovery)?;
        Ok(self.house(Housed::Discovery(Box::new(discovery))))
    }

    /// Tells a discovery what the DNS said.
    ///
    /// # Errors
    /// No discovery of that id waits for an answer to that question; nothing has changed. It is no misuse to
    /// be late: the discovery may have ended meanwhile.
    pub fn answer_discovery(
        &mut self,
        id: OperationId,
        question: QuestionId,
        answer: Answer<'_>,
        now: Instant,
    ) -> Result<(), UnknownQuestion> {
        let now = self.begin(now);
        let operation = self.operation_mut(id).ok_or(UnknownQuestion)?;
        let discovery = operation.machine.as_discovery_mut().ok_or(UnknownQuestion)?;
        discovery.answer(question, answer, now)?;
        self.note(id.slot());
        Ok(())
    }

    /// A survey, to ask for what it knows so far; `None` once its last event has been polled.
    #[must_use]
    pub fn survey(&self, id: OperationId) -> Option<&ServerSurvey> {
        self.operation(id)?.machine.as_survey()
    }

    /// A discovery, to ask for what it waits for; `None` once its last event has been polled.
    #[must_use]
    pub fn discovery(&self, id: OperationId) -> Option<&Discovery> {
        self.operation(id)?.machine.as_discovery()
    }
}
