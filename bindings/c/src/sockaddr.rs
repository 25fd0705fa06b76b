//! Socket addresses of the operating system, for hosts that bind at run time and cannot include
//! stun_sockaddr.h.

use core::ffi::c_void;
use core::mem::{offset_of, size_of};
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use crate::pointer::{Slot, buffer, bytes, reference};
use crate::status::{Answer, Misuse, status_of, stun_status, stun_status_code::*};
use crate::types::stun_addr;

/// A `struct sockaddr_in` or `sockaddr_in6` of `len` bytes as a stun_addr. STUN_E_INVALID for another
/// family or a length that is too short for its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_addr_from_sockaddr(
    sockaddr: *const c_void,
    len: usize,
    out: *mut stun_addr,
) -> stun_status {
    let convert = || -> Answer {
        // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
        let (out, raw) = unsafe { (Slot::new(out)?, bytes(sockaddr.cast(), len)?) };
        out.put(
            decode(raw).ok_or(Misuse(STUN_E_INVALID, "not an IPv4 or IPv6 socket address of that length"))?,
        );
        Ok(STUN_OK)
    };
    status_of(catch_unwind(AssertUnwindSafe(convert)).unwrap_or(Ok(STUN_E_PANIC)))
}

/// A stun_addr as the operating system's `struct sockaddr_in` or `sockaddr_in6`. `*len` gets its size; with
/// STUN_E_BUFFER what is needed. `cap` is what `sockaddr` has room for; sizeof(struct sockaddr_storage) is
/// always enough.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_addr_to_sockaddr(
    address: *const stun_addr,
    sockaddr: *mut c_void,
    cap: usize,
    len: *mut usize,
) -> stun_status {
    let convert = || -> Answer {
        // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
        let (address, room, len) =
            unsafe { (reference(address)?, buffer(sockaddr.cast(), cap)?, Slot::new(len)?) };
        let (image, size) =
            encode(address).ok_or(Misuse(STUN_E_INVALID, "an address of family 0, 4 or 6 was expected"))?;
        len.put(size);
        let Some(room) = room.get_mut(..size) else {
            return Err(Misuse(STUN_E_BUFFER, "the socket address does not fit"));
        };
        room.copy_from_slice(image.get(..size).unwrap_or_default());
        Ok(STUN_OK)
    };
    status_of(catch_unwind(AssertUnwindSafe(convert)).unwrap_or(Ok(STUN_E_PANIC)))
}

const IN4: usize = size_of::<libc::sockaddr_in>();
const IN6: usize = size_of::<libc::sockaddr_in6>();

/// Reads the fields where the system's own struct has them, byte by byte: the caller's memory need not be
/// aligned, and no struct is made of it.
fn decode(raw: &[u8]) -> Option<stun_addr> {
    match i32::from(family_of(raw)?) {
        libc::AF_INET if raw.len() >= IN4 => {
            let [a, b, c, d] = field(raw, offset_of!(libc::sockaddr_in, sin_addr))?;
            let port = u16::from_be_bytes(field(raw, offset_of!(libc::sockaddr_in, sin_port))?);
            Some(stun_addr {
                family: 4,
                port,
                ip: [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                ..stun_addr::NONE
            })
        }
        libc::AF_INET6 if raw.len() >= IN6 => Some(stun_addr {
            family: 6,
            port: u16::from_be_bytes(field(raw, offset_of!(libc::sockaddr_in6, sin6_port))?),
            scope_id: u32::from_ne_bytes(field(raw, offset_of!(libc::sockaddr_in6, sin6_scope_id))?),
            ip: field(raw, offset_of!(libc::sockaddr_in6, sin6_addr))?,
            ..stun_addr::NONE
        }),
        _ => None,
    }
}

fn encode(address: &stun_addr) -> Option<([u8; IN6], usize)> {
    let mut image = [0; IN6];
    let [a, b, c, d, ..] = address.ip;
    match address.family {
        4 => {
            put_family(&mut image, libc::AF_INET, IN4)?;
            put(&mut image, offset_of!(libc::sockaddr_in, sin_port), address.port.to_be_bytes())?;
            put(&mut image, offset_of!(libc::sockaddr_in, sin_addr), [a, b, c, d])?;
            Some((image, IN4))
        }
        6 => {
            put_family(&mut image, libc::AF_INET6, IN6)?;
            put(&mut image, offset_of!(libc::sockaddr_in6, sin6_port), address.port.to_be_bytes())?;
            put(&mut image, offset_of!(libc::sockaddr_in6, sin6_addr), address.ip)?;
            put(&mut image, offset_of!(libc::sockaddr_in6, sin6_scope_id), address.scope_id.to_ne_bytes())?;
            Some((image, IN6))
        }
        _ => None,
    }
}

/// `sa_family_t` is two bytes at the start on Linux and Windows, and one byte behind the length on BSD.
const FAMILY_AT: usize = offset_of!(libc::sockaddr, sa_family);
const FAMILY_SIZE: usize = size_of::<libc::sa_family_t>();

fn family_of(raw: &[u8]) -> Option<u16> {
    match FAMILY_SIZE {
        1 => raw.get(FAMILY_AT).map(|byte| u16::from(*byte)),
        _ => field(raw, FAMILY_AT).map(u16::from_ne_bytes),
    }
}

fn put_family(image: &mut [u8], family: i32, _size: usize) -> Option<()> {
    #[cfg(any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly"
    ))]
    put(image, 0, [u8::try_from(_size).ok()?])?;
    match FAMILY_SIZE {
        1 => put(image, FAMILY_AT, [u8::try_from(family).ok()?]),
        _ => put(image, FAMILY_AT, u16::try_from(family).ok()?.to_ne_bytes()),
    }
}

fn field<const N: usize>(raw: &[u8], at: usize) -> Option<[u8; N]> {
    raw.get(at..)?.first_chunk().copied()
}

fn put<const N: usize>(image: &mut [u8], at: usize, value: [u8; N]) -> Option<()> {
    *image.get_mut(at..)?.first_chunk_mut()? = value;
    Some(())
}
