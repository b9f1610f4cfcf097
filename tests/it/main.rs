//! Every behaviour, through the real service, on both engines: one binary.

#![expect(clippy::expect_used, reason = "a test that fails should panic")]

mod access;
mod action;
mod architecture;
mod assignment;
mod backup;
mod bearer;
mod browser;
mod cancel;
mod catalog;
mod codes;
mod command_line;
mod console;
mod contest;
mod deploy;
mod endurance;
mod exception;
mod extend;
mod feed;
mod graph;
mod harness;
mod idempotency;
mod import;
mod input;
mod keys;
mod limit;
mod machines;
mod metrics;
mod migrations;
mod paging;
mod provisioning;
mod purchase;
mod reader;
mod reason;
mod redemption;
mod refusal;
mod reissue;
mod release;
mod reservation;
mod revoke;
mod schema;
mod spans;
mod subscription;
mod support;
mod suspend;
mod sweep;
mod together;
mod transfer;
mod verify;

fn main() -> std::process::ExitCode {
    harness::main([
        architecture::tests(),
        subscription::tests(),
        schema::tests(),
        input::tests(),
        access::tests(),
        action::tests(),
        assignment::tests(),
        backup::tests(),
        bearer::tests(),
        browser::tests(),
        limit::tests(),
        cancel::tests(),
        codes::tests(),
        contest::tests(),
        deploy::tests(),
        endurance::tests(),
        extend::tests(),
        reader::tests(),
        reason::tests(),
        refusal::tests(),
        reissue::tests(),
        release::tests(),
        revoke::tests(),
        suspend::tests(),
        together::tests(),
        transfer::tests(),
        exception::tests(),
        feed::tests(),
        graph::tests(),
        paging::tests(),
        idempotency::tests(),
        import::tests(),
        machines::tests(),
        metrics::tests(),
        provisioning::tests(),
        purchase::tests(),
        redemption::tests(),
        reservation::tests(),
        spans::tests(),
        support::tests(),
        sweep::tests(),
        command_line::tests(),
        console::tests(),
        verify::tests(),
        migrations::tests(),
        keys::tests(),
        catalog::tests(),
    ])
}
