//! A processor whose image does what each case asks it for.

use std::os::unix::fs::PermissionsExt;

use acceptance::{
    AcceptanceError, AcceptanceOptions, AcceptanceReport, CaseReport, ContractReport, Sources,
    plan, run,
};
use registry_model::{LoadOptions, Registry};
use tokio_util::sync::CancellationToken;

use crate::images::LocalRegistry;
use crate::support::{Image, Repo, docker, left_of, remove_image};

/// A pinned image in a registry, which also forgets it.
pub(crate) struct Processor {
    pub(crate) pinned: String,
    _image: Image,
    _registry: LocalRegistry,
}

impl Processor {
    pub(crate) async fn new() -> Self {
        let registry = LocalRegistry::new().await;
        let put = |root: &std::path::Path| {
            let path = root.join("bin/processor");
            std::fs::write(&path, include_str!("processor.sh")).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        };
        let changes = [r#"ENTRYPOINT ["/bin/processor"]"#, "VOLUME /volume"];
        let image = Image::with(put, &changes).await;
        Self {
            pinned: registry.push(&image).await,
            _image: image,
            _registry: registry,
        }
    }

    /// Holds it to an `acceptance` section.
    pub(crate) async fn accept(
        &self,
        repo: &Repo,
        section: &str,
        cancel: &CancellationToken,
    ) -> Result<AcceptanceReport, AcceptanceError> {
        self.write(repo, section);
        accept_as_written(&repo.options, &self.pinned, cancel).await
    }

    /// Writes its registry file, with an `acceptance` section.
    pub(crate) fn write(&self, repo: &Repo, section: &str) {
        let text = format!("ref: text/x@1\nbuild: {{dockerfile: D}}\nacceptance:\n{section}");
        std::fs::write(repo.path("code/x.yaml"), text).unwrap();
        std::fs::write(repo.path("code/D"), "FROM scratch\n").unwrap();
    }
}

/// Holds the image of the processor to what its registry file says.
pub(crate) async fn accept_as_written(
    options: &AcceptanceOptions,
    pinned: &str,
    cancel: &CancellationToken,
) -> Result<AcceptanceReport, AcceptanceError> {
    let load = LoadOptions::new(["code/x.yaml"], "code");
    let registry = Registry::load(&options.root, &load).unwrap();
    let sources = Sources::read(options)?.with_cases(&registry.entries)?;
    let images = [("text/x@1".parse().unwrap(), pinned.parse().unwrap())];
    run(&plan(options, &sources)?, &images, cancel).await
}

impl Drop for Processor {
    fn drop(&mut self) {
        remove_image(&self.pinned);
    }
}

/// The cases of a report.
pub(crate) fn cases(report: &AcceptanceReport) -> &[CaseReport] {
    match &report.contract {
        ContractReport::Ran { cases, .. } => cases,
        other => panic!("{other:?}"),
    }
}

/// Everything that the engine still has of a run.
pub(crate) async fn everything_left_of(project: &str) -> Vec<String> {
    let mut left = left_of(project).await;
    let named = format!("reference={project}:*");
    let images = docker(&["image", "ls", "--quiet", "--filter", &named]).await;
    left.extend(images.split_whitespace().map(str::to_owned));
    left
}
