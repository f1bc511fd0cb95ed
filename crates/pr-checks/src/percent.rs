use serde::{Deserialize, Serialize};

/// A percentage from 0 to 100, in hundredths: two that look the same are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percent(u32);

const WHOLE: u32 = 10_000;

impl Percent {
    /// `part` of `whole`, rounded down; of nothing, all of it.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Self {
        if whole == 0 {
            return Self(WHOLE);
        }
        let part = u128::from(part.min(whole));
        let hundredths = part * u128::from(WHOLE) / u128::from(whole);
        Self(u32::try_from(hundredths).unwrap_or(WHOLE))
    }

    /// From hundredths of a percent; more than all of it is all of it.
    #[must_use]
    pub fn from_hundredths(hundredths: u32) -> Self {
        Self(hundredths.min(WHOLE))
    }

    /// In hundredths of a percent.
    #[must_use]
    pub fn hundredths(self) -> u32 {
        self.0
    }
}

impl TryFrom<f64> for Percent {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if !(0.0..=100.0).contains(&value) {
            return Err(format!("{value} is no percentage from 0 to 100"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is checked above"
        )]
        let hundredths = (value * 100.0).round() as u32;
        Ok(Self(hundredths))
    }
}

impl From<Percent> for f64 {
    fn from(percent: Percent) -> Self {
        Self::from(percent.0) / 100.0
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{} %", f64::from(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_rounded_down_and_bounded() {
        assert_eq!(Percent::of(2, 3).to_string(), "66.66 %");
        assert_eq!(Percent::of(9999, 10_000).to_string(), "99.99 %");
        assert_eq!(Percent::of(0, 0).to_string(), "100 %");
        assert_eq!(Percent::of(u64::MAX, 1).to_string(), "100 %");
        for bad in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
            assert!(Percent::try_from(bad).is_err(), "{bad}");
        }
        assert_eq!(
            serde_json::from_str::<Percent>("85.5")
                .unwrap()
                .hundredths(),
            8550
        );
    }
}
