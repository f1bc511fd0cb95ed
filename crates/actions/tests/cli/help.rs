use super::bench::Bench;

const COMMANDS: [&str; 24] = [
    "",
    "plan",
    "build",
    "pin",
    "pin set",
    "doctor",
    "doctor registry",
    "doctor modal",
    "digests",
    "accept",
    "receipts",
    "attest",
    "secrets",
    "deploy",
    "audit",
    "status",
    "board",
    "rollback",
    "promote",
    "rehearse",
    "serve",
    "serve registry",
    "serve github",
    "serve modal",
];

#[tokio::test]
async fn every_command_explains_itself() {
    let bench = Bench::new();
    let mut all = String::new();
    for command in COMMANDS {
        let help = bench.pipeline(command).arg("--help").go().await.ok();
        assert_eq!(help.stderr, "");
        assert!(help.stdout.contains("Examples:\n"), "{}", help.stdout);
        all.push_str(&format!("$ pipeline {command} --help\n{}\n", help.stdout));
    }
    insta::assert_snapshot!("help", all);
}

#[tokio::test]
async fn no_command_is_forgotten_here() {
    let help = Bench::new().pipeline("--help").go().await.ok().stdout;
    let (_, rest) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = rest.split_once("\n\n").unwrap();
    let names = commands.lines().filter(|line| !line.starts_with("   "));
    let names: Vec<&str> = names
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() > 15, "{help}");
    for name in names {
        assert!(COMMANDS.contains(&name), "{name}");
    }
}

#[tokio::test]
async fn every_exit_code_is_documented() {
    let bench = Bench::new();
    let help = bench.pipeline("--help").go().await.ok().stdout;
    let (_, codes) = help.split_once("Exit codes:").unwrap();
    let codes: Vec<&str> = codes
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let expected = [
        "0", "1", "2", "10", "11", "12", "13", "14", "15", "16", "17", "18", "130",
    ];
    assert_eq!(codes, expected);
}

#[tokio::test]
async fn the_version_is_that_of_the_package() {
    let version = Bench::new().pipeline("--version").go().await.ok();
    assert_eq!(
        version.stdout,
        format!("pipeline {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
async fn bad_usage_is_told_on_standard_error() {
    let bench = Bench::new();
    for words in ["", "--unknown", "plan --unknown", "rollout", "pin", "serve"] {
        let ran = bench.pipeline(words).go().await.ended(2);
        assert_eq!(ran.stdout, "", "{words}");
        assert!(ran.stderr.contains("Usage: pipeline"), "{}", ran.stderr);
    }
    // A misspelt word is answered with the right one.
    let ran = bench.pipeline("biuld").go().await.ended(2);
    assert!(ran.stderr.contains("build"), "{}", ran.stderr);
}
