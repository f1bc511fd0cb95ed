//! Choosing processors by name.

use registry_model::{LoadOptions, Registry, SelectionError};

use crate::support::repository;

fn registry() -> Registry {
    let entry = |reference: &str, enabled| {
        format!("ref: {reference}\nenabled: {enabled}\nbuild: {{dockerfile: Dockerfile}}\n")
    };
    let root = repository(&[
        ("code/Dockerfile", "FROM scratch\n"),
        ("code/a.yaml", &entry("llm/litellm@1", true)),
        ("code/b.yaml", &entry("llm/litellm@2", true)),
        ("code/c.yaml", &entry("replicate/generic@1", true)),
        ("code/d.yaml", &entry("media/ffmpeg@1", false)),
    ]);
    Registry::load(root.path(), &LoadOptions::new(["code/*.yaml"], "code")).unwrap()
}

fn select(names: &[&str]) -> Result<Vec<String>, SelectionError> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let registry = registry();
    let chosen = registry.select(&names)?;
    Ok(chosen
        .iter()
        .map(|entry| entry.reference.to_string())
        .collect())
}

#[test]
fn without_names_all_that_are_enabled() {
    assert_eq!(
        select(&[]).unwrap(),
        ["llm/litellm@1", "llm/litellm@2", "replicate/generic@1"]
    );
}

#[test]
fn a_name_is_a_ref_a_package_or_an_image() {
    let both = ["llm/litellm@1", "llm/litellm@2"];
    assert_eq!(select(&["llm/litellm@2"]).unwrap(), ["llm/litellm@2"]);
    assert_eq!(select(&["llm/litellm"]).unwrap(), both);
    assert_eq!(select(&["llm_litellm"]).unwrap(), both);
    assert_eq!(select(&["llm-litellm"]).unwrap(), both);
    assert_eq!(
        select(&["replicate_generic", "llm/litellm@1", "replicate/generic@1"]).unwrap(),
        ["llm/litellm@1", "replicate/generic@1"]
    );
}

#[test]
fn unknown_names_are_named_with_the_nearest() {
    let error = select(&["llm/litelm@1", "llm/litellm@1", "zzz"]).unwrap_err();
    insta::assert_snapshot!(error, @"select processors: no processor is named `llm/litelm@1` (did you mean `llm/litellm@1`?), `zzz`");
    insta::assert_snapshot!(error.hint().unwrap(), @"choose from llm/litellm@1, llm/litellm@2, replicate/generic@1; a name may also leave out the version or be that of the package or the image");
}

#[test]
fn what_is_switched_off_can_not_be_chosen() {
    let error = select(&["media/ffmpeg"]).unwrap_err();
    insta::assert_snapshot!(error, @"select processor `media/ffmpeg`: code/d.yaml has `enabled: false`");
    insta::assert_snapshot!(error.hint().unwrap(), @"delete `enabled: false` in code/d.yaml, or leave the processor out");
}
