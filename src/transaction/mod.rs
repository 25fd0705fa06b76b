//! Requests that wait for their responses: when they are sent, sent again and given up.
//!
//! A usage says why it asked (its `Tag`) and gets the tag back with the response or the timeout. This
//! floor never authenticates and never builds a message; it resends the same bytes under the same id.

mod rto;
mod table;

pub use rto::{RetransmissionConfig, RtoCache, RttEstimator};
pub use table::{Completed, NoMatch, Request, TransactionLimitReached, Transactions};
