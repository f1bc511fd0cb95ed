mod modal;
mod repository;
mod secrets;

use std::collections::BTreeSet;

use super::facts::{Facts, Trouble, Wanted};
use super::finding::{Check, Finding, Status};

pub(crate) const REGISTRY_USERNAME: &str = "REGISTRY_USERNAME";
pub(crate) const REGISTRY_PASSWORD: &str = "REGISTRY_PASSWORD";

/// Says everything that is right and wrong, from what there is. Asks nobody.
#[must_use]
pub fn judge(wanted: &Wanted, facts: &Facts) -> Vec<Finding> {
    let token = modal::token(facts);
    // One cause is told once: what needs Modal is not checked when Modal cannot be asked.
    let asked = !matches!(token.status, Status::Failed | Status::NotChecked);
    let mut findings = vec![token];
    findings.push(modal::environment(wanted, facts, asked));
    findings.push(modal::image_builder(wanted, facts));
    findings.push(modal::client(facts));
    findings.push(repository::app_file(wanted, facts));
    findings.extend(repository::app_names(wanted));
    findings.push(secrets::registry_auth(wanted, facts));
    findings.extend(secrets::list(wanted, facts, asked));
    findings.extend(secrets::declared(wanted, facts));
    findings.extend(repository::images(wanted, facts));
    findings
}

impl Check {
    fn trouble(self, subject: impl Into<String>, trouble: &Trouble) -> Finding {
        self.failed(subject, &trouble.text, trouble.cure.clone())
    }
}

fn quoted<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names = names.into_iter().map(|name| format!("`{}`", name.as_ref()));
    // In one order, each once.
    let names: BTreeSet<String> = names.collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
