//! Text of anybody, made fit for the page.

/// No text of the page is longer, in characters.
const LONGEST: usize = 600;

/// Text without what steers a terminal or the direction of writing, and not too long: what the page
/// shows must be what is there.
pub(super) fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => ' ',
        c if c.is_control() || is_invisible(c) => '\u{fffd}',
        c => c,
    };
    let mut short: String = text.chars().take(LONGEST).map(shown).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// Marks of direction, of separation and of nothing. Source: Unicode 16, `Bidi_Control` and
/// `Default_Ignorable_Code_Point`, as far as they are not needed to write any language.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Plain text as HTML, between tags or in an attribute with quotes.
pub(super) fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// JSON as it may stand in a `<script>`: the same values, without a character that HTML looks for.
/// Source: the HTML standard, "Restrictions for contents of script elements".
pub(super) fn json(text: &str) -> String {
    // Outside of strings, JSON has none of them.
    text.replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            html("</script><b title=\"x\" id='y'>&amp;"),
            "&lt;/script&gt;&lt;b title=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;"
        );
    }

    #[test]
    fn data_cannot_end_its_block_and_stays_the_same() {
        let hostile = "</script><!--<script>]]>&lt;\u{2028}\u{2029}\"\\'";
        let data = serde_json::to_string(hostile).unwrap();
        let safe = json(&data);
        assert!(
            !safe.contains(['<', '>', '&', '\u{2028}', '\u{2029}']),
            "{safe}"
        );
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), hostile);
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(
            plain("a\u{202e}b\u{200b}\u{1b}[2J\nc\u{2028}"),
            "a\u{fffd}b\u{fffd}\u{fffd}[2J c\u{fffd}"
        );
        assert_eq!(plain("Łódź – 東京 – שלום"), "Łódź – 東京 – שלום");
    }

    #[test]
    fn text_without_end_is_cut() {
        let cut = plain(&"ü".repeat(LONGEST + 1));
        assert_eq!(
            (cut.chars().count(), cut.ends_with('…')),
            (LONGEST + 1, true)
        );
        let kept = "ü".repeat(LONGEST);
        assert_eq!(plain(&kept), kept);
    }
}
