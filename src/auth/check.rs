//! What a client makes of a response, and with what its request was signed.

/// With what a request was signed, and thus what its response is checked with. An operation keeps it as the
/// tag of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignedBy {
    /// With nothing: the first request of a long-term credential (RFC 8489 s9.2.3.1), or no credentials.
    Nobody,
    /// With what both ends are known to share.
    Working,
    /// With what an unproven challenge has taught.
    Candidate,
}

/// What a client makes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseCheck {
    /// The response counts: it is authentic, or answers a request that was not signed.
    Accept,
    /// A challenge: ask again, under a new id, signed with the candidate.
    Retry {
        /// Whether the challenged request is over. If not, it may still get its true response, and the first
        /// authentic response to either wins.
        ends: bool,
    },
    /// As if it had never arrived.
    Discard,
    /// A challenge that cannot be met, or not again.
    Reject {
        /// Why.
        failure: AuthFailure,
        /// Whether the challenge was validly signed. If not, the true response may still be under way.
        is_authentic: bool,
    },
}

/// Why a server's challenge was not met (RFC 8489 s9.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthFailure {
    /// A 401 again, for the same realm and the same credentials: the server rejects them.
    Rejected,
    /// The challenge has no REALM, an empty one, or one over 763 bytes.
    NoRealm,
    /// The challenge has no NONCE, an empty one, or one over 763 bytes.
    NoNonce,
    /// A 438 that offers the very nonce it calls stale.
    SameNonce,
    /// The server calls every nonce stale, or keeps changing its realm.
    TooManyChallenges,
    /// The nonce promises PASSWORD-ALGORITHMS, which are missing; or an unsigned challenge offers less than
    /// what has worked: somebody on the path takes security away (RFC 8489 s9.2.1).
    BidDown,
    /// None of the server's password algorithms is known here.
    NoKnownAlgorithm,
    /// SHA-256 was required, and the server does not offer it, or did not ask for credentials at all.
    Sha256NotOffered,
    /// Anonymity was required, and the server does not offer USERHASH.
    AnonymityNotOffered,
}

impl core::fmt::Display for AuthFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Rejected => "the server rejects the credentials",
            Self::NoRealm => "the challenge has no usable realm",
            Self::NoNonce => "the challenge has no usable nonce",
            Self::SameNonce => "the challenge repeats the nonce that it calls stale",
            Self::TooManyChallenges => "the server challenges again and again",
            Self::BidDown => "the challenge lacks what its nonce promises, or what has worked before",
            Self::NoKnownAlgorithm => "the server offers no password algorithm that is known here",
            Self::Sha256NotOffered => "SHA-256 is required, and the server does not offer it",
            Self::AnonymityNotOffered => "anonymity is required, and the server does not offer it",
        })
    }
}

impl core::error::Error for AuthFailure {}
