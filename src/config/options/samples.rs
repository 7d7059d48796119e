//! How much is kept in memory, and where the rest is.

use std::path::{Path, PathBuf};

use botwatch_core::tsdb;

use super::{Context, paths};

/// The data directory when nothing says another.
const PATH: &str = "data";
/// Less than this holds no bot's series.
const MEMORY_MIN: u64 = 4 << 20;

pub(super) fn samples(context: &mut Context<'_>) -> tsdb::Options {
    let mut options = tsdb::Options::default();
    let section = context.file().storage.clone().unwrap_or_default();
    if let Some(at) = &section.memory_max {
        if at.value.0 < MEMORY_MIN {
            let d = at.error("invalid-value", format!("`memory_max` of {} is too little", at.value));
            context.found.push(d.label("expected at least 4MiB"));
        }
        options.memory_max = usize::try_from(at.value.0).unwrap_or(usize::MAX);
    }
    if let Some(retention) = context.flags.retention.filter(|r| !r.is_zero()) {
        options.retention = retention;
    }
    options
}

/// Flag, file, `STATE_DIRECTORY`, `./data`, in this order (DESIGN §5). A path in a file is relative to the file.
pub(super) fn storage_path(context: &Context<'_>) -> PathBuf {
    let written = context.file().storage.as_ref().and_then(|s| s.path.as_ref()).filter(|p| !p.is_empty());
    if let Some(at) = written {
        return paths::absolute(&paths::folder(at.place.as_ref()).join(&*at.value));
    }
    // systemd gives several, separated by colons; the first is ours.
    let state = context.written.switches.state_directory.as_ref();
    let state = state.and_then(|s| s.value.split(':').find(|p| !p.is_empty()).map(PathBuf::from));
    paths::absolute(&state.unwrap_or_else(|| Path::new(PATH).to_owned()))
}
