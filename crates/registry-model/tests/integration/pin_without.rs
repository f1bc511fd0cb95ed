//! The text that stands for a file whatever it pins.

use registry_model::{Edit, PinPlace, edit, without_pins};

use crate::support::{arch, new, text};

fn without(template: &str) -> String {
    String::from_utf8(without_pins(text(template).as_bytes()).unwrap()).unwrap()
}

#[test]
fn pinned_pending_empty_and_absent_are_the_same() {
    let expected = "ref: a/b@1\nbuild: {context: .}\n";
    for image in [
        "",
        "image:\n",
        "image: # c\n",
        "image: ~\n",
        "image: {}\n",
        "image:\n  oci:\n",
        "image:\n  oci: OLD # c\n",
        "image:\n  oci: 'NEW'\n",
        "image:\n  oci: sha256:pending\n",
        "image:\n  oci:\n    OLD\n",
        "image: {oci: OLD}\n",
        "image: {\n  oci: OLD,\n}\n",
        "image:\n  platforms:\n",
        "image:\n  platforms: {amd64: OLD, arm64: NEW}\n",
        "image:\n  platforms:\n    amd64: OLD\n    arm64: sha256:REPLACE_ARM64\n",
        "image:\n  platforms:\n    amd64: OLD\n  oci: OLD\n",
    ] {
        let file = format!("ref: a/b@1\n{image}build: {{context: .}}\n");
        assert_eq!(without(&file), expected, "{image}");
    }
}

#[test]
fn everything_that_is_no_pin_is_kept() {
    assert_eq!(
        without("# a\nimage:\n  # b\n  oci: OLD\n  name: x # c\nref: a/b@1\n"),
        "# a\nimage:\n  # b\n  name: x # c\nref: a/b@1\n"
    );
    assert_eq!(
        without("ref: a/b@1\nimage: {name: x, oci: OLD}\nbase: {oci: OLD}\n"),
        text("ref: a/b@1\nimage: {name: x}\nbase: {oci: OLD}\n")
    );
    assert_eq!(
        without("ref: a/b@1\nimage: {oci: OLD, name: x}\n"),
        "ref: a/b@1\nimage: {name: x}\n"
    );
    assert_eq!(
        without("a: b\n---\nref: a/b@1\nimage:\n  oci: OLD"),
        "a: b\n---\nref: a/b@1"
    );
}

#[test]
fn what_can_not_be_edited_has_no_such_text() {
    for bad in [
        "ref: a/b@1\nd: &d OLD\nimage:\n  oci: *d\n",
        "ref: a/b@1\nimage: [OLD]\n",
        "ref: a/b@1\nimage:\n  oci: OLD\n  oci: OLD\n",
        "b: &b {image: {oci: OLD}}\nref: a/b@1\n<<: *b\n",
        "not: a registry file\n",
    ] {
        assert!(without_pins(text(bad).as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn an_edit_never_shows() {
    let oci = [
        "ref: a/b@1",
        "ref: a/b@1\n",
        "ref: a/b@1\r\nx: y",
        "\u{feff}ref: a/b@1\r\n",
        "ref: a/b@1\nimage:",
        "image:\nref: a/b@1\n",
        "ref: a/b@1\nimage: # c\n  # d\n",
        "ref: a/b@1\nimage: null",
        "ref: a/b@1\nimage: {}\n",
        "ref: a/b@1\nimage:\n  name: x",
        "ref: a/b@1\nimage:\n  labels:\n    a: b\n",
        "ref: a/b@1\nimage: {name: x}\n",
        "ref: a/b@1\nimage: { name: x }",
        "ref: a/b@1\nimage: {\n  name: x }\n",
        "ref: a/b@1\nimage: { # c\n  name: x }\n",
        "ref: a/b@1\nimage: {x: 1, oci }\n",
        "ref: a/b@1\nimage: {oci, x: 1}\n",
        "{ref: a/b@1}",
        "{ ref: a/b@1 }",
        "{\n  \"ref\": \"a/b@1\"\n}\n",
        "{\"ref\": \"a/b@1\", \"image\": {}}",
        "{\"ref\": \"a/b@1\", \"image\": null }",
        "ref: a/b@1\nimage:\n  oci: 'x' # c\n",
    ];
    let platforms = [
        "ref: a/b@1",
        "ref: a/b@1\nimage:\n",
        "ref: a/b@1\nimage: ~\n",
        "ref: a/b@1\nimage:\n  platforms:\n",
        "ref: a/b@1\nimage:\n  platforms: {}\n",
        "ref: a/b@1\nimage:\n  platforms: {amd64: OLD}\n",
        "ref: a/b@1\nimage:\n  platforms:\n    amd64: OLD",
        "ref: a/b@1\nimage:\n  name: x\n",
        "ref: a/b@1\nimage:\n  platforms:\n    amd64: OLD\n  oci: OLD\n",
    ];
    let cases = oci.map(|file| (file, PinPlace::Oci)).into_iter();
    for (file, place) in cases.chain(platforms.map(|file| (file, arch("arm64")))) {
        let before = text(file);
        let Edit::Changed(after) = edit(before.as_bytes(), &place, &new()).unwrap() else {
            panic!("{file}");
        };
        assert_eq!(
            String::from_utf8(without_pins(&after).unwrap()).unwrap(),
            without(file),
            "{file}"
        );
    }
}
