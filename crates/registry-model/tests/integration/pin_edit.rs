//! Every shape of file that an edit must keep byte for byte.

use registry_model::{Edit, PinPlace, edit};

use crate::support::{arch, new, text};

/// Edits `before` and expects `after`; then once more, and expects no change.
#[track_caller]
fn becomes(place: &PinPlace, before: &str, after: &str) {
    let (before, after) = (text(before), text(after));
    let edited = match edit(before.as_bytes(), place, &new()) {
        Ok(Edit::Changed(edited)) => edited,
        other => panic!("{before}\n{other:?}"),
    };
    assert_eq!(String::from_utf8(edited).unwrap(), after);
    let again = edit(after.as_bytes(), place, &new());
    assert_eq!(again.unwrap(), Edit::Unchanged, "{after}");
}

#[track_caller]
fn oci(before: &str, after: &str) {
    becomes(&PinPlace::Oci, before, after);
}

#[track_caller]
fn amd64(before: &str, after: &str) {
    becomes(&arch("amd64"), before, after);
}

/// An edit in which `OLD` becomes `NEW` and nothing else happens.
#[track_caller]
fn oci_kept(before: &str) {
    oci(before, &before.replacen("OLD", "NEW", 1));
}

#[test]
fn a_value_is_replaced_and_all_else_is_kept() {
    oci_kept("ref: llm/litellm@1\nimage:\n  oci: OLD\nbuild:\n  context: .\n");
    oci_kept("image:\n  oci: OLD\nref: llm/litellm@1\n");
    oci_kept("# top\nref: a/b@1 # the name\nimage: # where\n  # about\n  oci: OLD   # why\n");
    oci_kept("ref: a/b@1\r\nimage:\r\n  oci: OLD\r\n# end\r\n");
    oci_kept("\u{feff}image:\n  oci: OLD\nref: a/b@1\n");
    oci_kept("\u{feff}ref: a/b@1\nimage: {oci: OLD}\n");
    oci_kept("\u{feff}{image: {oci: OLD}, ref: a/b@1}");
    oci_kept("ref: a/b@1\nimage:\n  oci: OLD");
    oci_kept("ref: a/b@1\nimage:\n  oci: OLD  ");
    oci_kept("ref: a/b@1\nimage:\n       oci:    OLD\t# tab\n");
    oci_kept("ref: a/b@1\nimage:\n  oci:\n    OLD\n");
    oci_kept("note: Grüße, 世界 🚀\nref: a/b@1\nimage: {note: \"ü\", oci: OLD} # ü\n");
    oci_kept("ref: a/b@1\nimage:\n  oci : OLD\n");
    oci_kept("? image\n: oci: OLD\n? ref\n: a/b@1\n");
    oci_kept("\n\n  ref: a/b@1\n  image:\n     oci: OLD\n     name: x\n");
}

#[test]
fn quotes_are_kept() {
    oci_kept("ref: a/b@1\nimage:\n  oci: \"OLD\"   # trailing\n");
    oci_kept("ref: a/b@1\nimage:\n  oci: 'OLD' # trailing\n");
    oci_kept("ref: a/b@1\nimage:\n  'oci': 'OLD'\n");
    oci_kept("ref: a/b@1\nimage:\n  \"oci\": \"OLD\"");
    oci_kept("{\"ref\": \"a/b@1\", \"image\": {\"oci\": \"OLD\"}}\n");
    oci_kept("{\"ref\":\"a/b@1\",\"image\":{\"oci\":\"OLD\",\"x\":1}}");
    oci(
        "ref: a/b@1\nimage: {oci: ''}\n",
        "ref: a/b@1\nimage: {oci: 'NEW'}\n",
    );
    oci(
        "ref: a/b@1\nimage:\n  oci: 'it''s \"pending\"' # '\n",
        "ref: a/b@1\nimage:\n  oci: 'NEW' # '\n",
    );
    oci(
        "ref: a/b@1\nimage:\n  oci: \"x\\\"\\\\\" # \"\n",
        "ref: a/b@1\nimage:\n  oci: \"NEW\" # \"\n",
    );
}

#[test]
fn flow_maps_are_kept() {
    oci_kept("ref: a/b@1\nimage: {oci: OLD, platform: linux/amd64}\n");
    oci_kept("ref: a/b@1\nimage: { name: x ,oci: OLD } # c\n");
    oci_kept("ref: a/b@1\nimage: {\n  oci: OLD, # c\n  x: [1, {a: b}],\n}\n");
    oci_kept("{ref: a/b@1, image: {oci: OLD}}");
}

#[test]
fn equal_values_elsewhere_are_not_the_pin() {
    oci_kept("ref: a/b@1\nimage:\n  oci: OLD\nbase:\n  oci: OLD # OLD\nlist: [OLD]\n");
    amd64(
        "ref: a/b@1\nimage:\n  platforms:\n    amd64: OLD\n    arm64: OLD\n",
        "ref: a/b@1\nimage:\n  platforms:\n    amd64: NEW\n    arm64: OLD\n",
    );
    oci(
        "amd64: x\noci: OLD\nref: a/b@1\nimage:\n  nested:\n    oci: OLD\n  oci: OLD\n",
        "amd64: x\noci: OLD\nref: a/b@1\nimage:\n  nested:\n    oci: OLD\n  oci: NEW\n",
    );
}

#[test]
fn anchors_and_aliases_elsewhere_are_kept() {
    oci_kept("d: &d x\nref: a/b@1\nimage:\n  oci: OLD\ne: *d\nf: &d [*d]\n");
    oci_kept("base: &base {cpu: 1}\nref: a/b@1\n<<: *base\nimage:\n  oci: OLD\n");
    oci_kept("x: !custom y\nref: a/b@1\nimage:\n  oci: OLD\nz: |\n  oci: OLD\n");
}

#[test]
fn directives_and_other_documents_are_kept() {
    oci_kept("%YAML 1.2\n---\nref: a/b@1\nimage:\n  oci: OLD\n");
    oci_kept(
        "%YAML 1.2\n%TAG !e! tag:example.com,2000:\n---\nx: !e!y z\nref: a/b@1\nimage: {oci: OLD}\n...\n",
    );
    oci_kept("---\nkind: note\n---\nref: a/b@1\nimage:\n  oci: OLD\n--- # c\n- list\n...\n");
    oci_kept("ref: a/b@1\nimage:\n  oci: OLD\n---\nkind: note\n---\n");
    oci(
        "ref: a/b@1\n---\nkind: note\n",
        "ref: a/b@1\nimage:\n  oci: NEW\n---\nkind: note\n",
    );
}

#[test]
fn placeholders_are_replaced() {
    for placeholder in [
        "sha256:pending",
        "sha256:REPLACE_ARM64",
        "ghcr.io/acme/x@sha256:pending",
        "ghcr.io/acme/x:latest",
        "~",
        "null",
        "NULL",
        "3",
    ] {
        let before = format!("ref: a/b@1\nimage:\n  oci: {placeholder} # c\n");
        oci(&before, "ref: a/b@1\nimage:\n  oci: NEW # c\n");
    }
}

#[test]
fn an_empty_value_is_filled_in() {
    oci(
        "ref: a/b@1\nimage:\n  oci:\n  x: 1\n",
        "ref: a/b@1\nimage:\n  oci: NEW\n  x: 1\n",
    );
    oci(
        "ref: a/b@1\nimage:\n  oci:",
        "ref: a/b@1\nimage:\n  oci: NEW",
    );
    oci(
        "ref: a/b@1\nimage:\n  oci:   # c\n",
        "ref: a/b@1\nimage:\n  oci: NEW   # c\n",
    );
    oci(
        "image:\r\n  oci:\r\nref: a/b@1\r\n",
        "image:\r\n  oci: NEW\r\nref: a/b@1\r\n",
    );
    oci(
        "ref: a/b@1\nimage: {oci: , x: 1}\n",
        "ref: a/b@1\nimage: {oci: NEW , x: 1}\n",
    );
    oci(
        "ref: a/b@1\nimage: {oci:}\n",
        "ref: a/b@1\nimage: {oci: NEW}\n",
    );
    oci(
        "ref: a/b@1\nimage: {oci}\n",
        "ref: a/b@1\nimage: {oci: NEW}\n",
    );
    oci(
        "ref: a/b@1\nimage: {x: 1, oci }\n",
        "ref: a/b@1\nimage: {x: 1, oci: NEW }\n",
    );
    oci(
        "ref: a/b@1\nimage:\n  \"oci\" :\n",
        "ref: a/b@1\nimage:\n  \"oci\" : NEW\n",
    );
    amd64(
        "ref: a/b@1\nimage:\n  platforms:\n    amd64: # c\n    arm64: OLD\n",
        "ref: a/b@1\nimage:\n  platforms:\n    amd64: NEW # c\n    arm64: OLD\n",
    );
}

#[test]
fn a_missing_key_is_inserted() {
    oci(
        "ref: a/b@1\nimage:\n    name: x\n",
        "ref: a/b@1\nimage:\n    name: x\n    oci: NEW\n",
    );
    oci(
        "ref: a/b@1\r\nimage:\r\n  name: x # c\r\n  # about labels\r\n  labels:\r\n    a: b",
        "ref: a/b@1\r\nimage:\r\n  name: x # c\r\n  oci: NEW\r\n  # about labels\r\n  labels:\r\n    a: b",
    );
    oci(
        "ref: a/b@1\nimage: # c\n  # labels\n  labels:\n    - a\nx: y\n",
        "ref: a/b@1\nimage: # c\n  oci: NEW\n  # labels\n  labels:\n    - a\nx: y\n",
    );
    amd64(
        "image:\n  platforms:\n    arm64: OLD # c\nref: a/b@1",
        "image:\n  platforms:\n    arm64: OLD # c\n    amd64: NEW\nref: a/b@1",
    );
    oci(
        "ref: a/b@1\nimage: {name: x}\n",
        "ref: a/b@1\nimage: {oci: NEW, name: x}\n",
    );
    oci(
        "ref: a/b@1\nimage: { name: x }\n",
        "ref: a/b@1\nimage: { oci: NEW, name: x }\n",
    );
    oci(
        "ref: a/b@1\nimage: {\n  name: x }\n",
        "ref: a/b@1\nimage: {oci: NEW,\n  name: x }\n",
    );
    oci(
        "ref: a/b@1\nimage: { # c\n x: y}\n",
        "ref: a/b@1\nimage: { oci: NEW, # c\n x: y}\n",
    );
}

#[test]
fn a_missing_map_is_inserted() {
    oci(
        "ref: a/b@1\nbuild: {}\n",
        "ref: a/b@1\nimage:\n  oci: NEW\nbuild: {}\n",
    );
    oci("ref: a/b@1", "ref: a/b@1\nimage:\n  oci: NEW");
    oci(
        "\u{feff}ref: a/b@1 # c\r\n",
        "\u{feff}ref: a/b@1 # c\r\nimage:\r\n  oci: NEW\r\n",
    );
    oci(
        "ref: a/b@1\rx: y\r",
        "ref: a/b@1\rimage:\r  oci: NEW\rx: y\r",
    );
    oci(
        "build:\n    context: .\nref: 'a/b@1'\n# end\n",
        "build:\n    context: .\nref: 'a/b@1'\nimage:\n    oci: NEW\n# end\n",
    );
    oci(
        "  build:\n   context: .\n  ref: a/b@1\n  ",
        "  build:\n   context: .\n  ref: a/b@1\n  image:\n   oci: NEW\n  ",
    );
    amd64(
        "api:\n   x: y\nref: a/b@1\n",
        "api:\n   x: y\nref: a/b@1\nimage:\n   platforms:\n      amd64: NEW\n",
    );
    oci("image:\nref: a/b@1\n", "image:\n  oci: NEW\nref: a/b@1\n");
    oci(
        "ref: a/b@1\nimage: # c\n# d\n",
        "ref: a/b@1\nimage: # c\n  oci: NEW\n# d\n",
    );
    oci("ref: a/b@1\nimage:", "ref: a/b@1\nimage:\n  oci: NEW");
    oci(
        "ref: a/b@1\nimage: ~ # c\n",
        "ref: a/b@1\nimage: {oci: NEW} # c\n",
    );
    oci("ref: a/b@1\nimage: {}\n", "ref: a/b@1\nimage: {oci: NEW}\n");
    oci(
        "ref: a/b@1\nimage: { }\n",
        "ref: a/b@1\nimage: { oci: NEW }\n",
    );
    amd64(
        "ref: a/b@1\nimage: {}\n",
        "ref: a/b@1\nimage: {platforms: {amd64: NEW}}\n",
    );
    amd64(
        "ref: a/b@1\nimage:\n  platforms:\n",
        "ref: a/b@1\nimage:\n  platforms:\n    amd64: NEW\n",
    );
    amd64(
        "ref: a/b@1\nimage:\n  platforms: null\n",
        "ref: a/b@1\nimage:\n  platforms: {amd64: NEW}\n",
    );
    amd64(
        "ref: a/b@1\nimage:\n  name: x\n",
        "ref: a/b@1\nimage:\n  name: x\n  platforms:\n    amd64: NEW\n",
    );
    oci("{ref: a/b@1}", "{image: {oci: NEW}, ref: a/b@1}");
    oci("{ref: a/b@1, image: }", "{ref: a/b@1, image: {oci: NEW} }");
    oci(
        "{\"ref\": \"a/b@1\"}",
        "{\"image\": {\"oci\": \"NEW\"}, \"ref\": \"a/b@1\"}",
    );
    oci(
        "{\"ref\": \"a/b@1\", \"image\": null}",
        "{\"ref\": \"a/b@1\", \"image\": {\"oci\": \"NEW\"}}",
    );
}

#[test]
fn both_kinds_of_pin_may_stand_together() {
    let before = "ref: a/b@1\nimage:\n  oci: OLD\n  platforms:\n    amd64: OLD\n";
    oci(before, &before.replacen("OLD", "NEW", 1));
    amd64(
        before,
        "ref: a/b@1\nimage:\n  oci: OLD\n  platforms:\n    amd64: NEW\n",
    );
}

#[test]
fn the_same_image_in_other_words_is_no_change() {
    for same in ["NEW", "'NEW'", "\"NEW\"", "\n    NEW", "|-\n    NEW"] {
        let file = text(&format!("ref: a/b@1\nimage:\n  oci: {same}\n"));
        let edited = edit(file.as_bytes(), &PinPlace::Oci, &new());
        assert_eq!(edited.unwrap(), Edit::Unchanged, "{same}");
    }
}
