use std::fmt;
use std::str::FromStr;

use super::csv;

/// A place for build steps: `type=registry,ref=…`, `type=gha,…` or `type=local,…`, with the
/// attributes that BuildKit knows (docs.docker.com/build/cache/backends), or just the reference of
/// an image in a registry.
///
/// Every processor has a cache of its own, or they would overwrite each other's: its name is added
/// to the tag of `ref`, to `scope`, and as one more folder to `src` and `dest`.
#[derive(Clone, PartialEq, Eq)]
pub struct Cache {
    kind: CacheKind,
    attributes: Vec<(String, String)>,
}

/// Where a cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheKind {
    /// Beside the images.
    Registry,
    /// The cache of GitHub Actions.
    Gha,
    /// A folder.
    Local,
}

/// A text that names no cache. What it says is not shown: attributes may be credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read a build cache: {problem}")]
pub struct CacheError {
    /// What is wrong.
    pub problem: String,
}

impl CacheError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        "write `type=registry,ref=<repository>:<tag>`, `type=gha` or `type=local,dest=<folder>` \
         (`src=<folder>` to read)"
            .to_owned()
    }
}

impl Cache {
    /// Where it is.
    #[must_use]
    pub fn kind(&self) -> CacheKind {
        self.kind
    }

    /// What `bake` reads, for the target `id`. Local folders are relative to `root`.
    pub(super) fn line(&self, id: &str, root: &std::path::Path) -> String {
        let mut attributes = self.attributes.clone();
        for (name, value) in &mut attributes {
            match (self.kind, name.as_str()) {
                (CacheKind::Registry, "ref") => *value = own_tag(value, id),
                (CacheKind::Local, "src" | "dest") => {
                    *value = root.join(&*value).join(id).to_string_lossy().into_owned();
                }
                (CacheKind::Gha, "scope") => *value = format!("{value}-{id}"),
                _ => {}
            }
        }
        if self.kind == CacheKind::Gha && !attributes.iter().any(|(name, _)| name == "scope") {
            attributes.push(("scope".to_owned(), id.to_owned()));
        }
        let first = ("type", self.kind.name());
        let rest = attributes.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        csv::line(std::iter::once(first).chain(rest))
    }
}

impl CacheKind {
    fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Gha => "gha",
            Self::Local => "local",
        }
    }
}

/// `host/repository:tag` → `host/repository:tag-id`; without a tag, `host/repository:id`.
fn own_tag(reference: &str, id: &str) -> String {
    let name_from = reference.rfind('/').map_or(0, |slash| slash + 1);
    match reference[name_from..].contains(':') {
        true => format!("{reference}-{id}"),
        false => format!("{reference}:{id}"),
    }
}

impl FromStr for Cache {
    type Err = CacheError;

    fn from_str(text: &str) -> Result<Self, CacheError> {
        let bad = |problem: &str| CacheError {
            problem: problem.to_owned(),
        };
        let fields = csv::split(text.trim()).ok_or_else(|| bad("a quote is not closed"))?;
        if let [reference] = &fields[..]
            && !reference.is_empty()
            && !reference.contains('=')
        {
            return Ok(Self {
                kind: CacheKind::Registry,
                attributes: vec![("ref".to_owned(), reference.clone())],
            });
        }
        let mut kind = None;
        let mut attributes = Vec::new();
        for field in fields {
            let (name, value) = field
                .split_once('=')
                .ok_or_else(|| bad("a part of it is no `name=value`"))?;
            match (name, value) {
                ("type", "registry") => kind = Some(CacheKind::Registry),
                ("type", "gha") => kind = Some(CacheKind::Gha),
                ("type", "local") => kind = Some(CacheKind::Local),
                ("type", _) => return Err(bad("its type is not `registry`, `gha` or `local`")),
                _ => attributes.push((name.to_owned(), value.to_owned())),
            }
        }
        let kind = kind.ok_or_else(|| bad("it has no `type`"))?;
        let has = |wanted: &[&str]| attributes.iter().any(|(name, _)| wanted.contains(&&**name));
        match kind {
            CacheKind::Registry if !has(&["ref"]) => Err(bad("it has no `ref`")),
            CacheKind::Local if !has(&["src", "dest"]) => Err(bad("it has no `src` or `dest`")),
            _ => Ok(Self { kind, attributes }),
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens are attributes, too.
        write!(f, "Cache({})", self.kind.name())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn line(text: &str) -> String {
        let cache: Cache = text.parse().unwrap();
        cache.line("llm-v1", Path::new("/repo"))
    }

    #[test]
    fn each_processor_has_a_cache_of_its_own() {
        insta::assert_snapshot!([
            line("ghcr.io/acme/cache"),
            line("type=registry,ref=127.0.0.1:5000/cache:main,mode=max"),
            line("type=registry,ref=127.0.0.1:5000/cache"),
            line("type=gha,mode=max"),
            line("type=gha,scope=main"),
            line("type=local,src=.cache"),
            line("type=local,\"dest=/a,b\""),
        ].join("\n"), @r#"
        type=registry,ref=ghcr.io/acme/cache:llm-v1
        type=registry,ref=127.0.0.1:5000/cache:main-llm-v1,mode=max
        type=registry,ref=127.0.0.1:5000/cache:llm-v1
        type=gha,mode=max,scope=llm-v1
        type=gha,scope=main-llm-v1
        type=local,src=/repo/.cache/llm-v1
        type=local,"dest=/a,b/llm-v1"
        "#);
    }

    #[test]
    fn what_is_no_cache_is_refused_without_showing_it() {
        for bad in [
            "",
            "type=s3,access_key_id=hunter2",
            "type=registry",
            "type=local,mode=max",
            "mode=max",
            "type=registry,ref=\"a",
            "type=gha,hunter2",
        ] {
            let error = bad.parse::<Cache>().unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let cache: Cache = "type=gha,token=hunter2".parse().unwrap();
        assert!(!format!("{cache:?}").contains("hunter2"));
    }
}
