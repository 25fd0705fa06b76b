//! The Python bindings of libstun: the module `libstun._native`.
//!
//! Objects are frozen and may be used by any number of threads. What an agent does happens under its lock and runs no
//! Python code; arguments are read before it is taken, and results made after it is given back.

mod address;
mod codec;
mod convert;
mod errors;
mod path;
mod words;

#[pyo3::pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::codec::{
        Attribute, ChannelData, ErrorCode, Key, Message, MessageBuilder, Uri, attribute_name, attribute_type,
        classify, frame_length, method_name,
    };
    #[pymodule_export]
    use crate::path::{Path, PeerData, Transmit};
}
