//! Small files below a root that tests choose.

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

/// More of a file than any of those read has; `/proc/net/tcp` is read by line instead.
const BYTES_MAX: u64 = 1 << 20;

/// Where `proc` and `sys` lie: `/`, or a made-up tree in tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    path: PathBuf,
    /// Ends of paths that are denied, since root is denied nothing.
    #[cfg(test)]
    denied: Vec<&'static str>,
}

impl Default for Root {
    fn default() -> Self {
        Self::at("/")
    }
}

/// Why a file has no text.
#[derive(Debug, thiserror::Error)]
pub(in crate::collect) enum Unread {
    /// Not there (any more), or its process has ended between opening and reading.
    #[error("not there")]
    Gone,
    /// There, but not for this user.
    #[error("permission denied")]
    Denied,
    /// Anything else.
    #[error(transparent)]
    Failed(io::Error),
}

impl From<io::Error> for Unread {
    fn from(e: io::Error) -> Self {
        /// What `/proc` answers for a process that ended while its file was open.
        const ESRCH: i32 = 3;
        match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Gone,
            io::ErrorKind::PermissionDenied => Self::Denied,
            _ if e.raw_os_error() == Some(ESRCH) => Self::Gone,
            _ => Self::Failed(e),
        }
    }
}

impl Root {
    /// A tree of one's own.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            #[cfg(test)]
            denied: Vec::new(),
        }
    }

    /// The same with some files denied.
    #[cfg(test)]
    pub(in crate::collect) fn denying(self, denied: &[&'static str]) -> Self {
        Self { denied: denied.to_vec(), ..self }
    }

    fn permit(&self, path: PathBuf) -> Result<PathBuf, Unread> {
        #[cfg(test)]
        if self.denied.iter().any(|end| path.ends_with(end)) {
            return Err(Unread::Denied);
        }
        Ok(path)
    }

    /// Whether it is this machine's.
    pub(in crate::collect) fn is_real(&self) -> bool {
        self.path == Path::new("/")
    }

    /// Absolute paths are below the root too.
    pub(in crate::collect) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        let below = below.as_ref();
        self.path.join(below.strip_prefix("/").unwrap_or(below))
    }

    /// A file's text; what isn't UTF-8 in it is replaced.
    pub(in crate::collect) fn read(&self, below: impl AsRef<Path>) -> Result<String, Unread> {
        let mut bytes = Vec::new();
        let path = self.permit(self.path(below))?;
        fs::File::open(path)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    }

    /// A file's text if it can be had at all.
    pub(in crate::collect) fn text(&self, below: impl AsRef<Path>) -> Option<String> {
        self.read(below).ok()
    }

    /// Where the links of a directory lead.
    pub(in crate::collect) fn links(
        &self,
        below: &str,
    ) -> Result<impl Iterator<Item = PathBuf> + use<>, Unread> {
        let entries = fs::read_dir(self.permit(self.path(below))?)?;
        Ok(entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()))
    }

    /// The processes there are.
    pub(in crate::collect) fn pids(&self) -> Result<impl Iterator<Item = u32> + use<>, Unread> {
        let entries = fs::read_dir(self.path("proc"))?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
    }

    /// How many files a process has open.
    pub(in crate::collect) fn open_fds(&self, pid: u32) -> Result<u64, Unread> {
        let path = self.path(format!("proc/{pid}/fd"));
        match self.permit(path.clone()).and_then(|path| Ok(fs::read_dir(path)?)) {
            Ok(entries) => Ok(entries.count() as u64),
            // Since Linux 6.2 the directory's size is the count, and anyone may ask for that.
            Err(Unread::Denied) if self.is_real() => match fs::metadata(&path)?.len() {
                0 => Err(Unread::Denied),
                count => Ok(count),
            },
            Err(e) => Err(e),
        }
    }
}
