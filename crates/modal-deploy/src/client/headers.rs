use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use super::options::ClientOptions;
use super::retry::Attempts;
use crate::ModalError;
use crate::proto::Warning;

/// The headers that are the same on every call of a connection.
#[derive(Clone)]
pub(crate) struct Identity(MetadataMap);

impl Identity {
    pub(crate) fn new(options: &ClientOptions) -> Result<Self, ModalError> {
        let mut map = MetadataMap::new();
        map.insert("x-modal-client-type", options.client_type.into());
        let version = visible("client_version", &options.client_version)?;
        let library = visible("library_version", &options.library_version)?;
        map.insert("x-modal-client-version", version);
        map.insert("x-modal-libmodal-version", library);
        let id = visible("MODAL_TOKEN_ID", &options.token_id)?;
        let mut secret = visible("MODAL_TOKEN_SECRET", options.token_secret.expose_secret())?;
        secret.set_sensitive(true);
        map.insert("x-modal-token-id", id);
        map.insert("x-modal-token-secret", secret);
        Ok(Self(map))
    }

    /// All headers of one attempt.
    pub(crate) fn of_attempt(
        &self,
        auth_token: Option<&MetadataValue<Ascii>>,
        tries: &Tries,
    ) -> MetadataMap {
        let mut map = self.0.clone();
        if let Some(token) = auth_token {
            map.insert("x-modal-auth-token", token.clone());
        }
        map.insert("x-idempotency-key", tries.idempotency_key.clone());
        let attempts = tries.attempts;
        map.insert("x-retry-attempt", attempts.retries.into());
        map.insert("x-throttle-retry-attempt", attempts.throttled.into());
        let seconds = format!("{:.3}", tries.first.elapsed().as_secs_f64());
        if let Ok(seconds) = MetadataValue::<Ascii>::try_from(seconds) {
            if attempts.retries > 0 {
                map.insert("x-retry-delay", seconds.clone());
            }
            if attempts.throttled > 0 {
                map.insert("x-throttle-retry-delay", seconds);
            }
        }
        map
    }
}

/// All attempts of one remote procedure, by which the server knows them as the same request.
#[derive(Debug)]
pub(crate) struct Tries {
    pub(crate) attempts: Attempts,
    pub(crate) first: Instant,
    idempotency_key: MetadataValue<Ascii>,
}

impl Default for Tries {
    fn default() -> Self {
        let key = uuid::Uuid::new_v4().to_string().parse();
        Self {
            attempts: Attempts::default(),
            first: Instant::now(),
            idempotency_key: key.unwrap_or_else(|_| MetadataValue::from_static("unknown")),
        }
    }
}

fn visible(setting: &'static str, value: &str) -> Result<MetadataValue<Ascii>, ModalError> {
    value.parse().map_err(|_| ModalError::Setting {
        setting,
        problem: "it holds characters that no header can carry".to_owned(),
    })
}

/// Shows what `x-modal-warning` says, on answers and refusals alike.
pub(crate) fn show_warnings(rpc: &'static str, metadata: &MetadataMap) {
    for value in metadata.get_all("x-modal-warning") {
        if let Ok(text) = value.to_str() {
            let text = percent_decode_str(text).decode_utf8_lossy();
            tracing::warn!(rpc, "Modal says: {text}");
        }
    }
}

/// Shows the warnings that are part of an answer.
pub(crate) fn show_server_warnings(rpc: &'static str, warnings: &[Warning]) {
    for warning in warnings {
        tracing::warn!(rpc, "Modal says: {}", warning.message);
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn identity() -> Identity {
        Identity::new(&ClientOptions::new("ak-1", SecretString::from("as-hidden"))).unwrap()
    }

    fn text(map: &MetadataMap, name: &str) -> Option<String> {
        Some(map.get(name)?.to_str().unwrap().to_owned())
    }

    #[test]
    fn first_attempt_says_who_we_are_and_hides_the_token() {
        let map = identity().of_attempt(None, &Tries::default());
        let expect = |name: &str, value: &str| assert_eq!(text(&map, name).unwrap(), value);
        expect("x-modal-client-type", "9");
        expect("x-modal-client-version", "1.0.0");
        expect(
            "x-modal-libmodal-version",
            concat!("modal-deploy-rs/", env!("CARGO_PKG_VERSION")),
        );
        expect("x-modal-token-id", "ak-1");
        expect("x-modal-token-secret", "as-hidden");
        let key = text(&map, "x-idempotency-key").unwrap();
        assert_eq!(uuid::Uuid::parse_str(&key).unwrap().get_version_num(), 4);
        expect("x-retry-attempt", "0");
        expect("x-throttle-retry-attempt", "0");
        assert_eq!(text(&map, "x-retry-delay"), None);
        assert_eq!(text(&map, "x-modal-auth-token"), None);
        assert!(!format!("{map:?}").contains("as-hidden"));
    }

    #[tokio::test(start_paused = true)]
    async fn later_attempts_carry_counters_and_delays() {
        let mut tries = Tries::default();
        tries.attempts.retries = 2;
        tries.attempts.throttled = 1;
        tokio::time::advance(std::time::Duration::from_millis(300)).await;
        let token = "jwt".parse().unwrap();
        let map = identity().of_attempt(Some(&token), &tries);
        assert_eq!(text(&map, "x-retry-attempt").unwrap(), "2");
        assert_eq!(text(&map, "x-throttle-retry-attempt").unwrap(), "1");
        assert_eq!(text(&map, "x-retry-delay").unwrap(), "0.300");
        assert_eq!(text(&map, "x-throttle-retry-delay").unwrap(), "0.300");
        assert_eq!(text(&map, "x-modal-auth-token").unwrap(), "jwt");
    }

    #[test]
    fn who_we_are_can_be_said_otherwise() {
        let mut options = ClientOptions::new("ak-1", SecretString::from("as-1"));
        options.client_type = 42;
        options.client_version = "1.6.4".to_owned();
        options.library_version = "deployer/2".to_owned();
        let map = Identity::new(&options)
            .unwrap()
            .of_attempt(None, &Tries::default());
        assert_eq!(text(&map, "x-modal-client-type").unwrap(), "42");
        assert_eq!(text(&map, "x-modal-client-version").unwrap(), "1.6.4");
        assert_eq!(
            text(&map, "x-modal-libmodal-version").unwrap(),
            "deployer/2"
        );
        options.library_version = "a\nb".to_owned();
        let error = Identity::new(&options).err().unwrap().to_string();
        assert!(error.starts_with("read library_version: "), "{error}");
    }

    #[test]
    fn a_token_with_a_line_end_is_refused_without_being_shown() {
        let options = ClientOptions::new("ak-1", SecretString::from("as-\nhidden"));
        let error = Identity::new(&options).err().unwrap().to_string();
        assert!(error.contains("MODAL_TOKEN_SECRET") && !error.contains("hidden"));
    }
}
