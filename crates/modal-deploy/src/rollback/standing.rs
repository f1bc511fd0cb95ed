use registry_model::{Digest, Environment};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::audit::{Live, digits};
use crate::deploy::tag_digits;
use crate::record::{self, Record};
use crate::{Control, ModalError};

/// What is known about an app before it is rolled back.
#[derive(Clone, Debug)]
pub struct Standing {
    app: String,
    record: Option<Record>,
    live: Live,
}

/// How it is known that a digest was live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Proof {
    /// The newest version that had it.
    pub version: u32,
    /// Whether its smoke passed; `None` where only Modal's history tells of it.
    pub smoked: Option<bool>,
}

/// What Modal's own rollback can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// The digest is live already.
    Live,
    /// Modal may go back to this version.
    To(u32),
    /// Modal has a version with that digest, and does not go back to it.
    Refused(u32),
    /// No version has that digest.
    None,
}

/// Looks at an app and its history.
///
/// # Errors
/// [`ModalError::Rpc`], [`ModalError::Cancelled`].
pub async fn look(
    control: &Control,
    environment: &Environment,
    app: &str,
    cancel: &CancellationToken,
) -> Result<Standing, ModalError> {
    let (record, state, history) = tokio::try_join!(
        record::read(control, environment, cancel),
        control.app(environment, app, cancel),
        control.history(environment, app, cancel),
    )?;
    Ok(Standing {
        app: app.to_owned(),
        record,
        live: Live {
            version: state.and_then(|state| state.version),
            history,
        },
    })
}

impl Standing {
    /// That the digest was live in this environment; `None` when nothing tells so.
    #[must_use]
    pub fn proof(&self, digest: &Digest) -> Option<Proof> {
        let mark = self
            .record
            .as_ref()
            .and_then(|record| record.mark(&self.app));
        if let Some(mark) = mark.filter(|mark| mark.digest == *digest) {
            return Some(Proof {
                version: mark.version,
                smoked: Some(mark.smoked),
            });
        }
        let version = self.versions(digest).next()?;
        Some(Proof {
            version,
            smoked: None,
        })
    }

    /// The digest at which a person holds the app.
    #[must_use]
    pub fn hold(&self) -> Option<Digest> {
        self.record.as_ref()?.hold(&self.app)
    }

    /// What Modal's own rollback can do about this digest.
    #[must_use]
    pub fn native(&self, digest: &Digest) -> Native {
        let mark = self
            .record
            .as_ref()
            .and_then(|record| record.mark(&self.app));
        let live = digits(&self.live, mark.as_ref());
        if live.is_some_and(|live| digest.hex().starts_with(&live)) {
            return Native::Live;
        }
        let allowed = |version: &u32| {
            let mut rows = self.live.history.iter();
            let row = rows.find(|row| row.version == *version);
            row.is_none_or(|row| row.rollback_allowed != Some(false))
        };
        match (
            self.versions(digest).find(allowed),
            self.versions(digest).next(),
        ) {
            (Some(version), _) => Native::To(version),
            (None, Some(version)) => Native::Refused(version),
            (None, None) => Native::None,
        }
    }

    /// The versions that were deployed with this digest, the newest first.
    fn versions(&self, digest: &Digest) -> impl Iterator<Item = u32> {
        let rows = self.live.history.iter();
        rows.filter(|row| {
            let tag = row.tag.as_deref().and_then(tag_digits);
            tag.is_some_and(|tag| digest.hex().starts_with(tag))
        })
        .map(|row| row.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::AppVersion;

    fn digest(digit: char) -> Digest {
        let hex = String::from(digit).repeat(64);
        format!("sha256:{hex}").parse().unwrap()
    }

    fn standing(rows: &[(u32, char, Option<bool>)]) -> Standing {
        let history: Vec<AppVersion> = rows
            .iter()
            .map(|(version, digit, allowed)| AppVersion {
                version: *version,
                deployed_at: 1.0,
                deployed_by: String::new(),
                tag: Some(format!("pin-{}", &digest(*digit).hex()[..32])),
                commit: None,
                rollback_allowed: *allowed,
                rollback_of: None,
            })
            .collect();
        Standing {
            app: "app".into(),
            record: None,
            live: Live {
                version: history.first().map(|row| row.version),
                history,
            },
        }
    }

    #[test]
    fn only_what_was_live_may_come_back() {
        let some = standing(&[(3, 'c', None), (2, 'b', None), (1, 'a', None)]);
        let proof = |digit| some.proof(&digest(digit)).map(|proof| proof.version);
        assert_eq!(
            [proof('a'), proof('c'), proof('d')],
            [Some(1), Some(3), None]
        );
    }

    #[test]
    fn modal_goes_back_where_its_history_allows() {
        let some = standing(&[
            (5, 'd', Some(true)),
            (4, 'a', Some(false)),
            (3, 'a', Some(true)),
            (2, 'b', Some(false)),
        ]);
        let native = |digit| some.native(&digest(digit));
        assert_eq!(native('d'), Native::Live);
        assert_eq!(native('a'), Native::To(3));
        assert_eq!(native('b'), Native::Refused(2));
        assert_eq!(native('c'), Native::None);
        // Where nobody can tell, Modal is asked.
        assert_eq!(
            standing(&[(2, 'b', None), (1, 'a', None)]).native(&digest('a')),
            Native::To(1)
        );
    }
}
