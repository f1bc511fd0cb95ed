//! What a run pushed that was killed before it could record it.
//!
//! The tag under which an image is pushed for its key and the day can be told in advance. So a run
//! finds what the builder has pushed for a run that is no more, and need not build it again. Such a
//! tag is believed even less than that of the key: the image is looked at as one that is new.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use oci::OciError;
use registry_model::Digest;

use super::fit::confirm;
use super::rounds::Pushed;
use super::sizes::LOOK_UPS;
use super::target::Target;
use crate::plan::Why;
use crate::{FactoryError, Images};

/// What is left to do for the targets of a plan.
#[derive(Default)]
pub(super) struct Earlier<'a> {
    /// Those whose image is there.
    pub(super) pushed: Vec<Pushed<'a>>,
    /// Those to build.
    pub(super) targets: Vec<Target<'a>>,
}

/// Looks for the images of `targets`, and gives those that are to be built the tag by which they are
/// found if this run does not get further than that.
///
/// Nothing that is wrong here ends a build: what is not found is built.
pub(super) async fn take_up<'a, I: Images>(targets: Vec<Target<'a>>, images: &I) -> Earlier<'a> {
    let today = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    let looked = stream::iter(targets)
        .map(|target| look(target, today, images))
        .buffered(LOOK_UPS)
        .collect::<Vec<_>>()
        .await;
    let mut earlier = Earlier::default();
    for looked in looked {
        match looked {
            Ok(pushed) => earlier.pushed.push(pushed),
            Err(target) => earlier.targets.push(target),
        }
    }
    earlier
}

async fn look<'a, I: Images>(
    mut target: Target<'a>,
    today: Date,
    images: &I,
) -> Result<Pushed<'a>, Target<'a>> {
    // Who wants an image anew does not want this one, and who did not ask the registry has no answer.
    let may_be_there = matches!(
        target.item.why(),
        Why::FirstBuild | Why::InputsChanged | Why::Changed { .. }
    );
    if !may_be_there {
        return Err(target);
    }
    // A run that goes on past midnight is found, too. What is older is not: it may be older than
    // anybody wants.
    let tags = [Some(today), today.yesterday().ok()];
    let [now, before] = tags.map(|day| day.map(|day| tag(&target, day)).unwrap_or_default());
    let repository = &target.item.repository;
    let found = tokio::join!(
        images.resolve(repository, &now),
        images.resolve(repository, &before)
    );
    // ghcr.io forbids to ask for a package that is not there yet.
    let is_free = matches!(found.0, Ok(None) | Err(OciError::Forbidden { .. }));
    for (tag, found) in [(&now, found.0), (&before, found.1)] {
        if let Ok(Some(digest)) = found
            && is_fit(&target, tag, &digest, images).await
        {
            target.build_tag.clone_from(tag);
            return Ok(Pushed {
                target,
                digest,
                time: Duration::ZERO,
                was_there: true,
            });
        }
    }
    // What stands there is somebody's: the image gets the tag that no other build has.
    if is_free {
        target.build_tag = now;
    }
    Err(target)
}

/// For example `build-20260131-` and 32 digits.
fn tag(target: &Target<'_>, day: Date) -> String {
    let digits = &target.item.key.as_str()[..32];
    format!("build-{}-{digits}", day.strftime("%Y%m%d"))
}

/// The tag that says that what stands under `tag` is not what the builder says it pushed.
fn mark(tag: &str) -> String {
    format!("{tag}-refused")
}

async fn is_fit<I: Images>(target: &Target<'_>, tag: &str, digest: &Digest, images: &I) -> bool {
    let repository = &target.item.repository;
    let (image, mark) = (repository.at(digest.clone()), mark(tag));
    let (fit, refused) = tokio::join!(
        confirm(&image, target.item, images),
        images.resolve(repository, &mark)
    );
    if let Err(error) = &fit {
        tracing::debug!(%image, %error, "pushed before, and not fit");
    }
    fit.is_ok() && matches!(refused, Ok(None))
}

/// Sees to it that no other run takes up what this one refused, as the registry does not have what the
/// builder says it pushed.
pub(super) async fn disown<I: Images>(target: &Target<'_>, error: &FactoryError, images: &I) {
    let is_another = matches!(
        error,
        FactoryError::NotInRegistry { .. }
            | FactoryError::Registry(OciError::DigestMismatch { .. })
    );
    if !is_another {
        return;
    }
    let (repository, tag) = (&target.item.repository, &target.build_tag);
    if let Ok(Some(found)) = images.resolve(repository, tag).await {
        let marked = images.move_tag(&repository.at(found), &mark(tag)).await;
        if let Err(error) = marked {
            tracing::debug!(%repository, tag, %error, "not marked as refused");
        }
    }
}
