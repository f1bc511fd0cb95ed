use registry_model::{PinnedImage, ProcessorRef, SmokeSpec};

use crate::secrets::SecretPlan;
use crate::{DeployImage, ModalError, Processor};
use registry_model::Environment;

/// Of the name of an app.
const MOST_CHARACTERS: usize = 64;

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
    /// The secrets it gets, all of which exist by then.
    pub tool_secrets: Vec<String>,
    /// How it is smoked, where that differs from the others.
    pub smoke: Option<SmokeSpec>,
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
        let DeployImage::Pinned(image) = &processor.image else {
            problems.push(not_pinned(processor));
            continue;
        };
        let app = reference.app_name();
        problems.extend(too_long(reference));
        let earlier = apps.iter().map(|other| &other.reference);
        problems.extend(collision(reference, earlier));
        apps.push(PlannedApp {
            reference: reference.clone(),
            image: image.clone(),
            app,
            tool_secrets: secrets.available(&processor.secrets),
            smoke: processor.smoke.clone(),
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

/// Refuses processors that would take the app of another one of the repository, also of one that
/// is not deployed now.
///
/// # Errors
/// [`ModalError::Plan`] with every such pair.
pub fn check_names(plan: &DeployPlan, all: &[&ProcessorRef]) -> Result<(), ModalError> {
    let problems: Vec<String> = plan
        .apps
        .iter()
        .filter_map(|app| collision(&app.reference, all.iter().copied()))
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(ModalError::Plan {
        environment: plan.environment.clone(),
        problems,
    })
}

/// What is wrong with a processor that has no pin.
pub(crate) fn not_pinned(processor: &Processor) -> String {
    let found = match &processor.image {
        DeployImage::Pinned(image) => format!("`{image}`"),
        DeployImage::Pending(Some(found)) => format!("`{found}`"),
        DeployImage::Pending(None) => "nothing".to_owned(),
    };
    format!(
        "{} is not pinned: {} has {found} where `<repository>@sha256:<64 hex>` belongs",
        processor.reference,
        processor.file.display()
    )
}

/// What is wrong with a name that Modal does not take.
pub(crate) fn too_long(reference: &ProcessorRef) -> Option<String> {
    let app = reference.app_name();
    (app.len() > MOST_CHARACTERS).then(|| {
        format!("{reference} would be app `{app}`, and Modal takes {MOST_CHARACTERS} characters")
    })
}

/// What is wrong with a name that another one leads to the same app as.
pub(crate) fn collision<'a>(
    reference: &ProcessorRef,
    mut others: impl Iterator<Item = &'a ProcessorRef>,
) -> Option<String> {
    let app = reference.app_name();
    let other = others.find(|other| *other != reference && other.app_name() == app)?;
    Some(format!(
        "{reference} and {other} would both be app `{app}`, and the second deploy would replace \
         the first"
    ))
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
            smoke: None,
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
                tool_secrets: vec!["KEY".into()],
                smoke: None,
            }]
        );
    }

    #[test]
    fn the_app_of_a_processor_that_is_left_out_is_not_taken() {
        let plan = planned(&[processor("a/b_c@1", Ok('a'))]).unwrap();
        let [own, other, same]: [ProcessorRef; 3] =
            ["a/b_c@1", "a/other@1", "a/b-c@1"].map(|reference| reference.parse().unwrap());
        check_names(&plan, &[&own, &other]).unwrap();
        let error = check_names(&plan, &[&own, &other, &same]).unwrap_err();
        insta::assert_snapshot!(error, @r"
        plan the deploy to `dev`:
          - a/b_c@1 and a/b-c@1 would both be app `a-b-c-v1`, and the second deploy would replace the first
        ");
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
