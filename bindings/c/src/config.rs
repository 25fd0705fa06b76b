//! An agent's configuration, and its log.

use core::ffi::{c_char, c_void};

use crate::pointer::Growable;

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
