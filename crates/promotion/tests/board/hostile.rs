use jiff::Timestamp;
use promotion::board::{Board, Live, ReceiptLine, html};

use super::{sample, shown};

const HOSTILE: &str = "</script><script>document.title='taken'</script><img src=https://example.com/x onerror=\"document.title='taken'\">'\"\u{2028}\u{202e}{{data}}";

/// A board whose every text is an attack.
fn board() -> Board {
    let mut board = sample::board(24, Timestamp::now());
    let hostile = || HOSTILE.to_owned();
    board.title = hostile();
    board.url = Some("javascript:document.title='taken'".to_owned());
    board.notices = vec![hostile()];
    board.strays = vec![hostile()];
    for cell in board.processors.iter_mut().flat_map(|row| &mut row.cells) {
        cell.drift = vec![hostile()];
        cell.why_not = vec![hostile()];
        cell.commit = Some("../../settings\" onclick=\"x".to_owned());
        for proof in &mut cell.proofs {
            proof.requirement = hostile();
            proof.why = Some(hostile());
        }
        if let Live::Version { digest, .. } = &mut cell.live {
            *digest = Some(hostile());
        }
    }
    for story in board.images.values_mut() {
        story.repository = hostile();
        story.source_commit = Some(hostile());
        for receipt in &mut story.receipts {
            *receipt = ReceiptLine {
                kind: hostile(),
                text: hostile(),
                by: Some(hostile()),
                run: Some("javascript:document.title='taken'".to_owned()),
                refused: Some(hostile()),
                ..receipt.clone()
            };
        }
    }
    for event in &mut board.timeline {
        event.title = hostile();
        event.by = hostile();
        event.commit = hostile();
    }
    board
}

#[tokio::test]
async fn texts_of_anybody_stay_texts() {
    let mut browser = super::browser::Browser::start().await;
    browser.open_whole(&html::page(&board()), "").await;
    let shown = HOSTILE.replace(['\u{2028}', '\u{202e}'], "\u{fffd}");
    let digest = format!("#digest={}", sample::newest(2));
    for (view, place) in [
        ("#", ".why"),
        ("#timeline", ".event .title"),
        (&digest, ".image code"),
        ("#processor=audio%2Fsummarize%401", ".place .why"),
    ] {
        browser.get(&format!("location.hash = '{view}'")).await;
        browser.settle().await;
        let said = browser
            .text(&format!("document.querySelector('{place}').textContent"))
            .await;
        assert!(said.contains(&shown), "{view}: {said}");
        let grown = "document.querySelectorAll('script').length + document.images.length";
        assert_eq!(browser.get(grown).await, 2, "{view}");
        let links =
            "[...document.links].map((it) => it.protocol).filter((it) => it !== 'file:').join()";
        assert_eq!(browser.text(links).await, "", "{view}");
    }
    let title = browser.text("document.title").await;
    assert!(title.contains("</script>"), "taken: {title}");
    assert_eq!(
        browser
            .text("document.querySelector('h1').textContent")
            .await,
        shown
    );
    assert_eq!(browser.troubles().await, [] as [String; 0]);
    browser.close().await;
}

#[tokio::test]
async fn an_address_of_anybody_leads_nowhere_else() {
    let mut browser = shown(3).await;
    for hash in [
        "#digest=sha256:<img src=x onerror=alert(1)>",
        "#digest=%",
        "#digest=",
        "#processor=%3Cscript%3E",
        "#processor=__proto__",
        "#constructor=x",
        "#__proto__",
        "#toString",
    ] {
        browser.get(&format!("location.hash = '{hash}'")).await;
        browser.settle().await;
        let said = browser
            .text("document.querySelector('main').innerText")
            .await;
        assert!(!said.is_empty(), "{hash}");
        assert_eq!(browser.get("document.images.length").await, 0, "{hash}");
    }
    assert_eq!(browser.troubles().await, [] as [String; 0]);
    browser.close().await;
}

#[tokio::test]
async fn the_policy_forbids_the_network_and_every_other_script() {
    let mut browser = shown(3).await;
    let asked = "fetch('https://example.com/').then(() => 'answered', () => 'forbidden')";
    assert_eq!(browser.text(asked).await, "forbidden");
    let troubles = browser.troubles().await.join("\n");
    assert!(troubles.contains("Content Security Policy"), "{troubles}");
    let image = "new Promise((done) => { const it = new Image(); it.onload = () => done('loaded'); \
                 it.onerror = () => done('forbidden'); it.src = 'https://example.com/x.png'; })";
    assert_eq!(browser.text(image).await, "forbidden");
    for markup in [
        "document.body.innerHTML = '<b>x</b>'",
        "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')",
        "document.createElement('script').textContent = 'document.title = 1'",
    ] {
        let tried = format!(
            "(() => {{ try {{ {markup}; return 'taken'; }} catch (error) {{ return error.name; }} }})()"
        );
        assert_eq!(browser.text(&tried).await, "TypeError", "{markup}");
    }
    browser.close().await;
}
