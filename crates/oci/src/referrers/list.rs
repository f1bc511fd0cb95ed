use registry_model::PinnedImage;
use serde_json::Value;

use crate::answer::Answer;
use crate::call::{Call, Place};
use crate::manifest;
use crate::{Client, OciError};

/// A list that goes on for longer is no answer to our question.
const MOST_PAGES: usize = 100;
const MOST_ENTRIES: usize = 10_000;

impl Client {
    /// What the referrers API lists, or `None` when the registry does not have it.
    ///
    /// Source: distribution specification, "Listing Referrers". A registry without it answers
    /// 404; GHCR leads to its web pages (artifacthub/hub#4785), which [`crate::transport`] does
    /// not follow. Whatever else it refuses with, and an answer of another type, is taken the
    /// same way: the list is then in the tag.
    pub(super) async fn ask_for_referrers(
        &self,
        subject: &PinnedImage,
        operation: &str,
    ) -> Result<Option<Vec<Value>>, OciError> {
        let repository = &subject.repository;
        let mut place = Place::Path(format!("referrers/{}", subject.digest));
        let mut entries = Vec::new();
        for page in 0..MOST_PAGES {
            let call = Call::get_referrers(repository, place, operation);
            let answer = match self.transport.grant(&call).await {
                Ok(answer)
                    if page == 0 && answer.content_type().as_deref() != Some(manifest::INDEX) =>
                {
                    return Ok(None);
                }
                Ok(answer) => answer,
                Err(OciError::Refused { .. }) if page == 0 => return Ok(None),
                Err(error) => return Err(error),
            };
            let malformed = |problem: String| OciError::Malformed {
                operation: operation.to_owned(),
                problem,
            };
            let index: Value = serde_json::from_slice(&answer.body)
                .map_err(|error| malformed(format!("the list is no JSON: {error}")))?;
            let listed = index["manifests"].as_array();
            let listed = listed.ok_or_else(|| malformed("the list has no entries".to_owned()))?;
            entries.extend(listed.iter().cloned());
            if entries.len() > MOST_ENTRIES {
                return Err(malformed(format!("more than {MOST_ENTRIES} are listed")));
            }
            match next(&answer, operation)? {
                Some(url) => place = Place::Url(url),
                None => return Ok(Some(entries)),
            }
        }
        Err(OciError::Malformed {
            operation: operation.to_owned(),
            problem: format!("the list has more than {MOST_PAGES} pages"),
        })
    }
}

fn next(answer: &Answer, operation: &str) -> Result<Option<reqwest::Url>, OciError> {
    let Some(address) = answer.header("link").and_then(next_of) else {
        return Ok(None);
    };
    let url = answer.resolve(address, operation)?;
    if answer.is_from(&url) {
        Ok(Some(url))
    } else {
        Err(OciError::Malformed {
            operation: operation.to_owned(),
            problem: "the list goes on at another host".to_owned(),
        })
    }
}

/// The address of the link with the relation `next` (RFC 8288).
fn next_of(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let (address, after) = rest.split_once('<')?.1.split_once('>')?;
        // Parameters go to the next address; none of them holds a `<`.
        let (parameters, following) = match after.find('<') {
            Some(end) => after.split_at(end),
            None => (after, ""),
        };
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel")
                && value
                    .trim()
                    .trim_matches('"')
                    .split(' ')
                    .any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(address);
        }
        rest = following;
    }
}

#[cfg(test)]
mod tests {
    use super::next_of;

    #[test]
    fn finds_the_link_to_the_next_page() {
        for (header, expected) in [
            (
                r#"</v2/a/referrers/x?last=1>; rel="next""#,
                Some("/v2/a/referrers/x?last=1"),
            ),
            ("<a,b;c>;rel=next", Some("a,b;c")),
            (
                r#"<a>; rel="prev", <b>; title=x; Rel="first NEXT""#,
                Some("b"),
            ),
            (r#"<a>; rel="prev""#, None),
            ("<a>", None),
            ("a; rel=next", None),
            ("<a", None),
            ("", None),
        ] {
            assert_eq!(next_of(header), expected, "{header}");
        }
    }
}
