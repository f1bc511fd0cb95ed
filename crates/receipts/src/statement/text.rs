use serde::Deserialize;

/// The most that a text in a statement may have, in bytes.
const LONGEST: usize = 4096;
/// The most entries of a list in a statement.
const MOST: usize = 10_000;

/// A text that people get to see: not longer than they would read, and without what moves a
/// cursor or ends a line.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Text(String);

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("a text is longer than {LONGEST} bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err("a text has control characters".to_owned());
        }
        Ok(Self(text))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

/// A list of such texts.
#[derive(Deserialize, Default)]
#[serde(try_from = "Vec<Text>")]
pub(super) struct Texts(Vec<String>);

impl TryFrom<Vec<Text>> for Texts {
    type Error = String;

    fn try_from(texts: Vec<Text>) -> Result<Self, String> {
        if texts.len() > MOST {
            return Err(format!("a list has more than {MOST} entries"));
        }
        Ok(Self(texts.into_iter().map(String::from).collect()))
    }
}

impl From<Texts> for Vec<String> {
    fn from(texts: Texts) -> Self {
        texts.0
    }
}
