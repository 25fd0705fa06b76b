//! STUN usages: a [`Binding`] asks a server for the host's public address and keeps it alive; a [`Server`]
//! answers such questions. A [`ServerSurvey`] asks many servers at once; a [`Discovery`] finds them.

pub mod binding;
pub mod discovery;
pub mod server;
pub mod survey;

pub use binding::{Binding, BindingConfig, BindingEvent, RedirectPolicy};
pub use discovery::{Discovery, DiscoveryConfig, DiscoveryEvent};
pub use server::{BehaviorDiscovery, Budget, Server, ServerConfig, ServerCredentials, ServerEvent};
pub use survey::{ServerSurvey, SurveyConfig, SurveyEvent};
