//! What a call answers, and what the driver of an agent tells it.

use libstun::{DropReason, SendError, Transport, WakeReason};

use crate::Misuse;
use stun_status_code::STUN_E_INVALID;

/// Values of `stun_status`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_status_code {
    /// Done.
    STUN_OK = 0,
    /// The queue is empty, or there is nothing of that kind.
    STUN_EMPTY = 1,
    /// Not ours: offer the datagram to your next protocol.
    STUN_IGNORED = 2,
    /// Application data was inside; `*app` is a slice of your own buffer.
    STUN_APP_DATA = 3,
    /// A pointer that must not be NULL is.
    STUN_E_NULL = -1,
    /// An argument has an impossible value: a struct_size, family, port, code or length.
    STUN_E_INVALID = -2,
    /// The call does not fit what came before it.
    STUN_E_STATE = -3,
    /// Your buffer is too small; nothing was consumed, and the size needed is said where there is room for it.
    STUN_E_BUFFER = -4,
    /// No operation of that id: never started, ended, or cancelled.
    STUN_E_NOT_FOUND = -5,
    /// A limit is reached.
    STUN_E_LIMIT = -6,
    /// The operating system gave no random bytes.
    STUN_E_ENTROPY = -7,
    /// The handle is in use: by another thread, or by the call that runs your log callback.
    STUN_E_BUSY = -8,
    /// Not a handle of this library, or one that was freed.
    STUN_E_HANDLE = -9,
    /// A bug in libstun was caught. The handle is poisoned: free it.
    STUN_E_PANIC = -100,
    /// An earlier call was caught in a bug; only stun_agent_free() is still allowed.
    STUN_E_POISONED = -101,
}

/// Why a deadline is wanted; see stun_wake_reason().
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_wake_code {
    /// No deadline.
    STUN_WAKE_NONE = 0,
    /// A datagram or an event is queued.
    STUN_WAKE_OUTPUT = 1,
    /// A request is due again.
    STUN_WAKE_RETRANSMISSION = 2,
    /// The last wait for a response ends.
    STUN_WAKE_TRANSACTION_TIMEOUT = 3,
    /// A binding, an allocation, a permission or a channel has to be kept alive.
    STUN_WAKE_REFRESH = 4,
    /// A failed request is due again.
    STUN_WAKE_RETRY = 5,
    /// A request that had to wait for others to the same server may be sent.
    STUN_WAKE_PACING = 6,
    /// The next of several addresses or servers is tried.
    STUN_WAKE_ATTEMPT = 7,
    /// The next measurement of a NAT probe is due.
    STUN_WAKE_MEASUREMENT = 8,
    /// A deadline that you gave an operation.
    STUN_WAKE_DEADLINE = 9,
}

/// Why a datagram could not be sent; for stun_handle_send_error().
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_send_error_code {
    /// ENETUNREACH, EHOSTUNREACH.
    STUN_SEND_NO_ROUTE = 1,
    /// EAFNOSUPPORT, EADDRNOTAVAIL: no address of that family.
    STUN_SEND_NO_FAMILY = 2,
    /// EPERM, EACCES.
    STUN_SEND_NOT_PERMITTED = 3,
    /// ECONNREFUSED, ECONNRESET, ICMP port unreachable.
    STUN_SEND_REFUSED = 4,
    /// EMSGSIZE.
    STUN_SEND_TOO_LARGE = 5,
    /// EBADF, ENOTCONN, EPIPE.
    STUN_SEND_CLOSED = 6,
    /// EAGAIN, ENOBUFS, soft ICMP errors: the retransmission covers it.
    STUN_SEND_TRANSIENT = 7,
}

/// Why a message from the network was dropped; for stun_dropped().
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_drop_code {
    /// Any reason.
    STUN_DROP_ANY = 0,
    /// A response to no outstanding request.
    STUN_DROP_UNKNOWN_TRANSACTION = 1,
    /// A response from another address than the one that was asked.
    STUN_DROP_WRONG_SOURCE = 2,
    /// A response of another method than its request.
    STUN_DROP_WRONG_METHOD = 3,
    /// FINGERPRINT does not match.
    STUN_DROP_BAD_FINGERPRINT = 4,
    /// A response to a signed request without a valid signature.
    STUN_DROP_UNAUTHENTICATED = 5,
    /// An attribute that is known and has an impossible value.
    STUN_DROP_MALFORMED_ATTRIBUTE = 6,
    /// A request of a method that is not served.
    STUN_DROP_UNSUPPORTED_METHOD = 7,
    /// An indication.
    STUN_DROP_INDICATION = 8,
    /// A source that no reply may go to.
    STUN_DROP_UNUSABLE_SOURCE = 9,
    /// The queue for replies is full: drain it.
    STUN_DROP_QUEUE_FULL = 10,
    /// STUN that no operation expects.
    STUN_DROP_UNEXPECTED = 11,
    /// STUN by its cookie and length, and broken inside.
    STUN_DROP_MALFORMED = 12,
    /// The network of the source has used up what a server gives to those who have proved nothing.
    STUN_DROP_OVER_BUDGET = 13,
    /// ChannelData on a channel that is not bound: late, or forged.
    STUN_DROP_UNKNOWN_CHANNEL = 14,
    /// Data of a peer that is not permitted, or that the policy refuses.
    STUN_DROP_UNPERMITTED_PEER = 15,
}

/// Values of `stun_packet.transport`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_transport_code {
    /// Datagrams.
    STUN_UDP = 0,
    /// A byte stream; each packet is one frame, see stun_frame_length().
    STUN_TCP = 1,
    /// A byte stream inside your TLS session; each packet is one frame.
    STUN_TLS = 2,
}

/// The code of the reason for a deadline; `None` is that of no deadline.
#[must_use]
pub fn wake_code(reason: Option<WakeReason>) -> stun_wake_code {
    match reason {
        None => stun_wake_code::STUN_WAKE_NONE,
        Some(WakeReason::Retransmission) => stun_wake_code::STUN_WAKE_RETRANSMISSION,
        Some(WakeReason::TransactionTimeout) => stun_wake_code::STUN_WAKE_TRANSACTION_TIMEOUT,
        Some(WakeReason::Refresh) => stun_wake_code::STUN_WAKE_REFRESH,
        Some(WakeReason::Retry) => stun_wake_code::STUN_WAKE_RETRY,
        Some(WakeReason::Pacing) => stun_wake_code::STUN_WAKE_PACING,
        Some(WakeReason::Attempt) => stun_wake_code::STUN_WAKE_ATTEMPT,
        Some(WakeReason::Measurement) => stun_wake_code::STUN_WAKE_MEASUREMENT,
        Some(WakeReason::Deadline) => stun_wake_code::STUN_WAKE_DEADLINE,
        Some(_) => stun_wake_code::STUN_WAKE_OUTPUT,
    }
}

/// The core's error behind a [`stun_send_error_code`].
///
/// # Errors
/// If it is none.
pub fn send_error(kind: u32) -> Result<SendError, Misuse> {
    Ok(match kind {
        1 => SendError::NoRoute,
        2 => SendError::FamilyUnavailable,
        3 => SendError::PermissionDenied,
        4 => SendError::Refused,
        5 => SendError::MessageTooLarge,
        6 => SendError::SocketClosed,
        7 => SendError::Transient,
        _ => return Err(Misuse(STUN_E_INVALID, "kind is no stun_send_error_code")),
    })
}

/// The code of an error in sending.
#[must_use]
pub fn send_error_code(error: SendError) -> stun_send_error_code {
    match error {
        SendError::NoRoute => stun_send_error_code::STUN_SEND_NO_ROUTE,
        SendError::FamilyUnavailable => stun_send_error_code::STUN_SEND_NO_FAMILY,
        SendError::PermissionDenied => stun_send_error_code::STUN_SEND_NOT_PERMITTED,
        SendError::Refused => stun_send_error_code::STUN_SEND_REFUSED,
        SendError::MessageTooLarge => stun_send_error_code::STUN_SEND_TOO_LARGE,
        SendError::SocketClosed => stun_send_error_code::STUN_SEND_CLOSED,
        _ => stun_send_error_code::STUN_SEND_TRANSIENT,
    }
}

/// The core's reason behind a [`stun_drop_code`], `None` for any.
///
/// # Errors
/// If it is none.
pub fn drop_reason(code: u32) -> Result<Option<DropReason>, Misuse> {
    match (code as usize).checked_sub(1) {
        None => Ok(None),
        Some(index) => DropReason::ALL
            .get(index)
            .copied()
            .map(Some)
            .ok_or(Misuse(STUN_E_INVALID, "reason is no stun_drop_code")),
    }
}

/// The core's transport behind a [`stun_transport_code`].
///
/// # Errors
/// If it is none.
pub fn transport(code: u32) -> Result<Transport, Misuse> {
    match code {
        0 => Ok(Transport::Udp),
        1 => Ok(Transport::Tcp),
        2 => Ok(Transport::Tls),
        _ => Err(Misuse(STUN_E_INVALID, "transport is no stun_transport_code")),
    }
}

/// The code of a transport. No code asks for another one than these.
#[must_use]
pub fn transport_code(transport: Transport) -> stun_transport_code {
    match transport {
        Transport::Tcp => stun_transport_code::STUN_TCP,
        Transport::Tls => stun_transport_code::STUN_TLS,
        _ => stun_transport_code::STUN_UDP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_to_the_core_and_back() {
        for code in 1..=7 {
            assert_eq!(send_error_code(send_error(code).unwrap()) as u32, code);
        }
        for code in 0..=2 {
            assert_eq!(transport_code(transport(code).unwrap()) as u32, code);
        }
        assert_eq!(send_error(0).unwrap_err().0, STUN_E_INVALID);
        assert_eq!(send_error(8).unwrap_err().0, STUN_E_INVALID);
        assert_eq!(transport(3).unwrap_err().0, STUN_E_INVALID);
    }

    #[test]
    fn a_drop_code_is_the_place_of_its_reason_counted_from_one() {
        let last = stun_drop_code::STUN_DROP_UNPERMITTED_PEER as u32;
        assert_eq!(DropReason::ALL.len(), last as usize);
        assert_eq!(drop_reason(0).unwrap(), None);
        assert_eq!(drop_reason(1).unwrap(), Some(DropReason::ALL[0]));
        assert_eq!(drop_reason(last).unwrap(), DropReason::ALL.last().copied());
        assert_eq!(drop_reason(last + 1).unwrap_err().0, STUN_E_INVALID);
    }
}
