//! What an edit does not touch, and the reason it gives.

use registry_model::{PinError, PinPlace, edit};

use crate::support::{arch, new, text};

fn refuse(place: &PinPlace, template: &str) -> PinError {
    let file = text(template);
    match edit(file.as_bytes(), place, &new()) {
        Err(error) => error,
        Ok(edit) => panic!("{file}\n{edit:?}"),
    }
}

fn reason(place: &PinPlace, template: &str) -> String {
    let error = refuse(place, template);
    assert!(error.hint().is_some(), "{error}");
    assert!(error.position().is_some(), "{error}");
    error.to_string()
}

fn oci(template: &str) -> String {
    reason(&PinPlace::Oci, template)
}

#[test]
fn values_that_stand_for_more_than_themselves_are_refused() {
    insta::assert_snapshot!(oci("d: &d OLD\nref: a/b@1\nimage:\n  oci: *d\n"), @"edit the pin at line 4: `image.oci` is an alias: the image stands elsewhere, perhaps for several places");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  oci: &d OLD\nx: *d\n"), @"edit the pin at line 3: `image.oci` has an anchor: an edit would change every place that refers to it");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  oci: &d\n"), @"edit the pin at line 3: `image.oci` has an anchor: an edit would change every place that refers to it");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage: &i\n  oci: OLD\nx: *i\n"), @"edit the pin at line 2: `image` has an anchor: an edit would change every place that refers to it");
    insta::assert_snapshot!(oci("i: &i {oci: OLD}\nref: a/b@1\nimage: *i\n"), @"edit the pin at line 3: `image` is an alias: the image stands elsewhere, perhaps for several places");
    insta::assert_snapshot!(oci("--- &all\nref: a/b@1\nimage: {oci: OLD}\n"), @"edit the pin at line 1: `the document` has an anchor: an edit would change every place that refers to it");
    insta::assert_snapshot!(oci("k: &k oci\nref: a/b@1\nimage:\n  *k : OLD\n"), @"edit the pin at line 4: `oci` is an alias: the image stands elsewhere, perhaps for several places");
    insta::assert_snapshot!(oci("b: &b {oci: OLD}\nref: a/b@1\nimage:\n  <<: *b\n  oci: OLD\n"), @"edit the pin at line 4: `image` takes keys from elsewhere by the merge key `<<`");
    insta::assert_snapshot!(oci("b: &b {image: {oci: OLD}}\nref: a/b@1\n<<: *b\n"), @"edit the pin at line 3: `image` takes keys from elsewhere by the merge key `<<`");
}

#[test]
fn values_of_a_special_kind_are_refused() {
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  oci: !!str OLD\n"), @"edit the pin at line 3: `image.oci` has a tag");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage: !image\n  oci: OLD\n"), @"edit the pin at line 2: `image` has a tag");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  oci: |\n    OLD\n"), @"edit the pin at line 3: `image.oci` is a block scalar");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  oci: >-\n    OLD\n"), @"edit the pin at line 3: `image.oci` is a block scalar");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  oci: a\n    b\n"), @"edit the pin at line 3: `image.oci` is written over several lines");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  oci: \"a\n    b\"\n"), @"edit the pin at line 3: `image.oci` is written over several lines");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  oci: 'a\n\n    b'\n"), @"edit the pin at line 3: `image.oci` is written over several lines");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  oci: [OLD]\n"), @"edit the pin at line 3: `image.oci` is no single value");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage: OLD\n"), @"edit the pin at line 2: `image` is no mapping");
    insta::assert_snapshot!(reason(&arch("arm64"), "ref: a/b@1\nimage:\n  platforms: [OLD]\n"), @"edit the pin at line 3: `image.platforms` is no mapping");
    insta::assert_snapshot!(oci("? ref\n: a/b@1\n? image\n"), @"edit the pin at line 3: `image` is written as an explicit key (`?`)");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  ? oci\n"), @"edit the pin at line 3: `image.oci` is written as an explicit key (`?`)");
}

#[test]
fn keys_that_are_there_twice_are_refused() {
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  oci: OLD\n  oci: OLD\n"), @"edit the pin at line 4: the key `oci` is there twice");
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  oci: OLD\n  \"oci\": OLD\n"), @"edit the pin at line 4: the key `oci` is there twice");
    insta::assert_snapshot!(oci("image: {oci: OLD}\nref: a/b@1\nimage:\n  oci: OLD\n"), @"edit the pin at line 3: the key `image` is there twice");
    insta::assert_snapshot!(oci("ref: a/b@1\nref: a/b@1\nimage: {oci: OLD}\n"), @"edit the pin at line 2: the key `ref` is there twice");
}

#[test]
fn the_place_must_fit_the_layout() {
    insta::assert_snapshot!(oci("ref: a/b@1\nimage:\n  platforms:\n    amd64: OLD\n"), @"edit the pin at line 3: the file has `image.platforms`, so `image.oci` does not belong into it");
    insta::assert_snapshot!(reason(&arch("arm64"), "ref: a/b@1\nimage:\n  oci: OLD\n"), @"edit the pin at line 3: the file has `image.oci`, so `image.platforms.arm64` does not belong into it");
    for platform in ["linux/arm/v7", "windows/amd64", "linux/x86"] {
        let place = PinPlace::Platform(platform.parse().unwrap());
        let found = reason(&place, "ref: a/b@1\nimage:\n  platforms: {}\n");
        assert_eq!(
            found,
            format!(
                "edit the pin at line 1: platform `{platform}` has no place in a registry file"
            )
        );
    }
}

#[test]
fn files_that_are_no_registry_entry_are_refused() {
    insta::assert_snapshot!(oci(""), @"edit the pin at line 1: no document of the file is a registry entry");
    insta::assert_snapshot!(oci("- ref: a/b@1\n"), @"edit the pin at line 1: no document of the file is a registry entry");
    insta::assert_snapshot!(oci("kind: x\n---\nkind: y\n"), @"edit the pin at line 1: no document of the file is a registry entry");
    insta::assert_snapshot!(oci("ref: a/b@1\n---\nref: a/c@1\n"), @"edit the pin at line 3: several documents of the file are registry entries");
    insta::assert_snapshot!(oci("ref: |\n  a/b@1\n"), @"edit the pin at line 1: there is no safe place to insert `image.oci`");
}

#[test]
fn texts_that_are_no_yaml_are_refused() {
    insta::assert_snapshot!(refuse(&PinPlace::Oci, "ref: a/b@1\nimage: {oci: OLD\n"), @"read YAML at line 3: while parsing a flow mapping, did not find expected ',' or '}'");
    insta::assert_snapshot!(refuse(&PinPlace::Oci, "ref: a/b@1\n\timage: x\n"), @"read YAML at line 1: while scanning a plain scalar, found a tab");
    insta::assert_snapshot!(refuse(&PinPlace::Oci, "ref: a\nx: *nowhere\n"), @"read YAML at line 2: while parsing node, found unknown anchor");
    insta::assert_snapshot!(refuse(&PinPlace::Oci, "a: &a x\n---\nref: a\nx: *a\n"), @"read YAML at line 4: the alias has no anchor in its document");
    insta::assert_snapshot!(refuse(&PinPlace::Oci, "ref: a/b@1\nimage:\0  {oci: OLD}\n"), @"read YAML at line 2: control character U+0000 is not allowed");
    let latin1 = edit(
        b"ref: a/b@1\nnote: \xe4\nimage: {oci: x}\n",
        &PinPlace::Oci,
        &new(),
    );
    insta::assert_snapshot!(latin1.unwrap_err(), @"read YAML at line 2: the file is not UTF-8");
    let deep = format!("ref: a/b@1\nimage: {{oci: OLD}}\nx: {}\n", "[".repeat(200));
    insta::assert_snapshot!(refuse(&PinPlace::Oci, &deep), @"read YAML at line 3: nested more than 100 levels deep");
    let blocks: String = (0..200)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    insta::assert_snapshot!(refuse(&PinPlace::Oci, &format!("ref: a/b@1\nx:\n {blocks}")), @"read YAML at line 103: nested more than 100 levels deep");
    let huge = format!(
        "ref: a/b@1\nimage: {{oci: OLD}}\n#{}\n",
        "x".repeat(1 << 20)
    );
    insta::assert_snapshot!(refuse(&PinPlace::Oci, &huge), @"read YAML at line 1: the file has more than 1048576 bytes");
}
