use reqwest::Url;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// How a registry wants to be shown who asks: its `WWW-Authenticate` header.
///
/// Source: RFC 9110, 11.6.1, and Docker's "Token Authentication Specification".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password with every request.
    Basic,
    /// A token, to be had at `realm`.
    Bearer { realm: Url, service: Option<String> },
}

/// The challenges of an answer; those that we cannot meet are left out.
struct Challenges {
    basic: bool,
    bearer: Option<Challenge>,
    insufficient: bool,
}

impl Challenges {
    fn read(headers: &HeaderMap) -> Self {
        let mut found = Self {
            basic: false,
            bearer: None,
            insufficient: false,
        };
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let challenges = value.to_str().ok().map(http_auth::parse_challenges);
            for challenge in challenges.and_then(Result::ok).unwrap_or_default() {
                let parameter = |name: &str| {
                    let mut all = challenge.params.iter();
                    let (_, value) = all.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
                    Some(value.to_unescaped())
                };
                found.basic |= challenge.scheme.eq_ignore_ascii_case("basic");
                if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    found.insufficient |=
                        parameter("error").is_some_and(|error| error == "insufficient_scope");
                    let realm = parameter("realm").and_then(|realm| realm.parse().ok());
                    found.bearer = found.bearer.or(realm.map(|realm| Challenge::Bearer {
                        realm,
                        service: parameter("service"),
                    }));
                }
            }
        }
        found
    }
}

impl Challenge {
    /// The challenge to meet: a token if that is possible.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let found = Challenges::read(headers);
        found.bearer.or(found.basic.then_some(Self::Basic))
    }

    /// Whether the registry knows who asks, and that is not enough (RFC 6750, 3.1).
    pub(crate) fn is_insufficient(headers: &HeaderMap) -> bool {
        Challenges::read(headers).insufficient
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::read(&headers)
    }

    #[test]
    fn a_token_goes_before_a_password_and_nonsense_is_left_out() {
        let bearer = r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="x""#;
        let expected = Challenge::Bearer {
            realm: "https://ghcr.io/token".parse().unwrap(),
            service: Some("ghcr.io".to_owned()),
        };
        assert_eq!(read(&[bearer]), Some(expected.clone()));
        assert_eq!(read(&["Basic realm=\"r\"", bearer]), Some(expected));
        assert_eq!(read(&["Basic realm=\"r\""]), Some(Challenge::Basic));
        assert_eq!(read(&["basic"]), Some(Challenge::Basic));
        assert_eq!(read(&["Bearer realm=\"no address\""]), None);
        assert_eq!(read(&["Negotiate", "=,="]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn a_token_that_is_not_enough_is_told_apart() {
        for (value, expected) in [
            (
                r#"Bearer realm="https://a.io/t",error="insufficient_scope""#,
                true,
            ),
            (
                r#"Bearer realm="https://a.io/t",error="invalid_token""#,
                false,
            ),
            ("Basic", false),
        ] {
            let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, value.parse().unwrap())]);
            assert_eq!(Challenge::is_insufficient(&headers), expected, "{value}");
        }
    }
}
