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

/// The answer to an error code of 300 to 699.
///
/// | code | Allocate | Refresh | CreatePermission, ChannelBind | Connect, ConnectionBind |
/// |---|---|---|---|---|
/// | 300 Try Alternate | asks the other | gone | refused | failed |
/// | 400 Bad Request | fails | gone | refused | failed |
/// | 401 Unauthenticated | other credentials | other credentials | verified | verified |
/// | 403 Forbidden | fails | gone | refused | failed |
/// | 405 Mobility Forbidden | without it | gone | refused | failed |
/// | 420 Unknown Attribute | without it, or fails | gone | refused | failed |
/// | 437 Allocation Mismatch | deletes, waits a second if that was confirmed, then other ports | gone, or moves | gone | gone |
/// | 438 Stale Nonce | with the new nonce | so too | so too | so too |
/// | 440 Address Family not Supported | fails | gone | refused | failed |
/// | 441 Wrong Credentials | fails | gone | verified | verified |
/// | 442 Unsupported Transport Protocol | fails | gone | refused | failed |
/// | 443 Peer Address Family Mismatch | fails | gone | refused | failed |
/// | 446, 447 | fails | gone | refused | failed |
/// | 486 Allocation Quota Reached | a minute later | gone | a minute later | failed |
/// | 508 Insufficient Capacity | a minute later | gone | a minute later | failed |
/// | 500 to 599 | later | later, then gone | later | failed |
/// | any other | fails | gone | refused | failed |
///
/// RFC 8656 s7.4, s8.3, s10.3, s12.3 and s19; RFC 6062 s4.3; RFC 8016 s3.1.4; RFC 8489 s6.3.4. 401 and 438 come
/// here only from servers that were given no credentials: otherwise [`crate::auth`] meets them. To a request to
/// delete any error is as good as success.
///
/// Beside the codes: silence and a failed send are a 500 to Allocate, gone to Refresh, verified to the others.
/// Errors that nobody signed are no errors, but shorten the wait: see [`super::Allocation::REJECTION_GRACE`].
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
