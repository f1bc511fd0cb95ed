//! Plans as tables, and runs against a forge with fixed answers.

#![expect(clippy::unwrap_used, reason = "helpers of a test may stop it")]

use std::sync::Mutex;

use github::{CommitSha, GithubError, NewPullRequest, PullRequest};
use promotion::{
    Change, Forge, Processor, PromotionError, PromotionPlan, PromotionReport, Standing, plan, run,
};
use registry_model::{Environment, Pin, PinPlace, PinState, PinnedImage};
use tokio_util::sync::CancellationToken;

fn environment(name: &str) -> Environment {
    name.parse().unwrap()
}

fn commit(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().unwrap()
}

fn image(digit: char) -> PinnedImage {
    format!("ghcr.io/acme/app@sha256:{}", digit.to_string().repeat(64))
        .parse()
        .unwrap()
}

/// A pin: a digit for its digest, `-` for pending.
fn pin(place: PinPlace, what: char) -> Pin {
    let state = match what {
        '-' => PinState::Pending { found: None },
        digit => PinState::Pinned(image(digit)),
    };
    Pin { place, state }
}

fn processor(reference: &str, what: char) -> Processor {
    Processor {
        reference: reference.parse().unwrap(),
        pins: vec![pin(PinPlace::Oci, what)],
    }
}

fn standing(name: &str, at: char, processors: Vec<Processor>) -> Standing {
    Standing {
        environment: environment(name),
        commit: commit(at),
        processors,
    }
}

/// One line a pin: `a/b@1 oci: 1 -> 2`.
fn lines(plan: &PromotionPlan) -> Vec<String> {
    let digit = |image: &PinnedImage| image.digest.hex()[..1].to_owned();
    plan.comparisons
        .iter()
        .map(|comparison| {
            let place = match &comparison.place {
                PinPlace::Oci => "oci".to_owned(),
                PinPlace::Platform(platform) => platform.to_string(),
            };
            let change = match &comparison.change {
                Change::Same { image } => format!("same {}", digit(image)),
                Change::Move { old, new } => format!("{} -> {}", digit(old), digit(new)),
                Change::New { new } => format!("new {}", digit(new)),
                Change::OnlyInTarget { old } => {
                    format!("only in target {}", old.as_ref().map_or("-".into(), digit))
                }
            };
            format!("{} {place}: {change}", comparison.reference)
        })
        .collect()
}

#[test]
fn every_pin_is_compared_once() {
    let dev = vec![
        processor("c/moved@1", '2'),
        processor("a/same@1", '1'),
        processor("b/new@1", '3'),
        processor("d/filled@1", '4'),
    ];
    let staging = vec![
        processor("a/same@1", '1'),
        processor("c/moved@1", '1'),
        processor("d/filled@1", '-'),
        processor("e/gone@1", '5'),
        processor("f/gone@1", '-'),
    ];
    let plan = plan(
        &standing("dev", 'a', dev),
        &standing("staging", 'b', staging),
    )
    .unwrap();
    assert_eq!(
        lines(&plan),
        [
            "a/same@1 oci: same 1",
            "b/new@1 oci: new 3",
            "c/moved@1 oci: 1 -> 2",
            "d/filled@1 oci: new 4",
            "e/gone@1 oci: only in target 5",
            "f/gone@1 oci: only in target -",
        ]
    );
    assert!(!plan.is_empty());
    assert_eq!(plan.commit, commit('a'));
}

#[test]
fn platforms_are_kept_apart() {
    let two = |amd64, arm64| {
        let place = |arch: &str| PinPlace::Platform(format!("linux/{arch}").parse().unwrap());
        vec![Processor {
            reference: "a/b@1".parse().unwrap(),
            pins: vec![pin(place("amd64"), amd64), pin(place("arm64"), arm64)],
        }]
    };
    let dev = standing("dev", 'a', two('1', '2'));
    let plan = plan(&dev, &standing("staging", 'b', two('1', '1'))).unwrap();
    assert_eq!(
        lines(&plan),
        ["a/b@1 linux/amd64: same 1", "a/b@1 linux/arm64: 1 -> 2"]
    );
    let moves = PromotionReport::planned(&plan).moves;
    assert_eq!(moves.len(), 1);
    assert_eq!(moves[0].platform.as_ref().unwrap().arch(), "arm64");
}

#[test]
fn the_same_pins_need_nothing() {
    let both = || vec![processor("a/b@1", '1')];
    let plan = plan(
        &standing("dev", 'a', both()),
        &standing("staging", 'b', both()),
    )
    .unwrap();
    assert!(plan.is_empty());
    // What the target alone has is not touched, so it is no work either.
    let more = vec![processor("a/b@1", '1'), processor("c/d@1", '2')];
    let more = promotion::plan(
        &standing("dev", 'a', both()),
        &standing("staging", 'b', more),
    );
    let more = more.unwrap();
    assert!(more.is_empty());
    let report = PromotionReport::planned(&more);
    assert_eq!((report.unchanged, report.only_in_target.len()), (1, 1));
}

#[test]
fn what_was_never_built_is_refused_by_name() {
    let dev = vec![
        processor("b/pending@1", '-'),
        processor("a/good@1", '1'),
        Processor {
            reference: "c/none@1".parse().unwrap(),
            pins: Vec::new(),
        },
    ];
    let error = plan(
        &standing("dev", 'a', dev),
        &standing("staging", 'b', Vec::new()),
    );
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        "promote `dev` to `staging`: not pinned yet: `b/pending@1`, `c/none@1`"
    );
    assert!(error.is_rule());
    assert!(error.hint().unwrap().contains("pin pull request"));
}

#[test]
fn refs_that_occur_twice_are_refused_on_either_side() {
    let twice = || vec![processor("a/b@1", '1'), processor("a/b@1", '1')];
    for (dev, staging, expected) in [
        (twice(), Vec::new(), "`dev`"),
        (Vec::new(), twice(), "`staging`"),
    ] {
        let error = plan(
            &standing("dev", 'a', dev),
            &standing("staging", 'b', staging),
        );
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains("`a/b@1`"),
            "{error}"
        );
    }
}

#[test]
fn an_environment_is_not_promoted_to_itself() {
    let dev = standing("dev", 'a', vec![processor("a/b@1", '1')]);
    let error = plan(&dev, &dev).unwrap_err();
    assert!(matches!(error, PromotionError::SameEnvironment { .. }));
}

/// Fixed answers, and a record of the calls.
#[derive(Default)]
struct Fake {
    open: Option<PullRequest>,
    unchanged: bool,
    blocked: bool,
    head: Option<char>,
    calls: Mutex<Vec<String>>,
    opened: Mutex<Vec<NewPullRequest>>,
}

impl Fake {
    fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

fn request(number: u64, at: char) -> PullRequest {
    PullRequest {
        number,
        url: format!("https://github.com/acme/processors/pull/{number}"),
        head: "dev".into(),
        base: "staging".into(),
        head_sha: commit(at),
    }
}

impl Forge for Fake {
    async fn find_open(&self, head: &str, base: &str) -> Result<Option<PullRequest>, GithubError> {
        self.note(format!("find {head} {base}"));
        Ok(self.open.clone())
    }

    async fn open(&self, wanted: &NewPullRequest) -> Result<PullRequest, GithubError> {
        self.note("open");
        if self.unchanged {
            return Err(GithubError::Unchanged {
                operation: "open".into(),
            });
        }
        self.opened.lock().unwrap().push(wanted.clone());
        Ok(request(7, self.head.unwrap_or('a')))
    }

    async fn merge(&self, request: &PullRequest) -> Result<CommitSha, GithubError> {
        self.note(format!("merge {}", request.number));
        if self.blocked {
            return Err(GithubError::NotMergeable {
                operation: "merge pull request 7".into(),
                message: "1 approving review is required".into(),
            });
        }
        Ok(commit('c'))
    }
}

fn one_move() -> PromotionPlan {
    let dev = vec![processor("a/new@1", '3'), processor("llm/litellm@1", '2')];
    let staging = vec![processor("llm/litellm@1", '1')];
    plan(
        &standing("dev", 'a', dev),
        &standing("staging", 'b', staging),
    )
    .unwrap()
}

async fn go(fake: &Fake) -> Result<PromotionReport, PromotionError> {
    run(&one_move(), fake, &CancellationToken::new()).await
}

#[tokio::test]
async fn a_promotion_is_one_pull_request_merged() {
    let fake = Fake::default();
    let report = go(&fake).await.unwrap();
    assert_eq!(fake.calls(), ["find dev staging", "open", "merge 7"]);
    let opened = fake.opened.lock().unwrap().pop().unwrap();
    assert_eq!(
        (opened.head.as_str(), opened.base.as_str()),
        ("dev", "staging")
    );
    insta::assert_snapshot!(format!("{}\n\n{}", opened.title, opened.body), @r"
    Promote dev to staging

    Merges `dev` at aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa into `staging`. The images are the ones that run in `dev`; nothing is built again.

    | processor | `staging` now | then |
    | --- | --- | --- |
    | `a/new@1` | – | `333333333333` |
    | `llm/litellm@1` | `111111111111` | `222222222222` |
    ");
    insta::assert_json_snapshot!(report, @r#"
    {
      "schema": 1,
      "from": "dev",
      "to": "staging",
      "commit": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "pull-request": {
        "number": 7,
        "url": "https://github.com/acme/processors/pull/7"
      },
      "merged": "cccccccccccccccccccccccccccccccccccccccc",
      "moves": [
        {
          "ref": "a/new@1",
          "platform": null,
          "old": null,
          "new": "ghcr.io/acme/app@sha256:3333333333333333333333333333333333333333333333333333333333333333"
        },
        {
          "ref": "llm/litellm@1",
          "platform": null,
          "old": "ghcr.io/acme/app@sha256:1111111111111111111111111111111111111111111111111111111111111111",
          "new": "ghcr.io/acme/app@sha256:2222222222222222222222222222222222222222222222222222222222222222"
        }
      ],
      "unchanged": 0,
      "only-in-target": []
    }
    "#);
    let again: PromotionReport =
        serde_json::from_value(serde_json::to_value(&report).unwrap()).unwrap();
    assert_eq!(again, report);
}

#[tokio::test]
async fn nothing_to_move_opens_nothing() {
    let both = || vec![processor("a/b@1", '1')];
    let empty = plan(
        &standing("dev", 'a', both()),
        &standing("staging", 'b', both()),
    )
    .unwrap();
    let fake = Fake::default();
    let report = run(&empty, &fake, &CancellationToken::new()).await.unwrap();
    assert!(fake.calls().is_empty());
    assert_eq!((report.pull_request, report.merged), (None, None));
}

#[tokio::test]
async fn an_open_pull_request_is_taken() {
    let fake = Fake {
        open: Some(request(3, 'a')),
        ..Fake::default()
    };
    let report = go(&fake).await.unwrap();
    assert_eq!(fake.calls(), ["find dev staging", "merge 3"]);
    assert_eq!(report.pull_request.unwrap().number, 3);
}

#[tokio::test]
async fn a_source_that_moved_is_not_merged() {
    let fake = Fake {
        head: Some('d'),
        ..Fake::default()
    };
    let error = go(&fake).await.unwrap_err();
    assert_eq!(fake.calls(), ["find dev staging", "open"]);
    assert_eq!(
        error.to_string(),
        "promote `dev` to `staging`: branch `dev` moved from aaaaaaa to ddddddd meanwhile"
    );
    assert!(error.is_rule());
}

#[tokio::test]
async fn a_target_that_changed_the_pins_back_is_told_apart() {
    let fake = Fake {
        unchanged: true,
        ..Fake::default()
    };
    let error = go(&fake).await.unwrap_err();
    assert!(
        matches!(error, PromotionError::Reverted { .. }),
        "{error:?}"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("revert that commit on `staging`")
    );
}

#[tokio::test]
async fn what_the_forge_refuses_is_passed_on_with_its_hint() {
    let fake = Fake {
        blocked: true,
        ..Fake::default()
    };
    let error = go(&fake).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("1 approving review is required"),
        "{source}"
    );
    assert!(!error.is_rule() && !error.is_cancelled());
}

#[tokio::test]
async fn a_cancelled_promotion_does_nothing() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let fake = Fake::default();
    let error = run(&one_move(), &fake, &cancel).await.unwrap_err();
    assert!(error.is_cancelled());
    assert!(fake.calls().is_empty());
}
