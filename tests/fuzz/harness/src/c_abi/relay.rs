//! Allocations and pools of them: started, commanded, answered and sent through.

use std::time::Duration;

use libstun::wire::attribute::{
    Data, ErrorCode, Lifetime, XorMappedAddress, XorPeerAddress, XorRelayedAddress,
};
use libstun::wire::{Class, MessageBuilder, Method, TransactionId};
use stun_c_abi::allocation::{self, stun_allocation_config, stun_allocation_info};
use stun_c_abi::credential::stun_credentials;
use stun_c_abi::peers::stun_peer_rule;
use stun_c_abi::relay_pool::{self, STUN_NO_RELAY, stun_relay_pool_config, stun_relay_pool_info};
use stun_c_abi::{relay, relay_data};

use super::plan::{Address, Relay};
use super::usages::zeroed;
use super::*;

impl Host {
    // SAFETY of every block below: as in `step`.
    pub(super) fn relay(&mut self, call: &Call<'_>) {
        self.before_change();
        let mut id = DIRT;
        let status = match call {
            Call::Allocation(plan) => {
                let parts = Parts::of(plan);
                // SAFETY: see `step`.
                unsafe {
                    allocation::stun_allocation_start(self.agent, parts.room.pointer(), self.now, &mut id)
                }
            }
            Call::Pool { size, relays, flags, ready, times, is_null } => {
                let parts: Vec<Parts> = relays.iter().map(Parts::of).collect();
                let mut pointers: Vec<*const stun_allocation_config> =
                    parts.iter().map(|parts| parts.room.pointer()).collect();
                if let Some(first) = pointers.first_mut().filter(|_| *is_null) {
                    *first = null();
                }
                let time = |place: usize| u64::from(times[place]) * 300_000_000;
                let config = stun_relay_pool_config {
                    struct_size: size.of::<stun_relay_pool_config>(),
                    flags: u32::from(flags % 3),
                    relays: pointers.as_ptr(),
                    relay_count: pointers.len(),
                    ready: u32::from(*ready),
                    reserved: u32::from(flags / 200),
                    patience: if times[0] == 255 { u64::MAX } else { time(0) },
                    settling: time(1),
                    least_gain: time(2),
                    hold: if times[3] == 255 { u64::MAX } else { time(3) },
                };
                let room = Room::new(&config, config.struct_size);
                // SAFETY: see `step`.
                unsafe { relay_pool::stun_relay_pool_start(self.agent, room.pointer(), self.now, &mut id) }
            }
            _ => return,
        };
        assert_eq!(valid(status) == STUN_OK as i32, id != DIRT, "a result is written on success only");
        if id != DIRT {
            self.ids.push(id);
            self.has_relays = true;
        }
    }

    pub(super) fn of_relay(&mut self, call: &Call<'_>) {
        self.before_change();
        match call {
            Call::Grant { which, says } => self.grant(*which, *says),
            Call::FromPeer { which, peer, channel, text } => self.peer_says(*which, *peer, *channel, text),
            Call::ToPeer { which, peer, text, cap, offset } => {
                self.tell_peer(*which, *peer, text, *cap, *offset);
            }
            Call::OfRelay { which, command, number, address } => {
                // SAFETY: see `step`.
                valid(unsafe { self.relay_command(*which, *command, *number, address.get()) });
            }
            _ => {}
        }
    }

    /// What a TURN server says to a request, unsigned.
    fn grant(&mut self, which: u8, says: u8) {
        let Some((asked, request)) = self.request(which) else { return };
        let Some(message) = naive::read(request) else { return };
        let Some(method) = Method::new(message.method) else { return };
        let is_refused = says % 4 == 3;
        let class = if is_refused { Class::ErrorResponse } else { Class::SuccessResponse };
        let mut buffer = [0; 128];
        let mut reply =
            MessageBuilder::new(&mut buffer, class, method, TransactionId::new(message.id)).expect("room");
        let server = u16::from(asked.remote.ip[3]);
        let relayed = std::net::SocketAddr::from(([192, 0, 2, asked.remote.ip[3]], 40_000 + server));
        let code = [403, 437, 442, 486, 508, 401, 400][usize::from(says / 4 % 7)];
        let filled = if is_refused {
            reply.add(&ErrorCode { code, reason: b"no" })
        } else {
            reply
                .add(&XorRelayedAddress(relayed))
                .and_then(|()| reply.add(&XorMappedAddress(relayed)))
                .and_then(|()| reply.add(&Lifetime(Duration::from_secs(u64::from(says / 4) * 20))))
        };
        filled.expect("a reply fits");
        let bytes = reply.finish().to_vec();
        let arrived = stun_packet { data: bytes.as_ptr(), len: bytes.len(), ..*asked };
        self.arrives(&arrived);
    }

    fn peer_says(&mut self, which: u8, peer: Address, channel: Option<u16>, text: &[u8]) {
        let Some((asked, _)) = self.request(which) else { return };
        let mut bytes = vec![0; text.len() + 80];
        let len = match (channel, self.as_core(peer)) {
            (None, Some(peer)) => {
                let id = TransactionId::new([9; 12]);
                let mut message =
                    MessageBuilder::new(&mut bytes, Class::Indication, Method::DATA, id).expect("room");
                message.add(&XorPeerAddress(peer)).expect("room");
                message.add(&Data(text)).expect("room");
                message.finish().len()
            }
            (Some(channel), _) => {
                let mut len = 0;
                let (data, count) = span(text);
                let channel = 0x4000 + channel % 0x1000;
                // SAFETY: see `step`.
                let written = unsafe {
                    stun_channel_data_write(
                        bytes.as_mut_ptr(),
                        bytes.len(),
                        channel,
                        data,
                        count,
                        0,
                        &mut len,
                    )
                };
                assert_eq!(written, STUN_OK as i32);
                len
            }
            _ => return,
        };
        bytes.truncate(len);
        let arrived = stun_packet { data: bytes.as_ptr(), len, ..*asked };
        self.arrives(&arrived);
    }

    fn as_core(&self, address: Address) -> Option<std::net::SocketAddr> {
        let address = address.get();
        (address.family == 4).then(|| {
            let ip: [u8; 4] = std::array::from_fn(|place| address.ip[place]);
            std::net::SocketAddr::from((ip, address.port))
        })
    }

    /// What is unwrapped lies in what arrived.
    fn arrives(&mut self, arrived: &stun_packet) {
        let mut app: stun_packet = zeroed();
        // SAFETY: see `step`.
        let status = unsafe { input::stun_handle_input(self.agent, arrived, self.now, &mut app) };
        if valid(status) == STUN_APP_DATA as i32 {
            assert!(self.has_relays, "nothing unwraps");
            let (start, end) = (arrived.data.addr(), arrived.data.addr() + arrived.len);
            assert!(app.data.addr() >= start && app.data.addr() + app.len <= end);
            assert!(app.local.family != 0 && app.remote.family != 0);
        } else {
            assert!(app.data.is_null());
        }
    }

    fn tell_peer(&mut self, which: u8, peer: Address, text: &[u8], cap: u8, offset: Option<u8>) {
        let (id, peer) = (self.known(which), peer.get());
        let mut buffer = vec![0xA5_u8; usize::from(cap)];
        let before = buffer.clone();
        let mut out: stun_packet = zeroed();
        let (data, len) = span(text);
        // SAFETY: see `step`.
        let status = valid(unsafe {
            let (buf, cap) = (buffer.as_mut_ptr(), buffer.len());
            match offset {
                None => relay_data::stun_allocation_send(
                    self.agent, id, &peer, data, len, buf, cap, self.now, &mut out,
                ),
                Some(offset) => relay_data::stun_allocation_send_in_place(
                    self.agent,
                    id,
                    &peer,
                    buf,
                    cap,
                    offset.into(),
                    len,
                    self.now,
                    &mut out,
                ),
            }
        });
        if status == STUN_OK as i32 {
            let start = out.data.addr() - buffer.as_ptr().addr();
            let framed = &buffer[start..start + out.len];
            assert!(framed[0] >= 0x40 || naive::read(framed).is_some(), "what is sent is a frame");
        } else {
            assert!(buffer == before && out.data.is_null(), "written without success");
            assert_eq!(status == STUN_E_BUFFER as i32, out.len != 0);
        }
    }

    /// # Safety
    /// As for `step`.
    unsafe fn relay_command(&self, which: u8, command: u8, number: u8, address: stun_addr) -> i32 {
        let (agent, id, now) = (self.agent, self.known(which), self.now);
        let (place, credentials) = (u32::from(number % 4), credentials(number));
        let mut path: stun_packet = zeroed();
        (path.remote, path.transport) = (address, number % 4);
        let (mut channel, mut length) = (9, 0);
        // SAFETY: as for `step`.
        unsafe {
            match command % 16 {
                0 => relay::stun_allocation_permit(agent, id, &address, now),
                1 => relay::stun_allocation_revoke(agent, id, &address, now),
                2 => relay::stun_allocation_bind_channel(agent, id, &address, now),
                3 => relay::stun_allocation_release_channel(agent, id, &address, now),
                4 => relay::stun_allocation_peer(agent, id, &address, &mut channel),
                5 => relay::stun_allocation_connect(agent, id, &address, now),
                6 => relay::stun_allocation_connection_opened(agent, id, place, &path, now),
                7 => allocation::stun_allocation_set_credentials(agent, id, &credentials, now),
                8 => allocation::stun_allocation_reconnected(agent, id, &path, now),
                9 => allocation::stun_allocation_close(agent, id, now),
                10 => relay_pool::stun_relay_pool_set_credentials(agent, id, place, &credentials, now),
                11 => relay_pool::stun_relay_pool_reconnected(agent, id, place, &path, now),
                12 => {
                    let accept = u32::from(number / 4 % 3);
                    relay_pool::stun_relay_pool_answer_redirect(agent, id, place, accept, now)
                }
                13 => {
                    relay_pool::stun_relay_pool_alternate_domain(agent, id, place, null_mut(), 0, &mut length)
                }
                14 => allocation::stun_allocation_alternate_domain(agent, id, null_mut(), 0, &mut length),
                _ => self.look(id, place),
            }
        }
    }

    /// What can be read of relays fits together.
    fn look(&self, id: u64, place: u32) -> i32 {
        let mut pool: stun_relay_pool_info = zeroed();
        let mut one: stun_allocation_info = zeroed();
        pool.struct_size = size_of::<stun_relay_pool_info>() as u32;
        one.struct_size = size_of::<stun_allocation_info>() as u32;
        // SAFETY: see `step`.
        unsafe {
            let is_pool = relay_pool::stun_relay_pool_read(self.agent, id, &mut pool) == STUN_OK as i32;
            let is_one = allocation::stun_allocation_read(self.agent, id, &mut one) == STUN_OK as i32;
            assert!(!(is_pool && is_one));
            assert!(!is_one || (one.is_allocated == 1) == (one.relayed.family != 0));
            if is_pool {
                assert!(pool.ready_count <= pool.relay_count && pool.relay_count <= 16);
                assert!(pool.selected == STUN_NO_RELAY || pool.selected < pool.relay_count);
                assert_eq!(pool.selected == STUN_NO_RELAY, pool.relayed.family == 0);
            }
            relay_pool::stun_relay_pool_relay(self.agent, id, place, &mut one)
        }
    }
}

/// A configuration in memory of its own, and what it points to.
struct Parts {
    room: Room,
    _credentials: Box<stun_credentials>,
    _rules: Vec<stun_peer_rule>,
}

impl Parts {
    fn of(plan: &Relay) -> Self {
        let credentials = Box::new(credentials(plan.credentials));
        let rule = |(first, allows): &(Address, u8)| stun_peer_rule {
            first: first.get(),
            last: stun_addr { family: 0, ..first.get() },
            allows: u32::from(allows % 3),
            reserved: 0,
        };
        let rules: Vec<stun_peer_rule> = plan.rules.iter().map(rule).collect();
        let mut config: stun_allocation_config = zeroed();
        config.struct_size = plan.size.of::<stun_allocation_config>();
        config.transport = u32::from(plan.transport % 4);
        config.local = stun_addr { family: 0, ..plan.server.get() };
        config.server = plan.server.get();
        config.socket_id = 7;
        config.flags = u32::from(plan.flags % 9);
        if plan.credentials % 4 == 3 {
            config.credentials = &*credentials;
        }
        config.family = u32::from(plan.kinds % 4);
        config.relay_transport = u32::from(plan.kinds / 4 % 8 == 7);
        config.port = u32::from(plan.kinds / 32 % 4);
        config.keepalive_kind = u32::from(plan.kinds / 128);
        config.lifetime = u64::from(plan.times[0]) << 33;
        config.keepalive = u64::from(plan.times[1]) << 29;
        config.initial_rto = u64::from(plan.times[2]) << 24;
        config.rc = u32::from(plan.times[2] % 8);
        config.redirects = u32::from(plan.flags / 64);
        config.peer_policy = u32::from(plan.flags / 16 % 4);
        (config.peer_rules, config.peer_rule_count) = (rules.as_ptr(), rules.len());
        let room = Room::new(&config, config.struct_size);
        Self { room, _credentials: credentials, _rules: rules }
    }
}

fn credentials(choice: u8) -> stun_credentials {
    let mut credentials: stun_credentials = zeroed();
    credentials.struct_size = size_of::<stun_credentials>() as u32;
    (credentials.username, credentials.username_len) = span(USERNAME);
    (credentials.password, credentials.password_len) = span(PASSWORD);
    credentials.flags = u32::from(choice / 64);
    credentials.expire = u64::from(choice) << 32;
    credentials
}
