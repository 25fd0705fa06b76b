//! The Python bindings of libstun: the module `libstun._native`.

use pyo3::pymodule;

#[pymodule(gil_used = false)]
mod _native {}
