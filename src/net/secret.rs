//! Secrets as configured: in place, or in a file.

use std::path::{Path, PathBuf};

use botwatch_core::model::Secret;

use super::Error;

/// Longest secret file; tokens and keys are a few kilobytes.
const SECRET_MAX: u64 = 256 * 1024;

/// Where a secret is. `Debug` shows the path, never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// Written in the configuration or the environment.
    Inline(Secret),
    /// In a file, read anew on each use. Blank space around it doesn't count.
    File(PathBuf),
}

impl SecretSource {
    /// A secret in place.
    pub fn inline(value: impl Into<String>) -> Self {
        Self::Inline(Secret::new(value))
    }

    /// The secret as it is at this moment.
    ///
    /// # Errors
    /// [`Error::File`] when the file can't be read, is no text, or is longer than 256 KiB.
    pub async fn read(&self) -> Result<Secret, Error> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let failed = |source| Error::File { path: path.clone(), source };
                let size = tokio::fs::metadata(path).await.map_err(failed)?.len();
                if size > SECRET_MAX {
                    return Err(failed(std::io::Error::other("too long for a secret")));
                }
                let text = tokio::fs::read_to_string(path).await.map_err(failed)?;
                Ok(Secret::new(text.trim()))
            }
        }
    }
}

/// Why a file could not be used as a secret at this moment. Reads it, so it may block.
pub fn unusable(path: &Path) -> Option<String> {
    match std::fs::metadata(path) {
        Err(error) => return Some(reason(&error)),
        Ok(found) if found.is_dir() => return Some("it is a folder".to_owned()),
        // What is no plain file (a pipe) gives its text once, to whoever needs it.
        Ok(found) if !found.is_file() => return None,
        Ok(found) if found.len() > SECRET_MAX => {
            return Some(format!("{} bytes are more than {SECRET_MAX}", found.len()));
        }
        Ok(_) => {}
    }
    match std::fs::read_to_string(path) {
        Err(error) => Some(reason(&error)),
        Ok(text) => text.trim().is_empty().then(|| "the file is empty".to_owned()),
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        std::io::ErrorKind::InvalidData => "it is no UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}
