//! From files to entries, and everything that can be wrong with them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use registry_model::{
    CODES, Findings, LoadOptions, PinPlace, PinState, Platform, Registry, Severity,
};
use tempfile::TempDir;

use crate::support::{arch, repository, text, write};

const RUNBOOK: &str = "\
ref: llm/litellm@1
image:
  oci: OLD
build:
  context: .
  dockerfile: apps/core/processors/llm_litellm/Dockerfile
  target: runtime
  args:
    PYTHON: 3.10
    DEBUG: false
    NAME: \"a b\"
runtime:
  cpu: '1'
  memory_gb: 2
  timeout_s: 60
secrets:
  required:
  - OPENAI_API_KEY
inputs:
  schema:
    type: object
    properties: {temperature: {type: number, minimum: 0, maximum: 2, default: 0.7}}
";

const SECOND: &str = "\
ref: replicate/generic@1
runtime: {cpu: 1, memory: 2Gi, gpu: none}
image:
  oci: ghcr.io/acme/processors/replicate-generic@sha256:pending
secrets:
  required: [REPLICATE_API_TOKEN]
  optional: []
policy:
  network: egress
";

const TOOL: &str = "\
api: {healthz: /healthz, path: /run, protocol: ws}
build: {context: ., dockerfile: Dockerfile, port: 8000}
enabled: true
image:
  platforms:
    amd64: OLD
    arm64: sha256:REPLACE_ARM64
ref: media/ffmpeg@2
runtime: {cpu: '0.5', gpu: null, memory_gb: 2, timeout_s: 600}
";

fn both_layouts() -> TempDir {
    repository(&[
        (
            "code/apps/core/registry/processors/llm_litellm.yaml",
            RUNBOOK,
        ),
        (
            "code/apps/core/registry/processors/replicate_generic.yml",
            SECOND,
        ),
        (
            "code/apps/core/processors/llm_litellm/Dockerfile",
            "FROM scratch\n",
        ),
        (
            "code/apps/core/processors/replicate_generic/Dockerfile",
            "FROM scratch\n",
        ),
        ("tools/media/ffmpeg/2/registry.yaml", TOOL),
        ("tools/media/ffmpeg/2/Dockerfile", "FROM scratch\n"),
        ("tools/media/ffmpeg/2/other.yaml", "not: ours\n"),
    ])
}

fn load(root: &TempDir) -> Result<Registry, Findings> {
    Registry::load(root.path(), &LoadOptions::default())
}

#[test]
fn both_layouts_load_side_by_side() {
    let registry = load(&both_layouts()).unwrap();
    let refs: Vec<String> = registry
        .entries
        .iter()
        .map(|entry| entry.reference.to_string())
        .collect();
    assert_eq!(
        refs,
        ["llm/litellm@1", "replicate/generic@1", "media/ffmpeg@2"]
    );
    assert!(registry.warnings.is_empty());

    let first = &registry.entries[0];
    let amd64 = Platform::linux_amd64();
    assert_eq!(first.pinned(&amd64).unwrap().to_string(), text("OLD"));
    assert_eq!(
        first.repository.as_ref().unwrap().as_str(),
        "ghcr.io/acme/processors/llm-litellm"
    );
    assert_eq!(first.build.context, Path::new("code"));
    assert_eq!(
        first.build.dockerfile,
        Path::new("code/apps/core/processors/llm_litellm/Dockerfile")
    );
    assert_eq!(first.build.target.as_deref(), Some("runtime"));
    let args = [("PYTHON", "3.10"), ("DEBUG", "false"), ("NAME", "a b")];
    assert_eq!(
        first.build.args,
        args.map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
    assert_eq!(first.secrets.required, ["OPENAI_API_KEY"]);
    assert_eq!(first.runtime.cpu, Some(1.0));
    assert_eq!(first.runtime.memory_mib, Some(2048));
    assert_eq!(first.runtime.timeout_s, Some(60));
    let document = first.document();
    let temperature = &document["inputs"]["schema"]["properties"]["temperature"];
    assert_eq!(temperature["default"].as_f64(), Some(0.7));
    assert_eq!(temperature["maximum"].as_i64(), Some(2));
    assert_eq!(document["runtime"]["cpu"].as_str(), Some("1"));

    let second = &registry.entries[1];
    assert!(second.pinned(&amd64).is_none());
    assert_eq!(
        second.repository.as_ref().unwrap().name(),
        "replicate-generic"
    );
    assert_eq!(
        second.build.dockerfile,
        Path::new("code/apps/core/processors/replicate_generic/Dockerfile")
    );
    assert_eq!(second.runtime.memory_mib, Some(2048));
    assert_eq!(second.runtime.gpu, None);

    let tool = &registry.entries[2];
    assert_eq!(tool.build.context, Path::new("tools/media/ffmpeg/2"));
    assert_eq!(
        tool.build.dockerfile,
        Path::new("tools/media/ffmpeg/2/Dockerfile")
    );
    let places: Vec<&PinPlace> = tool.pins.iter().map(|pin| &pin.place).collect();
    assert_eq!(places, [&arch("amd64"), &arch("arm64")]);
    assert!(
        matches!(&tool.pins[1].state, PinState::Pending { found: Some(text) } if text == "sha256:REPLACE_ARM64")
    );
    assert_eq!(tool.runtime.cpu, Some(0.5));
}

/// The pins of an entry with this `image`, in few words.
fn pins(file: &str, image: &str) -> String {
    let root = repository(&[
        (
            file,
            &format!(
                "d: &d OLD\nm: &m {{oci: OLD}}\nref: a/b@1\nbuild: {{dockerfile: D}}\n{image}\n"
            ),
        ),
        ("code/D", ""),
        ("tools/D", ""),
    ]);
    let entry = load(&root).unwrap().entries.remove(0);
    let words = entry.pins.iter().map(|pin| {
        let state = match &pin.state {
            PinState::Pinned(_) => "pinned",
            PinState::Pending { found: Some(_) } => "placeholder",
            PinState::Pending { found: None } => "empty",
        };
        format!("{} {state}", pin.place)
    });
    let words: Vec<String> = words.collect();
    let named = if entry.repository.is_some() {
        "named"
    } else {
        "unnamed"
    };
    format!("{}, {named}", words.join(", "))
}

#[test]
fn every_form_of_image_is_understood() {
    let cases = [
        ("", "image.oci empty, unnamed"),
        ("image:", "image.oci empty, unnamed"),
        ("image: {}", "image.oci empty, unnamed"),
        ("image: {name: x}", "image.oci empty, unnamed"),
        ("image: {oci: }", "image.oci empty, unnamed"),
        ("image: {oci: ''}", "image.oci empty, unnamed"),
        ("image: {oci: null}", "image.oci empty, unnamed"),
        (
            "image: {oci: sha256:pending}",
            "image.oci placeholder, unnamed",
        ),
        (
            "image: {oci: ghcr.io/a/b@sha256:pending}",
            "image.oci placeholder, named",
        ),
        (
            "image: {oci: ghcr.io/a/b@sha256:REPLACE_X}",
            "image.oci placeholder, named",
        ),
        ("image: {oci: OLD}", "image.oci pinned, named"),
        ("image: {oci: *d}", "image.oci pinned, named"),
        ("image: *m", "image.oci pinned, named"),
        ("image: {<<: *m}", "image.oci pinned, named"),
        ("image: {<<: [{x: y}, *m]}", "image.oci pinned, named"),
        (
            "image: {platforms: }",
            "image.platforms.amd64 empty, unnamed",
        ),
        (
            "image: {platforms: {arm64: OLD}}",
            "image.platforms.arm64 pinned, named",
        ),
        (
            "image: {oci: , platforms: {amd64: OLD, arm64: }}",
            "image.oci empty, image.platforms.amd64 pinned, image.platforms.arm64 empty, named",
        ),
    ];
    for (image, expected) in cases {
        assert_eq!(
            pins("code/apps/core/registry/processors/a.yaml", image),
            expected,
            "{image}"
        );
    }
    let tool = pins("tools/registry.yaml", "");
    assert_eq!(tool, "image.platforms.amd64 empty, unnamed");
}

/// What is said about a runbook-layout repository with these files beside a sound one.
fn findings(files: &[(&str, &str)]) -> String {
    let root = both_layouts();
    for (name, content) in files {
        write(root.path(), name, &text(content));
    }
    said(&root)
}

fn said(root: &TempDir) -> String {
    let findings = load(root).unwrap_err();
    for finding in &findings {
        assert!(
            CODES.iter().any(|(code, _)| *code == finding.code),
            "{finding}"
        );
    }
    let path = root.path().canonicalize().unwrap();
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n").replace(path.to_str().unwrap(), "[root]")
}

fn one(content: &str) -> String {
    let sound = "build: {dockerfile: apps/core/processors/llm_litellm/Dockerfile}\n";
    let found = findings(&[(
        "code/apps/core/registry/processors/x.yaml",
        &format!("{content}{sound}"),
    )]);
    found.replace("code/apps/core/registry/processors/", "")
}

#[test]
fn findings_of_all_files_come_together() {
    insta::assert_snapshot!(findings(&[
        ("code/apps/core/registry/processors/a.yaml", "ref: LLM\nimage:\n  oci: ghcr.io/a/b:1\n"),
        ("code/apps/core/registry/processors/b.yaml", "ref: llm/litellm@1\nbuild: {dockerfile: x}\n"),
        ("tools/x/registry.yaml", "ref: [a\n"),
    ]), @r#"
code/apps/core/registry/processors/a.yaml:1:6: `ref` is `LLM`, not `<namespace>/<name>@<version>` in lower case, as in `llm/litellm@1` [bad-ref]
code/apps/core/registry/processors/a.yaml:3:8: `image.oci`: `ghcr.io/a/b:1` names an image by a tag, which can move [bad-image]
code/apps/core/registry/processors/b.yaml:2:21: the Dockerfile code/x does not exist [missing-dockerfile]
code/apps/core/registry/processors/llm_litellm.yaml:1:6: `llm/litellm@1` is already the ref of code/apps/core/registry/processors/b.yaml:1 [duplicate-ref]
tools/x/registry.yaml:2:1: while parsing a flow sequence, expected ',' or ']' [yaml-syntax]
"#);
}

#[test]
fn refs_must_be_sound_and_unique() {
    insta::assert_snapshot!(one("image: {oci: OLD}\n"), @"x.yaml:1:1: the entry has no `ref` [missing-ref]");
    insta::assert_snapshot!(one("ref: ~\nimage: {oci: OLD}\n"), @"x.yaml:1:1: `ref` should be text, and is empty [bad-type]");
    insta::assert_snapshot!(one("ref: llm/litellm\n"), @"x.yaml:1:6: `ref` is `llm/litellm`, not `<namespace>/<name>@<version>` in lower case, as in `llm/litellm@1` [bad-ref]");
    insta::assert_snapshot!(one("ref: 12\n"), @"x.yaml:1:6: `ref` should be text, and is the number `12` [bad-type]");
    insta::assert_snapshot!(one("ref: zz/last@1\nkind: x\n---\nref: a/b@1\n"), @"x.yaml:4:1: the file has a second registry entry: the first starts in line 1 [several-entries]");
    insta::assert_snapshot!(one("kind: x\n"), @"x.yaml:1:1: the file has no `ref` [missing-ref]");
    insta::assert_snapshot!(one("ref: llm/litellm@1\n"), @"x.yaml:1:6: `llm/litellm@1` is already the ref of llm_litellm.yaml:1 [duplicate-ref]");
    insta::assert_snapshot!(findings(&[
        ("tools/a/registry.yaml", "ref: a-b/c@1\n"), ("tools/a/Dockerfile", ""),
        ("tools/b/registry.yaml", "ref: a/b-c@1\n"), ("tools/b/Dockerfile", ""),
    ]), @"tools/b/registry.yaml:1:6: `a/b-c@1` would be deployed as app `a-b-c-v1`, like `a-b/c@1` of tools/a/registry.yaml:1 [duplicate-app]");
}

#[test]
fn images_must_be_sound() {
    insta::assert_snapshot!(one("ref: a/b@1\nimage:\n  oci: ghcr.io/a/b:latest # ü\n"), @"x.yaml:3:8: `image.oci`: `ghcr.io/a/b:latest` names an image by a tag, which can move [bad-image]");
    insta::assert_snapshot!(one("ref: a/b@1\nimage:\n  oci: ghcr.io/Acme/b@sha256:pending\n"), @"x.yaml:3:8: `image.oci`: repository `ghcr.io/Acme/b`: registries take lower case only [bad-image]");
    insta::assert_snapshot!(one("ref: a/b@1\nimage: {oci: 'ghcr.io/a/b@sha256:12'}\n"), @"x.yaml:2:14: `image.oci`: the digest of `ghcr.io/a/b@sha256:12` is not `sha256:` and 64 hexadecimal digits in lower case [bad-digest]");
    insta::assert_snapshot!(one("ref: a/b@1\nimage: [OLD]\n"), @"x.yaml:2:8: `image` should be a mapping, and is a list [bad-type]");
    insta::assert_snapshot!(one("ref: a/b@1\nimage: {oci: {x: y}}\n"), @"x.yaml:2:14: `image.oci` should be text, and is a mapping [bad-type]");
    insta::assert_snapshot!(one("ref: a/b@1\nimage:\n  platforms:\n    x86_64: OLD\n    arm64: 7\n"), @r#"
x.yaml:4:5: `x86_64` below `image.platforms` is no architecture [bad-platform]
x.yaml:5:12: `image.platforms.arm64` should be text, and is the number `7` [bad-type]
"#);
    let root = repository(&[(
        "code/apps/core/registry/processors/x.yaml",
        "ref: a/b@1\nimage: {platforms: {x86: OLD}}\n",
    )]);
    insta::assert_snapshot!(load(&root).unwrap_err().hint().unwrap(), @r#"
create it, or name another with `build.dockerfile`
one of 386, amd64, arm, arm64, loong64, mips64le, ppc64le, riscv64, s390x
"#);
}

#[test]
fn fields_must_be_of_their_kind() {
    insta::assert_snapshot!(one("ref: a/b@1\nenabled: yes\nruntime: {cpu: many, memory: 2GB, timeout_s: -1}\n"), @r#"
x.yaml:2:10: `enabled` should be `true` or `false`, and is `yes` [bad-type]
x.yaml:3:16: `runtime.cpu` should be a number of cores, and is `many` [bad-type]
x.yaml:3:30: `runtime.memory` should be an amount as in `2Gi` or `512Mi`, and is `2GB` [bad-type]
x.yaml:3:46: `runtime.timeout_s` should be a number of seconds, and is the number `-1` [bad-type]
"#);
    insta::assert_snapshot!(one("ref: a/b@1\nsecrets: [A]\nruntime: x\n"), @r#"
x.yaml:2:10: `secrets` should be a mapping, and is a list [bad-type]
x.yaml:3:10: `runtime` should be a mapping, and is `x` [bad-type]
"#);
    insta::assert_snapshot!(one("ref: a/b@1\nsecrets:\n  required: A\n  optional:\n  - B C\n  - 1\n  - ''\n"), @r#"
x.yaml:3:13: `secrets.required` should be a list of names, and is `A` [bad-type]
x.yaml:5:5: `B C` in `secrets.optional` is no name of a secret [bad-secret-name]
x.yaml:6:5: `secrets.optional[1]` should be text, and is the number `1` [bad-type]
x.yaml:7:5: `` in `secrets.optional` is no name of a secret [bad-secret-name]
"#);
    insta::assert_snapshot!(one("ref: a/b@1\nruntime: {cpu: 1}\nruntime: {cpu: 2}\nx: {y: 1, 'y': 2}\n"), @r#"
x.yaml:3:1: the key `runtime` is there twice [duplicate-key]
x.yaml:4:11: the key `y` is there twice [duplicate-key]
"#);
    let args = "ref: a/b@1\nbuild: {dockerfile: apps/core/processors/llm_litellm/Dockerfile, context: 3, target: [], args: {A: , B: [x], 1C: d, \"E-$F\": g}}\n";
    let file = "code/apps/core/registry/processors/x.yaml";
    insta::assert_snapshot!(findings(&[(file, args)]), @r#"
code/apps/core/registry/processors/x.yaml:2:75: `build.context` should be text, and is the number `3` [bad-type]
code/apps/core/registry/processors/x.yaml:2:86: `build.target` should be text, and is a list [bad-type]
code/apps/core/registry/processors/x.yaml:2:97: `build.args.A` should be text, and is empty [bad-type]
code/apps/core/registry/processors/x.yaml:2:105: `build.args.B` should be text, and is a list [bad-type]
code/apps/core/registry/processors/x.yaml:2:110: `1C` below `build.args` is no name of a build argument [bad-arg-name]
code/apps/core/registry/processors/x.yaml:2:117: `E-$F` below `build.args` is no name of a build argument [bad-arg-name]
"#);
}

#[test]
fn paths_must_stay_in_the_repository_and_exist() {
    let build = |build: &str| {
        let file = format!("ref: a/b@1\nbuild: {{{build}}}\n");
        let found = findings(&[("code/apps/core/registry/processors/x.yaml", &file)]);
        found.replace("code/apps/core/registry/processors/", "")
    };
    insta::assert_snapshot!(build(""), @"x.yaml:2:8: the Dockerfile code/apps/core/processors/a_b/Dockerfile does not exist [missing-dockerfile]");
    insta::assert_snapshot!(build("dockerfile: nowhere/Dockerfile, context: nowhere"), @r#"
x.yaml:2:21: the Dockerfile code/nowhere/Dockerfile does not exist [missing-dockerfile]
x.yaml:2:50: the context folder code/nowhere does not exist [missing-context]
"#);
    insta::assert_snapshot!(build("dockerfile: /etc/passwd, context: /"), @r#"
x.yaml:2:21: `build.dockerfile`: `/etc/passwd` is an absolute path [path-escapes]
x.yaml:2:43: `build.context`: `/` is an absolute path [path-escapes]
"#);
    insta::assert_snapshot!(build("dockerfile: ../../Dockerfile, context: ../.."), @r#"
x.yaml:2:21: `build.dockerfile`: `../../Dockerfile` leaves the repository by `..` [path-escapes]
x.yaml:2:48: `build.context`: `../..` leaves the repository by `..` [path-escapes]
"#);
    insta::assert_snapshot!(build("dockerfile: apps, context: apps/core/processors/llm_litellm/Dockerfile"), @r#"
x.yaml:2:21: the Dockerfile code/apps does not exist [missing-dockerfile]
x.yaml:2:36: the context folder code/apps/core/processors/llm_litellm/Dockerfile does not exist [missing-context]
"#);

    let root = both_layouts();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("Dockerfile"), "").unwrap();
    fs::write(outside.path().join("x.yaml"), "ref: x/y@1\n").unwrap();
    symlink(outside.path(), root.path().join("code/out")).unwrap();
    let entries = "code/apps/core/registry/processors";
    symlink(
        outside.path().join("x.yaml"),
        root.path().join(entries).join("link.yaml"),
    )
    .unwrap();
    symlink("nowhere", root.path().join(entries).join("loose.yaml")).unwrap();
    write(
        root.path(),
        "tools/x/registry.yaml",
        "ref: a/b@1\nbuild: {context: ../../code/out, dockerfile: ../../code/out/Dockerfile}\n",
    );
    insta::assert_snapshot!(said(&root), @r#"
code/apps/core/registry/processors/link.yaml:1:1: `code/apps/core/registry/processors/link.yaml` leaves the repository by a symbolic link [path-escapes]
code/apps/core/registry/processors/loose.yaml:1:1: can't read the file: nothing is there, or no access [unreadable]
tools/x/registry.yaml:2:18: `build.context`: `../../code/out` leaves the repository by a symbolic link [path-escapes]
tools/x/registry.yaml:2:46: `build.dockerfile`: `../../code/out/Dockerfile` leaves the repository by a symbolic link [path-escapes]
"#);
}

#[test]
fn links_and_parents_inside_the_repository_are_fine() {
    let root = both_layouts();
    let entries = root.path().join("code/apps/core/registry/processors");
    write(
        root.path(),
        "shared/entry.yaml",
        "ref: a/b@1\nbuild: {context: .., dockerfile: ../shared/D}\n",
    );
    write(root.path(), "shared/real", "");
    symlink("real", root.path().join("shared/D")).unwrap();
    symlink("../../../../../shared/entry.yaml", entries.join("a.yaml")).unwrap();
    let registry = load(&root).unwrap();
    assert_eq!(registry.entries[0].reference.to_string(), "a/b@1");
    assert_eq!(registry.entries[0].build.context, Path::new(""));
    assert_eq!(registry.entries[0].build.dockerfile, Path::new("shared/D"));
}

#[test]
fn an_entry_that_is_switched_off_needs_no_dockerfile() {
    let root = both_layouts();
    write(
        root.path(),
        "tools/x/registry.yaml",
        "ref: a/b@1\nenabled: false\n",
    );
    let registry = load(&root).unwrap();
    let warnings: Vec<&str> = registry
        .warnings
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert_eq!(warnings, ["missing-dockerfile"]);
    assert_eq!(registry.warnings[0].severity, Severity::Warning);
    assert!(
        !registry
            .entries
            .iter()
            .find(|entry| entry.file.starts_with("tools/x"))
            .unwrap()
            .enabled
    );
}

#[test]
fn a_repository_without_registry_files_is_an_error_that_says_where_it_looked() {
    let root = repository(&[("README.md", "")]);
    insta::assert_snapshot!(said(&root), @"no registry file below [root] [no-registry-files]");
    insta::assert_snapshot!(load(&root).unwrap_err().hint().unwrap(), @"looked for `code/apps/core/registry/processors/*.yaml`, `code/apps/core/registry/processors/*.yml`, `tools/**/registry.yaml`; give other patterns in `pipeline.yml` if the files live elsewhere");
    let options = LoadOptions::new(["/etc/*.yaml", "a/[", "../x.yaml"], "");
    insta::assert_snapshot!(Registry::load(root.path(), &options).unwrap_err(), @r#"
read the registry files: 3 problems
  `/etc/*.yaml`: can't look for registry files: the pattern is empty, absolute or has `..` [bad-glob]
    hint: give a pattern relative to the repository, as in `tools/**/registry.yaml`
  `../x.yaml`: can't look for registry files: the pattern is empty, absolute or has `..` [bad-glob]
    hint: give a pattern relative to the repository, as in `tools/**/registry.yaml`
  `a/[`: can't look for registry files: unclosed character class; missing ']' [bad-glob]
    hint: give a pattern relative to the repository, as in `tools/**/registry.yaml`
"#);
    let nowhere = Registry::load(Path::new("/nowhere/at/all"), &options).unwrap_err();
    insta::assert_snapshot!(nowhere, @r"
    read the registry files: 1 problem
      `/nowhere/at/all`: can't open the repository: No such file or directory (os error 2) [unreadable]
    ");
}

#[test]
fn hostile_files_are_findings() {
    let bomb: String = ('b'..='z').fold(
        "a: &a [x, x, x, x, x, x, x, x]\n".to_owned(),
        |file, name| {
            let before = char::from(name as u8 - 1);
            let aliases = vec![format!("*{before}"); 8].join(", ");
            format!("{file}{name}: &{name} [{aliases}]\n")
        },
    );
    insta::assert_snapshot!(one(&format!("ref: a/b@1\n{bomb}")), @"x.yaml:2:17: aliases make the document far larger than the file [alias-expansion]");
    insta::assert_snapshot!(one("ref: a/b@1\nloop: &l [*l]\n"), @"x.yaml:2:7: aliases make the document far larger than the file [alias-expansion]");
    insta::assert_snapshot!(one("ref: a/b@1\n<<: &m {<<: *m}\n"), @"x.yaml:2:9: aliases make the document far larger than the file [alias-expansion]");
    let long = format!(
        "ref: a/b@1\ns: &s {}\nl: [{}]\n",
        "x".repeat(100_000),
        "*s, ".repeat(1000)
    );
    insta::assert_snapshot!(one(&long), @"x.yaml:2:4: aliases make the document far larger than the file [alias-expansion]");
    insta::assert_snapshot!(one(&format!("ref: a/b@1\nx: {}\n", "{a: ".repeat(300))), @"x.yaml:2:400: nested more than 100 levels deep [yaml-syntax]");
    insta::assert_snapshot!(one(&format!("ref: a/b@1\nx:\n{}\n", "- ".repeat(100_000))), @"x.yaml:3:199: nested more than 100 levels deep [yaml-syntax]");
    insta::assert_snapshot!(one(&format!("ref: a/b@1\n# {}\n", "x".repeat(1 << 20))), @"x.yaml:1:1: the file has more than 1048576 bytes [too-large]");
    insta::assert_snapshot!(one("ref: a/b@1\nx: \u{1}\n"), @"x.yaml:2:4: control character U+0001 is not allowed [yaml-syntax]");

    let root = both_layouts();
    let file = root.path().join("tools/media/ffmpeg/2/registry.yaml");
    fs::write(&file, b"ref: a/b@1\nx: \xff\n").unwrap();
    insta::assert_snapshot!(said(&root), @"tools/media/ffmpeg/2/registry.yaml:2:4: the file is not UTF-8 [not-utf8]");
    fs::remove_file(&file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RUSR).unwrap();
    insta::assert_snapshot!(said(&root), @"tools/media/ffmpeg/2/registry.yaml:1:1: can't read the file: it is no regular file [unreadable]");
}

#[test]
fn findings_are_data_too() {
    let root = repository(&[("tools/x/registry.yaml", "ref: nonsense\n")]);
    let findings = load(&root).unwrap_err();
    let yaml = serde_yaml::to_string(&findings).unwrap();
    insta::assert_snapshot!(yaml, @r#"
- code: missing-dockerfile
  file: tools/x/registry.yaml
  line: 1
  column: 1
  message: the Dockerfile tools/x/Dockerfile does not exist
  hint: create it, or name another with `build.dockerfile`
  severity: error
- code: bad-ref
  file: tools/x/registry.yaml
  line: 1
  column: 6
  message: '`ref` is `nonsense`, not `<namespace>/<name>@<version>` in lower case, as in `llm/litellm@1`'
  hint: null
  severity: error
"#);
}
