//! Frames of every transfer syntax against what other decoders make of them, round trips through
//! encoders of our own, what is refused, and hostile streams.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "all of this is test code"
)]

mod counting;
mod encoders;
mod hostile;
mod refused;
mod round_trips;
mod table;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
