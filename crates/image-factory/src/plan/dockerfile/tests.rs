use std::collections::BTreeSet;

use super::*;

fn analyse(text: &str) -> Analysis {
    Analysis::of(text.as_bytes(), &[], None, &[])
}

/// What is seen, as a list of sources; `*` alone is everything.
fn sees(text: &str) -> String {
    match analyse(text).visible {
        Visible::Everything => "*".to_owned(),
        Visible::Only(patterns) => {
            let told: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            told.join(" ")
        }
    }
}

fn bases(text: &str, args: &[(&str, &str)], target: Option<&str>) -> String {
    let args: Vec<_> = args
        .iter()
        .map(|(a, b)| ((*a).into(), (*b).into()))
        .collect();
    told(&Analysis::of(text.as_bytes(), &args, target, &[]))
}

/// The images with their lines; those that cannot be told after `?`.
fn told(analysis: &Analysis) -> String {
    let bases = analysis.bases.iter().map(|(name, base)| {
        let copied = if base.begins { "" } else { " copied" };
        let shadowed = if analysis.stages.contains(name) {
            " shadowed"
        } else {
            ""
        };
        format!("{name}:{}{copied}{shadowed}", base.line)
    });
    let unknown = analysis.unknown.iter();
    let unknown = unknown.map(|unknown| format!("?{}:{}", unknown.text, unknown.line));
    bases.chain(unknown).collect::<Vec<_>>().join(", ")
}

#[test]
fn sources_of_copy_and_add_are_what_is_seen() {
    let sees = |rest: &str| sees(&format!("FROM scratch\n{rest}\n"));
    assert_eq!(sees("RUN make"), "");
    assert_eq!(sees("COPY a /x\nADD ./b/../c d/ /y/"), "a c d");
    assert_eq!(sees("copy --chown=1:1 --chmod=644 --link a /x"), "a");
    assert_eq!(sees("COPY [\"a b\", \"c\", \"/x\"]"), "a b c");
    assert_eq!(sees("COPY a \\\n  # comment\n  b \\\n\n  /x"), "a b");
    assert_eq!(sees("COPY ../../etc/passwd /x"), "etc/passwd");
    assert_eq!(sees("COPY src/*.py t?sts/*/x /x"), "t?sts/*/x src/*.py");
    assert_eq!(sees("COPY src/[ab].py docs/**/x /x"), "docs src");
    assert_eq!(sees("COPY --parents ./a/./b*/c /x"), "a");
    assert_eq!(sees("COPY --exclude=*.md a /x"), "a");
    assert_eq!(sees("ADD https://example.org/x.tgz /x"), "");
    assert_eq!(sees("COPY <<EOF /x\nCOPY . /y\nEOF\nCOPY a /x"), "a");
    assert_eq!(sees("RUN <<EOF\nCOPY . /y\nEOF\nCOPY a /x"), "a");
    assert_eq!(sees("RUN --mount=type=bind,source=a,target=/x make"), "a");
    assert_eq!(
        sees("RUN --mount=type=cache,target=/x --mount=type=secret,id=y make"),
        ""
    );
    assert_eq!(sees("ONBUILD COPY a /x"), "a");
}

#[test]
fn what_is_not_certain_is_everything() {
    for rest in [
        "COPY . /x",
        "COPY a/.. /x",
        "COPY * /x",
        "COPY $A /x",
        "ENV A=b\nCOPY ${A}/c /x",
        "COPY \"a b\" /x",
        "COPY a\\ b /x",
        "COPY --new-flag a /x",
        "COPY --parents **/a /x",
        "RUN --mount=target=/x make",
        "RUN --mount=type=bind,target=/x,source=. make",
        "RUN --mount=type=bind,source=$A,target=/x make",
        "RUN --mount=type=new,target=/x make",
        "RUN --new-flag make",
        "NEW instruction",
        "ONBUILD COPY . /x",
        "FROM scratch AS a\nFROM scratch AS A",
    ] {
        let seen = sees(&format!("FROM scratch\n{rest}\n"));
        assert_eq!(seen, "*", "{rest}");
    }
    assert_eq!(
        sees("# syntax=docker/dockerfile:1\nFROM scratch\nCOPY a b"),
        "a"
    );
    assert_eq!(sees("# escape=`\nFROM scratch\nCOPY a `\n b c"), "a b");
    for other in [
        "# syntax=example.org/mine\nFROM scratch\nCOPY a b",
        "#syntax = docker/dockerfile-upstream:master\nFROM scratch\nCOPY a b",
        "# first\n# syntax=example.org/mine\nFROM scratch\nCOPY a b",
        "// syntax=example.org/mine\nFROM scratch\nCOPY a b",
        "COPY a b",
        "",
    ] {
        assert_eq!(sees(other), "*", "{other}");
    }
    let args = [("BUILDKIT_SYNTAX".to_owned(), "mine".to_owned())];
    let analysis = Analysis::of(b"FROM scratch\nCOPY a b", &args, None, &[]);
    assert_eq!(analysis.visible, Visible::Everything);
    assert_eq!(told(&analysis), "?BUILDKIT_SYNTAX:1");
    let analysis = Analysis::of(b"FROM a\nCOPY \xff b", &[], None, &[]);
    assert_eq!(analysis.visible, Visible::Everything);
    assert_eq!(told(&analysis), "a:1");
}

#[test]
fn every_image_that_is_named_is_a_base() {
    let text = "\
FROM docker.io/library/golang:1.22 AS Build
COPY a /a
FROM build AS more
FROM python:3.11-slim
COPY --from=build /a /a
COPY --from=0 /a /b
COPY --from=ghcr.io/astral-sh/uv:0.5 /uv /uv
RUN --mount=type=bind,from=debian,target=/d --mount=type=cache,from=more,target=/c make
";
    assert_eq!(
        bases(text, &[], None),
        "debian:8 copied, ghcr.io/astral-sh/uv:0.5:7 copied, golang:1.22:1, python:3.11-slim:4"
    );
    // Only the stages that are needed count.
    assert_eq!(bases(text, &[], Some("more")), "golang:1.22:1");
    assert_eq!(bases(text, &[], Some("BUILD")), "golang:1.22:1");
    assert_eq!(bases(text, &[], Some("nowhere")), bases(text, &[], None));
    assert_eq!(bases("FROM scratch\nRUN x", &[], None), "");
    assert_eq!(
        bases("FROM scratch\nCOPY --from=$X a b", &[], None),
        "?$X:2"
    );
}

#[test]
fn only_needed_stages_are_seen() {
    let text = "FROM scratch AS a\nCOPY x /\nFROM scratch AS b\nCOPY y /\nFROM a\nCOPY z /\n";
    assert_eq!(sees(text), "x z");
}

#[test]
fn variables_in_from_are_filled_in_when_certain() {
    let from = |args: &str, image: &str, given: &[(&str, &str)]| {
        bases(&format!("{args}\nFROM {image}\n"), given, None)
    };
    assert_eq!(from("ARG V=3", "python:$V", &[]), "python:3:2");
    assert_eq!(
        from("ARG V=3", "python:${V}-slim", &[("V", "4")]),
        "python:4-slim:2"
    );
    assert_eq!(from("ARG V", "python:${V:-5}", &[]), "python:5:2");
    assert_eq!(from("ARG V=", "python:${V:-5}", &[]), "python:5:2");
    for (args, image, expected) in [
        ("ARG V=\"3\"", "python:$V", "python:3:2"),
        ("ARG V='3'", "\"python:$V\"", "python:3:2"),
        ("ARG V='$3'", "python:${V:-4}", "python:$3:2"),
        ("ARG V=3\\.1", "python:$V", "python:3.1:2"),
        ("ARG A=3 B=$A.1", "python:$B", "python:3.1:2"),
        (
            "ARG A=\"3.11\" B=\"slim\"",
            "python:$A-$B",
            "python:3.11-slim:2",
        ),
        (
            "ARG A=3.11 \\\n  B='slim'",
            "python:$A-$B",
            "python:3.11-slim:3",
        ),
        ("ARG A=3\nARG B=${A:+${A}.1}", "python:$B", "python:3.1:3"),
        ("ARG A\nARG B=\"x y\"", "python:${A:-3}", "python:3:3"),
    ] {
        assert_eq!(from(args, image, &[]), expected, "{args} {image}");
    }
    for (args, image) in [
        ("", "python:$V"),
        ("ARG V", "python:$V"),
        ("ARG TARGETARCH=x", "python:$TARGETARCH"),
        ("ARG V=3", "python:${V#3}"),
        ("ARG V=3", "python:${V"),
        ("ARG V=\"a b\"", "python:$V"),
        ("ARG V=$W", "python:${V:-5}"),
    ] {
        let unknown = from(args, image, &[]);
        assert!(unknown.starts_with('?'), "{args} {image}: {unknown}");
    }
}

#[test]
fn images_are_found_in_what_is_not_understood() {
    for text in [
        "FROM a:1\nRUN python3 - <<EOF\nimport os\nEOF\nCOPY --from=b:2 /b /b\n",
        "FROM a:1\nRUN cat <<EOF > /x\nFROM evil\nEOF\nCOPY --from=b:2 /b /b\n",
        "FROM a:1\nRUN cat <<-'E' | sh\n\tCOPY --from=evil . /\n\tE\nCOPY --from=b:2 /b /b\n",
        "FROM a:1\nRUN --mount=\"type=bind,from=b:2,target=/b\" make\n",
        "FROM a:1\nRUN --mount=type=bind,from='b:2',target=/b make\n",
        "# syntax=docker/dockerfile:1\nFROM a:1\nNEW <<x instruction\nCOPY --from=\"b:2\" /b /b\n",
        "FROM a:1\nRUN cat <<NOWHERE\nnew stuff\nCOPY --from=b:2 /b /b\n",
        "FROM a:1 AS x\nFROM x AS X\nONBUILD COPY --from=b:2 /b /b\nCOPY --from=0 /c /c\n",
        "ARG V='a:1'\nFROM --new-flag=x ${V}\nCOPY --from=b:2 /b /b\n",
    ] {
        let told = bases(text, &[], None);
        let names: Vec<&str> = told.split(", ").collect();
        assert!(names[0].starts_with("a:1:"), "{text}: {told}");
        assert!(names[1].starts_with("b:2:"), "{text}: {told}");
        assert_eq!(names.len(), 2, "{text}: {told}");
    }
    let other = "# syntax=example.org/mine\nFROM a:1\nSOMETHING <<EOF\n";
    assert_eq!(
        bases(other, &[], None),
        "a:1:2, ?# syntax=example.org/mine:1"
    );
    // Here-documents do not hide what is seen.
    assert_eq!(
        sees("FROM a\nRUN python3 - <<EOF\nx = 1\nEOF\nCOPY libs /libs\n"),
        "libs"
    );
}

#[test]
fn what_is_fetched_and_may_change_is_told() {
    let commit = "0123456789".repeat(4);
    let told = |text: &str| {
        let fetched = analyse(text).fetched.into_iter();
        let told = fetched.map(|one| format!("{}:{}", one.text, one.line));
        told.collect::<Vec<_>>().join(" ")
    };
    for (rest, expected) in [
        ("ADD a https://e.org/x.tgz /x", "https://e.org/x.tgz:2"),
        ("ADD [\"http://e.org/x\", \"/x\"]", "http://e.org/x:2"),
        (
            "RUN x\nADD git@e.org:a/b.git#main /x",
            "git@e.org:a/b.git#main:3",
        ),
        ("ADD ssh://git@e.org/a/b /x", "ssh://git@e.org/a/b:2"),
        (
            "ADD https://e.org/a#{commit} /x",
            "https://e.org/a#{commit}:2",
        ),
        (
            "ADD https://e.org/a.git#{commit}0 /x",
            "https://e.org/a.git#{commit}0:2",
        ),
        ("ADD ${URL} /x", "${URL}:2"),
        ("ADD https://e.org/a.git#{commit}:sub /x", ""),
        ("ADD --checksum=sha256:00 https://e.org/x /x", ""),
        ("ADD a.tgz b$C /x\nCOPY $D /y", ""),
    ] {
        let (rest, expected) = (
            rest.replace("{commit}", &commit),
            expected.replace("{commit}", &commit),
        );
        assert_eq!(told(&format!("FROM a\n{rest}\n")), expected, "{rest}");
        // And so it is where not all is understood; what is not built counts, too.
        assert_eq!(
            told(&format!("FROM a\n{rest}\nNEW x\n")),
            expected,
            "{rest}"
        );
    }
    assert_eq!(told("FROM a AS b\nADD http://e.org /x\nFROM c\n"), "");
}

#[test]
fn stages_may_be_named_by_platform() {
    let text = "\
FROM a:1 AS base-amd64
FROM b:2 AS base-arm64
FROM base-${TARGETARCH}
COPY --from=c:$TARGETOS /c /c
";
    let of = |platforms: &[&str]| {
        let platforms: Vec<Platform> = platforms.iter().map(|it| it.parse().unwrap()).collect();
        told(&Analysis::of(text.as_bytes(), &[], None, &platforms))
    };
    let both = "a:1:1, b:2:2, ?c:$TARGETOS:4";
    assert_eq!(of(&["linux/amd64", "linux/arm64"]), both);
    assert_eq!(
        of(&["linux/s390x"]),
        "a:1:1, b:2:2, base-s390x:3, ?c:$TARGETOS:4"
    );
}

#[test]
fn a_stage_with_the_name_of_its_image_is_told() {
    let named = |text: &str| bases(text, &[], None);
    assert_eq!(named("FROM node AS node\n"), "node:1 shadowed");
    assert_eq!(
        named("FROM docker.io/library/alpine:latest AS Alpine\n"),
        "alpine:1 shadowed"
    );
    assert_eq!(named("FROM node:22 AS node\n"), "node:22:1");
    assert_eq!(named("FROM a AS b\nFROM b AS a\nNEW\n"), "a:1 shadowed");
}

#[test]
fn triggers_of_base_images_see_what_they_copy() {
    let sees = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        Analysis::of_triggers(&lines)
    };
    let only = |path: &str| Visible::Only(BTreeSet::from([Pattern::of_copy(path, false)]));
    assert_eq!(
        sees(&["COPY package.json /app/", "RUN npm install"]),
        only("package.json")
    );
    assert_eq!(sees(&["COPY . /app"]), Visible::Everything);
    assert_eq!(sees(&["COPY --from=x a b"]), Visible::Everything);
    assert_eq!(sees(&["no instruction"]), Visible::Everything);
    assert_eq!(sees(&["RUN x\nCOPY . /y"]), Visible::Everything);
}

proptest::proptest! {
    /// The parser is somebody else's, and Dockerfiles are anybody's.
    #[test]
    fn no_text_makes_it_panic(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        text in "(FROM|COPY|ADD|RUN|ONBUILD|ARG|# escape=)?[ =\\-<\\[\\]\"'$\\{\\}\\\\`a-z\n,.*/]{0,60}",
    ) {
        Analysis::of(&bytes, &[], None, &[]);
        let text = format!("FROM a\n{text}\nCOPY {text}\nRUN --mount={text}\nONBUILD {text}");
        Analysis::of(text.as_bytes(), &[], None, &[]);
        Analysis::of_triggers(&[text]);
    }
}
