use std::time::{Duration, Instant};

use pr_checks::{Check, ChecksReport, Verdict};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Repository, check, shell, shown};

#[tokio::test]
async fn one_failure_does_not_hide_the_others() {
    let repository = Repository::new().await;
    repository.write("code/a.py", "");
    let json = r#"[{"code":"E1","message":"m","filename":"a.py","location":{"row":3,"column":1}}]"#;
    let lint = check(json!({
        "name": "lint", "directory": "code", "parser": {"kind": "ruff-json"},
        "command": ["sh", "-c", format!("echo '{json}'; exit 1")],
    }));
    let report = repository
        .run(&[
            lint,
            shell("fine", "true"),
            shell("fails", "echo one; echo two; exit 2"),
            shell("killed", "kill -9 $$"),
        ])
        .await;
    assert!(!report.passed() && !report.interrupted());
    insta::assert_snapshot!(shown(&report), @"
    lint: Failed: 1 finding
    fine: Passed: passed
    fails: Failed: 1 finding
    killed: Broken: `sh` was killed by signal 9
      Error -:- fails exit-code: exit code 2: two
      Error code/a.py:3 lint E1: m
    ");
    assert_eq!(report.checks[2].detail.as_deref(), Some("one\ntwo"));
    let text = serde_json::to_string(&report).unwrap();
    let again: ChecksReport = serde_json::from_str(&text).unwrap();
    assert_eq!((again.schema, again.findings), (1, report.findings));
}

#[tokio::test]
async fn what_a_failed_program_prints_is_read_to_its_end() {
    let repository = Repository::new().await;
    // Much more than the end of it that an error keeps.
    let script = "for n in $(seq 3000); do echo \"a.py:$n: unused import 'x' (90% confidence)\"; done; exit 3";
    let vulture = check(json!({
        "name": "vulture", "parser": {"kind": "vulture"}, "command": ["sh", "-c", script],
    }));
    let report = repository.run(&[vulture]).await;
    assert_eq!(report.findings.len() + report.left_out, 3000);
    assert_eq!(report.findings[0].line, Some(1));
}

#[tokio::test]
async fn a_missing_program_names_its_package() {
    let repository = Repository::new().await;
    let packaged = check(json!({
        "name": "lint", "command": ["no-such-linter", "."], "package": {"name": "linter"},
    }));
    let system = check(json!({
        "name": "make", "command": ["no-such-make"], "package": {"name": "make", "manager": "apt"},
    }));
    let bare = check(json!({"name": "bare", "command": ["no-such-program"]}));
    let report = repository.run(&[packaged, system, bare]).await;
    insta::assert_snapshot!(shown(&report), @"
    lint: Broken: `no-such-linter` is missing: install the package `linter`
    make: Broken: `no-such-make` is missing: install the package `make`
    bare: Broken: `no-such-program` is missing: no such program on `PATH`
    ");
    let hints: Vec<_> = report
        .checks
        .iter()
        .filter_map(|check| check.hint.as_deref())
        .collect();
    insta::assert_snapshot!(hints.join("\n"), @"
    python3 -m pip install linter
    sudo apt-get install make
    set `package` of the check to what installs it
    ");
}

#[tokio::test]
async fn a_check_runs_only_after_what_it_needs_has_passed() {
    let repository = Repository::new().await;
    let needing = |name: &str, script: &str, needs: &[&str]| Check {
        needs: needs
            .iter()
            .map(|need| pr_checks::CheckName::new(*need).unwrap())
            .collect(),
        ..shell(name, script)
    };
    let report = repository
        .run(&[
            needing("first", "sleep 0.3; echo > first", &[]),
            needing("second", "test -f first", &["first"]),
            needing("red", "exit 1", &[]),
            needing("after-red", "true", &["red", "first"]),
            needing("after-that", "true", &["after-red"]),
        ])
        .await;
    insta::assert_snapshot!(shown(&report), @"
    first: Passed: passed
    red: Failed: 1 finding
    second: Passed: passed
    after-red: SkippedNeeds: it needs `red`, which did not pass
    after-that: SkippedNeeds: it needs `after-red`, which did not pass
      Error -:- red exit-code: exit code 1
    ");
}

#[tokio::test]
async fn as_many_run_at_once_as_there_are_jobs() {
    let repository = Repository::new().await;
    // Each leaves how many are running while it does.
    let script = |n: u32| format!("touch run.{n}; sleep 0.5; ls run.* | wc -l >> seen; rm run.{n}");
    let checks: Vec<Check> = (0..6)
        .map(|n| shell(&format!("c{n}"), &script(n)))
        .collect();
    let report = repository.run(&checks).await;
    assert!(report.passed(), "{}", shown(&report));
    let seen = repository.read("seen");
    let most = seen
        .lines()
        .filter_map(|line| line.trim().parse::<u32>().ok())
        .max();
    assert_eq!(most, Some(2));
}

#[tokio::test]
async fn a_check_that_runs_too_long_ends_with_all_it_started() {
    let repository = Repository::new().await;
    let slow = Check {
        timeout_seconds: 1,
        ..shell("slow", "sleep 600 & echo $! > child; echo working; wait")
    };
    let report = repository.run(&[slow]).await;
    insta::assert_snapshot!(shown(&report), @"slow: Broken: still running after 1 s, ended");
    assert_eq!(report.checks[0].detail.as_deref(), Some("working"));
    assert_gone(&repository).await;
}

#[tokio::test]
async fn cancelled_it_ends_all_and_reports_what_is_known() {
    let repository = Repository::new().await;
    let checks = [
        shell("red", "echo $$ > red; exit 1"),
        // Only once the other one has ended, and a moment for that to be noticed.
        shell(
            "slow",
            "until [ -s red ] && ! kill -0 $(cat red) 2>/dev/null; do sleep 0.02; done; \
             sleep 0.5; sleep 600 & echo $! > child; wait",
        ),
        shell("later", "true"),
        shell("last", "true"),
    ];
    let checks = checks.map(|one| match one.name.as_str() {
        "later" | "last" => Check {
            needs: vec![pr_checks::CheckName::new("slow").unwrap()],
            ..one
        },
        _ => one,
    });
    let plan = repository.plan(&checks, None).await.unwrap();
    let cancel = CancellationToken::new();
    let started = Instant::now();
    let (report, ()) = tokio::join!(
        async {
            pr_checks::run(&plan, &repository.options(2), &cancel)
                .await
                .unwrap()
        },
        async {
            while repository.read("child").is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            cancel.cancel();
        }
    );
    assert!(started.elapsed() < Duration::from_secs(60));
    assert!(report.interrupted());
    let verdicts: Vec<Verdict> = report.checks.iter().map(|check| check.verdict).collect();
    use Verdict::{Failed, Interrupted};
    assert_eq!(verdicts, [Failed, Interrupted, Interrupted, Interrupted]);
    assert_gone(&repository).await;
}

#[tokio::test]
async fn dropped_it_leaves_nothing_behind() {
    let repository = Repository::new().await;
    let slow = [shell("slow", "sleep 600 & echo $! > child; wait")];
    let plan = repository.plan(&slow, None).await.unwrap();
    let (options, cancel) = (repository.options(2), CancellationToken::new());
    let waits = async {
        while repository.read("child").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = pr_checks::run(&plan, &options, &cancel) => panic!("it ended"),
        () = waits => {}
    }
    assert_gone(&repository).await;
}

/// The process that wrote its number is no more, soon. One that nobody reaped yet is dead.
async fn assert_gone(repository: &Repository) {
    let stat = format!("/proc/{}/stat", repository.read("child").trim());
    let started = Instant::now();
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{stat} is still there"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn reports_are_read_from_where_the_command_writes_them() {
    let repository = Repository::new().await;
    repository.write(
        "code/old.xml",
        "<testsuite><testcase name='a'/></testsuite>",
    );
    let suite = "<testsuite><testcase classname='t' name='a'><failure message='no'/></testcase></testsuite>";
    let junit = |name: &str, report: Option<&str>, script: String| {
        check(json!({
            "name": name, "directory": "code", "command": ["sh", "-c", script],
            "parser": {"kind": "junit", "report": report},
        }))
    };
    let report = repository
        .run(&[
            junit(
                "scratch",
                None,
                format!("echo \"{suite}\" > {{report}}; exit 1"),
            ),
            junit(
                "named",
                Some("new.xml"),
                format!("echo \"{suite}\" > new.xml; exit 1"),
            ),
            junit("stale", Some("old.xml"), "true".to_owned()),
            junit("missing", None, "echo oh; : {report}; exit 4".to_owned()),
            check(json!({
                "name": "red-before-coverage",
                "command": ["sh", "-c", "echo 1 failed; exit 1"],
                "parser": {"kind": "coverage", "xml": "coverage.xml"},
            })),
            junit("strange", None, "echo '<html/>' > {report}".to_owned()),
        ])
        .await;
    insta::assert_snapshot!(shown(&report), @"
    scratch: Failed: 1 finding
    named: Failed: 1 finding
    stale: Broken: the command did not write `old.xml`: it is from an earlier run
    missing: Broken: exit code 4, and the command did not write `{report}`
    red-before-coverage: Failed: 1 finding
    strange: Broken: the JUnit file cannot be read: it is a <html>
      Error -:- red-before-coverage exit-code: exit code 1: 1 failed
      Error -:- named test-failed: t.a: no
      Error -:- scratch test-failed: t.a: no
    ");
}

#[tokio::test]
async fn a_folder_that_is_a_link_out_of_the_repository_is_none() {
    let repository = Repository::new().await;
    std::os::unix::fs::symlink("/", repository.root().join("code")).unwrap();
    let mut one = shell("out", "true");
    one.directory = "code".into();
    let report = repository.run(&[one]).await;
    insta::assert_snapshot!(shown(&report), @"out: Broken: there is no folder `code` in the repository");
}

#[tokio::test]
async fn coverage_is_judged_against_the_changes() {
    let repository = Repository::new().await;
    repository.write("code/a.py", "one\n");
    repository.write(".gitignore", "*.json\n");
    repository.commit().await;
    repository.git(&["switch", "--quiet", "-c", "work"]).await;
    repository.write("code/a.py", "one\ntwo\nthree\n");
    repository.commit().await;
    let cancel = CancellationToken::new();
    let changes = pr_checks::Changes::between(&repository.root(), "dev", "work", &cancel).await;
    let json = r#"{"files":{"a.py":{"executed_lines":[1,2],"missing_lines":[3]}},
        "totals":{"covered_lines":2,"num_statements":3}}"#;
    let coverage = check(json!({
        "name": "coverage", "directory": "code", "paths": ["code/**"], "versions": [["true"]],
        "command": ["sh", "-c", format!("echo '{json}' > coverage.json")],
        "parser": {"kind": "coverage", "json": "coverage.json", "baseline": 60.0, "changed-lines": 90.0},
    }));
    let checks = [coverage];
    let plan = repository
        .plan(&checks, Some(changes.unwrap()))
        .await
        .unwrap();
    let report = pr_checks::run(&plan, &repository.options(2), &cancel)
        .await
        .unwrap();
    insta::assert_snapshot!(shown(&report), @"
    coverage: Failed: 2 findings
      Error -:- coverage coverage-of-changes: 1 of 2 changed lines are covered, 50 %; 90 % must be
      Error code/a.py:3 coverage uncovered-change: this changed line is not covered
    ");
    let measured = serde_json::to_value(&report.checks[0].coverage).unwrap();
    insta::assert_snapshot!(measured.to_string(), @r#"{"covered":66.66,"baseline":60.0,"proposed-baseline":66.6,"changed-lines":{"covered":1,"all":2,"threshold":90.0}}"#);
}
