/// What the process ends with. These numbers are part of the interface and never change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Something the pipeline did not expect; worth a bug report.
    Unexpected = 1,
    /// Bad usage or bad input: arguments, registry files, missing programs.
    Input = 2,
    /// Checks of the fast lane failed.
    Checks = 10,
    /// A build or a push failed.
    Build = 11,
    /// A pin or its pull request failed.
    Pin = 12,
    /// Acceptance failed.
    Acceptance = 13,
    /// A deploy failed.
    Deploy = 14,
    /// A smoke test failed.
    Smoke = 15,
    /// A promotion rule is violated.
    Promotion = 16,
    /// What runs differs from what is pinned.
    Drift = 17,
    /// Access to a registry is refused.
    Access = 18,
    /// Interrupted by the user.
    Interrupted = 130,
}

impl Exit {
    /// Every code with its meaning, for `--help` and the documents.
    pub const ALL: [(Self, &'static str); 13] = [
        (Self::Done, "done, or nothing to do"),
        (Self::Unexpected, "unexpected error"),
        (Self::Input, "bad usage or input"),
        (Self::Checks, "checks failed"),
        (Self::Build, "build or push failed"),
        (Self::Pin, "pin or pull request failed"),
        (Self::Acceptance, "acceptance failed"),
        (Self::Deploy, "deploy failed"),
        (Self::Smoke, "smoke failed"),
        (Self::Promotion, "promotion rule violated"),
        (Self::Drift, "drift found"),
        (Self::Access, "access to a registry refused"),
        (Self::Interrupted, "interrupted"),
    ];

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
