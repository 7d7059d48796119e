//! The only clock, the only spawner, and the way to stop.
