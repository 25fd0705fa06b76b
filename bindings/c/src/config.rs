//! The configurations, and the log.

use core::ffi::{c_char, c_void};

use libstun::agent::StartError;
use libstun::auth::ShortTerm;
use libstun::wire::IntegrityAlgorithm;

use crate::pointer::{Growable, bytes};
use crate::status::{Misuse, stun_status_code::*, stun_time};
use crate::types::stun_addr;

/// Receives a line of text: UTF-8, `len` bytes, not NUL-terminated, valid during the call. It must not call
/// the agent that it logs for: such a call answers STUN_E_BUSY.
pub type stun_log_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, level: u32, text: *const c_char, len: usize)>;

/// How much to log; each level includes those before it.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_log_level {
    /// Nothing.
    STUN_LOG_OFF = 0,
    /// Calls that were refused.
    STUN_LOG_WARN = 1,
    /// And what happened to operations.
    STUN_LOG_INFO = 2,
    /// And what was dropped.
    STUN_LOG_DEBUG = 3,
}

/// An agent's configuration. All zeros but struct_size is the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_config {
    /// sizeof(stun_config).
    pub struct_size: u32,
    /// Operations at a time; 0 is 1048576, the most there can be.
    pub max_operations: u32,
    /// 32 secret bytes that all randomness comes from, copied; NULL asks the operating system. Never the
    /// same seed twice outside tests: whoever knows it can forge answers.
    pub seed: *const u8,
    /// Receives log lines; NULL is off.
    pub log: stun_log_fn,
    /// Passed to `log`.
    pub log_user: *mut c_void,
    /// `enum stun_log_level`.
    pub log_level: u32,
    /// Set it to 0.
    pub reserved: u32,
}

/// Values of `flags` in a stun_binding_config.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_binding_flag {
    /// Leave FINGERPRINT out of requests.
    STUN_BINDING_NO_FINGERPRINT = 1,
    /// Take MAPPED-ADDRESS where XOR-MAPPED-ADDRESS is missing, as servers of RFC 3489 send it.
    STUN_BINDING_ACCEPT_MAPPED_ADDRESS = 2,
}

/// Which integrity attribute to sign with and to accept.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_integrity_code {
    /// Both, until the server has shown which one it knows (RFC 8489 s9.1.5).
    STUN_INTEGRITY_BOTH = 0,
    /// MESSAGE-INTEGRITY.
    STUN_INTEGRITY_SHA1 = 1,
    /// MESSAGE-INTEGRITY-SHA256.
    STUN_INTEGRITY_SHA256 = 2,
}

/// A binding's configuration. Zero in a field is its default. Strings are copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_binding_config {
    /// sizeof(stun_binding_config).
    pub struct_size: u32,
    /// `enum stun_transport_code`.
    pub transport: u32,
    /// What your socket is bound to; family 0 if you do not care.
    pub local: stun_addr,
    /// The server. Looking up its name is up to you.
    pub server: stun_addr,
    /// Your number for the socket, handed back in each packet.
    pub socket_id: u32,
    /// `enum stun_binding_flag`, or-ed.
    pub flags: u32,
    /// Ask again this long after the last request. 0 is 25 s; at least 1 s; STUN_NEVER asks once.
    pub refresh: stun_time,
    /// The first RTO. 0 is 500 ms.
    pub initial_rto: stun_time,
    /// How long to wait for an answer over TCP or TLS. 0 is 39.5 s.
    pub ti: stun_time,
    /// How often a request is sent in all. 0 is 7.
    pub rc: u32,
    /// How many RTOs to wait after the last send. 0 is 16.
    pub rm: u32,
    /// The wait after the first failure while refreshing, doubling from there. 0 is 1 s.
    pub backoff_first: stun_time,
    /// The longest such wait. 0 is 60 s.
    pub backoff_max: stun_time,
    /// Short-term credential (RFC 8489 s9.1), UTF-8, prepared as an OpaqueString; NULL is none.
    pub username: *const u8,
    /// 1 to 508.
    pub username_len: usize,
    /// Its password.
    pub password: *const u8,
    /// At least 1.
    pub password_len: usize,
    /// `enum stun_integrity_code`.
    pub integrity: u32,
    /// Set it to 0.
    pub reserved: u32,
}

/// A server's configuration. All zeros but struct_size answers everything that arrives anywhere.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_server_config {
    /// sizeof(stun_server_config).
    pub struct_size: u32,
    /// `enum stun_integrity_code`.
    pub integrity: u32,
    /// Answer only what arrives here; family 0 is everywhere, an unspecified IP any IP, port 0 any port.
    pub local: stun_addr,
    /// Answer only requests signed with this short-term credential; NULL is none.
    pub username: *const u8,
    /// 1 to 508.
    pub username_len: usize,
    /// Its password.
    pub password: *const u8,
    /// At least 1.
    pub password_len: usize,
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers, raw pointers and an optional function pointer.
unsafe impl Growable for stun_config {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            max_operations: 0,
            seed: core::ptr::null(),
            log: None,
            log_user: core::ptr::null_mut(),
            log_level: 0,
            reserved: 0,
        }
    }

    const MIN_SIZE: u32 = 8;
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers, arrays of them and raw pointers.
unsafe impl Growable for stun_binding_config {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            transport: 0,
            local: stun_addr::NONE,
            server: stun_addr::NONE,
            socket_id: 0,
            flags: 0,
            refresh: 0,
            initial_rto: 0,
            ti: 0,
            rc: 0,
            rm: 0,
            backoff_first: 0,
            backoff_max: 0,
            username: core::ptr::null(),
            username_len: 0,
            password: core::ptr::null(),
            password_len: 0,
            integrity: 0,
            reserved: 0,
        }
    }

    const MIN_SIZE: u32 = 56; // up to and with `server`
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers, arrays of them and raw pointers.
unsafe impl Growable for stun_server_config {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            integrity: 0,
            local: stun_addr::NONE,
            username: core::ptr::null(),
            username_len: 0,
            password: core::ptr::null(),
            password_len: 0,
        }
    }

    const MIN_SIZE: u32 = 8;
}

/// The host's log, called with finished lines.
#[derive(Clone, Copy)]
pub(crate) struct Logger {
    log: stun_log_fn,
    user: *mut c_void,
    level: u32,
}

impl Logger {
    pub(crate) fn new(config: &stun_config) -> Self {
        let level = if config.log.is_some() { config.log_level } else { 0 };
        Self { log: config.log, user: config.log_user, level }
    }

    pub(crate) fn is_on(&self, level: stun_log_level) -> bool {
        self.level >= level as u32
    }

    pub(crate) fn misuse(&self, text: &str) {
        self.write(stun_log_level::STUN_LOG_WARN, text);
    }

    pub(crate) fn write(&self, level: stun_log_level, text: &str) {
        if let Some(log) = self.log.filter(|_| self.is_on(level)) {
            // SAFETY: the host gave the function and its argument together in stun_config and keeps both
            // valid for the life of the agent; the text outlives the call.
            unsafe { log(self.user, level as u32, text.as_ptr().cast(), text.len()) }
        }
    }
}

/// The credential of a configuration, `None` where no username is given.
///
/// # Safety
/// Both pointers must be readable for their lengths.
pub(crate) unsafe fn credentials(
    (username, username_len): (*const u8, usize),
    (password, password_len): (*const u8, usize),
    integrity: u32,
) -> Result<Option<ShortTerm>, Misuse> {
    let only = match integrity {
        0 => None,
        1 => Some(IntegrityAlgorithm::Sha1),
        2 => Some(IntegrityAlgorithm::Sha256),
        _ => return Err(Misuse(STUN_E_INVALID, "integrity is no stun_integrity_code")),
    };
    // SAFETY: passed on from the caller.
    let (username, password) = unsafe { (bytes(username, username_len)?, bytes(password, password_len)?) };
    if username.is_empty() && password.is_empty() {
        return Ok(None);
    }
    let credential = ShortTerm::new(username, password).map_err(|_| {
        Misuse(STUN_E_INVALID, "a credential needs a username of 1 to 508 bytes and a password")
    })?;
    Ok(Some(match only {
        Some(algorithm) => credential.only(algorithm),
        None => credential,
    }))
}

/// Why an operation was not started, in C's words.
pub(crate) fn start_misuse(error: StartError) -> Misuse {
    use libstun::stun::binding::ConfigError;
    match error {
        StartError::Config(ConfigError::ServerAddress) => {
            Misuse(STUN_E_INVALID, "server has port 0, or is unspecified, multicast or broadcast")
        }
        StartError::Config(ConfigError::MixedFamilies) => {
            Misuse(STUN_E_INVALID, "local and server are of different families")
        }
        StartError::Config(ConfigError::RefreshTooShort) => {
            Misuse(STUN_E_INVALID, "refresh is under one second")
        }
        StartError::TooManyOperations => {
            Misuse(STUN_E_LIMIT, "the agent houses as many operations as it may")
        }
        StartError::AddressTaken => Misuse(STUN_E_STATE, "another server already answers at that address"),
        _ => Misuse(STUN_E_INVALID, "the operation cannot be started"),
    }
}
