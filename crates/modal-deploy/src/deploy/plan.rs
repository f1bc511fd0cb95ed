use registry_model::{PinnedImage, ProcessorRef};

use crate::secrets::SecretPlan;
use crate::{DeployImage, ModalError, Processor};
use registry_model::Environment;

/// What is deployed where.
#[derive(Clone, Debug)]
pub struct DeployPlan {
    /// Where it goes.
    pub environment: Environment,
    /// The apps, in the order of the processors.
    pub apps: Vec<PlannedApp>,
}

/// One app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedApp {
    /// The processor.
    pub reference: ProcessorRef,
    /// The name it is deployed under.
    pub app: String,
    /// What should run.
    pub image: PinnedImage,
    /// The tag of the deployment, at most 50 characters: a digest does not fit.
    pub tag: String,
    /// The secrets it gets, all of which exist by then.
    pub tool_secrets: Vec<String>,
}

/// Plans one app a processor.
///
/// # Errors
/// [`ModalError::Plan`] with every processor whose image is not pinned by digest, every name that
/// Modal does not take, and every name that two processors would have.
pub fn plan(processors: &[Processor], secrets: &SecretPlan) -> Result<DeployPlan, ModalError> {
    let mut apps: Vec<PlannedApp> = Vec::new();
    let mut problems = Vec::new();
    for processor in processors {
        let reference = &processor.reference;
        let file = processor.file.display();
        let image = match &processor.image {
            DeployImage::Pinned(image) => image.clone(),
            DeployImage::Pending(found) => {
                let found = found
                    .as_deref()
                    .map_or("nothing".to_owned(), |found| format!("`{found}`"));
                problems.push(format!(
                    "{reference} is not pinned: {file} has {found} where \
                     `<repository>@sha256:<64 hex>` belongs"
                ));
                continue;
            }
        };
        let app = reference.app_name();
        if app.len() > 64 {
            problems.push(format!(
                "{reference} would be app `{app}`, and Modal takes 64 characters"
            ));
        }
        if let Some(other) = apps.iter().find(|other| other.app == app) {
            problems.push(format!(
                "{reference} and {} would both be app `{app}`, and the second deploy would \
                 replace the first",
                other.reference
            ));
        }
        apps.push(PlannedApp {
            reference: reference.clone(),
            tag: format!("pin-{}", image.digest.short()),
            image,
            app,
            tool_secrets: secrets.available(&processor.secrets),
        });
    }
    if problems.is_empty() {
        Ok(DeployPlan {
            environment: secrets.environment.clone(),
            apps,
        })
    } else {
        Err(ModalError::Plan {
            environment: secrets.environment.clone(),
            problems,
        })
    }
}

#[cfg(test)]
mod tests {
    use registry_model::SecretNames;
    use secrecy::SecretString;

    use super::*;
    use crate::secrets::{self, SecretSource};

    fn processor(reference: &str, image: Result<char, Option<&str>>) -> Processor {
        Processor {
            reference: reference.parse().unwrap(),
            file: format!("registry/{}.yaml", reference.replace('/', "_")).into(),
            image: match image {
                Ok(digit) => {
                    let hex = digit.to_string().repeat(64);
                    DeployImage::Pinned(format!("ghcr.io/org/x@sha256:{hex}").parse().unwrap())
                }
                Err(found) => DeployImage::Pending(found.map(str::to_owned)),
            },
            secrets: SecretNames {
                required: vec!["KEY".into()],
                optional: vec!["OTHER".into()],
            },
        }
    }

    fn planned(processors: &[Processor]) -> Result<DeployPlan, ModalError> {
        let source = SecretSource::from_pairs([("KEY".into(), SecretString::from("value"))]);
        let environment = "dev".parse().unwrap();
        let secrets = secrets::plan(processors, &SecretNames::default(), &source, &environment);
        plan(processors, &secrets.unwrap())
    }

    #[test]
    fn one_app_a_processor_with_the_secrets_that_exist() {
        let plan = planned(&[processor("llm/litellm@1", Ok('a'))]).unwrap();
        assert_eq!(
            plan.apps,
            [PlannedApp {
                reference: "llm/litellm@1".parse().unwrap(),
                app: "llm-litellm-v1".into(),
                image: format!("ghcr.io/org/x@sha256:{}", "a".repeat(64))
                    .parse()
                    .unwrap(),
                tag: "pin-aaaaaaaaaaaa".into(),
                tool_secrets: vec!["KEY".into()],
            }]
        );
    }

    #[test]
    fn everything_that_cannot_be_deployed_is_listed() {
        let long = format!("{}/{}@1", "a".repeat(40), "b".repeat(40));
        let error = planned(&[
            processor("a/pending@1", Err(Some("sha256:pending"))),
            processor("a/none@1", Err(None)),
            processor("a/b_c@1", Ok('a')),
            processor("a/b-c@1", Ok('b')),
            processor(&long, Ok('c')),
        ])
        .unwrap_err();
        insta::assert_snapshot!(error, @"
        plan the deploy to `dev`:
          - a/pending@1 is not pinned: registry/a_pending@1.yaml has `sha256:pending` where `<repository>@sha256:<64 hex>` belongs
          - a/none@1 is not pinned: registry/a_none@1.yaml has nothing where `<repository>@sha256:<64 hex>` belongs
          - a/b-c@1 and a/b_c@1 would both be app `a-b-c-v1`, and the second deploy would replace the first
          - aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb@1 would be app `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-v1`, and Modal takes 64 characters
        ");
        assert_eq!(error.class().exit_code(), 2);
    }
}
