use std::collections::{BTreeMap, VecDeque};

use super::fields::Fields;
use super::inert;

/// What is kept of one item's log, in bytes. The end of a log tells more than its beginning.
const ROOM: usize = 256 * 1024;

/// The log of each item, kept until the item ends, and then printed as one group: logs of items
/// that are built side by side never mix.
#[derive(Debug, Default)]
pub(super) struct Groups {
    open: BTreeMap<String, Log>,
}

#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<String>,
    bytes: usize,
    dropped: usize,
}

impl Log {
    fn add(&mut self, line: String) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.bytes > ROOM
            && let Some(line) = self.lines.pop_front()
        {
            self.bytes -= line.len() + 1;
            self.dropped += 1;
        }
    }

    /// A group of the runner. What is in it cannot end it, nor be another command.
    fn group(self, title: &str) -> String {
        let mut text = format!("::group::{}\n", inert(&title.replace('\n', " ")));
        if self.dropped > 0 {
            text.push_str(&format!("… {} earlier lines are left out\n", self.dropped));
        }
        for line in self.lines {
            text.push_str(&inert(&line));
            text.push('\n');
        }
        text.push_str("::endgroup::\n");
        text
    }
}

impl Groups {
    /// Whether the item of this event has begun.
    pub(super) fn has(&self, fields: &Fields) -> bool {
        let item = fields.item.as_ref();
        item.is_some_and(|item| self.open.contains_key(item))
    }

    /// A line that an item printed.
    pub(super) fn log(&mut self, fields: &Fields) {
        let log = fields
            .item
            .as_ref()
            .and_then(|item| self.open.get_mut(item));
        if let Some(log) = log {
            log.add(format!("  {}", fields.message.replace('\n', " ")));
        }
    }

    /// Takes in news of an item; gives what is to be printed now.
    pub(super) fn news(&mut self, fields: &Fields) -> Option<String> {
        let item = fields.item.as_ref()?;
        let message = fields.message.replace('\n', " ");
        match fields.status.as_deref() {
            Some("item-start") => {
                self.open.entry(item.clone()).or_default();
                None
            }
            Some("item-done") => {
                let log = self.open.remove(item).unwrap_or_default();
                Some(log.group(&format!("✓ {item}: {message}")))
            }
            Some("item-failed") => {
                let log = self.open.remove(item).filter(|log| !log.lines.is_empty());
                let log = log.map(|log| log.group(&format!("✗ {item}")));
                let line = inert(&format!("✗ {item}: {message}"));
                // The reason stands outside, where nobody has to open anything to read it.
                Some(format!("{}{line}\n", log.unwrap_or_default()))
            }
            _ => {
                let line = match fields.step {
                    Some((step, steps)) => format!("{step}/{steps} {message}"),
                    None => message,
                };
                self.open.get_mut(item)?.add(line);
                None
            }
        }
    }

    /// What is left of items that never ended, as when everything was stopped.
    pub(super) fn rest(&mut self) -> String {
        let open = std::mem::take(&mut self.open);
        let groups = open.into_iter().filter(|(_, log)| !log.lines.is_empty());
        groups
            .map(|(item, log)| log.group(&format!("– {item}: stopped")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(item: &str, status: Option<&str>, message: &str) -> Fields {
        Fields {
            stage: "build".into(),
            item: Some(item.into()),
            status: status.map(str::to_owned),
            message: message.into(),
            ..Fields::default()
        }
    }

    #[test]
    fn logs_that_mix_are_printed_apart() {
        let mut groups = Groups::default();
        let mut printed = String::new();
        let mut news = |groups: &mut Groups, item: &str, status, message: &str| {
            printed.extend(groups.news(&fields(item, status, message)));
        };
        news(&mut groups, "x/one@1", Some("item-start"), "started");
        news(&mut groups, "x/two@1", Some("item-start"), "started");
        news(&mut groups, "x/one@1", None, "RUN make");
        groups.log(&fields("x/two@1", None, "::endgroup::"));
        groups.log(&fields("x/one@1", None, "compiling"));
        groups.log(&fields("x/two@1", None, "##[error]no"));
        news(&mut groups, "x/two@1", Some("item-failed"), "exit code: 3");
        news(
            &mut groups,
            "x/one@1",
            Some("item-done"),
            "pushed sha256:ab",
        );
        news(
            &mut groups,
            "x/three@1",
            Some("item-failed"),
            "no such Dockerfile",
        );
        // What does not begin and end is not ours to keep.
        news(&mut groups, "postgres", None, "healthy");
        insta::assert_snapshot!(printed, @r"
        ::group::✗ x/two@1
          : :endgroup::
          ## [error]no
        ::endgroup::
        ✗ x/two@1: exit code: 3
        ::group::✓ x/one@1: pushed sha256:ab
        RUN make
          compiling
        ::endgroup::
        ✗ x/three@1: no such Dockerfile
        ");
        assert_eq!(groups.rest(), "");
    }

    #[test]
    fn the_end_of_a_long_log_is_kept() {
        let mut groups = Groups::default();
        groups.news(&fields("x/one@1", Some("item-start"), "started"));
        for n in 0..100_000 {
            groups.log(&fields("x/one@1", None, &format!("line {n}")));
        }
        let text = groups.rest();
        assert!(text.len() < ROOM + 200, "{}", text.len());
        assert!(
            text.starts_with("::group::– x/one@1: stopped\n… "),
            "{text}"
        );
        assert!(text.ends_with("line 99999\n::endgroup::\n"));
        assert_eq!(groups.rest(), "");
    }
}
