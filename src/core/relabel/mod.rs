//! Relabelling (spec S20).
