use std::fmt;

/// The leading numbers of a version, compared number by number.
///
/// Enough for `26.1.5+dfsg1`, `github.com/docker/buildx 0.13.1+ds1 …`, `Python 3.11.2`, and for
/// Debian's `1:1.35.0-4`, whose epoch is left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(Vec<u64>);

impl Version {
    /// The first word of `text` that looks like a version: `12`, `v0.13.1`, `2.26.1-4`.
    pub(crate) fn find(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || c == ',')
            .find_map(Self::parse)
    }

    fn parse(word: &str) -> Option<Self> {
        let word = match word.split_once(':') {
            Some((epoch, rest)) if epoch.parse::<u8>().is_ok() => rest,
            _ => word,
        };
        let word = word.strip_prefix('v').unwrap_or(word);
        let end = word
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(word.len());
        let numbers: Option<Vec<u64>> = word[..end]
            .trim_end_matches('.')
            .split('.')
            .map(|number| number.parse().ok())
            .collect();
        numbers.map(Self)
    }

    /// Whether the version is `minimum` or newer; missing numbers count as 0.
    pub(crate) fn at_least(&self, minimum: &[u64]) -> bool {
        let number = |numbers: &[u64], index: usize| numbers.get(index).copied().unwrap_or(0);
        let length = self.0.len().max(minimum.len());
        (0..length)
            .map(|index| number(&self.0, index).cmp(&number(minimum, index)))
            .find(|order| order.is_ne())
            .is_none_or(std::cmp::Ordering::is_gt)
    }

    /// `cp311` for Python 3.11.
    pub(crate) fn python_tag(&self) -> Option<String> {
        match self.0.as_slice() {
            [major, minor, ..] => Some(format!("cp{major}{minor}")),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&words.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        Version::find(text).map_or_else(|| "none".to_owned(), |version| version.to_string())
    }

    #[test]
    fn reads_what_the_tools_print() {
        assert_eq!(
            found("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3"),
            "0.13.1"
        );
        assert_eq!(found("github.com/docker/buildx v0.36.0-dev abc"), "0.36.0");
        assert_eq!(found("2.26.1-4"), "2.26.1");
        assert_eq!(
            found("Docker version 26.1.5+dfsg1, build a72d7cd"),
            "26.1.5"
        );
        assert_eq!(found("1:1.35.0-4+deb12u1+b1"), "1.35.0");
        assert_eq!(found("Python 3.11.2"), "3.11.2");
        assert_eq!(found("modal client version: 1.6.4"), "1.6.4");
        assert_eq!(found("(none)"), "none");
        assert_eq!(found(""), "none");
    }

    #[test]
    fn compares_number_by_number() {
        let version = Version(vec![20, 10, 24]);
        assert!(!version.at_least(&[23]));
        assert!(version.at_least(&[20, 10]));
        assert!(version.at_least(&[20, 10, 24]));
        assert!(!version.at_least(&[20, 10, 24, 1]));
        assert!(Version(vec![2]).at_least(&[2, 0, 0]));
        assert!(Version(vec![0, 13, 1]).at_least(&[0, 13]));
        assert!(!Version(vec![0, 9]).at_least(&[0, 13]));
    }
}
