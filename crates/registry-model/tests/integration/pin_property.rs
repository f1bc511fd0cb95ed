//! Edits of files that nobody thought of.

use proptest::prelude::*;
use registry_model::{Edit, LoadOptions, PinPlace, Registry, edit, without_pins};

use crate::support::{arch, image, new};

/// A comment or a blank line, at some depth.
fn filler() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ ]{0,6}",
        "[ ]{0,6}# [ -~äß🚀\t]{0,20}",
        Just("  # oci: ghcr.io/a/b@sha256:pending".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(image('1').to_string()),
        Just("sha256:pending".to_owned()),
        Just("ghcr.io/acme/x@sha256:REPLACE_ME".to_owned()),
        Just("x".to_owned()),
    ]
}

/// A file as its parts before the value, the value, and after it.
fn file() -> impl Strategy<Value = (String, String, String, PinPlace)> {
    let comment = prop_oneof![Just(""), Just(" # why"), Just("  #ü \"'"), Just("\t")];
    let quote = prop_oneof![Just(""), Just("'"), Just("\"")];
    let eol = prop_oneof![Just("\n"), Just("\r\n")];
    let fillers = proptest::collection::vec(filler(), 4);
    let shape = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        1..5_usize,
    );
    let text = (fillers, comment, quote, eol, value());
    (text, shape).prop_map(|((fill, comment, quote, eol, value), shape)| {
        let (bom, flow, platform, ends, indent) = shape;
        let one = " ".repeat(indent);
        let (head, tail, place) = match (flow, platform) {
            (true, true) => (
                "image: {platforms: {arm64: x, amd64: ".into(),
                " } }",
                arch("amd64"),
            ),
            (true, false) => ("image: { name: x, oci: ".into(), ",y: z}", PinPlace::Oci),
            (false, true) => (
                format!("image:{eol}{one}platforms:{eol}{one}{one}arm64: x{eol}{one}{one}amd64: "),
                "",
                arch("amd64"),
            ),
            (false, false) => (
                format!("image:{eol}{one}name: x{eol}{one}oci: "),
                "",
                PinPlace::Oci,
            ),
        };
        let bom = if bom { "\u{feff}" } else { "" };
        let before = format!(
            "{bom}{}{eol}ref: a/b@1{comment}{eol}{}{eol}{head}{quote}",
            fill[0].trim_start(),
            fill[1]
        );
        let end = if ends { eol } else { "" };
        let after = format!(
            "{quote}{tail}{comment}{eol}{}{eol}z: 1{eol}{}{end}",
            fill[2], fill[3]
        );
        (before, value, after, place)
    })
}

proptest! {
    #[test]
    fn only_the_bytes_of_the_value_change((before, value, after, place) in file()) {
        let text = format!("{before}{value}{after}");
        let Edit::Changed(edited) = edit(text.as_bytes(), &place, &new()).unwrap() else {
            panic!("nothing changed");
        };
        let expected = format!("{before}{}{after}", new());
        prop_assert_eq!(String::from_utf8(edited).unwrap(), expected.clone());
        let again = edit(expected.as_bytes(), &place, &new()).unwrap();
        prop_assert_eq!(again, Edit::Unchanged);
        prop_assert_eq!(
            without_pins(expected.as_bytes()).unwrap(),
            without_pins(text.as_bytes()).unwrap()
        );
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn arbitrary_yaml_never_panics(
        start in proptest::sample::select(vec![
            "",
            "ref: a/b@1\n",
            "ref: a/b@1\nimage:",
            "ref: a/b@1\nimage:\n  platforms:",
            "ref: a/b@1\nimage: {",
            "{ref: a/b@1, image: {",
        ]),
        parts in proptest::collection::vec(part(), 0..20),
    ) {
        survives(format!("{start}{}", parts.concat()).as_bytes());
    }
}

/// A word that YAML has a use for.
fn part() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "ref: a/b@1",
        "image:",
        "oci:",
        "platforms:",
        "amd64:",
        "x",
        " ",
        "  ",
        "\n",
        "\n  ",
        "\r\n",
        "\r",
        "\t",
        ": ",
        ":",
        "- ",
        "? ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&a ",
        "*a",
        "!t ",
        "!!str ",
        "|",
        ">-",
        "'",
        "\"",
        "\\",
        "# ",
        "#",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "<<: ",
        "~",
        "ü",
        "\u{feff}",
        "\u{2028}",
        "sha256:pending",
        "secrets:",
        "required:",
        "build:",
    ])
}

/// Whatever an edit makes of it, it is either refused or edited once and for all.
fn survives(bytes: &[u8]) {
    for place in [PinPlace::Oci, arch("amd64")] {
        if let Ok(Edit::Changed(edited)) = edit(bytes, &place, &new()) {
            assert_eq!(edit(&edited, &place, &new()).unwrap(), Edit::Unchanged);
            if let Ok(without) = without_pins(bytes) {
                let after = without_pins(&edited).unwrap();
                assert_eq!(String::from_utf8(after), String::from_utf8(without));
            }
        }
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("a.yaml"), bytes).unwrap();
    let _ = Registry::load(root.path(), &LoadOptions::new(["*.yaml"], ""));
}
