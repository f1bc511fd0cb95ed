use serde::Serialize;

use super::GROUP;
use super::planning::{git_listing, median_ms, plan_offline};
use super::repository::Shape;
use super::scene::Scene;
use crate::bench::row::{Row, Target};
use crate::error::Error;
use crate::say;

const RUNS: usize = 5;
const PROCESSORS: [usize; 7] = [10, 30, 100, 300, 1_000, 3_000, 10_000];
/// Ten times the processors may take ten times the time; so much of it is noise.
const TOLERANCE: f64 = 1.1;

/// How long it takes to plan a repository of some size.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Point {
    pub(super) processors: usize,
    pub(super) files: usize,
    pub(super) plan_ms: f64,
    pub(super) git_ms: f64,
    pub(super) megabytes: f64,
}

/// `plan` of more and more processors.
///
/// # Errors
/// When a program fails.
pub(super) async fn points(scene: &Scene) -> Result<Vec<Point>, Error> {
    let mut points = Vec::new();
    for processors in PROCESSORS {
        say::line(format_args!("bench: growth, {processors} processors"));
        let shape = Shape {
            processors,
            shared: 200,
            own: 4,
            others: 0,
            size: 500,
            works: false,
            seed: processors as u64,
        };
        let root = scene.path(&format!("growth-{processors}"));
        shape.write(&root, &scene.cancel).await?;
        let (mut plans, mut listings) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            plans.push(plan_offline(scene, &root).await?);
            listings.push(git_listing(scene, &root).await?);
        }
        points.push(Point {
            processors,
            files: shape.files(),
            plan_ms: median_ms(&plans),
            git_ms: median_ms(&listings),
            megabytes: plans.iter().map(|one| one.megabytes).fold(0.0, f64::max),
        });
    }
    Ok(points)
}

/// Whether the time grows no faster than the processors, where the start of the program no longer
/// counts.
pub(super) fn row(points: &[Point]) -> Option<Row> {
    let time = |processors: usize| {
        let point = points.iter().find(|point| point.processors == processors)?;
        Some(point.plan_ms)
    };
    Some(Row::new(
        GROUP,
        "plan --offline, 10000 processors, against 10 × the time for 1000",
        "ms",
        time(10_000)?,
        Some(10.0 * time(1_000)?),
        Target::TimesBaseline(TOLERANCE),
    ))
}
