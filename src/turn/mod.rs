//! TURN (RFC 8656): an [`Allocation`] is a relayed transport address at a server, as a virtual socket.
//!
//! ```text
//!   the host's socket            TURN server
//!   10.0.0.2:5000 ------------> 192.0.2.1:3478
//!                                     |
//!               relayed address 192.0.2.1:49160 <-------> peer 198.51.100.9:4000
//! ```
//!
//! Peers see the relayed address only. A peer has to be permitted before it can send; with a channel, what is
//! relayed has four bytes of overhead, without one 36 or more. TCP to peers is RFC 6062, moving between networks
//! RFC 8016. A [`RelayPool`] houses several allocations as one virtual socket that outlives each of them.

pub mod allocation;
pub(crate) mod channel;
pub(crate) mod frame;
pub(crate) mod permission;
pub mod policy;
pub mod pool;

pub use allocation::{
    Allocation, AllocationConfig, AllocationEvent, ConfigError, ConnectError, CredentialsNeed, FailureReason,
    KeepaliveKind, PeerError, RelayFamily, RelayPort, RelayTransport, SendToPeerError,
};
pub use frame::{CHANNEL_HEADROOM, FrameError, MAX_HEADROOM, MAX_TAILROOM};
pub use policy::{IpRange, IpRangeError, PeerPolicy, PeerRefusal};
pub use pool::{MemberError, MigrationReason, PoolConfig, PoolConfigError, PoolEvent, RelayPool, Switching};
