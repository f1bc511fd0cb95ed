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
    run(&[("pending", "skip")]).await.ok();
    run(&[("pending", "fail")]).await.ended(13);

    // What has passed is not even looked for.
    for name in ["upper", "lower"] {
        let image = format!("127.0.0.1:9/acme/{name}@{}", project::digest('1'));
        bench.write(&project::file_of(name), project::entry(name, &image));
    }
    bench.write("code/Makefile", "test-acceptance:\n\t@true\n");
    for (again, looks) in [("false", true), ("true", false)] {
        let ran = run(&[("again", again)]).await.ended(13);
        let looked = ran.stderr.contains("cannot tell what has passed already");
        assert_eq!(looked, looks, "{again}: {ran:?}");
    }
    let none = run(&[("processors", "text/none")]).await.ended(2);
    none.says(&["text/none"]);
    run(&[("repo", "nowhere")])
        .await
        .ended(2)
        .says(&["nowhere"]);
}
