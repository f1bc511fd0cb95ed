//! `modal token info`, which has no form for machines.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::client::TokenInfo;

/// What the text says; `None` when it is not the text of the versions known.
pub(super) fn read(text: &str) -> Option<TokenInfo> {
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "))
            .map(str::trim)
    };
    // The id stands in brackets behind the name.
    let named = |name: &str| {
        let value = field(name)?;
        let name = value.rsplit_once(" (").map_or(value, |(name, _)| name);
        Some(name.to_owned()).filter(|name| !name.is_empty())
    };
    Some(TokenInfo {
        token_id: field("Token")?.to_owned(),
        workspace: named("Workspace")?,
        identity: named("Service User").or_else(|| named("User")),
        expires_at: field("Expires at").and_then(utc_seconds),
    })
}

/// The time of `2026-11-23 18:40:00 UTC`; other zones are not asked for.
fn utc_seconds(text: &str) -> Option<i64> {
    let time: DateTime = text.strip_suffix(" UTC")?.parse().ok()?;
    Some(TimeZone::UTC.to_timestamp(time).ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_without_their_ids() {
        let text = "(Using MODAL_TOKEN_ID and MODAL_TOKEN_SECRET environment variables)\n\
                    Token: ak-1\nName: ci\nWorkspace: acme (ac-1)\nService User: robot (us-2)\n\
                    Created By: ada (us-1)\nCreated at: 2026-01-01 00:00:00 UTC\n\
                    Expires at: 1970-01-01 00:01:00 UTC\n";
        let expected = TokenInfo {
            token_id: "ak-1".to_owned(),
            workspace: "acme".to_owned(),
            identity: Some("robot".to_owned()),
            expires_at: Some(60),
        };
        assert_eq!(read(text), Some(expected));
    }

    #[test]
    fn another_text_tells_nothing() {
        assert_eq!(read("token ak-1 of acme"), None);
        let short = read("Token: ak-1\nWorkspace: acme (ac-1)\n").unwrap();
        assert_eq!((short.identity, short.expires_at), (None, None));
    }
}
