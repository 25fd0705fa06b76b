//! Finding the servers that a URI names. The questions to the DNS are the host's to ask.

use core::ffi::c_char;
use core::mem::offset_of;
use core::net::IpAddr;
use core::time::Duration;

use libstun::stun::DiscoveryConfig;
use libstun::stun::discovery::{Answer, NaptrRecord, QuestionId, SrvRecord};
use libstun::wire::uri::Uri;
use libstun::{OperationId, Transport};
use libstun_flat::codes::{dns_failure, service, transport, transport_code};

use crate::binding::or_default;
use crate::credential::text;
use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::{Growable, Slot, bytes, growable_size, read_growable, structs, write_growable};
use crate::status::{self, Misuse, instant, stun_status, stun_status_code::*, stun_time};
use crate::types::stun_addr;

/// Values of `flags` in a stun_discovery_config.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_discovery_flag {
    /// Only TLS will do.
    STUN_DISCOVERY_SECURE = 1,
}

/// What to look for. Zero in a field is its default; everything is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_discovery_config {
    /// sizeof(stun_discovery_config).
    pub struct_size: u32,
    /// `enum stun_service_code`; with a URI, 0.
    pub service: u32,
    /// A stun:, stuns:, turn: or turns: URI, or NULL and a host.
    pub uri: *const c_char,
    /// How many bytes.
    pub uri_len: usize,
    /// A name, or an IP address without brackets; with a URI, NULL.
    pub host: *const c_char,
    /// How many bytes.
    pub host_len: usize,
    /// The port; 0 asks the DNS. With a URI, 0.
    pub port: u32,
    /// `enum stun_discovery_flag`, or-ed; with a URI, 0.
    pub flags: u32,
    /// What you can use, best first: `enum stun_transport_code`. NULL is UDP for STUN, and UDP, TCP, TLS for relays.
    pub transports: *const u32,
    /// How many.
    pub transport_count: usize,
    /// How long the whole may take. 0 is 5 s.
    pub deadline: stun_time,
    /// How long to wait for more once an address is known. 0 is 1 s.
    pub resolution_delay: stun_time,
}

/// An SRV record (RFC 2782). Frozen. One whose text is not UTF-8 is passed over.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_srv_record {
    /// Lower ones are tried first.
    pub priority: u16,
    /// The share among records of equal priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// Set it to 0.
    pub reserved: u16,
    /// The host; "." says that there is no such service.
    pub target: *const c_char,
    /// How many bytes.
    pub target_len: usize,
}

/// A NAPTR record (RFC 3403 s4.1). Frozen. One whose text is not UTF-8 is passed over.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_naptr_record {
    /// Lower ones are tried first.
    pub order: u16,
    /// The same among records of equal order.
    pub preference: u16,
    /// Set it to 0.
    pub reserved: u32,
    /// "s", "a" or "".
    pub flags: *const c_char,
    /// How many bytes.
    pub flags_len: usize,
    /// As in "RELAY:turn.udp".
    pub services: *const c_char,
    /// How many bytes.
    pub services_len: usize,
    /// Records with one are passed over.
    pub regexp: *const c_char,
    /// How many bytes.
    pub regexp_len: usize,
    /// The next name.
    pub replacement: *const c_char,
    /// How many bytes.
    pub replacement_len: usize,
}

/// One address of one server that was found.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_discovered {
    /// Set it to sizeof(stun_discovered) before the call; afterwards, how many bytes were filled.
    pub struct_size: u32,
    /// `enum stun_transport_code`.
    pub transport: u32,
    /// Where it is.
    pub addr: stun_addr,
    /// What its certificate must be for, if it is TLS.
    pub host: *const c_char,
    /// How many bytes.
    pub host_len: usize,
}

/// Looks for servers. Each question to the DNS is an event, STUN_EV_RESOLVE; ask it in any way, answer it with one of
/// the calls below, and go on with others meanwhile. STUN_EV_SERVERS or STUN_EV_FAILED is the last event. An IP address
/// needs no question. `*out_id` names it; written on success only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_discovery_start(
    agent: *mut stun_agent,
    cfg: *const stun_discovery_config,
    now: stun_time,
    out_id: *mut u64,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let (out, given) = (Slot::new(out_id)?, read_growable(cfg)?);
            let config = config(&given)?;
            let id = guarded.agent.start_discovery(config, instant(now)?)?;
            out.put(id.as_u64());
            Ok(STUN_OK)
        })
    }
}

/// Answers a question for A or AAAA records: the addresses, whose ports are not looked at. STUN_E_NOT_FOUND if
/// nobody waits for it any more, which is no mistake of yours if the discovery has ended meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_answer_addresses(
    agent: *mut stun_agent,
    id: u64,
    question: u32,
    addrs: *const stun_addr,
    count: usize,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's agent is NULL or live, and `addrs` readable for `count` addresses.
    unsafe {
        handle::call(agent, |guarded| {
            let addrs: Vec<IpAddr> = structs(addrs, count)?
                .iter()
                .map(|addr| addr.to_required().map(|addr| addr.ip()))
                .collect::<Result<_, _>>()?;
            answer(guarded, id, question, Answer::Addresses(&addrs), now)
        })
    }
}

/// Answers a question for SRV records, in any order; as stun_answer_addresses() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_answer_services(
    agent: *mut stun_agent,
    id: u64,
    question: u32,
    records: *const stun_srv_record,
    count: usize,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's agent is NULL or live, and `records` readable for `count` records.
    unsafe {
        handle::call(agent, |guarded| {
            let mut all = Vec::new();
            for record in structs(records, count)? {
                let Some(target) = utf8(record.target, record.target_len)? else { continue };
                let stun_srv_record { priority, weight, port, .. } = *record;
                all.push(SrvRecord { priority, weight, port, target });
            }
            answer(guarded, id, question, Answer::Services(&all), now)
        })
    }
}

/// Answers a question for NAPTR records, in any order; as stun_answer_addresses() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_answer_naptr(
    agent: *mut stun_agent,
    id: u64,
    question: u32,
    records: *const stun_naptr_record,
    count: usize,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's agent is NULL or live, and `records` readable for `count` records.
    unsafe {
        handle::call(agent, |guarded| {
            let mut all = Vec::new();
            for record in structs(records, count)? {
                let flags = utf8(record.flags, record.flags_len)?;
                let services = utf8(record.services, record.services_len)?;
                let regexp = utf8(record.regexp, record.regexp_len)?;
                let replacement = utf8(record.replacement, record.replacement_len)?;
                if let (Some(flags), Some(services), Some(regexp), Some(replacement)) =
                    (flags, services, regexp, replacement)
                {
                    let (order, preference) = (record.order, record.preference);
                    all.push(NaptrRecord { order, preference, flags, services, regexp, replacement });
                }
            }
            answer(guarded, id, question, Answer::Naptr(&all), now)
        })
    }
}

/// Says that a question has no answer: `enum stun_dns_failure_code`; as stun_answer_addresses() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_answer_failed(
    agent: *mut stun_agent,
    id: u64,
    question: u32,
    failure: u32,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's agent is NULL or live.
    unsafe { handle::call(agent, |guarded| answer(guarded, id, question, dns_failure(failure)?, now)) }
}

/// A server of the STUN_EV_SERVERS that was polled last, in the order in which to try them; STUN_EMPTY behind the
/// last one. Its text is valid until the next stun_poll_event(). `out->struct_size` must be set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_discovered_server(
    agent: *const stun_agent,
    index: usize,
    out: *mut stun_discovered,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let struct_size = growable_size(out.cast_const())?;
            let Some(server) = guarded.servers.get(index) else { return Ok(STUN_EMPTY) };
            let found = stun_discovered {
                struct_size,
                transport: transport_code(server.transport) as u32,
                addr: server.address.into(),
                host: server.host.as_ptr().cast(),
                host_len: server.host.len(),
            };
            write_growable(out, &found)?;
            Ok(STUN_OK)
        })
    }
}

/// # Safety
/// The strings and the array must be readable for their lengths.
unsafe fn config(given: &stun_discovery_config) -> Result<DiscoveryConfig, Misuse> {
    const SECURE: u32 = stun_discovery_flag::STUN_DISCOVERY_SECURE as u32;
    // SAFETY: passed on from the caller.
    let (uri, host, transports) = unsafe {
        (
            text((given.uri.cast(), given.uri_len))?,
            text((given.host.cast(), given.host_len))?,
            structs(given.transports, given.transport_count)?,
        )
    };
    let mut config = if uri.is_empty() {
        let service = service(given.service)?;
        let port = u16::try_from(given.port).map_err(|_| Misuse(STUN_E_INVALID, "port is over 65535"))?;
        if given.flags & !SECURE != 0 {
            return Err(Misuse(STUN_E_INVALID, "an unknown flag is set"));
        }
        let is_secure = given.flags & SECURE != 0;
        let mut config = DiscoveryConfig::new(service, host);
        config.port = (port != 0).then_some(port);
        if is_secure {
            config.is_secure = true;
            config.transports = vec![Transport::Tls];
        }
        config
    } else {
        if !host.is_empty() || given.service != 0 || given.port != 0 || given.flags != 0 {
            return Err(Misuse(STUN_E_INVALID, "a URI says host, service and port itself"));
        }
        DiscoveryConfig::from_uri(&Uri::parse(uri)?)?
    };
    if transports.len() > MAX_TRANSPORTS {
        return Err(Misuse(STUN_E_INVALID, "there are not that many transports"));
    }
    if !transports.is_empty() {
        config.transports = transports.iter().map(|code| transport(*code)).collect::<Result<_, _>>()?;
    }
    config.deadline = or_default(given.deadline, DiscoveryConfig::DEFAULT_DEADLINE);
    config.resolution_delay = match given.resolution_delay {
        0 => DiscoveryConfig::DEFAULT_RESOLUTION_DELAY,
        nanos => Duration::from_nanos(nanos),
    };
    Ok(config)
}

fn answer(
    guarded: &mut Guarded,
    id: u64,
    question: u32,
    given: Answer<'_>,
    now: stun_time,
) -> status::Answer {
    let (id, question) = (OperationId::from_u64(id), QuestionId::from_u32(question));
    guarded.agent.answer_discovery(id, question, given, instant(now)?)?;
    Ok(STUN_OK)
}

/// Text out of the DNS, `None` if it is none: what comes from there is never an error.
///
/// # Safety
/// It must be readable for its length, for as long as the text lives.
unsafe fn utf8<'a>(data: *const c_char, len: usize) -> Result<Option<&'a str>, Misuse> {
    // SAFETY: passed on from the caller.
    Ok(core::str::from_utf8(unsafe { bytes(data.cast(), len)? }).ok())
}

/// More than there are would only repeat some.
const MAX_TRANSPORTS: usize = 8;

// SAFETY: `repr(C)`, `struct_size` first, and only integers and raw pointers.
unsafe impl Growable for stun_discovery_config {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            service: 0,
            uri: core::ptr::null(),
            uri_len: 0,
            host: core::ptr::null(),
            host_len: 0,
            port: 0,
            flags: 0,
            transports: core::ptr::null(),
            transport_count: 0,
            deadline: 0,
            resolution_delay: 0,
        }
    }

    // The whole of the first version, which later ones only extend.
    const MIN_SIZE: u32 = (offset_of!(Self, resolution_delay) + size_of::<stun_time>()) as u32;
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers, arrays of them and raw pointers.
unsafe impl Growable for stun_discovered {
    fn defaults() -> Self {
        Self { struct_size: 0, transport: 0, addr: stun_addr::NONE, host: core::ptr::null(), host_len: 0 }
    }

    // The whole of the first version, which later ones only extend.
    const MIN_SIZE: u32 = (offset_of!(Self, host_len) + size_of::<usize>()) as u32;
}
