use jiff::Timestamp;
use promotion::board::html;

use super::browser::Browser;
use super::{page, sample};

const PROCESSORS: usize = 1_000;

#[test]
fn a_thousand_processors_are_two_megabytes_at_most() {
    let board = sample::board(PROCESSORS, Timestamp::now());
    let receipts: usize = board
        .images
        .values()
        .map(|story| story.receipts.len())
        .sum();
    assert!(
        receipts >= 3 * 4 * PROCESSORS * 2 / 3,
        "a smaller board than was meant: {receipts}"
    );
    let page = html::page(&board);
    assert!(page.len() <= 2 * 1024 * 1024, "{} bytes", page.len());
    assert_eq!(page, html::page(&board));
}

#[tokio::test]
async fn a_thousand_processors_are_shown_searched_and_opened() {
    let mut browser = Browser::start().await;
    browser.open_whole(&page(PROCESSORS), "").await;
    assert_eq!(
        browser
            .get("document.querySelectorAll('#matrix tbody tr').length")
            .await,
        PROCESSORS
    );
    let (paint, rows) = (
        browser.moment("first-contentful-paint").await,
        browser.moment("first-rows").await,
    );
    // Far more than it takes, for a machine that has much else to do; `cargo xtask bench board` knows.
    assert!(paint < 10_000.0 && rows < 10_000.0, "{paint} ms, {rows} ms");
    let digest = sample::newest(2);
    browser.key("/").await;
    browser.write(digest.as_str()).await;
    browser
        .wait("document.getElementById('count').textContent === '1 of 1000 processors'")
        .await;
    browser.key("Enter").await;
    browser
        .wait("document.body.dataset.view === 'digest'")
        .await;
    let stops = browser
        .get("document.querySelectorAll('.stop').length")
        .await;
    assert_eq!(stops, 6);
    browser.get("location.hash = '#timeline'").await;
    browser
        .wait("document.querySelectorAll('.event').length > 400")
        .await;
    assert_eq!(browser.troubles().await, [] as [String; 0]);
    browser.close().await;
}
