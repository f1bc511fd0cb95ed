use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use super::apps::Apps;
use super::environments::Environments;
use super::functions::Functions;
use super::images::Images;
use super::mounts::Mounts;
use super::secrets::Secrets;

/// Everything the control plane knows, except the calls that are under way.
#[derive(Default)]
pub(super) struct State {
    pub(super) environments: Environments,
    pub(super) secrets: Secrets,
    pub(super) apps: Apps,
    pub(super) functions: Functions,
    pub(super) images: Images,
    pub(super) mounts: Mounts,
    clock: Clock,
}

impl State {
    /// Seconds since 1970, later than every answer before.
    pub(super) fn now(&mut self) -> f64 {
        self.clock.now()
    }
}

/// Paging by creation time needs times that differ.
#[derive(Default)]
struct Clock {
    last: f64,
}

impl Clock {
    fn now(&mut self) -> f64 {
        const TICK: f64 = 0.000_01;
        let now = seconds();
        self.last = if now > self.last + TICK {
            now
        } else {
            self.last + TICK
        };
        self.last
    }
}

/// Seconds since 1970.
pub(super) fn seconds() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// The present as protobuf has it.
pub(super) fn timestamp() -> prost_types::Timestamp {
    SystemTime::now().into()
}

/// A new identifier, `<kind>-<22 characters>`.
pub(super) fn new_id(kind: &str) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{kind}-{}", &random[..22])
}

/// The identifier of `content`: the same content always has the same.
pub(super) fn content_id(kind: &str, content: &[u8]) -> String {
    format!("{kind}-{}", &sha256_hex(content)[..22])
}

/// The SHA-256 of `content` in lower-case hexadecimal.
pub(super) fn sha256_hex(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_never_repeat() {
        let mut clock = Clock::default();
        let times: Vec<f64> = (0..1000).map(|_| clock.now()).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn identifiers_have_the_form_that_clients_check() {
        assert_eq!(new_id("ap").len(), "ap-".len() + 22);
        assert_eq!(content_id("im", b"x"), content_id("im", b"x"));
        assert_ne!(content_id("im", b"x"), content_id("im", b"y"));
    }
}
