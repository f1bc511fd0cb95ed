//! The action `modal-deploy`, and the options of the command that it runs.

use std::collections::BTreeSet;

use serde_yaml::Value;

use super::super::action::{keys, with_inputs};
use super::{World, discreet};

const ACTION: &str = include_str!("../../../../../modal-deploy/action.yml");
const DOCUMENT: &str = include_str!("../../../../../docs/modal-deploy.md");

fn action() -> Value {
    serde_yaml::from_str(ACTION).unwrap()
}

#[tokio::test]
async fn each_option_of_the_command_is_an_input_of_the_action() {
    let world = super::super::bench::Bench::new();
    let help = world.pipeline("deploy --help").go().await.ok().stdout;
    let options: BTreeSet<&str> = help
        .lines()
        .filter_map(|line| line.trim_start().split_once("--"))
        .filter(|(before, _)| before.is_empty() || before.ends_with(", "))
        .filter_map(|(_, name)| name.split([' ', '=', ',']).next())
        // Where the report goes is an output, and these are about the words on the terminal.
        .filter(|name| !["json", "verbose", "help"].contains(name))
        .map(|name| if name == "env" { "environment" } else { name })
        .collect();
    let action = action();
    let inputs: BTreeSet<&str> = keys(&action["inputs"]).into_iter().collect();
    assert_eq!(inputs, options);
    for input in inputs {
        assert!(
            action["inputs"][input]["description"].is_string(),
            "{input}"
        );
        assert!(DOCUMENT.contains(&format!("`{input}`")), "{input}");
        let used = format!("${{{{ inputs.{input} ");
        assert!(ACTION.contains(&used), "{input} is not used");
    }
    for step in action["runs"]["steps"].as_sequence().unwrap() {
        let run = step["run"].as_str().unwrap();
        assert!(!run.contains("${{"), "{run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_reach_the_command() {
    let world = World::pinned().await;
    let run = |given: &[(&str, &str)]| {
        let mut all = vec![("environment", "dev")];
        all.extend(given);
        with_inputs(&action(), "Deploy", world.deploy(""), &all).go()
    };
    // Nothing that is not given does anything.
    discreet(run(&[]).await)
        .ended(14)
        .one_error()
        .says(&["OPENAI_API_KEY"]);
    let values = format!(
        r#"{{"OPENAI_API_KEY": "{0}", "REPLICATE_API_TOKEN": "{0}"}}"#,
        super::SECRET
    );
    let secrets = ("secrets-json", &*values);
    let dry = discreet(run(&[secrets, ("dry-run", "true")]).await).ok();
    assert!(dry.stdout.contains("it is not deployed"), "{}", dry.stdout);
    for (input, value, said) in [
        ("jobs", "0", "--jobs"),
        ("timeout", "soon", "--timeout"),
        ("on-failure", "pray", "--on-failure"),
        ("modal-backend", "rust", "--modal-backend"),
        ("release-hold", "text/other@1", "text/other@1"),
        ("processors", "text/other", "text/other"),
    ] {
        let ran = discreet(run(&[secrets, (input, value)]).await);
        ran.ended(2).says(&[said]);
    }
    assert!(!world.has_app("text-summarize-v1"));

    let all = [
        ("environment", "staging"),
        ("create-environment", "true"),
        ("force", "true"),
        ("on-failure", "rollback"),
        ("no-smoke", "true"),
        ("jobs", "1"),
        ("timeout", "300"),
        ("logs", "logs"),
        ("processors", "text/summarize"),
        ("release-hold", "text/summarize@1"),
        ("modal-backend", "native"),
        secrets,
    ];
    let ran = discreet(run(&all).await).ok();
    assert!(ran.stdout.contains("deployed v1"), "{}", ran.stdout);
    assert!(
        world
            .bench
            .repo()
            .join("logs/text-summarize-v1.log")
            .is_file()
    );
    let report = world.report();
    assert_eq!(report["environment"], "staging");
    assert_eq!(report["apps"][0]["why"][0], "forced");
    assert_eq!(report["apps"][0]["smoke"]["verdict"], "skipped");
    world.stop().await;
}
