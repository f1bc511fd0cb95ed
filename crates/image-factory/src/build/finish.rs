use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use oci::{Artifact, Likeness, OciError};
use registry_model::PinnedImage;
use sha2::{Digest as _, Sha256};

use super::earlier::disown;
use super::fit::confirm;
use super::progress::Told;
use super::report::{Built, Outcome, Replaced};
use super::reused::Reused;
use super::rounds::Pushed;
use super::sizes::{Facts, LOOK_UPS, fill_in, given_up, measure};
use super::target::Target;
use crate::plan::{self, BuildPlan, ImageSettings, Planned, Why};
use crate::{FactoryError, Images};

/// The annotations of an inputs record that say which key it explains, and what the builder added to
/// the image.
const INPUT_KEY: &str = "dev.pipeline.input-key";
const SETTINGS: &str = "dev.pipeline.settings";

/// An image that is complete, what came of comparing it with the pins, and what is known of it and of
/// those that it takes the place of.
struct Settled {
    image: PinnedImage,
    kept: Option<Likeness>,
    facts: Facts,
}

/// What comes after pushing: the images of the plan, as far as there are any, and what went wrong
/// with whom.
pub(super) struct Finished<'a> {
    pub(super) built: Vec<Built>,
    pub(super) failed: Vec<(&'a Planned, FactoryError)>,
}

/// Settles the images that are new, all at the same time, as it is nearly all waiting.
pub(super) async fn finish<'a, I: Images>(
    plan: &'a BuildPlan,
    pushed: &[Pushed<'a>],
    reused: Reused<'a>,
    images: &I,
    told: &Told,
) -> Finished<'a> {
    let mut failed: Vec<(&Planned, FactoryError)> = Vec::new();
    let settled = stream::iter(pushed)
        .map(|pushed| async move { (pushed, settle(plan, pushed, images).await) })
        .buffered(LOOK_UPS)
        .collect::<Vec<_>>()
        .await;

    let mut built = Vec::new();
    for item in &plan.items {
        if let Some(image) = item.reused() {
            if reused.has(&image, item) {
                let mut there = report(item, image, Outcome::Reused, None);
                fill_in(&mut there, item, &reused.facts);
                built.push(there);
            }
            continue;
        }
        let of = |(pushed, _): &&(&Pushed<'_>, _)| is_for(pushed, item);
        if let Some((pushed, Ok(settled))) = settled.iter().find(of) {
            let kept = settled
                .kept
                .clone()
                .filter(|_| item.pinned.as_ref() == Some(&settled.image));
            let new = match pushed.was_there {
                true => Outcome::Reused,
                false => Outcome::Built,
            };
            let outcome = kept.map_or(new, Outcome::Kept);
            let mut new = report(item, settled.image.clone(), outcome, Some(pushed));
            fill_in(&mut new, item, &settled.facts);
            built.push(new);
        }
    }
    for (pushed, settled) in settled {
        let name = &pushed.target.name;
        match settled {
            Ok(settled) => told.done(name, &said(&settled, pushed.was_there)),
            Err(error) => {
                told.failed(name, &error.to_string());
                failed.push((pushed.target.item, error));
            }
        }
    }
    failed.extend(reused.into_failed());
    Finished { built, failed }
}

fn said(settled: &Settled, was_there: bool) -> String {
    let digest = settled.image.digest.short();
    match (&settled.kept, was_there) {
        (Some(_), _) => format!("pushed; the pin {digest} holds the same"),
        (None, false) => format!("pushed {digest}"),
        (None, true) => format!("pushed {digest} in a run that was cut off"),
    }
}

fn is_for(pushed: &Pushed<'_>, item: &Planned) -> bool {
    let built = pushed.target.item;
    built.repository == item.repository && built.key == item.key
}

/// Makes sure that the registry has the image, and makes it the one that stands for its inputs.
///
/// The tag of the key comes last: what has it is complete. If a run is stopped before, another one
/// takes up what was pushed, and comes to the same end.
async fn settle<I: Images>(
    plan: &BuildPlan,
    pushed: &Pushed<'_>,
    images: &I,
) -> Result<Settled, FactoryError> {
    let target = &pushed.target;
    let new = target.item.repository.at(pushed.digest.clone());
    // To attach something and to compare images both take their time, and hardly ever is the new
    // image not the one that is taken.
    let (info, same, mut noted) = tokio::join!(
        confirm(&new, target.item, images),
        same_as_pinned(plan, pushed, &new, images),
        note(plan, target, &new, images)
    );
    let info = match info {
        Ok(info) => info,
        Err(error) => {
            disown(target, &error, images).await;
            return Err(error);
        }
    };
    let (image, kept) = match same? {
        Some((image, likeness)) => (image, Some(likeness)),
        None => (new.clone(), None),
    };
    let items = || plan.to_build().filter(|item| is_for(pushed, item));
    let mut unknown: BTreeSet<_> = items().filter_map(|item| given_up(item, &image)).collect();
    let mut facts = Facts::from([(new.clone(), info)]);
    if image != new && items().any(|item| item.pinned.as_ref() != Some(&image)) {
        unknown.insert(image.clone());
    }
    let stand_in = async {
        if image != new {
            noted = note(plan, target, &image, images).await;
        }
        if let Err(error) = noted {
            let item = &target.name;
            tracing::warn!(%item, %error, "the inputs of {item} were not recorded, so later plans cannot say what changed");
        }
        tag(target, &image, images).await
    };
    let (tagged, measured) = tokio::join!(stand_in, measure(unknown, images));
    tagged?;
    facts.extend(measured);
    Ok(Settled { image, kept, facts })
}

/// Attaches what the image was made from.
async fn note<I: Images>(
    plan: &BuildPlan,
    target: &Target<'_>,
    image: &PinnedImage,
    images: &I,
) -> Result<(), OciError> {
    match record(plan, target.item) {
        Some(record) => images.attach(image, &record).await.map(drop),
        None => Ok(()),
    }
}

/// Lets the tag of the key stand for the image.
async fn tag<I: Images>(
    target: &Target<'_>,
    image: &PinnedImage,
    images: &I,
) -> Result<(), FactoryError> {
    let tag = target.item.key.tag();
    let tagged = match target.is_renewed() {
        true => images.move_tag(image, &tag).await,
        false => images.tag(image, &tag).await,
    };
    match tagged {
        Ok(()) => Ok(()),
        Err(OciError::TagTaken { tag, found, .. }) => Err(FactoryError::BuiltMeanwhile {
            repository: image.repository.clone(),
            tag,
            ours: image.digest.clone(),
            theirs: found,
        }),
        Err(error) => Err(error.into()),
    }
}

/// What the image was made from, if this process saw it. The key stands there, and not in a label:
/// a label would change the digest whenever the key changes, also when nothing else does.
fn record(plan: &BuildPlan, item: &Planned) -> Option<Artifact> {
    let content = plan.record(item)?.to_bytes();
    let content = content.inspect_err(|error| tracing::debug!(%error, "inputs not written down"));
    Some(Artifact {
        artifact_type: plan::ARTIFACT_TYPE.to_owned(),
        media_type: plan::MEDIA_TYPE.to_owned(),
        content: content.ok()?,
        annotations: BTreeMap::from([
            // Also where the image was there before: its age counts from now.
            (plan::CREATED.to_owned(), jiff::Timestamp::now().to_string()),
            (INPUT_KEY.to_owned(), item.key.to_string()),
            (SETTINGS.to_owned(), fingerprint(&plan.settings, item)),
        ]),
    })
}

/// A hash of what the builder adds around an image, where comparing images does not look. Labels are
/// in the config, where it does. An SBOM is another one if another image makes it.
fn fingerprint(settings: &ImageSettings, item: &Planned) -> String {
    let around = ImageSettings {
        labels: BTreeMap::new(),
        ..settings.clone()
    };
    // Maps are sorted: the same settings are the same text.
    let mut text = serde_json::to_vec(&around).unwrap_or_default();
    if let Some(generator) = item.sbom_generator() {
        text.extend_from_slice(generator.reference.as_bytes());
    }
    hex::encode(Sha256::digest(text))
}

/// Whether an image was built with the settings of the plan.
async fn has_settings<I: Images>(
    plan: &BuildPlan,
    item: &Planned,
    image: &PinnedImage,
    images: &I,
) -> Result<bool, OciError> {
    let records = match images.referrers(image, plan::ARTIFACT_TYPE).await {
        Ok(records) => records,
        Err(error) if error.is_retryable() => return Err(error),
        Err(error) => {
            tracing::debug!(%image, %error, "its settings are not known");
            Vec::new()
        }
    };
    let wanted = fingerprint(&plan.settings, item);
    let mut noted = records
        .iter()
        .filter_map(|record| record.annotations.get(SETTINGS))
        .peekable();
    // An image of which nothing is known may well be as plain as is wanted, but nothing more.
    Ok(match noted.peek() {
        None => wanted == fingerprint(&ImageSettings::default(), item),
        Some(_) => noted.any(|settings| *settings == wanted),
    })
}

/// The pinned image, if the new one differs from it in nothing that counts. An image that was too
/// old is replaced in any case: its age is what is wrong with it. So is one that was built with other
/// settings: provenance, an SBOM, annotations and times are what comparing leaves out, and here they
/// are what is wanted.
async fn same_as_pinned<I: Images>(
    plan: &BuildPlan,
    pushed: &Pushed<'_>,
    new: &PinnedImage,
    images: &I,
) -> Result<Option<(PinnedImage, Likeness)>, FactoryError> {
    let pins: BTreeSet<&PinnedImage> = plan
        .to_build()
        .filter(|item| is_for(pushed, item))
        .filter(|item| !matches!(item.why(), Why::TooOld { .. }))
        .filter_map(|item| item.pinned.as_ref())
        .filter(|pinned| pinned.repository == new.repository)
        .collect();
    for pinned in pins {
        let (alike, as_wanted) = tokio::join!(
            images.compare(pinned, new),
            has_settings(plan, pushed.target.item, pinned, images)
        );
        match alike {
            Ok(Likeness::Different { what }) => {
                tracing::debug!(%pinned, %new, what, "another image than the pinned one");
            }
            Ok(likeness) => {
                if likeness == Likeness::Identical || as_wanted? {
                    return Ok(Some((pinned.clone(), likeness)));
                }
                tracing::debug!(%pinned, %new, "the pinned image was built with other settings");
            }
            Err(error) if error.is_retryable() => return Err(error.into()),
            // A pin that is gone or is no image is like nothing.
            Err(error) => tracing::debug!(%pinned, %error, "not compared with the pinned image"),
        }
    }
    Ok(None)
}

fn report(
    item: &Planned,
    image: PinnedImage,
    decision: Outcome,
    pushed: Option<&Pushed<'_>>,
) -> Built {
    let time = pushed.map_or(Duration::ZERO, |pushed| pushed.time);
    let tags = pushed.filter(|pushed| !pushed.was_there);
    let tags = tags.map(|pushed| pushed.target.build_tag.clone());
    let pinned = item.pinned.clone();
    Built {
        reference: item.reference.clone(),
        file: item.file.clone(),
        pin_platform: item.pin_platform.clone(),
        replaces: pinned
            .filter(|pinned| *pinned != image)
            .map(|image| Replaced { image, size: None }),
        image,
        key: item.key.clone(),
        decision,
        why: item.why(),
        platforms: item.platforms.clone(),
        base_images: item.base_images.clone(),
        tags: tags.into_iter().collect(),
        kind: None,
        size: None,
        seconds: (time.as_secs_f64() * 1000.0).round() / 1000.0,
    }
}
