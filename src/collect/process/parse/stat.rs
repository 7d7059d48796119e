//! `/proc/<pid>/stat` and the processors' lines of `/proc/stat`.

/// What is used of `/proc/<pid>/stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::collect) struct ProcessStat {
    /// The name, at most 15 bytes; a program may set it.
    pub comm: String,
    /// One letter, as in `ps`.
    pub state: char,
    /// Page faults that read a disk.
    pub major_faults: u64,
    /// Ticks in user mode.
    pub user: u64,
    /// Ticks in the kernel.
    pub system: u64,
    /// Threads.
    pub threads: u64,
    /// Ticks from the machine's start to its own.
    pub start: u64,
    /// Bytes of address space.
    pub virtual_bytes: u64,
}

impl ProcessStat {
    /// Ended, only not yet waited for. A leader that ended before its other threads is no zombie yet.
    pub(in crate::collect) const fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x') && self.threads <= 1
    }
}

/// Parses `/proc/<pid>/stat`. The name is in parentheses and may itself hold parentheses, spaces and line ends, so it
/// ends at the *last* `)`.
pub(in crate::collect) fn process_stat(text: &str) -> Option<ProcessStat> {
    let (_, rest) = text.split_once('(')?;
    let (comm, rest) = rest.rsplit_once(')')?;
    // The state is field 3 of proc(5).
    let fields: Vec<&str> = rest.split_ascii_whitespace().take(21).collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(ProcessStat {
        comm: comm.to_owned(),
        state: fields.first()?.chars().next()?,
        major_faults: number(12)?,
        user: number(14)?,
        system: number(15)?,
        threads: number(20)?,
        start: number(22)?,
        virtual_bytes: number(23)?,
    })
}

/// The modes of [`cpu_ticks`], in order. Guest time is part of `user` and `nice`.
pub(in crate::collect) const CPU_MODES: [&str; 8] =
    ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

/// Ticks by mode of all processors together, and how many processors are online.
pub(in crate::collect) fn cpu_ticks(stat: &str) -> Option<([u64; 8], usize)> {
    let mut ticks = None;
    let mut processors = 0;
    for line in stat.lines() {
        let Some(rest) = line.strip_prefix("cpu") else { break };
        if let Some(all) = rest.strip_prefix(' ') {
            let mut found = [0; 8];
            let numbers = all.split_ascii_whitespace().map_while(|n| n.parse().ok());
            found.iter_mut().zip(numbers).for_each(|(place, n)| *place = n);
            ticks = Some(found);
        } else {
            processors += 1;
        }
    }
    Some((ticks?, processors))
}
