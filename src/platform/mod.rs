//! The only `unsafe` of botwatch: what the standard library has no safe call for.
