//! A whole nigh application in one thread: processes, network, disk, clocks and faults, all from one seed.
//!
//! Nothing here reads a clock or draws from the system: a run is a function of its seed, its plan of faults and the
//! program.

pub mod disk;
