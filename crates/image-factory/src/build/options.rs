use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use oci::RetryPolicy;

use super::cache::Cache;
use super::secrets::BuildSecret;

/// How to build, besides what the plan says. Nothing in here changes the bytes of an image, but
/// [`source`](Self::source) and [`revision`](Self::revision).
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The root of the repository.
    pub root: PathBuf,
    /// The label `org.opencontainers.image.source`: the address of the repository, by which GitHub
    /// links a package to it.
    pub source: Option<String>,
    /// The label `org.opencontainers.image.revision`. It changes the digest with every commit, even
    /// when nothing else does: off unless wanted.
    pub revision: Option<String>,
    /// Stops at the first image that fails; otherwise the others are still built.
    pub fail_fast: bool,
    /// How many images are built at once. Default: all of them in one run of `bake`.
    pub jobs: Option<NonZero<usize>>,
    /// What Dockerfiles may mount as secrets.
    pub secrets: Vec<BuildSecret>,
    /// Where steps that were built elsewhere are taken from.
    pub cache_from: Vec<Cache>,
    /// Where the steps that are built are kept for others.
    pub cache_to: Vec<Cache>,
    /// The builder, as `docker buildx ls` names it. Default: the current one.
    pub builder: Option<String>,
    /// How often, and with which pauses, a push is tried again that fails for a passing reason.
    /// The time of builds does not count; `total` is for the pauses alone.
    pub retry: RetryPolicy,
}

impl BuildOptions {
    /// The defaults for the repository at `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            source: None,
            revision: None,
            fail_fast: false,
            jobs: None,
            secrets: Vec::new(),
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            builder: None,
            retry: RetryPolicy {
                attempts: 8,
                base_delay: Duration::from_secs(1),
                max_delay: Duration::from_secs(20),
                total: Duration::from_secs(120),
            },
        }
    }
}
