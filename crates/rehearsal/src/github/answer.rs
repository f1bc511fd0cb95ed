use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use process::ProcessError;
use serde_json::{Value, json};

/// GitHub's refusals.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
    errors: Option<Value>,
}

pub(super) type ApiResult = Result<Response, ApiError>;

impl ApiError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            errors: None,
        }
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub(super) fn empty_repository() -> Self {
        Self::new(StatusCode::CONFLICT, "Git Repository is empty.")
    }

    /// 422 with the list of what is wrong.
    pub(super) fn validation(errors: Value) -> Self {
        Self {
            errors: Some(errors),
            ..Self::unprocessable("Validation Failed")
        }
    }

    /// For a body that is no JSON.
    pub(super) fn unreadable() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Problems parsing JSON")
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    fn missing(field: &str) -> Self {
        Self::unprocessable(format!("Invalid request.\n\n\"{field}\" wasn't supplied."))
    }

    pub(super) fn mistyped(field: &str, expected: &str) -> Self {
        Self::unprocessable(format!(
            "Invalid request.\n\nFor 'properties/{field}', the value is not {expected}."
        ))
    }
}

impl From<ProcessError> for ApiError {
    fn from(error: ProcessError) -> Self {
        tracing::warn!(%error, "git failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Server Error")
    }
}

impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        tracing::warn!(%error, "a file operation failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Server Error")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({ "message": self.message });
        if let Some(errors) = self.errors {
            body["errors"] = errors;
        }
        body["documentation_url"] = "https://docs.github.com/rest".into();
        body["status"] = self.status.as_u16().to_string().into();
        answer(self.status, &body)
    }
}

/// What GitHub takes as the text of a pull request or a comment, in characters.
const LONGEST_TEXT: usize = 65_536;

/// Refuses a text that is too long for what it is the body of.
pub(super) fn check_body(resource: &str, body: Option<&str>) -> Result<(), ApiError> {
    if body.is_some_and(|body| body.chars().count() > LONGEST_TEXT) {
        return Err(ApiError::validation(json!([{
            "resource": resource,
            "code": "custom",
            "field": "body",
            "message": "body is too long (maximum is 65536 characters)",
        }])));
    }
    Ok(())
}

/// A JSON answer.
pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    let kind = "application/json; charset=utf-8";
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

/// A JSON answer with 200.
pub(super) fn ok(body: &Value) -> ApiResult {
    Ok(answer(StatusCode::OK, body))
}

/// The JSON object in a request, read as GitHub reads it: whatever the content type says.
pub(super) struct Input(Value);

impl Input {
    pub(super) fn read(body: &Bytes) -> Result<Self, ApiError> {
        let value: Value = serde_json::from_slice(body).map_err(|_| ApiError::unreadable())?;
        if value.is_object() {
            Ok(Self(value))
        } else {
            Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "Body should be a JSON object",
            ))
        }
    }

    /// What the list `field` has, every entry a text.
    pub(super) fn texts(&self, field: &str) -> Result<Vec<&str>, ApiError> {
        let entries = self.list(field)?.unwrap_or_default().iter();
        entries
            .map(|entry| {
                entry
                    .as_str()
                    .ok_or_else(|| ApiError::mistyped(field, "an array of strings"))
            })
            .collect()
    }

    pub(super) fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, field: &str) -> Result<Option<&str>, ApiError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::mistyped(field, "a string")),
        }
    }

    pub(super) fn need_text(&self, field: &str) -> Result<&str, ApiError> {
        self.text(field)?.ok_or_else(|| ApiError::missing(field))
    }

    pub(super) fn flag(&self, field: &str) -> Result<bool, ApiError> {
        match self.get(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(ApiError::mistyped(field, "a boolean")),
        }
    }

    pub(super) fn list(&self, field: &str) -> Result<Option<&[Value]>, ApiError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(ApiError::mistyped(field, "an array")),
        }
    }

    pub(super) fn need_list(&self, field: &str) -> Result<&[Value], ApiError> {
        self.list(field)?.ok_or_else(|| ApiError::missing(field))
    }
}

/// `text` as part of an address; slashes stay.
pub(super) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
