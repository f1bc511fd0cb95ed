//! Where digests stand, as Markdown for the summary of a job: a table, and a picture of few.

use registry_model::Environment;

use super::trail::{Stop, Trail};

/// Rows with a picture: more are no picture any more.
const MOST_DRAWN: usize = 8;
/// Rows of the table.
pub const MOST_ROWS: usize = 100;
/// Characters of a note.
const LONGEST: usize = 60;

/// The section of a summary; nothing without a row.
#[must_use]
pub fn summary(environments: &[Environment], trails: &[Trail]) -> String {
    if trails.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = environments.iter().map(Environment::as_str).collect();
    let heading = ["processor", "digest", "built", "accepted"];
    let heading = [&heading[..], &names].concat();
    let mut text = format!(
        "### Where it stands\n\n| {} |\n|{}\n",
        heading.join(" | "),
        " --- |".repeat(heading.len())
    );
    for trail in trails.iter().take(MOST_ROWS) {
        text.push_str(&format!("| `{}` | `{}` |", trail.name(), trail.digest()));
        for (_, stop) in trail.stops(environments) {
            text.push_str(&format!(" {} |", cell(stop)));
        }
        text.push('\n');
    }
    let left = trails.len().saturating_sub(MOST_ROWS);
    if left > 0 {
        text.push_str(&format!(
            "\n… and {left} more: `pipeline status` has all.\n"
        ));
    }
    if trails.len() <= MOST_DRAWN {
        text.push_str(&picture(environments, trails));
    }
    text.push_str("\n✓ yes · ● pinned · ✗ failed · – not yet · ? not asked\n\n");
    text
}

fn cell(stop: &Stop) -> String {
    let text = format!("{} {}", stop.mark, plain(&stop.note));
    text.trim_end().to_owned()
}

fn picture(environments: &[Environment], trails: &[Trail]) -> String {
    let mut text = "\n```mermaid\nflowchart LR\n".to_owned();
    for (row, trail) in trails.iter().enumerate() {
        let (name, digest) = (trail.name(), trail.digest());
        text.push_str(&format!("    r{row}[\"{name}<br/>{digest}\"]"));
        for (column, (what, stop)) in trail.stops(environments).enumerate() {
            let note = plain(&stop.note);
            let note = if note.is_empty() {
                note
            } else {
                format!("<br/>{note}")
            };
            let (mark, class) = (stop.mark, stop.mark.class());
            text.push_str(&format!(
                " --> r{row}s{column}[\"{what} {mark}{note}\"]:::{class}"
            ));
        }
        text.push('\n');
    }
    // Lines only: the page may be light or dark.
    text.push_str(
        "    classDef yes stroke:#1a7f37,stroke-width:2px\n    \
         classDef here stroke:#0969da,stroke-width:2px\n    \
         classDef no stroke:#cf222e,stroke-width:3px\n    \
         classDef later stroke:#8c959f,stroke-dasharray:4\n    \
         classDef unknown stroke:#8c959f,stroke-dasharray:1\n```\n",
    );
    text
}

/// What stays text in a cell, and within quotes in a picture.
fn plain(text: &str) -> String {
    let shown = text.chars().take(LONGEST);
    let harmless = |c: char| c.is_alphanumeric() || " .,:-()→?".contains(c);
    shown.map(|c| if harmless(c) { c } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use registry_model::Platform;

    use super::super::Mark;
    use super::*;

    fn environments() -> Vec<Environment> {
        let names = ["dev", "staging", "main"];
        names.map(|name| name.parse().unwrap()).to_vec()
    }

    fn trail(name: &str) -> Trail {
        Trail {
            reference: format!("text/{name}@1").parse().unwrap(),
            platform: None,
            digest: Some(format!("sha256:{}", "1".repeat(64)).parse().unwrap()),
            built: Stop::new(Mark::Yes, ""),
            accepted: Stop::new(Mark::No, "suite failed"),
            places: vec![
                Stop::new(Mark::Yes, "pinned, live v3"),
                Stop::new(Mark::NotYet, "has 000000000000"),
                Stop::default(),
            ],
        }
    }

    #[test]
    fn a_few_are_drawn() {
        let fresh = Trail {
            platform: Platform::linux("arm64"),
            digest: None,
            built: Stop::new(Mark::NotYet, "to build"),
            accepted: Stop::default(),
            places: vec![
                Stop::new(Mark::Here, "pinned"),
                Stop::default(),
                Stop::default(),
            ],
            ..trail("lower")
        };
        insta::assert_snapshot!(summary(&environments(), &[trail("upper"), fresh]), @r#"
        ### Where it stands

        | processor | digest | built | accepted | dev | staging | main |
        | --- | --- | --- | --- | --- | --- | --- |
        | `text/upper@1` | `111111111111` | ✓ | ✗ suite failed | ✓ pinned, live v3 | – has 000000000000 | ? |
        | `text/lower@1 (linux/arm64)` | `no digest yet` | – to build | ? | ● pinned | ? | ? |

        ```mermaid
        flowchart LR
            r0["text/upper@1<br/>111111111111"] --> r0s0["built ✓"]:::yes --> r0s1["accepted ✗<br/>suite failed"]:::no --> r0s2["dev ✓<br/>pinned, live v3"]:::yes --> r0s3["staging –<br/>has 000000000000"]:::later --> r0s4["main ?"]:::unknown
            r1["text/lower@1 (linux/arm64)<br/>no digest yet"] --> r1s0["built –<br/>to build"]:::later --> r1s1["accepted ?"]:::unknown --> r1s2["dev ●<br/>pinned"]:::here --> r1s3["staging ?"]:::unknown --> r1s4["main ?"]:::unknown
            classDef yes stroke:#1a7f37,stroke-width:2px
            classDef here stroke:#0969da,stroke-width:2px
            classDef no stroke:#cf222e,stroke-width:3px
            classDef later stroke:#8c959f,stroke-dasharray:4
            classDef unknown stroke:#8c959f,stroke-dasharray:1
        ```

        ✓ yes · ● pinned · ✗ failed · – not yet · ? not asked
        "#);
        assert_eq!(summary(&environments(), &[]), "");
    }

    #[test]
    fn many_are_only_listed_and_have_an_end() {
        let trails: Vec<Trail> = (0..1000).map(|n| trail(&format!("n{n}"))).collect();
        let text = summary(&environments(), &trails[..MOST_DRAWN + 1]);
        assert!(!text.contains("mermaid"), "{text}");
        let text = summary(&environments(), &trails);
        assert!(
            text.contains("\n… and 900 more: `pipeline status` has all.\n"),
            "{text}"
        );
        assert!(text.len() < 32 * 1024, "{}", text.len());
    }

    #[test]
    fn a_note_breaks_out_of_nothing() {
        let mut trail = trail("upper");
        trail.accepted.note = "a|b\"]; click x \"javascript:x\"\n```\n<img src=x> @all `x`".into();
        let text = summary(&environments(), &[trail]);
        for odd in ["|b", "\"];", "<img", "@all", "`x`", "b\n"] {
            assert!(!text.contains(odd), "{odd} in {text}");
        }
        assert_eq!(text.matches("```").count(), 2, "{text}");
    }
}
