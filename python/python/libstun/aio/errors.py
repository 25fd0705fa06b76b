"""What the asyncio layer raises beside the errors of `libstun`."""

from __future__ import annotations

from ..errors import StunError
from ..events import Failure

__all__ = ["OperationFailed"]


class OperationFailed(StunError):  # an outcome, and no mistake of the caller's
    """What was asked for has failed, and `failure` says why. Unlike other errors it is no misuse."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure) or failure.reason)
        self.failure = failure
