//! Makes a failing script short enough to be read.

use crate::{
    script::Script,
    world::{Sabotage, run},
};

/// Runs at most; a script of 28 actions needs about a hundred.
const RUNS_MAX: usize = 400;

/// The script without whatever the same violation doesn't need.
pub(crate) fn shrink(script: &Script, sabotage: Sabotage) -> Script {
    let wanted = run(script, sabotage).violation.map(|v| v.invariant);
    let mut best = script.clone();
    let mut runs = 0;
    let mut chunk = best.actions.len().div_ceil(2);
    while chunk > 0 {
        let (mut from, mut shorter) = (0, false);
        while from < best.actions.len() && runs < RUNS_MAX {
            let mut candidate = best.clone();
            candidate.actions.drain(from..(from + chunk).min(best.actions.len()));
            runs += 1;
            if run(&candidate, sabotage).violation.map(|v| v.invariant) == wanted {
                (best, shorter) = (candidate, true);
            } else {
                from += chunk;
            }
        }
        if !shorter || chunk > 1 {
            chunk /= 2;
        }
    }
    best
}
