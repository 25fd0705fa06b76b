//! `sendmmsg` and `recvmmsg` of Linux behind something safe: [`send`] and an [`Inbox`].

#![allow(unreachable_pub)] // a module of a program: its `pub` says what the program may use

use std::io;
use std::mem;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use libstun::Transmit;

/// Sends as many as the system takes in one call, at least one, and says how many. An error concerns the
/// first.
pub fn send(socket: &UdpSocket, batch: &[Transmit<'_>]) -> io::Result<usize> {
    // Names and vectors are complete, and do not move again, before any header points at them.
    let mut names: Vec<_> = batch.iter().map(|transmit| to_sockaddr(&transmit.path.remote)).collect();
    let vector = |transmit: &Transmit<'_>| libc::iovec {
        iov_base: transmit.payload.as_ptr().cast_mut().cast(), // sendmmsg only reads
        iov_len: transmit.payload.len(),
    };
    let mut vectors: Vec<_> = batch.iter().map(vector).collect();
    let mut headers: Vec<_> = names
        .iter_mut()
        .zip(&mut vectors)
        .map(|((name, length), vector)| header(name, *length, vector))
        .collect();

    let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
    // SAFETY: `headers` holds `count` headers, and each points at a name in `names`, at a vector in `vectors`
    // and through that at a payload that `batch` borrows: all alive during the call, which writes only into
    // the headers.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, 0) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Room for the datagrams that one call receives. Made once: receiving allocates a few headers, no buffers.
pub struct Inbox {
    buffers: Vec<[u8; Self::BUFFER]>,
    names: Vec<libc::sockaddr_storage>,
    /// How long each received datagram is.
    lengths: Vec<usize>,
}

impl Inbox {
    const DATAGRAMS: usize = 32;
    const BUFFER: usize = 1500;

    /// Waits for a datagram as long as the socket's read timeout says, and takes with it what else is there.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.lengths.clear();
        let vector = |buffer: &mut [u8; Self::BUFFER]| libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };
        let mut vectors: Vec<_> = self.buffers.iter_mut().map(vector).collect();
        let mut headers: Vec<_> = self
            .names
            .iter_mut()
            .zip(&mut vectors)
            .map(|(name, vector)| header(name, NAME_LENGTH, vector))
            .collect();

        let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        // Wait for one and take the rest as it is. The timeout of recvmmsg itself is checked only after a
        // datagram has come (its manual, BUGS): it stays unused, and the socket's own bounds the wait.
        let flags = libc::MSG_WAITFORONE;
        // SAFETY: `headers` holds `count` headers, and each points at a name in `self.names`, at a vector in
        // `vectors` and through that at a buffer of the length it states: all alive, and untouched by others,
        // during the call. No timeout is passed.
        let got = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, flags as _, ptr::null_mut())
        };
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        self.lengths.extend(headers.iter().take(got).map(|header| header.msg_len as usize));
        Ok(got)
    }

    /// What the last call received.
    pub fn datagrams(&self) -> impl Iterator<Item = (&[u8], SocketAddr)> {
        let received = self.buffers.iter().zip(&self.names).zip(&self.lengths);
        received.filter_map(|((buffer, name), length)| Some((buffer.get(..*length)?, from_sockaddr(name)?)))
    }
}

impl Default for Inbox {
    fn default() -> Self {
        // SAFETY: a sockaddr_storage is plain integers, for which all zeros is a value.
        let name: libc::sockaddr_storage = unsafe { mem::zeroed() };
        Self {
            buffers: vec![[0; Self::BUFFER]; Self::DATAGRAMS],
            names: vec![name; Self::DATAGRAMS],
            lengths: Vec::with_capacity(Self::DATAGRAMS),
        }
    }
}

fn header(
    name: &mut libc::sockaddr_storage,
    length: libc::socklen_t,
    vector: &mut libc::iovec,
) -> libc::mmsghdr {
    // SAFETY: an mmsghdr is integers and pointers, for which all zeros is a value: no name, no data.
    let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
    header.msg_hdr.msg_name = ptr::from_mut(name).cast();
    header.msg_hdr.msg_namelen = length;
    header.msg_hdr.msg_iov = vector;
    header.msg_hdr.msg_iovlen = 1;
    header
}

fn to_sockaddr(address: &SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: a sockaddr_storage is plain integers, for which all zeros is a value.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let place = ptr::from_mut(&mut storage);
    match address {
        SocketAddr::V4(v4) => {
            let name = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: a sockaddr_storage is as large and as aligned as any socket address.
            unsafe { place.cast::<libc::sockaddr_in>().write(name) };
            (storage, mem::size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
        SocketAddr::V6(v6) => {
            let name = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: a sockaddr_storage is as large and as aligned as any socket address.
            unsafe { place.cast::<libc::sockaddr_in6>().write(name) };
            (storage, mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t)
        }
    }
}

fn from_sockaddr(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let place = ptr::from_ref(storage);
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which type the system wrote, and a sockaddr_storage has room for it.
            let name = unsafe { &*place.cast::<libc::sockaddr_in>() };
            let ip = name.sin_addr.s_addr.to_ne_bytes().into();
            Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(name.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says which type the system wrote, and a sockaddr_storage has room for it.
            let name = unsafe { &*place.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(SocketAddr::V6(SocketAddrV6::new(
                ip,
                u16::from_be(name.sin6_port),
                name.sin6_flowinfo,
                name.sin6_scope_id,
            )))
        }
        _ => None,
    }
}

const NAME_LENGTH: libc::socklen_t = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
