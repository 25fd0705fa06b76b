//! Who gets a message: by transaction id for responses, by local address for requests. O(1) each.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use hashbrown::HashTable;

use crate::hasher::AddressHasher;
use crate::net::{EVERYWHERE, FiveTuple, same_endpoint};
use crate::wire::TransactionId;

/// The agent's demultiplexer. Values are slots of operations.
#[derive(Debug)]
pub(super) struct Routes {
    responses: HashTable<(TransactionId, u32)>,
    requests: HashTable<(SocketAddr, u32)>,
    /// By both ends of the path to the server.
    relays: HashTable<(FiveTuple, u32)>,
    /// The same by the server's end alone, for hosts that do not say where a datagram arrived.
    servers: HashTable<(FiveTuple, u32)>,
    hasher: AddressHasher,
}

impl Routes {
    pub(super) fn new(hasher: AddressHasher) -> Self {
        Self {
            responses: HashTable::new(),
            requests: HashTable::new(),
            relays: HashTable::new(),
            servers: HashTable::new(),
            hasher,
        }
    }

    /// The operation that waits for a message under `id`.
    pub(super) fn response(&self, id: TransactionId) -> Option<u32> {
        self.responses.find(id.hash(), |(known, _)| *known == id).map(|(_, slot)| *slot)
    }

    pub(super) fn add_response(&mut self, id: TransactionId, slot: u32) {
        self.responses.insert_unique(id.hash(), (id, slot), |(id, _)| id.hash());
    }

    pub(super) fn remove_response(&mut self, id: TransactionId, slot: u32) {
        if let Ok(entry) = self.responses.find_entry(id.hash(), |known| *known == (id, slot)) {
            entry.remove();
        }
    }

    /// The operation that relays through the server at the end of that path. An operation that was started without
    /// a local address is found by any, and without one the only operation that relays through that server.
    pub(super) fn relay(&self, path: &FiveTuple) -> Option<u32> {
        self.relay_at(path).or_else(|| if is_unknown(&path.local) { self.only_relay(path) } else { None })
    }

    fn only_relay(&self, path: &FiveTuple) -> Option<u32> {
        let mut through = self.servers.iter_hash(self.hasher.hash(&path.remote)).filter(|(known, _)| {
            known.transport == path.transport && same_endpoint(&known.remote, &path.remote)
        });
        let (_, slot) = through.next()?;
        through.next().is_none().then_some(*slot)
    }

    fn relay_at(&self, path: &FiveTuple) -> Option<u32> {
        let any = match path.local {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let (ip, port) = (path.local.ip(), path.local.port());
        [(ip, port), (any, port), (ip, 0), (any, 0)].into_iter().find_map(|(ip, port)| {
            let local = SocketAddr::new(ip, port);
            let is_it = |(known, _): &(FiveTuple, u32)| {
                known.transport == path.transport
                    && same_endpoint(&known.remote, &path.remote)
                    && (known.local.ip(), known.local.port()) == (ip, port)
            };
            self.relays.find(self.relay_hash(&local, &path.remote), is_it).map(|(_, slot)| *slot)
        })
    }

    /// Whether an operation relays on exactly that path.
    pub(super) fn relays_on(&self, path: &FiveTuple) -> bool {
        self.relays.find(self.relay_hash(&path.local, &path.remote), |(known, _)| known == path).is_some()
    }

    pub(super) fn add_relay(&mut self, slot: u32, path: FiveTuple) {
        let hash = self.relay_hash(&path.local, &path.remote);
        let hasher = &self.hasher;
        self.relays
            .insert_unique(hash, (path, slot), |(known, _)| hash_path(hasher, &known.local, &known.remote));
        let by_server = |(known, _): &(FiveTuple, u32)| hasher.hash(&known.remote);
        self.servers.insert_unique(hasher.hash(&path.remote), (path, slot), by_server);
    }

    pub(super) fn remove_relay(&mut self, slot: u32, path: FiveTuple) {
        let hash = self.relay_hash(&path.local, &path.remote);
        if let Ok(entry) = self.relays.find_entry(hash, |known| *known == (path, slot)) {
            entry.remove();
        }
        let by_server = self.hasher.hash(&path.remote);
        if let Ok(entry) = self.servers.find_entry(by_server, |known| *known == (path, slot)) {
            entry.remove();
        }
    }

    fn relay_hash(&self, local: &SocketAddr, remote: &SocketAddr) -> u64 {
        hash_path(&self.hasher, local, remote)
    }

    /// The operation that answers requests which arrive at `local`: the most specific one. An unspecified IP
    /// is any of either family, as on a dual-stack socket. Where the host does not say where a request arrived, it is for
    /// the only address that is served.
    pub(super) fn request(&self, local: &SocketAddr) -> Option<u32> {
        const ANY: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let at = |ip: IpAddr, port: u16| self.requests_at(&SocketAddr::new(ip, port));
        self.requests_at(local)
            .or_else(|| at(local.ip(), local.port()))
            .or_else(|| ANY.into_iter().find_map(|ip| at(ip, local.port())))
            .or_else(|| at(local.ip(), 0))
            .or_else(|| self.requests_at(&EVERYWHERE))
            .or_else(|| if is_unknown(local) { self.only_request() } else { None })
    }

    #[expect(clippy::disallowed_methods, reason = "one entry has one order")]
    fn only_request(&self) -> Option<u32> {
        let mut all = self.requests.iter();
        let (_, slot) = all.next()?;
        all.next().is_none().then_some(*slot)
    }

    /// Whether requests at exactly that address have an operation.
    pub(super) fn requests_at(&self, local: &SocketAddr) -> Option<u32> {
        let local = normal(local);
        self.requests.find(self.hasher.hash(&local), |(known, _)| *known == local).map(|(_, slot)| *slot)
    }

    pub(super) fn add_request(&mut self, slot: u32, local: SocketAddr) {
        let local = normal(&local);
        let hasher = &self.hasher;
        self.requests.insert_unique(hasher.hash(&local), (local, slot), |(known, _)| hasher.hash(known));
    }

    pub(super) fn remove_request(&mut self, slot: u32, local: SocketAddr) {
        let local = normal(&local);
        if let Ok(entry) = self.requests.find_entry(self.hasher.hash(&local), |known| *known == (local, slot))
        {
            entry.remove();
        }
    }
}

/// Whether it stands for an address that the host does not know.
fn is_unknown(local: &SocketAddr) -> bool {
    local.ip().is_unspecified() && local.port() == 0
}

/// Two products of secrets: neither end alone decides.
fn hash_path(hasher: &AddressHasher, local: &SocketAddr, remote: &SocketAddr) -> u64 {
    hasher.hash(remote).rotate_left(1) ^ hasher.hash(local)
}

/// One form for each address: no flow label, and one "everywhere".
pub(super) fn normal(address: &SocketAddr) -> SocketAddr {
    match address {
        _ if is_unknown(address) => EVERYWHERE,
        SocketAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id())),
        SocketAddr::V4(_) => *address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_address_wins() {
        let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
        let mut routes = Routes::new(AddressHasher::new([7; 16]));
        assert_eq!(routes.request(&addr("10.0.0.1:1")), None);
        routes.add_request(1, addr("[::]:0"));
        routes.add_request(2, addr("0.0.0.0:3478"));
        routes.add_request(3, addr("10.0.0.1:3478"));
        assert_eq!(routes.request(&addr("10.0.0.1:3478")), Some(3));
        assert_eq!(routes.request(&addr("10.0.0.2:3478")), Some(2));
        assert_eq!(
            routes.request(&addr("[::1]:3478")),
            Some(2),
            "a wildcard is any address of either family"
        );
        assert_eq!(routes.request(&addr("[::1]:3479")), Some(1));
        routes.remove_request(3, addr("10.0.0.1:3478"));
        assert_eq!(routes.request(&addr("10.0.0.1:3478")), Some(2));
    }

    #[test]
    fn who_does_not_say_where_it_arrived_reaches_the_only_one_that_it_can_be_for() {
        let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (server, unknown) = (addr("192.0.2.1:3478"), addr("0.0.0.0:0"));
        let mut routes = Routes::new(AddressHasher::new([7; 16]));
        routes.add_request(1, addr("10.0.0.1:3478"));
        assert_eq!(routes.request(&unknown), Some(1));
        assert_eq!(routes.request(&addr("0.0.0.0:3479")), None, "it was said at which port");
        routes.add_request(2, addr("10.0.0.2:3478"));
        assert_eq!(routes.request(&unknown), None);
        let (first, second) =
            (FiveTuple::udp(addr("10.0.0.1:1"), server), FiveTuple::udp(addr("10.0.0.1:2"), server));
        routes.add_relay(3, first);
        assert_eq!(routes.relay(&FiveTuple::udp(unknown, server)), Some(3));
        assert_eq!(routes.relay(&FiveTuple::tcp(unknown, server)), None);
        assert_eq!(routes.relay(&FiveTuple::udp(unknown, addr("192.0.2.1:3479"))), None);
        routes.add_relay(4, second);
        assert_eq!(
            routes.relay(&FiveTuple::udp(unknown, server)),
            None,
            "whose of the two it is, only the host can say"
        );
        routes.remove_relay(3, first);
        assert_eq!(routes.relay(&FiveTuple::udp(unknown, server)), Some(4));
    }
}
