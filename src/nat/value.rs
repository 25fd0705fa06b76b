//! What can be known of a NAT, each property with its own words.

use core::fmt;
use core::time::Duration;

/// Writes an enum whose variants have fixed names.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Its name in reports: lower case, with hyphens.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    )*};
}
pub(super) use words;

words! {
    /// Whether UDP reaches servers at all (RFC 5780 s4.2).
    Connectivity {
        /// A server has answered.
        Open = "open",
        /// Servers at several addresses were silent: UDP is blocked, or the network is down.
        Blocked = "blocked",
    }

    /// Whether something translates addresses between the host and the server.
    Translation {
        /// The server sees the host's own address: there is no NAT.
        Absent = "absent",
        /// The server sees another one: there is a NAT, or several.
        Present = "present",
    }

    /// On what a mapping (RFC 4787 s4.1) or a filter (RFC 4787 s5) depends.
    Dependence {
        /// On nothing: one mapped address for all destinations; everybody may write to it.
        EndpointIndependent = "endpoint-independent",
        /// On the remote IP address.
        AddressDependent = "address-dependent",
        /// On the remote IP address and port.
        AddressAndPortDependent = "address-and-port-dependent",
    }

    /// Whether two sockets behind the NAT reach each other by their mapped addresses (RFC 4787 s6).
    Hairpinning {
        /// They do.
        Supported = "supported",
        /// They do not.
        Unsupported = "unsupported",
    }

    /// Whether the mapped port is the local port (RFC 4787 s4.2.1).
    PortPreservation {
        /// It is, where it was free.
        Preserved = "preserved",
        /// It is not.
        Changed = "changed",
    }

    /// Whether an even port is mapped to an even one, and an odd to an odd one (RFC 4787 s4.2.2).
    PortParity {
        /// It is.
        Preserved = "preserved",
        /// It was not, at least once.
        Changed = "changed",
    }

    /// Whether all of the host's mapped addresses have one IP (RFC 4787 s4.1, "IP address pooling").
    Pooling {
        /// One IP for every destination and socket that was tried: the NAT is "paired", or has but one.
        OneAddress = "one-address",
        /// Several: the NAT is "arbitrary", or the host has several ways out.
        SeveralAddresses = "several-addresses",
    }

    /// Whether the mapped address stays while the host keeps using it.
    Stability {
        /// It was the same whenever the same server was asked from the same socket.
        Stable = "stable",
        /// It changed during the probe.
        Changed = "changed",
    }

    /// Whether something rewrites addresses inside messages (RFC 5780 s3.6).
    Gateway {
        /// MAPPED-ADDRESS and XOR-MAPPED-ADDRESS agree.
        Absent = "absent",
        /// They differ: a generic application level gateway is on the path.
        Present = "present",
    }

    /// What becomes of datagrams that are longer than the path's MTU (RFC 5780 s3.5).
    Fragments {
        /// A padded request was answered by a padded response.
        Pass = "pass",
        /// A padded request was answered, but the server did not pad its response.
        PassOutbound = "pass-outbound",
        /// Padded requests were not answered while ordinary ones were. The request or the response was lost, at
        /// the NAT or anywhere else on the path.
        Lost = "lost",
    }
}

/// How long a binding lives without traffic from inside (RFC 4787 s4.3): it was seen alive after `at_least`, and
/// dead after `below`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lifetime {
    /// It lives at least so long.
    pub at_least: Duration,
    /// And less than that; `None` if it outlived the longest wait that was allowed.
    pub below: Option<Duration>,
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.below {
            Some(below) => {
                write!(f, "{:.1} s to {:.1} s", self.at_least.as_secs_f32(), below.as_secs_f32())
            }
            None => write!(f, "at least {:.1} s", self.at_least.as_secs_f32()),
        }
    }
}

/// Any of them: what an event tells.
macro_rules! values {
    ($($name:ident($ty:ident),)*) => {
        /// What was found of one property, whichever it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Value {
            $(#[doc = concat!("See [`", stringify!($ty), "`].")] $name($ty),)*
        }

        impl fmt::Display for Value {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name(value) => value.fmt(f),)*
                }
            }
        }

        $(impl From<$ty> for Value {
            fn from(value: $ty) -> Self {
                Self::$name(value)
            }
        })*
    };
}

values! {
    Connectivity(Connectivity),
    Translation(Translation),
    Dependence(Dependence),
    Hairpinning(Hairpinning),
    PortPreservation(PortPreservation),
    PortParity(PortParity),
    Pooling(Pooling),
    Stability(Stability),
    Gateway(Gateway),
    Fragments(Fragments),
    Lifetime(Lifetime),
}
