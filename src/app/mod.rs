//! The application: what is built from a configuration, run, reloaded by difference, and stopped.
