//! Contracts that hold, and what is told of them.

use acceptance::{ContractReport, Verdict};
use tokio_util::sync::CancellationToken;

use crate::processor::{Processor, cases, everything_left_of};
use crate::support::{Repo, docker};

#[tokio::test]
async fn a_contract_that_holds_is_proven_twice_and_leaves_nothing() {
    let processor = Processor::new().await;
    let repo = Repo::bare(None);
    std::fs::write(repo.path("code/given.txt"), "given\n").unwrap();
    std::fs::write(
        repo.path("code/inputs.json"),
        r#"{"do": "artifact a.json application/json {}"}"#,
    )
    .unwrap();
    let report = processor
        .accept(
            &repo,
            r#"
  budget: {wall-seconds: 10, memory-mib: 32, output-bytes: 100, cost-units: 0.5}
  limits: {seconds: 60, memory-mib: 64, cpus: 64, pids: 32, output-mib: 1}
  cases:
    - name: with-files
      inputs: {do: 'cost=0.25; mkdir $out/deep; artifact deep/copy.txt text/plain $(cat $PROCESSOR_INPUT_DIR/sub/in.txt)'}
      files: {sub/in.txt: given.txt}
      artifacts: {deep/copy.txt: text/plain}
      expect: {/usage/cost_units: 0.25, /outputs/0/bytes: 5}
    - name: inputs-of-a-file
      inputs: inputs.json
      artifacts: {a.json: application/json}
    - name: fails-as-it-should
      mode: real
      inputs: {do: 'status=error; extra=,"error":{"code":"ERR_X","message":"no"}'}
      expect: {status: error, /error/code: ERR_X}
"#,
            &CancellationToken::new(),
        )
        .await;
    let report = report.unwrap();
    assert_eq!(report.verdict, Verdict::Passed);
    let seen: Vec<String> = cases(&report)
        .iter()
        .map(|case| {
            let artifacts = case.artifacts.iter().map(|file| &*file.path);
            format!(
                "{} {:?} {} runs, {} bytes, {:?} cost, {:?}",
                case.name,
                case.mode,
                case.runs,
                case.output_bytes,
                case.cost_units,
                artifacts.collect::<Vec<_>>()
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            r#"with-files Mock 2 runs, 5 bytes, Some(0.25) cost, ["deep/copy.txt"]"#,
            r#"inputs-of-a-file Mock 2 runs, 2 bytes, Some(0) cost, ["a.json"]"#,
            r#"fails-as-it-should Real 1 runs, 0 bytes, Some(0) cost, []"#,
        ]
    );
    assert!(
        cases(&report)
            .iter()
            .all(|case| case.wall_seconds.is_some())
    );
    assert_eq!(everything_left_of(&report.project).await, [""; 0]);
}

#[tokio::test]
async fn without_cases_there_is_no_contract_to_hold() {
    let processor = Processor::new().await;
    let repo = Repo::bare(None);
    let section = "  budget: {wall-seconds: 1}\n";
    let report = processor
        .accept(&repo, section, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(report.verdict, Verdict::NotConfigured);
    let ContractReport::NotConfigured { add } = report.contract else {
        panic!("{report:?}")
    };
    assert!(add.contains("acceptance.cases"), "{add}");
}

const SLOW: &str = "
  limits: {seconds: 300}
  cases:
    - {name: slow, inputs: {do: 'sleep 250'}}
    - {name: slow-too, inputs: {do: 'sleep 250'}}
";

/// The run that has a container of `pinned`, once that runs.
async fn running(pinned: &str) -> String {
    let filter = format!("ancestor={pinned}");
    let format = "{{.Label \"com.docker.compose.project\"}}";
    for _ in 0..600 {
        let found = docker(&["ps", "--filter", &filter, "--format", format]).await;
        if let Some(project) = found.split_whitespace().next() {
            return project.to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("no container of {pinned} ran");
}

#[tokio::test]
async fn cancelling_a_case_leaves_nothing() {
    let processor = Processor::new().await;
    let repo = Repo::bare(None);
    let cancel = CancellationToken::new();
    let stop = async {
        let project = running(&processor.pinned).await;
        cancel.cancel();
        project
    };
    let (ended, project) = tokio::join!(processor.accept(&repo, SLOW, &cancel), stop);
    assert!(ended.unwrap_err().is_cancelled());
    assert_eq!(everything_left_of(&project).await, [""; 0]);
}

#[tokio::test]
async fn dropping_a_case_leaves_nothing() {
    let processor = Processor::new().await;
    let repo = Repo::bare(None);
    let cancel = CancellationToken::new();
    let project = tokio::select! {
        ended = processor.accept(&repo, SLOW, &cancel) => panic!("{ended:?}"),
        project = running(&processor.pinned) => project,
    };
    assert_eq!(everything_left_of(&project).await, [""; 0]);
}
