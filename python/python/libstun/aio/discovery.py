"""Discovery of servers: the agent asks, and the host's resolver answers, off the loop."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, cast

from ..aliases import Host
from ..config import NaptrRecord, SrvRecord
from ..enums import DnsFailure, RecordKind
from ..errors import UnknownOperationError
from ..events import Event, Resolve
from .driver import Driver, logger
from .names import getaddrinfo
from .operation import Operation

__all__ = ["Discovery", "Resolver"]

Records: TypeAlias = Sequence[Host] | Sequence[SrvRecord] | Sequence[NaptrRecord]

Resolver: TypeAlias = Callable[[str, RecordKind], Awaitable[Records | None]]
"""Asks the DNS: given a name and a kind it returns the records, empty if there are none, or `None` if it cannot ask for
that kind; then the system's resolver is asked, which knows A and AAAA only. It raises OSError if it has failed; any
other exception, and records that are none, count as a failure as well and are logged as warnings."""


class Discovery(Operation):
    """A discovery that runs, whose questions are answered."""

    def __init__(self, driver: Driver, id: int, resolver: Resolver | None) -> None:
        super().__init__(driver, id)
        self._resolver = resolver

    def _notice(self, event: Event) -> None:
        super()._notice(event)
        if isinstance(event, Resolve):
            self._spawn(self._answer(event))

    async def _answer(self, question: Resolve) -> None:
        records: Records | None = None
        failure = DnsFailure.NOT_FOUND
        try:
            if self._resolver is not None:
                records = await self._resolver(question.name, question.kind)
            if records is None and question.kind in _FAMILIES:
                records = await self._ask_system(question)
        except OSError as error:
            logger.debug("no %s records of %s: %s", question.kind, question.name, error)
            failure = _failure_of(error)
        except Exception as error:  # whatever libraries for the DNS raise; the question has to be answered all the same
            logger.warning("no %s records of %s: %r", question.kind, question.name, error)
            failure = DnsFailure.FAILED
        if self._driver.is_closed:
            return
        try:
            self._tell(question, records, failure)
        except UnknownOperationError:
            return  # it has ended without that answer
        except (ValueError, TypeError) as error:
            logger.warning("the %s records of %s are no such records: %s", question.kind, question.name, error)
            self._tell(question, None, DnsFailure.FAILED)
        self._driver.flush()

    async def _ask_system(self, question: Resolve) -> list[Host]:
        found = await getaddrinfo(question.name, None, family=_FAMILIES[question.kind])
        return list(dict.fromkeys(str(address[0]).partition("%")[0] for _, _, _, _, address in found))

    def _tell(self, question: Resolve, records: Records | None, failure: DnsFailure) -> None:
        core, now = self._driver.core, self._driver.now()
        if not records:
            core.answer_failed(self.id, question.question, failure, now)
        elif question.kind == RecordKind.SRV:
            core.answer_services(self.id, question.question, cast(Sequence[SrvRecord], records), now)
        elif question.kind == RecordKind.NAPTR:
            core.answer_naptr(self.id, question.question, cast(Sequence[NaptrRecord], records), now)
        else:
            core.answer_addresses(self.id, question.question, cast(Sequence[Host], records), now)


def _failure_of(error: OSError) -> DnsFailure:
    is_absent = isinstance(error, socket.gaierror) and error.errno in _ABSENT
    return DnsFailure.NOT_FOUND if is_absent else DnsFailure.FAILED


_FAMILIES = {RecordKind.A: socket.AF_INET, RecordKind.AAAA: socket.AF_INET6}

_ABSENT = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)}
