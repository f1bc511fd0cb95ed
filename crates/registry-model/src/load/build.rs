//! `build`: where an image is built from.

use std::path::{Path, PathBuf};

use super::paths::{self, Escape};
use super::reader::Reader;
use crate::finding::{Severity, code};
use crate::yaml::NodeId;
use crate::{BuildSpec, ProcessorRef};

/// Where the paths of a file start.
pub(super) struct Place<'a> {
    pub(super) root: &'a paths::Root,
    /// The folder that paths are relative to, itself relative to the root.
    pub(super) base: &'a Path,
    /// Whether the file is in the tools layout: one folder a processor.
    pub(super) tools: bool,
    /// Whether anything will be built at all.
    pub(super) enabled: bool,
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    document: NodeId,
    reference: Option<&ProcessorRef>,
    place: &Place<'_>,
) -> Option<BuildSpec> {
    let build = reader.map(document, "build");
    let at = build.unwrap_or(document);
    let context = text(reader, build, "build.context").unwrap_or((".", at));
    let context = path(reader, context, "build.context", place);
    let dockerfile = match text(reader, build, "build.dockerfile") {
        Some(given) => path(reader, given, "build.dockerfile", place),
        None if place.tools => path(reader, ("Dockerfile", at), "build.dockerfile", place),
        None => {
            let package = reference?.package();
            let default = format!("apps/core/processors/{package}/Dockerfile");
            path(reader, (&default, at), "build.dockerfile", place)
        }
    };
    let target = text(reader, build, "build.target").map(|(target, _)| target.to_owned());
    let args = build.map_or_else(Vec::new, |build| args(reader, build));

    let (context, dockerfile) = (context?, dockerfile?);
    Some(BuildSpec {
        context,
        dockerfile,
        target,
        args,
    })
}

fn text<'a>(
    reader: &mut Reader<'a>,
    build: Option<NodeId>,
    field: &str,
) -> Option<(&'a str, NodeId)> {
    reader.text(build?, field)
}

/// The path of a field, in the repository and existing.
fn path(
    reader: &mut Reader<'_>,
    (given, at): (&str, NodeId),
    field: &str,
    place: &Place<'_>,
) -> Option<PathBuf> {
    let joined = paths::join(place.base, given);
    let real = joined.and_then(|path| Ok((place.root.resolve(&path)?, path)));
    let (real, path) = match real {
        Ok(found) => found,
        Err(escape) => {
            escapes(reader, at, field, given, escape);
            return None;
        }
    };
    let folder = field == "build.context";
    let exists = real.is_some_and(|(_, found)| {
        if folder {
            found.is_dir()
        } else {
            found.is_file()
        }
    });
    if !exists {
        let (code, what) = match folder {
            true => (code::MISSING_CONTEXT, "context folder"),
            false => (code::MISSING_DOCKERFILE, "Dockerfile"),
        };
        let shown = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &path
        };
        let message = format!("the {what} {} does not exist", shown.display());
        let hint = format!("create it, or name another with `{field}`");
        if place.enabled {
            reader.error(at, code, message, Some(&hint));
        } else {
            reader.report(at, code, message, Some(&hint), Severity::Warning);
        }
    }
    Some(path)
}

fn escapes(reader: &mut Reader<'_>, at: NodeId, field: &str, given: &str, escape: Escape) {
    let message = format!("`{field}`: {}", escape.message(given));
    let hint = "name a path inside the repository";
    reader.error(at, code::PATH_ESCAPES, message, Some(hint));
}

fn args(reader: &mut Reader<'_>, build: NodeId) -> Vec<(String, String)> {
    let Some(args) = reader.map(build, "build.args") else {
        return Vec::new();
    };
    let tree = reader.tree;
    let mut read = Vec::new();
    for (key, value) in tree.pairs(args).unwrap_or_default() {
        let value = tree.target(*value);
        let name = tree.scalar(tree.target(*key)).map(|(name, _)| name);
        if let Some(name) = name.filter(|name| !is_arg_name(name)) {
            let shown: String = name.chars().take(80).collect();
            let message = format!("`{shown}` below `build.args` is no name of a build argument");
            let hint = "use letters, digits and `_`, and no digit first";
            reader.error(*key, code::BAD_ARG_NAME, message, Some(hint));
            continue;
        }
        // Numbers and booleans are kept as they are written: `1.10` is not `1.1`.
        let text = tree.scalar(value).filter(|_| !tree.is_null(value));
        match (name, text) {
            (Some(name), Some((text, _))) => read.push((name.to_owned(), text.to_owned())),
            (name, _) => {
                let field = format!("build.args.{}", name.unwrap_or("?"));
                reader.bad_type(&field, *key, value, "text");
            }
        }
    }
    read
}

/// Whether `ARG` of a Dockerfile can declare it, which takes what a shell takes.
fn is_arg_name(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    name.bytes().next().is_some_and(letter) && name.bytes().all(|b| letter(b) || b.is_ascii_digit())
}
