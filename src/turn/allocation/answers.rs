//! What is done about each error: the one table.

use core::time::Duration;

/// What a request was for, as far as the table cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Allocate.
    Allocation,
    /// Refresh of an allocation that is there, also from another address (RFC 8016).
    Refresh,
    /// Refresh with a lifetime of 0.
    Deletion,
    /// CreatePermission, ChannelBind.
    Peer,
    /// Connect, ConnectionBind (RFC 6062).
    Connection,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The operation ends: nothing here can change the server's mind.
    Fail,
    /// Asks again later, not before that long, and ever later.
    Retry(Duration),
    /// Asks the server that is named instead.
    Alternate,
    /// Asks again at once without what the server does not know or allow, if it can be left out.
    Without,
    /// Deletes what is in the way, then tries other ports.
    OtherPort,
    /// Asks the host for other credentials.
    Credentials,
    /// The relay is gone, and another one is asked for.
    Gone,
    /// That peer is refused; nothing else changes.
    Refuse,
    /// Refreshes the allocation to see whether it is still there, and asks again later.
    Verify,
    /// There is nothing to delete any more.
    Done,
}

/// The answer to an error code of 300 to 699: the table of [`crate::turn::allocation`].
///
/// RFC 8656 s7.4, s8.3, s10.3, s12.3 and s19; RFC 6062 s4.3; RFC 8016 s3.1.4; RFC 8489 s6.3.4. 401 and 438 come
/// here only from servers that were given no credentials: otherwise [`crate::auth`] meets them.
pub(super) const fn answer_to(subject: Subject, code: u16) -> Answer {
    match (subject, code) {
        (Subject::Deletion, _) => Answer::Done,
        (Subject::Allocation, 300) => Answer::Alternate,
        (Subject::Allocation, 405 | 420) => Answer::Without,
        (Subject::Allocation, 437) => Answer::OtherPort,
        (Subject::Refresh | Subject::Peer | Subject::Connection, 437) => Answer::Gone,
        (Subject::Allocation | Subject::Refresh, 401) => Answer::Credentials,
        (Subject::Peer | Subject::Connection, 401 | 441) => Answer::Verify,
        (Subject::Allocation | Subject::Peer, 486 | 508) => Answer::Retry(QUOTA_WAIT),
        (Subject::Refresh, 508) => Answer::Gone,
        (Subject::Allocation | Subject::Refresh | Subject::Peer, 500..=599) => Answer::Retry(Duration::ZERO),
        (Subject::Allocation, _) => Answer::Fail,
        (Subject::Refresh, _) => Answer::Gone,
        (Subject::Peer | Subject::Connection, _) => Answer::Refuse,
    }
}

/// "The client SHOULD wait at least 1 minute" after 486 and 508 (RFC 8656 s7.4).
const QUOTA_WAIT: Duration = Duration::from_secs(60);
