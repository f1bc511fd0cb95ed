//! The lists of `name=value` that buildx reads as one line of CSV.

/// The fields of a line; none if a quote is not closed.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                fields.last_mut()?.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut()?.push(c),
        }
    }
    (!quoted).then_some(fields)
}

/// One line of `name=value`, quoted where it must be.
pub(super) fn line<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let fields = fields.into_iter().map(|(name, value)| {
        let field = format!("{name}={value}");
        match field.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", field.replace('"', "\"\"")),
            false => field,
        }
    });
    fields.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let written = line([("type", "local"), ("src", "/a,\"b\"")]);
        assert_eq!(written, r#"type=local,"src=/a,""b""""#);
        assert_eq!(split(&written).unwrap(), ["type=local", "src=/a,\"b\""]);
        assert_eq!(split("a\"b"), None);
    }
}
