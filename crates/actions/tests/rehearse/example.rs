use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::run::{Rehearsal, example, snapshot};

#[tokio::test(flavor = "multi_thread")]
async fn one_digest_from_source_to_three_environments_twice_in_a_row() {
    let (_turn, engine) = Engine::mine().await;
    let before = snapshot(&example());
    for _ in 0..2 {
        let watch = Watch::start();
        let ended = Rehearsal::of(&example())
            .run(&CancellationToken::new())
            .await;
        let arguments = watch.end();
        assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
        let report = ended.report();
        let statuses: Vec<&str> = report["stages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stage| stage["status"].as_str().unwrap())
            .collect();
        assert!(
            statuses.iter().all(|status| *status == "done"),
            "{statuses:?}"
        );
        assert_eq!(statuses.len(), 12);

        let built = report["build"]["built"].as_array().unwrap();
        assert_eq!(built.len(), 2);
        let proof = report["proof"].as_array().unwrap();
        assert_eq!(proof.len(), 6);
        for one in built {
            let (reference, image) = (&one["ref"], one["image"].as_str().unwrap());
            let rows = proof.iter().filter(|row| row["ref"] == *reference);
            let mut environments = Vec::new();
            for row in rows {
                assert_eq!(row["git"], image);
                assert_eq!(row["modal"], image, "what stands behind FROM");
                assert_eq!(row["registry"], image.split('@').nth(1).unwrap());
                assert_eq!(row["verdict"], "proven");
                let receipts = row["receipts"].as_array().unwrap().len();
                let first = row["environment"] == "dev";
                assert_eq!(receipts, if first { 3 } else { 4 }, "{row}");
                environments.push(row["environment"].as_str().unwrap());
            }
            assert_eq!(environments, ["dev", "staging", "main"]);
            // And each deploy report names the same image.
            for deploy in report["deploys"].as_array().unwrap() {
                let apps = deploy["apps"].as_array().unwrap();
                let app = apps.iter().find(|app| app["ref"] == *reference).unwrap();
                assert_eq!(app["image"], image);
                assert_eq!(app["smoke"]["verdict"], "passed");
            }
        }
        let again = &report["again"];
        assert_eq!(again["built"], 0);
        assert_eq!(again["changed"], 0);
        assert_eq!(again["pull-requests"], 0);

        assert_eq!(
            ended.stdout.matches("✓ live, smoke passed").count(),
            6,
            "{}",
            ended.stdout
        );
        // One line a stage on a pipe.
        assert_eq!(ended.stderr.lines().count(), 12, "{}", ended.stderr);
        let everything = format!("{}{}{}", ended.stdout, ended.stderr, report);
        assert!(!has_made_up_secret(&everything), "{everything}");
        for seen in ["modal deploy", "docker compose", "buildx bake"] {
            let words: Vec<&str> = seen.split(' ').collect();
            assert!(
                arguments
                    .iter()
                    .any(|line| words.iter().all(|word| line.contains(word))),
                "the watch did not see `{seen}`"
            );
        }
        for line in &arguments {
            assert!(!has_made_up_secret(line), "{line}");
        }
    }
    engine.assert_as_before().await;
    assert!(snapshot(&example()) == before, "the repository was touched");
}

/// Looks at the arguments of every program on the machine, again and again.
struct Watch {
    stop: Arc<AtomicBool>,
    seen: JoinHandle<BTreeSet<String>>,
}

impl Watch {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        let seen = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !until.load(Ordering::Relaxed) {
                for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                    if let Ok(line) = std::fs::read(process.path().join("cmdline")) {
                        seen.insert(String::from_utf8_lossy(&line).replace('\0', " "));
                    }
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            seen
        });
        Self { stop, seen }
    }

    fn end(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.seen.join().unwrap()
    }
}

/// Whether the text holds a value as the rehearsal makes them up: `rehearsal-` and 32 digits.
fn has_made_up_secret(text: &str) -> bool {
    text.match_indices("rehearsal-").any(|(at, prefix)| {
        let digits = text[at + prefix.len()..]
            .chars()
            .take_while(char::is_ascii_hexdigit)
            .count();
        digits == 32
    })
}

#[test]
fn the_search_for_secrets_finds_one() {
    assert!(has_made_up_secret(&format!(
        "x rehearsal-{} y",
        "a1".repeat(16)
    )));
    assert!(!has_made_up_secret("rehearsal-abc"));
}
