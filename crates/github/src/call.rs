use std::time::{Duration, SystemTime, UNIX_EPOCH};

use octocrab::Octocrab;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::GithubError;
use crate::refusal::{self, Refusal};

/// How often and how patiently a call is repeated after a server error, a broken connection or a
/// rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Calls in all, the first one included; default 4.
    pub attempts: u32,
    /// The wait before the second call; each further one is twice as long. Default 0.5 s.
    pub first_wait: Duration,
    /// A rate limit that lasts longer than this is not waited for; one that does not say how long it
    /// lasts is waited for this long, as GitHub asks for a minute. Default 60 s.
    pub longest_wait: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
        }
    }
}

/// The method of a request, with its body where it has one.
#[derive(Clone, Debug)]
pub(crate) enum Method {
    Get,
    Post(Value),
    Patch(Value),
    Put(Value),
    Delete,
}

/// What to do, for errors: `create branch `x` in acme/repo`, and what it needs.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) text: String,
    pub(crate) object: String,
    pub(crate) permission: &'static str,
}

/// GitHub's last word on a request.
pub(crate) struct Answer {
    /// The body when the status was 2xx, else the refusal.
    pub(crate) outcome: Result<String, Refusal>,
    /// Whether an earlier attempt may have been carried out without an answer coming back.
    pub(crate) maybe_done_before: bool,
}

/// Sends requests, again where that makes sense.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) client: Octocrab,
    pub(crate) retry: Retry,
    pub(crate) cancel: CancellationToken,
    pub(crate) redactor: refusal::Redactor,
}

struct Reply {
    status: u16,
    retry_after: Option<Duration>,
    /// When the quota is used up: how long until there is a new one.
    quota_back_in: Option<Duration>,
    body: String,
}

impl Caller {
    /// Sends `method` to `path`, and reads a JSON answer. Refusals become errors.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        operation: &Operation,
        method: Method,
        path: &str,
    ) -> Result<T, GithubError> {
        match self.send(operation, method, path).await?.outcome {
            Ok(body) => parse(operation, &body),
            Err(refusal) => Err(refusal.into_error(operation)),
        }
    }

    /// Sends `method` to `path`, repeating it as far as [`Retry`] allows.
    ///
    /// # Errors
    /// Only when there is no answer to speak of: network, 5xx, rate limits, cancellation.
    pub(crate) async fn send(
        &self,
        operation: &Operation,
        method: Method,
        path: &str,
    ) -> Result<Answer, GithubError> {
        let mut maybe_done_before = false;
        for attempt in 1.. {
            let last = attempt >= self.retry.attempts;
            let reply = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(cancelled(operation)),
                reply = self.once(&method, path) => reply,
            };
            let wait = match reply {
                Ok(reply) if (200..300).contains(&reply.status) => {
                    return Ok(Answer {
                        outcome: Ok(reply.body),
                        maybe_done_before,
                    });
                }
                Ok(reply) => match self.judge(operation, &reply, attempt, last)? {
                    Some(wait) => {
                        maybe_done_before |= is_server_error(reply.status);
                        wait
                    }
                    None => {
                        return Ok(Answer {
                            outcome: Err(self.refusal(reply.status, &reply.body)),
                            maybe_done_before,
                        });
                    }
                },
                Err(source) if last => {
                    return Err(GithubError::Network {
                        operation: operation.text.clone(),
                        source,
                    });
                }
                Err(source) => {
                    tracing::debug!(%source, attempt, operation = %operation.text, "no answer, trying again");
                    maybe_done_before = true;
                    self.backoff(attempt)
                }
            };
            tracing::debug!(?wait, attempt, operation = %operation.text, "waiting before the next attempt");
            self.pause(operation, wait).await?;
        }
        Err(cancelled(operation))
    }

    /// The same, but each request goes out once: for what must not be done twice.
    pub(crate) fn once_only(&self) -> Self {
        let retry = Retry {
            attempts: 1,
            ..self.retry
        };
        Self {
            retry,
            ..self.clone()
        }
    }

    /// Waits, unless cancelled.
    pub(crate) async fn pause(
        &self,
        operation: &Operation,
        wait: Duration,
    ) -> Result<(), GithubError> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(cancelled(operation)),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    /// The wait after the given attempt, spread by up to a half so that many runs do not march in step.
    pub(crate) fn backoff(&self, attempt: u32) -> Duration {
        let wait = self.retry.first_wait * 2_u32.saturating_pow(attempt.saturating_sub(1).min(10));
        let nanos = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.subsec_nanos());
        let spread = wait.mul_f64(f64::from(nanos % 1000) / 2000.0);
        (wait + spread).min(self.retry.longest_wait)
    }

    /// `Some(wait)` for another attempt, `None` when the reply is GitHub's last word.
    fn judge(
        &self,
        operation: &Operation,
        reply: &Reply,
        attempt: u32,
        last: bool,
    ) -> Result<Option<Duration>, GithubError> {
        if let Some(wait) = self.limit(reply) {
            return if !last && wait <= self.retry.longest_wait {
                Ok(Some(wait))
            } else {
                Err(GithubError::RateLimited {
                    operation: operation.text.clone(),
                    wait: reply.retry_after.or(reply.quota_back_in),
                })
            };
        }
        match reply.status {
            status if is_server_error(status) && last => Err(GithubError::Server {
                operation: operation.text.clone(),
                status: reply.status,
                message: self.refusal(reply.status, &reply.body).message,
            }),
            status if is_server_error(status) => Ok(Some(reply.retry_after.map_or_else(
                || self.backoff(attempt),
                |wait| wait.min(self.retry.longest_wait),
            ))),
            _ => Ok(None),
        }
    }

    /// How long to wait when the reply is a rate limit: what it says itself, then when the quota is
    /// new; a secondary limit may say neither.
    fn limit(&self, reply: &Reply) -> Option<Duration> {
        let secondary = || reply.body.to_ascii_lowercase().contains("rate limit");
        match reply.status {
            403 if reply.retry_after.is_none() && reply.quota_back_in.is_none() && !secondary() => {
                None
            }
            403 | 429 => Some(
                reply
                    .retry_after
                    .or(reply.quota_back_in)
                    .unwrap_or(self.retry.longest_wait),
            ),
            _ => None,
        }
    }

    /// What GitHub says when it says no, without the token.
    pub(crate) fn refusal(&self, status: u16, body: &str) -> Refusal {
        Refusal::read(status, body, &self.redactor)
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
    ) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        let client = &self.client;
        let response = match method {
            Method::Get => client._get(path).await,
            Method::Post(body) => client._post(path, Some(body)).await,
            Method::Patch(body) => client._patch(path, Some(body)).await,
            Method::Put(body) => client._put(path, Some(body)).await,
            Method::Delete => client._delete(path, None::<&()>).await,
        }
        .map_err(plain)?;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let number = |name: &str| header(name).and_then(|value| value.trim().parse().ok());
        let quota_back_in = (number("x-ratelimit-remaining") == Some(0)).then(|| {
            let reset = number("x-ratelimit-reset").map(Duration::from_secs);
            // Without a time it is GitHub's hour.
            reset.map_or(Duration::from_secs(3600), |reset| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                // A second more, as it is told in whole ones.
                reset.saturating_sub(now.unwrap_or_default()) + Duration::from_secs(1)
            })
        });
        Ok(Reply {
            status: response.status().as_u16(),
            retry_after: number("retry-after").map(Duration::from_secs),
            quota_back_in,
            body: client.body_to_string(response).await.map_err(plain)?,
        })
    }
}

/// Reads a JSON answer.
pub(crate) fn parse<T: DeserializeOwned>(
    operation: &Operation,
    body: &str,
) -> Result<T, GithubError> {
    serde_json::from_str(body).map_err(|error| GithubError::Answer {
        operation: operation.text.clone(),
        reason: error.to_string(),
    })
}

/// Whether GitHub, or what stands before it, did not get to an answer; 408 says so of a request that
/// took too long to arrive.
fn is_server_error(status: u16) -> bool {
    status == 408 || status >= 500
}

fn cancelled(operation: &Operation) -> GithubError {
    GithubError::Cancelled {
        operation: operation.text.clone(),
    }
}

/// The network's own error, without the layers that only repeat it.
fn plain(error: octocrab::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        octocrab::Error::Service { source, .. } => match source.downcast::<octocrab::Error>() {
            Ok(inner) => plain(*inner),
            Err(other) => other,
        },
        octocrab::Error::Reqwest { source, .. } => Box::new(source),
        octocrab::Error::Hyper { source, .. } => Box::new(source),
        other => Box::new(other),
    }
}
