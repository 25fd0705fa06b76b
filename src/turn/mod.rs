//! The TURN client (RFC 8656): a relay as a virtual socket.

// The machine that uses these tables and frames is not here yet.
#![allow(dead_code)]

pub(crate) mod channel;
pub(crate) mod frame;
pub(crate) mod permission;
mod policy;

pub use frame::{CHANNEL_HEADROOM, FrameError, MAX_HEADROOM, MAX_TAILROOM};
pub use policy::{IpRange, IpRangeError, PeerPolicy, PeerRefusal};
