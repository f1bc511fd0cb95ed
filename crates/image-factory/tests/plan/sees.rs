//! What counts, compared with what a real BuildKit shows to a Dockerfile.

use std::collections::BTreeSet;
use std::path::Path;

use process::Command;
use tokio_util::sync::CancellationToken;

use super::Project;
use super::shelf::Shelf;

const FILES: &[&str] = &[
    "libs/a.py",
    "libs/b.pyc",
    "libs/deep/e.py",
    "libs/x.py/inside",
    "one/main.py",
    "tests/t.py",
    "tasts/u.py",
    "tsts/v.py",
    "with space/f",
    "other/c.py",
    "other/more/d.py",
    "[x]/a",
    "x/a",
    "*/a",
    "top.py",
    ".hidden",
    "wild/b.txt",
    "ignored/a",
];

/// Each: what the Dockerfile has, and whether it is certain what it sees.
const CASES: &[(&str, bool)] = &[
    ("COPY libs/*.py /o/", true),
    ("COPY libs/* /o/", true),
    ("COPY t?sts one /o/", true),
    ("COPY */a.py /o/", true),
    ("COPY *.py .h* /o/", true),
    ("COPY [\"with space/f\", \"/o/\"]", true),
    ("ADD ./other/more/../c.py /../libs/deep/ /o/", true),
    ("COPY \\\n  # no\n  one/main.py \\\n\n  top.py /o/", true),
    ("COPY <<EOF one/main.py /o/\nCOPY libs /o\nEOF", true),
    ("COPY ignored* one /o/", true),
    (
        "RUN --network=none --mount=type=bind,source=libs/deep,target=/m [\"/busybox\", \"cp\", \"-r\", \"/m\", \"/o\"]",
        true,
    ),
    (
        "RUN --network=none --mount=source=./one/../other,target=/m [\"/busybox\", \"cp\", \"-r\", \"/m\", \"/o\"]",
        true,
    ),
    (
        "RUN --network=none --mount=target=/m [\"/busybox\", \"cp\", \"-r\", \"/m\", \"/o\"]",
        false,
    ),
    (
        "RUN [\"/busybox\", \"true\"]\nSHELL [\"/busybox\", \"sh\", \"-c\"]\n\
         RUN --network=none /busybox cat <<EOF - > /x\nCOPY other /o/\nEOF\nCOPY libs/deep /o/",
        true,
    ),
    ("COPY [[]x]/a /o/", false),
    ("ARG A=one\nCOPY $A /o/", false),
    ("COPY \"one\" /o/", false),
    ("COPY . /o/", false),
    ("COPY links/link/c.py /o/", false),
    ("COPY links/l* /o/", false),
    ("COPY wild/[ab].txt /o/", false),
    ("COPY wild/** /o/", false),
    ("COPY wild/[b].txt one /o/", false),
];

pub(crate) async fn docker(words: &[&str]) {
    let ran = Command::new("docker")
        .args(words)
        .run(&CancellationToken::new())
        .await;
    ran.expect("this test needs a Docker engine: apt-get install docker.io docker-buildx-plugin");
}

/// The contents of all files below a folder.
fn contents(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents(&path, into);
        } else {
            into.extend(std::fs::read_to_string(&path).ok());
        }
    }
}

#[tokio::test]
async fn nothing_counts_that_buildkit_does_not_show_and_all_that_it_does() {
    let project = Project::new("FROM scratch\n");
    let code = project.folder.path().join("code");
    for folder in ["libs", "one", "other"] {
        std::fs::remove_dir_all(code.join(folder)).unwrap();
    }
    for file in FILES {
        project.write(&format!("code/{file}"), file);
    }
    std::fs::create_dir(code.join("links")).unwrap();
    std::os::unix::fs::symlink("../other", code.join("links/link")).unwrap();
    std::os::unix::fs::symlink("../other/c.py", code.join("wild/a.txt")).unwrap();
    project.write(
        "code/.dockerignore",
        "ignored\nregistry\none/Dockerfile\n.dockerignore\n",
    );
    // The shell comes from another stage: it is not what is looked at.
    let shell = tempfile::tempdir().unwrap();
    std::fs::copy("/bin/busybox", shell.path().join("busybox"))
        .expect("this test needs a static shell: apt-get install busybox-static");
    let shell_context = format!("shell={}", shell.path().display());

    for (text, certain) in CASES {
        let dockerfile = match text.starts_with("RUN") {
            true => format!("FROM scratch\nCOPY --from=shell busybox /busybox\n{text}\n"),
            false => format!("FROM scratch\n{text}\n"),
        };
        project.write("code/one/Dockerfile", &dockerfile);
        let out = tempfile::tempdir().unwrap();
        docker(&[
            "buildx",
            "build",
            "--file",
            &code.join("one/Dockerfile").to_string_lossy(),
            "--build-context",
            &shell_context,
            "--output",
            &format!("type=local,dest={}", out.path().display()),
            &code.to_string_lossy(),
        ])
        .await;
        let mut shown = BTreeSet::new();
        contents(&out.path().join("o"), &mut shown);
        let shown: BTreeSet<&str> = FILES
            .iter()
            .copied()
            .filter(|file| shown.contains(*file))
            .collect();
        assert!(!shown.is_empty(), "{text}");

        let shelf = Shelf::default();
        let before = project.item(&shelf).await.key;
        let mut counts = BTreeSet::new();
        for file in FILES {
            project.write(&format!("code/{file}"), "changed");
            if project.item(&shelf).await.key != before {
                counts.insert(*file);
            }
            project.write(&format!("code/{file}"), file);
        }
        assert!(
            counts.is_superset(&shown),
            "{text}: {shown:?} is shown, {counts:?} counts"
        );
        let all = FILES
            .iter()
            .copied()
            .filter(|file| !file.starts_with("ignored"));
        match certain {
            true => assert!(counts.len() < all.count(), "{text}: everything counts"),
            false => assert_eq!(counts, all.collect(), "{text}"),
        }
        if *certain {
            assert_eq!(counts, shown, "{text}");
        }
    }
}
