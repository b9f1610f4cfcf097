//! Progress of long commands: shown on a terminal, silent in a pipe.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often it is drawn while nothing is done.
const TICK: Duration = Duration::from_millis(250);

/// A bar over so many steps, on standard error.
pub fn steps(count: usize) -> ProgressBar {
    // indicatif hides what it draws where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(u64::try_from(count).ok(), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{elapsed} {wide_bar} {pos}/{len} {msg}");
    let bar = style.map_or(bar.clone(), |style| bar.with_style(style));
    if !bar.is_hidden() {
        // Shows that it goes on, however long a step takes.
        bar.enable_steady_tick(TICK);
    }
    bar
}
