use registry_model::{PinnedImage, Repository};

/// Where an image is to be found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    /// By digest: nothing to ask for.
    Exact(PinnedImage),
    /// By tag, in a registry.
    Tagged { repository: Repository, tag: String },
    /// In the engine only.
    Engine(String),
}

/// The name under which BuildKit looks up a named context for `FROM <name>`: the short form, without
/// `latest` (moby/buildkit, `frontend/dockerui/namedcontext.go`; distribution/reference,
/// `FamiliarString`).
pub(crate) fn familiar(name: &str) -> String {
    let short = name
        .strip_prefix("docker.io/")
        .or_else(|| name.strip_prefix("index.docker.io/"))
        .unwrap_or(name);
    let short = match short.strip_prefix("library/") {
        Some(rest) if !rest.contains('/') => rest,
        _ => short,
    };
    short.strip_suffix(":latest").unwrap_or(short).to_owned()
}

/// Where the image of a familiar name is: at docker.io, unless it names a registry.
pub(crate) fn asked(name: &str) -> Asked {
    let full = match name.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    };
    match replacement(&full) {
        Asked::Engine(_) => Asked::Engine(name.to_owned()),
        asked => asked,
    }
}

/// Reads what a base image is replaced by. A name without a registry host is the engine's own.
pub(crate) fn replacement(reference: &str) -> Asked {
    let engine = || Asked::Engine(reference.to_owned());
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let name_from = name.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match name[name_from..].find(':') {
        Some(colon) => (&name[..name_from + colon], &name[name_from + colon + 1..]),
        None => (name, "latest"),
    };
    let Ok(repository) = repository.parse::<Repository>() else {
        return engine();
    };
    match digest.map(str::parse) {
        Some(Ok(digest)) => Asked::Exact(repository.at(digest)),
        Some(Err(_)) => engine(),
        None => Asked::Tagged {
            repository,
            tag: tag.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_buildkit_looks_up() {
        assert_eq!(familiar("python:3.11-slim"), "python:3.11-slim");
        assert_eq!(familiar("docker.io/library/python:3"), "python:3");
        assert_eq!(familiar("library/python"), "python");
        assert_eq!(familiar("docker.io/acme/base"), "acme/base");
        assert_eq!(familiar("python:latest"), "python");
        assert_eq!(familiar("host:5000/a"), "host:5000/a");
    }

    #[test]
    fn images_are_asked_for_where_docker_pulls_them() {
        let tagged = |repository: &str, tag: &str| Asked::Tagged {
            repository: repository.parse().unwrap(),
            tag: tag.to_owned(),
        };
        assert_eq!(
            asked("python"),
            tagged("docker.io/library/python", "latest")
        );
        assert_eq!(asked("acme/base:1"), tagged("docker.io/acme/base", "1"));
        assert_eq!(asked("localhost/a"), tagged("localhost/a", "latest"));
        assert_eq!(asked("h:5000/a/b:2"), tagged("h:5000/a/b", "2"));
        let digest = format!("sha256:{}", "0".repeat(64));
        let exact: PinnedImage = format!("docker.io/library/python@{digest}")
            .parse()
            .unwrap();
        assert_eq!(asked(&format!("python:3@{digest}")), Asked::Exact(exact));
        assert_eq!(asked("Bad Name"), Asked::Engine("Bad Name".into()));
    }

    #[test]
    fn replacements_without_a_host_are_the_engines_own() {
        assert_eq!(
            replacement("base:local"),
            Asked::Engine("base:local".into())
        );
        assert_eq!(
            replacement("127.0.0.1:5000/base/python:3"),
            Asked::Tagged {
                repository: "127.0.0.1:5000/base/python".parse().unwrap(),
                tag: "3".into()
            }
        );
        let pinned = format!("ghcr.io/a/b@sha256:{}", "0".repeat(64));
        assert_eq!(replacement(&pinned), Asked::Exact(pinned.parse().unwrap()));
    }
}
