//! One connection between two processes: hello, frames, pings, loss. Bytes in, bytes out.
