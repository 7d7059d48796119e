//! Rule files, groups, alert state.
