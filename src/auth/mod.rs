//! Credentials: who may sign what. Auth never sends, and transactions never authenticate.

mod short_term;

pub use short_term::{CredentialError, ShortTerm};
pub(crate) use short_term::{Refusal, ResponseCheck};
