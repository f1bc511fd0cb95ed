//! What a run needs of this machine, asked before anything is pulled or started.

use std::time::Duration;

use process::Command;
use tokio_util::sync::CancellationToken;

use crate::{AcceptanceError, AcceptancePlan, Configured, compose};

/// Checks that this machine can do what `plan` says: Docker Compose 2 when it has a stack, and an
/// engine that answers when it has anything at all; and that no other stack would meet this one.
/// [`run`](crate::run) asks the same; a caller with long work before the run asks here first.
///
/// # Errors
/// What is missing, too old or wrong with the compose files, as [`ErrorClass::Input`](crate::ErrorClass::Input).
pub async fn preflight(
    plan: &AcceptancePlan,
    cancel: &CancellationToken,
) -> Result<(), AcceptanceError> {
    let needs = Needs {
        engine: is_configured(&plan.stack)
            || is_configured(&plan.suite)
            || is_configured(&plan.contract),
    };
    needs.check(plan, cancel).await.map(drop)
}

fn is_configured<T>(part: &Configured<T>) -> bool {
    part.get().is_some()
}

/// What to ask for.
pub(crate) struct Needs {
    pub(crate) engine: bool,
}

impl Needs {
    /// Answers with the words that start Docker Compose, if `plan` has a stack.
    pub(crate) async fn check(
        &self,
        plan: &AcceptancePlan,
        cancel: &CancellationToken,
    ) -> Result<Option<Vec<String>>, AcceptanceError> {
        let stack = plan.stack.get();
        let program = match stack {
            Some(_) => Some(compose::find(cancel).await?),
            None => None,
        };
        if self.engine {
            ask_engine(cancel).await?;
        }
        if let (Some(stack), Some(program)) = (stack, &program) {
            compose::check(program, stack, plan, cancel).await?;
        }
        Ok(program)
    }
}

async fn ask_engine(cancel: &CancellationToken) -> Result<(), AcceptanceError> {
    let asked = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .timeout(Duration::from_secs(20))
        .run(cancel)
        .await;
    match asked {
        Ok(output) => {
            tracing::debug!(version = output.stdout_text().trim(), "found the engine");
            Ok(())
        }
        Err(error) if error.is_cancelled() => Err(AcceptanceError::Cancelled),
        Err(source) => Err(AcceptanceError::NoEngine {
            source: Box::new(source),
        }),
    }
}
