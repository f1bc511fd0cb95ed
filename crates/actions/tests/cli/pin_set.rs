use std::time::Duration;

use super::bench::Bench;
use super::project::digest;

fn image(digit: char) -> String {
    format!("ghcr.io/acme/upper@{}", digest(digit))
}

#[tokio::test]
async fn a_pin_is_written_once() {
    let bench = Bench::new();
    let file = "a.yaml";
    let old = "# c\nref: text/upper@1\nimage: {oci: 'sha256:pending'}  # bot\r\nother: [1,2]";
    bench.write(file, old);
    let set = format!("pin set {file} {}", image('1'));

    let ran = bench.pipeline(&set).go().await.ok();
    assert_eq!(ran.stdout, format!("a.yaml: pinned: {}\n", image('1')));
    assert_eq!(ran.stderr, "");
    assert_eq!(bench.read(file), old.replace("sha256:pending", &image('1')));

    let modified = || {
        let path = bench.repo().join(file);
        path.metadata().unwrap().modified().unwrap()
    };
    let before = modified();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let ran = bench.pipeline(&set).go().await.ok();
    assert_eq!(ran.stdout, format!("a.yaml: already so: {}\n", image('1')));
    assert_eq!(modified(), before);
}

#[tokio::test]
async fn a_platform_has_a_pin_of_its_own() {
    let bench = Bench::new();
    let old = format!(
        "ref: text/upper@1\nimage:\n  platforms:\n    amd64: {}\n    arm64: {}\n",
        image('1'),
        image('2')
    );
    bench.write("a.yaml", &old);
    let words = format!("pin set a.yaml {} --platform linux/arm64", image('3'));
    bench.pipeline(&words).go().await.ok();
    assert_eq!(bench.read("a.yaml"), old.replace(&image('2'), &image('3')));

    let words = format!("pin set a.yaml {} --platform amd64", image('3'));
    let ran = bench.pipeline(&words).go().await.ended(2);
    assert!(ran.stderr.contains("linux/"), "{}", ran.stderr);
}

#[tokio::test]
async fn what_cannot_be_pinned_safely_is_left_alone() {
    let bench = Bench::new();
    let files = [
        "ref: a/b@1\nimage:\n  oci: &pin sha256:pending\nother: *pin\n",
        "ref: a/b@1\nimage:\n  oci: |\n    sha256:pending\n",
        "ref: a/b@1\nimage:\n  oci: x\n  oci: y\n",
        "ref: [unclosed\n",
    ];
    for text in files {
        bench.write("a.yaml", text);
        let words = format!("pin set a.yaml {}", image('1'));
        let ran = bench.pipeline(&words).go().await.ended(2).one_error();
        assert!(ran.stderr.contains("a.yaml"), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
        assert_eq!(bench.read("a.yaml"), text);
    }
    let words = format!("pin set missing.yaml {}", image('1'));
    let ran = bench.pipeline(&words).go().await;
    ran.ended(2).one_error().says(&["missing.yaml"]);
}

#[tokio::test]
async fn an_image_needs_a_digest() {
    let bench = Bench::new();
    bench.write("a.yaml", "ref: a/b@1\n");
    for bad in [
        "ghcr.io/acme/upper:latest",
        "sha256:1",
        "ghcr.io/acme/x@sha256:xyz",
    ] {
        let ran = bench.pipeline("pin set a.yaml").arg(bad).go().await;
        let ran = ran.ended(2).says(&[bad]);
        assert_eq!(ran.stdout, "");
        assert_eq!(bench.read("a.yaml"), "ref: a/b@1\n");
    }
}

#[tokio::test]
async fn json_on_standard_output_is_nothing_else() {
    let bench = Bench::new();
    bench.write(
        "a.yaml",
        "ref: text/upper@1\nimage:\n  oci: sha256:pending\n",
    );
    let words = format!("pin set a.yaml {} --json -", image('1'));
    // What a runner sets must not get in the way of a command that wants none of it.
    let run = bench
        .pipeline(&words)
        .env("GITHUB_REPOSITORY", "acme/models");
    let ran = run.env("GITHUB_RUN_ID", "7").go().await.ok();
    let expected = serde_json::json!({
        "schema": 1, "file": "a.yaml", "image": image('1'), "written": true
    });
    assert_eq!(ran.json(), expected);
    let again = bench.pipeline(&words).go().await.ok();
    assert_eq!(again.json()["written"], false);
}
