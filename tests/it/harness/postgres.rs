//! A PostgreSQL server for the tests: the one that `TEST_DATABASE_URL` names, else a throw-away cluster from the installed programs.
//!
//! The cluster is started by the first test that needs it and shared by every process of a run, for some runners give each test a process
//! of its own. Every process that uses it holds a shared lock on a file, which the kernel frees however the process ends. A copy of this
//! program waits for that lock and stops the server a few seconds after its last user. The server listens on a socket in its own directory
//! only: no port to collide on, and no way in for other users of the machine. It has no durability to speak of.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    os::unix::{fs::MetadataExt as _, net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{LazyLock, OnceLock},
    thread,
    time::Duration,
};

use super::variable;

mod programs;

use programs::Programs;

const WATCH: &str = "--watch-postgres";
/// How long the server outlives its last user: where each test has a process of its own, the next one will want it.
const LINGER: Duration = Duration::from_secs(3);
const SETTINGS: &str = "
listen_addresses = ''
max_connections = 300
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
";

static SERVER: LazyLock<Result<reqwest::Url, String>> = LazyLock::new(|| {
    let url = match variable("TEST_DATABASE_URL") {
        Some(url) => url,
        None => share_cluster()?,
    };
    url.parse().map_err(|error| format!("{url}: {error}"))
});

/// Why there can be no server here, if so.
pub fn absence() -> Option<String> {
    if variable("TEST_DATABASE_URL").is_some() {
        return None;
    }
    programs::found().as_ref().err().cloned()
}

/// Whether tests must not be left out for want of a server.
pub fn required() -> bool {
    variable("REQUIRE_POSTGRES").is_some_and(|value| value != "0")
}

/// The URL of the database `name` on the server, which is started if need be.
pub fn url(name: &str) -> String {
    let mut url = SERVER.clone().unwrap_or_else(|reason| panic!("no PostgreSQL server: {reason}"));
    url.set_path(name);
    url.into()
}

/// How the server copies a database quickest. A copy of files takes a checkpoint, which costs nothing where nothing is durable.
pub fn copying() -> &'static str {
    if variable("TEST_DATABASE_URL").is_some() { "WAL_LOG" } else { "FILE_COPY" }
}

/// What the names of this program's databases begin with, for checkouts may share a server.
pub fn prefix() -> String {
    let mut hasher = DefaultHasher::new();
    this_program().hash(&mut hasher);
    format!("claimcheck_it_{:08x}", hasher.finish() & 0xffff_ffff)
}

/// A mark that changes whenever this program is built anew.
pub fn build() -> String {
    let file = fs::metadata(this_program()).expect("this program's file");
    format!("{}.{}.{}", file.mtime(), file.mtime_nsec(), file.len())
}

/// Fills the empty database `to` with a dump of `from`. None where there are no programs for that.
pub fn copy(from: &str, to: &str) -> Option<()> {
    let programs = programs::found().as_ref().ok()?;
    let home = tempfile::tempdir().expect("a directory");
    programs::hand_over(home.path()).expect("its owner");
    let dumped = programs.run("pg_dump", home.path(), |pg_dump| {
        pg_dump.args(["--format=custom", "--file=dump", "--dbname"]).arg(url(from));
    });
    dumped.expect("a dump");
    let restored = programs.run("pg_restore", home.path(), |pg_restore| {
        pg_restore.args(["--exit-on-error", "--dbname"]).arg(url(to)).arg("dump");
    });
    restored.expect("what was dumped");
    Some(())
}

fn this_program() -> PathBuf {
    std::env::current_exe().expect("this program's path")
}

/// Where the processes of a run meet: the server's directory in a file, and two locks.
struct Meeting {
    /// Held to start or stop the server.
    change: File,
    /// Held, shared, while the server is in use.
    usage: File,
    /// Names the server's directory.
    home: PathBuf,
}

impl Meeting {
    fn open() -> std::io::Result<Self> {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(directory)?;
        let lock = |name: &str| File::options().create(true).truncate(false).write(true).open(directory.join(name));
        Ok(Self {
            change: lock("postgres.change")?,
            usage: lock("postgres.usage")?,
            home: directory.join("postgres.home"),
        })
    }

    fn server(&self) -> Option<PathBuf> {
        fs::read_to_string(&self.home).ok().map(PathBuf::from)
    }
}

/// This process's lock on the server's usage, until the process ends.
static USAGE: OnceLock<File> = OnceLock::new();

fn share_cluster() -> Result<String, String> {
    let programs = programs::found().as_ref().map_err(Clone::clone)?;
    let home = join(programs).map_err(|error| error.to_string())?;
    Ok(format!("postgres://claimcheck@localhost/postgres?host={}", home.display()))
}

fn join(programs: &Programs) -> std::io::Result<PathBuf> {
    let meeting = Meeting::open()?;
    meeting.change.lock()?;
    meeting.usage.lock_shared()?;
    let running = meeting.server().filter(|home| UnixStream::connect(home.join(".s.PGSQL.5432")).is_ok());
    let home = match running {
        Some(home) => home,
        None => start(programs, &meeting)?,
    };
    meeting.change.unlock()?;
    let _held = USAGE.set(meeting.usage);
    Ok(home)
}

fn start(programs: &Programs, meeting: &Meeting) -> std::io::Result<PathBuf> {
    let home = tempfile::Builder::new().prefix("claimcheck-it-").tempdir()?.keep();
    programs::hand_over(&home)?;
    fs::write(&meeting.home, home.as_os_str().as_encoded_bytes())?;
    Command::new(this_program())
        .args([WATCH.as_ref(), home.as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0) // An interrupt at the terminal is for the tests; the watcher must see to what they leave behind.
        .spawn()?;
    create(programs, &home, SETTINGS)?;
    run_server(programs, &home)?;
    Ok(home)
}

/// Makes a cluster in `home`, whose server listens there.
fn create(programs: &Programs, home: &Path, settings: &str) -> std::io::Result<()> {
    let data = home.join("data");
    programs.run("initdb", home, |initdb| {
        initdb
            .args(["--username=claimcheck", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
            .arg(&data);
    })?;
    let file = data.join("postgresql.conf");
    let defaults = fs::read_to_string(&file)?;
    fs::write(&file, format!("{defaults}{settings}unix_socket_directories = '{}'\n", home.display()))
}

/// Starts the server of the cluster in `home`, and waits until it takes connections.
fn run_server(programs: &Programs, home: &Path) -> std::io::Result<()> {
    let log = home.join("log");
    programs
        .run("pg_ctl", home, |pg_ctl| {
            pg_ctl.args(["start", "--wait", "--silent", "--pgdata"]).arg(home.join("data")).arg("--log").arg(&log);
        })
        .map_err(|error| std::io::Error::other(format!("{error}\n{}", fs::read_to_string(&log).unwrap_or_default())))
}

/// A server of one test's own, which it may kill: what it has committed is on the disk.
pub struct Cluster(tempfile::TempDir);

impl Cluster {
    /// None where there are no programs for one.
    pub fn start() -> Option<Self> {
        let programs = programs::found().as_ref().ok()?;
        let home = tempfile::Builder::new().prefix("claimcheck-it-").tempdir().expect("a directory");
        programs::hand_over(home.path()).expect("its owner");
        create(programs, home.path(), "listen_addresses = ''\n").expect("a cluster");
        run_server(programs, home.path()).expect("a server");
        Some(Self(home))
    }

    /// Its one database.
    pub fn url(&self) -> String {
        format!("postgres://claimcheck@localhost/postgres?host={}", self.0.path().display())
    }

    /// Ends all of its processes without a word, and starts it anew.
    pub fn kill_and_start(&mut self) {
        self.kill();
        let programs = programs::found().as_ref().expect("the programs");
        // Its children end when they find it gone; until then there can be no other.
        let started = (0..50).any(|_| {
            let started = run_server(programs, self.0.path());
            started.is_ok() || {
                thread::sleep(Duration::from_millis(200));
                false
            }
        });
        assert!(started, "the server starts again");
    }

    fn kill(&self) {
        let file = fs::read_to_string(self.0.path().join("data/postmaster.pid")).unwrap_or_default();
        if let Some(id) = file.lines().next() {
            let _ = Command::new("kill").args(["-KILL", id]).status();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Stops the server in `home` unless somebody uses it; says whether it is gone.
fn stop_if_unused(meeting: &Meeting, home: &Path) -> bool {
    if meeting.change.lock().is_err() || meeting.usage.try_lock().is_err() {
        let _still_used = meeting.change.unlock();
        return false;
    }
    if let Ok(programs) = programs::found() {
        let _stopped_before = programs.run("pg_ctl", home, |pg_ctl| {
            pg_ctl.args(["stop", "--mode=immediate", "--silent", "--pgdata"]).arg(home.join("data"));
        });
    }
    let _gone_before = fs::remove_dir_all(home);
    if meeting.server().as_deref() == Some(home) {
        let _gone_before = fs::remove_file(&meeting.home);
    }
    true
}

/// Whether this process was started to watch over the server; returns when that is done.
pub fn was_asked_to_watch() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != WATCH) {
        return false;
    }
    let home = PathBuf::from(arguments.next().expect("the server's directory"));
    while home.exists() {
        let meeting = Meeting::open().expect("the meeting place");
        meeting.usage.lock().expect("a lock"); // Comes when the last user has gone.
        meeting.usage.unlock().expect("a lock");
        thread::sleep(LINGER);
        if stop_if_unused(&meeting, &home) {
            break;
        }
    }
    true
}
