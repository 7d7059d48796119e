//! What was said, so that it is said once.

/// What another user may not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Pss,
    Fds,
    Io,
    Environ,
    Cgroup,
}

impl What {
    pub(super) const ALL: [Self; 5] = [Self::Pss, Self::Fds, Self::Io, Self::Environ, Self::Cgroup];

    /// In words.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pss => "proportional memory (smaps_rollup)",
            Self::Fds => "the number of open files (fd)",
            Self::Io => "bytes read and written (io)",
            Self::Environ => "NODE_OPTIONS (environ), so a heap limit there isn't known",
            Self::Cgroup => "the cgroup's figures",
        }
    }

    /// How to mend it.
    pub(super) const fn mend(self) -> &'static str {
        match self {
            Self::Pss | Self::Io => {
                "run botwatch as the bot's user, or give it CAP_SYS_PTRACE (systemd: \
                 AmbientCapabilities=CAP_SYS_PTRACE; docker: --cap-add SYS_PTRACE)"
            }
            Self::Environ => {
                "run botwatch as the bot's user, or give it CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, or put \
                 --max-old-space-size on the bot's command line"
            }
            Self::Fds => {
                "run botwatch as the bot's user, or give it CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH; from Linux 6.2 on \
                 nothing is needed"
            }
            Self::Cgroup => "let botwatch's user read /sys/fs/cgroup",
        }
    }
}

/// What is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It can't be read.
    Unreadable,
    /// It couldn't, and now it can.
    Readable,
}

/// What is known of each.
#[derive(Debug, Default)]
pub(super) struct Notices([Option<bool>; 5]);

impl Notices {
    /// Takes note of a try; what is to be said, if that is new.
    pub(super) fn note(&mut self, what: What, readable: bool) -> Option<Said> {
        match (self.0[what as usize].replace(readable), readable) {
            (None | Some(true), false) => Some(Said::Unreadable),
            (Some(false), true) => Some(Said::Readable),
            _ => None,
        }
    }

    /// Whether it could be read at the last try.
    pub(super) const fn readable(&self, what: What) -> Option<bool> {
        self.0[what as usize]
    }
}
