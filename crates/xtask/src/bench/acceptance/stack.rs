use super::GROUP;
use super::scene::Scene;
use crate::bench::files::write;
use crate::bench::measure::{median, seconds};
use crate::bench::row::{Row, Target};
use crate::error::Error;
use crate::say;

const RUNS: usize = 5;
const SERVICES: [&str; 3] = ["one", "two", "three"];

/// What somebody would type: the same commands with the same settings.
const BY_HAND: &str = r#"
compose="docker compose"
$compose version > /dev/null 2>&1 || compose=docker-compose
compose="$compose --project-name bench-$$ --file $1"
$compose up --detach --wait --wait-timeout 120
true
$compose down --volumes --remove-orphans --timeout 1
"#;

/// Services up, a suite that does nothing, services down, against the commands for it.
///
/// # Errors
/// When a program fails.
pub(super) async fn row(scene: &Scene) -> Result<Row, Error> {
    let root = scene.repository("stack", "")?;
    let services: String = SERVICES
        .iter()
        .map(|name| service(name, &scene.image))
        .collect();
    let file = root.join("code/compose.yml");
    write(
        &file,
        format!("services:\n{services}volumes: {{data: {{}}}}\n"),
    )?;
    let config = "registry-files: [code/registry/*.yaml]\ncontext: code\n\
                  acceptance: {command: ['true'], services: [one, two, three]}\n";
    write(&root.join("pipeline.yml"), config)?;
    let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        say::line(format_args!("bench: stacks, run {} of {RUNS}", run + 1));
        let (took, report) = scene.accept(&root, "suite").await?;
        if report["verdict"] != "passed" {
            return Err(Error::format(
                "the report of acceptance",
                report.to_string(),
            ));
        }
        ours.push(took);
        let command = scene.program("sh").args(["-ec", BY_HAND, "sh"]).arg(&file);
        by_hand.push(seconds(command, &scene.cancel).await?);
    }
    Ok(Row::new(
        GROUP,
        "3 services up, a suite, and down again, against Compose by hand",
        "s",
        median(&ours),
        Some(median(&by_hand)),
        Target::TimesBaseline(1.2),
    ))
}

fn service(name: &str, image: &str) -> String {
    format!(
        "  {name}:
    image: {image}
    entrypoint: [httpd, -f, -p, '8080']
    ports: ['127.0.0.1::8080']
    volumes: [data:/data]
    healthcheck: {{test: [CMD, nc, 127.0.0.1, '8080', -e, 'true'], interval: 1s, retries: 30}}
"
    )
}
