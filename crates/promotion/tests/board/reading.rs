use serde_json::Value;

use super::browser::Browser;
use super::{sample, shown};

/// What a screen reader is told: role, name and value of all that it is told of.
async fn tree(browser: &mut Browser) -> Vec<(String, String)> {
    let tree = browser
        .call("Accessibility.getFullAXTree", serde_json::json!({}))
        .await;
    let word = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
    let nodes = tree["nodes"].as_array().unwrap().iter();
    nodes
        .filter(|node| node["ignored"] != true)
        .map(|node| (word(&node["role"]), word(&node["name"])))
        .collect()
}

fn names<'a>(tree: &'a [(String, String)], role: &str) -> Vec<&'a str> {
    let of_role = tree.iter().filter(|(it, _)| it == role);
    of_role.map(|(_, name)| name.as_str()).collect()
}

#[tokio::test]
async fn the_matrix_is_a_table_with_heads_on_a_desk_and_on_a_phone() {
    let mut browser = shown(3).await;
    for width in [1280, 360] {
        browser.size(width, 740).await;
        browser.settle().await;
        let tree = tree(&mut browser).await;
        let tables = names(&tree, "table");
        assert_eq!(
            tables,
            [
                "Processors in each environment",
                "Every processor in every environment"
            ]
        );
        let heads = names(&tree, "columnheader");
        let matrix = ["Processor", "dev", "staging", "main"];
        assert!(heads.ends_with(&matrix), "at {width} px: {heads:?}");
        let rows = names(&tree, "rowheader");
        let processors = ["audio/summarize@1", "image/summarize@1", "text/summarize@1"];
        assert!(rows.ends_with(&processors), "at {width} px: {rows:?}");
        let cells = names(&tree, "cell");
        assert!(cells.len() >= 9, "at {width} px: {cells:?}");
    }
    browser.close().await;
}

#[tokio::test]
async fn what_colour_and_shape_say_is_also_said_in_words() {
    let mut browser = shown(24).await;
    let row = |name: &str| {
        format!(
            "[...document.querySelectorAll('#matrix tbody tr')].find((it) => it.dataset.key === '{name}').textContent"
        )
    };
    let open = browser.text(&row("audio/summarize@1")).await;
    for expected in [
        "live v",
        "acceptance passed",
        "the same in staging",
        "may go to main",
        " ago",
    ] {
        assert!(open.contains(expected), "{expected}: {open}");
    }
    let shut = browser.text(&row("video/summarize@1")).await;
    for expected in [
        "acceptance failed",
        "may not go to staging",
        "Not to staging:",
    ] {
        assert!(shut.contains(expected), "{expected}: {shut}");
    }
    browser.close().await;
}

#[tokio::test]
async fn every_field_link_and_button_has_a_name() {
    let mut browser = shown(24).await;
    for view in ["#", "#timeline", "#processor=audio%2Fsummarize%401"] {
        browser.get(&format!("location.hash = '{view}'")).await;
        browser.settle().await;
        let tree = tree(&mut browser).await;
        for role in ["link", "button", "searchbox", "image"] {
            let names = names(&tree, role);
            assert!(
                names.iter().all(|name| !name.is_empty()),
                "{role} in {view}: {names:?}"
            );
        }
        assert_eq!(
            names(&tree, "searchbox"),
            ["Search by processor, digest or commit"]
        );
        let landmarks = ["banner", "navigation", "search", "main", "contentinfo"];
        for landmark in landmarks {
            assert_eq!(names(&tree, landmark).len(), 1, "{landmark} in {view}");
        }
    }
    browser.close().await;
}

#[tokio::test]
async fn the_page_of_a_digest_tells_its_way_from_the_source_to_main() {
    let mut browser = shown(24).await;
    // It is in `staging` and may go on.
    browser
        .get(&format!("location.hash = '#digest={}'", sample::newest(2)))
        .await;
    browser.settle().await;
    let stops =
        "[...document.querySelectorAll('.stop > h3')].map((it) => it.textContent).join('\\n')";
    insta::assert_snapshot!(browser.text(stops).await, @"
    Source: reached
    Build: reached
    Acceptance: reached
    dev: reached
    staging: reached
    main: not reached
    ");
    let stop = |number: usize| format!("document.querySelectorAll('.stop')[{number}].innerText");
    let said = browser.text(&stop(4)).await;
    for expected in [
        "promoted: audio/summarize@1",
        "promotion passed: from dev",
        "deployment passed",
        "Now: audio/summarize@1",
        "may go to main",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let source = browser
        .text("document.querySelector('.stop a.commit').href")
        .await;
    assert!(
        source.starts_with("https://github.com/acme/models/commit/"),
        "{source}"
    );
    let run = browser
        .text("document.querySelectorAll('.stop')[1].querySelector('a').href")
        .await;
    assert!(
        run.starts_with("https://github.com/acme/models/actions/runs/"),
        "{run}"
    );
    assert_eq!(browser.text("document.activeElement.tagName").await, "H2");
    assert!(browser.text("document.title").await.starts_with("Digest "));
    browser.close().await;
}

#[tokio::test]
async fn a_digest_has_an_address() {
    let mut browser = Browser::start().await;
    let digest = sample::newest(2);
    browser
        .open_whole(&super::page(24), &format!("#digest={digest}"))
        .await;
    let image = browser
        .text("document.querySelector('.image code').textContent")
        .await;
    assert_eq!(image, format!("ghcr.io/acme/audio-summarize@{digest}"));
    browser.close().await;
}
