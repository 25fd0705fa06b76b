"""What misuse raises, besides `ValueError` and `TypeError`. What arrives from the network never raises."""

from __future__ import annotations

__all__ = ["InternalError", "LimitError", "ParseError", "StateError", "StunError", "UnknownOperationError"]


class StunError(Exception):
    """The base of the library's own errors. After all but `InternalError` the object is as it was, and usable."""


class StateError(StunError):
    """The call does not fit what came before it: no relay yet, a path that is taken, an agent from before a fork."""


class UnknownOperationError(StunError, LookupError):
    """No operation of that id, no such relay of it or connection: never started, ended, or cancelled."""


class LimitError(StunError):
    """A limit is reached: too many operations, peers or channels."""


class ParseError(StunError, ValueError):
    """Bytes or text that were to be parsed are not what they should be; the message says where."""


class InternalError(StunError):
    """A bug in libstun was caught; report it. An agent that raised it is of no use any more."""
