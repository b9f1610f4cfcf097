//! Every behaviour, through the real service, on both engines: one binary.

#![expect(clippy::expect_used, reason = "a test that fails should panic")]

mod architecture;
mod assignment;
mod bearer;
mod feed;
mod graph;
mod harness;
mod idempotency;
mod import;
mod machines;
mod purchase;
mod redemption;
mod reservation;

fn main() -> std::process::ExitCode {
    harness::main([
        architecture::tests(),
        assignment::tests(),
        bearer::tests(),
        feed::tests(),
        graph::tests(),
        idempotency::tests(),
        import::tests(),
        machines::tests(),
        purchase::tests(),
        redemption::tests(),
        reservation::tests(),
    ])
}
