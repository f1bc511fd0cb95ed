use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use registry_model::{Digest, Environment, PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};

use crate::ErrorClass;
use crate::deploy::{Means, Step};
use crate::secrets::SyncReport;
use crate::smoke::{SmokeReport, Verdict};

/// What happened in one deploy to one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeployReport {
    /// The version of this form: 1.
    pub schema: u32,
    /// When it was over.
    pub ended_at: Timestamp,
    /// Where it went.
    pub environment: Environment,
    /// The secrets.
    pub secrets: SyncReport,
    /// The apps, in the order of the plan.
    pub apps: Vec<AppReport>,
    /// Whether the caller cancelled before everything was done.
    pub interrupted: bool,
}

/// One processor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AppReport {
    /// Its name.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// The app it is deployed as.
    pub app: String,
    /// What should run.
    pub image: PinnedImage,
    /// What was to be done.
    pub step: Step,
    /// Why.
    pub why: Vec<String>,
    /// What came of it.
    pub deployed: Deployed,
    /// Whether something was found out about the image: not where a run was interrupted, or a secret
    /// was not written.
    pub tried: bool,
    /// The version that was live before, as far as it was known.
    pub version_before: Option<u32>,
    /// The version that was live afterwards, read back from Modal; `None` where it failed.
    pub version: Option<u32>,
    /// Modal's id of the image that this version runs in.
    pub image_id: Option<String>,
    /// How long the deploy took, in seconds.
    pub seconds: f64,
    /// The call that followed.
    pub smoke: SmokeReport,
    /// How it went back to the version before, where that was tried.
    pub rollback: Option<RollbackReport>,
    /// Why it failed.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where everything is that `modal deploy` said.
    pub log: Option<PathBuf>,
    /// What runs at the end; `None` when nothing does.
    pub live: Option<LiveApp>,
}

/// How a deploy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deployed {
    /// A new version is live.
    Deployed,
    /// Modal found nothing to change.
    Unchanged,
    /// What was live got new containers.
    RolledOver,
    /// It was live already, and nothing was done.
    Current,
    /// A person holds it at another digest, and nothing was done.
    Held,
    /// A run that began later has the last word.
    Superseded,
    /// It failed, or was not tried.
    Failed,
}

/// How an app whose deploy or smoke failed went back to the version before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RollbackReport {
    /// That version; `None` when there was none.
    pub to: Option<u32>,
    /// By which means; `None` when it failed.
    pub means: Option<Means>,
    /// What runs there, as far as it is known.
    pub digest: Option<Digest>,
    /// What that version is called now.
    pub version: Option<u32>,
    /// Why it failed.
    pub error: Option<String>,
}

impl fmt::Display for RollbackReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.error {
            return write!(f, "not rolled back: {error}");
        }
        f.write_str("rolled back")?;
        if let Some(to) = self.to {
            write!(f, " to version {to}")?;
        }
        if let Some(version) = self.version {
            write!(f, ", now version {version}")?;
        }
        Ok(())
    }
}

/// What runs under the name of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LiveApp {
    /// Its version, from servers that tell.
    pub version: Option<u32>,
    /// Its digest, if this pipeline deployed it.
    pub digest: Option<Digest>,
}

impl DeployReport {
    /// The class of trouble that it tells of, if it does; a failed deploy outweighs a failed
    /// smoke.
    #[must_use]
    pub fn class(&self) -> Option<ErrorClass> {
        let any = |test: fn(&AppReport) -> bool| self.apps.iter().any(test);
        if self.interrupted {
            Some(ErrorClass::Cancelled)
        } else if any(|app| matches!(app.deployed, Deployed::Failed | Deployed::Superseded))
            || self.secrets.class().is_some()
        {
            Some(ErrorClass::Deploy)
        } else if any(|app| app.smoke.verdict == Verdict::Failed) {
            Some(ErrorClass::Smoke)
        } else {
            None
        }
    }
}

/// A duration as reports have it: seconds, to the millisecond.
pub(crate) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn report() -> DeployReport {
        let hex = "a".repeat(64);
        DeployReport {
            schema: 1,
            ended_at: "2026-03-01T12:00:00Z".parse().unwrap(),
            environment: "dev".parse().unwrap(),
            secrets: SyncReport {
                schema: 1,
                environment: "dev".parse().unwrap(),
                secrets: Vec::new(),
                warnings: Vec::new(),
                orphans: Vec::new(),
                interrupted: false,
            },
            apps: vec![AppReport {
                reference: "llm/litellm@1".parse().unwrap(),
                app: "llm-litellm-v1".into(),
                image: format!("ghcr.io/org/x@sha256:{hex}").parse().unwrap(),
                step: Step::Deploy,
                why: vec!["it is not deployed".into()],
                deployed: Deployed::Deployed,
                tried: true,
                version_before: None,
                version: Some(3),
                image_id: Some("im-1".into()),
                seconds: seconds(Duration::from_micros(1_234_567)),
                smoke: SmokeReport::skipped("not asked for"),
                rollback: None,
                error: None,
                hint: None,
                log: Some("logs/llm-litellm-v1.log".into()),
                live: Some(LiveApp {
                    version: Some(3),
                    digest: Some(format!("sha256:{hex}").parse().unwrap()),
                }),
            }],
            interrupted: false,
        }
    }

    #[test]
    fn has_a_stable_form() {
        insta::assert_json_snapshot!(report(), @r#"
        {
          "schema": 1,
          "ended-at": "2026-03-01T12:00:00Z",
          "environment": "dev",
          "secrets": {
            "schema": 1,
            "environment": "dev",
            "secrets": [],
            "warnings": [],
            "orphans": [],
            "interrupted": false
          },
          "apps": [
            {
              "ref": "llm/litellm@1",
              "app": "llm-litellm-v1",
              "image": "ghcr.io/org/x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
              "step": "deploy",
              "why": [
                "it is not deployed"
              ],
              "deployed": "deployed",
              "tried": true,
              "version-before": null,
              "version": 3,
              "image-id": "im-1",
              "seconds": 1.235,
              "smoke": {
                "verdict": "skipped",
                "seconds": 0.0,
                "detail": "not asked for",
                "hint": null,
                "calls": []
              },
              "rollback": null,
              "error": null,
              "hint": null,
              "log": "logs/llm-litellm-v1.log",
              "live": {
                "version": 3,
                "digest": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
              }
            }
          ],
          "interrupted": false
        }
        "#);
        let text = serde_json::to_string(&report()).unwrap();
        assert_eq!(
            serde_json::from_str::<DeployReport>(&text).unwrap(),
            report()
        );
    }

    #[test]
    fn the_worst_trouble_decides() {
        let mut report = report();
        assert_eq!(report.class(), None);
        report.apps[0].smoke.verdict = Verdict::Failed;
        assert_eq!(report.class(), Some(ErrorClass::Smoke));
        report.apps[0].deployed = Deployed::Failed;
        assert_eq!(report.class(), Some(ErrorClass::Deploy));
        report.interrupted = true;
        assert_eq!(report.class(), Some(ErrorClass::Cancelled));
    }
}
