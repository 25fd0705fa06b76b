"""The keys with which signatures are checked: from a password, and from what the messages say of their users."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from .. import Check, Integrity, Key, Message

__all__ = ["Bounded", "Keys", "Verdict"]

SHORTEST = 16
"""MESSAGE-INTEGRITY-SHA256 may be cut to so many bytes (RFC 8489 s14.6): here both ends are somebody else's."""

REMEMBERED = 1024
"""Conversations, and keys: a capture may have any number of them, and whoever sends packets makes them up."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """A dictionary that forgets what was not used for longest.

    >>> squares = Bounded[int, int](2)
    >>> [squares.get(number, lambda: number * number) for number in (1, 2, 1, 3)], list(squares)
    ([1, 4, 1, 9], [1, 3])
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: OrderedDict[K, V] = OrderedDict()

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: K, make: Callable[[], V]) -> V:
        """What stands there; made if there is nothing."""
        if key not in self._items:
            self.put(key, make())
        self._items.move_to_end(key)
        return self._items[key]

    def put(self, key: K, value: V) -> None:
        """Replaces what stands there."""
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > self._limit:
            self._items.popitem(last=False)

    def items(self) -> Iterator[tuple[K, V]]:
        """All, the longest unused first."""
        return iter(self._items.items())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of checking an integrity attribute."""

    check: Check
    credential: str
    """What has signed it: "short-term", "long-term, MD5" and so on; if nothing has, what was tried."""


@dataclass(slots=True)
class _Known:
    """What two ends have said of who they are."""

    user: str | None = None
    realm: str | None = None


class Keys:
    """Remembers the user and the realm of each conversation: answers do not repeat them."""

    def __init__(self, password: str | None = None, user: str | None = None, realm: str | None = None) -> None:
        self._password = password
        self._user = user
        self._realm = realm
        self._known: Bounded[Hashable, _Known] = Bounded(REMEMBERED)
        self._cache: Bounded[tuple[str | None, str | None], list[tuple[str, Key]]] = Bounded(REMEMBERED)

    def check(self, message: Message, conversation: Hashable = None) -> dict[Integrity, Verdict | None]:
        """A verdict on each integrity attribute of the message; `None` where there is no password to check it with."""
        known = self._known.get(conversation, _Known)
        known.user = _text(message, "USERNAME") or known.user
        known.realm = _text(message, "REALM") or known.realm
        return {kind: self._verdict(message, kind, known) for kind in Integrity if message.has_integrity(kind)}

    def _verdict(self, message: Message, kind: Integrity, known: _Known) -> Verdict | None:
        if self._password is None:
            return None
        tried = []
        for name, key in self._candidates(self._user or known.user, self._realm or known.realm):
            shortest = SHORTEST if kind is Integrity.SHA256 else None
            if message.check(kind, key, shortest=shortest) is Check.VALID:
                return Verdict(Check.VALID, name)
            tried.append(name)
        return Verdict(Check.INVALID, " or ".join(tried))

    def _candidates(self, user: str | None, realm: str | None) -> list[tuple[str, Key]]:
        return self._cache.get((user, realm), lambda: list(self._make_keys(user, realm)))

    def _make_keys(self, user: str | None, realm: str | None) -> Iterator[tuple[str, Key]]:
        password = self._password or ""
        if user and realm:
            yield "long-term, MD5", Key.long_term_md5(user, realm, password)
            yield "long-term, SHA-256", Key.long_term_sha256(user, realm, password)
        if not self._realm:
            yield "short-term", Key.short_term(password)


def _text(message: Message, name: str) -> str | None:
    for attribute in message:
        if attribute.name == name:
            value = attribute.value
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None
