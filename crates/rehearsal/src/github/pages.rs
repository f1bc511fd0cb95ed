use std::collections::HashMap;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use super::answer::{answer, encode};

/// The page that a request asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// From 1.
    number: usize,
    length: usize,
}

impl Page {
    pub(super) fn of(query: &HashMap<String, String>, default: usize, largest: usize) -> Self {
        let number = |key: &str| query.get(key).and_then(|text| text.parse::<usize>().ok());
        Self {
            number: number("page").unwrap_or(1).clamp(1, 1_000_000),
            length: number("per_page").unwrap_or(default).clamp(1, largest),
        }
    }

    /// The entries on this page.
    pub(super) fn cut<T>(self, all: Vec<T>) -> impl Iterator<Item = T> {
        let before = (self.number - 1) * self.length;
        all.into_iter().skip(before).take(self.length)
    }

    /// A list, with the `Link` header where there is more.
    pub(super) fn answer(
        self,
        listed: Vec<Value>,
        total: usize,
        url: &str,
        query: &HashMap<String, String>,
    ) -> Response {
        let mut response = answer(StatusCode::OK, &listed.into());
        if let Some(links) = self.links(total, url, query) {
            response.headers_mut().insert(header::LINK, links);
        }
        response
    }

    fn links(
        self,
        total: usize,
        url: &str,
        query: &HashMap<String, String>,
    ) -> Option<HeaderValue> {
        let last = total.div_ceil(self.length);
        if self.number >= last {
            return None;
        }
        let rest: String = query
            .iter()
            .filter(|(key, _)| *key != "page")
            .map(|(key, value)| format!("{}={}&", encode(key), encode(value)))
            .collect();
        let next = self.number + 1;
        let text = format!(
            "<{url}?{rest}page={next}>; rel=\"next\", <{url}?{rest}page={last}>; rel=\"last\""
        );
        HeaderValue::try_from(text).ok()
    }
}
