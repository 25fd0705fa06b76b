//! Surveys, discoveries, NAT probes, and what can be told to operations that are under way.

use stun_c_abi::discovery::*;
use stun_c_abi::nat::*;
use stun_c_abi::nat_report::stun_nat_report;
use stun_c_abi::power;
use stun_c_abi::server::stun_user;
use stun_c_abi::survey::{stun_survey_config, stun_survey_start, stun_target};
use stun_c_abi::uri::{stun_uri, stun_uri_parse};

use super::*;

/// A struct of C's, all zeros.
pub(super) fn zeroed<T: Copy>() -> T {
    // SAFETY: only for structs of the header, which are integers, arrays and raw pointers.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// The rest of a server's configuration: with a realm, behaviour discovery or flags now and then.
pub(super) fn server(choice: u8) -> stun_server_config {
    let mut config: stun_server_config = zeroed();
    if choice & 0x10 != 0 {
        (config.realm, config.realm_len) = span(b"example.org");
    }
    if choice & 0x20 != 0 {
        let ip = [192, 0, 2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        config.alternate = stun_addr { family: 4, reserved: 0, port: 3479, scope_id: 0, ip };
    }
    config.flags = u32::from(choice >> 6) * 9;
    config
}

impl Host {
    // SAFETY of every block below: as in `step`.
    pub(super) fn start(&mut self, call: &Call<'_>) {
        self.before_change();
        let mut id = DIRT;
        // SAFETY: see `step`.
        let status = unsafe {
            match call {
                Call::Survey { size, targets, request, enough, deadline, delay } => {
                    let targets: Vec<stun_target> = targets
                        .iter()
                        .map(|(server, choice)| stun_target {
                            local: stun_addr { family: 0, ..server.get() },
                            server: server.get(),
                            transport: u32::from(choice % 4),
                            socket_id: u32::from(choice / 4),
                        })
                        .collect();
                    let request = request.as_ref().map(plan::Binding::config);
                    let room = request.map(|request| Room::new(&request, request.struct_size));
                    let config = stun_survey_config {
                        struct_size: size.of::<stun_survey_config>(),
                        enough: u32::from(*enough),
                        targets: targets.as_ptr(),
                        target_count: targets.len(),
                        request: room.as_ref().map_or(null(), |room| room.pointer()),
                        deadline: u64::from(*deadline) * 100_000_000,
                        attempt_delay: u64::from(*delay) * 5_000_000,
                    };
                    let config = Room::new(&config, config.struct_size);
                    stun_survey_start(self.agent, config.pointer(), self.now, &mut id)
                }
                Call::Discovery { size, is_uri, text, service, transports, flags } => {
                    let (text, none) = (span(text), (null(), 0));
                    let (uri, host) = if *is_uri { (text, none) } else { (none, text) };
                    let transports: Vec<u32> = transports.iter().map(|code| u32::from(code % 4)).collect();
                    let config = stun_discovery_config {
                        struct_size: size.of::<stun_discovery_config>(),
                        service: u32::from(service % 4),
                        uri: uri.0.cast(),
                        uri_len: uri.1,
                        host: host.0.cast(),
                        host_len: host.1,
                        port: u32::from(*service),
                        flags: u32::from(flags % 3),
                        transports: transports.as_ptr(),
                        transport_count: transports.len(),
                        deadline: 0,
                        resolution_delay: u64::from(*flags),
                    };
                    let mut uri: stun_uri = zeroed();
                    uri.struct_size = size_of::<stun_uri>() as u32;
                    let read = valid(stun_uri_parse(text.0.cast(), text.1, &mut uri));
                    if read == STUN_OK as i32 {
                        assert!(!span_of(uri.host.cast(), uri.host_len).is_empty());
                    }
                    let config = Room::new(&config, config.struct_size);
                    stun_discovery_start(self.agent, config.pointer(), self.now, &mut id)
                }
                Call::Nat { size, local, server, second, servers, request, properties, flags } => {
                    let servers: Vec<stun_addr> = servers.iter().map(|server| server.get()).collect();
                    let request = request.as_ref().map(plan::Binding::config);
                    let room = request.map(|request| Room::new(&request, request.struct_size));
                    let mut config: stun_nat_config = zeroed();
                    config.struct_size = size.of::<stun_nat_config>();
                    config.properties = u32::from(*properties % (1 << 12));
                    (config.local, config.server) = (local.get(), server.get());
                    (config.servers, config.server_count) = (servers.as_ptr(), servers.len());
                    config.request = room.as_ref().map_or(null(), |room| room.pointer());
                    if let Some(second) = second {
                        (config.second, config.second_socket_id) = (second.get(), 1);
                    }
                    config.flags = u32::from(flags % 3);
                    let config = Room::new(&config, config.struct_size);
                    stun_nat_probe_start(self.agent, config.pointer(), self.now, &mut id)
                }
                _ => return,
            }
        };
        assert_eq!(valid(status) == STUN_OK as i32, id != DIRT, "a result is written on success only");
        if id != DIRT {
            self.ids.push(id);
        }
    }

    pub(super) fn tell(&mut self, call: &Call<'_>) {
        self.before_change();
        // SAFETY: see `step`.
        valid(unsafe {
            match call {
                Call::Answer { which, question, kind, text, address } => {
                    let asked = usize::from(*question).checked_rem(self.questions.len());
                    let (id, question) = asked
                        .and_then(|place| self.questions.get(place).copied())
                        .unwrap_or((self.known(*which), u32::from(*question)));
                    let (data, len) = span(text);
                    let text = data.cast();
                    let srv = stun_srv_record {
                        priority: u16::from(*which),
                        weight: u16::from(*kind),
                        port: 3478,
                        reserved: 0,
                        target: text,
                        target_len: len,
                    };
                    let naptr = stun_naptr_record {
                        order: 0,
                        preference: u16::from(*which),
                        reserved: 0,
                        flags: c"s".as_ptr(),
                        flags_len: usize::from(which % 2),
                        services: c"RELAY:turn.udp".as_ptr(),
                        services_len: 14,
                        regexp: null(),
                        regexp_len: 0,
                        replacement: text,
                        replacement_len: len,
                    };
                    let count = usize::from(kind / 5 % 2);
                    match kind % 5 {
                        0 => {
                            let addresses = [address.get()];
                            stun_answer_addresses(
                                self.agent,
                                id,
                                question,
                                addresses.as_ptr(),
                                count,
                                self.now,
                            )
                        }
                        1 => stun_answer_services(self.agent, id, question, &srv, count, self.now),
                        2 => stun_answer_naptr(self.agent, id, question, &naptr, count, self.now),
                        _ => stun_answer_failed(self.agent, id, question, u32::from(kind / 5 % 4), self.now),
                    }
                }
                Call::Tell { which, command, number, address, text } => {
                    self.command_of(*which, *command, *number, address.get(), text)
                }
                _ => return,
            }
        });
    }

    /// # Safety
    /// As for `step`.
    unsafe fn command_of(&self, which: u8, command: u8, number: u8, address: stun_addr, text: &[u8]) -> i32 {
        let (id, (data, len)) = (self.known(which), span(text));
        // SAFETY: as for `step`; packets are plain data, for which zeros are valid.
        unsafe {
            match command % 8 {
                0 => binding::stun_answer_redirect(self.agent, id, u32::from(number % 3), self.now),
                1 => {
                    let mut path: stun_packet = MaybeUninit::zeroed().assume_init();
                    (path.remote, path.transport) = (address, number % 4);
                    binding::stun_reconnected(self.agent, id, &path, self.now)
                }
                2 => {
                    let interval = u64::from(number) << 27;
                    binding::stun_set_refresh(self.agent, id, interval, self.now)
                }
                3 => power::stun_network_changed(self.agent, &address, usize::from(number % 2), self.now),
                4 => {
                    let user = stun_user { name: data, name_len: len, password: data, password_len: len };
                    server::stun_server_add_user(self.agent, id, &user)
                }
                5 => server::stun_server_remove_user(self.agent, id, data, len),
                6 => {
                    let slack = u64::from(number) << 28;
                    power::stun_set_power(self.agent, slack, u64::from(which) << 28, self.now)
                }
                _ => power::stun_set_pacing(self.agent, u64::from(number) << 20),
            }
        }
    }

    pub(super) fn read(&self, which: u8, size: Size, format: u8, cap: u8) {
        let (id, claimed) = (self.known(which), size.of::<stun_nat_report>());
        let mut room = Room::empty(claimed, size_of::<stun_nat_report>());
        let mut buffer = vec![0x25_u8; usize::from(cap)];
        let mut length = 0;
        // SAFETY: see `step`; rooms are as large as their first fields say.
        unsafe {
            if valid(stun_nat_report_read(self.agent, id, room.pointer_mut())) != STUN_OK as i32 {
                assert!(room.is_untouched(claimed), "written without success");
            }
            let (text, format) = (buffer.as_mut_ptr().cast::<c_char>(), u32::from(format % 4));
            let status = stun_nat_report_text(self.agent, id, format, text, buffer.len(), &mut length);
            if valid(status) == STUN_OK as i32 && !buffer.is_empty() {
                assert_eq!(buffer[length.min(buffer.len() - 1)], 0);
            }
            valid(binding::stun_binding_alternate_domain(self.agent, id, text, buffer.len(), &mut length));
            let mut found: stun_discovered = zeroed();
            found.struct_size = size_of::<stun_discovered>() as u32;
            if valid(stun_discovered_server(self.agent, usize::from(which % 4), &mut found)) == STUN_OK as i32
            {
                assert!(std::str::from_utf8(span_of(found.host.cast(), found.host_len)).is_ok());
            }
        }
    }
}
