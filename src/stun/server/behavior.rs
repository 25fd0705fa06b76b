//! The server's half of NAT behaviour discovery (RFC 5780 s6): answers from four places, so that a client can
//! see which of them its NAT lets through.
//!
//! ```text
//!   request to      none        change port   change IP     both         OTHER-ADDRESS     (Table 1)
//!   A1:P1       --> A1:P1       A1:P2         A2:P1         A2:P2        A2:P2
//!   A1:P2       --> A1:P2       A1:P1         A2:P2         A2:P1        A2:P1
//!   A2:P1       --> A2:P1       A2:P2         A1:P1         A1:P2        A1:P2
//!   A2:P2       --> A2:P2       A2:P1         A1:P2         A1:P1        A1:P1
//! ```
//!
//! # What fits the budget
//!
//! RFC 5780 s6.1 wants three more addresses in every success, of 12 bytes each (IPv4) or 24 (IPv6). Where they do
//! not fit [`Budget`](super::Budget), they are left out, the most dispensable first: MAPPED-ADDRESS, which
//! XOR-MAPPED-ADDRESS says too; RESPONSE-ORIGIN, which the source of the datagram says too; OTHER-ADDRESS. This
//! deviates from the RFC, for the sake of those whose address is forged.
//!
//! | the request | IPv4 | IPv6 |
//! |---|---|---|
//! | 20 bytes, nothing in it | OTHER-ADDRESS | none |
//! | 28 bytes, CHANGE-REQUEST, with flags or without | all | OTHER-ADDRESS |
//! | 48 bytes | all | all |
//!
//! A client makes its first request long enough by a CHANGE-REQUEST without flags or by PADDING. An operator whose
//! IPv6 clients do not allows 580 percent.
//!
//! # Why RESPONSE-PORT and CHANGE-REQUEST make no reflector
//!
//! A reply goes to the IP address that its request came from, never to another: what it can hit is another
//! port of whoever sent the request. A forger who names a victim as source chooses the port anyway, without
//! RESPONSE-PORT. An honest sender can reach another service of its own address, or of a neighbour behind its
//! NAT, with one response that is no longer than 2.6 of its request and that no STUN server answers: such
//! datagrams cannot be set going in circles. Port 0 is refused. From whichever place a reply leaves, it is
//! paid for by the one budget of its network.

use core::net::{IpAddr, SocketAddr};

use crate::net::{self, Datagram, FiveTuple};
use crate::wire::Message;
use crate::wire::attribute::{AttributeType, ChangeRequest, Padding, ResponsePort};

/// The addresses and sockets of a server for NAT behaviour discovery.
///
/// Two IP addresses and two ports make four sockets, which the host owns. A datagram that arrives at one must
/// say so in its `path.local`; a reply says by `path.local` and `socket_id` from which one it has to leave.
///
/// Within the default [`Budget`](super::Budget) a success has OTHER-ADDRESS where the request has 28 bytes, with
/// IPv4 already where it has 20; MAPPED-ADDRESS goes first, then RESPONSE-ORIGIN, then OTHER-ADDRESS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BehaviorDiscovery {
    /// A1:P1, A1:P2, A2:P1, A2:P2; four times the same where there is one.
    places: [Place; 4],
}

/// Where a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    local: SocketAddr,
    socket_id: u32,
    /// As clients see it.
    public: SocketAddr,
}

/// Why addresses cannot serve NAT behaviour discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BehaviorError {
    /// One is unspecified, multicast or has port 0, or the two IP addresses are of two families.
    Unusable,
    /// The two IP addresses, or the two ports, are the same.
    Same,
}

impl core::fmt::Display for BehaviorError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unusable => "clients cannot reach such an address",
            Self::Same => "two different IP addresses and two different ports are needed",
        })
    }
}

impl core::error::Error for BehaviorError {}

impl BehaviorDiscovery {
    /// Two IP addresses and two ports. The socket ids are those of A1:P1, A1:P2, A2:P1 and A2:P2.
    ///
    /// ```
    /// use libstun::stun::{BehaviorDiscovery, ServerConfig};
    /// let addresses = ["192.0.2.1".parse()?, "192.0.2.2".parse()?];
    /// let behavior = BehaviorDiscovery::new(addresses, [3478, 3479], [0, 1, 2, 3])?;
    /// assert_eq!(behavior.sockets().last(), Some(("192.0.2.2:3479".parse()?, 3)));
    /// let config = ServerConfig { behavior: Some(behavior), ..ServerConfig::default() };
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// They are not different, or nobody can reach them.
    pub fn new(addresses: [IpAddr; 2], ports: [u16; 2], socket_ids: [u32; 4]) -> Result<Self, BehaviorError> {
        let ([a1, a2], [p1, p2], [i1, i2, i3, i4]) = (addresses, ports, socket_ids);
        let is_usable = [SocketAddr::new(a1, p1), SocketAddr::new(a2, p2)].iter().all(net::is_endpoint);
        if !is_usable || a1.is_ipv4() != a2.is_ipv4() {
            return Err(BehaviorError::Unusable);
        }
        if a1 == a2 || p1 == p2 {
            return Err(BehaviorError::Same);
        }
        let place = |ip, port, socket_id| {
            let local = SocketAddr::new(ip, port);
            Place { local, socket_id, public: local }
        };
        Ok(Self { places: [place(a1, p1, i1), place(a1, p2, i2), place(a2, p1, i3), place(a2, p2, i4)] })
    }

    /// One address only: RESPONSE-ORIGIN, RESPONSE-PORT and PADDING, but no OTHER-ADDRESS, and 420 for
    /// CHANGE-REQUEST (RFC 5780 s6).
    ///
    /// # Errors
    /// Nobody can reach it.
    pub fn single(local: SocketAddr, socket_id: u32) -> Result<Self, BehaviorError> {
        if !net::is_endpoint(&local) {
            return Err(BehaviorError::Unusable);
        }
        Ok(Self { places: [Place { local, socket_id, public: local }; 4] })
    }

    /// The same behind a NAT of its own that maps each IP address to one of these, and no port: so it is in
    /// many clouds. RESPONSE-ORIGIN and OTHER-ADDRESS name these.
    #[must_use]
    pub fn known_as(mut self, addresses: [IpAddr; 2]) -> Self {
        let [a1, a2] = addresses;
        let [first, ..] = self.places;
        for place in &mut self.places {
            place.public.set_ip(if place.local.ip() == first.local.ip() { a1 } else { a2 });
        }
        self
    }

    /// The local addresses, each with the id of its socket.
    pub fn sockets(&self) -> impl Iterator<Item = (SocketAddr, u32)> + use<> {
        let count = if self.is_single() { 1 } else { self.places.len() };
        self.places.into_iter().map(|place| (place.local, place.socket_id)).take(count)
    }

    /// Whether it can answer from elsewhere.
    fn is_single(&self) -> bool {
        let [first, .., last] = &self.places;
        first.local == last.local
    }

    /// Whether it is one of them.
    pub(super) fn is_at(&self, local: &SocketAddr) -> bool {
        self.place_of(local).is_some()
    }

    /// Which of the four it is: bit 1 is the IP address, bit 0 the port.
    fn place_of(&self, local: &SocketAddr) -> Option<usize> {
        self.places.iter().position(|place| net::same_endpoint(&place.local, local))
    }

    fn from(&self, place: usize, change: ChangeRequest) -> Option<&Place> {
        let (ip, port) = (usize::from(change.change_ip), usize::from(change.change_port));
        self.places.get(place ^ (ip << 1 | port))
    }
}

/// What the attributes of RFC 5780 make of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detour {
    /// From where to where its success goes.
    pub(super) path: FiveTuple,
    pub(super) socket_id: u32,
    /// RESPONSE-ORIGIN.
    pub(super) origin: Option<SocketAddr>,
    /// OTHER-ADDRESS.
    pub(super) other: Option<SocketAddr>,
    /// Length of the PADDING.
    pub(super) padding: Option<usize>,
    /// Whether it asks for what is no sense (RFC 5780 s6.1): 400.
    pub(super) is_contradictory: bool,
    knows: [Option<AttributeType>; 3],
}

impl Detour {
    /// Straight back to where the request came from.
    pub(super) fn none(datagram: &Datagram<'_>) -> Self {
        let (path, socket_id) = (datagram.path, datagram.socket_id);
        let (origin, other, padding, knows) = (None, None, None, [None; 3]);
        Self { path, socket_id, origin, other, padding, is_contradictory: false, knows }
    }

    /// Over a stream there is but one way back, and nothing of this is understood.
    pub(super) fn of(
        behavior: Option<&BehaviorDiscovery>,
        request: &Message<'_>,
        datagram: &Datagram<'_>,
    ) -> Self {
        let mut detour = Self::none(datagram);
        let Some(behavior) = behavior else { return detour };
        let Some(place) = behavior.place_of(&datagram.path.local) else { return detour };
        let is_single = behavior.is_single();
        let both = ChangeRequest { change_ip: true, change_port: true };
        detour.other = behavior.from(place, both).filter(|_| !is_single).map(|place| place.public);
        detour.origin = behavior.places.get(place).map(|place| place.public);
        if datagram.path.transport.is_reliable() {
            return detour;
        }
        let change = AttributeType::CHANGE_REQUEST;
        detour.knows = [
            Some(AttributeType::PADDING),
            Some(AttributeType::RESPONSE_PORT),
            (!is_single).then_some(change),
        ];
        detour.change(behavior, place, request.get::<ChangeRequest>().ok().flatten().unwrap_or_default());
        detour.redirect(request);
        detour
    }

    /// Whether the attribute is understood on this path.
    pub(super) fn knows(&self, ty: AttributeType) -> bool {
        self.knows.contains(&Some(ty))
    }

    fn change(&mut self, behavior: &BehaviorDiscovery, place: usize, change: ChangeRequest) {
        let is_asked = change != ChangeRequest::default();
        if let Some(from) = behavior.from(place, change).filter(|_| is_asked) {
            self.path.local = from.local;
            self.socket_id = from.socket_id;
            self.origin = Some(from.public);
        }
    }

    /// RESPONSE-PORT and PADDING exclude each other (RFC 5780 s6.1). The reply's PADDING is the request's at
    /// most: it never amplifies.
    fn redirect(&mut self, request: &Message<'_>) {
        let port = request.get::<ResponsePort>().ok().flatten();
        let padding = request.get::<Padding<'_>>().ok().flatten();
        self.is_contradictory = (port.is_some() && padding.is_some()) || port.is_some_and(|port| port.0 == 0);
        if let Some(ResponsePort(port)) = port {
            self.path.remote.set_port(port);
        }
        self.padding = padding.map(|padding| (padding.0.len() & !3).min(MAX_PADDING));
    }
}

/// "Equal to the MTU on the outgoing interface" (RFC 5780 s6.1): Ethernet's, so that the whole is beyond it.
pub(super) const MAX_PADDING: usize = 1500;
