//! `acceptance` of a registry file.

use registry_model::{CODES, Entry, Findings, LoadOptions, Mode, Registry};

use crate::support::repository;

const OUTPUTS: &str = "outputs: [{path: a/b.txt, mime: text/plain}, {path: c, mime: image/png}]\n";

/// What a file with these lines, below four others, is read as.
fn read(lines: &str) -> Result<Entry, Findings> {
    let text = format!("ref: llm/litellm@1\nbuild: {{dockerfile: D}}\n{OUTPUTS}{lines}");
    let files = [
        ("code/x.yaml", text.as_str()),
        ("code/D", ""),
        ("code/in/f.json", "{}"),
    ];
    let root = repository(&files);
    let options = LoadOptions::new(["code/*.yaml"], "code");
    Registry::load(root.path(), &options).map(|mut registry| registry.entries.remove(0))
}

fn said(lines: &str) -> String {
    let findings = read(lines).unwrap_err();
    for finding in &findings {
        assert!(CODES.iter().any(|(code, _)| *code == finding.code));
    }
    findings.to_string()
}

#[test]
fn cases_take_what_they_leave_out_from_the_section() {
    let entry = read(
        "acceptance:\n  budget: {wall-seconds: 1.5, cost-units: 0}\n  \
         limits: {seconds: 9, memory-mib: 64, cpus: 0.5, pids: 8, output-mib: 2}\n  cases:\n  \
         - {name: one, inputs: {n: 1}}\n  \
         - name: two\n    mode: real\n    inputs: in/f.json\n    files: {g/h.json: ./in/../in/f.json}\n    \
         expect: {status: error}\n    budget: {wall-seconds: 3, output-bytes: 0}\n  \
         - {name: three, inputs: {}, artifacts: {}, expect: {/a: 1}}\n",
    )
    .unwrap();
    let spec = entry.acceptance.unwrap();
    assert_eq!(spec.limits.pids, Some(8));
    let seen: Vec<String> = spec
        .cases
        .iter()
        .map(|case| {
            let budget = case.budget;
            let artifacts: Vec<&str> = case.artifacts.keys().map(|path| path.as_str()).collect();
            format!(
                "{}:{} {:?} {:?} {:?} {artifacts:?} {:?}",
                case.name,
                case.line,
                case.mode,
                budget.wall_seconds,
                budget.output_bytes,
                case.files
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            r#"one:8 Mock Some(1.5) None ["a/b.txt", "c"] {}"#,
            r#"two:9 Real Some(3.0) Some(0) [] {g/h.json: "code/in/f.json"}"#,
            r#"three:15 Mock Some(1.5) None [] {}"#,
        ]
    );
    assert_eq!(spec.cases[1].mode, Mode::Real);
    assert!(read("").unwrap().acceptance.is_none());
    // What no case uses is nobody's concern.
    assert!(
        read("acceptance: {cases: }\n")
            .unwrap()
            .acceptance
            .unwrap()
            .cases
            .is_empty()
    );
}

#[test]
fn everything_wrong_is_said_at_its_place_with_its_cure() {
    insta::assert_snapshot!(said(
        "acceptance:\n  case: []\n  budget: {wall-seconds: 0, output-bytes: -1, cost: 1}\n  limits: {pids: 1.5}\n  cases:\n  \
         - {inputs: {}}\n  - {name: a b, inputs: in/none.json}\n  - {name: one, mode: fast, inputs: [1]}\n  \
         - {name: two, inputs: {}, files: {../x: in/f.json, y: ../../z}, artifacts: {/a: text/plain, b: TEXT}, expect: {}}\n  \
         - {name: two, inputs: {}}\n  - x\n  - {name: four}\n"
    ), @r"
read the registry files: 18 problems
  code/x.yaml:5:3: `case` is no field of `acceptance` [unknown-field]
    hint: did you mean `cases`?
  code/x.yaml:6:26: `acceptance.budget.wall-seconds` should be a number of seconds, more than 0 and at most 1048576, and is the number `0` [bad-type]
  code/x.yaml:6:43: `acceptance.budget.output-bytes` should be a number of bytes, and is the number `-1` [bad-type]
  code/x.yaml:6:47: `cost` is no field of `acceptance.budget` [unknown-field]
    hint: did you mean `cost-units`?
  code/x.yaml:7:18: `acceptance.limits.pids` should be a number of processes, whole and from 1 to 1048576, and is the number `1.5` [bad-type]
  code/x.yaml:9:5: `acceptance.cases[0]` has no `name` [bad-acceptance]
    hint: name what it shows, as in `name: short-text`
  code/x.yaml:10:12: `acceptance.cases[1].name` is `a b`, expected at most 64 letters, digits, `-`, `_` and `.` [bad-acceptance]
  code/x.yaml:10:25: `acceptance.cases[1].inputs`: there is no file code/in/none.json [bad-acceptance]
    hint: paths are relative to the build context
  code/x.yaml:11:23: `acceptance.cases[2].mode` should be `mock` or `real`, and is `fast` [bad-type]
  code/x.yaml:11:37: `acceptance.cases[2].inputs` should be a mapping, or the path of a JSON file, and is a list [bad-type]
  code/x.yaml:12:37: `acceptance.cases[3].files` has the key `../x`, expected a path below the folder, as in `image/picture.png` [bad-acceptance]
  code/x.yaml:12:57: `acceptance.cases[3].files.y`: `../../z` leaves the repository by `..` [path-escapes]
    hint: name a path inside the repository
  code/x.yaml:12:79: `acceptance.cases[3].artifacts` has the key `/a`, expected a path below the folder, as in `image/picture.png` [bad-acceptance]
  code/x.yaml:12:98: `acceptance.cases[3].artifacts.b` is `TEXT`, expected a media type in lower case, as in `image/png` [bad-acceptance]
  code/x.yaml:12:113: `acceptance.cases[3].expect` is empty, so that every answer would do [bad-acceptance]
    hint: leave it out to expect a success
  code/x.yaml:13:5: `two` is already the case in line 12 [bad-acceptance]
    hint: give it another name
  code/x.yaml:14:5: `acceptance.cases[5]` should be a mapping, and is `x` [bad-type]
  code/x.yaml:15:5: `acceptance.cases[6].inputs` is missing [bad-acceptance]
    hint: give what the processor takes, or the path of a JSON file with it
");
}
