//! The installed PostgreSQL server programs: where they are, and under which user they run.
//!
//! The newest installation of version 15 or later is taken. The programs refuse to run as root, so under root they run as `postgres`, or
//! `nobody` where there is no such user.

use std::{
    env, fs,
    io::{Error, Result},
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

const OLDEST: u32 = 15;

/// Directories that distributions use without adding them to the path; `*` stands for one directory's name.
const KNOWN: [&str; 5] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// A directory with the programs of one installation.
pub struct Programs(PathBuf);

/// The newest usable installation, or why there is none.
pub fn found() -> &'static std::result::Result<Programs, String> {
    static FOUND: LazyLock<std::result::Result<Programs, String>> = LazyLock::new(find);
    &FOUND
}

fn find() -> std::result::Result<Programs, String> {
    let mut versions: Vec<(u32, PathBuf)> =
        candidates().into_iter().filter_map(|bin| Some((version(&bin)?, bin))).collect();
    versions.sort();
    match versions.pop() {
        Some((version, bin)) if version >= OLDEST => Ok(Programs(bin)),
        Some((version, _)) => Err(format!("PostgreSQL {version} is older than {OLDEST}")),
        None => Err("no PostgreSQL server programs found".to_owned()),
    }
}

fn candidates() -> Vec<PathBuf> {
    let configured = output(Command::new("pg_config").arg("--bindir")).map(PathBuf::from);
    let path = super::variable("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = env::split_paths(&path)
        .filter_map(|bin| bin.join("postgres").canonicalize().ok()?.parent().map(Path::to_owned))
        .collect();
    let known = KNOWN.iter().flat_map(|pattern| matching(pattern));
    let mut all: Vec<PathBuf> = configured.into_iter().chain(on_path).chain(known).collect();
    all.retain(|bin| ["postgres", "initdb", "pg_ctl"].iter().all(|program| bin.join(program).is_file()));
    all.sort();
    all.dedup();
    all
}

fn matching(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return Vec::new() };
    let Some((parent, start)) = before.rsplit_once('/') else { return Vec::new() };
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
    named.map(|entry| PathBuf::from(format!("{}{after}", entry.path().display()))).collect()
}

/// The major version, from a line like `postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)`.
fn version(bin: &Path) -> Option<u32> {
    let line = output(Command::new(bin.join("postgres")).arg("--version"))?;
    let number = line.split_once(") ")?.1;
    number.split(|symbol: char| !symbol.is_ascii_digit()).next()?.parse().ok()
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}

/// Gives `directory`, which we made, to the user that the programs may run as.
pub fn hand_over(directory: &Path) -> Result<()> {
    if directory.metadata()?.uid() != 0 {
        return Ok(());
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let (user, group) = ["postgres", "nobody"]
        .iter()
        .find_map(|name| numbers(&users, name))
        .ok_or_else(|| Error::other("PostgreSQL does not run as root, and there is no user postgres or nobody"))?;
    chown(directory, Some(user), Some(group))
}

/// The numbers of a user and its group, from lines like `postgres:x:105:112:…`.
fn numbers(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.split(':').skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

impl Programs {
    /// Runs a program to its end in `directory`, as that directory's owner; an error tells what the program said.
    pub fn run(&self, program: &str, directory: &Path, arguments: impl FnOnce(&mut Command)) -> Result<()> {
        let mut command = Command::new(self.0.join(program));
        arguments(&mut command);
        // Into a file, not a pipe: a server keeps what it inherits open, and the reader of a pipe would wait for it.
        let said = directory.join(format!("{program}.out"));
        let out = fs::File::create(&said)?;
        command.current_dir(directory).env("LC_ALL", "C").stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let owner = directory.metadata()?;
        if owner.uid() != tempfile::tempfile()?.metadata()?.uid() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let status = command.status()?;
        if status.success() {
            return Ok(());
        }
        Err(Error::other(format!("{program} failed ({status}): {}", fs::read_to_string(&said).unwrap_or_default())))
    }
}
