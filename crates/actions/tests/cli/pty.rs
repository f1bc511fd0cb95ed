//! What a person sees on a terminal: the command runs on a pseudo-terminal, and what it writes there
//! is drawn as a terminal draws it.

use process::Command;

use super::bench::{Bench, Ran};
use super::project::{self, dockerfile_of};
use super::services::with_registry;

const ROWS: u16 = 40;
const COLUMNS: u16 = 120;

/// Runs `pipeline` on a terminal. All that it writes is in the standard output.
async fn on_a_terminal(bench: &Bench, words: &str) -> Ran {
    let script = process::which("script");
    assert!(
        script.is_some(),
        "this test needs a terminal: apt-get install bsdutils"
    );
    let script = format!(
        "stty rows {ROWS} cols {COLUMNS}; exec '{}' {words}",
        env!("CARGO_BIN_EXE_pipeline")
    );
    let command = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(script)
        .arg("/dev/null");
    let run = bench.prepared(command).env("TERM", "xterm-256color");
    run.env("SHELL", "/bin/sh").go().await
}

/// What the terminal showed before each command to it, and the end.
fn screens(ran: &Ran) -> Vec<String> {
    let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
    let text = ran.stdout.replace('\n', "\r\n");
    let mut seen = Vec::new();
    for piece in text.split_inclusive(['\r', '\u{1b}']) {
        terminal.process(piece.as_bytes());
        // Row by row: bars fill theirs, and would be one line with the next.
        let rows: Vec<String> = terminal.screen().rows(0, COLUMNS).collect();
        seen.push(rows.join("\n"));
    }
    seen.dedup();
    seen
}

/// Whether the screen has a bar for this processor.
fn has_bar(screen: &str, processor: &str) -> bool {
    let mut rows = screen.lines().map(str::trim_start);
    rows.any(|row| row.starts_with(processor) && row.contains(['━', '╌']))
}

/// A Dockerfile with a step that does not end before that of the other processor has begun: the
/// folder is the same for both.
fn side_by_side(bench: &Bench, name: &str) -> String {
    let shared = bench.repo();
    let shared = shared.display();
    format!(
        "FROM scratch\nCOPY bin/busybox /bin/sh\nCOPY bin/busybox /bin/sleep\nCOPY unique /unique\n\
         RUN --mount=type=cache,id={shared},target=/shared : > /shared/{name}; i=0; \
         while set -- /shared/*; [ $# -lt 2 ]; do \
         i=$((i+1)); [ $i -lt 600 ] || exit 7; sleep 0.1; done; sleep 1\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_processor_has_a_bar_on_a_terminal() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        let names = ["text/upper@1", "text/lower@1"];
        let words = format!("build --registry {host} --image-prefix ghcr.io/acme/models");
        for name in ["upper", "lower"] {
            bench.write(&dockerfile_of(name), side_by_side(&bench, name));
        }
        let ran = on_a_terminal(&bench, &words).await.ok();
        let seen = screens(&ran);
        let both = |screen: &String| names.iter().all(|name| has_bar(screen, name));
        assert!(seen.iter().any(both), "{}", ran.stdout);
        // At the end the bars are gone, and what they led to is there.
        let end = seen.last().unwrap();
        assert!(!end.contains(['━', '╌']), "{end}");
        let stage = |screen: &str, mark: &str| {
            let mut rows = screen.lines();
            rows.any(|row| row.starts_with(&format!("{mark} build ")))
        };
        assert!(stage(end, "✓"), "{end}");
        for name in names {
            assert!(end.contains(&format!("{name}  built in ")), "{end}");
        }

        let broken = "FROM scratch\nCOPY bin/busybox /bin/sh\nCOPY unique /unique\nRUN exit 3\n";
        bench.write(&dockerfile_of("upper"), broken);
        let ran = on_a_terminal(&bench, &words).await.ended(11);
        let seen = screens(&ran);
        let end = seen.last().unwrap();
        assert!(!end.contains(['━', '╌']), "{end}");
        assert!(stage(end, "✗"), "{end}");
        assert!(end.contains("✗ text/upper@1: "), "{end}");
        assert!(end.contains("text/upper@1  failed"), "{end}");

        // In a pipe, the same is told without anything that moves.
        let ran = bench.pipeline(&words).env("TERM", "xterm-256color");
        let ran = ran.go().await.ended(11).hides("\u{1b}").hides("━");
        ran.says(&["✗ text/upper@1: "]);
    })
    .await;
}
