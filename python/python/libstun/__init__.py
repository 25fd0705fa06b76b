"""STUN, TURN and NAT discovery as pure state machines: no sockets, threads or clock of their own.

An `Agent` is driven by five calls, with the host's socket and the host's monotonic time in nanoseconds:

>>> import libstun
>>> agent = libstun.Agent(now_ns=0)
>>> binding = agent.start_binding(libstun.BindingConfig(("192.0.2.1", 3478)), now_ns=0)
>>> for transmit in agent.poll_transmits():
...     print(len(transmit.data), "bytes for", transmit.remote)
28 bytes for ('192.0.2.1', 3478)
>>> agent.poll_timeout()
500000000

`libstun.aio` does that for asyncio programs, and the command `libstun` for people.
"""

from __future__ import annotations

import os

from . import _native, events
from ._native import (
    Agent,
    Attribute,
    ChannelData,
    ErrorCode,
    Key,
    Message,
    MessageBuilder,
    Path,
    PeerData,
    Transmit,
    Uri,
    __version__,
    attribute_name,
    attribute_type,
    classify,
    frame_length,
    method_name,
)
from .aliases import Address, AddressLike, AttributeValue, Host, PathLike
from .config import (
    ATTEMPT_DELAY_NS,
    IDLE_SLACK_NS,
    AllocationConfig,
    BindingConfig,
    Credentials,
    DiscoveryConfig,
    LongTerm,
    NaptrRecord,
    NatConfig,
    PeerRule,
    RelayPoolConfig,
    Retransmission,
    ServerConfig,
    ShortTerm,
    SrvRecord,
    SurveyConfig,
    SurveyTarget,
)
from .enums import (
    AuthenticationFailure,
    Check,
    CredentialsNeed,
    DnsFailure,
    DropReason,
    FailureReason,
    Integrity,
    KeepaliveKind,
    MessageClass,
    MigrationReason,
    ObservedMapping,
    PeerPolicy,
    Protocol,
    RecordKind,
    RedirectPolicy,
    RedirectRefusal,
    RelayFamily,
    RelayPort,
    Scheme,
    SendError,
    Service,
    Transport,
    UnservedReason,
    WakeReason,
)
from .errors import InternalError, LimitError, ParseError, StateError, StunError, UnknownOperationError
from .events import Event, Failure
from .info import AllocationInfo, RelayPoolInfo
from .nat import NatConfidence, NatEvidence, NatFinding, NatProperty, NatReason, NatReport, NatValue

__all__ = [
    "ATTEMPT_DELAY_NS",
    "IDLE_SLACK_NS",
    "Address",
    "AddressLike",
    "Agent",
    "AllocationConfig",
    "AllocationInfo",
    "Attribute",
    "AttributeValue",
    "AuthenticationFailure",
    "BindingConfig",
    "ChannelData",
    "Check",
    "Credentials",
    "CredentialsNeed",
    "DiscoveryConfig",
    "DnsFailure",
    "DropReason",
    "ErrorCode",
    "Event",
    "Failure",
    "FailureReason",
    "Host",
    "Integrity",
    "InternalError",
    "KeepaliveKind",
    "Key",
    "LimitError",
    "LongTerm",
    "Message",
    "MessageBuilder",
    "MessageClass",
    "MigrationReason",
    "NaptrRecord",
    "NatConfidence",
    "NatConfig",
    "NatEvidence",
    "NatFinding",
    "NatProperty",
    "NatReason",
    "NatReport",
    "NatValue",
    "ObservedMapping",
    "ParseError",
    "Path",
    "PathLike",
    "PeerData",
    "PeerPolicy",
    "PeerRule",
    "Protocol",
    "RecordKind",
    "RedirectPolicy",
    "RedirectRefusal",
    "RelayFamily",
    "RelayPoolConfig",
    "RelayPoolInfo",
    "RelayPort",
    "Retransmission",
    "Scheme",
    "SendError",
    "ServerConfig",
    "Service",
    "ShortTerm",
    "SrvRecord",
    "StateError",
    "StunError",
    "SurveyConfig",
    "SurveyTarget",
    "Transmit",
    "Transport",
    "UnknownOperationError",
    "UnservedReason",
    "Uri",
    "WakeReason",
    "__version__",
    "attribute_name",
    "attribute_type",
    "classify",
    "events",
    "frame_length",
    "method_name",
]

# A copy of an agent in a forked child would repeat the secrets of its parent's: it refuses every call.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_native._forked)
