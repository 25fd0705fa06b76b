//! STUN, TURN and ICE as pure state machines.
//!
//! No sockets, threads, clock or randomness of their own: the host owns them and drives every machine with
//! the same five calls. What runs inside an [`Agent`], a [`stun::Binding`] or a [`turn::Allocation`] today and an
//! ICE session tomorrow, the loop that drives it stays as it is.
//!
//! ```text
//!                  your socket          your clock          your event loop
//!                    |     ^                |                     ^
//!          datagram  |     | Transmit       | now                 | Event
//!                    v     |                v                     |
//!            handle_input  poll_transmit  handle_timeout   poll_event
//!          +---------------------------------------------------------------+
//!          |  Agent:  Binding   Binding   Server   ...                     |
//!          +---------------------------------------------------------------+
//!                                  poll_timeout: sleep no longer than this
//! ```
//!
//! # A whole exchange
//!
//! Here a client and a server are both in memory, and time is a number. A host does the same with a socket
//! between them and [`Clock`] or its own clock: see `examples/`.
//!
//! ```
//! use libstun::stun::{BindingConfig, BindingEvent, ServerConfig};
//! use libstun::{Agent, AgentEvent, Datagram, Entropy, Event, FiveTuple, Instant, Machine, Outcome};
//!
//! let now = Instant::from_millis(0);
//! let (ours, theirs) = ("203.0.113.7:50000".parse()?, "192.0.2.1:3478".parse()?);
//! let mut client = Agent::new(Entropy::from_seed([1; 32]), now); // a host takes Entropy::from_os()
//! let mut server = Agent::new(Entropy::from_seed([2; 32]), now);
//! server.start_server(ServerConfig::default(), now)?;
//! let id = client.start_binding(BindingConfig::new(FiveTuple::udp(ours, theirs)), now)?;
//!
//! // The network: what the client sends arrives at the server, whose reply arrives at the client.
//! let request = client.poll_transmit().expect("a binding asks at once").payload.to_vec();
//! let arrived = Datagram::new(FiveTuple::udp(theirs, ours), &request);
//! assert_eq!(server.handle_input(&arrived, now), Outcome::Consumed);
//! let reply = server.poll_transmit().expect("a server answers").payload.to_vec();
//!
//! let later = Instant::from_millis(12);
//! let arrived = Datagram::new(FiveTuple::udp(ours, theirs), &reply);
//! assert_eq!(client.handle_input(&arrived, later), Outcome::Consumed);
//! let AgentEvent { id: from, event: Event::Binding(BindingEvent::Mapped { address, .. }), .. } =
//!     client.poll_event().expect("the answer is an event")
//! else {
//!     panic!("the first event of a binding is its mapped address")
//! };
//! assert_eq!((from, address), (id, ours));
//!
//! // 25 s after the request the binding wants to be refreshed; until then there is nothing to do.
//! assert_eq!(client.poll_timeout(), Some(Instant::from_millis(25_000)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The contract
//!
//! [`Machine`] states it, C1 to C10, and `tests/contract.rs` holds every machine to it.
//!
//! # The floors
//!
//! | module | what it is |
//! |---|---|
//! | [`wire`] | bytes to values and back: classify, parse, build, sign, frame |
//! | [`transaction`], [`auth`] | requests that wait for responses; who may sign what |
//! | [`stun`] | the Binding client and server; many servers at once; finding them |
//! | [`nat`] | what the NAT before the host does |
//! | [`turn`] | relayed addresses as virtual sockets, one or a pool of them |
//! | [`agent`] | any number of operations behind one set of calls |
//!
//! # Features
//!
//! - `std` (default): [`Clock`], seeds from the operating system, `SendError` from `std::io::Error`. Without
//!   it the crate is `no_std` and needs only `alloc`.
//! - `precis` (default): usernames, realms and passwords beyond ASCII ([`auth::opaque_string`]). Brings `std`.
//!
//! # Deviations from the RFCs
//!
//! - A response without FINGERPRINT is accepted even though the request had one (RFC 8489 s6.3 wants it when
//!   "the FINGERPRINT extension is being used"): widespread servers leave it out. A wrong one is dropped.
//! - The RTO adapts upwards only: 500 ms stay the least (RFC 8489 s6.2.1 lets a fast path shorten it), so
//!   that a transaction always outlives a short outage.
//! - SOFTWARE is not sent: it would amplify and tell versions to strangers (RFC 8489 s14.14, s16). A NAT probe's
//!   ordinary requests carry one that says no more than that, to be long enough for a careful server's full answer.
//! - A binding that refreshes goes on after server errors, with growing waits and without an end; one that asks
//!   once stops after four more requests (RFC 8489 s6.3.4).
//! - A signed response whose nonce promises PASSWORD-ALGORITHMS that it lacks is accepted, unless it is a
//!   challenge: nobody can have taken them out (RFC 8489 s9.2.5 has it ignored; a published server sends it).
//! - An unsigned challenge never takes security away that has worked, and never ends at once a request over UDP:
//!   see [`auth::LongTerm`] and [`stun::Binding::REJECTION_GRACE`] (RFC 8489 s9.2.5 obeys it).
//! - On a stream an unsigned 400 ends the request at once (RFC 8489 s9.2.5 waits for nothing, until Ti).
//! - A server drops known attributes with impossible values in silence instead of answering 400.
//! - What runs over TLS is the service `turns` with port 5349 even for a `turn:` URI, and a single NAPTR record
//!   that only points elsewhere ranks no transports: RFC 5928 s3 and its own examples differ, see
//!   [`stun::discovery`].
//! - A NAT probe speaks UDP only. It takes silence for a filter only if what cannot be filtered gets through
//!   meanwhile, and if the server is then seen to answer from elsewhere; RFC 5780 s4.4 asks for neither.
//! - An error that nobody signed does not end a TURN request over UDP (RFC 8489 s9.2.5 ignores it, and waits 39.5 s),
//!   but shortens the wait for its true response to two seconds: servers send some unsigned.
//! - ICMP makes a TURN allocation ask whether its server is still there, and a request that is outstanding wait for two
//!   seconds more; it ends none at once (RFC 8489 s6.2.1), because anybody can send it.
//! - A TURN allocation is refreshed at half its lifetime (RFC 8656 s8 suggests a minute before its end), and channels
//!   every 260 s instead of just before their ten minutes: that renews the permission of 300 s as well, so that one
//!   request does for both.
//! - A Refresh that the server answers with 5xx is tried four times more; any other failure loses the relay at once.
//! - A lifetime below ten seconds is refused, and one above an hour counts as an hour (RFC 8656 has no such bounds).
//! - In a URI, percent-encoded names and names that end in a number are refused (RFC 3986 s3.2.2): see
//!   [`wire::uri`].

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod agent;
pub mod auth;
mod crypto;
mod entropy;
mod hasher;
mod machine;
pub mod nat;
mod net;
mod ready;
pub mod stun;
mod time;
pub mod transaction;
pub mod turn;
pub mod wire;

pub use agent::{Agent, AgentEvent, Event, OperationId};
pub use entropy::Entropy;
pub use machine::{Counters, DropReason, Machine, Receipt, WakeReason};
pub use net::{Datagram, FiveTuple, Outcome, SendError, Transmit, Transport};
#[cfg(feature = "std")]
pub use time::Clock;
pub use time::Instant;

/// The README's Rust program compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
