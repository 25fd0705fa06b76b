//! Where values are written to, and what can go wrong. What an attribute needs to know of the builder.

/// Why a message, or a part of it, could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BuildError {
    /// The buffer is too small; the message would be `needed` bytes so far.
    BufferTooSmall {
        /// Bytes that the message would have after this call.
        needed: usize,
    },
    /// A value is longer than its RFC allows, or the message longer than its Length field can say.
    ValueTooLong,
    /// A value cannot stand in that attribute (an error code of 99, a channel number of 0).
    InvalidValue,
    /// The attribute may not follow what is already there.
    OutOfOrder,
}

impl core::fmt::Display for BuildError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => {
                write!(f, "the buffer is too small: {needed} bytes are needed")
            }
            Self::ValueTooLong => f.write_str("a value is longer than its RFC allows"),
            Self::InvalidValue => f.write_str("a value cannot stand in that attribute"),
            Self::OutOfOrder => f.write_str("the attribute may not follow what is already in the message"),
        }
    }
}

impl core::error::Error for BuildError {}

/// Where an attribute writes its value. Writing past the end of the buffer only counts, so that the error
/// can say how much is needed.
#[derive(Debug)]
pub struct ValueWriter<'w> {
    room: &'w mut [u8],
    written: usize,
}

impl<'w> ValueWriter<'w> {
    pub(super) fn new(room: &'w mut [u8]) -> Self {
        Self { room, written: 0 }
    }

    /// Bytes put so far, those beyond the end of the buffer included.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// Appends bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        let room = self.room.get_mut(self.written..).unwrap_or_default();
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.written = self.written.saturating_add(bytes.len());
    }

    /// Appends bytes that lie there already, as they are.
    pub(super) fn keep(&mut self, length: usize) {
        self.written = self.written.saturating_add(length);
    }

    /// Appends a byte.
    pub fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    /// Appends two bytes in network order.
    pub fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    /// Appends four bytes in network order.
    pub fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// Appends eight bytes in network order.
    pub fn put_u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }
}
