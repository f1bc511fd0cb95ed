use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use serde::{Deserialize, Serialize};

use crate::NameError;

const PARTS: f64 = 1_000_000.0;
/// Far above any budget, and exact as a number with a fraction.
const LARGEST: f64 = 1_000_000_000.0;

/// An amount of money, in the unit that replies tell it in, to a millionth. What is finer is
/// rounded up.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Cost(u64);

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The `parts`-th part of it, rounded down; nothing of it for 0.
    #[must_use]
    pub fn share(self, parts: u32) -> Self {
        Self(self.0.checked_div(parts.into()).unwrap_or(0))
    }

    /// How much more than `other` it is; nothing when it is not.
    #[must_use]
    pub fn beyond(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl TryFrom<f64> for Cost {
    type Error = NameError;

    fn try_from(amount: f64) -> Result<Self, NameError> {
        if (0.0..=LARGEST).contains(&amount) {
            // 0.1 is a little more than a tenth, and shall not become 0.100001.
            Ok(Self((amount * PARTS - 1e-3).ceil().max(0.0) as u64))
        } else {
            Err(NameError {
                kind: "cost",
                found: amount.to_string(),
                expected: "an amount from 0 to 1000000000",
            })
        }
    }
}

impl From<Cost> for f64 {
    fn from(cost: Cost) -> Self {
        cost.0 as Self / PARTS
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::ZERO, Self::add)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(*self))
    }
}

impl fmt::Debug for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_round_up() {
        let cost = |amount: f64| Cost::try_from(amount).unwrap();
        let tenths: Cost = std::iter::repeat_n(cost(0.1), 10).sum();
        assert_eq!(tenths, cost(1.0));
        assert_eq!(cost(0.000_000_2).to_string(), "0.000001");
        assert_eq!(cost(0.05).to_string(), "0.05");
        assert_eq!(cost(0.0), Cost::ZERO);
        assert_eq!(cost(1.0).share(4), cost(0.25));
        assert_eq!(cost(1.0).share(0), Cost::ZERO);
        assert_eq!(cost(1.0).beyond(cost(0.25)), cost(0.75));
        assert_eq!(cost(1.0).beyond(cost(2.0)), Cost::ZERO);
        assert_eq!(serde_json::to_string(&cost(0.25)).unwrap(), "0.25");
        for wrong in [-0.01, f64::NAN, f64::INFINITY, 1e10] {
            assert!(Cost::try_from(wrong).is_err(), "{wrong}");
        }
    }
}
