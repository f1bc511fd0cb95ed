//! A registry that has what a test puts into it, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use image_factory::Images;
use oci::{Artifact, ImageConfig, ImageInfo, Likeness, OciError, Referrer};
use registry_model::{Digest, PinnedImage, Platform, Repository};

/// What a tag is answered with.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Digest(Digest),
    Unauthorized,
    BadLogin,
    Forbidden,
    Unavailable,
}

#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) tags: Mutex<BTreeMap<String, Answer>>,
    /// Whether nobody may read configs.
    pub(crate) no_configs: AtomicBool,
    /// By digest.
    pub(crate) configs: Mutex<BTreeMap<Digest, ImageConfig>>,
    /// Beside the digest of an image, oldest first.
    pub(crate) records: Mutex<BTreeMap<Digest, Vec<Vec<u8>>>>,
    /// When those were made that are beside the digest of an image.
    pub(crate) noted: Mutex<BTreeMap<Digest, jiff::Timestamp>>,
    /// The images of the engine: name and id.
    pub(crate) engine: Mutex<BTreeMap<String, Digest>>,
    /// How long it takes to list or to read records.
    pub(crate) slow: Mutex<Duration>,
    /// Bytes that may be read at this moment, and questions that are open; and the most there were.
    pub(crate) open: Mutex<[(usize, usize); 2]>,
    asked: Mutex<Vec<String>>,
}

pub(crate) fn digest(hex: &str) -> Digest {
    let repeated = hex.repeat(64 / hex.len());
    format!("sha256:{repeated}").parse().unwrap()
}

pub(crate) fn config(on_build: &[&str], created: Option<jiff::Timestamp>) -> ImageConfig {
    ImageConfig {
        platform: Platform::linux_amd64(),
        created,
        labels: BTreeMap::new(),
        on_build: on_build.iter().map(|line| (*line).to_owned()).collect(),
    }
}

impl Shelf {
    /// Puts an image there that adds nothing to Dockerfiles.
    pub(crate) fn put(&self, reference: &str, hex: &str) {
        self.answer(reference, Answer::Digest(digest(hex)));
        let mut configs = self.configs.lock().unwrap();
        configs.insert(digest(hex), config(&[], None));
    }

    pub(crate) fn answer(&self, reference: &str, answer: Answer) {
        self.tags
            .lock()
            .unwrap()
            .insert(reference.to_owned(), answer);
    }

    /// What was asked since the last time, sorted.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked
    }

    fn config(&self, image: &PinnedImage) -> Result<Vec<ImageConfig>, OciError> {
        if self.no_configs.load(Ordering::Relaxed) {
            return Err(OciError::Unauthorized {
                operation: "ask the shelf".to_owned(),
                host: image.repository.host().to_owned(),
                login: true,
                message: String::new(),
            });
        }
        let configs = self.configs.lock().unwrap();
        let config = configs.get(&image.digest).ok_or_else(|| missing(image))?;
        Ok(vec![config.clone()])
    }

    /// A question that takes its time, and may be answered with so many bytes.
    async fn take(&self, bytes: usize) {
        let slow = *self.slow.lock().unwrap();
        {
            let [now, most] = &mut *self.open.lock().unwrap();
            *now = (now.0 + bytes, now.1 + 1);
            *most = (most.0.max(now.0), most.1.max(now.1));
        }
        tokio::time::sleep(slow).await;
        let [now, _] = &mut *self.open.lock().unwrap();
        *now = (now.0 - bytes, now.1 - 1);
    }

    fn note(&self, what: &str, about: impl std::fmt::Display) {
        self.asked.lock().unwrap().push(format!("{what} {about}"));
    }
}

fn missing(image: &PinnedImage) -> OciError {
    OciError::NotFound {
        operation: "ask the shelf".to_owned(),
        image: image.clone(),
    }
}

impl Images for Shelf {
    async fn resolve(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> Result<Option<Digest>, OciError> {
        let reference = repository.tagged(tag);
        self.note("resolve", &reference);
        let (operation, host) = (
            format!("resolve `{reference}`"),
            repository.host().to_owned(),
        );
        let message = String::new();
        let found = self.tags.lock().unwrap().get(&reference).cloned();
        match found {
            None => Ok(None),
            Some(Answer::Digest(digest)) => Ok(Some(digest)),
            Some(answer @ (Answer::Unauthorized | Answer::BadLogin)) => {
                Err(OciError::Unauthorized {
                    operation,
                    host,
                    login: matches!(answer, Answer::BadLogin),
                    message,
                })
            }
            Some(Answer::Forbidden) => Err(OciError::Forbidden {
                operation,
                host,
                message,
            }),
            Some(Answer::Unavailable) => Err(OciError::Unavailable {
                operation,
                status: Some(503),
                message: "503".to_owned(),
                retry_after: None,
            }),
        }
    }

    async fn exists(&self, image: &PinnedImage) -> Result<bool, OciError> {
        self.note("exists", image);
        Ok(false)
    }

    async fn describe(&self, image: &PinnedImage) -> Result<ImageInfo, OciError> {
        self.note("describe", image);
        Err(missing(image))
    }

    async fn configs(&self, image: &PinnedImage) -> Result<Vec<ImageConfig>, OciError> {
        self.note("configs", image);
        self.config(image)
    }

    async fn configs_for(
        &self,
        image: &PinnedImage,
        _: &[Platform],
    ) -> Result<Vec<ImageConfig>, OciError> {
        self.note("configs", image);
        self.config(image)
    }

    async fn tag(&self, image: &PinnedImage, _: &str) -> Result<(), OciError> {
        self.note("tag", image);
        Ok(())
    }

    async fn move_tag(&self, image: &PinnedImage, _: &str) -> Result<(), OciError> {
        self.note("move tag", image);
        Ok(())
    }

    async fn check_push(&self, repository: &Repository) -> Result<(), OciError> {
        self.note("check push", repository);
        Ok(())
    }

    async fn compare(&self, old: &PinnedImage, _: &PinnedImage) -> Result<Likeness, OciError> {
        self.note("compare", old);
        Err(missing(old))
    }

    async fn attach(&self, subject: &PinnedImage, _: &Artifact) -> Result<PinnedImage, OciError> {
        self.note("attach", subject);
        Ok(subject.clone())
    }

    async fn referrers(
        &self,
        subject: &PinnedImage,
        kind: &str,
    ) -> Result<Vec<Referrer>, OciError> {
        self.note("referrers", subject);
        self.take(0).await;
        let records = self.records.lock().unwrap();
        let count = records.get(&subject.digest).map_or(0, Vec::len);
        let noted = self.noted.lock().unwrap();
        let made = noted.get(&subject.digest);
        let made = made.map(|made| {
            (
                "org.opencontainers.image.created".to_owned(),
                made.to_string(),
            )
        });
        let referrer = |index: usize| Referrer {
            // The shelf finds it again by these digits.
            manifest: subject.repository.at(format!(
                "sha256:{}{index:02}",
                &subject.digest.hex()[2..]
            )
            .parse()
            .unwrap()),
            artifact_type: kind.to_owned(),
            annotations: made.clone().into_iter().collect(),
        };
        Ok((0..count).map(referrer).collect())
    }

    async fn artifact(
        &self,
        manifest: &PinnedImage,
        longest: usize,
    ) -> Result<Option<Vec<u8>>, OciError> {
        self.note("artifact", manifest);
        self.take(longest).await;
        let (subject, index) = manifest.digest.hex().split_at(62);
        let index: usize = index.parse().unwrap();
        let records = self.records.lock().unwrap();
        let mut beside = records.iter();
        let beside = beside.find(|(image, _)| image.hex().ends_with(subject));
        let found = beside.and_then(|(_, all)| all.get(index));
        let found = found.cloned().ok_or_else(|| missing(manifest))?;
        Ok((found.len() <= longest).then_some(found))
    }

    async fn of_engine(&self, name: &str) -> Option<Digest> {
        self.note("engine", name);
        self.engine.lock().unwrap().get(name).cloned()
    }
}
