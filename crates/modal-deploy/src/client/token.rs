use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};

/// The part of a token's remaining life after which it is replaced, in percent.
const REFRESH_AT: u32 = 55;
/// How long a token without an expiry is used.
const WITHOUT_EXPIRY: Duration = Duration::from_secs(20 * 60);

/// The auth token of a connection, fetched once and replaced in time.
#[derive(Default)]
pub(crate) struct TokenCache {
    current: Mutex<Option<Cached>>,
}

#[derive(Clone)]
struct Cached {
    /// `None`: this server knows no auth tokens.
    value: Option<MetadataValue<Ascii>>,
    refresh_at: Instant,
    expires_at: Instant,
}

impl TokenCache {
    /// The token to send to a server that did not ask for one: one that others ask for is kept
    /// up to date and sent everywhere.
    pub(crate) async fn get_if_used<E, F: Future<Output = Result<Option<String>, E>>>(
        &self,
        fetch: impl FnOnce() -> F,
    ) -> Result<Option<MetadataValue<Ascii>>, E> {
        if self.current.lock().await.is_none() {
            return Ok(None);
        }
        self.get(fetch).await
    }

    /// The token to send. While it is fetched, other callers wait for the same answer.
    ///
    /// `fetch` gives the text of a token, or `None` where the server knows no auth tokens.
    pub(crate) async fn get<E, F: Future<Output = Result<Option<String>, E>>>(
        &self,
        fetch: impl FnOnce() -> F,
    ) -> Result<Option<MetadataValue<Ascii>>, E> {
        let mut current = self.current.lock().await;
        let now = Instant::now();
        if let Some(cached) = current.as_ref().filter(|cached| now < cached.refresh_at) {
            return Ok(cached.value.clone());
        }
        match fetch().await {
            Ok(token) => {
                let cached = Cached::new(token.as_deref(), now, since_epoch());
                let value = cached.value.clone();
                *current = Some(cached);
                Ok(value)
            }
            // A token that has not run out serves until the next call tries again.
            Err(error) => match current.as_ref().filter(|cached| now < cached.expires_at) {
                Some(cached) => Ok(cached.value.clone()),
                None => Err(error),
            },
        }
    }
}

impl TokenCache {
    /// The server refused this token: the next call fetches another, unless one is there by then.
    pub(crate) async fn forget(&self, refused: &MetadataValue<Ascii>) {
        let mut current = self.current.lock().await;
        if current
            .as_ref()
            .is_some_and(|cached| cached.value.as_ref() == Some(refused))
        {
            *current = None;
        }
    }
}

impl Cached {
    fn new(token: Option<&str>, now: Instant, since_epoch: Duration) -> Self {
        let value = token.and_then(|token| {
            let mut value: MetadataValue<Ascii> = token.parse().ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        let life = token
            .and_then(expiry)
            .map(|expiry| expiry.saturating_sub(since_epoch));
        let (refresh_in, life) = match life {
            Some(life) => (life * REFRESH_AT / 100, life),
            None => (WITHOUT_EXPIRY, WITHOUT_EXPIRY),
        };
        Self {
            value,
            refresh_at: now + refresh_in,
            expires_at: now + life,
        }
    }
}

/// The `exp` of a JSON web token, as time since 1970. The signature is the server's business.
fn expiry(token: &str) -> Option<Duration> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    let seconds = claims.get("exp")?.as_f64()?;
    // A date that cannot be added to a clock is no date.
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|expiry| expiry.as_secs() < 1 << 40)
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn is_refreshed_between_half_and_60_percent_of_its_life() {
        let now = Instant::now();
        let cached = Cached::new(
            Some(&token(r#"{"exp": 2000}"#)),
            now,
            Duration::from_secs(1000),
        );
        let refresh = cached.refresh_at - now;
        assert!((500..=600).contains(&refresh.as_secs()), "{refresh:?}");
        assert_eq!(cached.expires_at - now, Duration::from_secs(1000));
    }

    #[test]
    fn lasts_twenty_minutes_without_a_readable_expiry() {
        let now = Instant::now();
        for text in [
            "opaque",
            "a.b.c",
            &token("{}"),
            &token(r#"{"exp":"soon"}"#),
            &token(r#"{"exp":1e300}"#),
            &token(r#"{"exp":-5}"#),
        ] {
            let cached = Cached::new(Some(text), now, Duration::from_secs(1000));
            assert_eq!(cached.refresh_at - now, WITHOUT_EXPIRY, "{text}");
        }
    }

    #[test]
    fn an_expired_token_is_fetched_again_at_once() {
        let now = Instant::now();
        let cached = Cached::new(
            Some(&token(r#"{"exp": 10}"#)),
            now,
            Duration::from_secs(1000),
        );
        assert_eq!(cached.refresh_at, now);
    }

    #[tokio::test(start_paused = true)]
    async fn is_fetched_once_and_survives_a_failed_refresh() {
        let cache = TokenCache::default();
        let fetches = Cell::new(0);
        let exp = since_epoch().as_secs() + 1000;
        let text = token(&format!(r#"{{"exp": {exp}}}"#));
        let get = |answer: Result<Option<String>, &'static str>| {
            cache.get(|| {
                fetches.set(fetches.get() + 1);
                async { answer }
            })
        };
        assert_eq!(get(Err("down")).await, Err("down"));
        let first = get(Ok(Some(text.clone()))).await.unwrap().unwrap();
        assert_eq!(first.to_str().unwrap(), text);
        assert_eq!(format!("{first:?}"), "Sensitive");
        get(Err("not asked")).await.unwrap();
        assert_eq!(fetches.get(), 2);
        tokio::time::advance(Duration::from_secs(700)).await;
        assert!(get(Err("down")).await.unwrap().is_some());
        assert_eq!(fetches.get(), 3);
        tokio::time::advance(Duration::from_secs(400)).await;
        assert_eq!(get(Err("down")).await, Err("down"));
    }
}
