//! What Modal runs, by the processor that it should be.

use std::collections::{BTreeMap, BTreeSet};

use modal_deploy::ModalError;
use modal_deploy::audit::{self, AppAudit, AuditReport, EnvironmentAudit, Pins, Standing};
use promotion::board::{Live, Running};
use registry_model::{Pin, PinPlace, Platform, ProcessorRef};
use tokio_util::sync::CancellationToken;

use super::super::args::{ModalArgs, ViewArgs};
use super::super::modal::control;
use super::places::Branch;
use super::told;
use crate::config::Config;
use crate::ui::Failure;

/// What Modal said.
#[derive(Default)]
pub(super) struct Found {
    /// For each environment in their order; empty when Modal was not asked.
    pub(super) running: Vec<BTreeMap<ProcessorRef, Running>>,
    /// What is not as git has it and belongs to no processor.
    pub(super) strays: Vec<String>,
    /// What is missing, for people, and why.
    pub(super) missing: Option<(String, Option<Failure>)>,
}

/// Asks for all environments at once.
pub(super) async fn ask(
    view: &ViewArgs,
    config: &Config,
    branches: &[Branch],
    cancel: &CancellationToken,
) -> Result<Found, Failure> {
    if view.offline_modal {
        let notice = "live: not asked, as --offline-modal says".to_owned();
        return Ok(Found {
            missing: Some((notice, None)),
            ..Found::default()
        });
    }
    let asked = audited(&view.modal, config, branches, cancel).await;
    match asked {
        Ok(report) => Ok(of(&report, branches)),
        Err(error) if error.is_cancelled() => Err(error.into()),
        Err(error) => Ok(Found {
            missing: Some((
                format!("live: not asked: {}", told(&error)),
                Some(error.into()),
            )),
            ..Found::default()
        }),
    }
}

async fn audited(
    modal: &ModalArgs,
    config: &Config,
    branches: &[Branch],
    cancel: &CancellationToken,
) -> Result<AuditReport, ModalError> {
    let control = control(modal, cancel).await?;
    let pins: Vec<Pins> = branches.iter().map(|branch| branch.pins.clone()).collect();
    audit::audit(&control, &pins, &config.shared_secrets(), cancel).await
}

fn of(report: &AuditReport, branches: &[Branch]) -> Found {
    let mut found = Found::default();
    for (one, branch) in report.environments.iter().zip(branches) {
        let processors = branch.standing.processors.iter();
        let rows: BTreeSet<&ProcessorRef> = processors.map(|it| &it.reference).collect();
        let processors = branch.standing.processors.iter();
        let unrun = processors.filter(|one| !one.pins.is_empty() && !one.pins.iter().any(is_run));
        let unrun: BTreeSet<&ProcessorRef> = unrun.map(|it| &it.reference).collect();
        let mut running = BTreeMap::new();
        for app in &one.apps {
            match app.reference.as_ref().filter(|it| rows.contains(it)) {
                Some(reference) => {
                    // None of its rows is about what Modal runs.
                    if app.standing.is_drift() && unrun.contains(reference) {
                        found.strays.push(stray(one, app));
                    }
                    running.insert(reference.clone(), running_of(app));
                }
                None if app.standing.is_drift() && !branch.is_narrowed => {
                    found.strays.push(stray(one, app));
                }
                None => {}
            }
        }
        found.running.push(running);
        for secret in &one.missing_secrets {
            let by: Vec<String> = secret
                .by
                .iter()
                .filter(|it| rows.contains(it))
                .map(ToString::to_string)
                .collect();
            let whose = match (secret.by.is_empty(), by.is_empty()) {
                (true, _) => "the environment".to_owned(),
                (false, true) => continue,
                (false, false) => by.join(", "),
            };
            let environment = &one.environment;
            let name = &secret.name;
            found.strays.push(format!(
                "secret {name} is missing in {environment}, for {whose}"
            ));
        }
    }
    found
}

/// Whether Modal runs what is pinned here.
fn is_run(pin: &Pin) -> bool {
    match &pin.place {
        PinPlace::Oci => true,
        PinPlace::Platform(platform) => *platform == Platform::linux_amd64(),
    }
}

fn running_of(app: &AppAudit) -> Running {
    let live = match (&app.live, app.standing) {
        (Some(live), _) => Live::Version {
            version: live.version,
            digest: live.digest.clone(),
            at: live.at,
        },
        (None, Standing::Unknown) => Live::Unknown,
        (None, _) => Live::Nothing,
    };
    let is_drift = app.standing.is_drift();
    Running {
        live,
        held: app.held.clone(),
        drift: is_drift
            .then(|| format!("{}: {}", app.standing, app.why))
            .into_iter()
            .collect(),
    }
}

fn stray(one: &EnvironmentAudit, app: &AppAudit) -> String {
    let name = match &app.reference {
        Some(reference) => reference.to_string(),
        None => app.app.clone(),
    };
    let (environment, standing) = (&one.environment, app.standing);
    format!("{name} in {environment} is {standing}: {}", app.why)
}

#[cfg(test)]
mod tests {
    use modal_deploy::audit::{LiveVersion, MissingSecret};
    use promotion::Processor;
    use registry_model::Environment;

    use super::*;

    fn branch(is_narrowed: bool) -> Branch {
        let environment: Environment = "dev".parse().unwrap();
        Branch {
            standing: promotion::Standing {
                environment: environment.clone(),
                commit: "a".repeat(40).parse().unwrap(),
                processors: vec![Processor {
                    reference: "text/upper@1".parse().unwrap(),
                    file: "upper.yaml".into(),
                    pins: Vec::new(),
                }],
            },
            pins: Pins {
                environment,
                processors: Vec::new(),
            },
            config: Config::default(),
            folder: tempfile::tempdir().unwrap(),
            is_narrowed,
        }
    }

    fn app(name: &str, reference: Option<&str>, standing: Standing) -> AppAudit {
        AppAudit {
            reference: reference.map(|it| it.parse().unwrap()),
            app: name.to_owned(),
            standing,
            pinned: None,
            live: (standing != Standing::Unknown).then(|| LiveVersion {
                version: Some(4),
                digest: Some("2".repeat(32)),
                at: None,
                by: None,
            }),
            held: None,
            why: "why".to_owned(),
        }
    }

    fn secret(name: &str, by: &[&str]) -> MissingSecret {
        MissingSecret {
            name: name.to_owned(),
            by: by.iter().map(|it| it.parse().unwrap()).collect(),
        }
    }

    fn report(upper: Standing) -> AuditReport {
        AuditReport {
            schema: 1,
            environments: vec![EnvironmentAudit {
                environment: "dev".parse().unwrap(),
                apps: vec![
                    app("text-upper-v1", Some("text/upper@1"), upper),
                    app("off-v1", Some("text/off@1"), Standing::Drifted),
                    app("left-v1", None, Standing::Extra),
                    app("fine-v1", Some("text/fine@1"), Standing::Ok),
                ],
                missing_secrets: vec![
                    secret("UPPER", &["text/upper@1", "text/off@1"]),
                    secret("OFF", &["text/off@1"]),
                    secret("ALL", &[]),
                ],
                orphans: vec!["OLD".to_owned()],
                others: vec!["theirs".to_owned()],
                recorded: true,
            }],
        }
    }

    #[test]
    fn what_belongs_to_no_row_is_told_beside_them() {
        let found = of(&report(Standing::Drifted), &[branch(false)]);
        insta::assert_snapshot!(found.strays.join("\n"), @"
        text/off@1 in dev is drifted: why
        left-v1 in dev is extra: why
        secret UPPER is missing in dev, for text/upper@1
        secret ALL is missing in dev, for the environment
        ");
        let running = &found.running[0][&"text/upper@1".parse().unwrap()];
        assert_eq!(running.drift, ["drifted: why"]);
        assert!(matches!(
            running.live,
            Live::Version {
                version: Some(4),
                ..
            }
        ));
        // Of what nobody asked about, nothing is said.
        let found = of(&report(Standing::Ok), &[branch(true)]);
        insta::assert_snapshot!(found.strays.join("\n"), @"
        secret UPPER is missing in dev, for text/upper@1
        secret ALL is missing in dev, for the environment
        ");
        let running = &found.running[0][&"text/upper@1".parse().unwrap()];
        assert_eq!(running.drift, [""; 0]);
    }

    #[test]
    fn drift_that_no_row_shows_is_told_beside_them() {
        let pinned = |places: &[&str]| {
            let mut branch = branch(false);
            let pin = |place: &&str| Pin {
                place: match *place {
                    "oci" => PinPlace::Oci,
                    platform => PinPlace::Platform(platform.parse().unwrap()),
                },
                state: registry_model::PinState::Pending { found: None },
            };
            branch.standing.processors[0].pins = places.iter().map(pin).collect();
            branch
        };
        let told = "text/upper@1 in dev is drifted: why".to_owned();
        let report = report(Standing::Drifted);
        let arm = of(&report, &[pinned(&["linux/arm64"])]);
        assert!(arm.strays.contains(&told), "{:?}", arm.strays);
        for shown in [&["oci"][..], &["linux/amd64", "linux/arm64"], &[]] {
            let found = of(&report, &[pinned(shown)]);
            assert!(!found.strays.contains(&told), "{:?}", found.strays);
        }
    }

    #[test]
    fn what_modal_cannot_tell_is_unknown_and_not_nothing() {
        let found = of(&report(Standing::Unknown), &[branch(false)]);
        let running = &found.running[0][&"text/upper@1".parse().unwrap()];
        assert_eq!(running.live, Live::Unknown);
        assert_eq!(running.drift, ["unknown: why"]);
    }
}
