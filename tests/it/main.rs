//! Every behaviour, through the real service, on both engines: one binary.

#![expect(clippy::expect_used, reason = "a test that fails should panic")]

mod access;
mod architecture;
mod assignment;
mod bearer;
mod catalog;
mod command_line;
mod exception;
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
mod provisioning;
mod purchase;
mod redemption;
mod reservation;
mod schema;
mod subscription;
mod support;
mod sweep;
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
        exception::tests(),
        feed::tests(),
        graph::tests(),
        paging::tests(),
        idempotency::tests(),
        import::tests(),
        machines::tests(),
        provisioning::tests(),
        purchase::tests(),
        redemption::tests(),
        reservation::tests(),
        support::tests(),
        sweep::tests(),
        command_line::tests(),
        verify::tests(),
        migrations::tests(),
        keys::tests(),
        catalog::tests(),
    ])
}
