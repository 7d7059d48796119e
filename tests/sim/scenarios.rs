//! Stories written by hand.
