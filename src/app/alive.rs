//! When botwatch last ran: what pending alerts' timers and the clock go on from after a restart.
//!
//! A small file in the data directory, rewritten every few seconds. It survives a kill; after a power cut it may be
//! older than the truth, which only makes a timer run longer.

use std::path::{Path, PathBuf};

use botwatch_core::model::{Duration, Timestamp};

use crate::runtime::{Clock, Tasks};

const FILE: &str = "alive";
/// How much of a pending alert's time a kill may cost.
const EVERY: Duration = Duration::from_secs(5);

/// When the last process was last alive; `None` at the first start, or when the file makes no sense.
pub(super) fn read(dir: &Path) -> Option<Timestamp> {
    std::fs::read_to_string(dir.join(FILE)).ok()?.trim().parse().ok().map(Timestamp)
}

/// Writes down that we are alive, from here on.
pub(super) fn keep(tasks: &Tasks, clock: &Clock, dir: PathBuf) {
    let (clock, within, stop) = (clock.clone(), tasks.clone(), tasks.stop_token());
    tasks.spawn("alive", async move {
        loop {
            let (text, path) = (clock.now().0.to_string(), dir.join(FILE));
            // A full disk is told of by the journal; a timer that runs longer is no lie.
            within.blocking(move || drop(std::fs::write(path, text))).await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = clock.sleep(EVERY) => {}
            }
        }
    });
}
