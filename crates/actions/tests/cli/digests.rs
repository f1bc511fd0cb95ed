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
    // What such a list lacks would be deleted.
    let keep = bench.path("keep.txt");
    let list = format!("{words} --keep-list {}", keep.display());
    let ran = bench.pipeline(&list).go().await.ended(2).one_error();
    ran.says(&[
        "keep-list",
        "`dev`",
        "cut off",
        "fetch-depth: 0",
        "--last 0",
    ]);
    assert!(!keep.exists());
    // Nobody asked for the past.
    let ran = bench.pipeline(&format!("{list} --last 0")).go().await.ok();
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    assert!(keep.exists());
}

/// An answer for every image: that it is not there.
async fn empty_registry() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let app = axum::Router::new().fallback(async || axum::http::StatusCode::NOT_FOUND);
    tokio::spawn(axum::serve(listener, app).into_future());
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn each_branch_tells_where_its_files_are_and_requests_count() {
    let host = empty_registry().await;
    let image = |digit| format!("{host}/a/upper@{}", digest(digit));
    let bench = Bench::new();
    let folder = bench.repo();
    let commit = async || {
        git(&folder, &["add", "--all"]).await;
        git(&folder, &["commit", "--quiet", "--message", "pin"]).await;
    };
    // `main` has the usual layout, and the checked-out branch has another one since a moment ago.
    bench.write(&file_of("upper"), entry("upper", &image('1')));
    commit_all(&folder).await;
    git(&folder, &["branch", "main"]).await;
    bench.write(&file_of("upper"), entry("upper", &image('2')));
    commit().await;
    std::fs::remove_file(folder.join(file_of("upper"))).unwrap();
    bench.write("pipeline.yml", "registry-files: ['pins/*.yaml']\n");
    bench.write("pins/upper.yaml", entry("upper", "sha256:pending"));
    commit().await;
    for (branch, digit) in [("bot/pin-7", '3'), ("bot/pins", '4'), ("people/x", '5')] {
        git(&folder, &["checkout", "--quiet", "-b", branch, "dev"]).await;
        bench.write("pins/upper.yaml", entry("upper", &image(digit)));
        commit().await;
    }
    git(&folder, &["checkout", "--quiet", "dev"]).await;

    let list = async |words: &str| {
        let words = format!("digests --keep-list - {words}");
        bench.pipeline(&words).go().await.ended(17).stdout
    };
    let lines = |digits: &[char]| -> String {
        let line = |digit: &char| format!("{}\n", image(*digit));
        digits.iter().map(line).collect()
    };
    // What `dev` had at the old place, before it was pending at the new one, is a rollback target.
    let both = "--branches dev,main";
    assert_eq!(list(both).await, lines(&['1', '2', '3']));
    let last = format!("{both} --last 0");
    assert_eq!(list(&last).await, lines(&['1', '3']));
    let requests = format!("{last} --requests bot/pins,bot/pin-*");
    assert_eq!(list(&requests).await, lines(&['1', '3', '4']));
    let none = format!("{last} --requests=");
    assert_eq!(list(&none).await, lines(&['1']));

    // A branch of which nothing is found is no branch that needs nothing.
    bench.write("pipeline.yml", "registry-files: ['elsewhere/*.yaml']\n");
    commit().await;
    let words = format!("digests --keep-list - {both}");
    let ran = bench.pipeline(&words).go().await.ended(2).one_error();
    let ran = ran.says(&["`dev`", "elsewhere/*.yaml", "hint: ", "registry-files"]);
    assert_eq!(ran.stdout, "");
    bench.write("pipeline.yml", "registry-file: []\n");
    commit().await;
    let ran = bench.pipeline(&words).go().await.ended(2).one_error();
    ran.says(&["pipeline.yml", "registry-file"]);
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
