use serde_json::Value;

use super::bench::{Bench, json_file};
use super::project::{self, content, file_of};
use super::services::{is_in_registry, with_registry};

/// The images of a build report.
fn images(report: &Value) -> Vec<String> {
    let built = report["built"].as_array().unwrap();
    built
        .iter()
        .map(|one| one["image"].as_str().unwrap().to_owned())
        .collect()
}

fn decisions(report: &Value) -> Vec<&str> {
    let built = report["built"].as_array().unwrap();
    built
        .iter()
        .map(|one| one["decision"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_repository_is_planned_built_and_pinned() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        let before = content(&bench.repo());
        let factory = format!("--registry {host} --image-prefix ghcr.io/acme/models");

        let plan = bench.pipeline(&format!("plan {factory} --json -"));
        let plan = plan.go().await.ok().json();
        assert_eq!(plan["schema"], 1);
        let items = plan["items"].as_array().unwrap();
        assert_eq!(items.len(), 2);
        for item in items {
            assert_eq!(item["decision"]["build"]["why"], "first-build", "{item}");
        }
        let dry = bench.pipeline(&format!("build {factory} --dry-run --json -"));
        assert_eq!(dry.go().await.ok().json(), plan);

        let report = bench.path("build.json");
        let build = format!("build {factory} --json {}", report.display());
        let built = bench.pipeline(&build).go().await.ok();
        // One line a stage, and a table.
        assert!(built.stderr.contains("✓ build "), "{}", built.stderr);
        assert!(
            built.stdout.contains("text/upper@1  built in "),
            "{}",
            built.stdout
        );
        assert_eq!(content(&bench.repo()), before, "a build changes no file");
        let first = json_file(&report);
        assert_eq!(first["schema"], 1);
        assert_eq!(decisions(&first), ["built", "built"]);
        for image in images(&first) {
            assert!(
                image.starts_with(&format!("{host}/acme/models/text-")),
                "{image}"
            );
            assert!(is_in_registry(&image).await, "{image}");
        }

        // Nothing changed: everything is reused, and `plan` knows before.
        let again = bench.pipeline(&build).go().await.ok();
        assert!(again.stdout.contains("reused"), "{}", again.stdout);
        let second = json_file(&report);
        assert_eq!(decisions(&second), ["reused", "reused"]);
        assert_eq!(images(&second), images(&first));

        let pin = format!("pin --from {}", report.display());
        let dry = bench.pipeline(&format!("{pin} --dry-run --json -"));
        let dry = dry.go().await.ok().json();
        assert_eq!(dry["schema"], 1);
        assert_eq!(content(&bench.repo()), before, "a dry run changes no file");

        bench.pipeline(&pin).go().await.ok();
        let pinned: Vec<_> = before
            .into_iter()
            .map(|(name, bytes)| {
                let image = ["lower", "upper"]
                    .iter()
                    .position(|processor| name == file_of(processor));
                let Some(at) = image else {
                    return (name, bytes);
                };
                let text = String::from_utf8(bytes).unwrap();
                let text = text.replace("sha256:pending", &images(&first)[at]);
                (name, text.into_bytes())
            })
            .collect();
        assert_eq!(content(&bench.repo()), pinned, "only the pins differ");

        let ran = bench.pipeline(&pin).go().await.ok();
        assert_eq!(ran.stdout, "every pin is as it should be\n");
        // A pin is no input of a build.
        bench.pipeline(&build).go().await.ok();
        assert_eq!(decisions(&json_file(&report)), ["reused", "reused"]);
    })
    .await;
}

/// Where the context is the whole repository, there is no other place in it.
#[tokio::test(flavor = "multi_thread")]
async fn reports_in_the_build_context_build_nothing_again() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        for name in ["upper", "lower"] {
            let text = format!("FROM scratch\nCOPY . /app\nLABEL name={name}\n");
            bench.write(&project::dockerfile_of(name), text);
        }
        project::commit_all(&bench.repo()).await;
        let factory = format!("--registry {host} --image-prefix ghcr.io/acme/models");
        let folder = bench.repo().join("code/reports");
        std::fs::create_dir(&folder).unwrap();
        let report = folder.join("build.json");
        let build = format!("build {factory} --json {}", report.display());
        bench.pipeline(&build).go().await.ok();
        bench.pipeline(&build).go().await.ok();
        assert_eq!(decisions(&json_file(&report)), ["reused", "reused"]);

        // A person's file counts, and is named.
        bench.write("code/notes.txt", "x");
        let pin = format!("pin --from {}", folder.display());
        let refused = bench.pipeline(&pin).go().await.ended(12);
        refused.says(&["built from: `code/notes.txt` is new", "hint: "]);
        std::fs::remove_file(bench.repo().join("code/notes.txt")).unwrap();
        let pinned = folder.join("pin.json");
        for words in [
            format!("{pin} --json {}", pinned.display()),
            format!("pin --from {}", report.display()),
        ] {
            let _ = std::fs::remove_file(&pinned);
            let ran = bench.pipeline(&words).go().await.ok();
            let told = "`code/reports/build.json` lies in a build context and does not count";
            assert_eq!(ran.stderr.matches(told).count(), 1, "{}", ran.stderr);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tools_layout_is_pinned_by_platform() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::tools(&bench);
        let report = bench.path("build.json");
        let words = format!("build --processors text/upper --json {}", report.display());
        // As an action gives its inputs.
        let build = || {
            bench
                .pipeline(&words)
                .env("PIPELINE_REGISTRY", host)
                .env("PIPELINE_IMAGE_PREFIX", "")
                .env("GITHUB_REPOSITORY", "Acme/Models")
        };
        build().go().await.ok();
        let first = json_file(&report);
        assert_eq!(decisions(&first), ["built"]);
        let image = images(&first).remove(0);
        assert!(
            image.starts_with(&format!("{host}/acme/models/text-upper@")),
            "{image}"
        );

        let pin = bench.pipeline("pin").arg("--from").arg(&report);
        pin.go().await.ok();
        let upper = bench.read("tools/text/upper/1/registry.yaml");
        assert!(upper.contains(&format!("    amd64: {image}\n")), "{upper}");
        let lower = bench.read("tools/text/lower/1/registry.yaml");
        assert!(lower.contains("amd64: sha256:pending"), "{lower}");

        build().go().await.ok();
        assert_eq!(decisions(&json_file(&report)), ["reused"]);
        // Only the times in it are others: what is pinned stays.
        let ran = build().arg("--rebuild").go().await.ok();
        assert!(
            ran.stdout.contains("kept the pin: only times differ"),
            "{}",
            ran.stdout
        );
        let again = json_file(&report);
        let decision = &again["built"][0]["decision"];
        assert_eq!(*decision, serde_json::json!({"kept": "only-timestamps"}));
        assert_eq!(images(&again), [image]);
        let pinned = bench
            .pipeline("pin")
            .arg("--from")
            .arg(&report)
            .go()
            .await
            .ok();
        assert_eq!(pinned.stdout, "every pin is as it should be\n");
    })
    .await;
}
