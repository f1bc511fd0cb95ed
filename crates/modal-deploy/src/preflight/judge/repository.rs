//! What the repository and its images have to say.

use std::path::Path;

use registry_model::Platform;

use super::super::facts::{Facts, Wanted};
use super::super::finding::{Check, Finding};
use crate::deploy::{collision, not_pinned, too_long};
use crate::{ModalError, Processor};

pub(super) fn app_file(wanted: &Wanted, facts: &Facts) -> Finding {
    let given = &wanted.deploy.app_file;
    let file = match &facts.app_file {
        Ok(file) => file,
        Err(trouble) => return Check::AppFile.trouble(given, trouble),
    };
    let package = given.split(['.', ':']).next().unwrap_or_default();
    let dotted = !given.contains('/') && !given.contains(".py");
    let init = wanted.deploy.repository.join(package).join("__init__.py");
    if dotted && package == "code" && file.path().starts_with("code") && !init.is_file() {
        return Check::AppFile.warning(
            given,
            format!(
                "`{package}` is also a module of Python's own, and wins over a folder without \
                 `__init__.py`; it is deployed as `{file}`"
            ),
            format!("write `{file}` in `modal.app` of pipeline.yml"),
        );
    }
    let found = match Path::new(given) == file.path() {
        true => "it is there".to_owned(),
        false => format!("it is there, as `{file}`"),
    };
    Check::AppFile.ok(given, found)
}

pub(super) fn app_names(wanted: &Wanted) -> Vec<Finding> {
    let mut findings = Vec::new();
    for processor in &wanted.processors {
        let reference = &processor.reference;
        let too_long = too_long(reference).map(|text| (text, "give it a shorter name"));
        let collision = collision(reference, wanted.all.iter())
            .map(|text| (text, "give one of them another name"));
        for (text, cure) in too_long.into_iter().chain(collision) {
            let cure = Some(cure.to_owned());
            findings.push(Check::AppName.failed(reference.to_string(), text, cure));
        }
    }
    if findings.is_empty() {
        let count = wanted.processors.len();
        let text = "none is too long, and no other processor has the same";
        findings.push(Check::AppName.ok(format!("{count} apps"), text));
    }
    findings
}

/// One finding a processor.
pub(super) fn images(wanted: &Wanted, facts: &Facts) -> Vec<Finding> {
    let judged = wanted
        .processors
        .iter()
        .map(|one| image(wanted, facts, one));
    judged.collect()
}

fn image(wanted: &Wanted, facts: &Facts, processor: &Processor) -> Finding {
    let check = Check::Image;
    let subject = processor.reference.to_string();
    let Some(image) = processor.pinned() else {
        let text = not_pinned(processor);
        let error = ModalError::Plan {
            environment: wanted.environment.clone(),
            problems: vec![text.clone()],
        };
        return check.failed(subject, text, error.hint());
    };
    let needed = Platform::linux_amd64();
    match facts.images.get(image) {
        None => check.not_checked(subject, format!("`{image}` was not asked for")),
        Some(Err(trouble)) => {
            let secret = facts.as_modal.then_some(&*wanted.deploy.registry_secret);
            check.trouble(subject, &trouble.clone().asked_with(secret))
        }
        Some(Ok(platforms)) if platforms.contains(&needed) => {
            let how = match facts.as_modal {
                true => format!(", with {}", wanted.deploy.registry_secret),
                false => String::new(),
            };
            check.ok(
                subject,
                format!(
                    "`{}` can be read{how}, and is for {needed}",
                    image.digest.short()
                ),
            )
        }
        Some(Ok(platforms)) => {
            let found: Vec<String> = platforms.iter().map(ToString::to_string).collect();
            let found = match found.is_empty() {
                true => "no platform".to_owned(),
                false => found.join(", "),
            };
            let text = format!("`{image}` is for {found}, and Modal runs {needed}");
            let cure =
                format!("add {needed} to `platforms` of pipeline.yml, build and pin it again");
            check.failed(subject, text, Some(cure))
        }
    }
}
