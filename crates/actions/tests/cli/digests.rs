use super::bench::{Bench, json_file};
use super::project::{self, commit_all, digest, entry, file_of, git};
use super::services::with_registry;

/// Writes pins into the files of `upper` and `lower`, and commits them.
async fn pin(bench: &Bench, images: [&str; 2]) {
    for (name, image) in ["upper", "lower"].iter().zip(images) {
        bench.write(&file_of(name), entry(name, image));
    }
    let folder = bench.repo();
    git(&folder, &["add", "--all"]).await;
    git(&folder, &["commit", "--quiet", "--message", "pin"]).await;
}

/// Builds both, and gives their images in the order of `upper`, `lower`.
async fn build(bench: &Bench, host: &str) -> [String; 2] {
    let report = bench.path("build.json");
    let words = format!("build --registry {host} --image-prefix ghcr.io/acme/models --json");
    bench.pipeline(&words).arg(&report).go().await.ok();
    let report = json_file(&report);
    ["text/upper@1", "text/lower@1"].map(|name| {
        let built = report["built"].as_array().unwrap();
        let one = built.iter().find(|one| one["ref"] == name).unwrap();
        one["image"].as_str().unwrap().to_owned()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_digest_that_counts_is_listed_and_looked_up() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        commit_all(&bench.repo()).await;
        let first = build(&bench, host).await;
        pin(&bench, [&first[0], &first[1]]).await;
        git(&bench.repo(), &["branch", "main"]).await;
        bench.write("code/unique", format!("{} again", bench.repo().display()));
        let second = build(&bench, host).await;
        assert_ne!(first, second);
        pin(&bench, [&second[0], &second[1]]).await;

        // Both branches pin something; what `dev` had before counts too.
        let keep = bench.path("keep.txt");
        let words = "digests --branches dev,main --json digests.json --keep-list";
        let ran = bench.pipeline(words).arg(&keep).go().await.ok();
        assert!(
            ran.stdout.contains("text/upper@1 on main"),
            "{}",
            ran.stdout
        );
        let list = std::fs::read_to_string(&keep).unwrap();
        let lines: Vec<&str> = list.lines().collect();
        assert!(lines.is_sorted(), "{list}");
        for image in first.iter().chain(&second) {
            assert!(lines.contains(&image.as_str()), "{image} in {list}");
        }
        let report = json_file(&bench.repo().join("digests.json"));
        assert_eq!(report["schema"], 1);
        assert_eq!(report["branches"], serde_json::json!(["dev", "main"]));
        let digests = report["digests"].as_array().unwrap();
        assert_eq!(digests.len(), lines.len());
        // The records of inputs, and the lists that name them, stay with their images.
        for role in ["attached-to", "lists-artifacts-of"] {
            let of_role = digests.iter().filter(|one| one["role"][role].is_string());
            assert_eq!(of_role.count(), 4, "{role} in {report}");
        }

        // Only what is pinned now on one branch, and nothing else on standard output.
        let words = "digests --branches dev --last 0 --keep-list -";
        let ran = bench.pipeline(words).go().await.ok();
        for image in &second {
            assert!(
                ran.stdout.lines().any(|line| line == image),
                "{}",
                ran.stdout
            );
        }
        for image in &first {
            assert!(!ran.stdout.contains(image), "{}", ran.stdout);
        }
        assert!(
            ran.stdout.lines().all(|line| line.starts_with(host)),
            "{}",
            ran.stdout
        );

        // A rollback target is gone: all is listed, and the command says what is missing.
        let (repository, _) = second[0].split_once('@').unwrap();
        let gone = format!("{repository}@{}", digest('e'));
        pin(&bench, [&gone, &second[1]]).await;
        pin(&bench, [&second[0], &second[1]]).await;
        let words = "digests --branches dev --last 1 --keep-list";
        let ran = bench.pipeline(words).arg(&keep).go().await;
        let ran = ran.ended(17).one_error();
        assert!(ran.stdout.contains("MISSING"), "{}", ran.stdout);
        let ran = ran.says(&[&gone, "text/upper@1 on dev", "hint: "]);
        assert!(!ran.stderr.contains(&second[1]), "{}", ran.stderr);
        assert!(std::fs::read_to_string(&keep).unwrap().contains(&second[1]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_lacks_history_is_told_its_cure() {
    let bench = Bench::new();
    project::runbook(&bench);
    commit_all(&bench.repo()).await;
    pin(&bench, ["sha256:pending", "sha256:REPLACE"]).await;
    let ran = bench.pipeline("digests").go().await.ended(2).one_error();
    ran.says(&["`staging`", "fetch-depth: 0", "git fetch origin staging"]);

    let clone = bench.path("clone");
    let from = format!("file://{}", bench.repo().display());
    let clone_text = clone.display().to_string();
    let args = ["clone", "--quiet", "--depth", "1", &from, &clone_text];
    git(&bench.repo(), &args).await;
    let words = format!("digests --branches dev --repo {clone_text}");
    let ran = bench.pipeline(&words).go().await.ok();
    ran.says(&["warning: ", "cut off", "fetch-depth: 0"]);
    // Nobody asked for the past.
    let ran = bench.pipeline(&format!("{words} --last 0")).go().await.ok();
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
}

#[tokio::test]
async fn what_cannot_be_read_is_no_shorter_list() {
    let bench = Bench::new();
    project::runbook(&bench);
    bench.write(&file_of("upper"), "ref: [\n");
    commit_all(&bench.repo()).await;
    let ran = bench.pipeline("digests --branches dev").go().await;
    let ran = ran.ended(2).one_error();
    ran.says(&[&file_of("upper"), "on `dev`", "hint: "]);
    let words = "digests --branches dev --json - --keep-list -";
    let ran = bench.pipeline(words).go().await.ended(2).one_error();
    ran.says(&["standard output", "hint: "]);
    let outside = Bench::new();
    let ran = outside.pipeline("digests").go().await.ended(2).one_error();
    ran.says(&["history of the pins", "git"]);
}
