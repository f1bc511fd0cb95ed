use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::escape::{html, json};
use super::facts::numbers;
use super::pack::pack;
use crate::board::Board;

/// What a page of this module has in its head, and no other page.
pub const MARK: &str = r#"<meta name="generator" content="pipeline board">"#;

const TEMPLATE: &str = include_str!("assets/index.html");
const STYLE: &str = include_str!("assets/style.css");
/// One function, so that nothing is left in the window.
const SCRIPT: &str = concat!(
    "(() => {\n'use strict';\n",
    include_str!("assets/data.js"),
    include_str!("assets/dom.js"),
    include_str!("assets/cell.js"),
    include_str!("assets/matrix.js"),
    include_str!("assets/detail.js"),
    include_str!("assets/timeline.js"),
    include_str!("assets/app.js"),
    "})();\n"
);

/// The page of a board. The same board gives the same page.
#[must_use]
pub fn page(board: &Board) -> String {
    // A board is made of texts and numbers, which JSON can always hold.
    let data = serde_json::to_string(&pack(board)).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; \
         form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    fill(&[
        ("mark", MARK),
        ("policy", &policy),
        ("style", STYLE),
        ("title", &html(&board.title)),
        ("made", &board.made_at.to_string()),
        (
            "made-words",
            &board.made_at.strftime("%-d %B %Y, %H:%M UTC").to_string(),
        ),
        ("summary", &summary(board)),
        ("data", &json(&data)),
        ("script", SCRIPT),
    ])
}

/// As a policy names what stands in the page. Source: CSP 3, "hash-source".
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// Puts values into the `{{places}}` of the template. What is put in is not looked at again.
fn fill(values: &[(&str, &str)]) -> String {
    let mut page = String::new();
    let mut rest = TEMPLATE;
    while let Some((before, (name, after))) = rest
        .split_once("{{")
        .and_then(|(before, after)| Some((before, after.split_once("}}")?)))
    {
        page.push_str(before);
        let value = values.iter().find(|(known, _)| *known == name);
        page.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    page + rest
}

/// The numbers of each environment, as rows of a table.
fn summary(board: &Board) -> String {
    let total = board.processors.len();
    let mut rows = String::new();
    for (environment, numbers) in board.environments.iter().zip(numbers(board)) {
        let share = |number: usize| {
            let class = if number == total {
                " class=\"all\""
            } else {
                ""
            };
            format!("<td{class}>{number}</td>")
        };
        let trouble = |number: usize| {
            let class = if number > 0 { " class=\"some\"" } else { "" };
            format!("<td{class}>{number}</td>")
        };
        // Writing to a string cannot fail.
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{}</th>{}{}{}{}{}</tr>",
            html(environment.as_str()),
            share(numbers.pinned),
            share(numbers.live),
            share(numbers.proven),
            trouble(numbers.drifted),
            trouble(numbers.held),
        );
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The colours of a scheme, by their names.
    fn palette(dark: bool) -> BTreeMap<&'static str, [f64; 3]> {
        let blocks: Vec<&str> = STYLE.split(":root {").skip(1).collect();
        let [day, night] = blocks.as_slice() else {
            panic!("not two palettes");
        };
        let colours = |block: &'static str| {
            let block = block.split('}').next().unwrap();
            block.split(';').filter_map(|line| {
                let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
                let number = u32::from_str_radix(value, 16).unwrap();
                let part = |shift: u32| f64::from(number >> shift & 0xff) / 255.0;
                Some((name, [part(16), part(8), part(0)]))
            })
        };
        let mut palette: BTreeMap<_, _> = colours(day).collect();
        if dark {
            palette.extend(colours(night));
        }
        palette
    }

    /// Source: WCAG 2.2, "relative luminance" and "contrast ratio".
    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let linear = |part: f64| {
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        let luminance =
            |[r, g, b]: [f64; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn colours_can_be_told_apart() {
        let black_on_white = contrast([0.0; 3], [1.0; 3]);
        assert!((black_on_white - 21.0).abs() < 1e-9, "{black_on_white}");
        // Level AA: 4.5 for text, 3 for the edge of a field that one writes into.
        for dark in [false, true] {
            let colours = palette(dark);
            for ground in ["ground", "sheet"] {
                for text in ["ink", "soft", "link", "good", "bad", "warn"] {
                    let ratio = contrast(colours[text], colours[ground]);
                    assert!(ratio >= 4.5, "{text} on {ground}, dark {dark}: {ratio:.2}");
                }
            }
            let ratio = contrast(colours["ink"], colours["warn-ground"]);
            assert!(ratio >= 4.5, "a notice, dark {dark}: {ratio:.2}");
            let ratio = contrast(colours["field"], colours["sheet"]);
            assert!(
                ratio >= 3.0,
                "the edge of the search, dark {dark}: {ratio:.2}"
            );
        }
        assert_ne!(palette(true)["ground"], palette(false)["ground"]);
    }

    #[test]
    fn no_place_of_the_template_is_left_empty() {
        assert_eq!(TEMPLATE.matches("{{").count(), 10);
        let filled = fill(&[("title", "{{data}}")]);
        assert!(
            filled.contains("<bdi>{{data}}</bdi>"),
            "what is put in is looked at again"
        );
    }

    #[test]
    fn the_script_reads_no_markup() {
        for banned in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "fetch(",
        ] {
            assert!(!SCRIPT.contains(banned), "{banned}");
        }
        // They would end the elements that the script and the style stand in.
        assert!(!SCRIPT.contains("</") && !STYLE.contains("</"));
    }
}
