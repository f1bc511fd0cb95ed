use std::sync::OnceLock;
use std::time::{Duration, Instant};

use registry_model::Repository;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Proxy, StatusCode, Url, redirect};
use tokio::sync::Semaphore;
use tracing::debug;

use crate::answer::{Answer, Reply, is_granted, judge, no_answer};
use crate::auth::{Asker, Authenticator};
use crate::call::{Call, Place};
use crate::challenge::Challenge;
use crate::proxy::Proxies;
use crate::{ClientOptions, OciError, RetryPolicy, host, retry};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Without a single byte for this long, a connection counts as lost.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// For a request whose answer is kept in memory, from first to last byte.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// Requests under way at once, and so the connections kept. Registries limit requests by time, not
/// connections, and a look-up is nearly all waiting: with 64, 500 look-ups take 8 waits.
const AT_ONCE: usize = 64;
const LONGEST_CHAIN: usize = 5;
const USER_AGENT: &str = concat!("pipeline/", env!("CARGO_PKG_VERSION"));

/// Sends requests: picks the scheme, answers challenges, tries again.
pub(crate) struct Transport {
    /// Made for the first request: it reads every certificate that this machine trusts.
    http: OnceLock<reqwest::Client>,
    proxies: Vec<Proxy>,
    authenticator: Authenticator,
    retry: RetryPolicy,
    insecure_hosts: Vec<String>,
    places: Semaphore,
}

/// Counts the attempts at one thing and pauses between them.
pub(crate) struct Attempts {
    retry: RetryPolicy,
    begun: Instant,
    made: u32,
}

impl Attempts {
    pub(crate) fn new(retry: RetryPolicy) -> Self {
        Self {
            retry,
            begun: Instant::now(),
            made: 0,
        }
    }

    /// Waits until the next attempt is due, or gives `error` back when there is none.
    pub(crate) async fn again_after(
        &mut self,
        error: OciError,
        operation: &str,
    ) -> Result<(), OciError> {
        if !error.is_retryable() {
            return Err(error);
        }
        self.made += 1;
        let (elapsed, asked) = (self.begun.elapsed(), error.retry_after());
        let pause = self.retry.pause(self.made, elapsed, asked, retry::jitter());
        let Some(pause) = pause else {
            return Err(error);
        };
        debug!(operation, attempt = self.made, ?pause, %error, "trying again");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

impl Transport {
    pub(crate) fn new(options: ClientOptions) -> Result<Self, OciError> {
        let proxies = Proxies::from_env(|name| std::env::var(name).ok());
        let hosts = options.insecure_hosts;
        Ok(Self {
            http: OnceLock::new(),
            proxies: proxies.checked().map_err(set_up)?,
            authenticator: Authenticator::new(options.credentials, hosts.clone()),
            retry: options.retry,
            insecure_hosts: hosts,
            places: Semaphore::new(AT_ONCE),
        })
    }

    fn http(&self) -> Result<&reqwest::Client, OciError> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::custom(follow))
            .pool_max_idle_per_host(AT_ONCE)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .no_proxy();
        let proxies = self.proxies.iter().cloned();
        let http = proxies
            .fold(builder, reqwest::ClientBuilder::proxy)
            .build()
            .map_err(set_up)?;
        Ok(self.http.get_or_init(|| http))
    }

    pub(crate) fn attempts(&self) -> Attempts {
        Attempts::new(self.retry)
    }

    /// Whether there is nothing to show to this registry.
    pub(crate) async fn is_anonymous(&self, host: &str) -> Result<bool, OciError> {
        self.authenticator.is_anonymous(host).await
    }

    /// Whether the token server refused to let us push.
    pub(crate) async fn is_refused(&self, repository: &Repository) -> bool {
        self.authenticator.is_refused(repository).await
    }

    /// The answer, or `None` for 404. Tries again as the policy allows.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Option<Answer>, OciError> {
        found(self.grant(call).await)
    }

    /// The answer; 404 is a refusal. Tries again as the policy allows.
    pub(crate) async fn grant(&self, call: &Call<'_>) -> Result<Answer, OciError> {
        let mut attempts = self.attempts();
        loop {
            match self.once(call).await {
                Err(error) if call.ends_at_500 && error.is_500() => return Err(error),
                Err(error) => attempts.again_after(error, call.operation).await?,
                granted => return granted,
            }
        }
    }

    /// One attempt.
    pub(crate) async fn once(&self, call: &Call<'_>) -> Result<Answer, OciError> {
        let _place = self.places.acquire().await;
        let reply = self.respond(call, Some(CALL_TIMEOUT)).await?;
        judge(call, reply).await
    }

    /// One attempt to begin reading content of any length; `None` for 404.
    pub(crate) async fn open(
        &self,
        call: &Call<'_>,
    ) -> Result<Option<reqwest::Response>, OciError> {
        let _place = self.places.acquire().await;
        let reply = self.respond(call, None).await?;
        if is_granted(&reply.response) {
            return Ok(Some(reply.response));
        }
        found(judge(call, reply).await).map(|_| None)
    }

    /// Whether the request goes to the registry itself, not to another host that it points to.
    pub(crate) fn is_own(&self, call: &Call<'_>) -> bool {
        match &call.place {
            Place::Path(_) => true,
            Place::Url(url) => self
                .base(call)
                .is_ok_and(|base| base.origin() == url.origin()),
        }
    }

    async fn respond(&self, call: &Call<'_>, limit: Option<Duration>) -> Result<Reply, OciError> {
        let unknown = |response| Reply {
            response,
            known: false,
        };
        let base = self.base(call)?;
        let url = match &call.place {
            Place::Path(path) => {
                let path = format!("/v2/{}/{path}", call.repository.path());
                base.join(&path).map_err(|_| bad_address(call))?
            }
            Place::Url(url) => url.clone(),
        };
        if url.origin() != base.origin() {
            // Another host gets the request, but neither login nor token.
            let response = self.request(call, url, None, limit).await?;
            return Ok(unknown(response));
        }
        let asker = Asker {
            http: self.http()?,
            base: &base,
            repository: call.repository,
            access: call.access,
            operation: call.operation,
        };
        let shown = self.authenticator.known(&asker).await?;
        let response = self
            .request(call, url.clone(), shown.clone(), limit)
            .await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(unknown(response));
        }
        // The first challenge of this registry, or the token is out of date.
        let fresh = match Challenge::read(response.headers()) {
            Some(challenge) => {
                let fresh = self.authenticator.meet(&asker, &challenge, shown.as_ref());
                fresh.await?
            }
            None => None,
        };
        let anything = shown.is_some() || fresh.is_some();
        let known = anything && !self.is_anonymous(call.repository.host()).await?;
        let response = match fresh {
            Some(fresh) => self.request(call, url, Some(fresh), limit).await?,
            None => response,
        };
        Ok(Reply { response, known })
    }

    fn base(&self, call: &Call<'_>) -> Result<Url, OciError> {
        let host = host::api_host(call.repository.host());
        let scheme = host::scheme(host, &self.insecure_hosts);
        let base = format!("{scheme}://{host}/").parse();
        base.map_err(|_| bad_address(call))
    }

    async fn request(
        &self,
        call: &Call<'_>,
        url: Url,
        authorization: Option<HeaderValue>,
        limit: Option<Duration>,
    ) -> Result<reqwest::Response, OciError> {
        let mut request = self.http()?.request(call.method.clone(), url);
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        if let Some(accept) = &call.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some((bytes, media_type)) = &call.content {
            request = request.header(CONTENT_TYPE, media_type).body(bytes.clone());
        } else if call.method == Method::POST {
            // Some servers insist on a length.
            request = request.body(Vec::new());
        }
        request
            .send()
            .await
            .map_err(|source| no_answer(call.operation, source))
    }
}

/// Registries send readers of content to their storage. `reqwest` takes login and token off a
/// request that goes to another origin; here it is kept from leaving encryption, and from
/// GHCR's web pages, to which its referrers API leads.
fn follow(attempt: redirect::Attempt) -> redirect::Action {
    let [first, ..] = attempt.previous() else {
        return attempt.follow();
    };
    let next = attempt.url();
    let unencrypted = first.scheme() == "https" && next.scheme() != "https";
    let astray = first.path().contains("/referrers/") && first.origin() != next.origin();
    if attempt.previous().len() > LONGEST_CHAIN || unencrypted || astray {
        attempt.stop()
    } else {
        attempt.follow()
    }
}

fn found(answer: Result<Answer, OciError>) -> Result<Option<Answer>, OciError> {
    match answer {
        Err(OciError::Refused { status: 404, .. }) => Ok(None),
        other => other.map(Some),
    }
}

fn set_up(source: reqwest::Error) -> OciError {
    OciError::SetUp { source }
}

fn bad_address(call: &Call<'_>) -> OciError {
    OciError::Malformed {
        operation: call.operation.to_owned(),
        problem: format!("`{}` makes no address", call.repository),
    }
}
