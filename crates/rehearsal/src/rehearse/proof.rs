use receipts::verify::Requirement;
use registry_model::{Digest, Environment, PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};

/// What one environment runs of one processor, asked of everyone who knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProofRow {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// Where.
    pub environment: Environment,
    /// The pin in the registry file on the environment's branch.
    pub git: Option<PinnedImage>,
    /// The digest that the registry gives for what the image was built from.
    pub registry: Option<Digest>,
    /// What the control plane recorded behind `FROM`; `None` without a Modal app.
    pub modal: Option<String>,
    /// Whether the smoke test of the deployed version passed; `None` without a Modal app.
    pub smoke: Option<bool>,
    /// What of what is asked of it here has been proven, by receipts that are believed.
    pub receipts: Vec<Requirement>,
    /// Why the rest has not.
    pub lacking: Vec<String>,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows from a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Git, the registry and the control plane name the same digest, it answered, and it has all
    /// receipts.
    Proven,
    /// Git and the registry agree; nothing is deployed, as there is no Modal app.
    Pinned,
    /// They do not agree; the text says who says what.
    Differs(String),
}

impl ProofRow {
    /// Judges one row against `built`, the digest that the build reported, if it did.
    #[must_use]
    pub fn judge(mut self, built: Option<&Digest>) -> Self {
        self.verdict = match built {
            Some(built) => self.verdict_against(built),
            None => Verdict::Differs("it was not built".to_owned()),
        };
        self
    }

    fn verdict_against(&self, built: &Digest) -> Verdict {
        let Some(pin) = &self.git else {
            return Verdict::Differs("git has no pin".to_owned());
        };
        if pin.digest != *built {
            return Verdict::Differs(format!(
                "git pins {}, built was {}",
                pin.digest.short(),
                built.short()
            ));
        }
        match &self.registry {
            None => return Verdict::Differs("the registry does not have it".to_owned()),
            Some(found) if found != built => {
                return Verdict::Differs(format!("the registry answers {}", found.short()));
            }
            Some(_) => {}
        }
        if !self.lacking.is_empty() {
            return Verdict::Differs(self.lacking.join(", "));
        }
        match (&self.modal, self.smoke) {
            (None, _) => Verdict::Pinned,
            (Some(from), _) if *from != pin.to_string() => {
                Verdict::Differs(format!("Modal runs `{from}`"))
            }
            (Some(_), Some(true)) => Verdict::Proven,
            (Some(_), _) => Verdict::Differs("it runs, but its smoke test did not pass".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(digit: char) -> Digest {
        format!("sha256:{}", digit.to_string().repeat(64))
            .parse()
            .unwrap()
    }

    fn row() -> ProofRow {
        let pin: PinnedImage = format!("localhost:5000/a/b@{}", digest('a'))
            .parse()
            .unwrap();
        ProofRow {
            reference: "a/b@1".parse().unwrap(),
            environment: "dev".parse().unwrap(),
            modal: Some(pin.to_string()),
            git: Some(pin),
            registry: Some(digest('a')),
            smoke: Some(true),
            receipts: Vec::new(),
            lacking: Vec::new(),
            verdict: Verdict::Pinned,
        }
    }

    #[test]
    fn everyone_must_name_the_built_digest() {
        assert_eq!(row().judge(Some(&digest('a'))).verdict, Verdict::Proven);
        let cases = [
            (ProofRow { git: None, ..row() }, "no pin"),
            (
                ProofRow {
                    registry: None,
                    ..row()
                },
                "does not have it",
            ),
            (
                ProofRow {
                    registry: Some(digest('b')),
                    ..row()
                },
                "registry answers bbbb",
            ),
            (
                ProofRow {
                    lacking: vec!["no receipt of acceptance".into()],
                    ..row()
                },
                "no receipt of acceptance",
            ),
            (
                ProofRow {
                    modal: Some("localhost:5000/a/b:latest".into()),
                    ..row()
                },
                "Modal runs",
            ),
            (
                ProofRow {
                    smoke: Some(false),
                    ..row()
                },
                "smoke",
            ),
            (
                ProofRow {
                    smoke: None,
                    ..row()
                },
                "smoke",
            ),
        ];
        for (row, expected) in cases {
            let Verdict::Differs(text) = row.judge(Some(&digest('a'))).verdict else {
                panic!("expected {expected}")
            };
            assert!(text.contains(expected), "{text}");
        }
        assert!(matches!(
            row().judge(Some(&digest('c'))).verdict,
            Verdict::Differs(_)
        ));
        assert!(matches!(row().judge(None).verdict, Verdict::Differs(_)));
    }

    #[test]
    fn without_an_app_the_pin_is_what_there_is() {
        let row = ProofRow {
            modal: None,
            smoke: None,
            ..row()
        };
        assert_eq!(row.judge(Some(&digest('a'))).verdict, Verdict::Pinned);
    }
}
