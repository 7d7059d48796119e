//! Putting it together.

use botwatch_core::model::Labels;

use super::{Definition, Root, Watcher, board::Board, catalogue::Key, rounds};
use crate::{
    collect::BotOptions,
    runtime::{Clock, Tasks},
    samples::Store,
};

/// All metrics of a process, those of one name together; for `HELP` and `TYPE` lines.
pub const fn definitions() -> &'static [Definition] {
    Key::ALL
}

/// The name of the source that a bot's process is.
pub fn source_name(labels: &Labels) -> String {
    format!("process of {}", labels.get("bot").unwrap_or("bot"))
}

/// Starts watching the bot's process. `root` is where `proc` and `sys` lie, [`Root::default`] but in tests. The source
/// is known, and blind, when this returns; the first look follows at once.
pub fn start(tasks: &Tasks, clock: &Clock, store: &Store, options: BotOptions, root: Root) -> Watcher {
    let series = Key::ALL.iter().map(|definition| definition.labels(&options.labels));
    let board = Board::new(store.clone(), &source_name(&options.labels), series);
    #[cfg(target_os = "linux")]
    let look = super::look::ProcessLook::new(root, options.finder);
    #[cfg(not(target_os = "linux"))]
    let look = super::portable::PortableLook::new(root, options.finder);
    rounds::start("process", tasks, clock, options.interval, board, look)
}
