use std::path::PathBuf;

/// Why a key cannot be used. Holds nothing of the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read.
    #[error("read the key {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The text is no PEM file, or its content is not what its first line says.
    #[error("read the key: {problem}")]
    Malformed {
        /// What is wrong with it.
        problem: String,
    },
    /// It is something else in PEM.
    #[error("read the key: expected {expected}, found `{found}`")]
    OtherKind {
        /// What was expected.
        expected: &'static str,
        /// What its first line says.
        found: String,
    },
    /// It is encrypted in a way that is not read.
    #[error("read the key: it is encrypted as `{found}`, which is not supported")]
    Encrypted {
        /// The way.
        found: String,
    },
    /// It is encrypted, and there is no password.
    #[error("read the key: it is encrypted, and COSIGN_PASSWORD is not set")]
    NoPassword,
    /// The password does not open it.
    #[error("read the key: the password does not open it")]
    WrongPassword,
}

impl KeyError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File { .. } => None,
            Self::Malformed { .. } | Self::OtherKind { .. } => Some(
                "make a pair with `cosign generate-key-pair`, or with `openssl genpkey -algorithm \
                 EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem` and `openssl pkey -in key.pem \
                 -pubout -out key.pub`",
            ),
            Self::Encrypted { .. } => Some(
                "take the encryption off with `openssl pkcs8 -in key.pem -out plain.pem`, and keep \
                 the result as a secret",
            ),
            Self::NoPassword | Self::WrongPassword => {
                Some("set COSIGN_PASSWORD to the password that the key was made with")
            }
        }
    }
}
