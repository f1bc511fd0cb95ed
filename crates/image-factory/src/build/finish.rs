use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use oci::{Artifact, Likeness, OciError};
use registry_model::PinnedImage;

use super::progress::Told;
use super::report::{Built, Outcome, Replaced};
use super::rounds::Pushed;
use crate::plan::{self, BuildPlan, Planned, Why};
use crate::{FactoryError, Images};

/// Questions to the registry that are open at once.
const LOOK_UPS: usize = 64;
/// The annotation of an inputs record that says which key it explains.
const INPUT_KEY: &str = "dev.pipeline.input-key";
const MEASURE_WITHIN: Duration = Duration::from_secs(20);

/// An image that is complete, and what came of comparing it with the pins.
struct Settled {
    image: PinnedImage,
    kept: Option<Likeness>,
}

/// What comes after pushing: the images of the plan, as far as there are any, and what went wrong
/// with whom.
pub(super) struct Finished<'a> {
    pub(super) built: Vec<Built>,
    pub(super) failed: Vec<(&'a Planned, FactoryError)>,
}

/// Confirms every image, settles those that are new, and measures what changes.
pub(super) async fn finish<'a, I: Images>(
    plan: &'a BuildPlan,
    pushed: &[Pushed<'a>],
    images: &I,
    told: &Told,
) -> Finished<'a> {
    let mut failed: Vec<(&Planned, FactoryError)> = Vec::new();
    let settled: Vec<_> = stream::iter(pushed)
        .map(|pushed| async move { (pushed, settle(plan, pushed, images).await) })
        .buffered(LOOK_UPS)
        .collect()
        .await;
    let gone = missing(plan, images).await;

    let (mut built, mut pinned_anew) = (Vec::new(), Vec::new());
    let mut push = |item: &Planned, image: PinnedImage, outcome, pushed| {
        pinned_anew.push(item.pinned.as_ref() != Some(&image));
        built.push(report(item, image, outcome, pushed));
    };
    for item in &plan.items {
        if let Some(image) = item.reused() {
            if !gone.contains_key(&image) {
                push(item, image, Outcome::Reused, None);
            }
            continue;
        }
        let of = |(pushed, _): &&(&Pushed<'_>, _)| is_for(pushed, item);
        if let Some((pushed, Ok(settled))) = settled.iter().find(of) {
            let kept = settled
                .kept
                .clone()
                .filter(|_| item.pinned.as_ref() == Some(&settled.image));
            let outcome = kept.map_or(Outcome::Built, Outcome::Kept);
            push(item, settled.image.clone(), outcome, Some(pushed));
        }
    }
    for (pushed, settled) in settled {
        let name = &pushed.target.name;
        match settled {
            Ok(settled) => told.done(name, &said(&settled)),
            Err(error) => {
                told.failed(name, &error.to_string());
                failed.push((pushed.target.item, error));
            }
        }
    }
    failed.extend(gone.into_values());
    measure(&mut built, &pinned_anew, images).await;
    Finished { built, failed }
}

fn said(settled: &Settled) -> String {
    let digest = settled.image.digest.short();
    match settled.kept {
        Some(_) => format!("pushed; the pin {digest} holds the same"),
        None => format!("pushed {digest}"),
    }
}

fn is_for(pushed: &Pushed<'_>, item: &Planned) -> bool {
    let built = pushed.target.item;
    built.repository == item.repository && built.key == item.key
}

/// Makes sure that the registry has the image, and makes it the one that stands for its inputs.
///
/// The tag of the key comes last: what has it is complete. Whoever is stopped before builds again,
/// from the cache, and comes to the same end.
async fn settle<I: Images>(
    plan: &BuildPlan,
    pushed: &Pushed<'_>,
    images: &I,
) -> Result<Settled, FactoryError> {
    let target = &pushed.target;
    let new = target.item.repository.at(pushed.digest.clone());
    if !images.exists(&new).await? {
        return Err(FactoryError::NotInRegistry { image: new });
    }
    let settled = match same_as_pinned(plan, pushed, &new, images).await? {
        Some((image, likeness)) => Settled {
            image,
            kept: Some(likeness),
        },
        None => Settled {
            image: new,
            kept: None,
        },
    };
    let image = &settled.image;
    if let Some(record) = record(plan, target.item)
        && let Err(error) = images.attach(image, &record).await
    {
        let item = &target.name;
        tracing::warn!(%item, %error, "the inputs of {item} were not recorded, so later plans cannot say what changed");
    }
    let tag = target.item.key.tag();
    let tagged = match target.is_renewed() {
        true => images.move_tag(image, &tag).await,
        false => images.tag(image, &tag).await,
    };
    match tagged {
        Ok(()) => Ok(settled),
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
        annotations: BTreeMap::from([(INPUT_KEY.to_owned(), item.key.to_string())]),
    })
}

/// The pinned image, if the new one differs from it in nothing that counts. An image that was too
/// old is replaced in any case: its age is what is wrong with it.
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
        match images.compare(pinned, new).await {
            Ok(Likeness::Different { what }) => {
                tracing::debug!(%pinned, %new, what, "another image than the pinned one");
            }
            Ok(likeness) => return Ok(Some((pinned.clone(), likeness))),
            Err(error) if error.is_retryable() => return Err(error.into()),
            // A pin that is gone or is no image is like nothing.
            Err(error) => tracing::debug!(%pinned, %error, "not compared with the pinned image"),
        }
    }
    Ok(None)
}

/// The images to be reused that are not there, or that could not be asked for.
async fn missing<'a, I: Images>(
    plan: &'a BuildPlan,
    images: &I,
) -> BTreeMap<PinnedImage, (&'a Planned, FactoryError)> {
    let reused = plan.items.iter();
    let reused = reused.filter_map(|item| Some((item.reused()?, item)));
    let distinct: BTreeMap<PinnedImage, &Planned> = reused.collect();
    stream::iter(distinct)
        .map(|(image, item)| async move {
            let error = match images.exists(&image).await {
                Ok(true) => return None,
                Ok(false) => FactoryError::NotInRegistry {
                    image: image.clone(),
                },
                Err(error) => error.into(),
            };
            Some((image, (item, error)))
        })
        .buffer_unordered(LOOK_UPS)
        .filter_map(std::future::ready)
        .collect()
        .await
}

fn report(
    item: &Planned,
    image: PinnedImage,
    decision: Outcome,
    pushed: Option<&Pushed<'_>>,
) -> Built {
    let time = pushed.map_or(Duration::ZERO, |pushed| pushed.time);
    let tags = pushed.map(|pushed| pushed.target.build_tag.clone());
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
        size: None,
        seconds: (time.as_secs_f64() * 1000.0).round() / 1000.0,
    }
}

/// Fills in the sizes of images that are pinned from now on, and of those that are no more. They are
/// for people: a missing one is no failure, and none is waited for long.
async fn measure<I: Images>(built: &mut [Built], pinned_anew: &[bool], images: &I) {
    let mut wanted: BTreeSet<&PinnedImage> = BTreeSet::new();
    for (built, _) in built.iter().zip(pinned_anew).filter(|(_, anew)| **anew) {
        wanted.insert(&built.image);
        // Another registry may be out of reach: a mirror has its own repositories only.
        let host = built.image.repository.host();
        let old = built.replaces.iter().map(|old| &old.image);
        wanted.extend(old.filter(|old| old.repository.host() == host));
    }
    let wanted: Vec<PinnedImage> = wanted.into_iter().cloned().collect();
    let asked = stream::iter(wanted)
        .map(|image| async move {
            match images.describe(&image).await {
                Ok(info) => Some((image, info.compressed_size)),
                Err(error) => {
                    tracing::debug!(%image, %error, "size unknown");
                    None
                }
            }
        })
        .buffer_unordered(LOOK_UPS)
        .filter_map(std::future::ready)
        .take_until(tokio::time::sleep(MEASURE_WITHIN));
    let sizes: BTreeMap<PinnedImage, u64> = asked.collect().await;
    for (built, _) in built.iter_mut().zip(pinned_anew).filter(|(_, anew)| **anew) {
        built.size = sizes.get(&built.image).copied();
        if let Some(old) = &mut built.replaces {
            old.size = sizes.get(&old.image).copied();
        }
    }
}
