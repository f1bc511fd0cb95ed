use std::path::Path;

use regex::Regex;

use crate::FactoryError;

/// The rules of a `.dockerignore` file, with moby's meaning and not git's.
///
/// They differ in ways that change an image: a pattern counts from the root of the context, `{}`
/// is plain text, `**x` reaches into names. Source: moby/patternmatcher, `patternmatcher.go` and
/// `ignorefile/ignorefile.go`; each translation below names what it mirrors.
#[derive(Debug, Default)]
pub(crate) struct IgnoreRules {
    rules: Vec<Rule>,
    has_exceptions: bool,
}

/// Which rules match a folder or one of its parents: what its children inherit.
pub(crate) type Matched = Vec<bool>;

#[derive(Debug)]
struct Rule {
    exception: bool,
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Regex(Regex),
}

impl IgnoreRules {
    /// Reads the rules of `text`; `file` is for the error only.
    pub(crate) fn parse(text: &str, file: &Path) -> Result<Self, FactoryError> {
        let mut rules = Vec::new();
        for (index, line) in text
            .strip_prefix('\u{feff}')
            .unwrap_or(text)
            .lines()
            .enumerate()
        {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let line = line.trim();
            let wrong = |problem: &str| FactoryError::IgnoreRule {
                file: file.to_path_buf(),
                line: index + 1,
                problem: format!("`{line}` {problem}"),
            };
            let (exception, pattern) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            if pattern.is_empty() {
                return Err(wrong("has nothing after `!`"));
            }
            let matcher =
                compile(&clean(pattern)).ok_or_else(|| wrong("is no pattern that can match"))?;
            rules.push(Rule { exception, matcher });
        }
        let has_exceptions = rules.iter().any(|rule| rule.exception);
        Ok(Self {
            rules,
            has_exceptions,
        })
    }

    /// What the root of the context hands down: nothing matched yet.
    pub(crate) fn at_root(&self) -> Matched {
        vec![false; self.rules.len()]
    }

    /// Whether `path` (relative to the context, `/` between parts) is ignored, and what its
    /// children inherit. The last matching rule decides.
    ///
    /// As in `MatchesUsingParentResults`, a rule that would change nothing here is not tried, and
    /// so not inherited either: after `x?/**`, `!xa` does not bring back what lies in `xa`.
    pub(crate) fn check(&self, path: &str, parent: &Matched) -> (bool, Matched) {
        let mut ignored = false;
        let mut matched = parent.clone();
        for (rule, matched) in self.rules.iter().zip(&mut matched) {
            if !*matched && rule.exception == ignored {
                *matched = rule.matcher.matches(path);
            }
            if *matched {
                ignored = !rule.exception;
            }
        }
        (ignored, matched)
    }

    /// Whether nothing is ignored.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether something inside an ignored folder may still be wanted.
    pub(crate) fn may_return(&self) -> bool {
        self.has_exceptions
    }
}

impl Matcher {
    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(text) => path == text,
            Self::Prefix(text) => path.starts_with(text.as_str()),
            // `**/name` also means `name` at the root.
            Self::Suffix(text) => {
                path.ends_with(text.as_str()) || text.strip_prefix('/') == Some(path)
            }
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

/// Go's `filepath.Clean`, without the slash at the front.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            // Nothing lies above an absolute path.
            ".." if pattern.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    match parts.is_empty() {
        true => ".".to_owned(),
        false => parts.join("/"),
    }
}

/// `Pattern.compile` of patternmatcher.go.
fn compile(pattern: &str) -> Option<Matcher> {
    let wild = |c: char| matches!(c, '*' | '?' | '[' | ']' | '\\');
    if !pattern.contains(wild) {
        return Some(Matcher::Exact(pattern.to_owned()));
    }
    if let Some(rest) = pattern.strip_prefix("**")
        && !rest.is_empty()
        && !rest.contains(wild)
    {
        return Some(Matcher::Suffix(rest.to_owned()));
    }
    if let Some(rest) = pattern.strip_suffix("**")
        && !rest.contains(wild)
    {
        return Some(Matcher::Prefix(rest.to_owned()));
    }
    // `(?s)`: a name may hold a line end.
    let mut regex = String::from("(?s)^");
    let mut rest = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                if rest.peek() == Some(&'/') {
                    rest.next();
                }
                regex.push_str(match rest.peek() {
                    None => ".*",
                    Some(_) => "(.*/)?",
                });
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '\\' => regex.push_str(&regex::escape(&rest.next().unwrap_or('\\').to_string())),
            '[' if !in_class => {
                in_class = true;
                regex.push('[');
                if rest.peek() == Some(&'^') {
                    rest.next();
                    regex.push('^');
                }
            }
            ']' if in_class => {
                in_class = false;
                regex.push(']');
            }
            '-' if in_class => regex.push('-'),
            other => regex.push_str(&regex::escape(&other.to_string())),
        }
    }
    regex.push('$');
    Regex::new(&regex).ok().map(Matcher::Regex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(rules: &str, path: &str) -> bool {
        let rules = IgnoreRules::parse(rules, Path::new(".dockerignore")).unwrap();
        let mut matched = rules.at_root();
        let mut result = false;
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            (result, matched) = rules.check(&path[..end], &matched);
        }
        result
    }

    #[test]
    fn counts_from_the_root_of_the_context() {
        assert!(ignored("tests", "tests/a.py"));
        assert!(!ignored("tests", "apps/tests/a.py"));
        assert!(ignored("**/tests", "apps/tests/a.py"));
        assert!(ignored("**/tests", "tests"));
        assert!(ignored("/tests/", "tests/a.py"));
        assert!(ignored("./a/../b", "b"));
    }

    #[test]
    fn the_last_match_decides_and_parents_count() {
        let rules = "docs\n!docs/keep\ndocs/keep/not";
        assert!(ignored(rules, "docs/a"));
        assert!(!ignored(rules, "docs/keep/a"));
        assert!(ignored(rules, "docs/keep/not/b"));
        assert!(!ignored("*\n!apps/**", "apps/x/y"));
        assert!(ignored("*\n!apps/**", "other/x"));
        assert!(!ignored("x/**\n!x/a", "x/a/b"));
        assert!(ignored("x?/**\n!xa", "xa/b"));
    }

    #[test]
    fn wildcards_mean_what_moby_means() {
        assert!(ignored("*.md", "a.md"));
        assert!(!ignored("*.md", "docs/a.md"));
        assert!(ignored("**/*.md", "docs/x/a.md"));
        assert!(ignored("a?c", "abc"));
        assert!(!ignored("a?c", "a/c"));
        assert!(ignored("[a-c]x", "bx"));
        assert!(ignored("[^a-c]x", "dx"));
        assert!(ignored("**foo", "dir/xfoo"));
        assert!(ignored("foo**", "foobar/x"));
        assert!(ignored("a/**/b", "a/b"));
        assert!(ignored("{a,b}", "{a,b}"));
        assert!(!ignored("{a,b}", "a"));
        assert!(ignored("\\*x", "*x"));
        assert!(!ignored("\\*x", "yx"));
        assert!(ignored("a+(b)$.^|", "a+(b)$.^|"));
    }

    #[test]
    fn skips_comments_and_a_byte_order_mark() {
        let rules = "\u{feff}# comment\n\n  node_modules  \r\n";
        assert!(ignored(rules, "node_modules/x"));
        assert!(!ignored(rules, "# comment"));
    }

    #[test]
    fn names_the_line_of_a_bad_rule() {
        let error = IgnoreRules::parse("ok\n!\n", Path::new("code/.dockerignore")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "read code/.dockerignore:2: `!` has nothing after `!`"
        );
        assert!(IgnoreRules::parse("[z-a]", Path::new("x")).is_err());
    }
}
