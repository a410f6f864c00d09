//! The shop as a whole, on real sockets, threads and disks.
//!
//! - [`whole`]: what is promised of money and stock holds, in one process and cut in two. Start here.
//! - [`page`]: what a browser gets, and that its buttons are the methods there are.
//! - [`killed`]: the same promises while processes are killed.
//! - [`faults`]: while calls to the system fail or are the last ones.

mod faults;
mod killed;
mod page;
mod whole;
