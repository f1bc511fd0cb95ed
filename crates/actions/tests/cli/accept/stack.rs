//! The services around the suite.

use crate::bench::{Bench, json_file};
use crate::project::{self, file_of};
use crate::services::with_registry;

#[tokio::test(flavor = "multi_thread")]
async fn an_override_gives_services_other_images() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        std::fs::remove_file(bench.repo().join(file_of("lower"))).unwrap();
        let build = bench.path("build.json");
        let words = format!("build --registry {host} --image-prefix ghcr.io/a/b --json");
        bench.pipeline(&words).arg(&build).go().await.ok();
        bench.pipeline("pin --from").arg(&build).go().await.ok();
        let image = json_file(&build)["built"][0]["image"].clone();

        let service = "image: 127.0.0.1:9/none:1, command: [-c, 'read x'], stdin_open: true";
        let compose = format!("services: {{redis: {{{service}}}}}\n");
        bench.write("code/compose.yml", compose);
        bench.write("code/Makefile", "test-acceptance:\n\t@true\n");
        let report = bench.path("acceptance.json");
        let accept = || bench.pipeline("accept --json").arg(&report).go();
        let ran = accept().await.ended(13).one_error();
        ran.says(&["bring up the stack", "hint: name other images"]);
        let told = json_file(&report);
        assert_eq!(
            (&told["stack"]["state"], &told["suite"]["state"]),
            (&"failed".into(), &"not-run".into())
        );

        // A service that came up, and is not as it should be, is told with all that is kept of it.
        let says = "i=0; while [ $$i -lt 250 ]; do i=$$((i+1)); echo line $$i; done; read x";
        let compose = format!(
            "services: {{redis: {{image: {image}, command: [-c, '{says}'], stdin_open: true, \
             healthcheck: {{test: [CMD, /none], interval: 1s, retries: 1}}}}}}\n"
        );
        bench.write("code/compose.yml", compose);
        let ran = accept().await.ended(13).one_error();
        let lines = ran.stdout.lines();
        let lines: Vec<&str> = lines.filter(|it| it.starts_with("  | line")).collect();
        assert_eq!((lines.len(), lines[0]), (200, "  | line 51"), "{ran:?}");
        assert!(
            ran.stdout
                .contains("service redis: running, unhealthy\n  check: ")
        );
        let told = json_file(&report);
        let log = told["stack"]["diagnoses"][0]["log"].as_array().unwrap();
        assert_eq!((log.len(), &log[199]), (200, &"line 250".into()));
        let compose = format!("services: {{redis: {{{service}}}}}\n");
        bench.write("code/compose.yml", compose);

        let other = format!("services: {{redis: {{image: {image}}}}}\n");
        bench.write("compose.ci.yml", other);
        let config = "acceptance: {compose-override: [compose.ci.yml]}\n";
        bench.write("pipeline.yml", config);
        let ran = bench.pipeline("accept").go().await.ok();
        assert!(
            ran.stdout.contains("stack: redis healthy after "),
            "{ran:?}"
        );

        bench.write("pipeline.yml", config.replace("ci.yml", "none.yml"));
        let ran = bench.pipeline("accept").go().await.ended(2).one_error();
        ran.says(&["compose.none.yml"]);
    })
    .await;
}
