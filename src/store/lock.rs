//! One process for each data directory.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

use super::Error;

/// Held as long as the process uses the directory; the kernel releases it however the process ends.
#[derive(Debug)]
pub struct DirectoryLock(#[expect(dead_code, reason = "held for its lock")] File);

impl DirectoryLock {
    /// Makes the directory (mode 0700) and takes its lock.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process has it.
    pub fn take(dir: &Path) -> Result<Self, Error> {
        let failed = |cause| Error::File { path: dir.to_owned(), cause };
        if !dir.exists() {
            use std::os::unix::fs::DirBuilderExt as _;
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        }
        let path = dir.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(dir.to_owned())),
            Err(TryLockError::Error(cause)) => Err(Error::File { path, cause }),
        }
    }
}
