use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::state::seconds;

/// How long a token of `AuthTokenGet` lasts, in seconds.
const LIFETIME: f64 = 20.0 * 60.0;

/// A token as Modal gives it to a user or a service user.
#[derive(Clone, Debug)]
pub struct Token {
    /// The public half, `MODAL_TOKEN_ID`.
    pub id: String,
    /// The secret half, `MODAL_TOKEN_SECRET`.
    pub secret: SecretString,
}

/// Lets requests pass that carry a token: any, or only the `expected` one.
pub(super) fn check(
    expected: Option<Token>,
) -> impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone + Send + Sync + 'static {
    move |request| {
        let id = header(request.metadata(), "x-modal-token-id");
        let secret = header(request.metadata(), "x-modal-token-secret");
        let (Some(id), Some(secret)) = (id, secret) else {
            return Err(Status::unauthenticated(
                "the request carries no token; set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET",
            ));
        };
        let known = expected
            .as_ref()
            .is_none_or(|token| token.id == id && token.secret.expose_secret() == secret);
        if known {
            Ok(request)
        } else {
            Err(Status::unauthenticated(format!(
                "the token '{id}' is not known, or its secret is another"
            )))
        }
    }
}

/// The public half of the token that a request carries.
pub(super) fn id<T>(request: &Request<T>) -> String {
    header(request.metadata(), "x-modal-token-id")
        .unwrap_or_default()
        .to_owned()
}

/// What the sender of a request says it is.
pub(super) fn client_version<T>(request: &Request<T>) -> String {
    header(request.metadata(), "x-modal-client-version")
        .unwrap_or_default()
        .to_owned()
}

/// A token for the calls after `AuthTokenGet`, in the form of a JWT; nobody checks its signature.
pub(super) fn short_lived(id: &str) -> String {
    let now = seconds();
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seconds since 1970 fit into 64 bits"
    )]
    let [issued, expires] = [now as i64, (now + LIFETIME) as i64];
    let head = encode(serde_json::json!({"alg": "none", "typ": "JWT"}));
    let body = encode(serde_json::json!({"sub": id, "iat": issued, "exp": expires}));
    format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode("rehearsal"))
}

fn header<'a>(metadata: &'a MetadataMap, name: &str) -> Option<&'a str> {
    let text = metadata.get(name)?.to_str().ok()?;
    (!text.is_empty()).then_some(text)
}
