//! The S3 service of a stack. Whatever it answers is bounded, as it is the repository's own program.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::future::try_join_all;
use reqwest::{Client, Response, StatusCode, redirect};
use rusty_s3::actions::{ListObjectsV2, S3Action as _};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::ObjectsOptions;
use crate::diagnosis::Container;

/// All of it together.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);
const ONE_REQUEST: Duration = Duration::from_secs(30);
/// A signature is no longer good than this.
const SIGNED: Duration = Duration::from_secs(60);
const MOST_KEYS: usize = 100_000;
/// A server may answer with short pages, but not for ever.
const MOST_PAGES: usize = 1_000;
const PAGE: usize = 1_000;
/// A page of keys that are as long as keys can be, each byte of them escaped.
const LARGEST_PAGE: usize = 8 << 20;
const LARGEST_ERROR: usize = 64 << 10;
const AT_ONCE: usize = 8;
/// Servers for stacks do not care; this is what most call themselves.
const REGION: &str = "us-east-1";

/// Why a bucket could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectsError {
    /// The name of the bucket is none.
    #[error("this is no name of a bucket")]
    Name,
    /// The service is not started.
    #[error("the stack has no service `{service}`")]
    NoService {
        /// The service.
        service: String,
    },
    /// The service cannot be reached from here.
    #[error("service `{service}` does not publish {}", wanted(*port))]
    NotPublished {
        /// The service.
        service: String,
        /// The port inside the container that was asked for.
        port: Option<u16>,
    },
    /// There are no credentials.
    #[error("neither the service, `acceptance.env` nor the environment has `{name}`")]
    NoCredential {
        /// The variable.
        name: String,
    },
    /// The service cannot be asked.
    #[error("the service does not answer")]
    Unreachable {
        /// Why; without the address, as that is signed.
        #[source]
        source: reqwest::Error,
    },
    /// The service refuses.
    #[error("the service answers {status}{}", shown(code.as_deref()))]
    Refused {
        /// The status of its answer.
        status: u16,
        /// The code in its answer, as in `NoSuchBucket`.
        code: Option<String>,
    },
    /// The service answers something that is no list of objects.
    #[error("the service answers with no list of objects")]
    NoList,
    /// There is more than can be looked at.
    #[error("there are more than {MOST_KEYS} objects, or they are listed in too many pages")]
    TooMany,
    /// It took longer than five minutes.
    #[error("not finished after {} s", PATIENCE.as_secs())]
    Slow,
}

fn wanted(port: Option<u16>) -> String {
    port.map_or("a port".to_owned(), |port| format!("port {port}"))
}

fn shown(code: Option<&str>) -> String {
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

impl ObjectsError {
    /// Whether the cause is what the repository or this machine is set up with.
    pub(crate) fn is_input(&self) -> bool {
        matches!(
            self,
            Self::Name
                | Self::NoService { .. }
                | Self::NotPublished { .. }
                | Self::NoCredential { .. }
        )
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Name => "set `acceptance.artifacts.bucket` in pipeline.yml",
            Self::NoService { .. } => {
                "set `acceptance.artifacts.service` in pipeline.yml to one of the services that are \
                 started"
            }
            Self::NotPublished { .. } => {
                "publish its port in the compose file, as in `127.0.0.1::9000`, or set \
                 `acceptance.artifacts.port` in pipeline.yml"
            }
            Self::NoCredential { .. } => {
                "set `access-key-env` and `secret-key-env` of `acceptance.artifacts` in pipeline.yml"
            }
            Self::Refused {
                code: Some(code), ..
            } if code == "NoSuchBucket" => {
                "let the suite make the bucket, or set `acceptance.artifacts.bucket` in pipeline.yml"
            }
            Self::Refused {
                status: 401 | 403, ..
            } => {
                "the variables that `access-key-env` and `secret-key-env` of `acceptance.artifacts` \
                 name must hold the credentials of the service"
            }
            Self::Unreachable { .. } | Self::Refused { .. } | Self::NoList | Self::Slow => {
                "check that `acceptance.artifacts` in pipeline.yml names a port that speaks S3"
            }
            Self::TooMany => "let the suite leave less in the bucket",
        }
    }
}

/// A bucket, and the right to look at it.
pub(crate) struct Store {
    client: Client,
    bucket: Bucket,
    credentials: Credentials,
}

impl Store {
    /// Finds the service among the `containers` of a stack; asks nothing yet.
    pub(crate) fn open(
        options: &ObjectsOptions,
        containers: &[Container],
        env: &BTreeMap<String, String>,
    ) -> Result<Self, ObjectsError> {
        let service = &options.service;
        let mut running = containers.iter();
        let container = running
            .find(|container| container.service() == Some(service))
            .ok_or_else(|| ObjectsError::NoService {
                service: service.clone(),
            })?;
        let mut addresses = container.addresses().into_iter();
        let address = addresses
            .find(|(inside, _)| options.port.is_none_or(|wanted| wanted == *inside))
            .and_then(|(_, address)| Url::parse(&format!("http://{address}/")).ok());
        let not_published = || ObjectsError::NotPublished {
            service: service.clone(),
            port: options.port,
        };
        let address = address.ok_or_else(not_published)?;
        let find = |name: &str| -> Result<SecretString, ObjectsError> {
            let own = container.variable(name);
            let given = own.or_else(|| env.get(name).map(|value| value.clone().into()));
            let found = given.or_else(|| std::env::var(name).ok().map(Into::into));
            let filled = found.filter(|value| !value.expose_secret().is_empty());
            filled.ok_or_else(|| ObjectsError::NoCredential {
                name: name.to_owned(),
            })
        };
        let (key, secret) = (
            find(&options.access_key_env)?,
            find(&options.secret_key_env)?,
        );
        let bucket = Bucket::new(address, UrlStyle::Path, options.bucket.clone(), REGION)
            .map_err(|_| ObjectsError::Name)?;
        // It is on this machine: no proxy knows it, and it has nowhere else to send anybody.
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(ONE_REQUEST)
            .timeout(ONE_REQUEST)
            .build()
            .map_err(unreachable)?;
        Ok(Self {
            client,
            bucket,
            credentials: Credentials::new(key.expose_secret(), secret.expose_secret()),
        })
    }

    /// Every key, sorted.
    pub(super) async fn keys(&self) -> Result<Vec<String>, ObjectsError> {
        let mut keys = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
            action.with_max_keys(PAGE);
            if let Some(token) = token.take() {
                action.with_continuation_token(token);
            }
            let asked = self.client.get(action.sign(SIGNED)).send().await;
            let answer = accepted(asked.map_err(unreachable)?).await?;
            let body = bounded(answer, LARGEST_PAGE).await?;
            let text = body
                .as_deref()
                .and_then(|body| std::str::from_utf8(body).ok());
            let page = text.and_then(|text| ListObjectsV2::parse_response(text).ok());
            let page = page.ok_or(ObjectsError::NoList)?;
            keys.extend(page.contents.into_iter().map(|object| object.key));
            if keys.len() > MOST_KEYS {
                return Err(ObjectsError::TooMany);
            }
            token = page.next_continuation_token;
            if token.is_none() {
                keys.sort();
                keys.dedup();
                return Ok(keys);
            }
        }
        Err(ObjectsError::TooMany)
    }

    /// What the server says that each of these is; nothing where it does not say.
    pub(super) async fn media_types(
        &self,
        keys: &[&str],
    ) -> Result<HashMap<String, String>, ObjectsError> {
        let mut known = HashMap::new();
        for some in keys.chunks(AT_ONCE) {
            let asked: Vec<_> = some.iter().map(|key| self.media_type(key)).collect();
            known.extend(try_join_all(asked).await?);
        }
        Ok(known)
    }

    async fn media_type(&self, key: &str) -> Result<(String, String), ObjectsError> {
        let action = self.bucket.head_object(Some(&self.credentials), key);
        let asked = self.client.head(action.sign(SIGNED)).send().await;
        let answer = accepted(asked.map_err(unreachable)?).await?;
        let header = answer.headers().get(reqwest::header::CONTENT_TYPE);
        let kind = header.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
        Ok((key.to_owned(), kind.unwrap_or_default()))
    }
}

/// Whoever knows the address may ask for the same while its signature is good.
fn unreachable(source: reqwest::Error) -> ObjectsError {
    ObjectsError::Unreachable {
        source: source.without_url(),
    }
}

async fn accepted(answer: Response) -> Result<Response, ObjectsError> {
    let status = answer.status();
    if status == StatusCode::OK {
        return Ok(answer);
    }
    let body = bounded(answer, LARGEST_ERROR).await?.unwrap_or_default();
    Err(ObjectsError::Refused {
        status: status.as_u16(),
        code: code(&String::from_utf8_lossy(&body)),
    })
}

/// The body, unless it is longer.
async fn bounded(mut answer: Response, most: usize) -> Result<Option<Vec<u8>>, ObjectsError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The code of an error, as far as it is a word.
fn code(body: &str) -> Option<String> {
    let document = roxmltree::Document::parse(body).ok()?;
    let mut nodes = document.root_element().children();
    let code = nodes.find(|node| node.has_tag_name("Code"))?.text()?;
    let is_word = code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric());
    is_word.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn only_a_word_of_an_error_is_told() {
        let said = |word: &str| code(&format!("<Error><Code>{word}</Code></Error>"));
        assert_eq!(said("NoSuchBucket").as_deref(), Some("NoSuchBucket"));
        for hostile in ["", "a b", "a\n::error::x", &"x".repeat(65)] {
            assert_eq!(said(hostile).filter(|it| !it.is_empty()), None, "{hostile}");
        }
        assert_eq!(code("no XML"), None);
    }
}
