//! What Modal says of the target: whether a deploy there can work, and what a person holds.

use std::collections::{BTreeMap, BTreeSet};

use modal_deploy::preflight::{self, Check, Finding, Status, Wanted};
use modal_deploy::{Control, DeployImage, ModalError, Processor, record, rollback};
use promotion::PromotionPlan;
use registry_model::{Digest, Environment, Platform, ProcessorRef};
use tokio_util::sync::CancellationToken;

use super::super::args::PromoteArgs;
use super::super::context::{filled, set};
use super::super::modal::control;
use super::super::secrets::{mask_all, source};
use super::side::Side;
use crate::exit::Exit;
use crate::ui::Failure;

/// What the machine of a deploy has is no matter of the environment.
const ASKED: [Check; 6] = [
    Check::Token,
    Check::Environment,
    Check::ImageBuilder,
    Check::RegistryAuth,
    Check::Secret,
    Check::AppName,
];

/// What was found out.
#[derive(Default)]
pub(super) struct Modal {
    control: Option<Control>,
    /// What a deploy would fail for, each with its cure.
    pub(super) gaps: Vec<String>,
    /// The digests at which a person holds processors.
    pub(super) held: BTreeMap<ProcessorRef, Digest>,
    pub(super) notices: Vec<String>,
}

impl Modal {
    pub(super) async fn look(
        args: &PromoteArgs,
        from: &Side,
        to: &Side,
        plan: &PromotionPlan,
        cancel: &CancellationToken,
    ) -> Result<Self, Failure> {
        let mut found = Self::default();
        let (place, release) = (&plan.to, filled(&args.release_hold).join(","));
        if plan.is_empty() {
            if release.is_empty() {
                return Ok(found);
            }
            let text = format!("end the hold of `{release}` in `{place}`: nothing moves there");
            let hint = format!("run `pipeline deploy --env {place} --release-hold {release}`");
            return Err(Failure::new(Exit::Input, text).with_hint(Some(hint)));
        }
        let asked = control(&args.modal, cancel).await;
        let known = ["MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"];
        if let Err(error) = &asked
            && known.into_iter().all(|name| set(name).is_none())
        {
            if args.merge && !release.is_empty() {
                let text = format!(
                    "end the hold of `{release}` in `{place}`: Modal cannot be asked: failed to \
                     {error}"
                );
                let hint = format!("set {}, or leave --release-hold out", known.join(" and "));
                return Err(Failure::new(Exit::Input, text).with_hint(Some(hint)));
            }
            found.notices.push(format!(
                "secrets, image builder and holds in {} are not known, as Modal cannot be asked: \
                 failed to {error}",
                plan.to
            ));
            return Ok(found);
        }
        if args.no_parity {
            // Nobody would know what a person holds.
            if let Err(error) = asked {
                return Err(refused(error));
            }
            found.notices.push(format!(
                "{} is not compared with what a deploy there will need: --no-parity",
                plan.to
            ));
        } else {
            let wanted = wanted(args, from, to, plan)?;
            mask_all(&wanted.at_hand());
            let report = preflight::run(asked.as_ref(), &wanted, cancel).await?;
            let about = |one: &&Finding| ASKED.contains(&one.check);
            found.gaps = report
                .with(Status::Failed)
                .filter(about)
                .map(line)
                .collect();
            let warned = report.with(Status::Warning).filter(about);
            // That a value is only at Modal is as it should be: nothing is deployed from here.
            let warned = warned.filter(|one| one.check != Check::Secret);
            found.notices.extend(warned.map(said));
        }
        if let Ok(control) = asked {
            found.ask_for_holds(&control, plan, cancel).await?;
            found.control = Some(control);
        }
        Ok(found)
    }

    async fn ask_for_holds(
        &mut self,
        control: &Control,
        plan: &PromotionPlan,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let asked = async {
            let all = control.environments(cancel).await?;
            if !all.iter().any(|one| one.name == plan.to.as_str()) {
                return Ok(None);
            }
            record::read(control, &plan.to, cancel).await
        };
        match asked.await {
            Ok(Some(record)) => {
                for one in &plan.comparisons {
                    if let Some(held) = record.hold(&one.reference.app_name()) {
                        self.held.insert(one.reference.clone(), held);
                    }
                }
            }
            Ok(None) => {}
            Err(error) if error.is_cancelled() => return Err(error.into()),
            // It is told already.
            Err(_) if !self.gaps.is_empty() => {}
            Err(error) => return Err(refused(error)),
        }
        Ok(())
    }

    /// What goes to the branch, and not to the app.
    pub(super) fn stay_held(
        &self,
        plan: &PromotionPlan,
        released: &BTreeSet<ProcessorRef>,
    ) -> Vec<String> {
        let held = self.held.iter().filter(|(it, _)| !released.contains(it));
        let held = held.filter(|(reference, held)| {
            let mut moves = plan.moves().filter(|one| one.reference == **reference);
            moves.any(|one| one.change.target().is_some_and(|new| new.digest != **held))
        });
        held.map(|(reference, held)| {
            format!(
                "{reference} stays at {} in {}, where a person holds it: --release-hold \
                 {reference} ends that",
                held.short(),
                plan.to
            )
        })
        .collect()
    }

    /// Ends holds, after the new pins are there.
    pub(super) async fn release(
        &self,
        environment: &Environment,
        released: &BTreeSet<ProcessorRef>,
        cancel: &CancellationToken,
    ) -> Result<Vec<String>, Failure> {
        let Some(control) = &self.control else {
            return Ok(Vec::new());
        };
        let mut notices = Vec::new();
        for reference in released {
            let app = reference.app_name();
            if let Some(held) = rollback::release(control, environment, &app, cancel).await? {
                let held = held.short();
                notices.push(format!("{reference} was held at {held}, and no longer is"));
            }
        }
        Ok(notices)
    }
}

fn refused(error: ModalError) -> Failure {
    let mut failure = Failure::from(error);
    failure.exit = Exit::Promotion;
    failure
}

/// What would be deployed: the processors that move, as the target will have them. Everything of
/// the source brings its settings along, while the pins of some change those of the target only.
fn wanted(
    args: &PromoteArgs,
    from: &Side,
    to: &Side,
    plan: &PromotionPlan,
) -> Result<Wanted, Failure> {
    let moving: BTreeSet<&ProcessorRef> = plan.moves().map(|one| &one.reference).collect();
    let platform = Platform::linux_amd64();
    let after = match filled(&args.repo.processors).is_empty() {
        true => from,
        false => to,
    };
    let entries = after.entries(&moving);
    Ok(Wanted {
        environment: plan.to.clone(),
        environments: vec![plan.from.clone(), plan.to.clone()],
        processors: entries
            .map(|entry| Processor {
                // The gate asks about images, once each.
                image: DeployImage::Pending(None),
                ..Processor::from_entry(entry, &platform)
            })
            .collect(),
        all: after
            .registry
            .entries
            .iter()
            .map(|entry| entry.reference.clone())
            .collect(),
        shared: after.config.shared_secrets(),
        values: source(&args.secrets)?.with_names(after.config.secret_names()?),
        deploy: after.config.deploy_options(after.folder.path()),
        create_environment: false,
    })
}

fn line(finding: &Finding) -> String {
    let cure = finding.cure.as_ref();
    let cure = cure.map_or_else(String::new, |cure| format!("\nhint: {cure}"));
    said(finding) + &cure
}

fn said(finding: &Finding) -> String {
    let Finding {
        check,
        subject,
        text,
        ..
    } = finding;
    format!("{check} `{subject}`: {text}")
}
