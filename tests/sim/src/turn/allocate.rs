//! Allocate: the checks of RFC 8656 s7.2 in their order, those of RFC 6062 s5.1 and of RFC 8016 s3.1.2.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use libstun::FiveTuple;
use libstun::wire::Message;
use libstun::wire::attribute::{
    AdditionalAddressFamily, AddressFamily, AttributeType, DontFragment, EvenPort, Lifetime, MobilityTicket,
    RequestedAddressFamily, RequestedTransport, ReservationToken,
};

use super::config::Mobility;
use super::credentials::Caller;
use super::reply::{Extra, Handled, Refusal};
use super::{Allocation, Relay, Reservation, TurnServer};

/// What an Allocate request wants, once it is known to make sense.
#[derive(Default)]
struct Wanted {
    is_tcp: bool,
    token: Option<[u8; 8]>,
    family: Option<AddressFamily>,
    /// An IPv6 address besides the IPv4 one.
    is_dual: bool,
    even_port: Option<EvenPort>,
    is_mobile: bool,
}

/// What it gets.
#[derive(Default)]
struct Granted {
    addresses: Vec<SocketAddr>,
    extras: Vec<Extra>,
}

impl TurnServer {
    pub(super) fn allocate(&mut self, path: FiveTuple, message: &Message<'_>, caller: &Caller) -> Handled {
        if let Some(allocation) = self.allocation(path) {
            return again(allocation, message).ok_or(Refusal::from(437));
        }
        let wanted = self.read_allocate(path, message)?;
        self.check_room(caller)?;
        let granted = self.choose_addresses(&wanted)?;
        let lifetime = self.lifetime(message)?;
        let expires_at = self.now.saturating_add(lifetime);
        let ticket = wanted.is_mobile.then(|| self.new_ticket());
        let mut extras: Vec<_> = granted.addresses.iter().copied().map(Extra::Relayed).collect();
        extras.extend([Extra::Lifetime(lifetime), Extra::Mapped(path.remote)]);
        extras.extend(granted.extras);
        extras.extend(ticket.clone().map(Extra::Ticket));
        self.allocations.push(Allocation {
            path,
            previous_path: None,
            username: caller.username.clone(),
            relays: granted.addresses.iter().map(|address| Relay { address: *address, expires_at }).collect(),
            is_tcp: wanted.is_tcp,
            permissions: Vec::new(),
            channels: Vec::new(),
            connections: Vec::new(),
            ticket,
            previous_ticket: None,
            created_by: message.transaction_id(),
            created_with: None,
        });
        Ok(extras)
    }

    /// A lifetime as RFC 8656 s7.2 computes it: no less than the default, no more than the greatest.
    pub(super) fn lifetime(&self, message: &Message<'_>) -> Result<Duration, Refusal> {
        let asked = message.get::<Lifetime>().map_err(|_| 400)?.map_or(Duration::ZERO, |lifetime| lifetime.0);
        Ok(asked.min(self.config.max_lifetime).max(self.config.default_lifetime))
    }

    pub(super) fn new_ticket(&mut self) -> Vec<u8> {
        self.entropy.bytes::<24>().to_vec()
    }

    fn read_allocate(&self, path: FiveTuple, message: &Message<'_>) -> Result<Wanted, Refusal> {
        let transport = message.get::<RequestedTransport>().ok().flatten().ok_or(400)?;
        let is_tcp = match transport {
            RequestedTransport::UDP => false,
            RequestedTransport::TCP if self.config.has_tcp => true,
            _ => return Err(Refusal::from(442)),
        };
        let family = message.get::<RequestedAddressFamily>().map_err(|_| 440)?.map(|family| family.0);
        let additional = if self.does_not_know(AttributeType::ADDITIONAL_ADDRESS_FAMILY) {
            None
        } else {
            message.get::<AdditionalAddressFamily>().map_err(|_| 400)?.map(|family| family.0)
        };
        let even_port = message.get::<EvenPort>().map_err(|_| 400)?;
        let token = message.get::<ReservationToken>().map_err(|_| 400)?.map(|token| token.0);
        let has_dont_fragment = message.get::<DontFragment>().map_err(|_| 400)?.is_some();
        let not_for_tcp =
            !path.transport.is_reliable() || has_dont_fragment || even_port.is_some() || token.is_some();
        let contradicts = (token.is_some()
            && (even_port.is_some() || family.is_some() || additional.is_some()))
            || (family.is_some() && additional.is_some())
            || (even_port.is_some_and(|even| even.reserves_next) && additional.is_some())
            || additional == Some(AddressFamily::V4)
            || (is_tcp && not_for_tcp);
        if contradicts {
            return Err(Refusal::from(400));
        }
        let is_mobile = self.wants_ticket(message)?;
        Ok(Wanted { is_tcp, token, family, is_dual: additional.is_some(), even_port, is_mobile })
    }

    /// RFC 8016 s3.1.2.
    fn wants_ticket(&self, message: &Message<'_>) -> Result<bool, Refusal> {
        let ticket = message.get::<MobilityTicket<'_>>().ok().flatten();
        match (ticket, self.config.mobility) {
            (None, _) | (_, Mobility::Unknown) => Ok(false),
            (Some(ticket), _) if !ticket.0.is_empty() => Err(Refusal::from(400)),
            (_, Mobility::Forbidden) => Err(Refusal::from(405)),
            (_, Mobility::Allowed) => Ok(true),
        }
    }

    fn check_room(&self, caller: &Caller) -> Result<(), Refusal> {
        if let Some(elsewhere) = self.config.redirect {
            return Err(Refusal { code: 300, extras: vec![Extra::Alternate(elsewhere)] });
        }
        let theirs = self.allocations.iter().filter(|one| one.username == caller.username).count();
        if self.config.quota.is_some_and(|quota| theirs >= quota) {
            return Err(Refusal::from(486));
        }
        if self.config.capacity.is_some_and(|capacity| self.allocations.len() >= capacity) {
            return Err(Refusal::from(508));
        }
        Ok(())
    }

    fn choose_addresses(&mut self, wanted: &Wanted) -> Result<Granted, Refusal> {
        if let Some(token) = wanted.token {
            let position =
                self.reservations.iter().position(|reservation| reservation.token == token).ok_or(508)?;
            let reserved = self.reservations.remove(position).address;
            return Ok(Granted { addresses: vec![reserved], extras: Vec::new() });
        }
        if wanted.is_dual {
            return self.choose_both();
        }
        let ip = self.relay_ip(wanted.family.unwrap_or(AddressFamily::V4)).ok_or(440)?;
        let Some(even) = wanted.even_port else {
            return Ok(Granted {
                addresses: vec![self.free_port(ip, 1, false).ok_or(508)?],
                extras: Vec::new(),
            });
        };
        let address = self.free_port(ip, if even.reserves_next { 2 } else { 1 }, true).ok_or(508)?;
        let mut granted = Granted { addresses: vec![address], extras: Vec::new() };
        if even.reserves_next {
            let token = self.entropy.bytes();
            let address = SocketAddr::new(ip, address.port() + 1);
            let expires_at = self.now.saturating_add(RESERVATION_LIFETIME);
            self.reservations.push(Reservation { token, address, expires_at });
            granted.extras.push(Extra::Token(token));
        }
        Ok(granted)
    }

    /// Both families, or one and the reason why not the other (RFC 8656 s7.2, check 9).
    fn choose_both(&mut self) -> Result<Granted, Refusal> {
        let mut granted = Granted::default();
        for family in [AddressFamily::V4, AddressFamily::V6] {
            let address = match self.relay_ip(family) {
                None => Err(440),
                Some(ip) => self.free_port(ip, 1, false).ok_or(508),
            };
            match address {
                Ok(address) => granted.addresses.push(address),
                Err(code) => granted.extras.push(Extra::AddressCode(family, code)),
            }
        }
        if granted.addresses.is_empty() { Err(Refusal::from(508)) } else { Ok(granted) }
    }

    fn relay_ip(&self, family: AddressFamily) -> Option<IpAddr> {
        match family {
            AddressFamily::V4 => self.config.relay_v4.map(IpAddr::V4),
            AddressFamily::V6 => self.config.relay_v6.map(IpAddr::V6),
        }
    }

    /// The first of `count` free ports in a row, from a random place on.
    fn free_port(&mut self, ip: IpAddr, count: u16, is_even: bool) -> Option<SocketAddr> {
        let (first, last) = (*self.config.ports.start(), *self.config.ports.end());
        let size = u32::from(last.checked_sub(first)?) + 1;
        let start = self.entropy.below(u64::from(size)) as u32;
        let port_at = |step: u32| first + ((start + step) % size) as u16;
        let fits = |port: u16| {
            let run = port..=port.saturating_add(count - 1);
            (!is_even || port % 2 == 0)
                && *run.end() <= last
                && run.clone().count() == usize::from(count)
                && run.clone().all(|port| self.is_free(SocketAddr::new(ip, port)))
        };
        (0..size).map(port_at).find(|port| fits(*port)).map(|port| SocketAddr::new(ip, port))
    }

    fn is_free(&self, address: SocketAddr) -> bool {
        let relays = self.allocations.iter().flat_map(|allocation| &allocation.relays);
        relays.map(|relay| relay.address).all(|taken| taken != address)
            && self.reservations.iter().all(|reservation| reservation.address != address)
    }
}

/// The answer once more, if it is the request that made the allocation (RFC 8656 s7.2, note).
fn again(allocation: &Allocation, message: &Message<'_>) -> Option<Vec<Extra>> {
    let first = allocation.created_with.as_ref()?;
    (allocation.created_by == message.transaction_id()).then(|| first.extras.clone())
}

/// RFC 8656 s7.2: at least 30 s.
const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);
