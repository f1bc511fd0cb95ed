use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use receipts::dsse::Envelope;
use receipts::statement::{
    Acceptance, Build, Deployment, Facts, Outcome, Predicate, Receipt, Smoke,
};
use receipts::store::{Found, Source};
use receipts::verify::{Policy, Verdict};
use registry_model::{
    Digest, Environment, Pin, PinPlace, PinState, PinnedImage, Platform, ProcessorRef,
};

use super::*;
use crate::{Processor, Rules, Standing};

const NAMES: [&str; 3] = ["dev", "staging", "main"];

fn digest(digit: char) -> Digest {
    format!("sha256:{}", String::from(digit).repeat(64))
        .parse()
        .unwrap()
}

fn image(name: &str, digit: char) -> PinnedImage {
    format!("ghcr.io/acme/{name}@{}", digest(digit))
        .parse()
        .unwrap()
}

fn reference(name: &str) -> ProcessorRef {
    format!("text/{name}@1").parse().unwrap()
}

fn at(minute: u32) -> Timestamp {
    format!("2026-03-01T{:02}:{:02}:00Z", minute / 60, minute % 60)
        .parse()
        .unwrap()
}

/// `digit` is `-` for a pending pin.
fn processor(name: &str, digit: char) -> Processor {
    let state = match digit {
        '-' => PinState::Pending { found: None },
        digit => PinState::Pinned(image(name, digit)),
    };
    Processor {
        reference: reference(name),
        file: format!("registry/{name}.yaml").into(),
        pins: vec![Pin {
            place: PinPlace::Oci,
            state,
        }],
    }
}

/// An environment that nobody has asked Modal about, and that has no history.
fn place(name: &str, processors: Vec<Processor>) -> Place {
    let environment: Environment = name.parse().unwrap();
    Place {
        rules: Rules::usual(&environment),
        standing: Standing {
            environment,
            commit: "a".repeat(40).parse().unwrap(),
            processors,
        },
        past: Past::default(),
        running: None,
        judged: BTreeMap::new(),
        is_followed: true,
    }
}

/// `registry/<name>.yaml` gets these digits; `-` for none.
fn change(minute: u32, name: &str, [old, new]: [char; 2]) -> PinChange {
    let images = |digit: char| match digit {
        '-' => Vec::new(),
        digit => vec![image(name, digit)],
    };
    PinChange {
        at: at(minute),
        commit: format!("{minute:040x}"),
        author: "A Person".into(),
        title: format!("at {minute}"),
        file: format!("registry/{name}.yaml").into(),
        removed: images(old),
        added: images(new),
    }
}

/// The changes are given with the oldest first.
fn past(mut changes: Vec<PinChange>) -> Past {
    changes.reverse();
    let images = changes
        .iter()
        .flat_map(|it| it.removed.iter().chain(&it.added));
    Past {
        digests: images.map(|image| image.digest.clone()).collect(),
        changes,
        is_cut: false,
    }
}

fn judged(image: &PinnedImage, predicates: Vec<(u32, Option<&str>, Predicate)>) -> Vec<Verdict> {
    let found: Vec<Found> = predicates
        .into_iter()
        .map(|(minute, environment, predicate)| {
            let facts = Facts {
                by: Some("octocat".into()),
                commit: Some("c".repeat(40)),
                environment: environment.map(|it| it.parse().unwrap()),
                ..Facts::at(at(minute))
            };
            let receipt = Receipt::about(image, facts, predicate);
            Found {
                place: image.clone(),
                image: image.clone(),
                source: Source::Referrer,
                promised: None,
                content: Ok(Envelope::seal(&receipt, None)),
            }
        })
        .collect();
    Policy::default().judge(&found, at(1000))
}

fn built(name: &str) -> Predicate {
    Predicate::Build(Build {
        processor: Some(reference(name)),
        ..Build::default()
    })
}

fn accepted(outcome: Outcome) -> Predicate {
    Predicate::Acceptance(Acceptance {
        outcome,
        suite: "contract".into(),
        inputs: None,
        report: None,
        passed: vec!["a".into(), "b".into()],
        warned: vec![],
        failed: vec![],
    })
}

fn deployed() -> Predicate {
    Predicate::Deployment(Deployment {
        outcome: Outcome::Passed,
        app: "text-upper-v1".into(),
        version: Some(3),
        smoke: Smoke::Passed,
    })
}

fn running(version: u32, digit: char) -> Running {
    Running {
        live: Live::Version {
            version: Some(version),
            digest: Some(digest(digit).to_string()),
            at: Some(at(30)),
        },
        ..Running::default()
    }
}

/// What each cell says, a line each.
fn told(board: &Board) -> String {
    let mut text = String::new();
    for row in &board.processors {
        for (environment, cell) in board.environments.iter().zip(&row.cells) {
            let pinned = cell.pinned.as_ref();
            let pinned = pinned.map_or("-".into(), |it| it.digest.hex()[..1].to_owned());
            let live = match &cell.live {
                Live::Unknown => "?".into(),
                Live::Nothing => "-".into(),
                Live::Version { version, .. } => format!("v{}", version.unwrap_or(0)),
            };
            let proofs: Vec<String> = cell
                .proofs
                .iter()
                .map(|proof| format!("{} {:?}", proof.requirement, proof.state))
                .collect();
            let platform = row.platform.as_ref();
            let platform = platform.map_or(String::new(), |it| format!(" {}", it.arch()));
            text.push_str(&format!(
                "{}{platform} {environment}: {pinned} live {live}, [{}]",
                row.reference,
                proofs.join(", ")
            ));
            for (what, list) in [("drift", &cell.drift), ("not on", &cell.why_not)] {
                if !list.is_empty() {
                    text.push_str(&format!(", {what}: {}", list.join(" + ")));
                }
            }
            text.push('\n');
        }
    }
    text
}

fn events(board: &Board) -> String {
    let digit = |digest: &Option<Digest>| {
        digest
            .as_ref()
            .map_or("-".to_owned(), |it| it.hex()[..1].to_owned())
    };
    let mut text = String::new();
    for event in &board.timeline {
        let moves = event.moves.iter();
        let moves: Vec<String> = moves
            .map(|one| format!("{} {}→{}", one.name, digit(&one.old), digit(&one.new)))
            .collect();
        text.push_str(&format!(
            "{} {} {:?}: {}\n",
            event.title,
            event.environment,
            event.kind,
            moves.join(", ")
        ));
    }
    text
}

#[test]
fn each_cell_says_what_is_pinned_live_and_proven() {
    let new = image("upper", '2');
    let old = image("upper", '1');
    let whole = || {
        vec![
            (1, None, built("upper")),
            (2, None, accepted(Outcome::Passed)),
            (3, Some("dev"), deployed()),
        ]
    };
    let held = Running {
        held: Some(digest('0')),
        drift: vec!["drifted: somebody".into()],
        ..running(7, '0')
    };
    let mut places = vec![
        place(
            "dev",
            vec![processor("lower", '-'), processor("upper", '2')],
        ),
        place("staging", vec![processor("upper", '1')]),
        place(
            "main",
            vec![processor("other", '5'), processor("upper", '1')],
        ),
    ];
    places[0].past = past(vec![
        change(10, "upper", ['-', '1']),
        change(20, "upper", ['1', '2']),
    ]);
    places[0].running = Some(BTreeMap::from([(reference("upper"), running(3, '2'))]));
    places[1].past = past(vec![change(15, "upper", ['-', '1'])]);
    places[1].running = Some(BTreeMap::from([(reference("upper"), held)]));
    let inputs = Inputs {
        made_at: at(60),
        title: "acme/models".into(),
        url: None,
        places,
        judged: BTreeMap::from([
            (new.clone(), Ok(judged(&new, whole()))),
            (
                old.clone(),
                Ok(judged(&old, vec![(2, None, accepted(Outcome::Failed))])),
            ),
        ]),
        strays: vec!["app x in dev is extra".into()],
        notices: vec!["live: not asked".into()],
    };
    let board = assemble(&inputs);
    insta::assert_snapshot!(told(&board), @"
    text/lower@1 dev: - live -, [], not on: not pinned yet
    text/lower@1 staging: - live -, []
    text/lower@1 main: - live ?, []
    text/other@1 dev: - live -, []
    text/other@1 staging: - live -, []
    text/other@1 main: 5 live ?, [acceptance Unknown, deployment in main Unknown]
    text/upper@1 dev: 2 live v3, [acceptance Passed, deployment in dev Passed], not on: a person holds it in staging at 000000000000
    text/upper@1 staging: 1 live v7, [acceptance Failed, deployment in staging Missing], drift: drifted: somebody
    text/upper@1 main: 1 live ?, [acceptance Failed, deployment in main Missing]
    ");
    let cell = &board.processors[2].cells[0];
    assert_eq!(
        (cell.pinned_at, cell.commit.as_deref()),
        (Some(at(20)), Some(&*format!("{:040x}", 20)))
    );
    assert_eq!(board.drift(), 2);
    let story = &board.images[&digest('2')];
    assert_eq!(story.source_commit.as_deref(), Some(&*"c".repeat(40)));
    let lines: Vec<String> = story
        .receipts
        .iter()
        .map(|line| format!("{} by {:?}: {}", line.kind, line.by, line.text))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    build by Some("octocat"): of text/upper@1
    acceptance by Some("octocat"): contract, 2 passed
    deployment by Some("octocat"): text-upper-v1 v3, smoke passed
    "#);
    let known: Vec<&str> = board.images.keys().map(|it| &it.hex()[..1]).collect();
    // Also what was pinned before, and what a person holds.
    assert_eq!(known, ["0", "1", "2", "5"]);
    let json = serde_json::to_string(&board).unwrap();
    assert_eq!(serde_json::from_str::<Board>(&json).unwrap(), board);
}

#[test]
fn what_nobody_asked_is_unknown() {
    let places = NAMES.map(|name| place(name, vec![processor("upper", '1')]));
    let mut inputs = Inputs {
        places: places.to_vec(),
        ..Inputs::default()
    };
    inputs.places[0] = place("dev", vec![processor("upper", '2')]);
    let refused = Err("the registry says no".to_owned());
    inputs.judged.insert(image("upper", '2'), refused);
    insta::assert_snapshot!(told(&assemble(&inputs)), @"
    text/upper@1 dev: 2 live ?, [acceptance Unknown, deployment in dev Unknown], not on: staging has 111111111111, which never was in dev: it was rebuilt on the way, or pinned in staging by itself + the registry says no (222222222222)
    text/upper@1 staging: 1 live ?, [acceptance Unknown, deployment in staging Unknown]
    text/upper@1 main: 1 live ?, [acceptance Unknown, deployment in main Unknown]
    ");
}

#[test]
fn each_platform_has_its_row_and_modal_runs_one() {
    let mut both = processor("upper", '1');
    let pin = |arch: &str, digit| Pin {
        place: PinPlace::Platform(Platform::linux(arch).unwrap()),
        state: PinState::Pinned(image("upper", digit)),
    };
    both.pins = vec![pin("arm64", '2'), pin("amd64", '1')];
    let mut dev = place("dev", vec![both]);
    dev.running = Some(BTreeMap::from([(reference("upper"), running(1, '1'))]));
    let inputs = Inputs {
        places: vec![dev],
        ..Inputs::default()
    };
    insta::assert_snapshot!(told(&assemble(&inputs)), @"
    text/upper@1 amd64 dev: 1 live v1, [acceptance Unknown, deployment in dev Unknown]
    text/upper@1 arm64 dev: 2 live -, [acceptance Unknown, deployment in dev Unknown]
    ");
}

#[test]
fn what_cannot_be_compared_is_told_and_not_hidden() {
    let twice = vec![processor("upper", '1'), processor("upper", '2')];
    let inputs = Inputs {
        places: vec![
            place("dev", twice),
            place("main", vec![processor("upper", '1')]),
        ],
        ..Inputs::default()
    };
    let board = assemble(&inputs);
    assert_eq!(board.processors.len(), 1);
    insta::assert_snapshot!(board.notices.join("\n"), @"failed to compare the pins of `dev`: `text/upper@1` occurs more than once");
}

#[test]
fn the_timeline_tells_pins_promotions_and_rollbacks() {
    let two = vec![processor("lower", '9'), processor("upper", '1')];
    let mut dev = place("dev", two.clone());
    let mut at_once = change(30, "lower", ['8', '9']);
    at_once.commit = format!("{:040x}", 20);
    at_once.at = at(20);
    dev.past = past(vec![
        change(10, "upper", ['-', '1']),
        change(20, "upper", ['1', '2']),
        at_once,
        change(40, "upper", ['2', '1']),
        change(50, "upper", ['6', '-']),
        // Of something else, and one that only gets another file.
        change(51, "gone", ['-', '6']),
        PinChange {
            file: "registry/new.yaml".into(),
            removed: vec![],
            ..change(52, "upper", ['-', '1'])
        },
        change(52, "upper", ['1', '-']),
    ]);
    let mut staging = place("staging", two);
    staging.past = past(vec![
        // The same commit on both branches.
        change(10, "upper", ['-', '1']),
        change(25, "upper", ['1', '2']),
        change(45, "upper", ['2', '7']),
    ]);
    let inputs = Inputs {
        places: vec![dev, staging],
        ..Inputs::default()
    };
    let board = assemble(&inputs);
    insta::assert_snapshot!(events(&board), @"
    at 45 staging Pinned: text/upper@1 2→7
    at 40 dev RolledBack: text/upper@1 2→1
    at 25 staging Promoted: text/upper@1 1→2
    at 30 dev Pinned: text/lower@1 8→9, text/upper@1 1→2
    at 10 staging Promoted: text/upper@1 -→1
    at 10 dev Pinned: text/upper@1 -→1
    ");
    assert!(board.images.contains_key(&digest('7')));
}

#[test]
fn a_move_has_the_name_of_its_processor_or_of_its_file() {
    let file = "registry/all.yaml";
    let shared = |name: &str, digit| Processor {
        file: file.into(),
        ..processor(name, digit)
    };
    let mut dev = place("dev", vec![shared("lower", '2'), shared("upper", '4')]);
    let mut moved = change(10, "lower", ['1', '2']);
    moved
        .removed
        .extend([image("upper", '3'), image("stranger", '5')]);
    moved
        .added
        .extend([image("upper", '4'), image("stranger", '6')]);
    moved.file = file.into();
    dev.past = past(vec![moved]);
    let inputs = Inputs {
        places: vec![dev],
        ..Inputs::default()
    };
    insta::assert_snapshot!(events(&assemble(&inputs)), @"at 10 dev Pinned: registry/all.yaml 5→6, text/lower@1 1→2, text/upper@1 3→4");
}

#[test]
fn a_long_timeline_has_an_end_and_says_so() {
    let mut dev = place("dev", vec![processor("upper", '1')]);
    let changes = (0..1200).map(|n| change(n, "upper", ['1', '2']));
    dev.past = Past {
        is_cut: true,
        ..past(changes.collect())
    };
    let inputs = Inputs {
        places: vec![dev],
        ..Inputs::default()
    };
    let board = assemble(&inputs);
    assert_eq!(board.timeline.len(), 500);
    assert_eq!(board.timeline[0].title, "at 1199");
    insta::assert_snapshot!(board.notices.join("\n"), @"
    700 earlier changes of pins are not told here
    the history of `dev` is cut off in this clone: what happened before is not told
    ");
}

#[test]
fn a_thousand_processors_are_put_together_at_once() {
    let names: Vec<String> = (0..1000).map(|n| format!("n{n}")).collect();
    let of = |name: &str, environment: usize| -> PinnedImage {
        let number: u32 = name[1..].parse().unwrap();
        let text = format!("ghcr.io/acme/{name}@sha256:{environment}{number:063x}");
        text.parse().unwrap()
    };
    let mut inputs = Inputs::default();
    for (index, environment) in NAMES.into_iter().enumerate() {
        let processors = names.iter().map(|name| Processor {
            pins: vec![Pin {
                place: PinPlace::Oci,
                state: PinState::Pinned(of(name, index)),
            }],
            ..processor(name, '-')
        });
        let mut place = place(environment, processors.collect());
        let changes = (0..10).flat_map(|round| {
            names
                .iter()
                .map(move |name| (round, name))
                .map(|(round, name)| PinChange {
                    removed: vec![of(name, index)],
                    added: vec![of(name, index)],
                    ..change(round * 10, name, ['-', '-'])
                })
        });
        place.past = past(changes.collect());
        let runs = names.iter().map(|name| (reference(name), running(1, '1')));
        place.running = Some(runs.collect());
        inputs.places.push(place);
        for name in &names {
            let image = of(name, index);
            let receipts = vec![
                (1, None, built("upper")),
                (2, None, accepted(Outcome::Passed)),
                (3, Some("dev"), deployed()),
                (4, Some("staging"), deployed()),
            ];
            let verdicts = judged(&image, receipts);
            inputs.judged.insert(image, Ok(verdicts));
        }
    }
    let since = Instant::now();
    let board = assemble(&inputs);
    let took = since.elapsed();
    assert_eq!(board.processors.len(), 1000);
    assert_eq!(board.images.len(), 3000);
    // Without optimization, beside other tests.
    assert!(took < Duration::from_secs(3), "{took:?}");
}
