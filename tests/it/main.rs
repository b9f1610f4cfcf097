//! Every behaviour, through the real service, on both engines: one binary.

#![expect(clippy::expect_used, reason = "a test that fails should panic")]

mod architecture;
mod feed;
mod harness;

fn main() -> std::process::ExitCode {
    harness::main([architecture::tests(), feed::tests()])
}
