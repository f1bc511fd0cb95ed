//! Setting pins in files: all or nothing, whatever kind of file it is.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use registry_model::{
    PinError, PinPlace, PinRequest, PinnedImage, Refusal, SetOutcome, set_file, set_files,
};

use crate::support::{arch, image, new, repository, text};

const ENTRY: &str = "ref: a/b@1\nimage:\n  oci: OLD # c\n";

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn request(file: &Path, place: PinPlace, image: PinnedImage) -> PinRequest {
    let file = file.to_owned();
    PinRequest { file, place, image }
}

#[test]
fn a_file_is_written_once_and_then_left_alone() {
    let root = repository(&[("a.yaml", ENTRY)]);
    let file = root.path().join("a.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();

    let outcome = set_file(&file, &PinPlace::Oci, &new()).unwrap();
    assert_eq!(outcome, SetOutcome::Written);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        text("ref: a/b@1\nimage:\n  oci: NEW # c\n")
    );
    let written = fs::metadata(&file).unwrap();
    assert_eq!(written.mode() & 0o7777, 0o664);

    let outcome = set_file(&file, &PinPlace::Oci, &new()).unwrap();
    assert_eq!(outcome, SetOutcome::AlreadySo);
    assert_eq!(
        fs::metadata(&file).unwrap().ino(),
        written.ino(),
        "the file was replaced"
    );
    assert_eq!(names(root.path()), ["a.yaml"], "something was left behind");
}

#[test]
fn a_file_that_is_refused_stays_as_it_is() {
    let refused = "ref: a/b@1\nd: &d OLD\nimage:\n  oci: *d\n";
    let root = repository(&[("a.yaml", refused)]);
    let file = root.path().join("a.yaml");
    let before = fs::metadata(&file).unwrap();

    let error = set_file(&file, &PinPlace::Oci, &new()).unwrap_err();
    let place = format!(
        "edit the pin at {}:4:8: `image.oci` is an alias",
        file.display()
    );
    assert!(error.to_string().starts_with(&place), "{error}");
    assert_eq!(error.file(), Some(file.as_path()));

    let after = fs::metadata(&file).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), text(refused));
    assert_eq!(
        (after.ino(), after.mtime_nsec()),
        (before.ino(), before.mtime_nsec())
    );
    assert_eq!(names(root.path()), ["a.yaml"]);
}

#[test]
fn of_a_symbolic_link_the_file_is_replaced() {
    let root = repository(&[("real/a.yaml", ENTRY)]);
    let link = root.path().join("link.yaml");
    symlink("real/a.yaml", &link).unwrap();

    assert_eq!(
        set_file(&link, &PinPlace::Oci, &new()).unwrap(),
        SetOutcome::Written
    );
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let real = fs::read_to_string(root.path().join("real/a.yaml")).unwrap();
    assert!(real.contains(&new().to_string()));

    let results = set_files(&[request(&link, PinPlace::Oci, image('3'))]);
    assert!(
        matches!(results[..], [Ok(SetOutcome::Written)]),
        "{results:?}"
    );
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(
        fs::read_to_string(&link)
            .unwrap()
            .contains(&image('3').to_string())
    );
}

#[test]
fn what_is_no_file_is_refused() {
    let root = repository(&[("folder/x", "")]);
    let folder = root.path().join("folder");
    let error = set_file(&folder, &PinPlace::Oci, &new()).unwrap_err();
    assert!(matches!(error, PinError::NotAFile { .. }), "{error}");

    let pipe = root.path().join("pipe.yaml");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let error = set_file(&pipe, &PinPlace::Oci, &new()).unwrap_err();
    assert!(matches!(error, PinError::NotAFile { .. }), "{error}");

    let nowhere = root.path().join("nowhere.yaml");
    let error = set_file(&nowhere, &PinPlace::Oci, &new()).unwrap_err();
    assert!(matches!(error, PinError::Read { .. }), "{error}");
    assert!(error.to_string().contains("nowhere.yaml"));
    assert!(error.hint().is_some());
}

#[test]
fn a_batch_answers_each_request_in_its_place() {
    let root = repository(&[
        ("a.yaml", ENTRY),
        ("b.yaml", "ref: a/b@1\nimage:\n  oci: NEW\n"),
        ("c.yaml", "ref: a/b@1\nimage: [x]\n"),
    ]);
    let file = |name: &str| root.path().join(name);
    let all = ["a.yaml", "b.yaml", "c.yaml", "nowhere.yaml"];
    let requests = all.map(|name| request(&file(name), PinPlace::Oci, new()));
    let results = set_files(&requests);
    assert!(matches!(results[0], Ok(SetOutcome::Written)), "{results:?}");
    assert!(
        matches!(results[1], Ok(SetOutcome::AlreadySo)),
        "{results:?}"
    );
    assert!(
        matches!(results[2], Err(PinError::Refused { .. })),
        "{results:?}"
    );
    assert!(
        matches!(results[3], Err(PinError::Read { .. })),
        "{results:?}"
    );
    assert!(
        fs::read_to_string(file("a.yaml"))
            .unwrap()
            .contains(&new().to_string())
    );
    assert_eq!(names(root.path()), ["a.yaml", "b.yaml", "c.yaml"]);
    assert!(set_files(&[]).is_empty());
}

#[test]
fn all_pins_of_a_file_are_set_together_or_not_at_all() {
    let entry = "ref: a/b@1\nimage:\n  platforms:\n    amd64: OLD\n";
    let root = repository(&[("a.yaml", entry), ("b.yaml", entry)]);
    symlink("a.yaml", root.path().join("link.yaml")).unwrap();
    let file = |name: &str| root.path().join(name);
    let results = set_files(&[
        request(&file("a.yaml"), arch("amd64"), image('1')),
        request(&file("b.yaml"), arch("amd64"), image('1')),
        request(&file("link.yaml"), arch("arm64"), image('2')),
        request(&file("b.yaml"), PinPlace::Oci, image('3')),
    ]);
    assert!(matches!(results[0], Ok(SetOutcome::Written)), "{results:?}");
    assert!(matches!(results[2], Ok(SetOutcome::Written)), "{results:?}");
    assert!(
        matches!(results[1], Err(PinError::HeldBack { .. })),
        "{results:?}"
    );
    let layout = |refusal: &Refusal| matches!(refusal, Refusal::OtherLayout { .. });
    let refused =
        |error: &PinError| matches!(error, PinError::Refused { refusal, .. } if layout(refusal));
    assert!(results[3].as_ref().is_err_and(refused), "{results:?}");

    let (one, two) = (image('1'), image('2'));
    assert_eq!(
        fs::read_to_string(file("a.yaml")).unwrap(),
        format!("ref: a/b@1\nimage:\n  platforms:\n    amd64: {one}\n    arm64: {two}\n")
    );
    assert_eq!(fs::read_to_string(file("b.yaml")).unwrap(), text(entry));
}

#[test]
fn many_files_in_many_folders_are_set() {
    let root = tempfile::tempdir().unwrap();
    let mut requests = Vec::new();
    for number in 0..300 {
        let name = format!("tools/{}/{number}/registry.yaml", number % 7);
        crate::support::write(root.path(), &name, &text(ENTRY));
        requests.push(request(&root.path().join(name), PinPlace::Oci, new()));
    }
    let results = set_files(&requests);
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Ok(SetOutcome::Written)))
    );
    for request in &requests {
        assert_eq!(
            fs::read_to_string(&request.file).unwrap(),
            text("ref: a/b@1\nimage:\n  oci: NEW # c\n")
        );
        assert_eq!(names(request.file.parent().unwrap()), ["registry.yaml"]);
    }
    let results = set_files(&requests);
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Ok(SetOutcome::AlreadySo)))
    );
}
