//! The program itself, as anybody runs it from a shell: for tests of the command line.
//!
//! Its environment holds what a test sets and nothing else, but for a request for backtraces: none may come. It is stopped by signals, and
//! whatever still runs when the test lets go of it is killed.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    thread::{self, JoinHandle},
};

use super::Database;

/// The program with its settings.
#[derive(Clone)]
pub struct Program {
    settings: BTreeMap<String, String>,
    directory: PathBuf,
}

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The program while it runs.
pub struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// Reads its standard error as it comes, for a pipe holds only so much. None where the test has that.
    errors: Option<JoinHandle<String>>,
}

impl Program {
    /// The program over `database`, with the keys that the harness' services have, in the database's directory.
    pub fn over(database: &Database) -> Self {
        let keys = database.directory().join("claimcheck.keys");
        let program = Self { settings: BTreeMap::new(), directory: database.directory().to_owned() };
        let program = program.set("DATABASE_URL", database.url()).set("CLAIMCHECK_KEYS", &keys.to_string_lossy());
        program.set("CLAIMCHECK_LISTEN", "127.0.0.1:0").set("RUST_BACKTRACE", "1")
    }

    /// The same with one setting more, or another one.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same without a setting.
    pub fn unset(mut self, name: &str) -> Self {
        self.settings.remove(name);
        self
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs a command to its end whose output nobody reads.
    pub fn run_unheard(&self, arguments: &[&str]) -> Ran {
        let mut child = self.command(arguments).spawn().expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("its end");
        let stderr = String::from_utf8(output.stderr).expect("text");
        Ran { code: output.status.code(), stdout: String::new(), stderr }
    }

    /// Starts a command and lets it run.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut running = self.start_into(arguments, Stdio::piped());
        let mut errors = running.child.stderr.take().expect("its errors");
        running.errors = Some(thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).expect("text");
            text
        }));
        running
    }

    /// Starts a command whose standard error goes where the test says.
    pub fn start_into(&self, arguments: &[&str], errors: Stdio) -> Running {
        let mut child = self.command(arguments).stderr(errors).spawn().expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("its output"));
        Running { child, lines, errors: None }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claimcheck"));
        command.args(arguments).env_clear().envs(&self.settings).current_dir(&self.directory);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Ran {
    /// What was answered by a run that went well, which says nothing else.
    #[track_caller]
    pub fn answer(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self.stdout
    }

    /// The one line that a run which failed with exit code `code` has left on standard error.
    #[track_caller]
    pub fn refusal(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        let line = self.stderr.strip_suffix('\n').and_then(|line| line.strip_prefix("claimcheck: "));
        let line = line.filter(|line| !line.contains('\n') && !line.contains("a defect"));
        line.unwrap_or_else(|| panic!("not one line that says what is wrong: {:?}", self.stderr))
    }
}

impl Running {
    /// The next line of its output, without its end.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Where it listens, as its first line says.
    pub fn address(&mut self) -> std::net::SocketAddr {
        let line = self.line();
        let address = line.strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        address.unwrap_or_else(|| panic!("no address: {line:?} {}", self.ended().stderr))
    }

    /// Where its metrics are, as its second line says.
    pub fn metrics_address(&mut self) -> std::net::SocketAddr {
        let line = self.line();
        let address = line.strip_prefix("metrics at http://").and_then(|line| line.strip_suffix("/metrics"));
        address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no address: {line:?}"))
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as a service manager would, and waits until it has.
    pub fn terminate(&mut self) -> Ran {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("a signal");
        self.ended()
    }

    /// Ends it without a word, wherever it is.
    pub fn kill(&mut self) -> Ran {
        self.child.kill().expect("a signal");
        self.ended()
    }

    /// Waits until it has ended.
    pub fn ended(&mut self) -> Ran {
        let mut stdout = String::new();
        self.lines.read_to_string(&mut stdout).expect("its output");
        let stderr = self.errors.take().map(|errors| errors.join().expect("its errors")).unwrap_or_default();
        Ran { code: self.child.wait().expect("its end").code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
