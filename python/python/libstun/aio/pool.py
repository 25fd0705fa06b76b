"""A pool of relays at several TURN servers, as one socket."""

from __future__ import annotations

from collections.abc import Mapping

from ..config import Credentials
from ..enums import CredentialsNeed, FailureReason
from ..errors import UnknownOperationError
from ..events import (
    Closed,
    CredentialsNeeded,
    Event,
    Failed,
    Failure,
    Lost,
    Migrated,
    PeerRefused,
    PeerUnserved,
    RelayReady,
    RelaySelected,
    Retrying,
)
from ..info import AllocationInfo, RelayPoolInfo
from .driver import Driver, Link
from .errors import OperationFailed
from .relay import PeerSocket, refusal, rejection
from .stream import Dialer

__all__ = ["RelayPool"]


class RelayPool(PeerSocket):
    """Several relays as one: what is sent goes through the best that is ready, and what peers send comes from all.

    `relayed` is the address of the selected one. When another takes over there is the event `Migrated`, and the peers
    have to be told the new address. Relays are named by their place in the configuration.
    """

    def __init__(
        self,
        driver: Driver,
        id: int,
        dialers: Mapping[int | None, Dialer | None],
        links: Mapping[int | None, Link | None],
    ) -> None:
        self._count = len(dialers)
        self._failures: dict[int | None, Failure] = {}
        self._selected: int | None = None
        super().__init__(driver, id, dialers, links)

    @property
    def selected(self) -> int | None:
        """The relay through which data goes."""
        return self._selected

    @property
    def info(self) -> RelayPoolInfo | None:
        """What else is known now; `None` once it has ended."""
        try:
            return self._driver.core.relay_pool(self.id)
        except UnknownOperationError:
            return None

    def info_of(self, relay: int) -> AllocationInfo | None:
        """What is known of one relay now; `None` for a spare that is not in use, and once the pool has ended."""
        try:
            return self._driver.core.allocation(self.id, relay=relay)
        except UnknownOperationError:
            return None

    def set_credentials(self, relay: int, credentials: Credentials, *, expire_ns: int | None = None) -> None:
        """Gives a relay other credentials, best after `CredentialsNeeded`."""
        self._failures.pop(relay, None)
        self._driver.core.set_credentials(self.id, credentials, self._driver.now(), expire_ns=expire_ns, relay=relay)
        self._driver.flush()

    def ready(self) -> bool | None:
        """Whether a relay is selected; raises OperationFailed if the first attempt of every one has failed."""
        if self._relayed is None and len(self._failures) >= self._count:
            raise OperationFailed(list(self._failures.values())[-1])
        return super().ready()

    def noticed(self, event: Event) -> None:
        """Something has happened. For the operation."""
        match event:
            case RelayReady():
                self._failures.pop(event.relay, None)
                self._listen(event.relay, event.relayed, event.additional)
            case RelaySelected() | Migrated():
                self._selected = event.relay
                self._relayed, self._additional = event.relayed, event.additional
            case Lost():
                self._listen(event.relay)
                if event.was_selected:
                    self._relayed = self._additional = self._selected = None
            case PeerRefused() if event.relay == self._selected:
                self._refuse(event.peer, refusal(event))
            case PeerUnserved():
                self._refuse(event.peer, Failure(reason=FailureReason.OTHER, text=str(event)))
            case CredentialsNeeded(reason=CredentialsNeed.REJECTED):
                self._failures[event.relay] = rejection(event)
            case Retrying() | Failed():
                self._fail(event)
            case Closed():
                self.ended()

    def _fail(self, event: Retrying | Failed) -> None:
        self._failures[event.relay] = event.failure
        if event.is_last:
            self._failures = dict.fromkeys(range(self._count), event.failure)
            self.ended()
