//! What the fuzzer may make up: calls, times, configurations, requests.

use libstun::auth::{Credentials, LongTerm, Realm};
use libstun::stun::BehaviorDiscovery;
use libstun::stun::RedirectPolicy;

use super::*;

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Start {
    Zero,
    Early(u16),
    NearTheEnd(u32),
}

impl Start {
    pub(super) fn time(self) -> u64 {
        match self {
            Self::Zero => 0,
            Self::Early(millis) => u64::from(millis) * MILLI,
            Self::NearTheEnd(before) => u64::MAX - u64::from(before) * 1000,
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum When {
    Same,
    Ahead(u16),
    Exact,
    JustBefore,
    Late(u16),
    Back(u16),
    Zero,
    /// Days; from 250 on the end of time.
    Far(u8),
}

#[derive(Arbitrary, Debug)]
pub(super) enum Call {
    Drain,
    Timeout,
    Reply { which: u8, reply: Reply, from: u8 },
    Binding(BindingPlan),
    Server { local: u8, is_signed: bool },
    Cancel(u8),
    Ask { from: u8, to: u8, transport: u8, id: [u8; 2], extra: Ask },
    Raw { from: u8, to: u8, bytes: Vec<u8> },
    Forge { which: u8, bytes: Vec<u8> },
    SendError { which: u8, error: u8, knows_bytes: bool },
    PollTransmit,
    PollEvent,
    More(More),
}

#[derive(Arbitrary, Debug)]
pub(super) enum Ask {
    Plain,
    Indication,
    OtherMethod,
    Signed,
    Unknown(Vec<u16>),
    Attribute(u16, Vec<u8>),
}

#[derive(Arbitrary, Debug)]
pub(super) struct BindingPlan {
    transport: u8,
    server: u8,
    local: u8,
    refresh: Option<u16>,
    credential: u8,
    has_fingerprint: bool,
    is_legacy: bool,
    rto: u16,
    rc: u8,
    rm: u8,
    backoff: (u16, u16),
}
impl BindingPlan {
    pub(super) fn config(&self) -> BindingConfig {
        let (local, remote) = (endpoint(self.local), endpoint(self.server));
        let path = FiveTuple { transport: TRANSPORTS[usize::from(self.transport) % 3], local, remote };
        let millis = |count: u16| Duration::from_millis(u64::from(count));
        BindingConfig {
            refresh: self.refresh.map(|by| if by == u16::MAX { Duration::MAX } else { millis(by) * 10 }),
            backoff: Backoff { first: millis(self.backoff.0), max: millis(self.backoff.1) },
            credentials: credentials(self.credential),
            redirects: REDIRECTS[usize::from(self.backoff.1) % REDIRECTS.len()],
            fingerprint: self.has_fingerprint,
            accepts_mapped_address: self.is_legacy,
            retransmission: RetransmissionConfig {
                initial_rto: millis(self.rto),
                rc: u32::from(self.rc),
                rm: u32::from(self.rm),
                ti: millis(self.rto) * 4,
            },
            ..BindingConfig::new(path)
        }
    }
}

/// None, short-term or long-term ones.
pub(super) fn credentials(which: u8) -> Option<Credentials> {
    let short = || ShortTerm::new(USERNAME, PASSWORD).expect("a good credential");
    let [user, password] = [USERNAME, PASSWORD].map(|text| std::str::from_utf8(text).expect("ASCII"));
    let long = || LongTerm::new(user, password).expect("a good credential");
    Some(match which % 8 {
        0 => return None,
        1 | 5 => short().into(),
        2 => short().only(IntegrityAlgorithm::Sha1).into(),
        3 => short().only(IntegrityAlgorithm::Sha256).into(),
        6 => long().require_sha256().require_anonymity().into(),
        _ => long().into(),
    })
}

impl Ask {
    pub(super) fn write(&self, id: [u8; 2]) -> Vec<u8> {
        use libstun::wire::attribute::{AttributeType, Username};
        use libstun::wire::{Class, Key, MessageBuilder, Method, TransactionId};
        let (class, method) = match self {
            Self::Indication => (Class::Indication, Method::BINDING),
            Self::OtherMethod => (Class::Request, Method::ALLOCATE),
            _ => (Class::Request, Method::BINDING),
        };
        let [high, low] = id;
        let id = TransactionId::new([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut buffer = [0; 1024];
        let mut builder = MessageBuilder::new(&mut buffer, class, method, id).expect("room");
        // What does not fit is left out.
        match self {
            Self::Signed => {
                let _ = builder.add(&Username(USERNAME));
                let _ = builder.sign(&Key::short_term(PASSWORD));
            }
            Self::Unknown(types) => types.iter().for_each(|number| {
                let _ = builder.add_raw(AttributeType::new(*number), b"");
            }),
            Self::Attribute(number, value) => {
                let _ = builder.add_raw(AttributeType::new(*number), value);
            }
            Self::Plain | Self::Indication | Self::OtherMethod => {}
        }
        if low % 2 == 1 {
            let _ = builder.add_fingerprint();
        }
        builder.finish().to_vec()
    }
}

/// One of every kind of server; `local` says where and which.
pub(super) fn server_config(local: u8, is_signed: bool) -> ServerConfig {
    let realm = || {
        let mut realm = Realm::new(b"example.test").expect("a good name");
        realm.add_user(USERNAME, PASSWORD).expect("a good credential");
        realm.into()
    };
    let short_term = || ShortTerm::new(USERNAME, PASSWORD).expect("a good credential").into();
    let addresses = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().expect("an address"));
    let mut config = ServerConfig {
        local: LOCALS.get(usize::from(local)).map(|text| addr(text)),
        credentials: is_signed.then(short_term),
        ..ServerConfig::default()
    };
    match local / 64 {
        1 => config.credentials = is_signed.then(realm),
        2 => config.behavior = BehaviorDiscovery::new(addresses, [3478, 3479], [0, 1, 2, 3]).ok(),
        3 => config.budget = None,
        _ => {}
    }
    config
}

pub(super) fn endpoint(which: u8) -> SocketAddr {
    addr(ENDPOINTS[usize::from(which) % ENDPOINTS.len()])
}

pub(super) fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(super) const MILLI: u64 = 1_000_000;

/// Hosts, servers and places where nobody can be.
pub(super) const ENDPOINTS: [&str; 14] = [
    "192.0.2.1:3478",
    "10.0.0.1:5000",
    "192.0.2.2:3478",
    "0.0.0.0:0",
    "198.51.100.7:3479",
    "[2001:db8::1]:3478",
    "[2001:db8::2]:5000",
    "[::]:0",
    "[::ffff:192.0.2.1]:3478",
    "0.0.0.0:5000",
    "192.0.2.1:0",
    "224.0.0.1:3478",
    "255.255.255.255:3478",
    "[fe80::1]:3478",
];

pub(super) const LOCALS: [&str; 6] =
    ["192.0.2.1:3478", "0.0.0.0:3478", "192.0.2.1:0", "0.0.0.0:0", "[::]:0", "[2001:db8::1]:3478"];

pub(super) const TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

const REDIRECTS: [RedirectPolicy; 4] =
    [RedirectPolicy::Follow, RedirectPolicy::Ask, RedirectPolicy::Follow, RedirectPolicy::Refuse];

pub(super) const ERRORS: [SendError; 7] = [
    SendError::NoRoute,
    SendError::FamilyUnavailable,
    SendError::PermissionDenied,
    SendError::Refused,
    SendError::MessageTooLarge,
    SendError::SocketClosed,
    SendError::Transient,
];
