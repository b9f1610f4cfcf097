//! Progress of long commands: shown on a terminal, silent in a pipe.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A count of what is done, where nobody knows how much there is.
pub fn spinner() -> ProgressBar {
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
}

/// A bar over so many steps, on standard error.
pub fn steps(count: usize) -> ProgressBar {
    // indicatif hides what it draws where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(u64::try_from(count).ok(), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
