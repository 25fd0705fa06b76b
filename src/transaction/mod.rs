//! Requests that wait for their responses: when they are sent, sent again and given up.
//!
//! A usage says why it asked (its `Tag`) and gets the tag back with the response or the timeout. This
//! floor never authenticates and never builds a message; it resends the same bytes under the same id. What every
//! usage does after a failure is here too: how long it waits, and which other server it asks.

mod backoff;
mod redirect;
mod rto;
mod table;

pub use backoff::Backoff;
pub use redirect::{RedirectPolicy, RedirectRefusal};
pub(crate) use redirect::{Trail, domain};
pub use rto::{RetransmissionConfig, RtoCache, RttEstimator};
pub use table::{Completed, NoMatch, Request, TransactionLimitReached, Transactions};
