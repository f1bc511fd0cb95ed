use std::fs;
use std::path::Path;

use registry_model::{Digest, PinPlace, PinnedImage, Platform};
use tempfile::TempDir;

pub(crate) const OLD_HEX: &str = "1ba33c0574be8068f65f384ef0553d96d8073852d8e0bc7b0aa57baace4fb803";
pub(crate) const NEW_HEX: &str = "6e736ed2e3a8878e82a617caec9e949c46eedbea5564405f581e9d16422654b8";

pub(crate) fn image(digit: char) -> PinnedImage {
    let digest: String = std::iter::repeat_n(digit, 64).collect();
    format!("ghcr.io/acme/processors/llm-litellm@sha256:{digest}")
        .parse()
        .unwrap()
}

/// The image that the tests pin: `NEW` in their texts.
pub(crate) fn new() -> PinnedImage {
    PinnedImage {
        repository: "ghcr.io/acme/processors/llm-litellm".parse().unwrap(),
        digest: format!("sha256:{NEW_HEX}").parse::<Digest>().unwrap(),
    }
}

/// `OLD` and `NEW` in a text become images.
pub(crate) fn text(template: &str) -> String {
    let old = format!("ghcr.io/acme/processors/llm-litellm@sha256:{OLD_HEX}");
    template
        .replace("OLD", &old)
        .replace("NEW", &new().to_string())
}

pub(crate) fn arch(arch: &str) -> PinPlace {
    PinPlace::Platform(format!("linux/{arch}").parse::<Platform>().unwrap())
}

/// A repository with these files.
pub(crate) fn repository(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        write(root.path(), path, &text(content));
    }
    root
}

pub(crate) fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
