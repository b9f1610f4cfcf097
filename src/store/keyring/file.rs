//! The key file: made once, for its owner alone, and changed as a whole or not at all.

#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    path::Path,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::KeyringError;

#[derive(Serialize, Deserialize)]
pub struct File {
    pub cursor_key: String,
    pub digest_key: String,
    /// None in a file that is older than this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
    pub code_keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
pub struct StoredKey {
    pub id: String,
    pub secret: String,
}

impl StoredKey {
    fn random() -> io::Result<Self> {
        let id = format!("ck_{}", URL_SAFE_NO_PAD.encode(random()?.get(..6).unwrap_or_default()));
        Ok(Self { id, secret: secret()? })
    }
}

impl File {
    /// The keys at `path`; none where there is no file yet, or one that nobody has written to.
    pub fn read(path: &Path) -> Result<Option<Self>, KeyringError> {
        let unreadable = |cause| KeyringError::Unreadable { path: path.to_owned(), cause };
        let mut file = match fs::File::open(path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(unreadable(cause)),
        };
        // Whoever is making it has it locked. Where there are no locks, a short file is written in one go.
        let _ = file.lock_shared();
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(unreadable)?;
        if text.is_empty() { Ok(None) } else { Self::parse(path, &text).map(Some) }
    }

    /// Makes new keys, or reads those that another process has made at the same time.
    pub fn create(path: &Path) -> Result<Self, KeyringError> {
        let uncreatable = |cause| KeyringError::Uncreatable { path: path.to_owned(), cause };
        let made = || -> io::Result<(Self, Option<Vec<u8>>)> {
            let file = Self {
                cursor_key: secret()?,
                digest_key: secret()?,
                session_key: Some(secret()?),
                code_keys: vec![StoredKey::random()?],
            };
            let theirs = write_first(path, &file.text()?)?;
            Ok((file, theirs))
        };
        match made().map_err(uncreatable)? {
            (file, None) => Ok(file),
            (_, Some(theirs)) => Self::parse(path, &theirs),
        }
    }

    /// Adds a code key to the file at `path`, and gives its id. One that no row depends on yet is taken as it is: what was left by whoever
    /// did not get to the end.
    pub fn add(self, path: &Path, used: &[String]) -> Result<String, KeyringError> {
        if let Some(unused) = self.code_keys.iter().rev().find(|key| !used.contains(&key.id)) {
            return Ok(unused.id.clone());
        }
        self.change(path, |file| {
            let key = StoredKey::random()?;
            let id = key.id.clone();
            file.code_keys.push(key);
            Ok(id)
        })
    }

    /// Puts another session key into the file at `path`.
    pub fn renew_sessions(self, path: &Path) -> Result<(), KeyringError> {
        self.change(path, |file| {
            file.session_key = Some(secret()?);
            Ok(())
        })
    }

    /// Puts this file, changed, in the place of the one at `path`.
    fn change<T>(mut self, path: &Path, change: impl FnOnce(&mut Self) -> io::Result<T>) -> Result<T, KeyringError> {
        let changed = change(&mut self).and_then(|changed| {
            replace(path, &self.text()?)?;
            Ok(changed)
        });
        changed.map_err(|cause| KeyringError::Unwritable { path: path.to_owned(), cause })
    }

    fn parse(path: &Path, text: &[u8]) -> Result<Self, KeyringError> {
        let file: Self = serde_json::from_slice(text).map_err(|cause| malformed(path, &cause.to_string()))?;
        if file.code_keys.is_empty() { Err(malformed(path, "it has no code key")) } else { Ok(file) }
    }

    fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

pub fn malformed(path: &Path, cause: &str) -> KeyringError {
    KeyringError::Malformed { path: path.to_owned(), cause: cause.to_owned() }
}

fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|cause| io::Error::other(cause.to_string()))?;
    Ok(bytes)
}

/// A new key, as it stands in the file.
fn secret() -> io::Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(random()?))
}

/// Opens a file for writing that its owner alone may read, and makes it where there is none.
fn open_private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write_private(mut file: &fs::File, text: &[u8]) -> io::Result<()> {
    // One that was there before may be open to others.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    file.write_all(text)?;
    file.sync_all()
}

/// Writes the file, and makes sure of it before anything depends on it; what another process has written to it first, if so.
fn write_first(path: &Path, text: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut file = open_private(path)?;
    let _ = file.lock();
    let mut theirs = Vec::new();
    if file.read_to_end(&mut theirs)? > 0 {
        return Ok(Some(theirs));
    }
    write_private(&file, text)?;
    Ok(None)
}

/// Puts another file in the place of the one at `path`, of the same owner. Whatever happens, one of the two is there, and whole.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    // The file itself, and not a link to it.
    let path = path.canonicalize()?;
    let mut beside = path.clone().into_os_string();
    beside.push(".new");
    let file = open_private(beside.as_ref())?;
    file.set_len(0)?;
    #[cfg(unix)]
    {
        let (before, now) = (fs::metadata(&path)?, file.metadata()?);
        if (before.uid(), before.gid()) != (now.uid(), now.gid()) {
            std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
    }
    write_private(&file, text)?;
    fs::rename(beside, &path)?;
    // The name is as lasting as the file once its directory is.
    path.parent().map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all())
}
