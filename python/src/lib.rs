//! The Python bindings of libstun: the module `libstun._native`.
//!
//! Objects are frozen and may be used by any number of threads. What an agent does happens under its lock and runs no
//! Python code; arguments are read before it is taken, and results made after it is given back.

#![forbid(unsafe_code)]

mod address;
mod agent;
mod codec;
mod config;
mod convert;
mod defaults;
mod errors;
mod events;
mod packet;
mod path;
mod words;

/// The compiled part. Import its names from `libstun`.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::agent::{_forked, Agent};
    #[pymodule_export]
    use crate::codec::{
        Attribute, ChannelData, ErrorCode, Key, Message, MessageBuilder, Uri, attribute_name, attribute_type,
        classify, frame_length, method_name,
    };
    #[pymodule_export]
    use crate::packet::{PeerData, Transmit};
    #[pymodule_export]
    use crate::path::Path;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::defaults::add(module)
    }
}
