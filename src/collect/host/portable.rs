//! The machine where there is no `/proc`: the basics.

use std::path::PathBuf;

use botwatch_core::{model::Timestamp, tsdb::Visibility};
use sysinfo::System;

use super::{FileSystems, Key, Look, Values};

/// Reads the machine.
pub(super) struct PortableLook {
    /// `None` where the library doesn't know the system.
    system: Option<System>,
    file_systems: FileSystems,
}

impl PortableLook {
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        Self { system: System::new().ok(), file_systems: FileSystems::new(paths) }
    }
}

impl Look for PortableLook {
    fn look(&mut self, _: Timestamp, values: &mut Values) -> Visibility {
        self.file_systems.look(values);
        let Some(system) = &mut self.system else {
            Self::blind(values);
            return Visibility::Blind;
        };
        system.refresh_memory();
        let load = System::load_average().ok();
        let processors = std::thread::available_parallelism().ok();
        for (key, value) in [
            (Key::Load1, load.as_ref().map(|load| load.one)),
            (Key::Load5, load.as_ref().map(|load| load.five)),
            (Key::Load15, load.as_ref().map(|load| load.fifteen)),
            (Key::MemoryTotal, Some(system.total_memory() as f64)),
            (Key::MemoryAvailable, Some(system.available_memory() as f64)),
            (Key::SwapTotal, Some(system.total_swap() as f64)),
            (Key::SwapFree, Some(system.free_swap() as f64)),
            (Key::BootTime, System::boot_time().ok().map(|n| n as f64)),
            (Key::Uptime, System::uptime().ok().map(|n| n as f64)),
            (Key::Cpus, processors.map(|n| n.get() as f64)),
        ] {
            values.put(key, value);
        }
        Visibility::Seeing
    }

    fn blind(values: &mut Values) {
        values.clear();
    }
}
