use std::path::Path;

use jiff::Timestamp;
use receipts::Store;
use receipts::keys::KeyId;
use receipts::statement::Receipt;
use receipts::store::Source;
use receipts::verify::{Policy, Verdict};
use registry_model::PinnedImage;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::args::ReceiptsArgs;
use super::context::images;
use super::output::table;
use super::report::{self, Report};
use super::stage::{End, stage};
use crate::config::Config;
use crate::exit::Exit;
use crate::ui::Failure;

/// As many digits of a key's name as tell it from others.
const DIGITS_OF_KEY: usize = 12;

/// What lies beside an image, and what of it is believed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ReceiptsReport {
    schema: u32,
    image: PinnedImage,
    /// The keys of which one must have signed.
    keys: Vec<KeyId>,
    /// The newest first.
    receipts: Vec<Verdict>,
    /// Why what was required is not met; empty when it is.
    lacking: Vec<String>,
}

pub(super) async fn run(args: &ReceiptsArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let policy = policy(args)?;
    let store = Store::new(images()?);
    let work = async {
        let found = store.read_all(&args.image, cancel).await?;
        let mut receipts = policy.judge(&found, Timestamp::now());
        receipts.sort_by_key(|verdict| std::cmp::Reverse(time(verdict)));
        // As a gate would see it: that asks for our own alone, whatever else others left here.
        let of_gate = receipts.iter().filter(|it| it.source == Source::Referrer);
        let of_gate: Vec<Verdict> = of_gate.cloned().collect();
        let lacking = args.require.iter();
        let lacking = lacking.filter_map(|required| required.0.lacks(&of_gate));
        Ok(ReceiptsReport {
            schema: 1,
            image: args.image.clone(),
            keys: policy.keys.iter().map(|key| key.id().clone()).collect(),
            lacking: lacking.collect(),
            receipts,
        })
    };
    let report = stage("receipts", work, |report| {
        let (all, lacking) = (report.receipts.len(), report.lacking.len());
        let believed = report.receipts.iter().filter_map(Verdict::believed).count();
        match lacking {
            0 => End::Done(format!("{believed} of {all} believed")),
            _ => End::Failed(format!("{lacking} of {} not met", args.require.len())),
        }
    })
    .await?;
    let delivered = to.deliver(&report, || show(&report));
    report::ended(ended(&report), delivered)
}

fn policy(args: &ReceiptsArgs) -> Result<Policy, Failure> {
    let mut configured = Config::load(&args.repo)?.receipts;
    let policy = if args.keys.is_empty() {
        configured.policy(&args.repo)
    } else {
        configured.keys.clone_from(&args.keys);
        configured.policy(Path::new(""))
    };
    Ok(Policy {
        repository: Some(args.image.repository.clone()),
        ..policy?
    })
}

fn ended(report: &ReceiptsReport) -> Result<Exit, Failure> {
    if report.lacking.is_empty() {
        return Ok(Exit::Done);
    }
    let lines = report.lacking.iter().map(|why| format!("\n  - {why}"));
    let text = format!(
        "find what is required of `{}`:{}",
        report.image,
        lines.collect::<String>()
    );
    let hint = "run the stage that leaves this receipt; it must be signed with one of the keys of \
                `receipts.keys` of pipeline.yml, or of --key";
    Err(Failure::new(Exit::Promotion, text).with_hint(Some(hint.to_owned())))
}

fn show(report: &ReceiptsReport) -> String {
    if report.receipts.is_empty() {
        return format!("no receipts beside {}\n", report.image);
    }
    let rows: Vec<Vec<String>> = report.receipts.iter().map(row).collect();
    let heading = ["receipt", "outcome", "environment", "when", "by", "verdict"];
    table(&heading, &rows)
}

fn row(verdict: &Verdict) -> Vec<String> {
    let receipt = verdict.receipt.as_ref();
    let said = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let facts = receipt.map(|receipt| &receipt.facts);
    let environment = facts.and_then(|facts| facts.environment.as_ref());
    let kind = receipt.map(|receipt| match receipt.kind() {
        Some(kind) => kind.to_string(),
        None => receipt.predicate_type().to_owned(),
    });
    let outcome = receipt.and_then(Receipt::outcome);
    vec![
        said(kind),
        said(outcome.map(|outcome| outcome.to_string())),
        said(environment.map(ToString::to_string)),
        said(time(verdict).map(|time| time.to_string())),
        said(facts.and_then(|facts| facts.by.clone())),
        believed(verdict),
    ]
}

fn believed(verdict: &Verdict) -> String {
    match (&verdict.refusal, &verdict.signed_by) {
        (Some(refusal), _) => format!("refused: {refusal}"),
        (None, Some(key)) => {
            let name: String = key.to_string().chars().take(DIGITS_OF_KEY).collect();
            format!("signed by {name}")
        }
        (None, None) => "believed, as no key is configured".to_owned(),
    }
}

fn time(verdict: &Verdict) -> Option<Timestamp> {
    verdict.receipt.as_ref()?.facts.time
}
