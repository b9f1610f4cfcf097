//! Cursors: places in the journal, as clients hold them.
//!
//! A cursor is one encrypted block over the database's epoch, a position and 32 bits of the id of the event at that position. It is the
//! same for every reader and every transport, and being encrypted it tells nobody how much the platform does. It is checked by what it
//! holds: another epoch is another database, another event at the position is a database that was set back. What a position holds is not
//! looked up here.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    id::{EventId, RecordId},
    store::Keyring,
};

/// A place in the journal: after one event and before the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    epoch: u32,
    position: i64,
    mark: u32,
}

/// Why a text does not lead to a place in the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// No cursor at all.
    #[error("not a cursor")]
    Invalid,
    /// A cursor that cannot be resumed from: older than what is kept, of another database, or of this one before it was set back.
    #[error("a cursor that cannot be resumed from")]
    Expired {
        /// The oldest cursor that can.
        oldest: String,
    },
}

impl Cursor {
    /// The place before the first event.
    pub fn start(epoch: i64) -> Self {
        Self { epoch: low(epoch), position: 0, mark: 0 }
    }

    /// The place after `event`, which stands at `position`. The epoch is that of the journal's head.
    pub fn of(epoch: i64, position: i64, event: EventId) -> Self {
        Self { epoch: low(epoch), position, mark: mark(event) }
    }

    /// The place after `event` in the same database.
    #[must_use]
    pub fn at(self, position: i64, event: EventId) -> Self {
        Self { position, mark: mark(event), ..self }
    }

    /// The position of the last event before it; zero where there is none.
    pub fn position(self) -> i64 {
        self.position
    }

    /// Whether it was made for this event.
    pub fn marks(self, event: EventId) -> bool {
        self.mark == mark(event)
    }

    /// The text that clients hold: 22 characters of base64url.
    pub fn seal(self, keyring: &Keyring) -> String {
        let mut block = [0; 16];
        let parts =
            self.epoch.to_be_bytes().into_iter().chain(self.position.to_be_bytes()).chain(self.mark.to_be_bytes());
        for (cell, byte) in block.iter_mut().zip(parts) {
            *cell = byte;
        }
        URL_SAFE_NO_PAD.encode(keyring.encrypt_block(block))
    }

    /// Reads a cursor of the database that `start` belongs to; none where it is of another one.
    ///
    /// Invalid: not what [`seal`](Self::seal) writes. That the event at its position is still the one it was made for remains to be seen.
    pub fn open(text: &str, keyring: &Keyring, start: Self) -> Result<Option<Self>, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Invalid)?;
        let block = <[u8; 16]>::try_from(bytes).map_err(|_| CursorError::Invalid)?;
        let block = u128::from_be_bytes(keyring.decrypt_block(block));
        let cursor = Self {
            epoch: u32::try_from(block >> 96).unwrap_or_default(),
            // The upper half of the range was never given out, nor can it be: such a block is somebody's invention.
            position: i64::try_from((block >> 32) & u128::from(u64::MAX)).unwrap_or(-1),
            mark: u32::try_from(block & u128::from(u32::MAX)).unwrap_or_default(),
        };
        let ours = cursor.epoch == start.epoch && (cursor.position > 0 || cursor == start);
        Ok(ours.then_some(cursor))
    }
}

/// The random tail of an event's id, which two events at one position would not share.
fn mark(event: EventId) -> u32 {
    u32::try_from(event.uuid().as_u128() & u128::from(u32::MAX)).unwrap_or_default()
}

/// The 32 bits that an epoch has.
fn low(epoch: i64) -> u32 {
    u32::try_from(epoch & i64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        clock::Clock,
        id::Ids,
        store::{Db, Settings},
    };

    const EPOCH: i64 = 0xfedc_ba98;
    const EVENT: EventId = EventId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_1234_5678));

    /// Keys as a service has them; a directory holds their file and the database that knows them.
    async fn keys() -> (tempfile::TempDir, Db) {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("cursor.db").display());
        let db = Db::open(&url, 1, Clock::default(), Ids::default(), Settings::default()).await.unwrap();
        db.open_keys(&directory.path().join("cursor.keys")).await.unwrap();
        (directory, db)
    }

    #[tokio::test]
    async fn what_was_sealed_opens() {
        let (_directory, db) = keys().await;
        let keyring = db.keyring().unwrap();
        let start = Cursor::start(EPOCH);
        for cursor in [start, start.at(1, EVENT), Cursor::of(EPOCH, i64::MAX, EVENT)] {
            let text = cursor.seal(keyring);
            assert_eq!(text.len(), 22);
            assert_eq!(Cursor::open(&text, keyring, start), Ok(Some(cursor)));
        }
        assert!(start.at(1, EVENT).marks(EVENT));
        assert!(!start.at(1, EventId(Uuid::from_u128(0x1234_5679))).marks(EVENT));
    }

    #[tokio::test]
    async fn what_is_no_cursor_is_invalid() {
        let (_directory, db) = keys().await;
        let keyring = db.keyring().unwrap();
        let good = Cursor::of(EPOCH, 7, EVENT).seal(keyring);
        let head = &good[..21];
        // The last of 22 characters carries two bits: of its 64 values four are written, and the others would be second spellings.
        let last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars();
        let spellings = last.map(|last| format!("{head}{last}"));
        let valid =
            spellings.filter(|text| Cursor::open(text, keyring, Cursor::start(EPOCH)) != Err(CursorError::Invalid));
        assert_eq!(valid.count(), 4);
        for bad in ["", head, &format!("{good}A"), &format!("{good}=="), &format!("{head}+"), &format!("{head}\u{e9}")]
        {
            assert_eq!(Cursor::open(bad, keyring, Cursor::start(EPOCH)), Err(CursorError::Invalid), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_cursor_from_elsewhere_is_none_of_ours() {
        let (_directory, db) = keys().await;
        let keyring = db.keyring().unwrap();
        let start = Cursor::start(EPOCH);
        let invented = Cursor { mark: 1, ..start };
        for cursor in [Cursor::start(EPOCH + 1), Cursor::of(EPOCH + 1, 200, EVENT), invented] {
            assert_eq!(Cursor::open(&cursor.seal(keyring), keyring, start), Ok(None), "{cursor:?}");
        }
        assert_eq!(Cursor::open("AAAAAAAAAAAAAAAAAAAAAA", keyring, start), Ok(None));
    }
}
