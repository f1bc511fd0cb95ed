//! Draws a board of many processors in a browser, and says how long that took and how much it was.
//!
//! `board_page PROCESSORS [PICTURES]` prints JSON; with a folder it also writes pictures there.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "it shares its browser with the tests, and a bench reads what it prints"
)]

#[path = "../tests/board/browser.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod browser;
#[path = "../tests/board/sample.rs"]
mod sample;

use std::path::Path;

use jiff::Timestamp;
use promotion::board::html;
use serde_json::json;

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let processors = args.next().expect("how many processors").parse().unwrap();
    let board = sample::board(processors, Timestamp::now());
    let started = std::time::Instant::now();
    let page = html::page(&board);
    let written = started.elapsed();
    let mut browser = browser::Browser::start().await;
    browser.open_whole(&page, "").await;
    let paint = browser.moment("first-contentful-paint").await;
    let rows = browser.moment("first-rows").await;
    let all = browser.moment("all-rows").await;
    if let Some(folder) = args.next() {
        pictures(&mut browser, Path::new(&folder)).await;
    }
    browser.close().await;
    let said = json!({
        "bytes": page.len(),
        "page-ms": written.as_secs_f64() * 1e3,
        "first-paint-ms": paint,
        "first-rows-ms": rows,
        "all-rows-ms": all,
    });
    println!("{said}");
}

/// The matrix by day and by night, and the page of a digest.
async fn pictures(browser: &mut browser::Browser, folder: &Path) {
    let digest = format!("#digest={}", sample::newest(2));
    for (name, hash, scheme) in [
        ("board-light", "#", "light"),
        ("board-dark", "#", "dark"),
        ("board-digest", &digest, "light"),
    ] {
        browser.feature("prefers-color-scheme", scheme).await;
        browser.get(&format!("location.hash = '{hash}'")).await;
        browser.settle().await;
        let picture = browser.picture().await;
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }
}
