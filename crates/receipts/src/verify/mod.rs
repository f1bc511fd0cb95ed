//! Whether a receipt may be believed, and what the believed ones prove.

mod refusal;
mod standing;

pub use refusal::Refusal;
pub use standing::{Requirement, Standing, already_accepted, bypass, is_bypass, standing};

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use registry_model::{Digest, PinnedImage, Repository};
use serde::{Deserialize, Serialize};

use crate::dsse::{Envelope, IN_TOTO};
use crate::keys::{KeyId, VerifyingKey};
use crate::statement::Receipt;
use crate::store::{Claim, Flaw, Found, Source};

/// How far the clock of who wrote a receipt may be ahead of ours.
pub const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Which receipts are believed.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// One of these keys must have signed. Without any, whoever may write to the registry is
    /// believed.
    pub keys: Vec<VerifyingKey>,
    /// The repository that the statement must name. `None` takes any, as for an image that was
    /// copied from another registry.
    pub repository: Option<Repository>,
    /// How old a receipt may be.
    pub max_age: Option<Duration>,
}

/// What became of one receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// The artifact; for cosign's, the layer.
    pub place: PinnedImage,
    /// Where it was found.
    pub source: Source,
    /// The digest of what it says.
    pub statement: Option<Digest>,
    /// The configured key that signed it.
    pub signed_by: Option<KeyId>,
    /// Why it is not believed; `None` when it is.
    pub refusal: Option<Refusal>,
    /// What it says, as far as it can be read: to be believed only without a refusal.
    pub receipt: Option<Receipt>,
    /// What its list says of it, where it cannot be read or is not what the list says. Not signed: it
    /// can stand in the way, and prove nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
}

impl Verdict {
    /// What it says, if that may be believed.
    #[must_use]
    pub fn believed(&self) -> Option<&Receipt> {
        match self.refusal {
            None => self.receipt.as_ref(),
            Some(_) => None,
        }
    }
}

impl Policy {
    /// Judges all that was found beside an image, at the time `now`.
    #[must_use]
    pub fn judge(&self, found: &[Found], now: Timestamp) -> Vec<Verdict> {
        found.iter().map(|one| self.judge_one(one, now)).collect()
    }

    fn judge_one(&self, found: &Found, now: Timestamp) -> Verdict {
        let mut verdict = self.refuse_or_believe(found, now);
        let is_lost = matches!(
            verdict.refusal,
            Some(Refusal::Unreadable { .. } | Refusal::Altered { .. })
        );
        if is_lost {
            let claim = found.promised.as_ref().and_then(|it| it.claim.clone());
            verdict.claim = claim.filter(|claim| !is_from_the_future(claim.time, now));
        }
        verdict
    }

    fn refuse_or_believe(&self, found: &Found, now: Timestamp) -> Verdict {
        let mut verdict = Verdict {
            place: found.place.clone(),
            source: found.source,
            statement: None,
            signed_by: None,
            refusal: None,
            receipt: None,
            claim: None,
        };
        let envelope = match &found.content {
            Ok(envelope) => envelope,
            Err(flaw) => {
                verdict.refusal = Some(flaw.into());
                return verdict;
            }
        };
        let signer = envelope.signer(&self.keys);
        verdict.signed_by = signer.map(|key| key.id().clone());
        verdict.statement = Some(envelope.statement());
        let read = read(envelope);
        verdict.receipt = read.as_ref().ok().cloned();
        // First whether it is genuine; only then is what it says worth a look.
        verdict.refusal = altered(found, envelope)
            .or_else(|| self.signature(envelope, signer))
            .or_else(|| match &read {
                Ok(receipt) => self.content(&found.image, receipt, now),
                Err(refusal) => Some(refusal.clone()),
            });
        verdict
    }

    fn signature(&self, envelope: &Envelope, signer: Option<&VerifyingKey>) -> Option<Refusal> {
        if self.keys.is_empty() || signer.is_some() {
            return None;
        }
        let signatures = &envelope.signatures;
        if signatures.is_empty() {
            return Some(Refusal::Unsigned);
        }
        // Names are not signed: they tell a stranger's receipt from one that claims to be ours.
        let known = |keyid: &str| self.keys.iter().any(|key| key.id().to_string() == keyid);
        if envelope.certified && !signatures.iter().any(|it| known(&it.keyid)) {
            return Some(Refusal::Identity);
        }
        let strange = |keyid: &str| !keyid.is_empty() && !known(keyid);
        match signatures.iter().all(|it| strange(&it.keyid)) {
            true => Some(Refusal::UnknownKey {
                names: signatures
                    .iter()
                    .map(|it| {
                        it.keyid
                            .chars()
                            .filter(|c| !c.is_control())
                            .take(100)
                            .collect()
                    })
                    .collect(),
            }),
            false => Some(Refusal::Forged),
        }
    }

    fn content(&self, image: &PinnedImage, receipt: &Receipt, now: Timestamp) -> Option<Refusal> {
        let about: Vec<_> = receipt
            .subjects
            .iter()
            .filter(|subject| subject.digest == image.digest)
            .collect();
        if about.is_empty() {
            let names = receipt.subjects.iter().map(|it| it.digest.clone());
            return Some(Refusal::Replayed {
                names: names.take(3).collect(),
            });
        }
        if let Some(repository) = &self.repository
            && !about.iter().any(|it| is_name_of(&it.name, repository))
        {
            let names = about.iter().map(|it| it.name.clone());
            return Some(Refusal::OtherRepository {
                names: names.take(3).collect(),
            });
        }
        self.age(receipt, now)
    }

    fn age(&self, receipt: &Receipt, now: Timestamp) -> Option<Refusal> {
        let facts = &receipt.facts;
        if let Some(time) = facts.time
            && is_from_the_future(facts.time, now)
        {
            return Some(Refusal::FromTheFuture { time });
        }
        let too_old = match (self.max_age, facts.time) {
            (None, _) => None,
            (Some(_), None) => return Some(Refusal::Undated),
            // One that would end after the end of time does not end.
            (Some(age), Some(time)) => time.checked_add(age).ok(),
        };
        let ends = [facts.expires, too_old].into_iter().flatten().min()?;
        (ends <= now).then_some(Refusal::Expired { since: ends })
    }
}

fn is_from_the_future(time: Option<Timestamp>, now: Timestamp) -> bool {
    time.is_some_and(|time| time.duration_since(now) > SKEW)
}

fn read(envelope: &Envelope) -> Result<Receipt, Refusal> {
    if envelope.payload_type != IN_TOTO {
        return Err(Refusal::Unreadable {
            problem: "its content is no in-toto statement".to_owned(),
        });
    }
    Receipt::from_statement(&envelope.payload).map_err(|error| Refusal::Unreadable {
        problem: error.problem,
    })
}

fn altered(found: &Found, envelope: &Envelope) -> Option<Refusal> {
    let promised = found.promised.as_ref()?.statement.as_ref()?;
    let statement = envelope.statement();
    (*promised != statement).then(|| Refusal::Altered {
        problem: format!("its list has {promised} for it, and it is {statement}"),
    })
}

/// cosign writes Docker Hub with the name of its API.
fn is_name_of(name: &str, repository: &Repository) -> bool {
    let name = match name.strip_prefix("index.docker.io/") {
        Some(path) => format!("docker.io/{path}"),
        None => name.to_owned(),
    };
    name == repository.as_str()
}

impl From<&Flaw> for Refusal {
    fn from(flaw: &Flaw) -> Self {
        match flaw.clone() {
            Flaw::Altered(problem) => Self::Altered { problem },
            Flaw::Unreadable(problem) => Self::Unreadable { problem },
        }
    }
}
