use super::FactoryError;

/// Which part of the work an error belongs to; the command line has an exit code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The input is wrong, or a tool that is needed is missing or too old.
    Input,
    /// Asking the registry, building or pushing failed.
    Build,
    /// The registry does not let us push.
    Access,
    /// Writing the pins or proposing them failed.
    Pin,
    /// The caller cancelled.
    Cancelled,
}

impl FactoryError {
    /// Which part of the work failed.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        if self.is_cancelled() {
            return ErrorClass::Cancelled;
        }
        match self {
            Self::NoDockerfile { .. }
            | Self::NoContext { .. }
            | Self::NoRepository { .. }
            | Self::BadRepository { .. }
            | Self::NoPinPlace { .. }
            | Self::ShadowedBase { .. }
            | Self::IgnoreRule { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::BadJson { .. }
            | Self::UnknownSchema { .. }
            | Self::NoEngine { .. }
            | Self::EngineDenied { .. }
            | Self::Engine { .. }
            | Self::EngineWithoutBuildKit { .. }
            | Self::EngineLacks { .. }
            | Self::NoBuilder { .. }
            | Self::NoSecret { .. }
            | Self::OlderThanEpoch { .. }
            | Self::NoDockerCli
            | Self::NoBuildx
            | Self::BuildxTooOld { .. }
            | Self::NoBranch { .. }
            | Self::History(_)
            | Self::UnreadablePins { .. }
            | Self::NoPinFiles { .. } => ErrorClass::Input,
            Self::Registry(_)
            | Self::NoBaseImage { .. }
            | Self::NoSbomGenerator { .. }
            | Self::BuildFailed(_)
            | Self::Buildx(_)
            | Self::Metadata { .. }
            | Self::NotInRegistry { .. }
            | Self::Unfit { .. }
            | Self::BuiltMeanwhile { .. }
            | Self::TooDeep { .. } => ErrorClass::Build,
            Self::PushDenied { .. } => ErrorClass::Access,
            Self::PinPlace { .. }
            | Self::PartlyPinned { .. }
            | Self::PinsBlocked { .. }
            | Self::PinBranch { .. }
            | Self::PinsPartial { .. }
            | Self::PinSource { .. }
            | Self::PinsContended { .. }
            | Self::PinLoop { .. }
            | Self::ReportsDisagree { .. }
            | Self::Forge(_) => ErrorClass::Pin,
            Self::Cancelled { .. } => ErrorClass::Cancelled,
        }
    }

    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled { .. } => true,
            Self::Buildx(error) | Self::History(error) => error.is_cancelled(),
            Self::Forge(error) => error.is_cancelled(),
            _ => false,
        }
    }
}
