use std::collections::BTreeMap;

/// Where the replacement of a base image is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Replacement {
    /// By digest, or known to the engine only: nothing to ask for.
    Fixed(String),
    /// By tag, in a registry.
    Tagged {
        repository: registry_model::Repository,
        tag: String,
    },
}

/// The name under which BuildKit looks up a named context for `FROM <name>`: the short form, with
/// `latest` if there is no tag (moby/buildkit, `frontend/dockerui/namedcontext.go`; distribution/
/// reference, `FamiliarString`).
pub(crate) fn familiar(name: &str) -> String {
    let short = name
        .strip_prefix("docker.io/library/")
        .or_else(|| name.strip_prefix("docker.io/"))
        .or_else(|| name.strip_prefix("index.docker.io/library/"))
        .or_else(|| name.strip_prefix("index.docker.io/"))
        .or_else(|| name.strip_prefix("library/"))
        .unwrap_or(name);
    let last = short.rsplit('/').next().unwrap_or(short);
    if last.contains(':') || last.contains('@') {
        short.to_owned()
    } else {
        format!("{short}:latest")
    }
}

/// The replacements that concern a Dockerfile: name as BuildKit has it → reference.
///
/// One too many costs a rebuild when that base moves; one too few builds on the wrong base. So a
/// name counts wherever it stands in the text, and all count when a name is made from variables.
pub(crate) fn used<'a>(
    dockerfile: &str,
    mapping: &'a BTreeMap<String, String>,
) -> Vec<(String, &'a str)> {
    let variable = dockerfile.lines().map(str::trim_start).any(|line| {
        let word = line.split_whitespace().next().unwrap_or_default();
        (word.eq_ignore_ascii_case("FROM") && line.contains('$'))
            || line
                .split_whitespace()
                .any(|word| word.contains("from=$") || word.contains("from=\"$"))
    });
    let words: Vec<String> = dockerfile
        .split(|c: char| c.is_whitespace() || matches!(c, '=' | ',' | '"' | '\''))
        .filter(|word| !word.is_empty())
        .map(familiar)
        .collect();
    let mut used: Vec<(String, &str)> = mapping
        .iter()
        .map(|(name, reference)| (familiar(name), reference.as_str()))
        .filter(|(name, _)| variable || words.contains(name))
        .collect();
    used.sort();
    used.dedup_by(|a, b| a.0 == b.0);
    used
}

/// Reads what a base image is replaced by. A name without a registry host is the engine's own.
pub(crate) fn replacement(reference: &str) -> Replacement {
    let fixed = || Replacement::Fixed(reference.to_owned());
    if reference.contains('@') {
        return fixed();
    }
    let name_from = reference.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match reference[name_from..].find(':') {
        Some(colon) => (
            &reference[..name_from + colon],
            &reference[name_from + colon + 1..],
        ),
        None => (reference, "latest"),
    };
    match repository.parse() {
        Ok(repository) => Replacement::Tagged {
            repository,
            tag: tag.to_owned(),
        },
        Err(_) => fixed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_buildkit_looks_up() {
        assert_eq!(familiar("python:3.11-slim"), "python:3.11-slim");
        assert_eq!(familiar("docker.io/library/python:3"), "python:3");
        assert_eq!(familiar("docker.io/acme/base"), "acme/base:latest");
        assert_eq!(familiar("python"), "python:latest");
        assert_eq!(familiar("host:5000/a"), "host:5000/a:latest");
    }

    #[test]
    fn only_replacements_that_matter_count() {
        let mapping: BTreeMap<String, String> = [
            ("docker.io/library/python:3.11-slim", "local:python"),
            ("debian", "local:debian"),
        ]
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .into();
        let names = |text| -> Vec<String> {
            used(text, &mapping)
                .into_iter()
                .map(|(name, _)| name)
                .collect()
        };
        assert_eq!(names("FROM python:3.11-slim AS x"), ["python:3.11-slim"]);
        assert_eq!(
            names("FROM scratch\nCOPY --from=debian /a /b"),
            ["debian:latest"]
        );
        assert_eq!(names("FROM scratch\nRUN echo $HOME"), [""; 0]);
        assert_eq!(
            names("ARG V=3\nfrom python:${V}"),
            ["debian:latest", "python:3.11-slim"]
        );
    }

    #[test]
    fn replacements_are_asked_for_only_with_a_host_and_without_a_digest() {
        assert_eq!(
            replacement("base:local"),
            Replacement::Fixed("base:local".into())
        );
        assert_eq!(
            replacement("127.0.0.1:5000/base/python:3"),
            Replacement::Tagged {
                repository: "127.0.0.1:5000/base/python".parse().unwrap(),
                tag: "3".into()
            }
        );
        let pinned = format!("ghcr.io/a/b@sha256:{}", "0".repeat(64));
        assert_eq!(replacement(&pinned), Replacement::Fixed(pinned.clone()));
    }
}
