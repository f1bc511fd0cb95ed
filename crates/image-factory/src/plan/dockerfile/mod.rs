//! What a Dockerfile can see of its context, and which images it is built from.
//!
//! Both are read from the text alone, and only as far as they are certain. Where BuildKit would
//! fill in a variable, follow a link or know an instruction that is not known here, what is seen is
//! "the whole context": that costs a rebuild now and then, the contrary would miss one. The images
//! are then looked for instruction by instruction ([`lenient`]); one whose name cannot be told is
//! reported.

mod fetched;
mod lenient;
mod lines;
mod names;
mod sources;
mod variables;

use std::collections::{BTreeMap, BTreeSet};

use parse_dockerfile::{Flag, Instruction, Source, Stage};

use lines::Lines;
pub(crate) use names::{Asked, asked, familiar, replacement};
use registry_model::Platform;
pub(crate) use sources::{OfGit, Pattern, Visible};
use variables::Variables;

/// What follows from the text of a Dockerfile, the build arguments and the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Analysis {
    /// What it sees of the context.
    pub(crate) visible: Visible,
    /// The images that it names, by the name that BuildKit has for them.
    pub(crate) bases: BTreeMap<String, Base>,
    /// Where it names an image that cannot be told.
    pub(crate) unknown: Vec<Unknown>,
    /// Where it fetches what may become something else.
    pub(crate) fetched: Vec<Unknown>,
    /// The names of its stages, in lower case.
    pub(crate) stages: BTreeSet<String>,
}

/// An image that is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// The line of the first instruction that names it, from 1.
    pub(crate) line: usize,
    /// Whether a stage begins with it; then its own instructions for that count, too.
    pub(crate) begins: bool,
}

/// Something that cannot be told, or not for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Where it is named, from 1.
    pub(crate) line: usize,
    /// How.
    pub(crate) text: String,
}

/// Something that is not certain.
struct Unsure;

impl Analysis {
    /// Reads a Dockerfile that is built for these platforms.
    pub(crate) fn of(
        bytes: &[u8],
        args: &[(String, String)],
        target: Option<&str>,
        platforms: &[Platform],
    ) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let lines = Lines::of(&text);
        let frontend = other_frontend(&text, args);
        let read = match (&frontend, std::str::from_utf8(bytes)) {
            (None, Ok(_)) => read(&lines, args, target),
            _ => Err(Unsure),
        };
        read.unwrap_or_else(|Unsure| {
            let mut analysis = lenient::analyse(&lines, args, platforms);
            analysis
                .unknown
                .extend(frontend.map(|text| Unknown { line: 1, text }));
            analysis
        })
    }

    /// What the instructions see that base images add to a Dockerfile (`ONBUILD`).
    pub(crate) fn of_triggers(triggers: &[String]) -> Visible {
        let text = format!("FROM scratch\n{}\n", triggers.join("\n"));
        let analysis = Self::of(text.as_bytes(), &[], None, &[]);
        match analysis.bases.is_empty() {
            true => analysis.visible,
            false => Visible::Everything,
        }
    }
}

impl Base {
    /// Adds an image to those that are named.
    fn note(bases: &mut BTreeMap<String, Self>, name: &str, line: usize, begins: bool) {
        if name == "scratch" {
            return;
        }
        let name = familiar(name);
        let base = bases.entry(name).or_insert(Self { line, begins });
        base.line = base.line.min(line);
        base.begins |= begins;
    }
}

fn read(
    lines: &Lines,
    args: &[(String, String)],
    target: Option<&str>,
) -> Result<Analysis, Unsure> {
    let text = &lines.text;
    let parsed = parse_dockerfile::parse(text).map_err(|_| Unsure)?;
    // Two readers that do not see the same instructions: one of them is wrong.
    if parsed.instructions.len() != lines.instructions.len() {
        return Err(Unsure);
    }
    let mut variables = Variables::new(args, lines.escape, None);
    for arg in parsed.global_args() {
        variables.declare(&arg.arguments.value);
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
        fetched: Vec::new(),
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
        bases: reader.bases,
        unknown: Vec::new(),
        fetched: reader.fetched,
        stages: reader.names.into_iter().flatten().collect(),
    })
}

/// How another frontend than the official one is asked for, in which instructions may mean anything.
fn other_frontend(text: &str, args: &[(String, String)]) -> Option<String> {
    let given = args.iter().find(|(name, _)| name == "BUILDKIT_SYNTAX");
    if let Some((name, _)) = given {
        return Some(name.clone());
    }
    // BuildKit reads the directive in comments of several kinds, and only before anything else; a
    // comment that looks like one is taken for one.
    let comments = text
        .trim_start_matches('\u{feff}')
        .lines()
        .take_while(|line| {
            let line = line.trim_start();
            line.is_empty() || line.starts_with('#') || line.starts_with("//")
        });
    let mut directives = comments.filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.to_lowercase()
            .contains("syntax")
            .then_some((line, value.trim()))
    });
    let (line, value) = directives.next()?;
    let name = value.strip_prefix("docker.io/").unwrap_or(value);
    let known = match name.strip_prefix("docker/dockerfile") {
        Some(rest) => rest.is_empty() || rest.starts_with([':', '@']),
        None => false,
    };
    (!known || directives.next().is_some()).then(|| line.trim().to_owned())
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
    fetched: Vec<Unknown>,
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
        if image.is_empty() || image.contains(char::is_whitespace) {
            return Err(Unsure);
        }
        let lower = image.to_lowercase();
        let earlier = self.names.iter().take(index);
        let earlier = earlier.rev().position(|name| *name == Some(lower.clone()));
        match earlier {
            Some(back) => self.needed.push(index - 1 - back),
            None => self.base(&image, stage.from.image.span.start, true),
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
        let (mut deep, mut checked) = (false, false);
        for flag in options {
            match &*flag.name.value {
                "from" if !is_add => return self.read_from(flag),
                "parents" => deep = true,
                "checksum" => checked = true,
                // What is left out of a folder is a part of it.
                "exclude" | "chown" | "chmod" | "link" | "keep-git-dir" | "unpack" => {}
                _ => self.visible = Visible::Everything,
            }
        }
        for source in sources {
            match source {
                Source::Path(path) => {
                    let at = path.span.start;
                    let path = &*path.value;
                    if is_add && !checked && fetched::may_change(path) {
                        let line = self.line(at);
                        let text = path.to_owned();
                        self.fetched.push(Unknown { line, text });
                    }
                    // To an older builder, other addresses are names of files.
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
            None => {
                self.base(name, at, false);
                Ok(())
            }
        }
    }

    /// `RUN --mount=type=bind,source=…,from=…`.
    fn read_mount(&mut self, flag: &Flag<'_>) -> Result<(), Unsure> {
        let value = flag.value.as_ref().ok_or(Unsure)?;
        let text = lenient::unquoted(&value.value);
        let quoted = text != value.value;
        let (mut kind, mut from, mut source) = ("bind", None, "");
        for field in text.split(',') {
            let (name, text) = field.split_once('=').unwrap_or((field, ""));
            match name.to_lowercase().as_str() {
                "type" => kind = text,
                "from" => from = Some(text),
                "source" | "src" => source = text,
                _ => {}
            }
        }
        if quoted || !is_plain(kind) || !is_plain(source) {
            self.visible = Visible::Everything;
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

    fn base(&mut self, name: &str, at: usize, begins: bool) {
        let line = self.line(at);
        Base::note(&mut self.bases, name, line, begins);
    }

    fn line(&self, at: usize) -> usize {
        let line = |text: &str| text.bytes().filter(|b| *b == b'\n').count() + 1;
        self.text.get(..at).map_or(1, line)
    }
}

#[cfg(test)]
mod tests;
