//! One registry file: the document in it, and typed access to its fields.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::files::Found;
use super::registry::{LoadOptions, Named};
use super::{acceptance, build, document, image, paths, runtime, secrets, smoke};
use crate::finding::{Finding, Position, Severity, code};
use crate::yaml::{Kind, MAX_BYTES, NodeId, Resolved, Source, Tree, resolve};
use crate::{Entry, ProcessorRef};

/// A merge key that leads to merge keys that lead to merge keys …: nobody writes more.
const MAX_MERGES: usize = 16;

/// Most registry files are shorter.
const USUAL_BYTES: usize = 8 * 1024;

/// A document that is being read, and what is wrong with it so far.
pub(super) struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    pub(super) tree: &'a Tree<'a>,
    findings: &'a mut Vec<Finding>,
    errors: usize,
}

/// Reads one file; with any error in it there is no entry, but perhaps a name.
pub(super) fn read(
    root: &paths::Root,
    found: &Found,
    options: &LoadOptions,
    names: &mut Vec<Named>,
    findings: &mut Vec<Finding>,
) -> Option<Entry> {
    let file = &*found.path;
    let mut broken = |code, at: Position, message: String, hint: Option<String>| {
        findings.push(Finding {
            code,
            file: file.to_owned(),
            line: at.line,
            column: at.column,
            message,
            hint,
            severity: Severity::Error,
        });
    };
    let bytes = match read_bytes(root, found) {
        Ok(bytes) => bytes,
        Err((code, message)) => {
            broken(code, Position::START, message, None);
            return None;
        }
    };
    let read = Source::new(&bytes).and_then(|source| Ok((Tree::read(&source)?, source.text())));
    let (tree, text) = match read {
        Ok(read) => read,
        Err(problem) => {
            broken(problem.code, problem.at, problem.message, problem.hint);
            return None;
        }
    };
    let number = match tree.entries()[..] {
        [number] => number,
        [] => {
            let hint = "name the processor, as in `ref: llm/litellm@1`";
            let message = "the file has no `ref`".into();
            broken(
                code::MISSING_REF,
                Position::START,
                message,
                Some(hint.into()),
            );
            return None;
        }
        [first, second, ..] => {
            let at = |number: usize| Position::of(tree.node(tree.documents[number]).start);
            let message = format!(
                "the file has a second registry entry: the first starts in line {}",
                at(first).line
            );
            let hint = Some("put each processor into a file of its own".into());
            broken(code::SEVERAL_ENTRIES, at(second), message, hint);
            return None;
        }
    };
    let mut reader = Reader {
        file,
        text,
        tree: &tree,
        findings,
        errors: 0,
    };
    let document = tree.documents[number];
    reader.refuse_duplicate_keys();
    let named = reader.reference(document);
    if let (Some(reference), Some((_, value))) = (&named, reader.find(document, "ref")) {
        names.push(Named {
            reference: reference.clone(),
            file: file.to_owned(),
            at: reader.position(value),
        });
    }
    reader.entry(root, options, document, named)
}

fn read_bytes(root: &paths::Root, found: &Found) -> Result<Vec<u8>, (&'static str, String)> {
    let unreadable = |what: String| (code::UNREADABLE, format!("can't read the file: {what}"));
    let file = &found.path;
    let real = match found.is_regular {
        true => root.resolve_no_link(file).map(|real| (real, true)),
        false => root.resolve(file).map(|real| match real {
            Some((real, metadata)) => (Some(real), metadata.is_file()),
            None => (None, false),
        }),
    };
    let (real, is_regular) = match real {
        Ok((Some(real), is_regular)) => (real, is_regular),
        Ok((None, _)) => return Err(unreadable("nothing is there, or no access".into())),
        Err(escape) => {
            let name = file.display().to_string();
            return Err((code::PATH_ESCAPES, escape.message(&name)));
        }
    };
    // A named pipe would block for ever: look before opening.
    if !is_regular {
        return Err(unreadable("it is no regular file".into()));
    }
    let limit = MAX_BYTES as u64 + 1;
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    File::open(&real)
        .and_then(|open| open.take(limit).read_to_end(&mut bytes))
        .map_err(|e| unreadable(e.to_string()))?;
    Ok(bytes)
}

impl<'a> Reader<'a> {
    fn entry(
        &mut self,
        root: &paths::Root,
        options: &LoadOptions,
        document: NodeId,
        named: Option<ProcessorRef>,
    ) -> Option<Entry> {
        let tools = self
            .file
            .file_name()
            .is_some_and(|name| name == "registry.yaml");
        let enabled = self.bool(document, "enabled").unwrap_or(true);
        let (pins, repository) = image::read(self, document, tools);
        let secrets = secrets::read(self, document);
        let runtime = runtime::read(self, document);
        let smoke = smoke::read(self, document, &secrets);
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let place = build::Place {
            root,
            base: if tools { folder } else { &options.context },
            tools,
            enabled,
        };
        let build = build::read(self, document, named.as_ref(), &place);
        let acceptance = acceptance::read(self, document, &place);
        document::check(self, document);
        if self.errors > 0 {
            return None;
        }
        Some(Entry {
            reference: named?,
            file: self.file.to_owned(),
            pins,
            repository,
            build: build?,
            secrets,
            runtime,
            smoke,
            acceptance,
            enabled,
            text: self.text.into(),
        })
    }

    fn reference(&mut self, document: NodeId) -> Option<ProcessorRef> {
        let Some((key, value)) = self.find(document, "ref") else {
            let hint = "name the processor, as in `ref: llm/litellm@1`";
            self.error(
                document,
                code::MISSING_REF,
                "the entry has no `ref`",
                Some(hint),
            );
            return None;
        };
        let text = self.text_of("ref", key, value)?;
        match text.parse() {
            Ok(reference) => Some(reference),
            Err(error) => {
                let message = format!("`ref` is `{}`, not {}", error.found, error.expected);
                self.error(value, code::BAD_REF, message, None);
                None
            }
        }
    }

    fn refuse_duplicate_keys(&mut self) {
        let tree = self.tree;
        for node in &tree.nodes {
            let Kind::Mapping(pairs) = &node.kind else {
                continue;
            };
            let mut seen = BTreeSet::new();
            for (key, _) in pairs {
                let Some((name, _)) = tree.scalar(tree.target(*key)) else {
                    continue;
                };
                if !seen.insert(name) {
                    let message = format!("the key `{name}` is there twice");
                    self.error(
                        *key,
                        code::DUPLICATE_KEY,
                        message,
                        Some("delete one of the two"),
                    );
                }
            }
        }
    }

    /// Where a node stands.
    pub(super) fn position(&self, id: NodeId) -> Position {
        Position::of(self.tree.node(id).start)
    }

    pub(super) fn error(
        &mut self,
        at: NodeId,
        code: &'static str,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        self.errors += 1;
        self.report(at, code, message.into(), hint, Severity::Error);
    }

    pub(super) fn report(
        &mut self,
        at: NodeId,
        code: &'static str,
        message: String,
        hint: Option<&str>,
        severity: Severity,
    ) {
        let at = self.position(at);
        self.findings.push(Finding {
            code,
            file: self.file.to_owned(),
            line: at.line,
            column: at.column,
            message,
            hint: hint.map(Into::into),
            severity,
        });
    }

    /// The key and the value of a field, through aliases and merge keys.
    pub(super) fn find(&self, map: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
        self.find_merged(map, key, 0)
    }

    fn find_merged(&self, map: NodeId, key: &str, merges: usize) -> Option<(NodeId, NodeId)> {
        let tree = self.tree;
        let map = tree.target(map);
        if merges > MAX_MERGES {
            return None;
        }
        if let Some((key, value)) = tree.find(map, key) {
            return Some((key, tree.target(value)));
        }
        let pairs = tree.pairs(map)?.iter();
        pairs
            .filter(|(key, _)| tree.is_merge(*key))
            .find_map(|(_, merged)| match &tree.node(tree.target(*merged)).kind {
                Kind::Sequence(maps) => maps
                    .iter()
                    .find_map(|map| self.find_merged(*map, key, merges + 1)),
                _ => self.find_merged(*merged, key, merges + 1),
            })
    }

    /// Says that a field should hold something else.
    pub(super) fn bad_type(&mut self, field: &str, key: NodeId, value: NodeId, expected: &str) {
        let found = match &self.tree.node(value).kind {
            Kind::Mapping(_) => "a mapping".to_owned(),
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Alias(_) => "an alias".to_owned(),
            Kind::Scalar => {
                let written = self.tree.scalar(value).map_or("", |(text, _)| text);
                let written: String = written.chars().take(80).collect();
                match self.resolved(value) {
                    Some(Resolved::Null) => "empty".to_owned(),
                    Some(Resolved::Int(_) | Resolved::Float(_)) => {
                        format!("the number `{written}`")
                    }
                    _ => format!("`{written}`"),
                }
            }
        };
        let at = if self.tree.is_null(value) { key } else { value };
        let message = format!("`{field}` should be {expected}, and is {found}");
        self.error(at, code::BAD_TYPE, message, None);
    }

    fn resolved(&self, id: NodeId) -> Option<Resolved<'a>> {
        let (value, style) = self.tree.scalar(id)?;
        Some(resolve(value, style))
    }

    /// A field that holds a mapping; nothing when it is absent or null.
    pub(super) fn map(&mut self, map: NodeId, field: &str) -> Option<NodeId> {
        let name = field.rsplit('.').next().unwrap_or(field);
        let (key, value) = self.find(map, name)?;
        if self.tree.is_null(value) {
            return None;
        }
        if self.tree.pairs(value).is_none() {
            self.bad_type(field, key, value, "a mapping");
            return None;
        }
        Some(value)
    }

    /// A field that holds a text; nothing when it is absent or null. `field` is its full name,
    /// of which the last part is the key.
    pub(super) fn text(&mut self, map: NodeId, field: &str) -> Option<(&'a str, NodeId)> {
        let name = field.rsplit('.').next().unwrap_or(field);
        let (key, value) = self.find(map, name)?;
        if self.tree.is_null(value) {
            return None;
        }
        Some((self.text_of(field, key, value)?, value))
    }

    pub(super) fn text_of(&mut self, field: &str, key: NodeId, value: NodeId) -> Option<&'a str> {
        match self.resolved(value) {
            Some(Resolved::Text(text)) => Some(text),
            _ => {
                self.bad_type(field, key, value, "text");
                None
            }
        }
    }

    /// A field that holds a number, with or without quotes.
    pub(super) fn number(&mut self, map: NodeId, field: &str, expected: &str) -> Option<f64> {
        let name = field.rsplit('.').next().unwrap_or(field);
        let (key, value) = self.find(map, name)?;
        let number = match self.resolved(value) {
            Some(Resolved::Null) => return None,
            Some(Resolved::Int(number)) => Some(number as f64),
            Some(Resolved::Float(number)) => Some(number),
            Some(Resolved::Text(text)) => text.trim().parse().ok(),
            Some(Resolved::Bool(_)) | None => None,
        };
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        if number.is_none() {
            self.bad_type(field, key, value, expected);
        }
        number
    }

    fn bool(&mut self, map: NodeId, field: &str) -> Option<bool> {
        let (key, value) = self.find(map, field)?;
        match self.resolved(value) {
            Some(Resolved::Bool(value)) => Some(value),
            Some(Resolved::Null) => None,
            _ => {
                self.bad_type(field, key, value, "`true` or `false`");
                None
            }
        }
    }
}
