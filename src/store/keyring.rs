//! The keys that are kept outside the database, so that a stolen database gives no code.
//!
//! A file holds them: code keys (several live, for rotation; the newest one that the database knows is used for new codes), one key for
//! cursors and one for digests of requests. The database records the ids of the code keys its rows depend on; a process whose file lacks
//! one of them does not start, for it would answer `CODE_INVALID` to good codes.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use aes::{
    Aes256,
    cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{XChaCha20Poly1305, XNonce, aead::Aead};
use hmac::{Hmac, Mac};
use sea_orm::{ActiveValue::Set, EntityTrait, QueryOrder};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use super::{Db, Error, journal::Origin};
use crate::entity::code_key;

/// Bytes of a sealed code: the code and the tag of the seal.
pub const SEALED: usize = 25 + 16;

/// Why the keys cannot be used: one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("cannot read the key file {path}: {cause}")]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("cannot create the key file {path}: {cause}")]
    Uncreatable { path: PathBuf, cause: std::io::Error },
    #[error("{path} is not a key file of claimcheck: {cause}")]
    Malformed { path: PathBuf, cause: String },
    #[error(
        "the database uses the code key {id}, which {path} does not hold: set CLAIMCHECK_KEYS to the file that this database was used with"
    )]
    Lacks { path: PathBuf, id: String },
    #[error("the database failed while its keys were looked up: {0}")]
    Database(#[from] Error),
}

#[derive(Serialize, Deserialize)]
struct File {
    cursor_key: String,
    digest_key: String,
    code_keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    id: String,
    secret: String,
}

struct CodeKey {
    id: String,
    hash: Hmac<Sha256>,
    seal: XChaCha20Poly1305,
}

/// The keys of a running process.
pub struct Keyring {
    /// Newest first; never empty.
    codes: Vec<CodeKey>,
    cursor: Aes256,
    digest: Hmac<Sha256>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

impl Keyring {
    /// Reads the keys at `path`, or makes them where neither file nor database has any yet, and holds them against the database.
    pub async fn open(db: &Db, path: &Path) -> Result<Self, KeyringError> {
        let used = used_keys(db).await?;
        let file = match (read(path)?, used.first()) {
            (Some(file), _) => file,
            (None, Some(id)) => return Err(KeyringError::Lacks { path: path.to_owned(), id: id.clone() }),
            (None, None) => create(path)?,
        };
        let used = if used.is_empty() { record(db, &file).await? } else { used };
        Self::from_file(&file, &used, path)
    }

    fn from_file(file: &File, used: &[String], path: &Path) -> Result<Self, KeyringError> {
        let secret = |text: &str| -> Result<[u8; 32], KeyringError> {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or_else(|| KeyringError::Malformed {
                path: path.to_owned(),
                cause: "a key is not 32 bytes in base64url".to_owned(),
            })
        };
        let codes = used.iter().map(|id| {
            let stored = file.code_keys.iter().find(|key| &key.id == id);
            let stored = stored.ok_or_else(|| KeyringError::Lacks { path: path.to_owned(), id: id.clone() })?;
            let secret = secret(&stored.secret)?;
            Ok(CodeKey {
                id: id.clone(),
                hash: mac(&derive(&secret, b"claimcheck code hash")),
                seal: XChaCha20Poly1305::new(&derive(&secret, b"claimcheck code seal").into()),
            })
        });
        Ok(Self {
            codes: codes.collect::<Result<_, KeyringError>>()?,
            cursor: Aes256::new(&secret(&file.cursor_key)?.into()),
            digest: mac(&secret(&file.digest_key)?),
        })
    }

    /// The key for new codes.
    pub fn current(&self) -> &str {
        self.codes.first().map_or("", |key| &key.id)
    }

    /// The hash that a new code is stored under.
    pub fn hash(&self, code: &[u8]) -> [u8; 32] {
        self.codes.first().map(|key| tag(&key.hash, code)).unwrap_or_default()
    }

    /// The hashes that a code may be stored under: one a live key.
    pub fn hashes(&self, code: &[u8]) -> Vec<Vec<u8>> {
        self.codes.iter().map(|key| tag(&key.hash, code).to_vec()).collect()
    }

    /// A code, encrypted for the record `id`: to be revealed again within its window. An id seals one code only, so it serves as nonce.
    pub fn seal(&self, id: Uuid, code: &[u8]) -> Option<Vec<u8>> {
        self.codes.first().and_then(|key| key.seal.encrypt(&nonce(id), code).ok())
    }

    /// The code sealed for the record `id` under the key `key`. None: the key or the seal is not the right one.
    pub fn unseal(&self, id: Uuid, key: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        self.codes.iter().find(|held| held.id == key).and_then(|key| key.seal.decrypt(&nonce(id), sealed).ok())
    }

    /// A keyed digest, by which a repeated request is recognised without keeping what it said.
    pub fn digest(&self, request: &[u8]) -> Vec<u8> {
        tag(&self.digest, request).to_vec()
    }

    /// One block, encrypted: how a cursor is written.
    pub fn encrypt_block(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        self.cursor.encrypt_block(&mut block);
        block.into()
    }

    /// One block, decrypted.
    pub fn decrypt_block(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        self.cursor.decrypt_block(&mut block);
        block.into()
    }
}

fn nonce(id: Uuid) -> XNonce {
    let mut nonce = [0; 24];
    for (cell, byte) in nonce.iter_mut().zip(id.into_bytes()) {
        *cell = byte;
    }
    nonce.into()
}

fn mac(secret: &[u8; 32]) -> Hmac<Sha256> {
    use hmac::KeyInit as _;
    // Zeros up to the block size: what HMAC does with a shorter key.
    let mut block = [0; 64];
    for (cell, byte) in block.iter_mut().zip(secret) {
        *cell = *byte;
    }
    Hmac::new(&block.into())
}

fn tag(mac: &Hmac<Sha256>, message: &[u8]) -> [u8; 32] {
    mac.clone().chain_update(message).finalize().into_bytes().into()
}

fn derive(secret: &[u8; 32], purpose: &[u8]) -> [u8; 32] {
    tag(&mac(secret), purpose)
}

async fn used_keys(db: &Db) -> Result<Vec<String>, Error> {
    let keys = code_key::Entity::find().order_by_desc(code_key::Column::CreatedAt).all(db.reader()).await?;
    Ok(keys.into_iter().map(|key| key.id).collect())
}

/// Records the file's keys as the database's, unless another process has recorded its own meanwhile.
async fn record(db: &Db, file: &File) -> Result<Vec<String>, Error> {
    let ids: Vec<String> = file.code_keys.iter().map(|key| key.id.clone()).collect();
    let ids = &ids;
    db.write(&Origin::system("keys"), |tx| async move {
        // Whoever comes second waits here, and then sees what the first has recorded.
        tx.execute("UPDATE journal_head SET position = position WHERE id = 1", vec![]).await?;
        if code_key::Entity::find().one(tx.connection().await?).await?.is_none() {
            let created_at = tx.now();
            let keys = ids.iter().map(|id| code_key::ActiveModel { id: Set(id.clone()), created_at: Set(created_at) });
            code_key::Entity::insert_many(keys).exec_without_returning(tx.connection().await?).await?;
        }
        Ok::<_, Error>((tx, ()))
    })
    .await?;
    used_keys(db).await
}

/// The keys at `path`; none where there is no file yet, or one that nobody has written to.
fn read(path: &Path) -> Result<Option<File>, KeyringError> {
    let unreadable = |cause| KeyringError::Unreadable { path: path.to_owned(), cause };
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(unreadable(cause)),
    };
    // Whoever is writing it has it locked. Where there are no locks, a short file is written in one go.
    let _ = file.lock_shared();
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(unreadable)?;
    if text.is_empty() { Ok(None) } else { parse(path, &text).map(Some) }
}

fn parse(path: &Path, text: &[u8]) -> Result<File, KeyringError> {
    let malformed = |cause: String| KeyringError::Malformed { path: path.to_owned(), cause };
    let file: File = serde_json::from_slice(text).map_err(|cause| malformed(cause.to_string()))?;
    if file.code_keys.is_empty() { Err(malformed("it has no code key".to_owned())) } else { Ok(file) }
}

/// Makes new keys, or reads those that another process has made at the same time.
fn create(path: &Path) -> Result<File, KeyringError> {
    let uncreatable = |cause| KeyringError::Uncreatable { path: path.to_owned(), cause };
    let random = || -> Result<[u8; 32], KeyringError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|cause| uncreatable(std::io::Error::other(cause.to_string())))?;
        Ok(bytes)
    };
    let name = format!("ck_{}", URL_SAFE_NO_PAD.encode(random()?.get(..6).unwrap_or_default()));
    let file = File {
        cursor_key: URL_SAFE_NO_PAD.encode(random()?),
        digest_key: URL_SAFE_NO_PAD.encode(random()?),
        code_keys: vec![StoredKey { id: name, secret: URL_SAFE_NO_PAD.encode(random()?) }],
    };
    let mut text = serde_json::to_vec_pretty(&file).map_err(|cause| uncreatable(cause.into()))?;
    text.push(b'\n');
    match write_private(path, &text).map_err(uncreatable)? {
        None => Ok(file),
        Some(theirs) => parse(path, &theirs),
    }
}

/// Writes a new file that its owner alone may read, and makes sure of it before anything depends on it; what another process has written
/// to it first, if so.
fn write_private(path: &Path, text: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let _ = file.lock();
    let mut theirs = Vec::new();
    if file.read_to_end(&mut theirs)? > 0 {
        return Ok(Some(theirs));
    }
    // One that was there, empty, may be open to others.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    file.write_all(text)?;
    file.sync_all()?;
    Ok(None)
}
