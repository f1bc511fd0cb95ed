use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde_json::{Value, json};

use super::answer::encode;
use super::writing::Person;

/// Who commits what GitHub makes and signs itself.
const SIGNER: (&str, &str) = ("GitHub", "noreply@github.com");
const NO_REPLY: &str = "@users.noreply.github.com";

/// Whoever a token belongs to.
///
/// GitHub looks a token up; here its beginning tells: `ghs_actions…` is a workflow's, another
/// `ghs_…` a GitHub App's, and every other a person's. A request without a token, where none is
/// asked for, is taken for the App's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    /// `github-actions[bot]`
    Actions,
    /// `pipeline-app[bot]`
    App,
    /// `pipeline-user`
    Person,
}

impl Actor {
    fn of(headers: &HeaderMap) -> Self {
        match token(headers) {
            Some(token) if token.starts_with("ghs_actions") => Self::Actions,
            Some(token) if token.starts_with("ghs_") => Self::App,
            Some(_) => Self::Person,
            None => Self::App,
        }
    }

    pub(super) fn is_bot(self) -> bool {
        self != Self::Person
    }

    pub(super) fn login(self) -> &'static str {
        match self {
            Self::Actions => "github-actions[bot]",
            Self::App => "pipeline-app[bot]",
            Self::Person => "pipeline-user",
        }
    }

    /// As the author of a commit, now.
    pub(super) fn person(self) -> Person {
        let login = self.login();
        Person {
            name: login.to_owned(),
            email: format!("{}+{login}{NO_REPLY}", user_id(login)),
            date: None,
        }
    }

    /// Who commits when the request names nobody: GitHub itself, which signs, for a bot only.
    pub(super) fn committer(self) -> Person {
        if self.is_bot() {
            signer()
        } else {
            self.person()
        }
    }

    pub(super) fn json(self, base: &str) -> Value {
        user(base, self.login())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// The token that a request carries.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    known.then_some(token.trim())
}

/// GitHub as the committer of what it signs.
pub(super) fn signer() -> Person {
    Person {
        name: SIGNER.0.to_owned(),
        email: SIGNER.1.to_owned(),
        date: None,
    }
}

pub(super) fn is_signer(person: &Person) -> bool {
    (person.name.as_str(), person.email.as_str()) == SIGNER
}

/// The account behind an identity in a commit, which GitHub finds by its address; else `null`.
pub(super) fn account(base: &str, person: &Person) -> Value {
    if is_signer(person) {
        return user(base, "web-flow");
    }
    let local = person.email.strip_suffix(NO_REPLY);
    match local.and_then(|local| local.split_once('+')) {
        Some((_, login)) => user(base, login),
        None => Value::Null,
    }
}

/// An account with all that GitHub tells of one.
pub(super) fn user(base: &str, login: &str) -> Value {
    let kind = if login.ends_with("[bot]") {
        "Bot"
    } else {
        "User"
    };
    account_json(base, login, kind)
}

/// The owner of a repository.
pub(super) fn owner(base: &str, login: &str) -> Value {
    account_json(base, login, "Organization")
}

fn account_json(base: &str, login: &str, kind: &str) -> Value {
    let url = format!("{base}/users/{}", encode(login));
    json!({
        "login": login,
        "id": user_id(login),
        "node_id": node_id("U", login),
        "avatar_url": format!("{url}/avatar"),
        "gravatar_id": "",
        "url": url,
        "html_url": format!("{base}/{}", encode(login)),
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"),
        "type": kind,
        "site_admin": false,
    })
}

fn user_id(login: &str) -> u32 {
    match login {
        "github-actions[bot]" => 41_898_282,
        "web-flow" => 19_864_447,
        other => id(other),
    }
}

/// A number that stays the same for the same name.
pub(super) fn id(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    }) >> 1
}

/// GitHub's opaque id: a letter for the kind, and a name.
pub(super) fn node_id(kind: &str, name: &str) -> String {
    format!("{kind}_{}", hex::encode(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(authorization: Option<&str>) -> Actor {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        Actor::of(&headers)
    }

    #[test]
    fn the_token_tells_who_it_is() {
        assert_eq!(actor(Some("Bearer ghs_actions_1")), Actor::Actions);
        assert_eq!(actor(Some("token ghs_x")), Actor::App);
        assert_eq!(actor(Some("Bearer ghp_x")), Actor::Person);
        assert_eq!(actor(None), Actor::App);
        assert_eq!(
            Actor::Actions.person().email,
            "41898282+github-actions[bot]@users.noreply.github.com"
        );
        assert_eq!(account("", &Actor::Actions.person())["type"], "Bot");
        assert_eq!(account("", &signer())["login"], "web-flow");
    }
}
