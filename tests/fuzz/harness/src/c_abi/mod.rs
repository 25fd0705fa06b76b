//! The exported functions, called as a C program in any state of mind might. Under AddressSanitizer every
//! byte that is lent is read, right after the poll and again before the next call that may take it back.

mod codec;
mod plan;
mod relay;
mod usages;

use core::ffi::c_char;
use std::mem::{MaybeUninit, size_of};
use std::ptr::{null, null_mut};

use arbitrary::{Arbitrary, Unstructured};
use stun_c_abi::binding::{self, stun_binding_config};
use stun_c_abi::codec::{build::*, frame::*, parse::*};
use stun_c_abi::config::*;
use stun_c_abi::handle::stun_agent;
use stun_c_abi::server::{self, stun_server_config};
use stun_c_abi::status::{stun_status, stun_status_code::*, stun_time};
use stun_c_abi::types::{stun_addr, stun_packet};
use stun_c_abi::{agent, event, input, key, operation, output, sockaddr};

use self::codec::{build, codec, parse};
use self::plan::{Call, Part, Room, Size};
use crate::naive;
use crate::replies::{PASSWORD, Reply, USERNAME};

/// Any sequence of calls answers with a status of the header, writes results on success only, and lends bytes
/// that stay.
pub fn c_abi(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let mut host = Host::default();
    for _ in 0..MAX_STEPS {
        if source.is_empty() {
            break;
        }
        let Ok(call) = Call::arbitrary(&mut source) else { break };
        host.step(call);
    }
}

const MAX_STEPS: usize = 64;

/// Bytes that an agent has lent: where, and what they were.
struct Lent {
    data: *const u8,
    was: Vec<u8>,
}

struct Host {
    agent: *mut stun_agent,
    now: stun_time,
    ids: Vec<u64>,
    requests: Vec<(stun_packet, Vec<u8>)>,
    lent: Vec<Lent>,
    replies: u16,
    questions: Vec<(u64, u32)>,
    has_relays: bool,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            agent: null_mut(),
            now: 1,
            ids: Vec::new(),
            requests: Vec::new(),
            lent: Vec::new(),
            replies: 0,
            questions: Vec::new(),
            has_relays: false,
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: NULL, or made by stun_agent_new() and not freed.
        unsafe { agent::stun_agent_free(self.agent) }
    }
}

impl Host {
    // SAFETY of every block below: pointers are NULL, or valid for the lengths that go with them; agents and
    // keys are live. That is all that the header asks for.
    fn step(&mut self, call: Call<'_>) {
        match call {
            Call::New { .. } | Call::Free | Call::NoAgent => self.life(&call),
            Call::Binding { .. } | Call::Server { .. } | Call::Cancel(_) => self.command(&call),
            Call::Input { .. } | Call::Reply { .. } | Call::Timeout { .. } | Call::SendError { .. } => {
                self.give(&call);
            }
            Call::Transmit { .. } | Call::Batch { .. } | Call::Into { .. } => self.take(&call),
            Call::Event { size } => self.event(size),
            Call::Dropped(_) | Call::LastError { .. } | Call::Names(_) => self.ask(&call),
            Call::Build(parts) => build(&parts),
            Call::Parse(bytes) => parse(bytes),
            Call::Survey { .. } | Call::Discovery { .. } | Call::Nat { .. } => self.start(&call),
            Call::Answer { .. } | Call::Tell { .. } => self.tell(&call),
            Call::Report { which, size, format, cap } => self.read(which, size, format, cap),
            Call::Allocation(_) | Call::Pool { .. } => self.relay(&call),
            Call::OfRelay { .. } | Call::Grant { .. } | Call::FromPeer { .. } | Call::ToPeer { .. } => {
                self.of_relay(&call);
            }
            Call::Frame { .. } | Call::Channel { .. } | Call::Sockaddr { .. } => codec(&call),
        }
        self.check();
    }

    /// What always holds between deadline and reason.
    fn check(&self) {
        // SAFETY: see `step`.
        let (at, wake) =
            unsafe { (agent::stun_poll_timeout(self.agent), agent::stun_wake_reason(self.agent)) };
        assert!(wake <= 9, "C10");
        assert!(wake != 0 || at == u64::MAX, "C10");
        assert!(wake != 1 || at <= self.now, "C2");
    }

    fn life(&mut self, call: &Call<'_>) {
        match *call {
            Call::New { size, has_seed, has_log, max_operations, level, reserved, is_null } => {
                let seed = [7; 32];
                let config = stun_config {
                    struct_size: size.of::<stun_config>(),
                    max_operations: u32::from(max_operations),
                    seed: if has_seed { seed.as_ptr() } else { null() },
                    log: if has_log { Some(log) } else { None },
                    log_user: null_mut(),
                    log_level: u32::from(level % 5),
                    reserved: u32::from(reserved / 128),
                };
                let config = Room::new(&config, size.of::<stun_config>());
                let mut made = null_mut();
                let out: *mut *mut stun_agent = if is_null { null_mut() } else { &mut made };
                // SAFETY: see `step`.
                let status = valid(unsafe { agent::stun_agent_new(config.pointer(), self.now, out) });
                assert_eq!(status == STUN_OK as i32, !made.is_null());
                if !made.is_null() {
                    self.replace(made);
                }
            }
            Call::Free => self.replace(null_mut()),
            _ => {
                let mut out = 0;
                // SAFETY: NULL is what is tried.
                let statuses = unsafe {
                    agent::stun_agent_free(null_mut());
                    [
                        input::stun_handle_timeout(null_mut(), 0),
                        input::stun_handle_input(null_mut(), null(), 0, null_mut()),
                        binding::stun_binding_start(null_mut(), null(), 0, &mut out),
                        output::stun_poll_transmit(null_mut(), null_mut()),
                        event::stun_poll_event(null_mut(), null_mut()),
                        input::stun_handle_input(self.agent, null(), self.now, null_mut()),
                        server::stun_server_start(self.agent, null(), self.now, &mut out),
                    ]
                };
                assert_eq!((statuses, out), ([STUN_E_NULL as i32; 7], 0));
            }
        }
    }

    fn replace(&mut self, made: *mut stun_agent) {
        self.before_change();
        // SAFETY: see `step`.
        unsafe { agent::stun_agent_free(self.agent) };
        self.agent = made;
        self.ids.clear();
        self.questions.clear();
        self.requests.clear();
    }

    fn command(&mut self, call: &Call<'_>) {
        self.before_change();
        let mut id = DIRT;
        // SAFETY: see `step`.
        let status = unsafe {
            match call {
                Call::Binding { plan, is_null } => {
                    let config = plan.config();
                    let room = Room::new(&config, config.struct_size);
                    let out: *mut u64 = if *is_null { null_mut() } else { &mut id };
                    binding::stun_binding_start(self.agent, room.pointer(), self.now, out)
                }
                Call::Server { size, local, integrity, is_signed } => {
                    let (name, word): (&[u8], &[u8]) =
                        if *is_signed { (USERNAME, PASSWORD) } else { (&[], &[]) };
                    let config = stun_server_config {
                        struct_size: size.of::<stun_server_config>(),
                        integrity: u32::from(integrity % 4),
                        local: local.get(),
                        username: name.as_ptr(),
                        username_len: name.len(),
                        password: word.as_ptr(),
                        password_len: word.len(),
                        ..usages::server(*integrity)
                    };
                    let room = Room::new(&config, config.struct_size);
                    server::stun_server_start(self.agent, room.pointer(), self.now, &mut id)
                }
                Call::Cancel(which) => {
                    let known = self.known(*which);
                    operation::stun_cancel(self.agent, known, self.now)
                }
                _ => return,
            }
        };
        let is_started = valid(status) == STUN_OK as i32 && !matches!(call, Call::Cancel(_));
        assert_eq!(is_started, id != DIRT, "a result is written on success only");
        if is_started {
            self.ids.push(id);
        }
    }

    fn give(&mut self, call: &Call<'_>) {
        self.before_change();
        let mut app = MaybeUninit::<stun_packet>::zeroed();
        // SAFETY: see `step`.
        let status = unsafe {
            match call {
                Call::Input { packet, wants_app } => {
                    let bytes = packet.bytes.to_vec(); // the allocator's own, for AddressSanitizer
                    let arrived = packet.get(&bytes);
                    let app = if *wants_app { app.as_mut_ptr() } else { null_mut() };
                    input::stun_handle_input(self.agent, &arrived, self.now, app)
                }
                Call::Reply { which, reply } => {
                    let Some((asked, request)) = self.request(*which) else { return };
                    let Some(message) = naive::read(request) else { return };
                    let bytes = reply.write(message.id, self.replies);
                    let arrived = stun_packet { data: bytes.as_ptr(), len: bytes.len(), ..*asked };
                    self.replies = (self.replies + 1) % 40_000;
                    input::stun_handle_input(self.agent, &arrived, self.now, app.as_mut_ptr())
                }
                Call::Timeout { is_exact, ahead } => {
                    let deadline = agent::stun_poll_timeout(self.agent);
                    let at =
                        if *is_exact { deadline } else { self.now.saturating_add(u64::from(*ahead) << 12) };
                    self.now = self.now.max(at);
                    input::stun_handle_timeout(self.agent, at)
                }
                Call::SendError { which, kind, knows_bytes } => {
                    let Some((asked, request)) = self.request(*which) else { return };
                    let bytes: &[u8] = if *knows_bytes { request } else { &[] };
                    let failed = stun_packet { data: bytes.as_ptr(), len: bytes.len(), ..*asked };
                    input::stun_handle_send_error(self.agent, &failed, u32::from(kind % 9), self.now)
                }
                _ => return,
            }
        };
        assert!(valid(status) != STUN_APP_DATA as i32 || self.has_relays, "nothing unwraps");
    }

    fn take(&mut self, call: &Call<'_>) {
        // SAFETY: see `step`; packets are plain data, for which zeros are valid.
        unsafe {
            let mut packets: [stun_packet; 4] = MaybeUninit::zeroed().assume_init();
            match *call {
                Call::Transmit { is_null } => {
                    let out = if is_null { null_mut() } else { packets.as_mut_ptr() };
                    let status = valid(output::stun_poll_transmit(self.agent, out));
                    assert_eq!(status == STUN_OK as i32, !packets[0].data.is_null());
                    self.borrow(&packets);
                }
                Call::Batch { cap, stride } => {
                    let mut count = 99;
                    let stride = size_of::<stun_packet>() - 4
                        + usize::from(stride % 2) * 4
                        + usize::from(stride / 250);
                    let cap = usize::from(cap % 5);
                    let out = packets.as_mut_ptr();
                    let status =
                        valid(output::stun_poll_transmit_batch(self.agent, out, cap, stride, &mut count));
                    let filled = packets.iter().filter(|packet| !packet.data.is_null()).count();
                    assert_eq!(count, if status < 0 { 99 } else { filled });
                    self.borrow(&packets);
                }
                Call::Into { cap, is_null } => {
                    let mut buffer = vec![0xA5; usize::from(cap)];
                    let mut length = 0;
                    let meta = if is_null { null_mut() } else { packets.as_mut_ptr() };
                    let status = valid(output::stun_poll_transmit_into(
                        self.agent,
                        buffer.as_mut_ptr(),
                        buffer.len(),
                        meta,
                        &mut length,
                    ));
                    match status {
                        0 => self.keep(&packets[0], buffer[..length].to_vec()),
                        _ => assert!(buffer.iter().all(|byte| *byte == 0xA5), "written without success"),
                    }
                    if status == STUN_E_BUFFER as i32 {
                        assert!(length > buffer.len());
                    }
                }
                _ => {}
            }
        }
    }

    /// Reads what was lent in full, and remembers it.
    fn borrow(&mut self, packets: &[stun_packet]) {
        for packet in packets.iter().filter(|packet| !packet.data.is_null()) {
            // SAFETY: lent by the poll just now.
            let was = unsafe { std::slice::from_raw_parts(packet.data, packet.len) }.to_vec();
            self.lent.push(Lent { data: packet.data, was: was.clone() });
            self.keep(packet, was);
        }
    }

    fn keep(&mut self, packet: &stun_packet, bytes: Vec<u8>) {
        let message = naive::read(&bytes).expect("what is sent is STUN");
        if message.class == 0 {
            self.requests.push((*packet, bytes));
        }
    }

    /// What was lent is still there, whatever was polled meanwhile.
    fn before_change(&mut self) {
        for lent in self.lent.drain(..) {
            // SAFETY: lent until the next input, time or command, which is about to come.
            let is = unsafe { std::slice::from_raw_parts(lent.data, lent.was.len()) };
            assert_eq!(is, lent.was, "lent bytes have changed");
        }
    }

    fn event(&mut self, size: Size) {
        let claimed = size.of::<event::stun_event>();
        let mut room = Room::empty(claimed, size_of::<event::stun_event>());
        // SAFETY: see `step`; the room is as large as its first field says.
        let status = valid(unsafe { event::stun_poll_event(self.agent, room.pointer_mut()) });
        if status != STUN_OK as i32 {
            assert!(room.is_untouched(claimed), "written without success");
        } else if claimed as usize >= size_of::<event::stun_event>() {
            // SAFETY: filled in full, text included, which lives until the next call.
            let (filled, text) = unsafe {
                let filled = *room.pointer_mut::<event::stun_event>();
                (filled, std::slice::from_raw_parts(filled.text.cast::<u8>(), filled.text_len as usize))
            };
            assert!(std::str::from_utf8(text).is_ok_and(|text| !text.is_empty()));
            assert!(self.ids.contains(&filled.id));
            assert!((1..=3).contains(&filled.kind) || (7..=40).contains(&filled.kind));
            // SAFETY: lent until the next call.
            let name = unsafe { span_of(filled.name.cast(), filled.name_len) };
            assert!(std::str::from_utf8(name).is_ok());
            if filled.kind == event::stun_event_code::STUN_EV_RESOLVE as u32 {
                self.questions.push((filled.id, filled.index));
            }
        }
    }

    fn ask(&self, call: &Call<'_>) {
        // SAFETY: see `step`.
        unsafe {
            match *call {
                Call::Dropped(reason) => {
                    let mut count = u32::MAX;
                    let status = valid(agent::stun_dropped(self.agent, u32::from(reason % 17), &mut count));
                    assert_eq!(status == STUN_OK as i32, count != u32::MAX);
                }
                Call::LastError { cap } => {
                    let mut buffer = vec![0x25_u8; usize::from(cap)];
                    let mut length = 0;
                    let pointer = buffer.as_mut_ptr().cast::<c_char>();
                    let status = agent::stun_last_error(self.agent, pointer, buffer.len(), &mut length);
                    if valid(status) == STUN_OK as i32 && !buffer.is_empty() {
                        let end = length.min(buffer.len() - 1);
                        assert!(buffer[end] == 0 && !buffer[..end].contains(&0));
                    }
                }
                Call::Names(number) => {
                    let names = [
                        event::stun_event_name(number),
                        stun_c_abi::status::stun_status_name(number as i32),
                        stun_c_abi::status::stun_version(),
                    ];
                    assert!(names.iter().all(|name| std::ffi::CStr::from_ptr(*name).to_bytes().len() > 1));
                }
                _ => {}
            }
        }
    }

    /// An id that was given out, or none.
    fn known(&self, which: u8) -> u64 {
        let place = usize::from(which) % (self.ids.len() + 1);
        self.ids.get(place).copied().unwrap_or(u64::from(which))
    }

    fn request(&self, which: u8) -> Option<&(stun_packet, Vec<u8>)> {
        let count = self.requests.len();
        self.requests.get(count.checked_sub(1 + usize::from(which) % count.max(1))?)
    }
}

const DIRT: u64 = 0xA5A5_A5A5_A5A5_A5A5;

fn span(bytes: &[u8]) -> (*const u8, usize) {
    (bytes.as_ptr(), bytes.len())
}

/// Bytes of the library's.
///
/// # Safety
/// NULL with length 0, or readable for the length.
unsafe fn span_of<'a>(data: *const u8, length: usize) -> &'a [u8] {
    // SAFETY: by the caller's word.
    if length == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, length) } }
}

/// A status that the header knows, and no bug.
fn valid(status: stun_status) -> stun_status {
    assert!((-9..=3).contains(&status), "status {status}");
    status
}

/// Reads the line in full.
unsafe extern "C" fn log(_: *mut core::ffi::c_void, level: u32, text: *const c_char, length: usize) {
    // SAFETY: the library gives `length` bytes, valid during the call.
    let line = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    assert!(std::str::from_utf8(line).is_ok() && (1..=3).contains(&level));
}
