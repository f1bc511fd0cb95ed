//! ECDSA P-256 keys: the kind that cosign makes.

mod cosign;
mod error;
mod pem;
mod signing;
mod verifying;

pub use error::KeyError;
pub use signing::SigningKey;
pub use verifying::{KeyId, VerifyingKey};
