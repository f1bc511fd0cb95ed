//! The few Dockerfile instructions that change how an image runs but not what is in it.

/// What one instruction says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Instruction {
    From(String),
    Env(Vec<(String, String)>),
    Workdir(String),
    Entrypoint(Vec<String>),
    /// Says nothing about how a function runs.
    Ignored,
}

/// Reads one instruction; the error says why it cannot be followed.
pub(super) fn parse(line: &str) -> Result<Instruction, String> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match word.to_ascii_uppercase().as_str() {
        "FROM" => from(rest),
        "ENV" => env(rest).map(Instruction::Env),
        "WORKDIR" => one_word(rest).map(Instruction::Workdir),
        "ENTRYPOINT" => entrypoint(rest).map(Instruction::Entrypoint),
        "" | "CMD" | "LABEL" | "EXPOSE" | "#" => Ok(Instruction::Ignored),
        _ if line.starts_with('#') => Ok(Instruction::Ignored),
        other => Err(format!(
            "`{line}`: this control plane runs the image of FROM as it is and builds no layer on \
             it, so {other} has no place here; put the step into the image's own Dockerfile"
        )),
    }
}

fn from(rest: &str) -> Result<Instruction, String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let reference = match words.as_slice() {
        [reference] => reference,
        [platform, reference] if platform.starts_with("--platform=") => reference,
        [reference, word, _] if word.eq_ignore_ascii_case("as") => reference,
        [] => return Err("`FROM` names no image: is IMAGE_REF empty?".to_owned()),
        _ => return Err(format!("`FROM {rest}`: expected one image reference")),
    };
    Ok(Instruction::From((*reference).to_owned()))
}

fn env(rest: &str) -> Result<Vec<(String, String)>, String> {
    let words = words(rest)?;
    match words.as_slice() {
        // The old form, `ENV NAME the whole rest`.
        [name, rest @ ..] if !name.contains('=') && !rest.is_empty() => {
            Ok(vec![(name.clone(), rest.join(" "))])
        }
        _ => words
            .iter()
            .map(|word| {
                let (name, value) = word
                    .split_once('=')
                    .ok_or_else(|| format!("`ENV {rest}`: expected NAME=VALUE"))?;
                Ok((name.to_owned(), value.to_owned()))
            })
            .collect(),
    }
}

fn one_word(rest: &str) -> Result<String, String> {
    match words(rest)?.as_slice() {
        [word] => Ok(word.clone()),
        _ => Err(format!("`WORKDIR {rest}`: expected one path")),
    }
}

fn entrypoint(rest: &str) -> Result<Vec<String>, String> {
    if rest.starts_with('[') {
        return serde_json::from_str(rest).map_err(|error| format!("`ENTRYPOINT {rest}`: {error}"));
    }
    Ok(vec!["/bin/sh".into(), "-c".into(), rest.to_owned()])
}

/// Words as a shell separates them, without expansion.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    let unended = || format!("`{text}`: a quote is not closed");
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(unended)? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(unended)? {
                        '"' => break,
                        '\\' => match chars.next().ok_or_else(unended)? {
                            c @ ('"' | '\\' | '$') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        '$' => return Err(variable(text)),
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '$' => return Err(variable(text)),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn variable(text: &str) -> String {
    format!("`{text}`: variables are not expanded here; write the value out")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env_of(line: &str) -> Vec<(String, String)> {
        match parse(line).unwrap() {
            Instruction::Env(pairs) => pairs,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_what_the_client_writes() {
        assert_eq!(
            parse("FROM localhost:5000/a/b@sha256:00").unwrap(),
            Instruction::From("localhost:5000/a/b@sha256:00".into())
        );
        // `shlex.quote` of Python writes a quote inside a value in this way.
        assert_eq!(
            env_of(r#"ENV A='it'"'"'s $5 {"x": 1}'"#),
            [("A".to_owned(), r#"it's $5 {"x": 1}"#.to_owned())]
        );
        assert_eq!(env_of("ENV A=''"), [("A".to_owned(), String::new())]);
        assert_eq!(
            env_of(r#"ENV A=1 B="two words""#),
            [
                ("A".to_owned(), "1".to_owned()),
                ("B".to_owned(), "two words".to_owned())
            ]
        );
        assert_eq!(env_of("ENV A b c"), [("A".to_owned(), "b c".to_owned())]);
        assert_eq!(
            parse("ENTRYPOINT []").unwrap(),
            Instruction::Entrypoint(Vec::new())
        );
        assert_eq!(
            parse("WORKDIR '/a b'").unwrap(),
            Instruction::Workdir("/a b".into())
        );
    }

    #[test]
    fn refuses_what_would_change_the_image() {
        for line in [
            "RUN pip install x",
            "COPY . /",
            "FROM",
            "FROM ",
            "FROM a b",
            "ENV A=$HOME",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let refusal = parse("RUN pip install x").unwrap_err();
        assert!(refusal.contains("RUN pip install x"), "{refusal}");
    }
}
