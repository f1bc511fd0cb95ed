//! `image`: what should run, and where its images live.

use super::reader::Reader;
use crate::finding::code;
use crate::names::ARCHITECTURES;
use crate::yaml::NodeId;
use crate::{Digest, Pin, PinPlace, PinState, PinnedImage, Platform, Repository};

/// What is wrong with an image: a code, a message and a cure.
type Bad = (&'static str, String, Option<String>);

/// The pins of an entry, and the repository that it names.
///
/// An entry without any pin gets one pending place: `image.platforms.amd64` where the file has
/// `platforms` or is in the tools layout, else `image.oci`.
pub(super) fn read(
    reader: &mut Reader<'_>,
    document: NodeId,
    tools: bool,
) -> (Vec<Pin>, Option<Repository>) {
    let mut pins = Vec::new();
    let mut repository = None;
    let mut by_platform = tools;
    if let Some(image) = reader.map(document, "image") {
        let oci = reader.find(image, "oci");
        if let Some((key, value)) = oci {
            let state = state(reader, "image.oci", key, value, &mut repository);
            pins.extend(state.map(|state| Pin {
                place: PinPlace::Oci,
                state,
            }));
        }
        by_platform |= reader.find(image, "platforms").is_some();
        by_platform &= oci.is_none();
        if let Some(platforms) = reader.map(image, "image.platforms") {
            let pairs = reader.tree.pairs(platforms).unwrap_or_default();
            for (key, value) in pairs {
                pins.extend(platform(reader, *key, *value, &mut repository));
            }
        }
    }
    if pins.is_empty() {
        let place = match by_platform {
            true => PinPlace::Platform(Platform::linux_amd64()),
            false => PinPlace::Oci,
        };
        let state = PinState::Pending { found: None };
        pins.push(Pin { place, state });
    }
    (pins, repository)
}

fn platform(
    reader: &mut Reader<'_>,
    key: NodeId,
    value: NodeId,
    repository: &mut Option<Repository>,
) -> Option<Pin> {
    let tree = reader.tree;
    let Some((arch, _)) = tree.scalar(tree.target(key)) else {
        reader.error(key, code::BAD_PLATFORM, "the key is no architecture", None);
        return None;
    };
    let Some(platform) = Platform::linux(arch) else {
        let message = format!("`{arch}` below `image.platforms` is no architecture");
        let hint = format!("one of {}", ARCHITECTURES.join(", "));
        reader.error(key, code::BAD_PLATFORM, message, Some(&hint));
        return None;
    };
    let field = format!("image.platforms.{arch}");
    let state = state(reader, &field, key, tree.target(value), repository)?;
    let place = PinPlace::Platform(platform);
    Some(Pin { place, state })
}

fn state(
    reader: &mut Reader<'_>,
    field: &str,
    key: NodeId,
    value: NodeId,
    repository: &mut Option<Repository>,
) -> Option<PinState> {
    if reader.tree.is_null(value) {
        return Some(PinState::Pending { found: None });
    }
    let text = reader.text_of(field, key, value)?;
    match parse(text) {
        Ok((state, named)) => {
            *repository = repository.take().or(named);
            Some(state)
        }
        Err((code, message, hint)) => {
            reader.error(
                value,
                code,
                format!("`{field}`: {message}"),
                hint.as_deref(),
            );
            None
        }
    }
}

fn is_placeholder(digest: &str) -> bool {
    digest
        .strip_prefix("sha256:")
        .is_some_and(|rest| rest == "pending" || rest == "REPLACE" || rest.starts_with("REPLACE_"))
}

fn parse(text: &str) -> Result<(PinState, Option<Repository>), Bad> {
    let pending = |named| {
        let found = Some(text.to_owned()).filter(|text| !text.is_empty());
        Ok((PinState::Pending { found }, named))
    };
    if text.is_empty() || is_placeholder(text) {
        return pending(None);
    }
    let shown: String = text.chars().take(300).collect();
    let Some((name, digest)) = text.split_once('@') else {
        return Err(without_digest(text, &shown));
    };
    let repository = repository(name)?;
    if is_placeholder(digest) {
        return pending(Some(repository));
    }
    let digest: Digest = digest.parse().map_err(|_| bad_digest(&shown))?;
    let image = PinnedImage {
        repository: repository.clone(),
        digest,
    };
    Ok((PinState::Pinned(image), Some(repository)))
}

fn bad_digest(shown: &str) -> Bad {
    let message =
        format!("the digest of `{shown}` is not `sha256:` and 64 hexadecimal digits in lower case");
    let hint = "write `sha256:pending` and let the pipeline pin it";
    (code::BAD_DIGEST, message, Some(hint.into()))
}

fn without_digest(text: &str, shown: &str) -> Bad {
    if text.parse::<Digest>().is_ok() {
        let message = format!("`{shown}` is a digest without a repository");
        let hint = format!("write `<registry>/<path>@{shown}`");
        return (code::BAD_IMAGE, message, Some(hint));
    }
    if text.starts_with("sha256:") {
        return bad_digest(shown);
    }
    let last = text.rsplit('/').next().unwrap_or(text);
    let (name, message) = match last.split_once(':') {
        Some((last, _)) => {
            let start = text.len() - text.rsplit('/').next().map_or(0, str::len);
            let name = format!("{}{last}", &text[..start]);
            (
                name,
                format!("`{shown}` names an image by a tag, which can move"),
            )
        }
        None => (text.to_owned(), format!("`{shown}` has no digest")),
    };
    let hint = format!("write `{name}@sha256:pending` and let the pipeline pin it");
    (code::BAD_IMAGE, message, Some(hint))
}

fn repository(name: &str) -> Result<Repository, Bad> {
    name.parse().map_err(|error: crate::ImageError| {
        let last = name.rsplit('/').next().unwrap_or(name);
        let tagged = name.contains('/') && last.contains(':');
        let (message, hint) = if tagged {
            let message = format!("`{}` has a tag beside the digest", error.found);
            (message, "delete the tag: the digest says it all".to_owned())
        } else {
            let message = format!("repository `{}`: {}", error.found, error.problem);
            (message, "write it as in `ghcr.io/org/repo/name`".to_owned())
        };
        let lower = name.to_lowercase();
        let hint = match lower.parse::<Repository>() {
            Ok(lower) => format!("write `{lower}`"),
            Err(_) => hint,
        };
        (code::BAD_IMAGE, message, Some(hint))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "1ba33c0574be8068f65f384ef0553d96d8073852d8e0bc7b0aa57baace4fb803";

    #[test]
    fn pins_placeholders_and_mistakes_are_told_apart() {
        let pinned = format!("ghcr.io/a/b@sha256:{HEX}");
        let short = format!("ghcr.io/a/b@sha256:{}", &HEX[1..]);
        let tagged = format!("ghcr.io/a/b:1@sha256:{HEX}");
        let upper = format!("ghcr.io/A/b@sha256:{HEX}");
        let bare = format!("sha256:{HEX}");
        let word = |text: &str| match parse(text) {
            Ok((PinState::Pinned(_), _)) => "pinned",
            Ok((PinState::Pending { .. }, Some(_))) => "pending, repository",
            Ok((PinState::Pending { .. }, None)) => "pending",
            Err((code, ..)) => code,
        };
        let cases = [
            (pinned.as_str(), "pinned"),
            ("", "pending"),
            ("sha256:pending", "pending"),
            ("sha256:REPLACE_ARM64", "pending"),
            ("ghcr.io/a/b@sha256:pending", "pending, repository"),
            ("ghcr.io/a/b@sha256:REPLACE_X", "pending, repository"),
            ("localhost:5000/b@sha256:pending", "pending, repository"),
            ("b@sha256:pending", "bad-image"),
            ("ghcr.io/a/b:latest", "bad-image"),
            ("ghcr.io/a/b", "bad-image"),
            ("pending", "bad-image"),
            (&tagged, "bad-image"),
            (&upper, "bad-image"),
            (&bare, "bad-image"),
            (&short, "bad-digest"),
            ("ghcr.io/a/b@sha256:REPLACED", "bad-digest"),
            ("ghcr.io/a/b@md5:0", "bad-digest"),
            ("sha256:abc", "bad-digest"),
        ];
        for (text, expected) in cases {
            assert_eq!(word(text), expected, "{text}");
        }
    }

    #[test]
    fn the_cure_of_a_tag_is_the_same_name_without_it() {
        let (_, _, hint) = parse("localhost:5000/a/b:1.2").unwrap_err();
        let hint = hint.unwrap();
        assert!(
            hint.contains("`localhost:5000/a/b@sha256:pending`"),
            "{hint}"
        );
    }
}
