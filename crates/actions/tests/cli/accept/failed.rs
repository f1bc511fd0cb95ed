//! What did not pass is shown at its line.

use crate::bench::{Bench, json_file};
use crate::project;

/// What pytest leaves behind with `junit_family=xunit1`, and another program.
const JUNIT: &str = "<testsuites><testsuite name='pytest'>\
    <testcase classname='tests.test_a' name='test_one' file='tests/test_a.py' line='1' time='0'/>\
    <testcase classname='tests.test_a' name='test_two' file='tests/test_a.py' line='4'>\
    <failure message='assert 1 == 2'>trace</failure></testcase></testsuite>\
    <testsuite name='other'><testcase name='by its trace'>\
    <error message='boom %0A::error::x'>in it\ntests/test_a.py:2: Boom</error></testcase>\
    <testcase name='elsewhere' file='../../../etc/passwd' line='1'><failure/></testcase>\
    <testcase name='left out'><skipped/></testcase></testsuite></testsuites>";

#[tokio::test]
async fn a_test_that_failed_is_an_annotation_at_its_line() {
    let bench = Bench::new();
    project::runbook(&bench);
    for name in ["upper", "lower"] {
        let disabled = project::entry(name, "sha256:pending") + "enabled: false\n";
        bench.write(&project::file_of(name), disabled);
    }
    bench.write("code/junit.xml", JUNIT);
    bench.write("code/tests/test_a.py", "\n\n\n\n\n");
    bench.write(
        "code/Makefile",
        "test-acceptance:\n\t@cp junit.xml $$PIPELINE_REPORT_DIR; exit 1\n",
    );
    let (report, summary) = (bench.path("acceptance.json"), bench.path("summary.md"));
    let run = bench.pipeline("accept --json").arg(&report);
    let run = run.env("GITHUB_ACTIONS", "true");
    let run = run.env("GITHUB_WORKSPACE", bench.repo());
    let run = run.env("GITHUB_STEP_SUMMARY", &summary);
    let ran = run.go().await.ended(13).one_error();
    let commands = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("::error"));
    insta::assert_snapshot!(commands.collect::<Vec<_>>().join("\n"), @"
    ::error file=code/tests/test_a.py,line=5,col=1,title=tests.test_a.test_two::assert 1 == 2
    ::error file=code/tests/test_a.py,line=2,col=1,title=by its trace::boom %250A::error::x
    ::error title=elsewhere::failed, and does not say why
    ");
    let failed = &json_file(&report)["suite"]["cases"]["failed"];
    assert_eq!(
        (&failed[0]["line"], &failed[1]["line"]),
        (&5.into(), &2.into())
    );
    let summary = std::fs::read_to_string(&summary).unwrap();
    let seconds = summary
        .split(" after ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let suite = &summary[summary.find("### Suite").unwrap()..];
    insta::assert_snapshot!(suite.replace(seconds, "N"), @r"
    ### Suite: `make test-acceptance` failed with exit code 2 after N s, 5 tests

    | tests | passed | failed | broken | skipped |
    | --- | --- | --- | --- | --- |
    | 5 | 1 | 2 | 1 | 1 |

    | test | where | what is wrong |
    | --- | --- | --- |
    | tests.test\_a.test\_two | `code/tests/test_a.py:5` | assert 1 == 2 |
    | by its trace | `code/tests/test_a.py:2` | boom %0A::error::x |
    | elsewhere | – |  |
    ");
}
