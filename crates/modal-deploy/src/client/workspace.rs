use super::connection::Client;
use crate::ModalError;
use crate::proto::token_info_get_response::Identity;
use crate::proto::{TokenInfoGetRequest, TokenInfoGetResponse};

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TokenInfo {
    /// The public half of the token, `ak-…`.
    pub token_id: String,
    /// The name of the workspace.
    pub workspace: String,
    /// The person, or the service user, it belongs to; `None` from servers that do not tell.
    pub identity: Option<String>,
    /// When it ends to be valid, in whole seconds since 1970; `None`: never.
    pub expires_at: Option<i64>,
}

impl Client {
    /// Whose token this is; `None` from servers older than the question.
    ///
    /// # Errors
    /// [`ModalError::Rpc`], `UNAUTHENTICATED` when the token is not valid.
    pub async fn token_info(&self) -> Result<Option<TokenInfo>, ModalError> {
        let operation = self.operation("TokenInfoGet", "ask whose token this is");
        let answer = self
            .unary(
                operation,
                TokenInfoGetRequest {},
                |mut stub, request| async move { stub.token_info_get(request).await },
            )
            .await;
        match answer {
            Ok(answer) => Ok(Some(answer.into())),
            Err(ModalError::Unsupported { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl From<TokenInfoGetResponse> for TokenInfo {
    fn from(answer: TokenInfoGetResponse) -> Self {
        let identity = match answer.identity {
            Some(Identity::UserIdentity(user)) => user.username,
            Some(Identity::ServiceUserIdentity(user)) => user.service_user_name,
            None => String::new(),
        };
        Self {
            token_id: answer.token_id,
            workspace: answer.workspace_name,
            identity: Some(identity).filter(|name| !name.is_empty()),
            expires_at: answer.expires_at.map(|at| at.seconds),
        }
    }
}
