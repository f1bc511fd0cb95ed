//! Whether each processor may go on, from what lies beside its images. Asks nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use receipts::statement::Kind;
use receipts::verify::{Requirement, Standing, Verdict, bypass, is_bypass, standing};
use registry_model::{Digest, Environment, PinPlace, PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};

use crate::board::ProofState;
use crate::{Bypass, Change, Comparison, PromotionError, PromotionPlan};

/// What is asked of an image before it goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Each of these must have been passed.
    pub require: Vec<Requirement>,
    /// Whether one that somebody let into an environment against the rules counts as promoted to
    /// it.
    pub accept_bypass: bool,
}

/// What was found out about the images of a plan.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What lies beside each image, judged; or why nobody can tell.
    pub judged: BTreeMap<PinnedImage, Result<Vec<Verdict>, String>>,
    /// What the target pins and the source never did.
    pub foreign: BTreeSet<Digest>,
    /// The pins that only the target has changed since the two were last brought together: a merge
    /// would leave them as they are.
    pub reverted: BTreeSet<(ProcessorRef, PinPlace)>,
    /// The digests at which a person holds processors in the target, where that stands in the way.
    pub held: BTreeMap<ProcessorRef, Digest>,
    /// The pins for which the target has no place, where no file can be brought along.
    pub without_place: BTreeSet<(ProcessorRef, PinPlace)>,
    /// The images that a merge would bring into the place of others, and that no plan shows: the
    /// source has disabled them, or leaves them out.
    pub hidden: BTreeMap<ProcessorRef, BTreeSet<Digest>>,
}

/// Whether one processor may go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Admission {
    /// The processor.
    #[serde(rename = "ref")]
    pub reference: ProcessorRef,
    /// How its new images stand with each requirement.
    pub proofs: Vec<Proof>,
    /// Why it may not go; empty when it may.
    pub why_not: Vec<WhyNot>,
}

/// How an image stands with one requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Proof {
    /// The image.
    pub image: PinnedImage,
    /// What is asked of it.
    pub requirement: Requirement,
    /// How it stands.
    pub state: ProofState,
    /// Why it is not passed.
    pub why: Option<String>,
    /// The manifest of the receipt that decides.
    pub receipt: Option<Digest>,
    /// When that was made.
    pub at: Option<Timestamp>,
}

/// Why a processor may not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WhyNot {
    /// The rule that it breaks.
    pub rule: Rule,
    /// What is wrong, for people.
    pub text: String,
    /// What to do about it.
    pub cure: String,
}

/// The rules of promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The source has an image for it.
    Built,
    /// The image has the receipts that are required.
    Receipt,
    /// What the target has came from the source.
    Origin,
    /// The target has not changed the pin by itself.
    Reverted,
    /// The target has a place for the pin.
    Place,
    /// No person holds it.
    Hold,
    /// The plan shows every pin that a merge changes.
    Hidden,
}

impl Rule {
    /// Whether somebody who takes the responsibility may set it aside. The others are about what
    /// can be done at all, or have a way of their own.
    #[must_use]
    pub fn can_be_bypassed(self) -> bool {
        matches!(self, Self::Receipt | Self::Origin)
    }
}

impl Rules {
    /// Those that count where nobody has set any: accepted, and deployed in the source.
    #[must_use]
    pub fn usual(from: &Environment) -> Self {
        let requirement = |kind, environment| Requirement { kind, environment };
        Self {
            require: vec![
                requirement(Kind::Acceptance, None),
                requirement(Kind::Deployment, Some(from.clone())),
            ],
            accept_bypass: false,
        }
    }

    /// How an image with these receipts stands with each requirement.
    #[must_use]
    pub fn prove(&self, image: &PinnedImage, judged: Result<&[Verdict], &str>) -> Vec<Proof> {
        let prove = |requirement: &Requirement| {
            let (state, why, verdict) = match judged {
                Ok(verdicts) => self.stand(verdicts, requirement),
                Err(problem) => (ProofState::Unknown, Some(problem.to_owned()), None),
            };
            let receipt = verdict.and_then(|verdict| verdict.receipt.as_ref());
            Proof {
                image: image.clone(),
                requirement: requirement.clone(),
                state,
                why,
                receipt: verdict.map(|verdict| verdict.place.digest.clone()),
                at: receipt.and_then(|receipt| receipt.facts.time),
            }
        };
        self.require.iter().map(prove).collect()
    }

    fn stand<'v>(
        &self,
        verdicts: &'v [Verdict],
        requirement: &Requirement,
    ) -> (ProofState, Option<String>, Option<&'v Verdict>) {
        let why = || requirement.lacks(verdicts);
        match standing(verdicts, requirement) {
            Standing::Passed(verdict) => (ProofState::Passed, None, Some(verdict)),
            Standing::Failed(verdict) if self.accept_bypass && is_bypass(verdict) => {
                (ProofState::Passed, None, Some(verdict))
            }
            Standing::Failed(verdict) => (ProofState::Failed, why(), Some(verdict)),
            Standing::Refused(verdict) => (ProofState::Refused, why(), Some(verdict)),
            Standing::Missing => (ProofState::Missing, why(), None),
        }
    }
}

/// Judges every processor that the plan would move, could not move, or that the target has from
/// elsewhere; in the order of the plan.
#[must_use]
pub fn gate(plan: &PromotionPlan, rules: &Rules, evidence: &Evidence) -> Vec<Admission> {
    let mut admissions: Vec<Admission> = Vec::new();
    for comparison in &plan.comparisons {
        let found = evidence.judge(plan, rules, comparison);
        let moves = comparison.change.target().is_some();
        if !moves && found.why_not.is_empty() {
            continue;
        }
        match admissions.last_mut() {
            Some(last) if last.reference == found.reference => {
                last.proofs.extend(found.proofs);
                for why in found.why_not {
                    last.add(why);
                }
            }
            _ => admissions.push(found),
        }
    }
    for (reference, images) in &evidence.hidden {
        let place = admissions
            .iter()
            .position(|one| one.reference >= *reference);
        let place = place.unwrap_or(admissions.len());
        let is_there = admissions.get(place);
        if is_there.is_none_or(|one| one.reference != *reference) {
            let admission = Admission {
                reference: reference.clone(),
                proofs: Vec::new(),
                why_not: Vec::new(),
            };
            admissions.insert(place, admission);
        }
        for image in images {
            admissions[place].add(hidden(plan, image));
        }
    }
    admissions
}

fn hidden(plan: &PromotionPlan, image: &Digest) -> WhyNot {
    let (from, to) = (&plan.from, &plan.to);
    WhyNot {
        rule: Rule::Hidden,
        text: format!(
            "{from} has {} out of sight, where {to} pins another: it is disabled there, or \
             pipeline.yml leaves it out",
            image.short()
        ),
        cure: format!(
            "enable and name it in {from}, so that it is asked about, or pin there what {to} \
             pins; --processors leaves it as it is"
        ),
    }
}

/// Fails when a processor may not go on, with all that stands in the way. With `bypass` only what
/// [nobody can set aside](Rule::can_be_bypassed) does.
///
/// # Errors
/// [`PromotionError::Refused`].
pub fn admit(
    plan: &PromotionPlan,
    admissions: &[Admission],
    bypass: Option<&Bypass>,
) -> Result<(), PromotionError> {
    let mut refused = admissions.to_vec();
    for admission in &mut refused {
        let stands = |why: &WhyNot| bypass.is_none() || !why.rule.can_be_bypassed();
        admission.why_not.retain(stands);
    }
    refused.retain(Admission::is_refused);
    match refused.is_empty() {
        true => Ok(()),
        false => Err(PromotionError::Refused {
            from: plan.from.clone(),
            to: plan.to.clone(),
            refused,
        }),
    }
}

impl Evidence {
    fn judge(&self, plan: &PromotionPlan, rules: &Rules, one: &Comparison) -> Admission {
        let (from, to) = (&plan.from, &plan.to);
        let mut admission = Admission {
            reference: one.reference.clone(),
            proofs: Vec::new(),
            why_not: Vec::new(),
        };
        let mut refuse = |rule, text: String, cure: String| {
            admission.why_not.push(WhyNot { rule, text, cure });
        };
        if let Some(current) = one.change.current()
            && self.foreign.contains(&current.digest)
            && !self.is_excused(current, to)
        {
            refuse(
                Rule::Origin,
                format!(
                    "{to} has {}, which never was in {from}: it was rebuilt on the way, or pinned \
                     in {to} by itself",
                    current.digest.short()
                ),
                format!("pin {current} in {from}, too, or promote with --bypass to give it up"),
            );
        }
        if let Change::Pending { .. } = one.change {
            refuse(
                Rule::Built,
                format!("not pinned in {from} yet"),
                format!("merge the open pin request into `{from}`, or run build-and-pin there"),
            );
        }
        let Some(new) = one.change.target() else {
            return admission;
        };
        let pin = (one.reference.clone(), one.place.clone());
        if self.reverted.contains(&pin) {
            refuse(
                Rule::Reverted,
                format!("{to} changed this pin by itself, and a merge would leave it so"),
                format!("name it with --processors to bring it to {to} all the same"),
            );
        }
        if self.without_place.contains(&pin) {
            refuse(
                Rule::Place,
                format!("no registry file in {to} has this pin"),
                "promote everything once: that brings the files".to_owned(),
            );
        }
        if let Some(held) = self
            .held
            .get(&one.reference)
            .filter(|it| **it != new.digest)
        {
            refuse(
                Rule::Hold,
                format!("a person holds it in {to} at {}", held.short()),
                format!(
                    "give --release-hold {} to go on all the same",
                    one.reference
                ),
            );
        }
        let judged = self.judged.get(new).map_or(
            // Nobody looked.
            Ok(&[][..]),
            |judged| judged.as_deref().map_err(String::as_str),
        );
        admission.proofs = rules.prove(new, judged);
        let lacking = admission.proofs.iter().filter_map(|proof| {
            let why = proof.why.as_ref()?;
            Some(WhyNot {
                rule: Rule::Receipt,
                text: format!("{why} ({})", new.digest.short()),
                cure: cure(proof),
            })
        });
        let lacking: Vec<WhyNot> = lacking.collect();
        for why in lacking {
            admission.add(why);
        }
        admission
    }

    /// Whether somebody took the responsibility for what the target has.
    fn is_excused(&self, image: &PinnedImage, to: &Environment) -> bool {
        let judged = self.judged.get(image);
        judged.is_some_and(|judged| {
            judged
                .as_ref()
                .is_ok_and(|verdicts| bypass(verdicts, to).is_some())
        })
    }
}

fn cure(proof: &Proof) -> String {
    let environment = proof.requirement.environment.as_ref();
    let with = |command: &str, option: &str| match environment {
        Some(environment) => format!("`pipeline {command} {option} {environment}`"),
        None => format!("`pipeline {command}`"),
    };
    let stage = match (proof.state, proof.requirement.kind) {
        (ProofState::Unknown, _) => {
            return "see that the registry can be reached and read".to_owned();
        }
        (ProofState::Refused, _) => {
            return "let it be written again, with a key of `receipts.keys`".to_owned();
        }
        (_, Kind::Build) => "`pipeline build`".to_owned(),
        (_, Kind::Acceptance) => "`pipeline accept`".to_owned(),
        (_, Kind::Deployment) => with("deploy", "--env"),
        (_, Kind::Promotion) => with("promote", "--to"),
    };
    format!("run {stage}, and `pipeline attest` with its report")
}

impl Admission {
    /// Whether something stands in the way.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        !self.why_not.is_empty()
    }

    /// Each reason is told once: several requirements, or platforms, may have the same.
    fn add(&mut self, why: WhyNot) {
        if !self.why_not.contains(&why) {
            self.why_not.push(why);
        }
    }
}

impl fmt::Display for Admission {
    /// One line for each thing that stands in the way, with its cure.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, why) in self.why_not.iter().enumerate() {
            let line = if index > 0 { "\n" } else { "" };
            write!(
                f,
                "{line}  - {}: {}\n    hint: {}",
                self.reference, why.text, why.cure
            )?;
        }
        Ok(())
    }
}
