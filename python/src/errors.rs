//! What misuse raises: the classes of `libstun.errors`.

use core::fmt::Display;

use libstun::agent::{RelayError, StartError, UnknownOperation};
use pyo3::PyErr;
use pyo3::exceptions::{PyTypeError, PyValueError};

mod classes {
    pyo3::import_exception!(libstun.errors, InternalError);
    pyo3::import_exception!(libstun.errors, LimitError);
    pyo3::import_exception!(libstun.errors, ParseError);
    pyo3::import_exception!(libstun.errors, StateError);
    pyo3::import_exception!(libstun.errors, UnknownOperationError);
}

/// An argument has an impossible value.
pub(crate) fn value(what: impl Display) -> PyErr {
    PyValueError::new_err(what.to_string())
}

/// An argument is of another type.
pub(crate) fn kind(what: impl Display) -> PyErr {
    PyTypeError::new_err(what.to_string())
}

/// The call does not fit what came before it.
pub(crate) fn state(what: impl Display) -> PyErr {
    classes::StateError::new_err(what.to_string())
}

/// A limit is reached.
pub(crate) fn limit(what: impl Display) -> PyErr {
    classes::LimitError::new_err(what.to_string())
}

/// What was to be parsed is not what it should be.
pub(crate) fn parse(what: impl Display) -> PyErr {
    classes::ParseError::new_err(what.to_string())
}

/// A bug was caught.
pub(crate) fn internal(what: impl Display) -> PyErr {
    classes::InternalError::new_err(what.to_string())
}

/// No operation of that id.
pub(crate) fn unknown_operation() -> PyErr {
    unknown(UnknownOperation)
}

/// No such thing, or not any more.
pub(crate) fn unknown(what: impl Display) -> PyErr {
    classes::UnknownOperationError::new_err(what.to_string())
}

/// An operation was not started.
pub(crate) fn start(error: StartError) -> PyErr {
    match error {
        StartError::TooManyOperations => limit(error),
        StartError::AddressTaken | StartError::PathTaken => state(error),
        _ => value(error),
    }
}

/// A command to a relay was refused; `refused` says as what.
pub(crate) fn relay<E>(refused: impl FnOnce(E) -> PyErr) -> impl FnOnce(RelayError<E>) -> PyErr {
    |error| match error {
        RelayError::UnknownOperation => unknown_operation(),
        RelayError::Refused(error) => refused(error),
    }
}
