use std::collections::BTreeSet;

/// What `cargo test` prints, added up over all its programs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Results {
    programs: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
    names: BTreeSet<String>,
    is_telling: bool,
    why: Vec<String>,
}

/// What a few failed tests say; the rest is in the log.
const LINES_KEPT: usize = 300;

impl Results {
    /// Takes one line of its output into account.
    pub(crate) fn add(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.programs += 1;
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
            self.ignored += count(counts, "ignored");
            self.is_telling = false;
        } else if line == "failures:" {
            self.is_telling = true;
        } else if self.is_telling && self.why.len() < LINES_KEPT {
            self.why.push(line.to_owned());
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.names.insert(name.to_owned());
        }
    }

    /// The counts, then the name of every test that failed.
    pub(crate) fn details(&self) -> Vec<String> {
        let counts = format!(
            "{} passed, {} failed, {} ignored in {} programs",
            self.passed, self.failed, self.ignored, self.programs
        );
        let names = self.names.iter().map(|name| format!("failed: {name}"));
        std::iter::once(counts).chain(names).collect()
    }

    /// What the tests that failed printed.
    pub(crate) fn why(&self) -> &[String] {
        &self.why
    }

    /// Whether a run with that result can be believed: some test ran, none failed.
    pub(crate) fn is_good(&self) -> bool {
        self.passed > 0 && self.failed == 0
    }
}

/// Whether a line tells how far the tests are.
pub(crate) fn is_news(line: &str) -> bool {
    let line = line.trim_start();
    ["Running ", "Doc-tests ", "test result: ", "error"]
        .iter()
        .any(|start| line.starts_with(start))
        || line.ends_with(" ... FAILED")
}

fn count(counts: &str, what: &str) -> u64 {
    counts
        .split([';', '.'])
        .find_map(|part| part.trim().strip_suffix(what)?.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_and_names_what_failed() {
        let output = "\
running 3 tests
test digest::tests::parses ... ok
test names::tests::lower_case ... FAILED
test slow ... ignored

failures:

---- names::tests::lower_case stdout ----
thread 'names::tests::lower_case' panicked at crates/x/src/names.rs:7:9: not lower

failures:
    names::tests::lower_case

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s
test crates/oci/src/lib.rs - (line 5) ... FAILED
";
        let mut results = Results::default();
        output.lines().for_each(|line| results.add(line));
        assert_eq!(
            results.details(),
            [
                "13 passed, 1 failed, 1 ignored in 2 programs",
                "failed: crates/oci/src/lib.rs - (line 5)",
                "failed: names::tests::lower_case",
            ]
        );
        assert!(!results.is_good());
        let why = results.why().join("\n");
        assert!(why.contains("names.rs:7:9: not lower"), "{why}");
        assert!(!why.contains("test crates/oci"), "{why}");
        assert!(!Results::default().is_good());
    }
}
