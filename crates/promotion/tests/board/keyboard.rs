use super::browser::Browser;
use super::shown;

const FOCUSED: &str = "document.activeElement.dataset.key || document.activeElement.id || document.activeElement.textContent";

async fn focused(browser: &mut Browser) -> String {
    browser.text(FOCUSED).await
}

async fn count(browser: &mut Browser) -> String {
    browser.settle().await;
    browser
        .text("document.getElementById('count').textContent")
        .await
}

#[tokio::test]
async fn keys_alone_lead_to_a_row_into_it_and_back() {
    let mut browser = shown(24).await;
    browser.key("/").await;
    assert_eq!(focused(&mut browser).await, "query");
    browser.write("summarize").await;
    assert_eq!(count(&mut browser).await, "6 of 24 processors");
    browser.key("ArrowDown").await;
    assert_eq!(focused(&mut browser).await, "audio/summarize@1");
    browser.key("ArrowDown").await;
    assert_eq!(focused(&mut browser).await, "image/summarize@1");
    let outline = browser
        .text("getComputedStyle(document.activeElement).outlineStyle")
        .await;
    assert_eq!(outline, "solid", "the focus cannot be seen");
    browser.key("End").await;
    assert_eq!(focused(&mut browser).await, "video/summarize@1");
    browser.key("Home").await;
    browser.key("Enter").await;
    browser
        .wait("document.body.dataset.view === 'processor'")
        .await;
    assert_eq!(focused(&mut browser).await, "audio/summarize@1");
    assert_eq!(browser.text("document.activeElement.tagName").await, "H2");
    browser.key("Tab").await;
    browser.key("Enter").await;
    browser
        .wait("document.body.dataset.view === 'digest'")
        .await;
    browser.key("Escape").await;
    browser
        .wait("document.body.dataset.view === 'matrix'")
        .await;
    assert_eq!(focused(&mut browser).await, "audio/summarize@1");
    assert_eq!(browser.text("document.activeElement.tagName").await, "TR");
    assert_eq!(count(&mut browser).await, "6 of 24 processors");
    browser.key("Escape").await;
    assert_eq!(count(&mut browser).await, "24 processors");
    assert_eq!(browser.troubles().await, [] as [String; 0]);
    browser.close().await;
}

#[tokio::test]
async fn the_first_tab_skips_to_the_content() {
    let mut browser = shown(3).await;
    browser.key("Tab").await;
    assert_eq!(focused(&mut browser).await, "Skip to the content");
    let top = browser
        .get("document.activeElement.getBoundingClientRect().top")
        .await;
    assert!(top.as_f64().unwrap() >= 0.0, "it cannot be seen: {top}");
    browser.key("Enter").await;
    assert_eq!(focused(&mut browser).await, "main");
    browser.key("Tab").await;
    assert_eq!(focused(&mut browser).await, "audio/summarize@1");
    browser.close().await;
}

#[tokio::test]
async fn of_many_rows_one_is_in_the_order_of_tab() {
    let mut browser = shown(24).await;
    let stops = "[...document.querySelectorAll('#matrix tr, #matrix a')].filter((it) => it.tabIndex === 0)\
                 .map((it) => it.closest('tr').dataset.key)";
    let one = format!("[...new Set({stops})].join()");
    assert_eq!(browser.text(&one).await, "audio/classify@1");
    browser
        .get("document.querySelector('[data-key=\"text/summarize@1\"]').focus()")
        .await;
    assert_eq!(browser.text(&one).await, "text/summarize@1");
    browser.close().await;
}

#[tokio::test]
async fn a_search_finds_names_digests_and_commits_and_says_how_many() {
    let mut browser = shown(24).await;
    let digest = super::sample::newest(2);
    let commit = browser.text("document.body.dataset.view && JSON.parse(document.getElementById('data').textContent).texts.find((it) => /^[0-9a-f]{40}$/.test(it))").await;
    for (words, expected) in [
        ("AUDIO/sum", "1 of 24 processors"),
        (digest.short(), "1 of 24 processors"),
        (digest.as_str(), "1 of 24 processors"),
        (&commit[..12], "7 of 24 processors"),
        ("text 1", "4 of 24 processors"),
        ("nothing like it", "0 of 24 processors"),
    ] {
        browser.get("document.getElementById('query').select() || document.getElementById('query').focus()").await;
        browser.key("Escape").await;
        browser
            .get("document.getElementById('query').focus()")
            .await;
        browser.write(words).await;
        assert_eq!(count(&mut browser).await, expected, "{words}");
    }
    let nothing = browser
        .text("document.querySelector('.nothing').textContent")
        .await;
    assert!(nothing.starts_with("Nothing matches."), "{nothing}");
    let live = browser
        .text("document.getElementById('count').getAttribute('aria-live')")
        .await;
    assert_eq!(live, "polite");
    browser.close().await;
}

#[tokio::test]
async fn a_digest_that_nobody_pins_any_more_is_found() {
    let mut browser = shown(3).await;
    let old = browser
        .text("[...document.querySelectorAll('#data')].map((it) => JSON.parse(it.textContent)).map((it) => it.digests.match(/.{64}/g).find((hex) => ![...document.querySelectorAll('.digest')].some((link) => link.hash.endsWith(hex))))[0]")
        .await;
    browser.key("/").await;
    browser.write(&old[..14]).await;
    assert_eq!(
        count(&mut browser).await,
        "0 of 3 processors, 1 digest not pinned now"
    );
    let link = browser
        .text("document.querySelector('.others a').hash")
        .await;
    assert_eq!(link, format!("#digest=sha256:{old}"));
    browser.close().await;
}

#[tokio::test]
async fn filters_keep_what_they_say() {
    let mut browser = shown(24).await;
    for (filter, expected) in [
        ("drift", "1 of 24 processors"),
        ("blocked", "4 of 24 processors"),
        ("ready", "2 of 24 processors"),
        ("held", "1 of 24 processors"),
        ("unpinned", "1 of 24 processors"),
        ("all", "24 processors"),
    ] {
        browser
            .get(&format!(
                "document.querySelector('[data-filter={filter}]').click()"
            ))
            .await;
        assert_eq!(count(&mut browser).await, expected, "{filter}");
        let pressed = browser
            .text("document.querySelector('[aria-pressed=true]').dataset.filter")
            .await;
        assert_eq!(pressed, filter);
    }
    browser.close().await;
}
