//! Rows 2–4 on virtual time: PromQL scripts, rule tests.
