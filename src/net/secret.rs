//! Secrets as configured: in place, or in a file.

use std::path::PathBuf;

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
