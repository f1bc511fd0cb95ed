use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// How often, and with which pauses, a request is made again after a passing failure.
///
/// The pause before attempt n+1 is `base_delay` doubled n-1 times, at most `max_delay`, and
/// shortened at random by up to half, so that many clients do not come back at once. A
/// `Retry-After` of the registry lengthens it, and goes beyond `max_delay` if it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many times a request is made in all; 1 never tries again. Default: 5.
    pub attempts: u32,
    /// The first pause. Default: 500 ms.
    pub base_delay: Duration,
    /// The longest pause of our own choice. Default: 10 s.
    pub max_delay: Duration,
    /// No pause is begun that would end later than this after the first attempt. Default: 60 s.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(10),
            total: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// The pause after `attempt` (from 1) failed, or `None` to give up.
    ///
    /// `elapsed` is the time since the first attempt began, `retry_after` what the registry asked
    /// for, and `jitter` a random number from 0 to 1.
    #[must_use]
    pub fn pause(
        &self,
        attempt: u32,
        elapsed: Duration,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        let full = self
            .base_delay
            .saturating_mul(1 << doublings)
            .min(self.max_delay);
        let own = full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0);
        let pause = own.max(retry_after.unwrap_or_default());
        (elapsed.checked_add(pause)? <= self.total).then_some(pause)
    }
}

/// A number from 0 to 1; good enough to spread clients, not for secrets.
pub(crate) fn jitter() -> f64 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

/// The two forms of `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
pub(crate) fn retry_after(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::strtime::parse("%a, %d %b %Y %H:%M:%S GMT", value.trim())
        .ok()?
        .to_datetime()
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()?
        .timestamp();
    Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 6,
        base_delay: Duration::from_millis(100),
        max_delay: Duration::from_millis(400),
        total: Duration::from_secs(5),
    };

    fn ms(pause: Option<Duration>) -> Option<u128> {
        pause.map(|pause| pause.as_millis())
    }

    #[test]
    fn doubles_up_to_the_cap_and_stops_after_the_last_attempt() {
        let pauses: Vec<_> = (1..=6)
            .map(|attempt| ms(POLICY.pause(attempt, Duration::ZERO, None, 0.0)))
            .collect();
        assert_eq!(
            pauses,
            [Some(100), Some(200), Some(400), Some(400), Some(400), None]
        );
    }

    #[test]
    fn jitter_takes_up_to_half() {
        assert_eq!(ms(POLICY.pause(2, Duration::ZERO, None, 1.0)), Some(100));
        assert_eq!(ms(POLICY.pause(2, Duration::ZERO, None, 0.5)), Some(150));
        let spread: Vec<f64> = (0..50).map(|_| jitter()).collect();
        assert!(spread.iter().all(|j| (0.0..=1.0).contains(j)));
        assert!(spread.windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn the_registry_may_ask_for_more_than_the_cap_but_not_for_more_than_the_total() {
        let ask = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(
            ms(POLICY.pause(1, Duration::ZERO, ask(3), 0.0)),
            Some(3_000)
        );
        assert_eq!(POLICY.pause(1, Duration::ZERO, ask(6), 0.0), None);
        assert_eq!(POLICY.pause(1, Duration::from_secs(3), ask(3), 0.0), None);
        // Less than our own pause does not hurry us.
        assert_eq!(ms(POLICY.pause(3, Duration::ZERO, ask(0), 0.0)), Some(400));
    }

    #[test]
    fn large_numbers_do_not_overflow() {
        let policy = RetryPolicy {
            attempts: u32::MAX,
            ..POLICY
        };
        assert_eq!(
            ms(policy.pause(1_000_000, Duration::ZERO, None, 0.0)),
            Some(400)
        );
        assert_eq!(
            policy.pause(1, Duration::ZERO, Some(Duration::MAX), 0.0),
            None
        );
    }

    #[test]
    fn reads_both_forms_of_retry_after() {
        let now = "2015-10-21T07:27:30Z".parse().unwrap();
        let read = |value| retry_after(value, now).map(|after| after.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(30));
        assert_eq!(read("Wed, 21 Oct 2015 07:00:00 GMT"), Some(0));
        assert_eq!(read("soon"), None);
    }
}
