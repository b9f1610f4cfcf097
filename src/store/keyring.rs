//! The keys that are kept outside the database, so that a stolen database gives no code.
//!
//! A file holds them: code keys (several live, for rotation; the newest one that the database knows is used for new codes), one key for
//! cursors, one for digests of requests, and one for the sessions of browsers. The database records the ids of the code keys its rows depend
//! on; a process whose file lacks one of them does not start, for it would answer `CODE_INVALID` to good codes. One that runs while keys are
//! rotated reads its file again before it calls a code unknown; until the file has the new key, it says that it cannot tell. Once there are
//! codes under that key, somebody else can: then it is not ready.

mod file;
mod rotate;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use aes::{
    Aes256,
    cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{XChaCha20Poly1305, XNonce, aead::Aead};
use hmac::{Hmac, Mac};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use sha2::Sha256;
use uuid::Uuid;

use self::file::File;
pub use self::rotate::{KeyUse, end_sessions, rotate, status};
use super::{Db, Error, Transient, Tx, journal::Origin};
use crate::{
    clock,
    entity::{activation_code, code_key},
    id::ActivationCodeId,
};

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
    #[error("cannot write the key file {path}, which is as it was: {cause}")]
    Unwritable { path: PathBuf, cause: std::io::Error },
    #[error("the database failed while its keys were looked up: {0}")]
    Database(#[from] Error),
}

impl Transient for KeyringError {
    fn transient(&self) -> bool {
        matches!(self, Self::Database(error) if error.transient())
    }
}

struct CodeKey {
    id: String,
    hash: Hmac<Sha256>,
    seal: XChaCha20Poly1305,
}

/// The code keys as they are at one moment: newest first, never none.
pub struct CodeKeys(Vec<CodeKey>);

/// The keys of a running process.
pub struct Keyring {
    path: PathBuf,
    codes: RwLock<Arc<CodeKeys>>,
    cursor: Aes256,
    digest: Hmac<Sha256>,
    session: [u8; 32],
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

impl Keyring {
    /// Reads the keys at `path`, or makes them where neither file nor database has any yet, and holds them against the database.
    pub async fn open(db: &Db, path: &Path) -> Result<Self, KeyringError> {
        let used = used_keys(db.reader()).await?;
        let file = found(path, &used)?;
        let used = if used.is_empty() { record(db, &file).await? } else { used };
        let session = match &file.session_key {
            Some(key) => secret(key, path)?,
            None => derive(&secret(&file.cursor_key, path)?, b"claimcheck session"),
        };
        Ok(Self {
            path: path.to_owned(),
            codes: RwLock::new(Arc::new(CodeKeys::of(&file, &used, path)?)),
            cursor: Aes256::new(&secret(&file.cursor_key, path)?.into()),
            digest: mac(&secret(&file.digest_key, path)?),
            session,
        })
    }

    /// The code keys, as they are now.
    pub fn codes(&self) -> Arc<CodeKeys> {
        Arc::clone(&self.codes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again where the database uses a key that this process does not hold; whether it holds more now.
    fn renew(&self, used: &[String]) -> Result<bool, KeyringError> {
        let codes = self.codes();
        if used.iter().all(|id| codes.holds(id)) {
            return Ok(false);
        }
        let codes = Arc::new(CodeKeys::of(&found(&self.path, used)?, used, &self.path)?);
        *self.codes.write().unwrap_or_else(PoisonError::into_inner) = codes;
        Ok(true)
    }

    /// A keyed digest, by which a repeated request is recognised without keeping what it said.
    pub fn digest(&self, request: &[u8]) -> Vec<u8> {
        tag(&self.digest, request).to_vec()
    }

    /// The key of sessions: the same on every node, and no key of anything else.
    pub fn session(&self) -> [u8; 32] {
        self.session
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

impl CodeKeys {
    fn of(file: &File, used: &[String], path: &Path) -> Result<Self, KeyringError> {
        let keys = used.iter().map(|id| {
            let stored = file.code_keys.iter().find(|key| &key.id == id).ok_or_else(|| lacks(path, id))?;
            let secret = secret(&stored.secret, path)?;
            Ok(CodeKey {
                id: id.clone(),
                hash: mac(&derive(&secret, b"claimcheck code hash")),
                seal: XChaCha20Poly1305::new(&derive(&secret, b"claimcheck code seal").into()),
            })
        });
        keys.collect::<Result<_, KeyringError>>().map(Self)
    }

    /// The key for new codes.
    pub fn current(&self) -> &str {
        self.0.first().map_or("", |key| &key.id)
    }

    /// Whether the key called `id` is one of them.
    pub fn holds(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }

    /// The hash that a new code is stored under.
    pub fn hash(&self, code: &[u8]) -> [u8; 32] {
        self.0.first().map(|key| tag(&key.hash, code)).unwrap_or_default()
    }

    /// The hashes that a code may be stored under: one a live key.
    pub fn hashes(&self, code: &[u8]) -> Vec<Vec<u8>> {
        self.0.iter().map(|key| tag(&key.hash, code).to_vec()).collect()
    }

    /// A code, encrypted for the record `id`: to be revealed again within its window. An id seals one code only, so it serves as nonce.
    pub fn seal(&self, id: Uuid, code: &[u8]) -> Option<Vec<u8>> {
        self.0.first().and_then(|key| key.seal.encrypt(&nonce(id), code).ok())
    }

    /// The code sealed for the record `id` under the key `key`. None: the key or the seal is not the right one.
    pub fn unseal(&self, id: Uuid, key: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.iter().find(|held| held.id == key).and_then(|key| key.seal.decrypt(&nonce(id), sealed).ok())
    }
}

impl Db {
    /// Takes up the keys that have come to be used since this process last read its file.
    pub async fn renew_keys(&self) -> Result<(), Error> {
        let used = used_keys(self.reader()).await?;
        self.keyring()?.renew(&used)?;
        Ok(())
    }

    /// Whether this process can tell every code from none: it holds the key of each, by now. A key that nobody has issued under yet is not
    /// missed, for nobody would be better off elsewhere.
    pub async fn knows_all_codes(&self) -> Result<bool, Error> {
        let used = recorded(self.reader()).await?;
        let ids: Vec<String> = used.iter().map(|key| key.id.clone()).collect();
        if let Ok(_) | Err(KeyringError::Database(_)) = self.keyring()?.renew(&ids) {
            return Ok(true);
        }
        let held = self.keyring()?.codes();
        for key in used.iter().filter(|key| !held.holds(&key.id)) {
            if self.has_codes_under(key).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether codes were issued under a key. Ids ascend with time, so only those since the key was made are looked at, and some before, for
    /// clocks differ.
    async fn has_codes_under(&self, key: &code_key::Model) -> Result<bool, Error> {
        let since = u128::try_from((key.created_at - clock::APART).timestamp_millis()).unwrap_or_default();
        let code = activation_code::Entity::find()
            .filter(activation_code::COLUMN.id.gte(ActivationCodeId(Uuid::from_u128(since << 80))))
            .filter(activation_code::COLUMN.key_id.eq(key.id.as_str()));
        Ok(code.one(self.reader()).await?.is_some())
    }
}

impl Tx {
    /// The same before something is called unknown that may be known under another key: a process that holds more keys now has to decide
    /// again.
    pub async fn renew_keys(&self) -> Result<(), Error> {
        let used = used_keys(self.connection().await?).await?;
        if self.keyring()?.renew(&used)? { Err(Error::Conflict("code_keys".to_owned())) } else { Ok(()) }
    }
}

/// The file at `path`, made where neither it nor the database has any key yet.
fn found(path: &Path, used: &[String]) -> Result<File, KeyringError> {
    match (File::read(path)?, used.first()) {
        (Some(file), _) => Ok(file),
        (None, Some(id)) => Err(lacks(path, id)),
        (None, None) => File::create(path),
    }
}

fn lacks(path: &Path, id: &str) -> KeyringError {
    KeyringError::Lacks { path: path.to_owned(), id: id.to_owned() }
}

fn secret(text: &str, path: &Path) -> Result<[u8; 32], KeyringError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    let malformed = || file::malformed(path, "a key is not 32 bytes in base64url");
    bytes.ok_or_else(malformed)
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

/// The ids of the code keys that the database uses, newest first.
async fn used_keys(connection: &impl ConnectionTrait) -> Result<Vec<String>, Error> {
    Ok(recorded(connection).await?.into_iter().map(|key| key.id).collect())
}

async fn recorded(connection: &impl ConnectionTrait) -> Result<Vec<code_key::Model>, Error> {
    Ok(code_key::Entity::find().order_by_desc(code_key::Column::CreatedAt).all(connection).await?)
}

/// Has whoever comes second wait here, and then see what the first has recorded.
async fn lock(tx: &Tx) -> Result<(), Error> {
    tx.execute("UPDATE journal_head SET position = position WHERE id = 1", vec![]).await?;
    Ok(())
}

/// Records the file's keys as the database's, unless another process has recorded its own meanwhile.
async fn record(db: &Db, file: &File) -> Result<Vec<String>, Error> {
    let ids: Vec<String> = file.code_keys.iter().map(|key| key.id.clone()).collect();
    let ids = &ids;
    db.write(&Origin::system("keys"), |tx| async move {
        lock(&tx).await?;
        if code_key::Entity::find().one(tx.connection().await?).await?.is_none() {
            let created_at = tx.now();
            let keys = ids.iter().map(|id| code_key::ActiveModel { id: Set(id.clone()), created_at: Set(created_at) });
            code_key::Entity::insert_many(keys).exec_without_returning(tx.connection().await?).await?;
        }
        Ok::<_, Error>((tx, ()))
    })
    .await?;
    used_keys(db.reader()).await
}
