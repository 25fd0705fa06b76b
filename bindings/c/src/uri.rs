//! URIs of servers.

use core::ffi::c_char;
use core::mem::offset_of;
use core::net::SocketAddr;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use libstun::wire::uri::{Host, Scheme, Uri, UriTransport};

use crate::credential::text;
use crate::pointer::{Growable, growable_size, write_growable};
use crate::status::{Answer, status_of, stun_status, stun_status_code::*};
use crate::types::stun_addr;

/// The schemes of URIs.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_scheme_code {
    /// stun:
    STUN_SCHEME_STUN = 0,
    /// stuns:, inside TLS.
    STUN_SCHEME_STUNS = 1,
    /// turn:
    STUN_SCHEME_TURN = 2,
    /// turns:, inside TLS.
    STUN_SCHEME_TURNS = 3,
}

/// What a URI says behind `?transport=`.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_uri_transport_code {
    /// Nothing.
    STUN_URI_ANY = 0,
    /// udp
    STUN_URI_UDP = 1,
    /// tcp
    STUN_URI_TCP = 2,
    /// Another one.
    STUN_URI_OTHER = 3,
}

/// A URI of RFC 7064 or RFC 7065, read. Its text is a slice of yours.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_uri {
    /// Set it to sizeof(stun_uri) before the call; afterwards, how many bytes were filled.
    pub struct_size: u32,
    /// `enum stun_scheme_code`.
    pub scheme: u32,
    /// The host as it was written, without brackets.
    pub host: *const c_char,
    /// How many bytes.
    pub host_len: usize,
    /// The host and the port, or the scheme's port, if the host is an IP address; family 0 if it is a name.
    pub addr: stun_addr,
    /// The port, 0 if the URI has none: then SRV records are to be asked for.
    pub port: u32,
    /// The port where nothing says otherwise: 3478, or 5349 inside TLS.
    pub default_port: u32,
    /// `enum stun_uri_transport_code`.
    pub transport: u32,
    /// Zero.
    pub reserved: u32,
}

/// Reads a URI, the whole of `text`. STUN_E_INVALID if it is none; `out->struct_size` must be set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_uri_parse(text: *const c_char, len: usize, out: *mut stun_uri) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    let read = || unsafe { read_uri(text, len, out) };
    status_of(catch_unwind(AssertUnwindSafe(read)).unwrap_or(Ok(STUN_E_PANIC)))
}

/// # Safety
/// `text` must be readable for `len` bytes, `out` NULL or writable for as many bytes as it says.
unsafe fn read_uri(given: *const c_char, len: usize, out: *mut stun_uri) -> Answer {
    // SAFETY: passed on from the caller.
    let (struct_size, text) = unsafe { (growable_size(out.cast_const())?, text((given.cast(), len))?) };
    let uri = Uri::parse(text)?;
    let host = host_text(text);
    let addr = match uri.host {
        Host::Ip(ip) => SocketAddr::new(ip, uri.port_or_default()).into(),
        Host::Name(_) => stun_addr::NONE,
    };
    let filled = stun_uri {
        struct_size,
        scheme: match uri.scheme {
            Scheme::Stun => stun_scheme_code::STUN_SCHEME_STUN,
            Scheme::Stuns => stun_scheme_code::STUN_SCHEME_STUNS,
            Scheme::Turn => stun_scheme_code::STUN_SCHEME_TURN,
            Scheme::Turns => stun_scheme_code::STUN_SCHEME_TURNS,
        } as u32,
        host: host.as_ptr().cast(),
        host_len: host.len(),
        addr,
        port: u32::from(uri.port.unwrap_or(0)),
        default_port: u32::from(uri.default_port()),
        transport: match uri.transport {
            None => stun_uri_transport_code::STUN_URI_ANY,
            Some(UriTransport::Udp) => stun_uri_transport_code::STUN_URI_UDP,
            Some(UriTransport::Tcp) => stun_uri_transport_code::STUN_URI_TCP,
            Some(UriTransport::Extension(_)) => stun_uri_transport_code::STUN_URI_OTHER,
        } as u32,
        reserved: 0,
    };
    // SAFETY: passed on from the caller.
    unsafe { write_growable(out, &filled)? };
    Ok(STUN_OK)
}

/// The host in a URI that has been found to be one: between the first colon and the next, or between brackets.
fn host_text(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or("", |(_, rest)| rest);
    match rest.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => rest.split([':', '?']).next().unwrap_or(""),
    }
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers, arrays of them and raw pointers.
unsafe impl Growable for stun_uri {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            scheme: 0,
            host: core::ptr::null(),
            host_len: 0,
            addr: stun_addr::NONE,
            port: 0,
            default_port: 0,
            transport: 0,
            reserved: 0,
        }
    }

    // The whole of the first version, which later ones only extend.
    const MIN_SIZE: u32 = (offset_of!(Self, reserved) + size_of::<u32>()) as u32;
}
