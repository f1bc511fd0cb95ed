use std::time::{Duration, Instant};

use process::Command;
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// How long a program takes from start to end, in seconds.
///
/// # Errors
/// When it does not end well.
pub(crate) async fn seconds(command: Command, cancel: &CancellationToken) -> Result<f64, Error> {
    let started = Instant::now();
    command.run(cancel).await?;
    Ok(Duration::as_secs_f64(&started.elapsed()))
}

/// The middle value; of an even number, the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }
}
