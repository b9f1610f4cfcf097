//! The system in which something is created: here a directory with a file a record, elsewhere somebody's API.
//!
//! What matters is what it promises: an operation is named by its reference, and the same reference again gives what the first time gave. That
//! is kept even after the record was removed, so that a worker who comes too late does not bring it back.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// Why nothing was created or removed.
#[derive(Debug)]
pub enum Trouble {
    /// It may work another time.
    Passing(String),
    /// It will not work like this.
    Lasting(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Passing(error.to_string())
    }
}

/// A record.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub account: String,
    pub product: String,
    pub removed: bool,
}

pub struct Downstream {
    directory: PathBuf,
    /// How long it takes for whatever it does.
    latency: Duration,
}

impl Downstream {
    pub fn open(directory: &Path, latency: Duration) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), latency })
    }

    /// Creates a record, or finds the one that was created under this reference; answers with its id.
    pub fn create(
        &self,
        reference: &str,
        account: &str,
        product: &str,
        resource: Option<&str>,
    ) -> Result<String, Trouble> {
        sleep(self.latency);
        let path = self.path(reference);
        if let Some(record) = read(&path)? {
            return Ok(record.id);
        }
        match resource {
            Some("no such place") => return Err(Trouble::Lasting("there is no such place".to_owned())),
            Some("busy at first") if self.first_time(reference)? => {
                return Err(Trouble::Passing("busy; try again".to_owned()));
            }
            _ => {}
        }
        let record = Record { id: unique(), account: account.to_owned(), product: product.to_owned(), removed: false };
        let beside = self.write_beside(&record)?;
        // A link is made once, whoever else tries, and is whole.
        let made = fs::hard_link(&beside, &path);
        fs::remove_file(&beside)?;
        match made {
            Ok(()) => Ok(record.id),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                read(&path)?.map(|record| record.id).ok_or_else(|| Trouble::Passing("it was there".to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the record `id`. One that is removed already is removed.
    pub fn remove(&self, id: &str) -> Result<(), Trouble> {
        sleep(self.latency);
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            if let Some(record) = read(&path)?.filter(|record| record.id == id) {
                let beside = self.write_beside(&Record { removed: true, ..record })?;
                fs::rename(beside, path)?;
                return Ok(());
            }
        }
        Err(Trouble::Lasting(format!("there never was a record {id}")))
    }

    fn path(&self, reference: &str) -> PathBuf {
        self.directory.join(format!("{}.json", reference.replace('/', "+")))
    }

    fn write_beside(&self, record: &Record) -> io::Result<PathBuf> {
        let path = self.directory.join(format!("{}.new", unique()));
        let mut file = File::create(&path)?;
        serde_json::to_writer(&mut file, record)?;
        file.flush()?;
        file.sync_all()?;
        Ok(path)
    }

    fn first_time(&self, reference: &str) -> io::Result<bool> {
        let mark = self.path(reference).with_extension("busy");
        match File::create_new(mark) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn read(path: &Path) -> Result<Option<Record>, Trouble> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Trouble::Lasting(error.to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn unique() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("rec-{}-{}", std::process::id(), now.as_nanos())
}
