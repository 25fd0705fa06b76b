//! What the fuzzer may make up: calls, and the structs that go with them.

use super::*;

#[derive(Arbitrary, Debug)]
pub(super) enum Call<'a> {
    New {
        size: Size,
        has_seed: bool,
        has_log: bool,
        max_operations: u8,
        level: u8,
        reserved: u8,
        is_null: bool,
    },
    Free,
    Binding {
        plan: Binding<'a>,
        is_null: bool,
    },
    Server {
        size: Size,
        local: Address,
        integrity: u8,
        is_signed: bool,
    },
    Cancel(u8),
    Input {
        packet: Packet<'a>,
        wants_app: bool,
    },
    Reply {
        which: u8,
        reply: Reply,
    },
    Timeout {
        is_exact: bool,
        ahead: u32,
    },
    SendError {
        which: u8,
        kind: u8,
        knows_bytes: bool,
    },
    Transmit {
        is_null: bool,
    },
    Batch {
        cap: u8,
        stride: u8,
    },
    Into {
        cap: u8,
        is_null: bool,
    },
    Event {
        size: Size,
    },
    Dropped(u8),
    LastError {
        cap: u8,
    },
    Names(u32),
    Build(Vec<Part<'a>>),
    Parse(&'a [u8]),
    Frame {
        bytes: &'a [u8],
        is_stream: u8,
    },
    Channel {
        channel: u16,
        bytes: &'a [u8],
        is_stream: u8,
        cap: u8,
    },
    Sockaddr {
        bytes: &'a [u8],
        address: Address,
        cap: u8,
    },
    NoAgent,
    Survey {
        size: Size,
        targets: Vec<(Address, u8)>,
        request: Option<Binding<'a>>,
        enough: u8,
        deadline: u8,
        delay: u8,
    },
    Discovery {
        size: Size,
        is_uri: bool,
        text: &'a [u8],
        service: u8,
        transports: Vec<u8>,
        flags: u8,
    },
    Answer {
        which: u8,
        question: u8,
        kind: u8,
        text: &'a [u8],
        address: Address,
    },
    Nat {
        size: Size,
        local: Address,
        server: Address,
        second: Option<Address>,
        servers: Vec<Address>,
        request: Option<Binding<'a>>,
        properties: u16,
        flags: u8,
    },
    Report {
        which: u8,
        size: Size,
        format: u8,
        cap: u8,
    },
    Tell {
        which: u8,
        command: u8,
        number: u8,
        address: Address,
        text: &'a [u8],
    },
    Allocation(Relay),
    Pool {
        size: Size,
        relays: Vec<Relay>,
        flags: u8,
        ready: u8,
        times: [u8; 4],
        is_null: bool,
    },
    OfRelay {
        which: u8,
        command: u8,
        number: u8,
        address: Address,
    },
    Grant {
        which: u8,
        says: u8,
    },
    FromPeer {
        which: u8,
        peer: Address,
        channel: Option<u16>,
        text: &'a [u8],
    },
    ToPeer {
        which: u8,
        peer: Address,
        text: &'a [u8],
        cap: u8,
        offset: Option<u8>,
    },
}

/// An allocation.
#[derive(Arbitrary, Debug)]
pub(super) struct Relay {
    pub(super) size: Size,
    pub(super) transport: u8,
    pub(super) server: Address,
    pub(super) flags: u8,
    pub(super) credentials: u8,
    pub(super) kinds: u8,
    pub(super) times: [u8; 3],
    pub(super) rules: Vec<(Address, u8)>,
}

/// A struct_size: mostly right.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Size {
    Right,
    AlsoRight,
    Less(u8),
    More(u8),
    Any(u32),
}

impl Size {
    pub(super) fn of<T>(self) -> u32 {
        let right = size_of::<T>() as u32;
        match self {
            Self::Right | Self::AlsoRight => right,
            Self::Less(by) => right.saturating_sub(u32::from(by)),
            Self::More(by) => right + u32::from(by),
            Self::Any(size) => size,
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Address {
    family: u8,
    reserved: u8,
    port: u16,
    scope: u8,
    ip: u8,
}

impl Address {
    pub(super) fn get(self) -> stun_addr {
        let family = [4, 4, 4, 6, 6, 0, 5][usize::from(self.family % 7)];
        let mut ip = [0; 16];
        ip[..4].copy_from_slice(&[192, 0, 2, self.ip % 4]);
        if self.ip > 0xF0 {
            ip[..4].copy_from_slice(&[self.ip, 0, 0, 1]);
        }
        stun_addr { family, reserved: self.reserved, port: self.port, scope_id: u32::from(self.scope), ip }
    }
}

#[derive(Arbitrary, Debug)]
pub(super) struct Binding<'a> {
    size: Size,
    transport: u8,
    local: Option<Address>,
    server: Address,
    flags: u8,
    refresh: Option<u8>,
    rto: u8,
    rc: u8,
    credential: Credential<'a>,
    integrity: u8,
    reserved: u8,
    kind: u8,
    redirects: u8,
}

#[derive(Arbitrary, Debug)]
pub(super) enum Credential<'a> {
    None,
    Good,
    Any(&'a [u8], &'a [u8]),
    Null(u8),
}

#[derive(Arbitrary, Debug)]
pub(super) struct Packet<'a> {
    local: Address,
    remote: Address,
    pub(super) bytes: &'a [u8],
    transport: u8,
    flags: u8,
    is_null: bool,
}

#[derive(Arbitrary, Debug)]
pub(super) enum Part<'a> {
    Raw(u16, &'a [u8]),
    Address(u8, Address),
    Error(u32, &'a [u8]),
    Sign(u8, u8),
    Fingerprint,
    Begin { cap: u8, class: u8, method: u16 },
}
impl Binding<'_> {
    pub(super) fn config(&self) -> stun_binding_config {
        let none = Address { family: 5, reserved: 0, port: 0, scope: 0, ip: 0 };
        let ((username, username_len), (password, password_len)) = match self.credential {
            Credential::None => ((null(), 0), (null(), 0)),
            Credential::Good => (span(USERNAME), span(PASSWORD)),
            Credential::Any(username, password) => (span(username), span(password)),
            Credential::Null(length) => ((null(), usize::from(length)), span(PASSWORD)),
        };
        stun_binding_config {
            struct_size: self.size.of::<stun_binding_config>(),
            transport: u32::from(self.transport % 4),
            local: self.local.unwrap_or(none).get(),
            server: self.server.get(),
            socket_id: 7,
            flags: u32::from(self.flags % 5),
            refresh: self.refresh.map_or(u64::MAX, |seconds| u64::from(seconds) * 500_000_000),
            initial_rto: u64::from(self.rto) * 10_000_000,
            ti: u64::from(self.rto) * 100_000_000,
            rc: u32::from(self.rc),
            rm: u32::from(self.rc / 3),
            backoff_first: u64::from(self.rto) * 1_000_000,
            backoff_max: 0,
            username,
            username_len,
            password,
            password_len,
            integrity: u32::from(self.integrity % 4),
            reserved: u32::from(self.reserved / 200),
            credential_kind: u32::from(self.kind % 3),
            credential_flags: u32::from(self.kind / 3 % 5),
            redirects: u32::from(self.redirects % 4),
            reserved2: u32::from(self.redirects / 250),
        }
    }
}

impl Packet<'_> {
    pub(super) fn get(&self, bytes: &[u8]) -> stun_packet {
        stun_packet {
            local: self.local.get(),
            remote: self.remote.get(),
            data: if self.is_null { null() } else { bytes.as_ptr() },
            len: bytes.len(),
            transport: self.transport % 4,
            ecn: 0,
            flags: u16::from(self.flags / 200),
            socket_id: 3,
        }
    }
}
/// A struct in memory of exactly the size that it claims, as far as that is possible.
pub(super) struct Room(Vec<u64>, usize);

impl Room {
    pub(super) fn empty(claimed: u32, actual: usize) -> Self {
        // No more is claimed to exist than 4096 bytes, which the library refuses; no less than the field itself.
        let size = (claimed as usize).clamp(4, 4096).min(actual.max(4) + 256);
        let mut room = Self(vec![0xA5A5_A5A5_A5A5_A5A5; size.div_ceil(8)], size);
        // SAFETY: at least eight bytes, aligned.
        unsafe { room.0.as_mut_ptr().cast::<u32>().write(claimed) };
        room
    }

    pub(super) fn new<T: Copy>(value: &T, claimed: u32) -> Self {
        let mut room = Self::empty(claimed, size_of::<T>());
        let size = room.1.min(size_of::<T>());
        // SAFETY: both are at least `size` bytes, and do not overlap.
        unsafe {
            let from = std::ptr::from_ref(value).cast::<u8>();
            std::ptr::copy_nonoverlapping(from, room.0.as_mut_ptr().cast::<u8>(), size);
        }
        room
    }

    pub(super) fn pointer<T>(&self) -> *const T {
        self.0.as_ptr().cast()
    }

    pub(super) fn pointer_mut<T>(&mut self) -> *mut T {
        self.0.as_mut_ptr().cast()
    }

    pub(super) fn is_untouched(&self, claimed: u32) -> bool {
        let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes[..4] == claimed.to_ne_bytes() && bytes[4..].iter().all(|byte| *byte == 0xA5)
    }
}
