//! What a Dockerfile can see of its context, and which images it is built from.
//!
//! Both are read from the text alone, and only as far as they are certain. Where BuildKit would
//! fill in a variable, follow a link or know an instruction that is not known here, the answer is
//! "the whole context": that costs a rebuild now and then, the contrary would miss one.

mod names;
mod sources;
mod variables;

use std::collections::{BTreeMap, BTreeSet};

use parse_dockerfile::{Flag, Instruction, Source, Stage};

pub(crate) use names::{Asked, asked, familiar, replacement};
pub(crate) use sources::{Pattern, Visible};
use variables::Variables;

/// What follows from the text of a Dockerfile, the build arguments and the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Analysis {
    /// What it sees of the context.
    pub(crate) visible: Visible,
    /// The images that it names; `None` if they are not certain.
    pub(crate) bases: Option<BTreeMap<String, Base>>,
}

/// An image that is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// The line of the first instruction that names it, from 1.
    pub(crate) line: usize,
    /// Whether a stage begins with it; then its own instructions for that count, too.
    pub(crate) begins: bool,
}

/// Something that is not certain.
struct Unsure;

impl Analysis {
    /// Reads a Dockerfile.
    pub(crate) fn of(bytes: &[u8], args: &[(String, String)], target: Option<&str>) -> Self {
        std::str::from_utf8(bytes)
            .map_err(|_| Unsure)
            .and_then(|text| read(text, args, target))
            .unwrap_or(Self {
                visible: Visible::Everything,
                bases: None,
            })
    }

    /// What the instructions see that base images add to a Dockerfile (`ONBUILD`).
    pub(crate) fn of_triggers(triggers: &[String]) -> Visible {
        let text = format!("FROM scratch\n{}\n", triggers.join("\n"));
        let analysis = Self::of(text.as_bytes(), &[], None);
        match analysis.bases {
            Some(bases) if bases.is_empty() => analysis.visible,
            _ => Visible::Everything,
        }
    }
}

fn read(text: &str, args: &[(String, String)], target: Option<&str>) -> Result<Analysis, Unsure> {
    let parsed = parse_dockerfile::parse(text).map_err(|_| Unsure)?;
    let syntax = parsed.parser_directives.syntax.as_ref();
    if !is_known_frontend(text, syntax.map(|syntax| syntax.value.value))
        || args.iter().any(|(name, _)| name == "BUILDKIT_SYNTAX")
    {
        return Err(Unsure);
    }
    let mut variables = Variables::new(args);
    for arg in parsed.global_args() {
        variables.declare(&arg.arguments.value)?;
    }
    let stages: Vec<Stage<'_, '_>> = parsed.stages().collect();
    let names: Vec<Option<String>> = stages
        .iter()
        .map(|stage| Some(stage.from.as_.as_ref()?.1.value.to_lowercase()))
        .collect();
    let distinct: BTreeSet<&String> = names.iter().flatten().collect();
    if distinct.len() < names.iter().flatten().count() {
        return Err(Unsure);
    }
    let mut reader = Reader {
        text,
        names,
        variables,
        visible: Visible::Only(BTreeSet::new()),
        bases: BTreeMap::new(),
        needed: Vec::new(),
    };
    match target.map(|target| reader.stage(&target.to_lowercase())) {
        None => reader.needed.push(stages.len().saturating_sub(1)),
        Some(Some(stage)) => reader.needed.push(stage),
        // The builder will refuse it.
        Some(None) => return Err(Unsure),
    }
    let mut seen = BTreeSet::new();
    while let Some(index) = reader.needed.pop() {
        if let (true, Some(stage)) = (seen.insert(index), stages.get(index)) {
            reader.read_stage(index, stage)?;
        }
    }
    Ok(Analysis {
        visible: reader.visible,
        bases: Some(reader.bases),
    })
}

/// Whether the instructions mean what they mean in the official frontend.
fn is_known_frontend(text: &str, syntax: Option<&str>) -> bool {
    let Some(syntax) = syntax else {
        // BuildKit may read a directive where the parser sees a comment.
        return !text
            .trim_start_matches('\u{feff}')
            .lines()
            .take_while(|line| line.trim_start().starts_with('#') || line.trim().is_empty())
            .any(|line| line.to_lowercase().contains("syntax") && line.contains('='));
    };
    let name = syntax.strip_prefix("docker.io/").unwrap_or(syntax);
    match name.strip_prefix("docker/dockerfile") {
        Some(rest) => rest.is_empty() || rest.starts_with([':', '@']),
        None => false,
    }
}

/// Whether the builder may make something else of a text: variables, quotes, escapes.
fn is_plain(text: &str) -> bool {
    !text.contains(['$', '"', '\'', '\\', '`'])
}

struct Reader<'a> {
    text: &'a str,
    /// The names of the stages, in lower case.
    names: Vec<Option<String>>,
    variables: Variables<'a>,
    visible: Visible,
    bases: BTreeMap<String, Base>,
    /// Stages that are still to be read.
    needed: Vec<usize>,
}

impl Reader<'_> {
    /// The stage of this name or number.
    fn stage(&self, name: &str) -> Option<usize> {
        let named = |known: &Option<String>| known.as_deref() == Some(name);
        self.names.iter().position(named).or_else(|| {
            let index = name.parse::<usize>().ok()?;
            (index < self.names.len()).then_some(index)
        })
    }

    fn read_stage(&mut self, index: usize, stage: &Stage<'_, '_>) -> Result<(), Unsure> {
        let known = |flag: &Flag<'_>| flag.name.value == "platform";
        if !stage.from.options.iter().all(known) {
            return Err(Unsure);
        }
        let image = self.variables.fill_in(&stage.from.image.value)?;
        let lower = image.to_lowercase();
        let earlier = self.names.iter().take(index);
        let earlier = earlier.rev().position(|name| *name == Some(lower.clone()));
        match earlier {
            Some(back) => self.needed.push(index - 1 - back),
            None => self.base(&image, stage.from.image.span.start, true)?,
        }
        for instruction in stage.instructions {
            self.read_instruction(instruction)?;
        }
        Ok(())
    }

    fn read_instruction(&mut self, instruction: &Instruction<'_>) -> Result<(), Unsure> {
        match instruction {
            Instruction::Copy(copy) => self.read_copy(&copy.options, &copy.src, false),
            Instruction::Add(add) => self.read_copy(&add.options, &add.src, true),
            Instruction::Run(run) => {
                for flag in &run.options {
                    match &*flag.name.value {
                        "mount" => self.read_mount(flag)?,
                        "network" | "security" | "device" => {}
                        _ => self.visible = Visible::Everything,
                    }
                }
                Ok(())
            }
            // It runs in stages that begin with this one; those see no more than all stages do.
            Instruction::Onbuild(onbuild) => self.read_instruction(&onbuild.instruction),
            _ => Ok(()),
        }
    }

    fn read_copy(
        &mut self,
        options: &[Flag<'_>],
        sources: &[Source<'_>],
        is_add: bool,
    ) -> Result<(), Unsure> {
        let mut deep = false;
        for flag in options {
            match &*flag.name.value {
                "from" if !is_add => return self.read_from(flag),
                "parents" => deep = true,
                // What is left out of a folder is a part of it.
                "exclude" | "chown" | "chmod" | "link" | "keep-git-dir" | "checksum" | "unpack" => {
                }
                _ => self.visible = Visible::Everything,
            }
        }
        for source in sources {
            match source {
                Source::Path(path) => {
                    let path = &*path.value;
                    if is_add && (path.starts_with("http://") || path.starts_with("https://")) {
                        continue;
                    }
                    match is_plain(path) {
                        true => self.visible.add(Pattern::of_copy(path, deep)),
                        false => self.visible = Visible::Everything,
                    }
                }
                Source::HereDoc(_) => {}
                _ => self.visible = Visible::Everything,
            }
        }
        Ok(())
    }

    fn read_from(&mut self, flag: &Flag<'_>) -> Result<(), Unsure> {
        let value = flag.value.as_ref().ok_or(Unsure)?;
        self.from(&value.value, value.span.start)
    }

    /// Another stage or an image.
    fn from(&mut self, name: &str, at: usize) -> Result<(), Unsure> {
        if name.is_empty() || !is_plain(name) {
            return Err(Unsure);
        }
        match self.stage(&name.to_lowercase()) {
            Some(stage) => {
                self.needed.push(stage);
                Ok(())
            }
            None => self.base(name, at, false),
        }
    }

    /// `RUN --mount=type=bind,source=…,from=…`.
    fn read_mount(&mut self, flag: &Flag<'_>) -> Result<(), Unsure> {
        let value = flag.value.as_ref().ok_or(Unsure)?;
        let (mut kind, mut from, mut source) = ("bind", None, "");
        for field in value.value.split(',') {
            let (name, text) = field.split_once('=').unwrap_or((field, ""));
            match name.to_lowercase().as_str() {
                "type" => kind = text,
                "from" => from = Some(text),
                "source" | "src" => source = text,
                _ => {}
            }
        }
        if [kind, source, from.unwrap_or("")]
            .iter()
            .any(|text| !is_plain(text))
            || value.value.contains('"')
        {
            return Err(Unsure);
        }
        match (kind, from) {
            (_, Some(from)) => self.from(from, value.span.start),
            ("bind", None) => {
                self.visible.add(Pattern::of_mount(source));
                Ok(())
            }
            ("cache" | "tmpfs" | "secret" | "ssh", None) => Ok(()),
            _ => {
                self.visible = Visible::Everything;
                Ok(())
            }
        }
    }

    fn base(&mut self, name: &str, at: usize, begins: bool) -> Result<(), Unsure> {
        if name == "scratch" {
            return Ok(());
        }
        let line = |text: &str| text.bytes().filter(|b| *b == b'\n').count() + 1;
        let line = self.text.get(..at).map_or(1, line);
        let base = self
            .bases
            .entry(familiar(name))
            .or_insert(Base { line, begins });
        base.line = base.line.min(line);
        base.begins |= begins;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
