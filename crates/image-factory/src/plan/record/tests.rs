use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::made::hidden;
use super::pack::LONGEST;
use super::*;

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    pairs.iter().map(owned).collect()
}

fn example() -> InputsRecord {
    InputsRecord {
        schema: 1,
        key: InputKey::new([7; 32]),
        dockerfile: "code/a/Dockerfile".into(),
        dockerfile_sha256: "00".into(),
        context: "code".into(),
        context_sha256: String::new(),
        files: texts(&[
            ("a/Dockerfile", "100644 1"),
            ("a/x.py", "100644 2"),
            ("b", "100644 3"),
        ]),
        args: texts(&[("A", "1"), ("B", "2")]),
        target: None,
        platforms: vec![Platform::linux_amd64(), "linux/arm64".parse().unwrap()],
        bases: texts(&[("python:3", "docker.io/library/python@sha256:1")]),
        settings: BTreeMap::new(),
    }
}

#[test]
fn comes_back_as_it_was_and_is_always_the_same_bytes() {
    let record = example();
    let bytes = record.to_bytes().unwrap();
    assert_eq!(InputsRecord::from_bytes(&bytes).unwrap(), record);
    assert_eq!(record.to_bytes().unwrap(), bytes);
}

#[test]
fn names_each_difference_and_nothing_else() {
    let old = example();
    let mut same = example();
    same.platforms.reverse();
    assert_eq!(old.diff(&same), []);
    let mut new = example();
    new.dockerfile_sha256 = "01".into();
    new.files = texts(&[
        ("a/Dockerfile", "100644 9"),
        ("a/x.py", "100755 2"),
        ("c", "100644 3"),
    ]);
    new.args = texts(&[("A", "1"), ("B", "3"), ("C", "")]);
    new.target = Some("prod".into());
    new.platforms.pop();
    new.bases = texts(&[("python:3", "docker.io/library/python@sha256:2")]);
    new.settings = texts(&[("sbom", "x")]);
    let told: Vec<String> = old.diff(&new).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    `code/a/Dockerfile` changed
    `code/a/x.py` changed
    `code/b` is gone
    `code/c` is new
    base `python:3` is another
    build argument `B` changed
    build argument `C` changed
    target changed
    platforms changed
    setting `sbom` changed
    ");
}

#[test]
fn very_many_files_are_kept_by_folder_and_still_compared() {
    let mut old = example();
    old.files = (0..2000_u32)
        .map(|number| {
            let path = format!("{}/{}/{number}.py", number % 3, number % 40);
            (path, format!("100644 {}", hidden("", &number.to_string())))
        })
        .chain([("top".to_owned(), "100644 1".to_owned())])
        .collect();
    let whole = old.pack(LONGEST_PACKED).unwrap();
    assert_eq!(InputsRecord::from_bytes(&whole).unwrap(), old);
    let mut new = old.clone();
    new.files.insert("1/1/1.py".into(), "100755 1".into());
    for (longest, entries, told) in [
        (whole.len() / 2, 121, "`code/1/1` changed"),
        (1000, 4, "`code/1` changed"),
    ] {
        let packed = old.pack(longest).unwrap();
        assert!(packed.len() <= longest);
        let kept = InputsRecord::from_bytes(&packed).unwrap();
        assert_eq!(kept.files.len(), entries);
        assert_eq!(kept.diff(&old), []);
        assert_eq!(old.diff(&kept), []);
        assert_eq!(kept.diff(&new)[0].to_string(), told);
        let new = InputsRecord::from_bytes(&new.pack(1000).unwrap()).unwrap();
        assert_eq!(kept.diff(&new)[0].to_string(), "`code/1` changed");
    }
    let shorter = old.pack(1000).unwrap().len() - 1;
    let all = InputsRecord::from_bytes(&old.pack(shorter).unwrap()).unwrap();
    assert_eq!(all.files.keys().collect::<Vec<_>>(), [""]);
    assert_eq!(all.diff(&new).len(), 1);
    assert!(matches!(old.pack(100), Err(RecordError::TooLong)));
}

#[test]
fn hostile_records_are_refused() {
    let pack = |bytes: &[u8]| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    };
    let bomb = pack(&vec![b' '; usize::try_from(LONGEST).unwrap() + 1]);
    assert!(bomb.len() < 100_000);
    let read = InputsRecord::from_bytes;
    assert!(matches!(read(&bomb), Err(RecordError::TooLong)));
    assert!(matches!(read(b"no gzip"), Err(RecordError::Packing(_))));
    assert!(matches!(read(&pack(b"{}")), Err(RecordError::Malformed(_))));
    let later = pack(br#"{"schema": 2}"#);
    assert!(matches!(
        read(&later),
        Err(RecordError::UnknownSchema { found: 2 })
    ));
    let deep = pack(&[b'['; 100_000]);
    assert!(matches!(read(&deep), Err(RecordError::Malformed(_))));
    let bytes = example().to_bytes().unwrap();
    assert!(read(&bytes[..bytes.len() / 2]).is_err());
}

#[test]
fn values_are_hidden_each_in_its_own_way() {
    let one = hidden("TOKEN", "secret");
    assert_eq!(one, hidden("TOKEN", "secret"));
    assert_ne!(one, hidden("OTHER", "secret"));
    assert_ne!(hidden("A", "BC"), hidden("AB", "C"));
    assert!(!one.contains("secret"));
}
