//! The two frozen structs, and their conversion to the core's values.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use libstun::{Datagram, FiveTuple, Transmit};
use libstun_flat::codes::{transport, transport_code};

use crate::pointer::bytes;
use crate::status::{Misuse, stun_status_code::STUN_E_INVALID};

/// A transport address. 24 bytes, frozen. stun_sockaddr.h converts it from and to sockaddr.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct stun_addr {
    /// 4, 6, or 0 for none.
    pub family: u8,
    /// Set it to 0.
    pub reserved: u8,
    /// In host byte order.
    pub port: u16,
    /// The zone of a link-local IPv6 address, else 0.
    pub scope_id: u32,
    /// In network order; IPv4 in the first four bytes, the rest not looked at, and 0 in results.
    pub ip: [u8; 16],
}

/// One datagram, or one frame of a stream, in either direction. 72 bytes on 64-bit systems, frozen.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct stun_packet {
    /// Your own address: what your socket is bound to. Family 0 if you do not care.
    pub local: stun_addr,
    /// The other end.
    pub remote: stun_addr,
    /// The bytes. NULL only with length 0.
    pub data: *const u8,
    /// How many.
    pub len: usize,
    /// `enum stun_transport_code`.
    pub transport: u8,
    /// The two ECN bits of the IP header, or 0.
    pub ecn: u8,
    /// Set it to 0.
    pub flags: u16,
    /// A number of your choosing for your socket, handed back as it is.
    pub socket_id: u32,
}

// The layout is the ABI; tests/c/layout.c asserts the same numbers from the other side.
const _: () = {
    use core::mem::{align_of, offset_of, size_of};
    assert!(size_of::<stun_addr>() == 24 && align_of::<stun_addr>() == 4);
    assert!(
        offset_of!(stun_addr, port) == 2
            && offset_of!(stun_addr, scope_id) == 4
            && offset_of!(stun_addr, ip) == 8
    );
    assert!(offset_of!(stun_packet, remote) == 24 && offset_of!(stun_packet, data) == 48);
    #[cfg(target_pointer_width = "64")]
    assert!(
        size_of::<stun_packet>() == 72
            && offset_of!(stun_packet, transport) == 64
            && offset_of!(stun_packet, socket_id) == 68
    );
};

impl stun_addr {
    /// No address.
    pub(crate) const NONE: Self = Self { family: 0, reserved: 0, port: 0, scope_id: 0, ip: [0; 16] };

    /// An address, or `None` for family 0.
    pub(crate) fn to_optional(self) -> Result<Option<SocketAddr>, Misuse> {
        if self.reserved != 0 {
            return Err(Misuse(STUN_E_INVALID, "reserved in an address is not 0"));
        }
        let [a, b, c, d, ..] = self.ip;
        match self.family {
            0 => Ok(None),
            4 => Ok(Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), self.port))),
            6 => Ok(Some(SocketAddr::V6(SocketAddrV6::new(
                Ipv6Addr::from(self.ip),
                self.port,
                0,
                self.scope_id,
            )))),
            _ => Err(Misuse(STUN_E_INVALID, "an address has a family other than 0, 4 and 6")),
        }
    }

    /// An address that must be there.
    pub(crate) fn to_required(self) -> Result<SocketAddr, Misuse> {
        self.to_optional()?.ok_or(Misuse(STUN_E_INVALID, "an address that must be given has family 0"))
    }
}

impl From<SocketAddr> for stun_addr {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => {
                let [a, b, c, d] = v4.ip().octets();
                Self {
                    family: 4,
                    port: v4.port(),
                    ip: [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                    ..Self::NONE
                }
            }
            SocketAddr::V6(v6) => Self {
                family: 6,
                port: v6.port(),
                scope_id: v6.scope_id(),
                ip: v6.ip().octets(),
                ..Self::NONE
            },
        }
    }
}

impl From<Option<SocketAddr>> for stun_addr {
    fn from(address: Option<SocketAddr>) -> Self {
        address.map_or(Self::NONE, Into::into)
    }
}

/// The path between two addresses; a local address of family 0 is unspecified, of the remote's family.
pub(crate) fn path(code: u32, local: stun_addr, remote: stun_addr) -> Result<FiveTuple, Misuse> {
    let remote = remote.to_required()?;
    let unspecified = match remote {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let local = local.to_optional()?.unwrap_or(SocketAddr::new(unspecified, 0));
    Ok(FiveTuple { transport: transport(code)?, local, remote })
}

impl stun_packet {
    /// The packet as the core's datagram.
    ///
    /// # Safety
    /// `data` must be readable for `len` bytes for the lifetime that the caller chooses.
    pub(crate) unsafe fn to_datagram<'a>(self) -> Result<Datagram<'a>, Misuse> {
        if self.flags != 0 {
            return Err(Misuse(STUN_E_INVALID, "packet flags must be 0"));
        }
        if self.ecn > 3 {
            return Err(Misuse(STUN_E_INVALID, "ecn has two bits"));
        }
        // SAFETY: passed on from the caller.
        let payload = unsafe { bytes(self.data, self.len)? };
        let path = path(u32::from(self.transport), self.local, self.remote)?;
        Ok(Datagram { path, ecn: self.ecn, socket_id: self.socket_id, payload })
    }

    /// The path and the socket that a packet names, whatever else it says.
    pub(crate) fn to_path(self) -> Result<(FiveTuple, u32), Misuse> {
        Ok((path(u32::from(self.transport), self.local, self.remote)?, self.socket_id))
    }

    /// All zeros.
    pub(crate) const NONE: Self = Self {
        local: stun_addr::NONE,
        remote: stun_addr::NONE,
        data: core::ptr::null(),
        len: 0,
        transport: 0,
        ecn: 0,
        flags: 0,
        socket_id: 0,
    };

    /// A packet without bytes.
    pub(crate) fn on(path: &FiveTuple) -> Self {
        Self { data: core::ptr::null(), ..Self::new(path, 0, 0, &[]) }
    }

    pub(crate) fn from_transmit(transmit: &Transmit<'_>) -> Self {
        Self::new(&transmit.path, transmit.ecn, transmit.socket_id, transmit.payload)
    }

    pub(crate) fn from_datagram(datagram: &Datagram<'_>) -> Self {
        Self::new(&datagram.path, datagram.ecn, datagram.socket_id, datagram.payload)
    }

    fn new(path: &FiveTuple, ecn: u8, socket_id: u32, payload: &[u8]) -> Self {
        let is_any = path.local.ip().is_unspecified() && path.local.port() == 0;
        Self {
            local: if is_any { stun_addr::NONE } else { path.local.into() },
            remote: path.remote.into(),
            data: payload.as_ptr(),
            len: payload.len(),
            transport: transport_code(path.transport) as u8,
            ecn,
            flags: 0,
            socket_id,
        }
    }
}
