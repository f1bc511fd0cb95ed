//! What kind of file something is, by its content.

use registry_model::MediaType;

/// Holds content against the kind that it is declared as; if it is another, says which.
pub(super) fn mismatch(declared: &MediaType, content: &[u8]) -> Option<String> {
    let declared = declared.as_str();
    if declared == "application/octet-stream" {
        return None;
    }
    if declared == "application/json" || declared.ends_with("+json") {
        let read: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(content);
        return read.err().map(|error| format!("no JSON: {error}"));
    }
    if declared.starts_with("text/") || declared.ends_with("+xml") {
        let is_text = std::str::from_utf8(content).is_ok_and(|text| !text.contains('\0'));
        return (!is_text).then(|| found(content).unwrap_or("no text in UTF-8").to_owned());
    }
    match found(content) {
        Some(kind) if same(kind, declared) => None,
        Some(kind) => Some(kind.to_owned()),
        // Of what has no mark, nothing can be told.
        None if infer::is_mime_supported(declared) => Some("something else".to_owned()),
        None => None,
    }
}

fn found(content: &[u8]) -> Option<&'static str> {
    infer::get(content).map(|kind| kind.mime_type())
}

fn same(found: &str, declared: &str) -> bool {
    let plain = |kind: &str| {
        let (class, name) = kind.split_once('/').unwrap_or((kind, ""));
        // `audio/x-wav` and `audio/wav`, `application/x-gzip` and `application/gzip`.
        (class.to_owned(), name.trim_start_matches("x-").to_owned())
    };
    // Many formats are archives first of all, and only their names tell which.
    plain(found) == plain(declared)
        || (found == "application/zip" && !infer::is_mime_supported(declared))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        let told = |kind: &str, content: &[u8]| mismatch(&kind.parse().unwrap(), content);
        assert_eq!(told("image/png", png), None);
        assert_eq!(told("image/jpeg", png).as_deref(), Some("image/png"));
        assert_eq!(told("text/plain", png).as_deref(), Some("image/png"));
        assert_eq!(
            told("image/png", b"hello").as_deref(),
            Some("something else")
        );
        assert_eq!(told("text/plain", "hellö\n".as_bytes()), None);
        assert_eq!(
            told("text/csv", b"\xff\xfe\0").as_deref(),
            Some("no text in UTF-8")
        );
        assert_eq!(told("application/json", b"{\"a\": 1}\n"), None);
        assert!(
            told("application/json", b"{")
                .unwrap()
                .starts_with("no JSON: EOF")
        );
        assert_eq!(told("application/octet-stream", png), None);
        assert_eq!(told("application/x-own", b"anything"), None);
        assert_eq!(told("image/svg+xml", b"<svg/>"), None);
    }
}
