//! Who may ask: API tokens, in one small file of the data directory that the daemon and the command line share.
//!
//! A token is shown once, when it is made; kept is its hash. The file is replaced whole (mode 0600), and read again when
//! it has changed, so that a token that is revoked on the command line is refused from then on. The first start makes a
//! token for the role admin in `admin.token`, for whoever may read the data directory.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use botwatch_core::{access::Role, model::Timestamp};
use parking_lot::Mutex;
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
};
use serde::{Deserialize, Serialize};

use super::hex;

/// The accounts' file.
const FILE: &str = "accounts.json";
/// The admin's token.
pub const ADMIN_FILE: &str = "admin.token";
/// What every token begins with.
const PREFIX: &str = "bw_";
/// Random bytes of a token.
const SECRET: usize = 32;
/// Tokens at most.
const TOKENS_MAX: usize = 1000;

/// Why accounts can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The file system.
    #[error("can't use {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Damaged, or of a later version.
    #[error("{path} is not what botwatch wrote: {why}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is one of that name.
    #[error("there is a token called `{0}` already; revoke it first")]
    Taken(String),
    /// A name that can't be.
    #[error("a name needs 1 to 100 visible characters without `:`")]
    Name,
    /// There are too many.
    #[error("there are {TOKENS_MAX} tokens already; revoke some")]
    TooMany,
    /// There is none.
    #[error("there is no token `{0}`")]
    NotFound(String),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its public part.
    pub id: String,
    /// Whose it is, as records name them.
    pub name: Arc<str>,
    /// What it allows.
    pub role: Role,
    /// SHA-256 of the whole token, hexadecimal.
    hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; none: never.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    format: u32,
    tokens: Vec<Token>,
}

/// The format that this code writes.
const FORMAT: u32 = 1;

/// Somebody who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// As records name them.
    pub name: Arc<str>,
    /// What they may do.
    pub role: Role,
}

/// The accounts of a data directory.
pub struct Accounts {
    path: PathBuf,
    /// What was read last, and of which state of the file.
    read: Mutex<(Stamp, Vec<Token>)>,
    admin: Option<String>,
}

type Stamp = Option<(u64, i64, i64, u64)>;

fn stamp(path: &Path) -> Stamp {
    fs::metadata(path).ok().map(|m| (m.ino(), m.mtime(), m.mtime_nsec(), m.size()))
}

impl Accounts {
    /// Of a directory. Nothing is written.
    ///
    /// # Errors
    /// When the file is damaged or can't be read.
    pub fn open(dir: &Path) -> Result<Self, AccountsError> {
        let path = dir.join(FILE);
        let seen = stamp(&path);
        let tokens = load(&path)?;
        Ok(Self { path, read: Mutex::new((seen, tokens)), admin: None })
    }

    /// For the daemon: with the admin's token, made where there is none. A damaged file is set aside, and what can't be
    /// read or written is done without: a watcher that doesn't start watches nothing. What was found is told.
    pub fn start(dir: &Path) -> (Self, Vec<String>) {
        let mut findings = Vec::new();
        let tell = |error: &AccountsError| botwatch_core::diag::chain(error);
        let path = dir.join(ADMIN_FILE);
        let admin = match fs::read_to_string(&path) {
            Ok(text) if text.trim().len() >= SECRET => Ok(text.trim().to_owned()),
            Ok(_) => make_admin(&path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => make_admin(&path),
            Err(cause) => Err(AccountsError::File { path: path.clone(), cause }),
        };
        let admin = admin.map_err(|e| findings.push(format!("there is no admin's token: {}", tell(&e)))).ok();
        let opened = Self::open(dir).or_else(|error| {
            if matches!(error, AccountsError::Damaged { .. }) {
                let path = dir.join(FILE);
                let aside = path.with_extension("json.damaged");
                // When it can't be moved it is tried again at the next start.
                let _ = fs::rename(&path, &aside);
                findings.push(format!(
                    "{}; it was set aside as {}: its tokens are gone",
                    tell(&error),
                    aside.display()
                ));
                return Self::open(dir);
            }
            Err(error)
        });
        let accounts = opened.unwrap_or_else(|error| {
            findings.push(format!("no tokens are known: {}", tell(&error)));
            Self { path: dir.join(FILE), read: Mutex::new((None, Vec::new())), admin: None }
        });
        (Self { admin, ..accounts }, findings)
    }

    /// Who holds a token; none when it is unknown, expired or revoked.
    pub fn holder(&self, token: &str, now: Timestamp) -> Option<Holder> {
        // Hashes are compared, so that the time it takes says nothing of the token.
        let hash = hash(token);
        if self.admin.as_ref().is_some_and(|admin| self::hash(admin) == hash) {
            return Some(Holder { name: "admin".into(), role: Role::Admin });
        }
        self.refresh();
        let read = self.read.lock();
        let found = read.1.iter().find(|t| t.hash == hash)?;
        let valid = found.expires_at.is_none_or(|end| end > now);
        valid.then(|| Holder { name: Arc::clone(&found.name), role: found.role })
    }

    /// All tokens, in the order in which they were made.
    pub fn tokens(&self) -> Vec<Token> {
        self.refresh();
        self.read.lock().1.clone()
    }

    /// Makes a token and answers it: it can't be had again.
    ///
    /// # Errors
    /// [`AccountsError`].
    pub fn create(
        &self,
        name: &str,
        role: Role,
        now: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Result<(Token, String), AccountsError> {
        let fine = |c: char| !c.is_control() && c != ':';
        if name.trim().is_empty() || name.chars().count() > 100 || !name.chars().all(fine) {
            return Err(AccountsError::Name);
        }
        let mut tokens = load(&self.path)?;
        tokens.retain(|t| t.expires_at.is_none_or(|end| end > now));
        if tokens.iter().any(|t| *t.name == *name) || name == "admin" {
            return Err(AccountsError::Taken(name.to_owned()));
        }
        if tokens.len() >= TOKENS_MAX {
            return Err(AccountsError::TooMany);
        }
        let id = hex(&random::<4>()?);
        let text = format!("{PREFIX}{id}_{}", BASE64_URL_SAFE_NO_PAD.encode(random::<SECRET>()?));
        let token = Token { id, name: name.into(), role, hash: hash(&text), created_at: now, expires_at };
        tokens.push(token.clone());
        self.save(tokens)?;
        Ok((token, text))
    }

    /// Takes a token back, by its id or its name.
    ///
    /// # Errors
    /// [`AccountsError`].
    pub fn revoke(&self, which: &str) -> Result<Token, AccountsError> {
        let mut tokens = load(&self.path)?;
        let at = tokens.iter().position(|t| t.id == which || *t.name == *which);
        let revoked = tokens.remove(at.ok_or_else(|| AccountsError::NotFound(which.to_owned()))?);
        self.save(tokens)?;
        Ok(revoked)
    }

    fn refresh(&self) {
        let mut read = self.read.lock();
        let now = stamp(&self.path);
        if now == read.0 {
            return;
        }
        match load(&self.path) {
            Ok(tokens) => *read = (now, tokens),
            // Who was let in stays so until the file can be read; it is told once for each state of the file.
            Err(error) => {
                read.0 = now;
                tracing::error!(error = %botwatch_core::diag::chain(&error), "tokens can't be read; those known stay valid");
            }
        }
    }

    fn save(&self, tokens: Vec<Token>) -> Result<(), AccountsError> {
        let contents = Contents { format: FORMAT, tokens };
        let text = serde_json::to_string_pretty(&contents).expect("texts and numbers only");
        replace(&self.path, &text)?;
        let mut read = self.read.lock();
        *read = (stamp(&self.path), contents.tokens);
        Ok(())
    }
}

fn load(path: &Path) -> Result<Vec<Token>, AccountsError> {
    let damaged = |why: String| AccountsError::Damaged { path: path.to_owned(), why };
    match fs::read_to_string(path) {
        Ok(text) => {
            let contents: Contents = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
            if contents.format > FORMAT {
                return Err(damaged(format!("format {}, and this version reads {FORMAT}", contents.format)));
            }
            Ok(contents.tokens)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(AccountsError::File { path: path.to_owned(), cause }),
    }
}

fn make_admin(path: &Path) -> Result<String, AccountsError> {
    let text = format!("{PREFIX}admin_{}", BASE64_URL_SAFE_NO_PAD.encode(random::<SECRET>()?));
    replace(path, &format!("{text}\n"))?;
    Ok(text)
}

/// Writes a file whole, for its owner only.
fn replace(path: &Path, text: &str) -> Result<(), AccountsError> {
    let failed = |cause| AccountsError::File { path: path.to_owned(), cause };
    let new = path.with_extension("new");
    let written = || {
        let mut file =
            fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().map_err(failed)
}

fn hash(token: &str) -> String {
    hex(digest(&SHA256, token.as_bytes()).as_ref())
}

fn random<const N: usize>() -> Result<[u8; N], AccountsError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AccountsError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn tokens_are_made_shown_once_and_revoked() {
        let dir = tempfile::tempdir().expect("a directory");
        let daemon = Accounts::start(dir.path()).0;
        let cli = Accounts::open(dir.path()).expect("fresh");
        let (token, text) = cli.create("ci", Role::Operator, NOW, None).expect("made");
        assert!(text.starts_with(&format!("bw_{}_", token.id)) && text.len() > 50);
        let holder = daemon.holder(&text, NOW).expect("known at once");
        assert_eq!((&*holder.name, holder.role), ("ci", Role::Operator));
        let kept = fs::read_to_string(dir.path().join(FILE)).expect("a file");
        assert!(!kept.contains(&text) && !kept.contains(text.rsplit('_').next().expect("a part")));
        let mode =
            |name: &str| fs::metadata(dir.path().join(name)).expect("a file").permissions().mode() & 0o777;
        assert_eq!((mode(FILE), mode(ADMIN_FILE)), (0o600, 0o600));
        for wrong in ["", "bw_", "admin", &text[..text.len() - 1], &text.to_uppercase(), &format!("{text}x")]
        {
            assert_eq!(daemon.holder(wrong, NOW), None, "{wrong:?}");
        }
        assert!(matches!(cli.create("ci", Role::Viewer, NOW, None), Err(AccountsError::Taken(_))));
        assert!(matches!(cli.create("admin", Role::Viewer, NOW, None), Err(AccountsError::Taken(_))));
        assert!(matches!(cli.create("a:b", Role::Viewer, NOW, None), Err(AccountsError::Name)));
        cli.revoke("ci").expect("there");
        assert_eq!(daemon.holder(&text, NOW), None, "refused from then on");
        assert!(matches!(cli.revoke("ci"), Err(AccountsError::NotFound(_))));
    }

    #[test]
    fn tokens_expire_and_make_room() {
        let dir = tempfile::tempdir().expect("a directory");
        let accounts = Accounts::open(dir.path()).expect("fresh");
        let end = Timestamp(NOW.0 + 1000);
        let (_, text) = accounts.create("short", Role::Viewer, NOW, Some(end)).expect("made");
        assert!(accounts.holder(&text, NOW).is_some());
        assert_eq!(accounts.holder(&text, end), None);
        accounts.create("short", Role::Viewer, end, None).expect("the name is free again");
    }

    #[test]
    fn the_admins_token_is_kept_and_damage_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = Accounts::start(dir.path()).0.admin;
        let again = Accounts::start(dir.path()).0;
        assert_eq!(again.admin, first);
        let admin = first.expect("made");
        assert_eq!(again.holder(&admin, NOW).map(|h| h.role), Some(Role::Admin));
        assert_eq!(Accounts::open(dir.path()).expect("there").holder(&admin, NOW), None);
        fs::write(dir.path().join(FILE), "{").expect("written");
        assert!(matches!(Accounts::open(dir.path()), Err(AccountsError::Damaged { .. })));
        assert!(again.holder(&admin, NOW).is_some(), "what runs goes on");
        let (anew, findings) = Accounts::start(dir.path());
        assert!(findings[0].contains("set aside") && anew.tokens().is_empty(), "{findings:?}");
        assert!(anew.holder(&admin, NOW).is_some() && dir.path().join("accounts.json.damaged").exists());
    }
}
