use std::collections::BTreeMap;

use modal_deploy::proto::generic_result::GenericStatus;
use modal_deploy::proto::{
    GenericResult, Image, ImageGetOrCreateRequest, ImageGetOrCreateResponse, ImageMetadata,
    RegistryAuthType,
};
use prost::Message;

use super::dockerfile::{self, Instruction};
use super::state::content_id;

/// How a function's container is made: the image that was pinned, and what the layers above it
/// change in the way it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Recipe {
    /// The text behind `FROM` in the lowest layer.
    pub(super) from: String,
    /// The secret with REGISTRY_USERNAME and REGISTRY_PASSWORD to pull it with.
    pub(super) registry_secret: Option<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) workdir: Option<String>,
    /// `None` leaves the image's own; empty clears it.
    pub(super) entrypoint: Option<Vec<String>>,
}

struct Record {
    recipe: Result<Recipe, String>,
    builder: String,
    /// Whether a client has already been told how its build ended.
    built: bool,
}

/// Image definitions by the hash of their layers.
#[derive(Default)]
pub(super) struct Images(BTreeMap<String, Record>);

impl Images {
    pub(super) fn get_or_create(
        &mut self,
        request: ImageGetOrCreateRequest,
    ) -> ImageGetOrCreateResponse {
        let image = request.image.unwrap_or_default();
        let mut content = image.encode_to_vec();
        content.extend(request.builder_version.bytes());
        let id = content_id("im", &content);
        if request.force_build {
            self.0.remove(&id);
        }
        if !self.0.contains_key(&id) {
            let recipe = self.recipe_of(&image);
            let record = Record {
                built: recipe.is_err(),
                recipe,
                builder: request.builder_version,
            };
            self.0.insert(id.clone(), record);
        }
        let record = &self.0[&id];
        ImageGetOrCreateResponse {
            result: record.built.then(|| match &record.recipe {
                Ok(_) => success(),
                Err(problem) => failure(problem),
            }),
            metadata: Some(metadata(record)),
            image_id: id,
        }
    }

    /// What the image is made of, or why it cannot be made; `None` for an unknown one.
    pub(super) fn recipe(&self, id: &str) -> Option<Result<Recipe, String>> {
        self.0.get(id).map(|record| record.recipe.clone())
    }

    pub(super) fn metadata(&self, id: &str) -> Option<ImageMetadata> {
        self.0.get(id).map(metadata)
    }

    /// From now on the image counts as built.
    pub(super) fn built(&mut self, id: &str) {
        if let Some(record) = self.0.get_mut(id) {
            record.built = true;
        }
    }

    fn recipe_of(&self, image: &Image) -> Result<Recipe, String> {
        if image.build_function.is_some() {
            return Err("run_function() builds a layer, which has no place here; \
                        put the step into the image's own Dockerfile"
                .to_owned());
        }
        let mut instructions = Vec::new();
        for line in &image.dockerfile_commands {
            instructions.push(dockerfile::parse(line)?);
        }
        let mut recipe = match instructions.first() {
            Some(Instruction::From(reference)) => self.base(image, reference)?,
            _ => return Err("the first instruction of a layer is not FROM".to_owned()),
        };
        for instruction in instructions.drain(..).skip(1) {
            match instruction {
                Instruction::From(reference) => {
                    return Err(format!("`FROM {reference}`: a layer has one FROM"));
                }
                Instruction::Env(pairs) => recipe.env.extend(pairs),
                Instruction::Workdir(path) => {
                    recipe.workdir = Some(join(recipe.workdir.as_deref(), &path));
                }
                Instruction::Entrypoint(words) => recipe.entrypoint = Some(words),
                Instruction::Ignored => {}
            }
        }
        Ok(recipe)
    }

    fn base(&self, image: &Image, reference: &str) -> Result<Recipe, String> {
        let base = image
            .base_images
            .iter()
            .find(|base| base.docker_tag == reference);
        if let Some(base) = base {
            return match self.0.get(&base.image_id) {
                Some(record) => record.recipe.clone(),
                None => Err(format!("the base image {} is not known", base.image_id)),
            };
        }
        let registry = image.image_registry_config.as_ref();
        let registry_secret = match registry.map(|config| config.registry_auth_type()) {
            None | Some(RegistryAuthType::Unspecified | RegistryAuthType::Public) => None,
            Some(RegistryAuthType::StaticCreds) => registry.map(|config| config.secret_id.clone()),
            Some(RegistryAuthType::Aws | RegistryAuthType::Gcp) => {
                return Err(
                    "a cloud registry's own credentials are not taken here; use a secret with \
                     REGISTRY_USERNAME and REGISTRY_PASSWORD"
                        .to_owned(),
                );
            }
        };
        Ok(Recipe {
            from: reference.to_owned(),
            registry_secret: registry_secret.filter(|id| !id.is_empty()),
            ..Recipe::default()
        })
    }
}

fn join(folder: Option<&str>, path: &str) -> String {
    match folder {
        Some(folder) if !path.starts_with('/') => {
            format!("{}/{path}", folder.trim_end_matches('/'))
        }
        _ => path.to_owned(),
    }
}

fn metadata(record: &Record) -> ImageMetadata {
    ImageMetadata {
        image_builder_version: Some(record.builder.clone()),
        ..ImageMetadata::default()
    }
}

pub(super) fn success() -> GenericResult {
    GenericResult {
        status: GenericStatus::Success.into(),
        ..GenericResult::default()
    }
}

pub(super) fn failure(problem: &str) -> GenericResult {
    GenericResult {
        status: GenericStatus::Failure.into(),
        exception: problem.to_owned(),
        ..GenericResult::default()
    }
}

#[cfg(test)]
mod tests {
    use modal_deploy::proto::BaseImage;

    use super::*;

    fn create(
        images: &mut Images,
        base: Option<&str>,
        commands: &[&str],
    ) -> ImageGetOrCreateResponse {
        let base_images = base.map(|id| BaseImage {
            image_id: id.to_owned(),
            docker_tag: "base".to_owned(),
        });
        images.get_or_create(ImageGetOrCreateRequest {
            image: Some(Image {
                base_images: base_images.into_iter().collect(),
                dockerfile_commands: commands.iter().map(|line| (*line).to_owned()).collect(),
                ..Image::default()
            }),
            ..ImageGetOrCreateRequest::default()
        })
    }

    #[test]
    fn layers_add_up_to_one_recipe() {
        let mut images = Images::default();
        let base = create(
            &mut images,
            None,
            &["FROM r.example/a@sha256:1", "WORKDIR /srv"],
        );
        let env = create(&mut images, Some(&base.image_id), &["FROM base", "ENV A=1"]);
        let top = create(
            &mut images,
            Some(&env.image_id),
            &["FROM base", "ENTRYPOINT []", "WORKDIR app"],
        );
        let expected = Recipe {
            from: "r.example/a@sha256:1".into(),
            env: vec![("A".into(), "1".into())],
            workdir: Some("/srv/app".into()),
            entrypoint: Some(Vec::new()),
            registry_secret: None,
        };
        assert_eq!(images.recipe(&top.image_id), Some(Ok(expected)));
    }

    #[test]
    fn an_image_is_built_once_and_a_bad_one_fails_at_once() {
        let mut images = Images::default();
        let first = create(&mut images, None, &["FROM r.example/a@sha256:1"]);
        assert_eq!(first.result, None);
        images.built(&first.image_id);
        let second = create(&mut images, None, &["FROM r.example/a@sha256:1"]);
        assert_eq!(second.image_id, first.image_id);
        assert_eq!(second.result, Some(success()));

        let empty = create(&mut images, None, &["FROM "]).result.unwrap();
        assert_eq!(empty.status(), GenericStatus::Failure);
        assert!(empty.exception.contains("IMAGE_REF"), "{}", empty.exception);
    }
}
