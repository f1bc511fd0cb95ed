//! Every error of every stage, and the exit code it ends with.

use process::ProcessError;
use rehearsal::rehearse::RehearseError;
use tokio_util::sync::CancellationToken;

use crate::config::ConfigError;
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) fn process_failure(error: ProcessError, exit: Exit) -> Failure {
    let exit = if error.is_cancelled() {
        Exit::Interrupted
    } else {
        exit
    };
    let hint = match &error {
        ProcessError::NotFound { program } => Some(format!("install `{program}`")),
        _ => None,
    };
    Failure::new(exit, error).with_hint(hint)
}

fn factory_exit(class: image_factory::ErrorClass) -> Exit {
    match class {
        image_factory::ErrorClass::Input => Exit::Input,
        image_factory::ErrorClass::Build => Exit::Build,
        image_factory::ErrorClass::Pin => Exit::Pin,
        image_factory::ErrorClass::Cancelled => Exit::Interrupted,
    }
}

fn acceptance_exit(class: acceptance::ErrorClass) -> Exit {
    match class {
        acceptance::ErrorClass::Input => Exit::Input,
        acceptance::ErrorClass::Failed => Exit::Acceptance,
        acceptance::ErrorClass::Cancelled => Exit::Interrupted,
    }
}

pub(super) fn modal_exit(class: modal_deploy::ErrorClass) -> Exit {
    match class {
        modal_deploy::ErrorClass::Input => Exit::Input,
        modal_deploy::ErrorClass::Deploy => Exit::Deploy,
        modal_deploy::ErrorClass::Smoke => Exit::Smoke,
        modal_deploy::ErrorClass::Cancelled => Exit::Interrupted,
    }
}

fn promotion_exit(error: &promotion::PromotionError) -> Exit {
    use promotion::PromotionError;
    match error {
        _ if error.is_cancelled() => Exit::Interrupted,
        _ if error.is_rule() => Exit::Promotion,
        PromotionError::Github { .. } => Exit::Pin,
        _ => Exit::Input,
    }
}

/// What broke because the user interrupted is an interruption, whatever it looks like. Only what
/// could not be removed must still be told.
pub(super) fn after(failure: Failure, cancel: &CancellationToken) -> Failure {
    let left = failure
        .error
        .downcast_ref::<acceptance::AcceptanceError>()
        .is_some_and(|error| matches!(error, acceptance::AcceptanceError::Teardown { .. }));
    if cancel.is_cancelled() && !left {
        Failure {
            exit: Exit::Interrupted,
            ..failure
        }
    } else {
        failure
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Input, error).with_hint(Some(
            "docs/configuration.md lists every field of pipeline.yml".to_owned(),
        ))
    }
}

impl From<registry_model::Findings> for Failure {
    fn from(error: registry_model::Findings) -> Self {
        let hint = error.hint();
        Self::new(Exit::Input, error).with_hint(hint)
    }
}

impl From<registry_model::SelectionError> for Failure {
    fn from(error: registry_model::SelectionError) -> Self {
        let hint = error.hint();
        Self::new(Exit::Input, error).with_hint(hint)
    }
}

impl From<registry_model::PinError> for Failure {
    fn from(error: registry_model::PinError) -> Self {
        let hint = error.hint();
        Self::new(Exit::Input, error).with_hint(hint)
    }
}

impl From<oci::OciError> for Failure {
    fn from(error: oci::OciError) -> Self {
        let hint = error.hint();
        Self::new(Exit::Build, error).with_hint(hint)
    }
}

impl From<image_factory::FactoryError> for Failure {
    fn from(error: image_factory::FactoryError) -> Self {
        let (exit, hint) = (factory_exit(error.class()), error.hint());
        Self::new(exit, error).with_hint(hint)
    }
}

impl From<acceptance::AcceptanceError> for Failure {
    fn from(error: acceptance::AcceptanceError) -> Self {
        let (exit, hint) = (acceptance_exit(error.class()), error.hint());
        Self::new(exit, error).with_hint(hint)
    }
}

impl From<modal_deploy::ModalError> for Failure {
    fn from(error: modal_deploy::ModalError) -> Self {
        let hint = match &error {
            modal_deploy::ModalError::EnvironmentMissing { environment, .. } => Some(format!(
                "run `modal environment create {environment}`, or give --create-environment"
            )),
            error => error.hint(),
        };
        let exit = modal_exit(error.class());
        Self::new(exit, error).with_hint(hint)
    }
}

impl From<github::GithubError> for Failure {
    fn from(error: github::GithubError) -> Self {
        let exit = match &error {
            _ if error.is_cancelled() => Exit::Interrupted,
            github::GithubError::Invalid { .. } | github::GithubError::Client { .. } => Exit::Input,
            _ => Exit::Pin,
        };
        let hint = error.hint();
        Self::new(exit, error).with_hint(hint)
    }
}

impl From<promotion::PromotionError> for Failure {
    fn from(error: promotion::PromotionError) -> Self {
        let (exit, hint) = (promotion_exit(&error), error.hint());
        Self::new(exit, error).with_hint(hint)
    }
}

impl From<RehearseError> for Failure {
    fn from(error: RehearseError) -> Self {
        let exit = match &error {
            _ if error.is_cancelled() => Exit::Interrupted,
            RehearseError::Factory(error) => factory_exit(error.class()),
            RehearseError::Acceptance(error) => acceptance_exit(error.class()),
            RehearseError::NotAccepted { .. } => Exit::Acceptance,
            RehearseError::Modal(error) => modal_exit(error.class()),
            RehearseError::NotDeployed { .. } => Exit::Deploy,
            RehearseError::NotSmoked { .. } => Exit::Smoke,
            RehearseError::Promotion(error) => promotion_exit(error),
            RehearseError::Github(_) | RehearseError::Loop { .. } => Exit::Pin,
            RehearseError::Oci(_) | RehearseError::Base { .. } => Exit::Build,
            RehearseError::NotProven { .. } => Exit::Drift,
            RehearseError::Empty { .. }
            | RehearseError::NothingEnabled { .. }
            | RehearseError::Files { .. }
            | RehearseError::RegistryFiles(_)
            | RehearseError::Registry(_)
            | RehearseError::EmbeddedGithub(_)
            | RehearseError::EmbeddedModal(_)
            | RehearseError::Setting { .. }
            | RehearseError::Git(_) => Exit::Input,
            _ => Exit::Unexpected,
        };
        let hint = error.hint();
        Self::new(exit, error).with_hint(hint)
    }
}
