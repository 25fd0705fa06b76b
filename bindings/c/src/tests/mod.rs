//! Rust tests of the C functions, called as C calls them.

mod header;
