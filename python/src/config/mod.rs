//! Configurations: the frozen classes of `libstun.config`, read into the core's.

mod credentials;
mod dns;
mod nat;
mod relay;
mod server;
mod stun;

use core::time::Duration;

use libstun::transaction::{Backoff, RedirectPolicy, RetransmissionConfig};
use libstun::{FiveTuple, Transport};
use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::{PyTypeError, PyUnicodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::address::Address;
use crate::convert::{Nanos, Number, Words, kind_of, word};
use crate::errors;
use crate::path::five_tuple;
use crate::words::{REDIRECT_POLICIES, TRANSPORTS, module};

pub(crate) use credentials::credentials;
pub(crate) use dns::{Naptr, Services};
pub(crate) use nat::nat_probe;
pub(crate) use relay::{allocation, relay_pool};
pub(crate) use server::{add_user, prepared, server};
pub(crate) use stun::{binding, discovery, survey};

/// An instance of one of the classes, of which each field is read by its name.
pub(crate) struct Fields<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    class: &'static str,
}

impl<'a, 'py> Fields<'a, 'py> {
    /// Of an instance of `libstun.config.class`.
    ///
    /// # Errors
    /// `TypeError` if it is none.
    pub(crate) fn of(object: &'a Bound<'py, PyAny>, class: &'static str) -> PyResult<Self> {
        if !is(object, class)? {
            let given = kind_of(object.as_borrowed());
            return Err(errors::kind(format_args!("{given} is no {class}")));
        }
        Ok(Self { object, class })
    }

    /// A field.
    ///
    /// # Errors
    /// Those of its type, with its name before them.
    pub(crate) fn get<T: FromPyObjectOwned<'py>>(&self, name: &str) -> PyResult<T> {
        let field = self.raw(name)?;
        self.within(name, field.extract().map_err(Into::into))
    }

    /// A field as it is.
    pub(crate) fn raw(&self, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.object.getattr(name)
    }

    /// A field that is one of an enum's words.
    pub(crate) fn word<T: Copy>(&self, name: &str, what: &str, words: &Words<T>) -> PyResult<T> {
        self.within(name, word(self.raw(name)?.as_borrowed(), what, words))
    }

    /// A field that is a number.
    pub(crate) fn number<T>(&self, name: &str) -> PyResult<T>
    where
        Number<T>: FromPyObjectOwned<'py>,
    {
        self.get::<Number<T>>(name).map(|number| number.0)
    }

    /// A field that is a duration.
    pub(crate) fn duration(&self, name: &str) -> PyResult<Duration> {
        self.get::<Nanos>(name).map(|nanos| nanos.0)
    }

    /// A field that is a duration or `None`.
    pub(crate) fn optional_duration(&self, name: &str) -> PyResult<Option<Duration>> {
        Ok(self.get::<Option<Nanos>>(name)?.map(|nanos| nanos.0))
    }

    /// A field that holds several of something; `read` says how each is read, and more than `most` are refused before.
    pub(crate) fn each<T>(
        &self,
        name: &str,
        most: usize,
        read: impl Fn(&Bound<'py, PyAny>) -> PyResult<T>,
    ) -> PyResult<Vec<T>> {
        let mut all = Vec::new();
        for item in self.within(name, self.raw(name)?.try_iter())? {
            if all.len() == most {
                return Err(errors::value(format_args!("{}.{name}: there are more than {most}", self.class)));
            }
            all.push(self.within(name, read(&item?))?);
        }
        Ok(all)
    }

    /// The path that `server`, `local` and `transport` say.
    pub(crate) fn path(&self, transport: Transport) -> PyResult<FiveTuple> {
        let (server, local) = (self.get::<Address>("server")?, self.get::<Option<Address>>("local")?);
        five_tuple(server, local, transport)
    }

    /// The field `transport`.
    pub(crate) fn transport(&self) -> PyResult<Transport> {
        self.word("transport", "Transport", TRANSPORTS)
    }

    /// The field `redirects`.
    pub(crate) fn redirects(&self) -> PyResult<RedirectPolicy> {
        self.word("redirects", "RedirectPolicy", REDIRECT_POLICIES)
    }

    /// The fields `backoff_*`.
    pub(crate) fn backoff(&self) -> PyResult<Backoff> {
        Ok(Backoff { first: self.duration("backoff_first_ns")?, max: self.duration("backoff_max_ns")? })
    }

    /// The field `retransmission`.
    pub(crate) fn retransmission(&self) -> PyResult<RetransmissionConfig> {
        let field = self.raw("retransmission")?;
        let schedule = Fields::of(&field, "Retransmission")?;
        let read = RetransmissionConfig {
            initial_rto: schedule.duration("initial_rto_ns")?,
            rc: schedule.number("rc")?,
            rm: schedule.number("rm")?,
            ti: schedule.duration("ti_ns")?,
        };
        if read.initial_rto.is_zero() || read.ti.is_zero() || read.rc == 0 || read.rm == 0 {
            return Err(errors::value("Retransmission: nothing in it can be 0"));
        }
        Ok(read)
    }

    /// What became of a field, with its name before the error.
    pub(crate) fn within<T>(&self, name: &str, read: PyResult<T>) -> PyResult<T> {
        read.map_err(|error| self.named(name, error))
    }

    /// An error of a field, with its name before it. One that is neither about its value nor its type passes as it is:
    /// an exception out of the caller's own iterator, or a signal.
    fn named(&self, name: &str, error: PyErr) -> PyErr {
        let py = self.object.py();
        let what = || format!("{}.{name}: {}", self.class, error.value(py));
        let named = if error.get_type(py).is(py.get_type::<PyTypeError>()) {
            errors::kind(what())
        } else if error.get_type(py).is(py.get_type::<PyValueError>())
            || error.is_instance_of::<PyUnicodeError>(py)
        {
            errors::value(what())
        } else {
            return error;
        };
        named.set_cause(py, Some(error));
        named
    }
}

/// Whether an object is an instance of `libstun.config.class`.
pub(crate) fn is(object: &Bound<'_, PyAny>, class: &str) -> PyResult<bool> {
    object.is_instance(&module(object.py(), &CONFIG, "libstun.config")?.getattr(class)?)
}

static CONFIG: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
