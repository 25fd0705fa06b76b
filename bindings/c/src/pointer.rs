//! Raw pointers to checked references. Every dereference of a caller's pointer in the crate is here.

use core::mem::{MaybeUninit, align_of, size_of};

use crate::status::{Misuse, stun_status_code::*};

/// The bytes at a caller's pointer; NULL with length 0 is empty.
///
/// # Safety
/// `data` must be readable for `len` bytes, and not written to, for as long as the slice lives.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize) -> Result<&'a [u8], Misuse> {
    if len == 0 {
        return Ok(&[]); // a slice may not be made of NULL, even an empty one
    }
    if data.is_null() {
        return Err(Misuse(STUN_E_NULL, "a length was given without bytes"));
    }
    if isize::try_from(len).is_err() {
        return Err(Misuse(STUN_E_INVALID, "a length is beyond every object"));
    }
    // SAFETY: not NULL, at most isize::MAX bytes, and readable by the caller's word.
    Ok(unsafe { core::slice::from_raw_parts(data, len) })
}

/// A caller's array of structs; NULL with count 0 is empty.
///
/// # Safety
/// `data` must be readable for `count` valid `T`s, and not written to, for as long as the slice lives.
pub(crate) unsafe fn structs<'a, T>(data: *const T, count: usize) -> Result<&'a [T], Misuse> {
    if count == 0 {
        return Ok(&[]);
    }
    if data.is_null() || !data.is_aligned() {
        return Err(Misuse(STUN_E_NULL, "a count was given without an array"));
    }
    if count.checked_mul(size_of::<T>()).is_none_or(|size| isize::try_from(size).is_err()) {
        return Err(Misuse(STUN_E_INVALID, "a count is beyond every object"));
    }
    // SAFETY: not NULL, aligned, at most isize::MAX bytes, and readable by the caller's word.
    Ok(unsafe { core::slice::from_raw_parts(data, count) })
}

/// A caller's buffer to write to; NULL with length 0 is empty.
///
/// # Safety
/// `data` must be writable for `len` bytes, and nobody else's, for as long as the slice lives.
pub(crate) unsafe fn buffer<'a>(data: *mut u8, len: usize) -> Result<&'a mut [u8], Misuse> {
    if len == 0 {
        return Ok(&mut []);
    }
    if data.is_null() {
        return Err(Misuse(STUN_E_NULL, "a length was given without a buffer"));
    }
    if isize::try_from(len).is_err() {
        return Err(Misuse(STUN_E_INVALID, "a length is beyond every object"));
    }
    // SAFETY: not NULL, at most isize::MAX bytes, exclusively the caller's. The crate only writes through
    // it before it reads, so uninitialised memory of C is never interpreted.
    Ok(unsafe { core::slice::from_raw_parts_mut(data, len) })
}

/// A caller's struct or handle to read.
///
/// # Safety
/// `pointer` must be NULL or point to a valid `T` for as long as the reference lives.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T) -> Result<&'a T, Misuse> {
    // SAFETY: passed on from the caller; `as_ref` handles NULL.
    unsafe { pointer.as_ref() }.ok_or(Misuse(STUN_E_NULL, "a pointer that must be given is NULL"))
}

/// A place that a result will be written to. Nothing is read from it, so it may be uninitialised, and
/// nothing is written to it before [`Slot::put`].
#[derive(Debug)]
pub(crate) struct Slot<T>(*mut T);

impl<T> Slot<T> {
    /// # Safety
    /// `pointer` must be NULL or writable as a `T` until the slot is gone.
    pub(crate) unsafe fn new(pointer: *mut T) -> Result<Self, Misuse> {
        if pointer.is_null() {
            return Err(Misuse(STUN_E_NULL, "a place for a result is NULL"));
        }
        Ok(Self(pointer))
    }

    pub(crate) fn put(&self, value: T) {
        // SAFETY: not NULL, and writable by the promise made to `new`. Nothing is dropped: C's structs are
        // plain data.
        unsafe { self.0.write(value) }
    }
}

/// A struct that grows with the library: it begins with `uint32_t struct_size`, set by the caller to the
/// size that its header knows. A smaller one gets defaults for what it lacks, a larger one is accepted.
///
/// # Safety
/// Only for `repr(C)` structs whose first field is `struct_size: u32`, and for which every bit pattern that
/// C may leave in them is valid: integers, arrays, raw pointers and optional function pointers.
pub(crate) unsafe trait Growable: Copy {
    /// What a field that the caller's struct lacks has.
    fn defaults() -> Self;

    /// The size of the smallest version that ever was.
    const MIN_SIZE: u32;
}

/// Reads a growable struct.
///
/// # Safety
/// `pointer` must be NULL or readable for as many bytes as its first field says.
pub(crate) unsafe fn read_growable<T: Growable>(pointer: *const T) -> Result<T, Misuse> {
    // SAFETY: by the caller's word the first field is readable; `struct_size` is the first field of every
    // `Growable`.
    let claimed = unsafe { reference(pointer.cast::<u32>())? };
    let size = checked_size::<T>(*claimed)?;
    let mut value = MaybeUninit::new(T::defaults());
    // SAFETY: `size` is at most `size_of::<T>()` and at most what the caller claims to be readable; the two
    // cannot overlap; every bit pattern is valid by the promise of `Growable`.
    unsafe {
        core::ptr::copy_nonoverlapping(pointer.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), size);
        Ok(value.assume_init())
    }
}

/// Writes a growable struct as far as the caller's is large.
///
/// # Safety
/// `pointer` must be NULL or writable for as many bytes as its first field says.
pub(crate) unsafe fn write_growable<T: Growable>(pointer: *mut T, value: &T) -> Result<(), Misuse> {
    // SAFETY: as in `read_growable`.
    let claimed = unsafe { reference(pointer.cast::<u32>().cast_const())? };
    let size = checked_size::<T>(*claimed)?;
    // SAFETY: as in `read_growable`, in the other direction.
    unsafe {
        core::ptr::copy_nonoverlapping(core::ptr::from_ref(value).cast::<u8>(), pointer.cast::<u8>(), size)
    };
    Ok(())
}

/// Whether a growable struct of the caller's could be written to, and how much of it.
///
/// # Safety
/// `pointer` must be NULL or readable in its first field.
pub(crate) unsafe fn growable_size<T: Growable>(pointer: *const T) -> Result<u32, Misuse> {
    // SAFETY: as in `read_growable`.
    let claimed = unsafe { reference(pointer.cast::<u32>())? };
    checked_size::<T>(*claimed).map(|size| size as u32)
}

fn checked_size<T: Growable>(claimed: u32) -> Result<usize, Misuse> {
    /// No struct of this library will ever be larger; a larger claim is an uninitialised field.
    const ABSURD: u32 = 4096;
    // Every version's size is a multiple of the alignment. Other sizes could cut a pointer in two.
    let is_aligned = (claimed as usize).checked_rem(align_of::<T>()) == Some(0);
    if claimed < T::MIN_SIZE || claimed > ABSURD || !is_aligned {
        return Err(Misuse(STUN_E_INVALID, "struct_size is not the size of that struct"));
    }
    Ok((claimed as usize).min(size_of::<T>()))
}
