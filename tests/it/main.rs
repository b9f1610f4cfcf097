//! Every behaviour, through the real service, on both engines: one binary.

#![expect(clippy::expect_used, reason = "a test that fails should panic")]

mod access;
mod architecture;
mod assignment;
mod bearer;
mod catalog;
mod command_line;
mod feed;
mod graph;
mod harness;
mod idempotency;
mod import;
mod input;
mod keys;
mod machines;
mod migrations;
mod paging;
mod purchase;
mod redemption;
mod refusal;
mod reservation;
mod schema;
mod subscription;
mod support;
mod verify;

fn main() -> std::process::ExitCode {
    harness::main([
        architecture::tests(),
        subscription::tests(),
        schema::tests(),
        input::tests(),
        access::tests(),
        assignment::tests(),
        bearer::tests(),
        feed::tests(),
        graph::tests(),
        paging::tests(),
        idempotency::tests(),
        import::tests(),
        machines::tests(),
        purchase::tests(),
        redemption::tests(),
        refusal::tests(),
        reservation::tests(),
        support::tests(),
        command_line::tests(),
        verify::tests(),
        migrations::tests(),
        keys::tests(),
        catalog::tests(),
    ])
}
