//! STUN usages: a [`Binding`] asks a server for the host's public address and keeps it alive; a [`Server`]
//! answers such questions.

pub mod binding;
pub mod server;

pub use binding::{Binding, BindingConfig, BindingEvent};
pub use server::{BehaviorDiscovery, Budget, Server, ServerConfig, ServerCredentials, ServerEvent};
