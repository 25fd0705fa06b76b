//! Servers: whom to answer, and how.

use core::time::Duration;

use libstun::OperationId;
use libstun::auth::{Realm, SecurityFeatures};
use libstun::stun::{BehaviorDiscovery, Budget, ServerConfig, ServerCredentials};

use crate::credential::{self, Text};
use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::{Growable, Slot, bytes, read_growable, structs};
use crate::status::{Answer, Misuse, instant, stun_status, stun_status_code::*, stun_time};
use crate::types::stun_addr;

/// Values of `flags` in a stun_server_config.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_server_flag {
    /// Answer clients of RFC 3489 too, whose requests have no magic cookie. Not together with credentials.
    STUN_SERVER_RFC3489 = 1,
    /// Offer no password algorithm but MD5.
    STUN_SERVER_NO_PASSWORD_ALGORITHMS = 2,
    /// Take no USERHASH in place of a username.
    STUN_SERVER_NO_ANONYMITY = 4,
    /// Send strangers whatever they ask for, without a budget and its events.
    STUN_SERVER_NO_BUDGET = 8,
    /// Serve NAT behaviour discovery with the one address `local`: no OTHER-ADDRESS, and 420 for CHANGE-REQUEST.
    STUN_SERVER_BEHAVIOR_SINGLE = 16,
}

/// A user of a realm. Frozen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_user {
    /// UTF-8, prepared here as an OpaqueString.
    pub name: *const u8,
    /// 1 to 508.
    pub name_len: usize,
    /// The same.
    pub password: *const u8,
    /// At least 1.
    pub password_len: usize,
}

/// A server's configuration. All zeros but struct_size answers everything that arrives anywhere, within the default
/// budget. Strings are copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_server_config {
    /// sizeof(stun_server_config).
    pub struct_size: u32,
    /// `enum stun_integrity_code`, of a short-term credential.
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
    /// Answer only users of this realm, who sign with long-term credentials; NULL is none. Best your domain's name; a
    /// short one makes short challenges.
    pub realm: *const u8,
    /// 1 to 127.
    pub realm_len: usize,
    /// The realm's users; see also stun_server_add_user().
    pub users: *const stun_user,
    /// How many.
    pub user_count: usize,
    /// How long a nonce is good for. 0 is ten minutes.
    pub nonce_lifetime: stun_time,
    /// `enum stun_server_flag`, or-ed.
    pub flags: u32,
    /// Bytes sent for a hundred received from a network that has proved nothing. 0 is 260; UINT32_MAX no limit.
    pub amplification_percent: u32,
    /// Bytes of errors that such a network may be sent in a second. 0 is 65536.
    pub error_rate: u32,
    /// Bytes of errors that it may be sent at once after a while of quiet. 0 is 262144.
    pub error_burst: u32,
    /// Serve NAT behaviour discovery (RFC 5780): another IP address and another port than those of `local`. You have
    /// four sockets then, on both addresses with both ports, and each packet says in `local` on which it arrived.
    /// Family 0 serves none.
    pub alternate: stun_addr,
    /// The two IP addresses as clients see them, where the server is behind a NAT that maps no ports; else family 0.
    pub public_addrs: [stun_addr; 2],
    /// The sockets at local IP and port, local IP and other port, other IP and local port, other IP and port.
    pub socket_ids: [u32; 4],
}

/// Answers Binding requests that arrive at an address. Holds no state about anybody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_server_start(
    agent: *mut stun_agent,
    cfg: *const stun_server_config,
    now: stun_time,
    out_id: *mut u64,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe { handle::call(agent, |guarded| start(guarded, cfg, now, out_id)) }
}

/// Adds a user to the realm of a server that runs, or changes a password. Both are prepared as OpaqueStrings.
/// STUN_E_NOT_FOUND if there is no such server, or it has no realm.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_server_add_user(
    agent: *mut stun_agent,
    id: u64,
    user: *const stun_user,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let user = crate::pointer::reference(user)?;
            let realm = guarded.agent.realm_mut(OperationId::from_u64(id)).ok_or(NO_REALM)?;
            add_user(realm, user).map(|()| STUN_OK)
        })
    }
}

/// Removes a user, whose next request is refused. STUN_EMPTY if there was none of that name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_server_remove_user(
    agent: *mut stun_agent,
    id: u64,
    name: *const u8,
    name_len: usize,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    unsafe {
        handle::call(agent, |guarded| {
            let name = credential::prepared((name, name_len))?;
            let realm = guarded.agent.realm_mut(OperationId::from_u64(id)).ok_or(NO_REALM)?;
            Ok(if realm.remove_user(name.as_bytes()) { STUN_OK } else { STUN_EMPTY })
        })
    }
}

/// # Safety
/// The pointers must be NULL or valid for their types; strings readable for their lengths.
unsafe fn start(
    guarded: &mut Guarded,
    cfg: *const stun_server_config,
    now: stun_time,
    out_id: *mut u64,
) -> Answer {
    // SAFETY: passed on from the caller.
    let (out, config) = unsafe { (Slot::new(out_id)?, read_growable(cfg)?) };
    // SAFETY: passed on from the caller.
    let config = unsafe { server_config(&config)? };
    let id = guarded.agent.start_server(config, instant(now)?)?;
    out.put(id.as_u64());
    Ok(STUN_OK)
}

/// # Safety
/// The strings must be readable for their lengths.
unsafe fn server_config(given: &stun_server_config) -> Result<ServerConfig, Misuse> {
    if given.flags & !ALL_FLAGS != 0 {
        return Err(Misuse(STUN_E_INVALID, "an unknown flag is set"));
    }
    // SAFETY: passed on from the caller.
    let credentials = unsafe { credentials(given)? };
    let answers_rfc3489 = given.has(stun_server_flag::STUN_SERVER_RFC3489);
    if answers_rfc3489 && credentials.is_some() {
        return Err(Misuse(STUN_E_INVALID, "clients of RFC 3489 cannot authenticate"));
    }
    Ok(ServerConfig {
        local: given.local.to_optional()?,
        credentials,
        behavior: behavior(given)?,
        answers_rfc3489,
        budget: (!given.has(stun_server_flag::STUN_SERVER_NO_BUDGET)).then(|| budget(given)),
    })
}

/// # Safety
/// The strings must be readable for their lengths.
unsafe fn credentials(given: &stun_server_config) -> Result<Option<ServerCredentials>, Misuse> {
    let username: Text = (given.username, given.username_len);
    // SAFETY: passed on from the caller.
    let short_term =
        unsafe { credential::short_term(username, (given.password, given.password_len), given.integrity)? };
    // SAFETY: passed on from the caller.
    let (name, users) =
        unsafe { (bytes(given.realm, given.realm_len)?, structs(given.users, given.user_count)?) };
    if name.is_empty() {
        if !users.is_empty() {
            return Err(Misuse(STUN_E_INVALID, "users need a realm"));
        }
        return Ok(short_term.map(Into::into));
    }
    if short_term.is_some() {
        return Err(Misuse(STUN_E_INVALID, "a server has a short-term credential or a realm"));
    }
    let mut realm = Realm::new(name)
        .map_err(|_| Misuse(STUN_E_INVALID, "a realm has 1 to 127 bytes"))?
        .offering(SecurityFeatures {
            password_algorithms: !given.has(stun_server_flag::STUN_SERVER_NO_PASSWORD_ALGORITHMS),
            username_anonymity: !given.has(stun_server_flag::STUN_SERVER_NO_ANONYMITY),
        });
    if given.nonce_lifetime != 0 {
        realm = realm.with_nonce_lifetime(Duration::from_nanos(given.nonce_lifetime));
    }
    for user in users {
        // SAFETY: passed on from the caller.
        unsafe { add_user(&mut realm, user)? };
    }
    Ok(Some(realm.into()))
}

/// # Safety
/// The strings must be readable for their lengths.
unsafe fn add_user(realm: &mut Realm, user: &stun_user) -> Result<(), Misuse> {
    // SAFETY: passed on from the caller.
    let (name, password) = unsafe {
        (
            credential::prepared((user.name, user.name_len))?,
            credential::prepared((user.password, user.password_len))?,
        )
    };
    Ok(realm.add_user(name.as_bytes(), password.as_bytes())?)
}

fn behavior(given: &stun_server_config) -> Result<Option<BehaviorDiscovery>, Misuse> {
    let is_single = given.has(stun_server_flag::STUN_SERVER_BEHAVIOR_SINGLE);
    let alternate = given.alternate.to_optional()?;
    let [first, second] = given.public_addrs;
    let (first, second) = (first.to_optional()?, second.to_optional()?);
    let Some(local) = given.local.to_optional()?.filter(|_| is_single || alternate.is_some()) else {
        let is_given = is_single || alternate.is_some() || first.is_some() || second.is_some();
        return if is_given { Err(UNREACHABLE) } else { Ok(None) };
    };
    let [socket_id, ..] = given.socket_ids;
    let behavior = match alternate {
        Some(_) if is_single => return Err(UNREACHABLE),
        Some(other) => {
            BehaviorDiscovery::new([local.ip(), other.ip()], [local.port(), other.port()], given.socket_ids)
        }
        None => BehaviorDiscovery::single(local, socket_id),
    };
    let behavior = behavior.map_err(|_| UNREACHABLE)?;
    Ok(Some(match (first, second) {
        (None, None) => behavior,
        (Some(first), Some(second)) => behavior.known_as([first.ip(), second.ip()]),
        (Some(first), None) if is_single => behavior.known_as([first.ip(), first.ip()]),
        _ => return Err(UNREACHABLE),
    }))
}

fn budget(given: &stun_server_config) -> Budget {
    let defaults = Budget::default();
    Budget {
        amplification_limit_percent: match given.amplification_percent {
            0 => defaults.amplification_limit_percent,
            u32::MAX => None,
            percent => Some(percent),
        },
        error_bytes_per_second: if given.error_rate == 0 {
            defaults.error_bytes_per_second
        } else {
            given.error_rate
        },
        error_burst: if given.error_burst == 0 { defaults.error_burst } else { given.error_burst },
    }
}

const ALL_FLAGS: u32 = 31;

const NO_REALM: Misuse = Misuse(STUN_E_NOT_FOUND, "no server of that id, or it has no realm");

const UNREACHABLE: Misuse = Misuse(
    STUN_E_INVALID,
    "behaviour discovery needs two IP addresses and two ports of one family that clients can reach",
);

impl stun_server_config {
    fn has(&self, flag: stun_server_flag) -> bool {
        self.flags & flag as u32 != 0
    }
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
            realm: core::ptr::null(),
            realm_len: 0,
            users: core::ptr::null(),
            user_count: 0,
            nonce_lifetime: 0,
            flags: 0,
            amplification_percent: 0,
            error_rate: 0,
            error_burst: 0,
            alternate: stun_addr::NONE,
            public_addrs: [stun_addr::NONE; 2],
            socket_ids: [0; 4],
        }
    }

    const MIN_SIZE: u32 = 8;
}
