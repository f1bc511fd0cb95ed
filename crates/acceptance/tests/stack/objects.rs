//! What a suite leaves in the S3 service of the example, on the real engine.

use std::path::Path;

use acceptance::{AcceptanceError, AcceptanceReport, ErrorClass, ObjectsOptions, Verdict};
use process::Command;
use tokio_util::sync::CancellationToken;

use crate::processor::{Processor, accept_as_written};
use crate::support::{Repo, left_of};

const COMPOSE: &str = r#"
services:
  minio:
    image: pipeline-example/s3:debian
    environment: {MINIO_ROOT_USER: user, MINIO_ROOT_PASSWORD: not-to-be-seen}
    ports: ["127.0.0.1::9000"]
    healthcheck:
      test: [CMD-SHELL, "wget -q -O /dev/null http://127.0.0.1:9000/ 2>&1 | grep -q 403"]
      interval: 1s
      retries: 60
"#;
/// An answer to nothing is an error, so that the case writes nothing and only declares.
const SECTION: &str = "  cases:\n  - {name: one, inputs: {do: ok}, artifacts: {text/out.txt: text/plain, data.json: application/json}}\n";

fn example() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/processors")
}

/// A repository whose suite puts `objects`, as lines of `key media-type`, into a bucket.
async fn repo(objects: &str) -> Repo {
    Command::new(example().join("images/build.sh"))
        .arg("s3")
        .run(&CancellationToken::new())
        .await
        .unwrap();
    let script = format!(
        r#"cd '{}'; PYTHONDONTWRITEBYTECODE=1 python3 -c '
from tests.acceptance.services import S3
store = S3("user", "not-to-be-seen")
store.make_bucket("artifacts")
for line in """{objects}""".split("\n"):
    if line:
        key, kind = line.split(" ")
        store.put("artifacts", key, b"x", kind)
'"#,
        example().join("code").display()
    );
    let mut repo = Repo::bare(Some(&script));
    std::fs::write(repo.path("code/compose.yml"), COMPOSE).unwrap();
    repo.options.objects = Some(ObjectsOptions::new("artifacts"));
    repo.options.only = Some(acceptance::Part::Suite);
    repo
}

async fn accepted(repo: &Repo, processor: &Processor) -> Result<AcceptanceReport, AcceptanceError> {
    processor.write(repo, SECTION);
    accept_as_written(&repo.options, &processor.pinned, &CancellationToken::new()).await
}

#[tokio::test]
async fn declared_objects_pass_and_others_are_violations() {
    let processor = Processor::new().await;
    let good = "text/x/1/ab/text/out.txt text/plain\ntext/x/data.json application/json\n";
    let passed = repo(good).await;
    let report = accepted(&passed, &processor).await.unwrap();
    assert_eq!(report.verdict, Verdict::Passed);
    let objects = report.objects.unwrap();
    assert_eq!((objects.objects, objects.wrong), (2, 0));

    let bad =
        "text/x/1/text/out.txt image/png\ntext/y/data.json application/json\nstray text/plain\n";
    let failed = repo(&format!("{good}{bad}")).await;
    let error = accepted(&failed, &processor).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Failed);
    insta::assert_snapshot!(error, @r"
    hold the images to their contracts: 3 of 5 objects in `artifacts` are wrong
      `stray`: object: expected only `<processor>/…/<declared path>` of a pinned processor, got it
      `text/x/1/text/out.txt`: media type: expected text/plain, got image/png
      `text/y/data.json`: object: expected only `<processor>/…/<declared path>` of a pinned processor, got it
    ");
    let report = error.report().unwrap();
    assert_eq!(report.verdict, Verdict::Failed);
    assert_eq!(left_of(&report.project).await, [""; 0]);
}

#[tokio::test]
async fn more_than_a_page_is_listed_whole() {
    let processor = Processor::new().await;
    let many: String = (0..1100)
        .map(|n| format!("text/x/{n:04}/data.json application/json\n"))
        .collect();
    let repo = repo(&format!("{many}text/x/zz/other text/plain\n")).await;
    let error = accepted(&repo, &processor).await.unwrap_err();
    let objects = error.report().unwrap().objects.clone().unwrap();
    assert_eq!((objects.objects, objects.wrong), (1101, 1));
}

#[tokio::test]
async fn what_cannot_be_looked_at_says_why_and_what_to_do() {
    let processor = Processor::new().await;
    type Change = fn(&mut ObjectsOptions);
    let cases: [(Change, ErrorClass, &str, &str); 5] = [
        (
            |it| it.bucket = "other".into(),
            ErrorClass::Failed,
            "the service answers 404 (NoSuchBucket)",
            "let the suite make the bucket",
        ),
        (
            |it| it.secret_key_env = "OTHER".into(),
            ErrorClass::Failed,
            "the service answers 403 (SignatureDoesNotMatch)",
            "must hold the credentials of the service",
        ),
        (
            |it| it.access_key_env = "NOWHERE_TO_BE_FOUND".into(),
            ErrorClass::Input,
            "neither the service, `acceptance.env` nor the environment has `NOWHERE_TO_BE_FOUND`",
            "set `access-key-env` and `secret-key-env`",
        ),
        (
            |it| it.port = Some(9001),
            ErrorClass::Input,
            "service `minio` does not publish port 9001",
            "publish its port",
        ),
        (
            |it| it.service = "store".into(),
            ErrorClass::Input,
            "the stack has no service `store`",
            "set `acceptance.artifacts.service`",
        ),
    ];
    for (change, class, why, hint) in cases {
        let mut repo = repo("").await;
        repo.options
            .env
            .insert("OTHER".into(), "not-the-one".into());
        change(repo.options.objects.as_mut().unwrap());
        let error = accepted(&repo, &processor).await.unwrap_err();
        let AcceptanceError::Objects { source, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(source.to_string(), why);
        assert_eq!(error.class(), class, "{why}");
        assert!(error.hint().unwrap().contains(hint), "{error:?}");
        let all = format!("{error:?}");
        assert!(
            !all.contains("not-to-be-seen") && !all.contains("not-the-one"),
            "{all}"
        );
    }
}
