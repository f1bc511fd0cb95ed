//! How problems of registry files are told.

use super::bench::Bench;
use super::project::{self, file_of};

const BAD: &str = "ref: LLM\nimage: {oci: sha256:pending}\n";

#[tokio::test]
async fn problems_are_counted_and_each_has_its_cure() {
    let bench = Bench::new();
    project::runbook(&bench);
    bench.write(&file_of("upper"), BAD);
    let ran = bench.pipeline("accept").go().await.ended(2).one_error();
    insta::assert_snapshot!(ran.stderr, @r"
    error: failed to read the registry files: 1 problem
      code/apps/core/registry/processors/text_upper.yaml:1:6: `ref` is `LLM`, not `<namespace>/<name>@<version>` in lower case, as in `llm/litellm@1` [bad-ref]
    ");
    let args = "build: {dockerfile: none, args: {1x: y}}\n";
    bench.write(&file_of("lower"), format!("ref: text/lower@1\n{args}"));
    for command in ["accept", "rehearse --repo ."] {
        let ran = bench.pipeline(command).go().await.ended(2).one_error();
        let (_, told) = ran.stderr.split_once("error: ").unwrap();
        insta::allow_duplicates! {
            insta::assert_snapshot!(told, @r"
            failed to read the registry files: 3 problems
              code/apps/core/registry/processors/text_lower.yaml:2:21: the Dockerfile code/none does not exist [missing-dockerfile]
                hint: create it, or name another with `build.dockerfile`
              code/apps/core/registry/processors/text_lower.yaml:2:34: `1x` below `build.args` is no name of a build argument [bad-arg-name]
                hint: use letters, digits and `_`, and no digit first
              code/apps/core/registry/processors/text_upper.yaml:1:6: `ref` is `LLM`, not `<namespace>/<name>@<version>` in lower case, as in `llm/litellm@1` [bad-ref]
            ");
        }
    }
}

#[tokio::test]
async fn a_workflow_shows_each_problem_at_its_line() {
    let bench = Bench::new();
    project::runbook(&bench);
    bench.write(&file_of("upper"), BAD);
    bench.write(
        &file_of("lower"),
        "ref: text/lower@1\nbuild: {dockerfile: none}\n",
    );
    let accept = |words: &str| {
        let run = bench.pipeline(&format!("accept {words}"));
        run.env("GITHUB_ACTIONS", "true")
    };
    let annotations = |ran: &super::bench::Ran| {
        let lines = ran.stderr.lines();
        let lines = lines.filter(|line| line.starts_with("::"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let ran = accept("").go().await.ended(2).one_error();
    insta::assert_snapshot!(annotations(&ran), @r"
    ::error file=code/apps/core/registry/processors/text_lower.yaml,line=2,col=21::the Dockerfile code/none does not exist [missing-dockerfile]%0Ahint: create it, or name another with `build.dockerfile`
    ::error file=code/apps/core/registry/processors/text_upper.yaml,line=1,col=6::`ref` is `LLM`, not `<namespace>/<name>@<version>` in lower case, as in `llm/litellm@1` [bad-ref]
    ");
    // Files are named from the workspace, wherever the repository is in it.
    let workspace = bench.path("");
    let ran = accept("").env("GITHUB_WORKSPACE", workspace).go().await;
    let ran = ran.ended(2).one_error();
    let at = format!("::error file=repo/{},line=1,col=6::", file_of("upper"));
    assert!(ran.stderr.contains(&at), "{}", ran.stderr);
    // What is not below it has no place that the runner could find.
    let ran = accept("").env("GITHUB_WORKSPACE", bench.path("home"));
    let ran = ran.go().await.ended(2).one_error();
    let whole = "::error::failed to read the registry files: 2 problems%0A";
    let shown = annotations(&ran);
    assert!(shown.starts_with(whole), "{shown}");
    // The runner would drop more than ten.
    for number in 0..20 {
        bench.write(&file_of(&format!("x{number}")), BAD);
    }
    let ran = accept("").go().await.ended(2).one_error();
    assert_eq!(annotations(&ran).lines().count(), 10, "{}", ran.stderr);
    ran.says(&["22 problems"]);
}
