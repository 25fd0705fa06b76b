//! Pools of relays: several allocations as one virtual socket.

use core::ffi::c_char;
use core::mem::offset_of;
use core::time::Duration;

use libstun::OperationId;
use libstun::turn::{MemberError, PoolConfig, PoolConfigError, RelayPool, Switching};
use libstun_flat::{NO_RELAY, UNKNOWN_OPERATION};

use crate::agent::copy_text;
use crate::allocation::{stun_allocation_config, stun_allocation_info};
use crate::binding::or_default;
use crate::credential::stun_credentials;
use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::{
    Growable, Slot, buffer, growable_size, read_growable, reference, structs, write_growable,
};
use crate::status::{Misuse, STUN_NEVER, instant, stun_status, stun_status_code::*, stun_time};
use crate::types::{path, stun_addr, stun_packet};

/// Instead of the index of a relay: none.
pub const STUN_NO_RELAY: u32 = u32::MAX;

/// Values of `flags` in a stun_relay_pool_config.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_relay_pool_flag {
    /// Ask for every peer at every relay that is ready, and not only at the selected one: a migration costs no round trip
    /// then, and every standby the packets of its permissions and channels.
    STUN_RELAY_POOL_WARM_STANDBY = 1,
}

/// A pool's configuration. Zero in a field is its default; everything is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_relay_pool_config {
    /// sizeof(stun_relay_pool_config).
    pub struct_size: u32,
    /// `enum stun_relay_pool_flag`, or-ed.
    pub flags: u32,
    /// Pointers to the configurations of 1 to 16 relays, each on a path of its own and over STUN_UDP to peers. Events and
    /// calls name a relay by its place here. keepalive_kind is not looked at: a pool keeps alive with requests, whose
    /// answers tell that a server is there and how far.
    pub relays: *const *const stun_allocation_config,
    /// How many.
    pub relay_count: usize,
    /// How many are kept ready. The first so many are asked at once; the others are spares, asked when fewer than that are
    /// well. 0 is all.
    pub ready: u32,
    /// Set it to 0.
    pub reserved: u32,
    /// A relay that has not answered a request for so long is unresponsive, and another one is selected. On slow paths it
    /// is longer, 30 s at most. 0 is 4 s; at least 1 s; STUN_NEVER waits until the relay is lost, 39.5 s and more.
    pub patience: stun_time,
    /// For so long after the first selection, and while no peer is wanted, a relay that is faster by a quarter takes over
    /// at once. 0 is 2 s.
    pub settling: stun_time,
    /// After that a faster relay takes over if its round trip is at most half as long, and shorter by this. 0 is 50 ms.
    pub least_gain: stun_time,
    /// And has been for so long. 0 is 60 s; at least 1 s; STUN_NEVER: none takes over because it is faster, since every
    /// migration gives peers another address.
    pub hold: stun_time,
}

/// What is known of a pool now.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_relay_pool_info {
    /// Set it to sizeof(stun_relay_pool_info) before each call; afterwards, how many bytes were filled.
    pub struct_size: u32,
    /// The relay through which data goes; STUN_NO_RELAY while there is none.
    pub selected: u32,
    /// How many relays there are, spares and those that have failed among them.
    pub relay_count: u32,
    /// How many of them have a relayed address now.
    pub ready_count: u32,
    /// The relayed address through which data goes, of two the IPv4 one; family 0 while there is none.
    pub relayed: stun_addr,
    /// The other one, of the other family, or family 0.
    pub additional: stun_addr,
    /// Events that were dropped because you did not poll.
    pub dropped_events: u32,
    /// Zero.
    pub reserved: u32,
}

/// Starts a pool of allocations at several TURN servers, as one socket of yours: the best relay that is ready is selected,
/// and another one when that dies. STUN_EV_RELAY_SELECTED says when there is the first, STUN_EV_MIGRATED when another
/// takes over: tell your peers its address. stun_allocation_permit(), stun_allocation_revoke(),
/// stun_allocation_bind_channel(), stun_allocation_release_channel(), stun_allocation_peer(), stun_allocation_send(),
/// stun_allocation_send_in_place() and stun_allocation_close() take the pool's id, and concern the selected relay, whichever
/// it is. What peers send comes out as STUN_APP_DATA, with the relayed address as the local one. Read stun_poll_timeout()
/// after sending: an answer is waited for. STUN_E_STATE if an allocation is on one of the paths. `*out_id` names the pool in
/// events; it is written on success only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_relay_pool_start(
    agent: *mut stun_agent,
    cfg: *const stun_relay_pool_config,
    now: stun_time,
    out_id: *mut u64,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let (out, config) = (Slot::new(out_id)?, read_growable(cfg)?.to_core()?);
            let id = guarded.agent.start_relay_pool(config, instant(now)?)?;
            out.put(id.as_u64());
            Ok(STUN_OK)
        })
    }
}

/// What is known of a pool now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_relay_pool_read(
    agent: *const stun_agent,
    id: u64,
    out: *mut stun_relay_pool_info,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let struct_size = growable_size(out.cast_const())?;
            let info = stun_relay_pool_info { struct_size, ..stun_relay_pool_info::of(pool(guarded, id)?) };
            write_growable(out, &info)?;
            Ok(STUN_OK)
        })
    }
}

/// What is known of one relay of a pool now. STUN_EMPTY for a spare that was not asked yet, and for a relay that nothing
/// more will come of; STUN_E_NOT_FOUND beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_relay_pool_relay(
    agent: *const stun_agent,
    id: u64,
    relay: u32,
    out: *mut stun_allocation_info,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let struct_size = growable_size(out.cast_const())?;
            let Some(allocation) = member(pool(guarded, id)?, relay)? else { return Ok(STUN_EMPTY) };
            let info = stun_allocation_info { struct_size, ..stun_allocation_info::of(allocation) };
            write_growable(out, &info)?;
            Ok(STUN_OK)
        })
    }
}

/// As stun_allocation_alternate_domain(), for one relay of a pool.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_relay_pool_alternate_domain(
    agent: *const stun_agent,
    id: u64,
    relay: u32,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    unsafe {
        handle::call(agent, |guarded| {
            let (len, buf) = (Slot::new(len)?, buffer(buf.cast(), cap)?);
            let allocation = member(pool(guarded, id)?, relay)?;
            let Some(domain) = allocation.and_then(|relay| relay.alternate_domain()) else {
                return Ok(STUN_EMPTY);
            };
            len.put(copy_text(domain, buf));
            Ok(STUN_OK)
        })
    }
}

/// Gives one relay of a pool other credentials, as STUN_EV_CREDENTIALS_NEEDED asks for; a spare will use them when it is
/// asked. STUN_E_NOT_FOUND: there is no such relay, or nothing more will come of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_relay_pool_set_credentials(
    agent: *mut stun_agent,
    id: u64,
    relay: u32,
    credentials: *const stun_credentials,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    unsafe {
        handle::call(agent, |guarded| {
            let (credentials, expire) = read_growable(credentials)?.to_core()?;
            let (id, now) = (OperationId::from_u64(id), instant(now)?);
            guarded.agent.set_pool_credentials(id, relay as usize, credentials, expire, now)?;
            Ok(STUN_OK)
        })
    }
}

/// What STUN_EV_RECONNECT of one relay of a pool asked for is open: see stun_allocation_reconnected(). STUN_E_STATE:
/// another relay is on that path; STUN_E_NOT_FOUND: there is no such relay, or nothing more will come of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_relay_pool_reconnected(
    agent: *mut stun_agent,
    id: u64,
    relay: u32,
    path: *const stun_packet,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let (path, socket_id) = reference(path)?.to_path()?;
            let (id, now) = (OperationId::from_u64(id), instant(now)?);
            guarded.agent.pool_reconnected(id, relay as usize, path, socket_id, now)?;
            Ok(STUN_OK)
        })
    }
}

/// Whether one relay of a pool may ask the server that STUN_EV_REDIRECTED names with code 1: `accept` is 1 or 0.
/// STUN_E_NOT_FOUND: there is no such relay, or nothing more will come of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_relay_pool_answer_redirect(
    agent: *mut stun_agent,
    id: u64,
    relay: u32,
    accept: u32,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's agent is NULL or live.
    unsafe {
        handle::call(agent, |guarded| {
            if accept > 1 {
                return Err(Misuse(STUN_E_INVALID, "accept is neither 0 nor 1"));
            }
            let (id, now) = (OperationId::from_u64(id), instant(now)?);
            guarded.agent.answer_redirect_in_pool(id, relay as usize, accept == 1, now)?;
            Ok(STUN_OK)
        })
    }
}

fn pool(guarded: &Guarded, id: u64) -> Result<&RelayPool, Misuse> {
    guarded.agent.relay_pool(OperationId::from_u64(id)).ok_or(UNKNOWN_OPERATION)
}

/// A relay of a pool; `None` for one that is there, but not asked.
fn member(pool: &RelayPool, relay: u32) -> Result<Option<&libstun::turn::Allocation>, Misuse> {
    if relay as usize >= pool.len() {
        return Err(MemberError::UnknownRelay.into());
    }
    Ok(pool.relay(relay as usize))
}

impl stun_relay_pool_config {
    /// # Safety
    /// What the pointers point to must be readable for its length.
    unsafe fn to_core(self) -> Result<PoolConfig, Misuse> {
        const WARM_STANDBY: u32 = stun_relay_pool_flag::STUN_RELAY_POOL_WARM_STANDBY as u32;
        if self.flags & !WARM_STANDBY != 0 {
            return Err(Misuse(STUN_E_INVALID, "an unknown flag is set"));
        }
        if self.reserved != 0 {
            return Err(Misuse(STUN_E_INVALID, "reserved is not 0"));
        }
        if self.relay_count > RelayPool::MAX_RELAYS {
            return Err(PoolConfigError::TooManyRelays.into()); // before anything is read
        }
        let mut relays = Vec::with_capacity(self.relay_count);
        // SAFETY: passed on from the caller.
        for relay in unsafe { structs(self.relays, self.relay_count)? } {
            // SAFETY: passed on from the caller; each is as large as it says itself.
            relays.push(unsafe {
                let given = read_growable(*relay)?;
                given.to_core(path(given.transport, given.local, given.server)?)?
            });
        }
        let defaults = PoolConfig::new(relays);
        Ok(PoolConfig {
            ready: if self.ready == 0 { defaults.ready } else { self.ready as usize },
            warm_standby: self.flags & WARM_STANDBY != 0,
            patience: (self.patience != STUN_NEVER)
                .then(|| or_default(self.patience, PoolConfig::DEFAULT_PATIENCE)),
            settling: or_default(self.settling, PoolConfig::DEFAULT_SETTLING),
            switching: (self.hold != STUN_NEVER).then(|| self.switching()),
            ..defaults
        })
    }

    fn switching(&self) -> Switching {
        let defaults = Switching::default();
        Switching {
            least_gain: or_default(self.least_gain, defaults.least_gain),
            hold: or_default(self.hold, defaults.hold),
        }
    }
}

const _: () = assert!(STUN_NO_RELAY == NO_RELAY);
const _: () = assert!(RelayPool::MAX_RELAYS == 16); // as the header says
const _: () = assert!(PoolConfig::MIN_PATIENCE.as_nanos() == Duration::from_secs(1).as_nanos());

impl stun_relay_pool_info {
    fn of(pool: &RelayPool) -> Self {
        let relayed = pool.relayed_address();
        let selected = pool.selected();
        let mut addresses = pool.relayed_addresses().filter(|(relay, _)| Some(*relay) == selected);
        let additional = addresses.find(|(_, address)| Some(*address) != relayed);
        let relays = (0..pool.len()).filter_map(|relay| pool.relay(relay));
        Self {
            selected: selected.map_or(STUN_NO_RELAY, |relay| relay as u32),
            relay_count: pool.len() as u32,
            ready_count: relays.filter(|relay| relay.is_allocated()).count() as u32,
            relayed: relayed.map_or(stun_addr::NONE, Into::into),
            additional: additional.map_or(stun_addr::NONE, |(_, address)| address.into()),
            dropped_events: pool.dropped_events(),
            ..Self::defaults()
        }
    }
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers and a raw pointer.
unsafe impl Growable for stun_relay_pool_config {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            flags: 0,
            relays: core::ptr::null(),
            relay_count: 0,
            ready: 0,
            reserved: 0,
            patience: 0,
            settling: 0,
            least_gain: 0,
            hold: 0,
        }
    }

    // The whole of the first version, which later ones only extend; so in the struct below.
    const MIN_SIZE: u32 = (offset_of!(Self, hold) + size_of::<stun_time>()) as u32;
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers and arrays of them.
unsafe impl Growable for stun_relay_pool_info {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            selected: STUN_NO_RELAY,
            relay_count: 0,
            ready_count: 0,
            relayed: stun_addr::NONE,
            additional: stun_addr::NONE,
            dropped_events: 0,
            reserved: 0,
        }
    }

    const MIN_SIZE: u32 = (offset_of!(Self, reserved) + size_of::<u32>()) as u32;
}
