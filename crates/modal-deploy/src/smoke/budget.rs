use registry_model::Cost;

/// What all canaries of one run may take together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanaryBudget {
    /// How many calls.
    pub calls: u32,
    /// How much money, in the unit that replies tell it in; `None`: only the calls count.
    pub cost: Option<Cost>,
}

/// Hands the budget out. Nothing that was taken comes back, so that the same plan always admits
/// the same calls.
#[derive(Debug)]
pub(super) struct Purse {
    budget: CanaryBudget,
    calls: u32,
    cost: Cost,
}

impl Purse {
    pub(super) fn new(budget: CanaryBudget) -> Self {
        Self {
            budget,
            calls: 0,
            cost: Cost::ZERO,
        }
    }

    /// What a canary is counted with that does not say what it may cost.
    pub(super) fn share(&self) -> Cost {
        let CanaryBudget { calls, cost } = self.budget;
        cost.map_or(Cost::ZERO, |cost| cost.share(calls))
    }

    /// Takes one call of this cost, or says why it cannot be had.
    pub(super) fn take(&mut self, cost: Cost) -> Result<(), String> {
        let CanaryBudget { calls, cost: limit } = self.budget;
        if self.calls >= calls {
            return Err(format!("the budget of {calls} canary calls is used up"));
        }
        if let Some(limit) = limit.filter(|limit| self.cost + cost > *limit) {
            return Err(format!(
                "{} of the canary budget of {limit} are taken, and it needs {cost}",
                self.cost
            ));
        }
        self.calls += 1;
        self.cost = self.cost + cost;
        Ok(())
    }

    /// Takes what a call did cost beyond what was taken for it.
    pub(super) fn settle(&mut self, taken: Cost, spent: Cost) {
        self.cost = self.cost + spent.beyond(taken);
    }
}
