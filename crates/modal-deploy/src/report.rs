use std::fmt;
use std::time::Duration;

use registry_model::{Environment, PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};

use crate::ErrorClass;

/// What happened in one deploy to one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeployReport {
    /// The version of this form: 1.
    pub schema: u32,
    /// Where it went.
    pub environment: Environment,
    /// The secrets.
    pub secrets: SecretsReport,
    /// The apps, in the order of the plan.
    pub apps: Vec<AppReport>,
    /// Whether the caller cancelled before everything was done.
    pub interrupted: bool,
}

/// Secrets by name; values are nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretsReport {
    /// Those that were written.
    pub synced: Vec<String>,
    /// What was left out, and why.
    pub warnings: Vec<String>,
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
    /// The version that is live after the deploy, read back from Modal.
    pub version: Option<u32>,
    /// How the deploy ended.
    pub deployed: Deployed,
    /// How long the deploy took, in seconds.
    pub seconds: f64,
    /// The call that followed.
    pub smoke: SmokeReport,
    /// Why the deploy failed.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How a deploy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deployed {
    /// A new version is live.
    Deployed,
    /// Modal found nothing to change.
    Unchanged,
    /// It failed, or was not tried.
    Failed,
}

/// One smoke call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SmokeReport {
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What there is to say about it.
    pub detail: Option<String>,
}

/// What came of a smoke call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The reply is as it should be.
    Passed,
    /// The call failed, or its reply is not as it should be.
    Failed,
    /// There was nothing to call, or nobody wanted to.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        })
    }
}

impl SmokeReport {
    pub(crate) fn skipped(why: &str) -> Self {
        Self {
            verdict: Verdict::Skipped,
            seconds: 0.0,
            detail: Some(why.to_owned()),
        }
    }
}

impl DeployReport {
    /// The class of trouble that it tells of, if it does; a failed deploy outweighs a failed
    /// smoke.
    #[must_use]
    pub fn class(&self) -> Option<ErrorClass> {
        let any = |test: fn(&AppReport) -> bool| self.apps.iter().any(test);
        if self.interrupted {
            Some(ErrorClass::Cancelled)
        } else if any(|app| app.deployed == Deployed::Failed) {
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
mod tests {
    use super::*;

    fn report() -> DeployReport {
        let hex = "a".repeat(64);
        DeployReport {
            schema: 1,
            environment: "dev".parse().unwrap(),
            secrets: SecretsReport {
                synced: vec!["KEY".into()],
                warnings: Vec::new(),
            },
            apps: vec![AppReport {
                reference: "llm/litellm@1".parse().unwrap(),
                app: "llm-litellm-v1".into(),
                image: format!("ghcr.io/org/x@sha256:{hex}").parse().unwrap(),
                version: Some(3),
                deployed: Deployed::Deployed,
                seconds: seconds(Duration::from_micros(1_234_567)),
                smoke: SmokeReport::skipped("not asked for"),
                error: None,
                hint: None,
            }],
            interrupted: false,
        }
    }

    #[test]
    fn has_a_stable_form() {
        insta::assert_json_snapshot!(report(), @r#"
        {
          "schema": 1,
          "environment": "dev",
          "secrets": {
            "synced": [
              "KEY"
            ],
            "warnings": []
          },
          "apps": [
            {
              "ref": "llm/litellm@1",
              "app": "llm-litellm-v1",
              "image": "ghcr.io/org/x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
              "version": 3,
              "deployed": "deployed",
              "seconds": 1.235,
              "smoke": {
                "verdict": "skipped",
                "seconds": 0.0,
                "detail": "not asked for"
              },
              "error": null,
              "hint": null
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
