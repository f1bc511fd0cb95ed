use std::time::{Duration, Instant};

use registry_model::{Digest, Repository};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use reqwest::{Method, StatusCode};
use tracing::debug;

use crate::auth::{Access, Authenticator};
use crate::proxy::Proxies;
use crate::{ClientOptions, OciError, RetryPolicy, host, manifest, retry};

/// Registries refuse manifests above 4 MiB (distribution specification, "Pushing Manifests"), and
/// configs are smaller; a longer answer is none of theirs.
const LONGEST_BODY: usize = 8 * 1024 * 1024;
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Without a single byte for this long, a connection counts as lost.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("pipeline/", env!("CARGO_PKG_VERSION"));

/// One request to a registry.
pub(crate) struct Call<'a> {
    repository: &'a Repository,
    method: Method,
    /// Behind `/v2/<repository>/`.
    path: String,
    /// The media types of the answer we can read.
    accept: Option<String>,
    /// The content to write, with its media type.
    content: Option<(Vec<u8>, String)>,
    access: Access,
    /// Whether 500 is an answer to look into rather than a passing failure.
    ends_at_500: bool,
    /// What it is for, as it stands in errors.
    operation: &'a str,
}

impl<'a> Call<'a> {
    fn read(method: Method, repository: &'a Repository, path: String, operation: &'a str) -> Self {
        Self {
            repository,
            method,
            path,
            accept: None,
            content: None,
            access: Access::Pull,
            ends_at_500: false,
            operation,
        }
    }

    pub(crate) fn head(repository: &'a Repository, reference: &str, operation: &'a str) -> Self {
        Self {
            method: Method::HEAD,
            ..Self::get_manifest(repository, reference, operation)
        }
    }

    pub(crate) fn ending_at_500(self) -> Self {
        Self {
            ends_at_500: true,
            ..self
        }
    }

    pub(crate) fn get_manifest(
        repository: &'a Repository,
        reference: &str,
        operation: &'a str,
    ) -> Self {
        let path = format!("manifests/{reference}");
        Self {
            accept: Some(manifest::MEDIA_TYPES.join(", ")),
            ..Self::read(Method::GET, repository, path, operation)
        }
    }

    pub(crate) fn head_blob(repository: &'a Repository, digest: &str, operation: &'a str) -> Self {
        Self::read(
            Method::HEAD,
            repository,
            format!("blobs/{digest}"),
            operation,
        )
    }

    pub(crate) fn get_blob(repository: &'a Repository, digest: &str, operation: &'a str) -> Self {
        Self::read(
            Method::GET,
            repository,
            format!("blobs/{digest}"),
            operation,
        )
    }

    pub(crate) fn put_manifest(
        repository: &'a Repository,
        tag: &str,
        raw: &manifest::Raw,
        operation: &'a str,
    ) -> Self {
        let path = format!("manifests/{tag}");
        Self {
            content: Some((raw.bytes.clone(), raw.media_type.clone())),
            access: Access::PullAndPush,
            ..Self::read(Method::PUT, repository, path, operation)
        }
    }
}

/// What a registry answered to a request that it granted.
pub(crate) struct Answer {
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The `Docker-Content-Digest` header, if there is one.
    pub(crate) fn digest(&self, operation: &str) -> Result<Option<Digest>, OciError> {
        match text(&self.headers, "docker-content-digest") {
            None | Some("") => Ok(None),
            Some(digest) => manifest::parse_digest(digest, operation).map(Some),
        }
    }

    /// Whether the content announced is too long for a manifest.
    pub(crate) fn is_longer_than_a_manifest(&self) -> bool {
        text(&self.headers, CONTENT_LENGTH.as_str())
            .and_then(|length| length.parse::<usize>().ok())
            .is_some_and(|length| length > LONGEST_BODY)
    }

    /// The media type without its parameters.
    pub(crate) fn content_type(&self) -> Option<String> {
        let value = text(&self.headers, CONTENT_TYPE.as_str())?;
        Some(
            value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
        )
    }
}

/// Sends requests: picks the scheme, answers challenges, tries again.
pub(crate) struct Transport {
    http: reqwest::Client,
    authenticator: Authenticator,
    retry: RetryPolicy,
    insecure_hosts: Vec<String>,
}

impl Transport {
    pub(crate) fn new(options: ClientOptions) -> Result<Self, OciError> {
        let proxies = Proxies::from_env(|name| std::env::var(name).ok());
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT);
        let http = proxies
            .apply(builder)
            .and_then(reqwest::ClientBuilder::build)
            .map_err(|source| OciError::SetUp { source })?;
        Ok(Self {
            http,
            authenticator: Authenticator::new(options.credentials, proxies),
            retry: options.retry,
            insecure_hosts: options.insecure_hosts,
        })
    }

    /// The answer, or `None` for 404. Tries again as the policy allows.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Option<Answer>, OciError> {
        let begun = Instant::now();
        let mut attempt = 1;
        loop {
            let error = match self.send_once(call).await {
                Err(error) if call.ends_at_500 && error.is_500() => return Err(error),
                Err(error) if error.is_retryable() => error,
                other => return other,
            };
            let asked = error.retry_after();
            let Some(pause) = self
                .retry
                .pause(attempt, begun.elapsed(), asked, retry::jitter())
            else {
                return Err(error);
            };
            debug!(operation = call.operation, attempt, ?pause, %error, "trying again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn send_once(&self, call: &Call<'_>) -> Result<Option<Answer>, OciError> {
        let host = host::api_host(call.repository.host());
        let scheme = host::scheme(host, &self.insecure_hosts);
        let authorization = self
            .authenticator
            .known(scheme, host, call.repository, call.access, call.operation)
            .await?;
        let response = self.request(call, scheme, host, authorization).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return judge(call, response).await;
        }
        // The first challenge of this registry, or the token is out of date.
        let fresh = self
            .authenticator
            .fetch(scheme, host, call.repository, call.access, call.operation)
            .await?;
        match fresh {
            Some(fresh) => {
                let response = self.request(call, scheme, host, Some(fresh)).await?;
                judge(call, response).await
            }
            None => judge(call, response).await,
        }
    }

    async fn request(
        &self,
        call: &Call<'_>,
        scheme: &str,
        host: &str,
        authorization: Option<HeaderValue>,
    ) -> Result<reqwest::Response, OciError> {
        let url = format!(
            "{scheme}://{host}/v2/{}/{}",
            call.repository.path(),
            call.path
        );
        let mut request = self.http.request(call.method.clone(), url);
        if let Some(accept) = &call.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some((bytes, media_type)) = &call.content {
            request = request.header(CONTENT_TYPE, media_type).body(bytes.clone());
        }
        request
            .send()
            .await
            .map_err(|source| no_answer(call.operation, source))
    }
}

/// Sorts an answer into granted, missing, passing failure and refusal.
async fn judge(call: &Call<'_>, response: reqwest::Response) -> Result<Option<Answer>, OciError> {
    let status = response.status();
    let headers = response.headers().clone();
    let body = read(response)
        .await
        .map_err(|source| no_answer(call.operation, source))?;
    let operation = call.operation.to_owned();
    let html =
        text(&headers, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/html"));
    if status.is_success() && !html {
        let Some(body) = body else {
            return Err(OciError::Malformed {
                operation,
                problem: format!("the answer is longer than {LONGEST_BODY} bytes"),
            });
        };
        return Ok(Some(Answer { headers, body }));
    }
    let said = said(body.as_deref().unwrap_or_default(), html);
    let host = call.repository.host().to_owned();
    Err(match status {
        StatusCode::NOT_FOUND => return Ok(None),
        StatusCode::UNAUTHORIZED => OciError::Unauthorized {
            operation,
            host,
            message: said,
        },
        StatusCode::FORBIDDEN => OciError::Forbidden {
            operation,
            host,
            message: said,
        },
        // No registry answers with a web page: that is a proxy, a load balancer or a log-in page.
        status if html || is_passing(status) => OciError::Unavailable {
            operation,
            status: Some(status.as_u16()),
            message: with_status(status, &said),
            retry_after: text(&headers, RETRY_AFTER.as_str())
                .and_then(|value| retry::retry_after(value, jiff::Timestamp::now())),
        },
        status => OciError::Refused {
            operation,
            message: with_status(status, &said),
        },
    })
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

/// The body, or `None` when it is too long.
async fn read(mut response: reqwest::Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

pub(crate) fn no_answer(operation: &str, source: reqwest::Error) -> OciError {
    let mut tls = false;
    let mut cause: Option<&dyn std::error::Error> = Some(&source);
    while let Some(error) = cause {
        // rustls's errors reach us as text only, below several layers of other crates.
        let text = error.to_string();
        tls |= text.contains("invalid peer certificate") || text.contains("corrupt message");
        cause = error.source();
    }
    OciError::NoAnswer {
        operation: operation.to_owned(),
        tls,
        source: source.without_url(),
    }
}

/// What a registry says in a failure, in one short line.
pub(crate) fn said(body: &[u8], html: bool) -> String {
    #[derive(serde::Deserialize)]
    struct Envelope {
        errors: Vec<Problem>,
    }
    #[derive(serde::Deserialize)]
    struct Problem {
        code: String,
        #[serde(default)]
        message: String,
    }
    if html {
        return "an HTML page instead of a registry's answer".to_owned();
    }
    let text = match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => envelope
            .errors
            .iter()
            .map(|problem| match problem.message.as_str() {
                "" => problem.code.clone(),
                message => format!("{message} ({})", problem.code),
            })
            .collect::<Vec<_>>()
            .join(", "),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(300).collect()
}

fn with_status(status: StatusCode, said: &str) -> String {
    if said.is_empty() {
        status.to_string()
    } else {
        format!("{status}: {said}")
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
