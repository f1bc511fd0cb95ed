//! The checks that run when nobody says otherwise.

use std::collections::BTreeMap;

use crate::{Check, CheckName, Manager, Package, Parser, Percent};

/// All Python packages that are installed: what tests depend on besides the code.
const INSTALLED: &str = "import importlib.metadata as m, sys; print(sys.version, *sorted(f\"{d.name}={d.version}\" for d in m.distributions()))";

/// What sets up Python's tools, wherever a repository keeps it.
const SETTINGS: [&str; 8] = [
    "pyproject.toml",
    "ruff.toml",
    ".ruff.toml",
    "setup.cfg",
    "tox.ini",
    "pytest.ini",
    ".coveragerc",
    "requirements*.txt",
];

/// The checks of the runbook, for a repository with its code in `code/`, and there a `Makefile` with
/// `test-coverage`, `docs` and `import-reachability`.
///
/// Coverage has no baseline until somebody sets one; the report proposes it. 90 % of the lines that
/// change must be covered.
#[must_use]
pub fn runbook() -> Vec<Check> {
    let django = BTreeMap::from([(
        "DJANGO_SETTINGS_MODULE".to_owned(),
        "backend.settings.unittest".to_owned(),
    )]);
    let make = |name, target| Check {
        paths: everything(),
        versions: installed("make"),
        package: Some(Package {
            name: "make".to_owned(),
            manager: Manager::Apt,
        }),
        ..check(name, &["make", target])
    };
    let docs = make("docs", "docs");
    vec![
        Check {
            parser: Parser::RuffJson {},
            paths: python(),
            ..tool("ruff", &["ruff", "check", "--output-format", "json", "."])
        },
        Check {
            parser: Parser::RuffFormat {},
            paths: python(),
            package: pip("ruff"),
            ..tool("ruff-format", &["ruff", "format", "--check", "."])
        },
        Check {
            parser: Parser::Junit {
                report: None,
                at_least: 1,
            },
            env: django.clone(),
            paths: everything(),
            versions: installed("pytest"),
            ..tool(
                "pytest",
                &["pytest", "-q", "-m", "unit and not integration", "--junitxml={report}"],
            )
        }
        .named("unit"),
        Check {
            parser: Parser::Coverage {
                xml: Some("coverage.xml".into()),
                json: Some("coverage.json".into()),
                baseline: None,
                changed_lines: Some(Percent::of(9, 10)),
            },
            env: django,
            ..make("coverage", "test-coverage")
        },
        Check {
            // Sphinx, with a path from where it runs or from the root of the machine.
            parser: Parser::Pattern {
                expression: r"^(?P<file>[^:\s][^:]*):(?P<line>[0-9]+): (?P<severity>WARNING|ERROR|CRITICAL): (?P<message>.*?)(?: \[(?P<rule>[\w.-]+)\])?$".to_owned(),
            },
            paths: [docs.paths.clone(), vec!["docs/**".to_owned()]].concat(),
            ..docs
        },
        Check {
            parser: Parser::Vulture {},
            paths: python(),
            ..tool("vulture", &["vulture", ".", "--min-confidence", "80"])
        },
        Check {
            parser: Parser::Deptry { report: None },
            paths: python(),
            versions: installed("deptry"),
            ..tool("deptry", &["deptry", ".", "--no-ansi", "--json-output", "{report}"])
        },
        Check {
            parser: Parser::Pattern {
                expression: r"^(?P<file>[^:\s][^:]*\.py)(?::(?P<line>[0-9]+))?: (?P<message>.+)$"
                    .to_owned(),
            },
            ..make("import-reachability", "import-reachability")
        },
    ]
}

impl Check {
    fn named(self, name: &'static str) -> Self {
        Self {
            name: CheckName::ours(name),
            ..self
        }
    }
}

/// A program that pip installs under its own name.
fn tool(name: &'static str, command: &[&str]) -> Check {
    Check {
        package: pip(name),
        ..check(name, command)
    }
}

fn check(name: &'static str, command: &[&str]) -> Check {
    Check {
        name: CheckName::ours(name),
        command: words(command),
        directory: "code".into(),
        env: BTreeMap::new(),
        timeout_seconds: 600,
        parser: Parser::default(),
        paths: Vec::new(),
        inputs: Vec::new(),
        versions: Vec::new(),
        needs: Vec::new(),
        package: None,
    }
}

fn pip(name: &str) -> Option<Package> {
    Some(Package {
        name: name.to_owned(),
        manager: Manager::Pip,
    })
}

/// The version of a program, and of all that is installed for Python.
fn installed(program: &str) -> Vec<Vec<String>> {
    vec![
        words(&[program, "--version"]),
        words(&["python3", "-c", INSTALLED]),
    ]
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What tools that read source look at.
fn python() -> Vec<String> {
    let settings = SETTINGS.map(str::to_owned);
    let nested = SETTINGS.map(|name| format!("code/**/{name}"));
    // Tools leave out what git ignores.
    let sources = [
        "code/**/*.{py,pyi,ipynb}",
        "code/**/.gitignore",
        ".gitignore",
    ];
    [&sources.map(str::to_owned)[..], &settings, &nested].concat()
}

/// What tests may look at.
fn everything() -> Vec<String> {
    let settings = SETTINGS.map(str::to_owned);
    let sources = ["code/**", "conftest.py", "Makefile"].map(str::to_owned);
    [&sources[..], &settings].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::globs;

    #[test]
    fn the_checks_of_the_runbook() {
        let shown: Vec<String> = runbook()
            .iter()
            .map(|check| format!("{}: {}", check.name, check.command.join(" ")))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @"
        ruff: ruff check --output-format json .
        ruff-format: ruff format --check .
        unit: pytest -q -m unit and not integration --junitxml={report}
        coverage: make test-coverage
        docs: make docs
        vulture: vulture . --min-confidence 80
        deptry: deptry . --no-ansi --json-output {report}
        import-reachability: make import-reachability
        ");
    }

    #[test]
    fn they_make_sense_and_survive_being_written_down() {
        let checks = runbook();
        crate::plan(&checks, &crate::Facts::default()).unwrap();
        let text = serde_json::to_string(&checks).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Check>>(&text).unwrap(), checks);
        assert!(checks.iter().all(|check| check.package.is_some()));
    }

    #[test]
    fn what_each_looks_at() {
        let checks = runbook();
        let looking = |path: &str| {
            let looks = |check: &&Check| globs(check, &check.paths).unwrap().is_match(path);
            let names = checks.iter().filter(looks).map(|check| check.name.as_str());
            names.collect::<Vec<_>>().join(" ")
        };
        let paths = [
            "code/a.py",
            "code/apps/core/models.py",
            "code/templates/a.html",
            "code/pyproject.toml",
            "pyproject.toml",
            "requirements-dev.txt",
            "docs/index.md",
            "README.md",
        ];
        let shown: Vec<String> = paths
            .iter()
            .map(|path| format!("{path}: {}", looking(path)))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @"
        code/a.py: ruff ruff-format unit coverage docs vulture deptry import-reachability
        code/apps/core/models.py: ruff ruff-format unit coverage docs vulture deptry import-reachability
        code/templates/a.html: unit coverage docs import-reachability
        code/pyproject.toml: ruff ruff-format unit coverage docs vulture deptry import-reachability
        pyproject.toml: ruff ruff-format unit coverage docs vulture deptry import-reachability
        requirements-dev.txt: ruff ruff-format unit coverage docs vulture deptry import-reachability
        docs/index.md: docs
        README.md:
        ");
    }
}
