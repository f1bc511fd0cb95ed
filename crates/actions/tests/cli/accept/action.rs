//! The action `acceptance`, and the options of the command that it runs.

use serde_yaml::Value;

use crate::action::{keys, with_inputs};
use crate::bench::Bench;
use crate::project;

const ACTION: &str = include_str!("../../../../../acceptance/action.yml");
const DOCUMENT: &str = include_str!("../../../../../docs/acceptance.md");

#[tokio::test]
async fn each_input_is_an_option_and_reaches_the_command() {
    let bench = Bench::new();
    let help = bench.pipeline("accept --help").go().await.ok().stdout;
    let action: Value = serde_yaml::from_str(ACTION).unwrap();
    for input in keys(&action["inputs"]) {
        assert!(help.contains(&format!("--{input} ")) || help.contains(&format!("--{input}\n")));
        assert!(DOCUMENT.contains(&format!("| `{input}` |")), "{input}");
        let used = format!("${{{{ inputs.{input} }}}}");
        assert!(ACTION.contains(&used), "{input} is not used");
    }
    for step in action["runs"]["steps"].as_sequence().unwrap() {
        let run = step["run"].as_str().unwrap();
        assert!(!run.contains("${{"), "{run}");
    }

    project::runbook(&bench);
    let run = |given: &[(&str, &str)]| {
        // The default is the workspace, where the tests are already.
        with_inputs(&action, "Accept", bench.pipeline("accept"), given).go()
    };
    run(&[]).await.ok();
    run(&[("again", "true"), ("pending", "skip")]).await.ok();
    run(&[("pending", "fail")]).await.ended(13);
    let none = run(&[("processors", "text/none")]).await.ended(2);
    none.says(&["text/none"]);
    run(&[("repo", "nowhere")])
        .await
        .ended(2)
        .says(&["nowhere"]);
}
