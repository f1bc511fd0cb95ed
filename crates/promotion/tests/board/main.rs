//! The page of a board in a real browser.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

mod browser;
mod hostile;
mod keyboard;
mod look;
mod reading;
mod sample;
mod size;

use jiff::Timestamp;
use promotion::board::html;

use browser::Browser;

/// A page of so many processors, made now.
fn page(processors: usize) -> String {
    html::page(&sample::board(processors, Timestamp::now()))
}

/// A browser that shows a page of so many processors.
async fn shown(processors: usize) -> Browser {
    let mut browser = Browser::start().await;
    browser.open_whole(&page(processors), "").await;
    browser
}
