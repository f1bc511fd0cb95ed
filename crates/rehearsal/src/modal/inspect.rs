use super::state::State;

/// What is live under the name of an app, as the control plane's records have it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deployed {
    /// Counts the deploys that changed something, from 1.
    pub version: u32,
    /// The text behind `FROM` in the lowest layer of the image of its functions. With several
    /// images, that of the first function by name.
    pub from_image: String,
    /// The names of the secrets that its functions get, sorted.
    pub secrets: Vec<String>,
    /// The names of its functions, sorted.
    pub functions: Vec<String>,
}

pub(super) fn deployed(state: &State, environment: &str, app: &str) -> Option<Deployed> {
    let environment = state.environments.resolve(environment).ok()?;
    let app_id = state.apps.deployed(&environment, app)?;
    let version = state.apps.version(app_id, 0).ok()?;
    let definitions: Vec<_> = version
        .functions
        .values()
        .filter_map(|id| version.definitions.get(id))
        .filter_map(|id| state.functions.definition(id).ok())
        .collect();
    let mut secrets: Vec<String> = definitions
        .iter()
        .flat_map(|function| &function.secret_ids)
        .filter_map(|id| state.secrets.name(id))
        .collect();
    secrets.sort();
    secrets.dedup();
    let recipe = definitions
        .iter()
        .find_map(|function| state.images.recipe(&function.image_id)?.ok());
    Some(Deployed {
        version: version.number,
        from_image: recipe.map_or_else(String::new, |recipe| recipe.from),
        secrets,
        functions: version.functions.keys().cloned().collect(),
    })
}
