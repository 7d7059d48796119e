//! The machine where there is no `/proc`: the basics.

use std::path::PathBuf;

use botwatch_core::{model::Timestamp, tsdb::Visibility};
use sysinfo::System;

use super::{FileSystems, Key, Look, Values};

/// Reads the machine.
pub(super) struct PortableLook {
    system: System,
    file_systems: FileSystems,
}

impl PortableLook {
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        Self { system: System::new(), file_systems: FileSystems::new(paths) }
    }
}

impl Look for PortableLook {
    fn look(&mut self, _: Timestamp, values: &mut Values) -> Visibility {
        self.file_systems.look(values);
        self.system.refresh_memory();
        let load = System::load_average();
        for (key, value) in [
            (Key::Load1, load.one),
            (Key::Load5, load.five),
            (Key::Load15, load.fifteen),
            (Key::MemoryTotal, self.system.total_memory() as f64),
            (Key::MemoryAvailable, self.system.available_memory() as f64),
            (Key::SwapTotal, self.system.total_swap() as f64),
            (Key::SwapFree, self.system.free_swap() as f64),
            (Key::BootTime, System::boot_time() as f64),
            (Key::Uptime, System::uptime() as f64),
            (Key::Cpus, std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64)),
        ] {
            values.set(key, value);
        }
        Visibility::Seeing
    }

    fn blind(values: &mut Values) {
        values.clear();
    }
}
