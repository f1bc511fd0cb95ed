use std::fmt::Write as _;

use serde::Serialize;

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    /// Of `ours` and `baseline`: `s`, `ms`, `MB`.
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) baseline: Option<f64>,
    /// As the target means it: how many times the baseline, or how many times faster than it.
    pub(crate) ratio: Option<f64>,
    pub(crate) target: String,
    pub(crate) met: bool,
}

/// What a measurement should reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// At most this, in the row's unit.
    AtMost(f64),
    /// At most this many times the baseline.
    TimesBaseline(f64),
    /// At least this many times faster than the baseline.
    TimesFaster(f64),
}

impl Row {
    pub(crate) fn new(
        group: &'static str,
        name: impl Into<String>,
        unit: &'static str,
        ours: f64,
        baseline: Option<f64>,
        target: Target,
    ) -> Self {
        let ratio = baseline.map(|baseline| match target {
            Target::AtMost(_) | Target::TimesBaseline(_) => ours / baseline,
            Target::TimesFaster(_) => baseline / ours,
        });
        let (text, met) = match target {
            Target::AtMost(limit) => (format!("≤ {limit} {unit}"), ours <= limit),
            Target::TimesBaseline(times) => (
                format!("≤ {times} × baseline"),
                ratio.is_some_and(|ratio| ratio <= times),
            ),
            Target::TimesFaster(times) => (
                format!("≥ {times} × faster"),
                ratio.is_some_and(|ratio| ratio >= times),
            ),
        };
        Self {
            group,
            name: name.into(),
            unit,
            ours,
            baseline,
            ratio,
            target: text,
            met,
        }
    }
}

const HEAD: [&str; 7] = [
    "group", "name", "ratio", "ours", "baseline", "target", "met",
];

/// The head and the rows as text.
fn cells(rows: &[Row]) -> Vec<[String; 7]> {
    let cells = rows.iter().map(|row| {
        let number = |value: Option<f64>, unit: &str| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}{unit}"))
        };
        let unit = format!(" {}", row.unit);
        [
            row.group.to_owned(),
            row.name.clone(),
            number(row.ratio, ""),
            number(Some(row.ours), &unit),
            number(row.baseline, &unit),
            row.target.clone(),
            if row.met { "yes" } else { "no" }.to_owned(),
        ]
    });
    let head = HEAD.map(str::to_owned);
    std::iter::once(head).chain(cells).collect()
}

/// The rows of one group as a table in Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::new();
    for (index, line) in cells(rows).iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} |", line[1..].join(" | "));
        if index == 0 {
            let _ = writeln!(text, "| --- | ---: | ---: | ---: | --- | --- |");
        }
    }
    text
}

/// The rows for a person.
pub(crate) fn table(rows: &[Row]) -> String {
    let lines = cells(rows);
    let width = |column: usize| {
        let lengths = lines.iter().map(|line| line[column].chars().count());
        lengths.max().unwrap_or(0)
    };
    let mut text = String::new();
    for line in &lines {
        let mut written = String::new();
        for (column, cell) in line.iter().enumerate() {
            let width = width(column);
            // Numbers stand to the right, words to the left.
            let _ = match column {
                2..=4 => write!(written, "{cell:>width$}  "),
                _ => write!(written, "{cell:<width$}  "),
            };
        }
        let _ = writeln!(text, "{}", written.trim_end());
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_by_the_kind_of_target() {
        let rows = [
            Row::new("g", "start", "ms", 4.0, Some(1.0), Target::AtMost(10.0)),
            Row::new("g", "size", "MB", 21.5, None, Target::AtMost(20.0)),
            Row::new("g", "copy", "s", 0.6, Some(0.2), Target::TimesBaseline(2.5)),
            Row::new(
                "g",
                "other tool",
                "s",
                0.5,
                Some(50.0),
                Target::TimesFaster(50.0),
            ),
        ];
        insta::assert_snapshot!(table(&rows), @r"
        group  name         ratio      ours  baseline  target            met
        g      start         4.00   4.00 ms   1.00 ms  ≤ 10 ms           yes
        g      size             –  21.50 MB         –  ≤ 20 MB           no
        g      copy          3.00    0.60 s    0.20 s  ≤ 2.5 × baseline  no
        g      other tool  100.00    0.50 s   50.00 s  ≥ 50 × faster     yes
        ");
    }

    #[test]
    fn the_rows_have_the_agreed_fields() {
        let row = Row::new("g", "n", "s", 1.0, None, Target::AtMost(2.0));
        insta::assert_snapshot!(serde_json::to_string(&row).unwrap(), @r#"{"group":"g","name":"n","unit":"s","ours":1.0,"baseline":null,"ratio":null,"target":"≤ 2 s","met":true}"#);
    }
}
