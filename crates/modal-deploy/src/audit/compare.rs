use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use registry_model::{PinnedImage, SecretNames};

use super::Pins;
use super::report::{AppAudit, EnvironmentAudit, LiveVersion, MissingSecret, Standing};
use crate::client::{AppVersion, StoredSecret};
use crate::deploy::tag_digits;
use crate::record::{Mark, Record};
use crate::secrets::orphans;
use crate::{DeployImage, Processor};

/// What there is in an environment.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The deployment record; `None` when it cannot be told.
    pub record: Option<Record>,
    /// All secrets.
    pub stored: Vec<StoredSecret>,
    /// Everything that is deployed, by name.
    pub live: BTreeMap<String, Live>,
}

/// One deployed app.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// The version that is live, from servers that tell.
    pub version: Option<u32>,
    /// Its deployments, the newest first; empty where the record says enough.
    pub history: Vec<AppVersion>,
}

/// Compares what one environment should have with what it has; `None` when there is no such
/// environment. `known` are the names of all apps that some branch of the repository has.
#[must_use]
pub fn compare(
    pins: &Pins,
    found: Option<&Found>,
    shared: &SecretNames,
    known: &BTreeSet<String>,
) -> EnvironmentAudit {
    let nothing = Found::default();
    let there = found.unwrap_or(&nothing);
    let mut apps: Vec<AppAudit> = pins
        .processors
        .iter()
        .map(|processor| {
            let mut audit = app(processor, there);
            if found.is_none() && audit.standing == Standing::Missing {
                audit.why = format!("there is no environment `{}`", pins.environment);
            }
            audit
        })
        .collect();
    let pinned: BTreeSet<String> = apps.iter().map(|audit| audit.app.clone()).collect();
    let mut others = Vec::new();
    for (name, live) in &there.live {
        if pinned.contains(name) {
            continue;
        }
        if known.contains(name) || is_ours(name, live, there.record.as_ref()) {
            apps.push(extra(name, live, there.record.as_ref()));
        } else {
            others.push(name.clone());
        }
    }
    let declared = pins.processors.iter().map(|one| &one.secrets);
    EnvironmentAudit {
        environment: pins.environment.clone(),
        apps,
        missing_secrets: missing(pins, there, shared),
        orphans: orphans(&there.stored, declared.chain([shared])),
        others,
        recorded: there.record.is_some(),
    }
}

fn app(processor: &Processor, found: &Found) -> AppAudit {
    let name = processor.reference.app_name();
    let record = found.record.as_ref();
    let pinned = match &processor.image {
        DeployImage::Pinned(image) => Some(image.clone()),
        DeployImage::Pending(_) => None,
    };
    let live = found.live.get(&name);
    let (standing, why) = match (&pinned, live) {
        (None, None) => (Standing::Pending, "nothing is pinned yet".to_owned()),
        (None, Some(_)) => (
            Standing::Extra,
            "it is live, and nothing is pinned".to_owned(),
        ),
        (Some(_), None) => (Standing::Missing, "it is not deployed".to_owned()),
        (Some(image), Some(live)) => judge(&name, image, live, record),
    };
    AppAudit {
        reference: Some(processor.reference.clone()),
        standing,
        pinned,
        live: live.map(|live| seen(live, record.and_then(|record| record.mark(&name)).as_ref())),
        held: record.and_then(|record| record.hold(&name)),
        why,
        app: name,
    }
}

/// How something that is pinned and live stands.
fn judge(
    name: &str,
    pinned: &PinnedImage,
    live: &Live,
    record: Option<&Record>,
) -> (Standing, String) {
    let mark = record.and_then(|record| record.mark(name));
    let hold = record.and_then(|record| record.hold(name));
    let digits = digits(live, mark.as_ref());
    let is = |hex: &str| {
        digits
            .as_deref()
            .is_some_and(|known| hex.starts_with(known))
    };
    let wanted = hold.as_ref().unwrap_or(&pinned.digest);
    let by_hand = mark
        .as_ref()
        .filter(|mark| live.version.is_some_and(|version| version != mark.version));
    let deployed = deployed(live);
    let after = |mark: &Mark| format!("{deployed} came after our version {}", mark.version);
    match (&digits, by_hand) {
        (None, Some(mark)) => (Standing::ChangedByHand, after(mark)),
        (None, None) => (
            Standing::Unknown,
            format!("nobody can tell which image {deployed} has"),
        ),
        (Some(known), _) if !is(wanted.hex()) => {
            let known = &known[..known.len().min(12)];
            let held = match &hold {
                Some(hold) => format!(", and a person holds it at {}", hold.short()),
                None => String::new(),
            };
            (Standing::Drifted, format!("{deployed} has {known}{held}"))
        }
        (Some(_), Some(mark)) => (Standing::ChangedByHand, after(mark)),
        (Some(_), None) if *wanted != pinned.digest => {
            let why = format!("a person holds it at {}", wanted.short());
            (Standing::Held, why)
        }
        (Some(_), None) => (Standing::Ok, String::new()),
    }
}

/// Whether an app that the branch does not have was deployed by this pipeline.
fn is_ours(name: &str, live: &Live, record: Option<&Record>) -> bool {
    let tags = live.history.iter().filter_map(|row| row.tag.as_deref());
    let mut ours = tags.filter_map(tag_digits);
    ours.next().is_some()
        || record.is_some_and(|record| record.mark(name).is_some() || record.hold(name).is_some())
}

fn extra(name: &str, live: &Live, record: Option<&Record>) -> AppAudit {
    let mark = record.and_then(|record| record.mark(name));
    AppAudit {
        reference: None,
        app: name.to_owned(),
        standing: Standing::Extra,
        pinned: None,
        live: Some(seen(live, mark.as_ref())),
        held: record.and_then(|record| record.hold(name)),
        why: format!("{} is live, and no registry file has it", deployed(live)),
    }
}

/// The first digits of the digest that is live, as many as are known: of the record where it
/// speaks of this version, else of the tag. What a rollback made has the image of the version it
/// went back to.
pub(crate) fn digits(live: &Live, mark: Option<&Mark>) -> Option<String> {
    let mut version = live.version?;
    for _ in 0..=live.history.len() {
        if let Some(mark) = mark.filter(|mark| mark.version == version) {
            return Some(mark.digest.hex().to_owned());
        }
        let row = live.history.iter().find(|row| row.version == version)?;
        match row.rollback_of {
            Some(earlier) => version = earlier,
            None => return row.tag.as_deref().and_then(tag_digits).map(str::to_owned),
        }
    }
    None
}

fn seen(live: &Live, mark: Option<&Mark>) -> LiveVersion {
    let row = row(live);
    LiveVersion {
        version: live.version,
        digest: digits(live, mark).map(|digits| format!("sha256:{digits}")),
        at: row.and_then(at),
        by: row
            .map(|row| row.deployed_by.clone())
            .filter(|by| !by.is_empty()),
    }
}

/// The version that is live, by whom and since when.
fn deployed(live: &Live) -> String {
    let mut text = match live.version {
        Some(version) => format!("version {version}"),
        None => "the version that is live".to_owned(),
    };
    if let Some(row) = row(live) {
        if !row.deployed_by.is_empty() {
            text.push_str(&format!(" by {}", row.deployed_by));
        }
        if let Some(at) = at(row) {
            text.push_str(&format!(" of {}", at.strftime("%Y-%m-%d %H:%M UTC")));
        }
    }
    text
}

fn row(live: &Live) -> Option<&AppVersion> {
    let version = live.version?;
    live.history.iter().find(|row| row.version == version)
}

fn at(row: &AppVersion) -> Option<Timestamp> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float that does not fit becomes the nearest number, which is no time"
    )]
    let milliseconds = (row.deployed_at * 1000.0) as i64;
    let at = Timestamp::from_millisecond(milliseconds).ok();
    at.filter(|_| milliseconds > 0)
}

/// The secrets that are required by what is pinned, and not there, by name.
fn missing(pins: &Pins, found: &Found, shared: &SecretNames) -> Vec<MissingSecret> {
    let mut wanted: BTreeMap<&String, Vec<_>> = BTreeMap::new();
    for processor in &pins.processors {
        if matches!(processor.image, DeployImage::Pending(_)) {
            continue;
        }
        for name in &processor.secrets.required {
            let by = wanted.entry(name).or_default();
            by.push(processor.reference.clone());
        }
    }
    for name in &shared.required {
        wanted.entry(name).or_default();
    }
    let has = |name: &String| found.stored.iter().any(|secret| secret.name == *name);
    let missing = wanted.into_iter().filter(|(name, _)| !has(name));
    missing
        .map(|(name, by)| MissingSecret {
            name: name.clone(),
            by,
        })
        .collect()
}

#[cfg(test)]
mod tests;
