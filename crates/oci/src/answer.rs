use registry_model::Digest;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{StatusCode, Url};

use crate::call::Call;
use crate::challenge::Challenge;
use crate::{OciError, manifest, retry};

/// Registries refuse manifests above 4 MiB (distribution specification, "Pushing Manifests"), and
/// configs are smaller; a longer answer is none of theirs.
pub(crate) const LONGEST_BODY: usize = 8 * 1024 * 1024;

/// What a registry answered to a request that it granted.
pub(crate) struct Answer {
    /// Where the answer came from, after redirects.
    url: Url,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The `Docker-Content-Digest` header, if there is one.
    pub(crate) fn digest(&self, operation: &str) -> Result<Option<Digest>, OciError> {
        match self.header("docker-content-digest") {
            None | Some("") => Ok(None),
            Some(digest) => manifest::parse_digest(digest, operation).map(Some),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }

    /// Where an upload that was asked for goes on.
    pub(crate) fn upload(&self, operation: &str) -> Result<&str, OciError> {
        self.header("location").ok_or_else(|| OciError::Malformed {
            operation: operation.to_owned(),
            problem: "the registry opens an upload without saying where".to_owned(),
        })
    }

    /// An address in the answer, which may be relative to where the answer came from.
    pub(crate) fn resolve(&self, address: &str, operation: &str) -> Result<Url, OciError> {
        let malformed = |problem: &str| OciError::Malformed {
            operation: operation.to_owned(),
            problem: format!("the registry points to an address that {problem}"),
        };
        let url = self
            .url
            .join(address)
            .map_err(|_| malformed("cannot be read"))?;
        match (self.url.scheme(), url.scheme()) {
            (_, "https") | ("http", "http") => Ok(url),
            ("https", "http") => Err(malformed("is not encrypted (http)")),
            _ => Err(malformed("is neither http nor https")),
        }
    }

    /// Whether `url` is on the server that gave this answer.
    pub(crate) fn is_from(&self, url: &Url) -> bool {
        self.url.origin() == url.origin()
    }

    /// Whether the content announced is too long for a manifest.
    pub(crate) fn is_longer_than_a_manifest(&self) -> bool {
        self.header(CONTENT_LENGTH.as_str())
            .and_then(|length| length.parse::<usize>().ok())
            .is_some_and(|length| length > LONGEST_BODY)
    }

    /// The media type without its parameters.
    pub(crate) fn content_type(&self) -> Option<String> {
        let value = self.header(CONTENT_TYPE.as_str())?;
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

/// An answer as it comes in.
pub(crate) struct Reply {
    pub(crate) response: reqwest::Response,
    /// Whether it was asked for with what a login gave.
    pub(crate) known: bool,
}

/// Whether the answer is what was asked for. No registry answers a question with a web page; some
/// give the type of one to the empty answer to a write, which has a status that no page has.
pub(crate) fn is_granted(response: &reqwest::Response) -> bool {
    match response.status() {
        StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => true,
        status => status.is_success() && !is_html(response.headers()),
    }
}

fn is_html(headers: &HeaderMap) -> bool {
    text(headers, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/html"))
}

/// Sorts an answer into granted, passing failure and refusal; 404 is a refusal here.
pub(crate) async fn judge(call: &Call<'_>, reply: Reply) -> Result<Answer, OciError> {
    let Reply { response, known } = reply;
    let granted = is_granted(&response);
    let (status, url) = (response.status(), response.url().clone());
    let headers = response.headers().clone();
    let body = read(response)
        .await
        .map_err(|source| no_answer(call.operation, source))?;
    let operation = call.operation.to_owned();
    if granted {
        let Some(body) = body else {
            return Err(OciError::Malformed {
                operation,
                problem: format!("the answer is longer than {LONGEST_BODY} bytes"),
            });
        };
        return Ok(Answer { url, headers, body });
    }
    let html = is_html(&headers);
    let said = said(body.as_deref().unwrap_or_default(), html);
    let host = call.repository.host().to_owned();
    // Registries with tokens say 401 where others say 403.
    let insufficient = known && Challenge::is_insufficient(&headers);
    Err(match status {
        StatusCode::UNAUTHORIZED if !insufficient => OciError::Unauthorized {
            operation,
            host,
            login: known,
            message: said,
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => OciError::Forbidden {
            operation,
            host,
            message: said,
        },
        // A web page is from a proxy, a load balancer or a log-in page; one with 404 is an answer.
        status if is_passing(status) || (html && status != StatusCode::NOT_FOUND) => {
            OciError::Unavailable {
                operation,
                status: Some(status.as_u16()),
                message: with_status(status, &said),
                retry_after: retry_after(&headers),
            }
        }
        status => OciError::Refused {
            operation,
            status: status.as_u16(),
            message: with_status(status, &said),
        },
    })
}

pub(crate) fn retry_after(headers: &HeaderMap) -> Option<std::time::Duration> {
    let value = text(headers, RETRY_AFTER.as_str())?;
    retry::retry_after(value, jiff::Timestamp::now())
}

/// 408, 429 and 5xx: another moment may bring another answer.
pub(crate) fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

/// The body, or `None` when it is too long.
pub(crate) async fn read(
    mut response: reqwest::Response,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
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
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

pub(crate) fn with_status(status: StatusCode, said: &str) -> String {
    if said.is_empty() {
        status.to_string()
    } else {
        format!("{status}: {said}")
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
