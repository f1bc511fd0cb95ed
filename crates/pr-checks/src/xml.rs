use roxmltree::{Document, ParsingOptions};

/// A node takes a hundred bytes or so.
const MOST_NODES: u32 = 2_000_000;

/// Reads XML of bounded size. Nothing outside of it is read, and it cannot define what would make
/// it larger.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, String> {
    // Writers of Cobertura's form name its definition, but a report has no use for entities: a long
    // one that is named often would fill the memory.
    let names_definition = text.contains("<!DOCTYPE");
    if names_definition && text.contains("<!ENTITY") {
        return Err("it defines entities".to_owned());
    }
    let options = ParsingOptions {
        allow_dtd: names_definition,
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bombs_are_refused() {
        let long = "ha".repeat(1000);
        for text in [
            format!(
                "<!DOCTYPE a [<!ENTITY b \"{long}\">]><a>{}</a>",
                "&b;".repeat(1000)
            ),
            "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>".to_owned(),
            format!("<a>{}</a>", "<b/>".repeat(MOST_NODES as usize)),
        ] {
            assert!(parse(&text).is_err());
        }
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
        assert_eq!(parse(&deep).unwrap().descendants().count(), 200_001);
    }

    #[test]
    fn what_reports_look_like_is_read() {
        let text = "<!DOCTYPE coverage SYSTEM 'x.dtd'><coverage><!-- <a> --><a b='1'/></coverage>";
        assert!(parse(text).is_ok());
        assert!(parse("<a><![CDATA[<!ENTITY x 'y'>]]></a>").is_ok());
    }
}
