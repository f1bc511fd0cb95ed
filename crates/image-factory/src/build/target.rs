use crate::plan::{BuildPlan, Decision, Planned, Why};

/// One image to build: the items of a plan that need the same one.
#[derive(Clone, Debug)]
pub(crate) struct Target<'a> {
    /// What `bake` calls it.
    pub(crate) id: String,
    /// How people call it.
    pub(crate) name: String,
    /// Any of the items.
    pub(crate) item: &'a Planned,
    /// The tag under which the builder pushes it.
    pub(crate) build_tag: String,
    /// Its steps have all run in this build, if not been pushed: from now on they may come from the
    /// cache, also where the image is to be made anew.
    pub(crate) has_run: bool,
}

/// The images to build, each once, however many items need it.
pub(crate) fn targets<'a>(plan: &'a BuildPlan, build_tag: &str) -> Vec<Target<'a>> {
    let mut targets: Vec<Target<'a>> = Vec::new();
    for item in plan.to_build() {
        let same = |target: &Target<'_>| {
            target.item.repository == item.repository && target.item.key == item.key
        };
        if targets.iter().any(same) {
            continue;
        }
        // Two versions of a processor may share a repository; tags must not collide there.
        let shares = |target: &Target<'_>| target.item.repository == item.repository;
        let build_tag = match targets.iter().any(shares) {
            true => format!("{build_tag}-{}", item.key.short()),
            false => build_tag.to_owned(),
        };
        let arch = item.pin_platform.iter().map(|platform| platform.arch());
        let id = std::iter::once(item.reference.app_name().as_str())
            .chain(arch)
            .collect::<Vec<_>>()
            .join("-");
        let taken = |id: &str| targets.iter().any(|target| target.id == id);
        let id = match taken(&id) {
            true => format!("{id}-{}", targets.len()),
            false => id,
        };
        targets.push(Target {
            id,
            name: item.name(),
            item,
            build_tag,
            has_run: false,
        });
    }
    targets
}

impl Target<'_> {
    /// Whether what is there already is to be replaced.
    pub(crate) fn is_renewed(&self) -> bool {
        matches!(
            self.item.decision,
            Decision::Build {
                why: Why::Forced | Why::TooOld { .. }
            }
        )
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan::{ImageSettings, InputKey};

    pub(in crate::build) fn planned(
        reference: &str,
        repository: &str,
        key: u8,
        why: Why,
    ) -> Planned {
        Planned {
            reference: reference.parse().unwrap(),
            file: "registry/x.yaml".into(),
            pin_platform: None,
            pinned: None,
            repository: repository.parse().unwrap(),
            context: "code".into(),
            dockerfile: "code/x/Dockerfile".into(),
            target: None,
            args: Vec::new(),
            platforms: vec![registry_model::Platform::linux_amd64()],
            base_images: Vec::new(),
            key: InputKey::new([key; 32]),
            decision: Decision::Build { why },
        }
    }

    pub(in crate::build) fn plan(items: Vec<Planned>) -> BuildPlan {
        BuildPlan::new(items, ImageSettings::default())
    }

    #[test]
    fn an_image_is_built_once_and_tags_do_not_collide() {
        let repository = "ghcr.io/acme/llm-litellm";
        let plan = plan(vec![
            planned("llm/litellm@1", repository, 1, Why::FirstBuild),
            planned("llm/litellm@2", repository, 1, Why::FirstBuild),
            planned("llm/litellm@3", repository, 2, Why::FirstBuild),
        ]);
        let targets = targets(&plan, "build-x");
        let seen: Vec<_> = targets
            .iter()
            .map(|target| (target.id.as_str(), target.build_tag.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("llm-litellm-v1", "build-x"),
                ("llm-litellm-v3", "build-x-020202020202")
            ]
        );
    }
}
