use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use registry_model::{PinnedImage, Platform, ProcessorRef};
use serde::Serialize;

use crate::contract::{self, ContractPlan};
use crate::{
    AcceptanceError, AcceptanceOptions, AcceptedBy, Inputs, ObjectsPlan, Part, Sources, objects,
};

const USUAL_SERVICES: [&str; 3] = ["postgres", "redis", "minio"];
const USUAL_TARGET: &str = "test-acceptance";

/// What a run would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AcceptancePlan {
    /// The cases that each image is held against alone.
    pub contract: Configured<ContractPlan>,
    /// The services around the processors.
    pub stack: Configured<StackPlan>,
    /// The tests.
    pub suite: Configured<SuitePlan>,
    /// What the suite may leave in the S3 service, if that is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<ObjectsPlan>,
    /// More environment for both.
    pub env: BTreeMap<String, String>,
    /// What the images must be made for.
    pub platform: Platform,
    /// Whether less was asked for than the repository has.
    pub reduced: bool,
    /// When only some processors are asked for, the images of those that are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<Vec<PinnedImage>>,
    /// What the verdicts depend on; `None` until [`skip()`](crate::skip()) knows them, and then a run
    /// reads them itself.
    pub inputs: Option<Inputs>,
    /// What was taken out by [`skip()`](crate::skip()), and for which receipts.
    pub accepted: BTreeMap<ProcessorRef, Vec<AcceptedBy>>,
}

/// A part of the stage that a repository may have nothing for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Configured<T> {
    /// It is there.
    Configured(T),
    /// It is, and need not run: receipts say that it has passed.
    Accepted,
    /// It is not, which is no error.
    NotConfigured {
        /// What to add to have it.
        add: String,
    },
}

/// The services to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StackPlan {
    /// The compose file.
    pub file: PathBuf,
    /// The files that win over it, the last most.
    pub overrides: Vec<PathBuf>,
    /// Its services that are started, in its order.
    pub services: Vec<String>,
    /// How long they may take to become healthy.
    pub wait_timeout: Duration,
}

/// The tests to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SuitePlan {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// The folder with all that its verdict depends on.
    pub depends_on: PathBuf,
    /// It is ended when it runs longer.
    pub timeout: Duration,
    /// Where it leaves JUnit files, if they are to be kept.
    pub report_dir: Option<PathBuf>,
}

impl<T> Configured<T> {
    /// The part, if it is there.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Configured(part) => Some(part),
            Self::Accepted | Self::NotConfigured { .. } => None,
        }
    }
}

impl StackPlan {
    /// The compose files, in the order in which Docker Compose is given them.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.file).chain(&self.overrides)
    }
}

/// Decides what to start and what to run. Reads nothing, starts nothing.
///
/// # Errors
/// When the compose file cannot be understood, lacks a service that was asked for, or the
/// command is empty.
pub fn plan(
    options: &AcceptanceOptions,
    sources: &Sources,
) -> Result<AcceptancePlan, AcceptanceError> {
    let not_asked = |part: Part| options.only.is_some_and(|only| only != part);
    let contract = match not_asked(Part::Contract) {
        true => left_out(),
        false => contract::plan(&sources.cases, options.cases.as_deref())?,
    };
    let (stack, suite) = match not_asked(Part::Suite) {
        true => (left_out(), left_out()),
        false => (stack(options, sources)?, suite(options, sources)?),
    };
    // Only a suite leaves something there.
    let objects = match (&options.objects, suite.get()) {
        (Some(wanted), Some(_)) => Some(objects::plan(wanted, stack.get(), &sources.cases)?),
        _ => None,
    };
    Ok(AcceptancePlan {
        contract,
        stack,
        suite,
        objects,
        env: options.env.clone(),
        platform: options.platform.clone(),
        reduced: options.only.is_some() || options.cases.is_some(),
        left_out: options.left_out.clone(),
        inputs: None,
        accepted: BTreeMap::new(),
    })
}

fn left_out<T>() -> Configured<T> {
    Configured::NotConfigured {
        add: "nothing: only the other part was asked for".into(),
    }
}

fn stack(
    options: &AcceptanceOptions,
    sources: &Sources,
) -> Result<Configured<StackPlan>, AcceptanceError> {
    let Some((file, text)) = &sources.compose else {
        return Ok(Configured::NotConfigured {
            add: format!(
                "a compose file with the services that the suite needs (`{}`), or \
                 `acceptance.compose-file` in pipeline.yml",
                sources.shown(&sources.directory.join("compose.yml"))
            ),
        });
    };
    let (mut known, mut included) = services_in(file, text)?;
    for (file, text) in &sources.overrides {
        let (more, includes) = services_in(file, text)?;
        included |= includes;
        let new: Vec<String> = more.into_iter().filter(|it| !known.contains(it)).collect();
        known.extend(new);
    }
    let services = match &options.services {
        Some(wanted) => {
            let unknown = wanted.iter().find(|name| !known.contains(name));
            if let (Some(service), false) = (unknown, included) {
                return Err(AcceptanceError::UnknownService {
                    service: service.clone(),
                    file: file.clone(),
                    known,
                });
            }
            wanted.clone()
        }
        None => {
            let usual = |name: &&String| USUAL_SERVICES.contains(&name.as_str());
            let found: Vec<String> = known.iter().filter(usual).cloned().collect();
            if found.is_empty() { known } else { found }
        }
    };
    if services.is_empty() && !included {
        return Ok(Configured::NotConfigured {
            add: format!("services to `{}`: it has none", sources.shown(file)),
        });
    }
    Ok(Configured::Configured(StackPlan {
        file: file.clone(),
        overrides: sources
            .overrides
            .iter()
            .map(|(file, _)| file.clone())
            .collect(),
        services,
        wait_timeout: options.wait_timeout,
    }))
}

/// The services that a compose file names, and whether it includes others.
fn services_in(file: &Path, text: &str) -> Result<(Vec<String>, bool), AcceptanceError> {
    let wrong = |problem: String| AcceptanceError::ComposeFile {
        file: file.to_path_buf(),
        problem,
    };
    let document: serde_yaml::Value =
        serde_yaml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let included = document.get("include").is_some();
    let services = match document.get("services") {
        None | Some(serde_yaml::Value::Null) => Vec::new(),
        Some(serde_yaml::Value::Mapping(services)) => services
            .keys()
            .map(|name| name.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| wrong("a service has a name that is no text".into()))?,
        Some(_) => return Err(wrong("`services` is no mapping".into())),
    };
    Ok((services, included))
}

fn suite(
    options: &AcceptanceOptions,
    sources: &Sources,
) -> Result<Configured<SuitePlan>, AcceptanceError> {
    let command = match &options.command {
        Some(command) if command.first().is_none_or(|program| program.is_empty()) => {
            return Err(AcceptanceError::EmptyCommand);
        }
        Some(command) => command.clone(),
        None => match &sources.makefile {
            Some((_, text)) if has_target(text, USUAL_TARGET) => {
                vec!["make".into(), USUAL_TARGET.into()]
            }
            _ => {
                let makefile = match &sources.makefile {
                    Some((file, _)) => file.clone(),
                    None => sources.directory.join("Makefile"),
                };
                return Ok(Configured::NotConfigured {
                    add: format!(
                        "a target `{USUAL_TARGET}` to `{}`, or `acceptance.command` in \
                         pipeline.yml",
                        sources.shown(&makefile)
                    ),
                });
            }
        },
    };
    Ok(Configured::Configured(SuitePlan {
        command,
        directory: sources.directory.clone(),
        // What a suite runs is often elsewhere: a script at the root, or tests beside the context.
        depends_on: match &options.directory {
            Some(_) => sources.directory.clone(),
            None => sources.top.clone(),
        },
        timeout: options.timeout,
        report_dir: options.report_dir.clone(),
    }))
}

/// Whether a Makefile has a rule for `target`, as far as that can be told without running it.
fn has_target(makefile: &str, target: &str) -> bool {
    makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', ' ']))
        .filter_map(|line| line.split_once(':'))
        // `name := value` and `name ::= value` are variables.
        .filter(|(_, rest)| !rest.trim_start_matches(':').starts_with('='))
        .any(|(targets, _)| targets.split_whitespace().any(|word| word == target))
}

#[cfg(test)]
mod tests {
    use insta::assert_json_snapshot;

    use super::*;

    const COMPOSE: &str = "services:\n  web: {image: a}\n  redis: {image: b}\n  postgres: &p\n    \
                           image: c\n  copy: *p\nvolumes: {}\n";

    fn sources(compose: Option<&str>, makefile: Option<&str>) -> Sources {
        let at = |name: &str, text: &str| (Path::new("/r/code").join(name), text.to_owned());
        Sources {
            root: "/r".into(),
            top: "/r".into(),
            directory: "/r/code".into(),
            compose: compose.map(|text| at("compose.yml", text)),
            overrides: Vec::new(),
            makefile: makefile.map(|text| at("Makefile", text)),
            cases: Vec::new(),
        }
    }

    #[test]
    fn the_runbooks_defaults() {
        let options = AcceptanceOptions::new("/r");
        let made = plan(
            &options,
            &sources(Some(COMPOSE), Some("test-acceptance: all\n\tx\n")),
        );
        assert_json_snapshot!(made.unwrap(), @r#"
        {
          "contract": {
            "not-configured": {
              "add": "`acceptance.cases` to the registry file of a processor"
            }
          },
          "stack": {
            "configured": {
              "file": "/r/code/compose.yml",
              "overrides": [],
              "services": [
                "redis",
                "postgres"
              ],
              "wait-timeout": {
                "secs": 120,
                "nanos": 0
              }
            }
          },
          "suite": {
            "configured": {
              "command": [
                "make",
                "test-acceptance"
              ],
              "directory": "/r/code",
              "depends-on": "/r",
              "timeout": {
                "secs": 900,
                "nanos": 0
              },
              "report-dir": null
            }
          },
          "env": {},
          "platform": "linux/amd64",
          "reduced": false,
          "inputs": null,
          "accepted": {}
        }
        "#);
    }

    #[test]
    fn what_is_not_there_says_what_to_add() {
        let made = plan(
            &AcceptanceOptions::new("/r"),
            &sources(None, Some("test:\n")),
        )
        .unwrap();
        assert_json_snapshot!((made.stack, made.suite), @r#"
        [
          {
            "not-configured": {
              "add": "a compose file with the services that the suite needs (`code/compose.yml`), or `acceptance.compose-file` in pipeline.yml"
            }
          },
          {
            "not-configured": {
              "add": "a target `test-acceptance` to `code/Makefile`, or `acceptance.command` in pipeline.yml"
            }
          }
        ]
        "#);
    }

    #[test]
    fn the_folder_that_is_named_is_the_one_in_the_advice() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir_all(path("code")).unwrap();
        std::fs::create_dir_all(path("services/api")).unwrap();
        // Those of the usual folder are not asked when another one is named.
        std::fs::write(path("code/Makefile"), "test-acceptance:\n").unwrap();
        std::fs::write(path("code/compose.yml"), COMPOSE).unwrap();
        let mut options = AcceptanceOptions::new(root.path());
        options.directory = Some("services/api".into());
        let planned = || plan(&options, &Sources::read(&options).unwrap()).unwrap();
        let advice = |plan: &AcceptancePlan| match (&plan.stack, &plan.suite) {
            (
                Configured::NotConfigured { add: stack },
                Configured::NotConfigured { add: suite },
            ) => (stack.clone(), suite.clone()),
            _ => panic!("{plan:?}"),
        };
        let (stack, suite) = advice(&planned());
        assert!(stack.contains("(`services/api/compose.yml`)"), "{stack}");
        assert!(suite.contains("to `services/api/Makefile`,"), "{suite}");

        std::fs::write(path("services/api/GNUmakefile"), "test:\n").unwrap();
        std::fs::write(path("services/api/compose.yaml"), "services: {}\n").unwrap();
        let (stack, suite) = advice(&planned());
        assert_eq!(
            stack,
            "services to `services/api/compose.yaml`: it has none"
        );
        assert!(suite.contains("to `services/api/GNUmakefile`,"), "{suite}");
    }

    #[test]
    fn a_root_that_is_relative_makes_no_difference() {
        // A folder below the tests' own working folder.
        let root = tempfile::tempdir_in(".").unwrap();
        let mut options = AcceptanceOptions::new(root.path().file_name().unwrap());
        options.directory = Some(".".into());
        let planned = plan(&options, &Sources::read(&options).unwrap()).unwrap();
        let Configured::NotConfigured { add } = planned.suite else {
            panic!("{planned:?}")
        };
        assert!(add.contains("to `Makefile`,"), "{add}");
    }

    #[test]
    fn services_are_those_asked_for_or_all_when_none_is_usual() {
        let services = |compose: &str, wanted: Option<&[&str]>| {
            let mut options = AcceptanceOptions::new("/r");
            options.services = wanted.map(|names| names.iter().map(|&n| n.to_owned()).collect());
            plan(&options, &sources(Some(compose), None))
                .map(|plan| plan.stack.get().map(|stack| stack.services.clone()))
        };
        let both = "services: {db: {image: a}, cache: {image: b}}";
        assert_eq!(
            services(both, None).unwrap(),
            Some(vec!["db".into(), "cache".into()])
        );
        assert_eq!(
            services(both, Some(&["cache"])).unwrap(),
            Some(vec!["cache".into()])
        );
        assert_eq!(services("services:\n", None).unwrap(), None);
        let included = "include: [other.yml]\n";
        assert_eq!(
            services(included, Some(&["x"])).unwrap(),
            Some(vec!["x".into()])
        );
        let error = services(both, Some(&["postgres"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "find service `postgres` in `/r/code/compose.yml`"
        );
        assert_eq!(
            error.hint().as_deref(),
            Some("it has: db, cache; see `acceptance.services` in pipeline.yml")
        );
    }

    #[test]
    fn an_override_adds_to_what_there_is() {
        let over = |text: &str, services: &[&str]| {
            let mut options = AcceptanceOptions::new("/r");
            options.services = Some(services.iter().map(|&name| name.to_owned()).collect());
            let mut sources = sources(Some("services: {db: {image: a}}"), None);
            sources.overrides = vec![("/r/over.yml".into(), text.to_owned())];
            plan(&options, &sources).map(|plan| plan.stack.get().cloned().unwrap())
        };
        let text = "services: {db: {image: b}, more: {image: c}}";
        let stack = over(text, &["more", "db"]).unwrap();
        assert_eq!(stack.services, ["more", "db"]);
        let files: Vec<_> = stack.files().map(|file| file.to_str().unwrap()).collect();
        assert_eq!(files, ["/r/code/compose.yml", "/r/over.yml"]);
        let error = over(text, &["other"]).unwrap_err();
        assert!(error.hint().unwrap().contains("db, more;"), "{error}");
        let error = over("services: []", &["db"]).unwrap_err();
        assert!(error.to_string().contains("/r/over.yml"), "{error}");
    }

    #[test]
    fn a_broken_compose_file_is_bad_input() {
        for text in ["services: [a]", "services: {1: {}}", "a: b: c", "\t"] {
            let error =
                plan(&AcceptanceOptions::new("/r"), &sources(Some(text), None)).unwrap_err();
            assert_eq!(error.class(), crate::ErrorClass::Input, "{text}");
        }
    }

    #[test]
    fn targets_are_told_from_variables_recipes_and_comments() {
        for yes in [
            "test-acceptance:",
            "a test-acceptance b : c",
            "test-acceptance:: x",
        ] {
            assert!(has_target(yes, USUAL_TARGET), "{yes}");
        }
        for no in [
            "test-acceptance := 1",
            "test-acceptance ::= 1",
            "#test-acceptance:",
            "\ttest-acceptance:",
            ".PHONY: test-acceptance",
            "test-acceptance-slow:",
        ] {
            assert!(!has_target(no, USUAL_TARGET), "{no}");
        }
    }

    #[test]
    fn an_empty_command_is_refused() {
        let mut options = AcceptanceOptions::new("/r");
        options.command = Some(vec![]);
        let error = plan(&options, &sources(None, None)).unwrap_err();
        assert_eq!(error.class(), crate::ErrorClass::Input);
    }
}
