use super::browser::Browser;
use super::{page, sample, shown};

/// Every view of a board, by its address.
fn views() -> Vec<String> {
    vec![
        "#".to_owned(),
        "#timeline".to_owned(),
        format!("#digest={}", sample::newest(2)),
        "#processor=audio%2Fsummarize%401".to_owned(),
        "#digest=sha256:none".to_owned(),
    ]
}

async fn go(browser: &mut Browser, view: &str) {
    browser.get(&format!("location.hash = '{view}'")).await;
    browser.settle().await;
}

#[tokio::test]
async fn every_view_is_drawn_without_an_error_and_without_the_network() {
    for processors in [0, 3, 24] {
        let mut browser = shown(processors).await;
        for view in views() {
            go(&mut browser, &view).await;
            let said = browser
                .text("document.querySelector('main').innerText")
                .await;
            assert!(processors == 0 || said.len() > 20, "{view} shows {said:?}");
        }
        assert_eq!(browser.troubles().await, [] as [String; 0]);
        browser.close().await;
    }
}

#[tokio::test]
async fn nothing_is_wider_than_a_phone() {
    let mut browser = shown(24).await;
    for width in [320, 360, 768, 900, 1280] {
        browser.size(width, 740).await;
        for view in views() {
            go(&mut browser, &view).await;
            let wide = browser.get("document.documentElement.scrollWidth").await;
            assert!(
                wide.as_u64().unwrap() <= u64::from(width),
                "{view} at {width} px is {wide} px"
            );
        }
    }
    browser.close().await;
}

#[tokio::test]
async fn a_phone_shows_each_row_as_a_card_with_its_environments() {
    let mut browser = shown(3).await;
    let named = "[...document.querySelectorAll('tbody tr:first-child .where')]\
                 .filter((it) => it.offsetParent).map((it) => it.textContent).join()";
    let beside = "(() => { const [a, b] = document.querySelectorAll('#matrix tbody tr:first-child td'); \
                  return a.getBoundingClientRect().top === b.getBoundingClientRect().top; })()";
    assert_eq!(browser.text(named).await, "");
    assert_eq!(browser.get(beside).await, true);
    browser.size(360, 740).await;
    assert_eq!(browser.text(named).await, "dev,staging,main");
    assert_eq!(browser.get(beside).await, false);
    browser.close().await;
}

#[tokio::test]
async fn the_system_decides_on_light_and_dark_and_on_motion() {
    let mut browser = shown(3).await;
    let ground = "getComputedStyle(document.documentElement).backgroundColor";
    browser.feature("prefers-color-scheme", "light").await;
    let day = (browser.text(ground).await, browser.picture().await);
    browser.feature("prefers-color-scheme", "dark").await;
    browser.settle().await;
    let night = (browser.text(ground).await, browser.picture().await);
    assert_eq!(
        (&*day.0, &*night.0),
        ("rgb(244, 245, 247)", "rgb(15, 19, 24)")
    );
    assert_ne!(day.1, night.1);
    let motion = "getComputedStyle(document.querySelector('.filters button')).transitionDuration";
    browser
        .feature("prefers-reduced-motion", "no-preference")
        .await;
    assert_ne!(browser.text(motion).await, "0s");
    browser.feature("prefers-reduced-motion", "reduce").await;
    assert_eq!(browser.text(motion).await, "0s");
    browser.close().await;
}

#[tokio::test]
async fn paper_gets_every_row_and_no_buttons() {
    let mut browser = shown(24).await;
    let media = serde_json::json!({ "media": "print" });
    browser.call("Emulation.setEmulatedMedia", media).await;
    let style =
        |of: &str, what: &str| format!("getComputedStyle(document.querySelector('{of}')).{what}");
    assert_eq!(browser.text(&style("#bar", "display")).await, "none");
    let row = style("#matrix tbody tr", "contentVisibility");
    assert_eq!(browser.text(&row).await, "visible");
    browser.close().await;
}

#[tokio::test]
async fn without_scripts_the_numbers_are_there() {
    let mut browser = Browser::start().await;
    let off = serde_json::json!({ "value": true });
    browser
        .call("Emulation.setScriptExecutionDisabled", off)
        .await;
    browser.open(&page(24), "").await;
    let said = browser.text("document.body.innerText").await;
    for expected in [
        "acme/models",
        "Pinned",
        "staging",
        "scripts are off",
        "board.json",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(
        !said.contains("Search by"),
        "a search that cannot work: {said}"
    );
    browser.close().await;
}
