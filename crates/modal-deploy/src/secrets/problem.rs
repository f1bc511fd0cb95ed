use std::fmt;

use registry_model::ProcessorRef;

/// Why a secret cannot be written. Holds names only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretProblem {
    /// A required secret has no value, or an empty one.
    Missing {
        /// Its name.
        name: String,
        /// The names under which a value was looked for, the strongest first.
        looked_for: Vec<String>,
        /// Who requires it; nobody in particular when all do.
        required_by: Vec<ProcessorRef>,
    },
    /// Modal takes no such name or value.
    Unusable {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

impl fmt::Display for SecretProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing {
                name,
                looked_for,
                required_by,
            } => {
                let sources: Vec<String> =
                    looked_for.iter().map(|name| format!("`{name}`")).collect();
                write!(
                    f,
                    "`{name}` has no value: {} not set or empty",
                    sources.join(" and ")
                )?;
                if !required_by.is_empty() {
                    let by: Vec<String> = required_by.iter().map(ToString::to_string).collect();
                    write!(f, " (required by {})", by.join(", "))?;
                }
                Ok(())
            }
            Self::Unusable { name, problem } => write!(f, "`{name}` is unusable: {problem}"),
        }
    }
}
