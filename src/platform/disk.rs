//! Sizes of file systems.

use std::{ffi::CString, io, mem::MaybeUninit, os::unix::ffi::OsStrExt as _, path::Path};

/// A file system's sizes, in bytes and inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// Bytes of all.
    pub size: u64,
    /// Free bytes, also those kept for root.
    pub free: u64,
    /// Free bytes for anyone.
    pub available: u64,
    /// Inodes; 0 where there is no such limit.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}

/// The file system that holds `path`. Blocks as long as the file system does (a network that is down).
///
/// # Errors
/// When there is no such path, or it may not be reached.
pub fn file_system(path: &Path) -> io::Result<FileSystem> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    #[expect(unsafe_code, reason = "statvfs has no safe binding in the standard library")]
    // SAFETY: `path` ends with a NUL and outlives the call, and `found` is writable memory of the right type.
    let done = unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    #[expect(unsafe_code, reason = "what statvfs filled in")]
    // SAFETY: statvfs returned 0, so it wrote the whole struct.
    let found = unsafe { found.assume_init() };
    let block = wide(found.f_frsize);
    let bytes = |blocks: u64| blocks.saturating_mul(block);
    Ok(FileSystem {
        size: bytes(wide(found.f_blocks)),
        free: bytes(wide(found.f_bfree)),
        available: bytes(wide(found.f_bavail)),
        files: wide(found.f_files),
        files_free: wide(found.f_ffree),
        read_only: found.f_flag & libc::ST_RDONLY != 0,
    })
}

/// The fields have other widths on other systems.
fn wide(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::file_system;

    #[test]
    fn a_directory_has_sizes_and_a_missing_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let found = file_system(dir.path()).unwrap();
        assert!(found.size > 0 && found.size >= found.free && found.free >= found.available, "{found:?}");
        assert!(found.files >= found.files_free && !found.read_only, "{found:?}");
        assert_eq!(file_system(&dir.path().join("x")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
        assert!(file_system(std::path::Path::new("a\0b")).is_err());
    }
}
