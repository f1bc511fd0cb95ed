use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use oci::{OciError, Referrer};
use registry_model::{Digest, PinnedImage, Repository};
use tokio_util::sync::CancellationToken;

use super::model::{Reachable, RetentionReport, Role};
use super::plan::RetentionPlan;
use crate::FactoryError;

/// Images that are asked about at once.
const AT_ONCE: usize = 64;
/// An index has manifests, these have signatures, and these a list: four. A registry that goes
/// deeper leads us astray.
const DEEPEST: usize = 8;

/// What the tags of signatures, attestations and bills of materials end with where cosign stores
/// them without referrers (cosign, `specs/SIGNATURE_SPEC.md`, "Discovery").
const COSIGN: [&str; 3] = [".sig", ".att", ".sbom"];

type Answer<T> = Result<T, OciError>;

/// What is asked of a registry about an image and what belongs to it.
pub trait Holdings: Sync {
    /// Whether it is there.
    fn exists(&self, image: &PinnedImage) -> impl Future<Output = Answer<bool>> + Send;

    /// The manifests of an index; none for a manifest.
    fn children(
        &self,
        image: &PinnedImage,
    ) -> impl Future<Output = Answer<Vec<PinnedImage>>> + Send;

    /// The artifacts beside an image.
    fn referrers(&self, image: &PinnedImage) -> impl Future<Output = Answer<Vec<Referrer>>> + Send;

    /// The digest that a tag stands for.
    fn resolve(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> impl Future<Output = Answer<Option<Digest>>> + Send;
}

impl Holdings for oci::Client {
    async fn exists(&self, image: &PinnedImage) -> Answer<bool> {
        Self::exists(self, image).await
    }

    async fn children(&self, image: &PinnedImage) -> Answer<Vec<PinnedImage>> {
        Self::children(self, image).await
    }

    async fn referrers(&self, image: &PinnedImage) -> Answer<Vec<Referrer>> {
        Self::referrers(self, image, None).await
    }

    async fn resolve(&self, repository: &Repository, tag: &str) -> Answer<Option<Digest>> {
        Self::resolve(self, repository, tag).await
    }
}

/// Follows each image of the plan to what belongs to it, and asks whether all of it is there.
///
/// # Errors
/// When the registry cannot be asked: a list that lacks something is worse than none. That an image
/// is missing is no error here; the report says so.
pub async fn run<H: Holdings>(
    plan: &RetentionPlan,
    holdings: &H,
    cancel: &CancellationToken,
) -> Result<RetentionReport, FactoryError> {
    let work = follow(plan, holdings);
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(FactoryError::Cancelled { operation: "look the digests up" }),
        report = work => report,
    }
}

async fn follow<H: Holdings>(
    plan: &RetentionPlan,
    holdings: &H,
) -> Result<RetentionReport, FactoryError> {
    let mut found: BTreeMap<PinnedImage, Reachable> = BTreeMap::new();
    let mut seen: BTreeSet<PinnedImage> = plan.images.keys().cloned().collect();
    let mut next: Vec<(PinnedImage, Role)> = plan
        .images
        .iter()
        .map(|(image, uses)| match uses.iter().any(|one| one.now) {
            true => (image.clone(), Role::Pinned),
            false => (image.clone(), Role::Earlier),
        })
        .collect();
    for depth in 0.. {
        let Some((image, _)) = next.first() else {
            break;
        };
        if depth == DEEPEST {
            return Err(FactoryError::TooDeep {
                image: image.clone(),
            });
        }
        let asked: Vec<_> = stream::iter(next)
            .map(|(image, role)| async {
                let belongings = look(holdings, &image).await?;
                Ok::<_, FactoryError>((image, role, belongings))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        next = Vec::new();
        for (image, role, belongings) in asked {
            let present = belongings.is_some();
            for (other, role) in belongings.into_iter().flatten() {
                if seen.insert(other.clone()) {
                    next.push((other, role));
                }
            }
            let uses = plan.images.get(&image).cloned().unwrap_or_default();
            let reachable = Reachable {
                image: image.clone(),
                role,
                uses,
                present,
            };
            found.insert(image, reachable);
        }
    }
    Ok(RetentionReport {
        schema: 1,
        branches: plan.branches.clone(),
        digests: found.into_values().collect(),
        warnings: plan.warnings.clone(),
    })
}

/// What belongs to an image; `None` if it is not there.
async fn look<H: Holdings>(
    holdings: &H,
    image: &PinnedImage,
) -> Result<Option<Vec<(PinnedImage, Role)>>, FactoryError> {
    if !holdings.exists(image).await? {
        return Ok(None);
    }
    let (repository, digest) = (&image.repository, &image.digest);
    // OCI distribution specification, "Referrers tag schema".
    let tag = digest.as_str().replacen(':', "-", 1);
    let beside = COSIGN.map(|kind| format!("{tag}{kind}"));
    let beside = beside.iter().map(|tag| holdings.resolve(repository, tag));
    let (children, referrers, list, beside) = tokio::try_join!(
        holdings.children(image),
        holdings.referrers(image),
        holdings.resolve(repository, &tag),
        try_join_all(beside),
    )?;
    let children = children
        .into_iter()
        .map(|child| (child, Role::PartOf(digest.clone())));
    let referrers = referrers
        .into_iter()
        .map(|artifact| (artifact.manifest, Role::AttachedTo(digest.clone())));
    let list = list
        .into_iter()
        .map(|list| (repository.at(list), Role::ListsArtifactsOf(digest.clone())));
    let beside = beside.into_iter().flatten();
    let beside = beside.map(|artifact| (repository.at(artifact), Role::AttachedTo(digest.clone())));
    let all = children.chain(referrers).chain(list).chain(beside);
    Ok(Some(all.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retention::Use;

    fn image(digit: char) -> PinnedImage {
        let digest = digit.to_string().repeat(64);
        format!("ghcr.io/a/b@sha256:{digest}").parse().unwrap()
    }

    /// `1` is an index of `2` and `3`; `4` is attached to `1`, listed in `5`; `6` signs `1`, and `7`
    /// tells what is in `2`; `9` is missing.
    struct Fixed;

    impl Holdings for Fixed {
        async fn exists(&self, asked: &PinnedImage) -> Answer<bool> {
            Ok(*asked != image('9'))
        }

        async fn children(&self, asked: &PinnedImage) -> Answer<Vec<PinnedImage>> {
            Ok(match asked {
                one if *one == image('1') => vec![image('2'), image('3')],
                one if *one == image('5') => vec![image('4')],
                _ => Vec::new(),
            })
        }

        async fn referrers(&self, asked: &PinnedImage) -> Answer<Vec<Referrer>> {
            Ok(match *asked == image('1') {
                true => vec![Referrer {
                    manifest: image('4'),
                    artifact_type: "application/x".into(),
                    annotations: BTreeMap::new(),
                }],
                false => Vec::new(),
            })
        }

        async fn resolve(&self, _: &Repository, tag: &str) -> Answer<Option<Digest>> {
            let found = ["1:5", "1.sig:6", "2.att:7"].iter().find(|known| {
                let (of, rest) = known.split_at(1);
                let end = rest.split(':').next().unwrap();
                tag == format!("sha256-{}{end}", of.repeat(64))
            });
            let digit = found.and_then(|known| known.chars().last());
            Ok(digit.map(|digit| image(digit).digest))
        }
    }

    /// Every manifest has one more.
    struct Endless;

    impl Holdings for Endless {
        async fn exists(&self, _: &PinnedImage) -> Answer<bool> {
            Ok(true)
        }

        async fn children(&self, asked: &PinnedImage) -> Answer<Vec<PinnedImage>> {
            let last = asked.digest.as_str().chars().last().unwrap();
            let next = char::from_digit(last.to_digit(16).unwrap() + 1, 16).unwrap();
            Ok(vec![image(next)])
        }

        async fn referrers(&self, _: &PinnedImage) -> Answer<Vec<Referrer>> {
            Ok(Vec::new())
        }

        async fn resolve(&self, _: &Repository, _: &str) -> Answer<Option<Digest>> {
            Ok(None)
        }
    }

    fn plan(images: &[(char, bool)]) -> RetentionPlan {
        let one = |(digit, now): &(char, bool)| {
            let it = Use {
                branch: "dev".into(),
                reference: "x/one@1".parse().unwrap(),
                now: *now,
            };
            (image(*digit), vec![it])
        };
        RetentionPlan {
            branches: vec!["dev".into()],
            images: images.iter().map(one).collect(),
            warnings: Vec::new(),
        }
    }

    #[tokio::test]
    async fn what_belongs_to_an_image_stays_with_it() {
        let cancel = CancellationToken::new();
        let plan = plan(&[('1', true), ('8', false), ('9', true)]);
        let report = run(&plan, &Fixed, &cancel).await.unwrap();
        let seen: Vec<String> = report
            .digests
            .iter()
            .map(|one| {
                let there = if one.present { "" } else { ", missing" };
                format!("{}: {}{there}", &one.image.digest.short()[..1], one.role)
            })
            .collect();
        assert_eq!(
            seen,
            [
                "1: pinned",
                "2: part of 111111111111",
                "3: part of 111111111111",
                "4: attached to 111111111111",
                "5: lists artifacts of 111111111111",
                "6: attached to 111111111111",
                "7: attached to 222222222222",
                "8: pinned before",
                "9: pinned, missing",
            ]
        );
        let list = report.keep_list();
        assert_eq!(list.lines().count(), 9);
        assert!(list.lines().is_sorted());
        assert_eq!(report.missing().count(), 1);
    }

    #[tokio::test]
    async fn a_registry_without_end_is_left() {
        let cancel = CancellationToken::new();
        let error = run(&plan(&[('1', true)]), &Endless, &cancel).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("goes deeper"), "{error}");
    }
}
