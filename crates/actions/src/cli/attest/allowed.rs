//! What a report may say. Whoever wrote it may have run code of the repository, which could have
//! written anything there; what is not plausible from the files of the commit is refused as a whole.

use std::collections::{BTreeMap, BTreeSet};

use image_factory::plan::{self, PlanOptions};
use jiff::Timestamp;
use receipts::statement::{Build, Draft, Facts, Predicate};
use receipts::verify::SKEW;
use registry_model::{Entry, Environment, PinState, PinnedImage, Registry, Repository};

use crate::exit::Exit;
use crate::ui::Failure;

/// More receipts come of no run.
const MOST: usize = 10_000;
/// As many as people read.
const MOST_TOLD: usize = 20;

/// What receipts may be about.
pub(super) struct Allowed<'a> {
    registry: &'a Registry,
    /// Who pins each image.
    pins: BTreeMap<&'a PinnedImage, Vec<&'a Entry>>,
    /// Where images go.
    options: PlanOptions,
    repositories: &'a [Repository],
    environments: &'a [Environment],
}

impl<'a> Allowed<'a> {
    /// What these registry files pin, and what the caller vouches for.
    pub(super) fn new(
        registry: &'a Registry,
        options: PlanOptions,
        repositories: &'a [Repository],
        environments: &'a [Environment],
    ) -> Self {
        let mut pins: BTreeMap<_, Vec<&Entry>> = BTreeMap::new();
        for entry in &registry.entries {
            for image in pinned(entry) {
                pins.entry(image).or_default().push(entry);
            }
        }
        Self {
            registry,
            pins,
            options,
            repositories,
            environments,
        }
    }

    /// Makes sure that all of it may be said.
    pub(super) fn check(&self, drafts: &[Draft], now: Timestamp) -> Result<(), Failure> {
        if drafts.len() > MOST {
            let text = format!(
                "attest {} receipts: more than {MOST} come of no run",
                drafts.len()
            );
            return Err(Failure::new(Exit::Input, text));
        }
        let refused: BTreeSet<String> = drafts
            .iter()
            .filter_map(|draft| {
                let why = self.refuse(draft, now)?;
                Some(format!("{}: {why}", draft.image))
            })
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        let mut text = "attest what these reports say, of which nothing was stored:".to_owned();
        for line in refused.iter().take(MOST_TOLD) {
            text.push_str(&format!("\n  - {line}"));
        }
        if refused.len() > MOST_TOLD {
            text.push_str(&format!("\n  and {} more", refused.len() - MOST_TOLD));
        }
        let hint = "check out the commit that the stage ran at; --env names the environment that a \
                    job deployed or promoted to, --allow-repository another place for images";
        Err(Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned())))
    }

    fn refuse(&self, draft: &Draft, now: Timestamp) -> Option<String> {
        let Draft { image, receipt } = draft;
        let facts = &receipt.facts;
        if let Some(time) = facts.time
            && time.duration_since(now) > SKEW
        {
            return Some(format!("it says that it ended in the future, at {time}"));
        }
        let pinned_by = self.pins.get(image).map_or(&[][..], Vec::as_slice);
        match &receipt.predicate {
            Predicate::Build(build) => self.refuse_place(image, build),
            _ if pinned_by.is_empty() => Some("no registry file here pins it".to_owned()),
            Predicate::Deployment(deployment) => {
                let is_its = |entry: &&Entry| entry.reference.app_name() == deployment.app;
                match pinned_by.iter().any(is_its) {
                    true => self.refuse_environment(facts),
                    false => Some(format!("it is not pinned for `{}`", deployment.app)),
                }
            }
            Predicate::Promotion(_) => self.refuse_environment(facts),
            Predicate::Acceptance(_) | Predicate::Other(_) => None,
        }
    }

    fn refuse_place(&self, image: &PinnedImage, build: &Build) -> Option<String> {
        let name = build.processor.as_ref()?;
        let mut entries = self.registry.entries.iter();
        let Some(entry) = entries.find(|entry| entry.reference == *name) else {
            return Some(format!("no registry file here has `{name}`"));
        };
        let place = &image.repository;
        let goes_there = pinned(entry).any(|pin| pin.repository == *place)
            || plan::repository(entry, &self.options).is_ok_and(|it| it == *place)
            || self.repositories.contains(place);
        (!goes_there).then(|| format!("images of `{name}` do not go there"))
    }

    fn refuse_environment(&self, facts: &Facts) -> Option<String> {
        let environment = facts.environment.as_ref();
        match environment {
            Some(one) if self.environments.contains(one) => None,
            Some(one) => Some(format!("`{one}` is not given with --env")),
            None => Some("it names no environment".to_owned()),
        }
    }
}

fn pinned(entry: &Entry) -> impl Iterator<Item = &PinnedImage> {
    entry.pins.iter().filter_map(|pin| match &pin.state {
        PinState::Pinned(image) => Some(image),
        PinState::Pending { .. } => None,
    })
}
