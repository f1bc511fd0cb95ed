//! Where `--json` writes, and what happens when it cannot.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use super::bench::{Bench, json_file};
use super::project::{self, digest};

/// A bench with a file to pin, and the words that pin it.
fn pinning() -> (Bench, String) {
    let bench = Bench::new();
    let text = "ref: text/upper@1\nimage: {oci: 'sha256:pending'}\n";
    bench.write("a.yaml", text);
    let image = format!("ghcr.io/acme/upper@{}", digest('1'));
    (bench, format!("pin set a.yaml {image} --json"))
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_report_is_a_file_as_any_program_makes_it() {
    let (bench, words) = pinning();
    let report = bench.path("report.json");
    bench.pipeline(&words).arg(&report).go().await.ok();
    let like = bench.path("like");
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o644);
    options.open(&like).unwrap();
    assert_eq!(mode(&report), mode(&like));

    fs::write(&report, "old").unwrap();
    fs::set_permissions(&report, Permissions::from_mode(0o660)).unwrap();
    bench.pipeline(&words).arg(&report).go().await.ok();
    assert_eq!(json_file(&report)["schema"], 1);
    assert_eq!(mode(&report), 0o660);
}

#[tokio::test]
async fn a_link_stays_and_what_it_leads_to_is_replaced() {
    let (bench, words) = pinning();
    fs::create_dir(bench.path("real")).unwrap();
    for there in [true, false] {
        let (link, real) = (bench.path("link.json"), bench.path("real/report.json"));
        let _ = fs::remove_file(&link);
        let _ = fs::remove_file(&real);
        if there {
            fs::write(&real, "old").unwrap();
        }
        symlink("real/report.json", &link).unwrap();
        bench.pipeline(&words).arg(&link).go().await.ok();
        assert!(link.is_symlink());
        assert!(!real.is_symlink());
        assert_eq!(json_file(&real)["schema"], 1);
    }
    let circle = bench.path("circle");
    symlink("circle", &circle).unwrap();
    let ran = bench.pipeline(&words).arg(&circle).go().await.ended(2);
    ran.one_error().says(&["write the report", "circle"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_is_written_to_and_stays() {
    let (bench, words) = pinning();
    let pipe = bench.path("pipe");
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    )
    .unwrap();
    let read = tokio::task::spawn_blocking({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    bench.pipeline(&words).arg(&pipe).go().await.ok();
    assert!(pipe.metadata().unwrap().file_type().is_fifo());
    let report: serde_json::Value = serde_json::from_str(&read.await.unwrap()).unwrap();
    assert_eq!(report["schema"], 1);
    // Nobody waits for ever.
    let ran = bench.pipeline(&words).arg(&pipe).go().await.ended(2);
    ran.one_error().says(&["nothing reads from it"]);
}

#[tokio::test]
async fn nothing_is_started_without_a_place_for_the_report() {
    let (bench, words) = pinning();
    let before = project::content(&bench.repo());
    let report = bench.path("missing/report.json");
    let commands = [
        words.as_str(),
        "plan --json",
        "build --json",
        "pin --from build.json --json",
        "accept --json",
        "deploy --env dev --json",
        "promote --from dev --to main --json",
        "rehearse --json",
    ];
    for command in commands {
        let ran = bench.pipeline(command).arg(&report).go().await;
        let ran = ran.ended(2).one_error();
        let ran = ran.says(&["write the report", "there is no folder", "hint: "]);
        assert_eq!(ran.stdout, "");
        // Nothing was begun that would have to be told of.
        assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
    }
    assert_eq!(project::content(&bench.repo()), before);
    let ran = bench.pipeline(&words).arg(bench.repo()).go().await;
    ran.ended(2).one_error().says(&["it is a folder"]);
    // Whoever writes below `/proc` is refused, the superuser too.
    let ran = bench.pipeline(&words).arg("/proc/report.json").go().await;
    ran.ended(2).one_error().hides(".tmp");
    assert_eq!(project::content(&bench.repo()), before);
}

#[tokio::test]
async fn what_ends_early_leaves_no_report_of_a_run_before() {
    let (bench, words) = pinning();
    let (link, report) = (bench.path("link.json"), bench.path("report.json"));
    symlink("report.json", &link).unwrap();
    let image = format!("ghcr.io/acme/upper@{}", digest('1'));
    let failing = || {
        bench
            .pipeline("pin set missing.yaml")
            .arg(&image)
            .arg("--json")
    };
    for given in [&report, &link] {
        bench.pipeline(&words).arg(given).go().await.ok();
        assert_eq!(json_file(&report)["schema"], 1);
        failing().arg(given).go().await.ended(2);
        assert!(!report.exists());
        assert!(link.is_symlink());
    }
    // A person's file stays until there is something to replace it by.
    for theirs in ["{\"old\": 1}", "{\"schema\": \"1\"}", "[1]", "text", ""] {
        fs::write(&report, theirs).unwrap();
        failing().arg(&report).go().await.ended(2);
        assert_eq!(fs::read_to_string(&report).unwrap(), theirs);
    }
}

#[tokio::test]
async fn what_people_read_comes_before_a_report_that_cannot_be_written() {
    let (bench, words) = pinning();
    let full = bench.path("full");
    symlink("/dev/full", &full).unwrap();
    let ran = bench.pipeline(&words).arg(&full).go().await;
    let ran = ran.ended(2).one_error().says(&["write the report"]);
    assert!(ran.stdout.starts_with("a.yaml: pinned: "), "{}", ran.stdout);
    assert!(full.is_symlink());
}

#[tokio::test]
async fn the_failure_of_the_stage_counts_more_than_its_report() {
    let bench = Bench::new();
    let full = bench.path("full");
    symlink("/dev/full", &full).unwrap();
    let run = bench.pipeline("rehearse --repo . --json").arg(&full);
    let ran = run.go().await.ended(2).one_error();
    let ran = ran.says(&["warning: failed to write the report"]);
    assert!(
        !ran.stderr.contains("error: failed to write"),
        "{}",
        ran.stderr
    );
}
