use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::finding::Position;
use crate::yaml::Problem;

/// A place in a file, or in a text that has no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file, if the text came from one.
    pub file: Option<PathBuf>,
    /// The place in it.
    pub position: Position,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}:{}", file.display(), self.position),
            None => write!(f, "line {}", self.position.line),
        }
    }
}

/// Why a pin is not edited although the file is sound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// `oci: *image`.
    #[error("`{0}` is an alias: the image stands elsewhere, perhaps for several places")]
    Alias(String),
    /// `oci: &image …`.
    #[error("`{0}` has an anchor: an edit would change every place that refers to it")]
    Anchor(String),
    /// `oci: !tag …`.
    #[error("`{0}` has a tag")]
    Tag(String),
    /// `<<` in a mapping that the pin stands in.
    #[error("`{0}` takes keys from elsewhere by the merge key `<<`")]
    MergeKey(String),
    /// `oci: |` or `oci: >`.
    #[error("`{0}` is a block scalar")]
    BlockScalar(String),
    /// A value that goes on in the next line.
    #[error("`{0}` is written over several lines")]
    SeveralLines(String),
    /// A key that stands twice in a mapping on the way to the pin.
    #[error("the key `{0}` is there twice")]
    DuplicateKey(String),
    /// Something else stands where a mapping should.
    #[error("`{0}` is no mapping")]
    NotAMapping(String),
    /// Something else stands where an image should.
    #[error("`{0}` is no single value")]
    NotAScalar(String),
    /// `? oci` without a value in the same line.
    #[error("`{0}` is written as an explicit key (`?`)")]
    ExplicitKey(String),
    /// The file pins by platform, and the pin is for all, or the other way round.
    #[error("the file has `{found}`, so `{wanted}` does not belong into it")]
    OtherLayout {
        /// What the file has.
        found: &'static str,
        /// The place that was asked for.
        wanted: String,
    },
    /// A platform that has no key in a registry file.
    #[error("platform `{0}` has no place in a registry file")]
    Platform(String),
    /// No document has a `ref` or an `image`.
    #[error("no document of the file is a registry entry")]
    NoEntry,
    /// Several documents do.
    #[error("several documents of the file are registry entries")]
    SeveralEntries,
    /// The new line has no place that would be safe.
    #[error("there is no safe place to insert `{0}`")]
    NoPlace(String),
}

/// Why a pin was not set. The file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// The file can't be read.
    #[error("read registry file {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The new text can't be written.
    #[error("write registry file {}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The path names a folder, a pipe, a device.
    #[error("edit {}: not a regular file", file.display())]
    NotAFile {
        /// The path.
        file: PathBuf,
    },
    /// The text is no YAML, no UTF-8, or too long.
    #[error("read YAML at {at}: {message}")]
    Syntax {
        /// Where.
        at: Location,
        /// What is wrong.
        message: String,
        /// What to do about it.
        cure: Option<String>,
    },
    /// The text is YAML, and editing it could do harm.
    #[error("edit the pin at {at}: {refusal}")]
    Refused {
        /// Where.
        at: Location,
        /// Why.
        refusal: Refusal,
    },
    /// The edited text did not parse to the same document with the one change that was wanted.
    #[error("prove the edit of the pin at {at}: {detail}")]
    Unproven {
        /// Where the edit would have been.
        at: Location,
        /// What differed.
        detail: &'static str,
    },
    /// Another pin of the same file was refused, and a file gets all of its pins or none.
    #[error("edit {}: another pin of this file was refused", file.display())]
    HeldBack {
        /// The file.
        file: PathBuf,
    },
}

impl PinError {
    pub(crate) fn refused(position: Position, refusal: Refusal) -> Self {
        let at = Location {
            file: None,
            position,
        };
        Self::Refused { at, refusal }
    }

    /// The same error, naming the file.
    pub(crate) fn in_file(mut self, name: &Path) -> Self {
        match &mut self {
            Self::Syntax { at, .. } | Self::Refused { at, .. } | Self::Unproven { at, .. } => {
                at.file = Some(name.to_owned());
            }
            Self::Read { .. } | Self::Write { .. } | Self::NotAFile { .. } => {}
            Self::HeldBack { .. } => {}
        }
        self
    }

    /// Where in the text it happened, if it was about the text.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Syntax { at, .. } | Self::Refused { at, .. } | Self::Unproven { at, .. } => {
                Some(at.position)
            }
            _ => None,
        }
    }

    /// The file it happened in, if it is known.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Read { file, .. }
            | Self::Write { file, .. }
            | Self::NotAFile { file }
            | Self::HeldBack { file } => Some(file),
            Self::Syntax { at, .. } | Self::Refused { at, .. } | Self::Unproven { at, .. } => {
                at.file.as_deref()
            }
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { .. } => "check that the file exists and can be read",
            Self::Write { .. } => "check the free space and the permissions of its folder",
            Self::NotAFile { .. } => "name a registry file",
            Self::Syntax { cure, .. } => return cure.clone(),
            Self::Refused { refusal, .. } => return Some(refusal.hint()),
            Self::Unproven { .. } => {
                "write the image by hand in plain form, as in `oci: <repository>@sha256:pending`"
            }
            Self::HeldBack { .. } => "put the other pin right first",
        };
        Some(hint.to_owned())
    }

    /// Always `false`: an edit is not cancelled half-way.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        false
    }
}

impl Refusal {
    fn hint(&self) -> String {
        match self {
            Self::Alias(path) | Self::MergeKey(path) => {
                format!("write `{path}` out in this place")
            }
            Self::Anchor(path) => format!("delete the anchor of `{path}` and write the value out"),
            Self::Tag(path) => format!("delete the tag of `{path}`"),
            Self::BlockScalar(path) | Self::SeveralLines(path) | Self::ExplicitKey(path) => {
                format!("write `{path}` with its value in one line")
            }
            Self::DuplicateKey(_) => "delete one of the two".into(),
            Self::NotAMapping(path) | Self::NotAScalar(path) => {
                format!("empty `{path}`, and it will be filled in")
            }
            Self::OtherLayout { found, .. } if *found == "image.platforms" => {
                "name a platform, as in `--platform linux/amd64`".into()
            }
            Self::OtherLayout { .. } => "leave out the platform".into(),
            Self::Platform(_) => "use `linux/<architecture>`, as in `linux/arm64`".into(),
            Self::NoEntry => "name the processor, as in `ref: llm/litellm@1`".into(),
            Self::SeveralEntries => "put each processor into a file of its own".into(),
            Self::NoPlace(path) => format!("add `{path}: ` by hand, without a value"),
        }
    }
}

impl From<Problem> for PinError {
    fn from(problem: Problem) -> Self {
        Self::Syntax {
            at: Location {
                file: None,
                position: problem.at,
            },
            message: problem.message,
            cure: problem.hint,
        }
    }
}
