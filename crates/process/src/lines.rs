use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;

use crate::Redactor;

/// How much of what comes is kept, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From its beginning.
    pub(crate) head: usize,
    /// From its end.
    pub(crate) tail: usize,
    /// A line that is longer is handed on in pieces, so that a child cannot fill the memory.
    pub(crate) line: usize,
}

/// Reads `source` to its end, or until it is `over`; calls `line` for each line, redacted and without its line end. Returns
/// the beginning as it is, and the end, redacted.
pub(crate) async fn follow<R: AsyncRead + Unpin>(
    mut source: R,
    limits: Limits,
    redactor: &Redactor,
    over: &CancellationToken,
    mut line: impl FnMut(&str),
) -> std::io::Result<(Vec<u8>, String)> {
    let Limits { head, .. } = limits;
    // Where the end begins, the rest of a secret may stand, which nobody knows for one: it is left out.
    // Three bytes of a torn character become nine.
    let torn = match redactor.overlap() {
        0 => 0,
        overlap => overlap + 6,
    };
    let tail = limits.tail + torn + redactor.overlap();
    let mut whole = true;
    // Else nothing may be left to be handed on between two secrets.
    let longest = limits.line.max(4 * redactor.overlap());
    let mut first = Vec::new();
    let mut last = Vec::new();
    let mut pending = Vec::new();
    let mut chunk = [0_u8; 8192];
    loop {
        let read = tokio::select! {
            biased;
            // First, as who holds the pipe may write for ever.
            () = over.cancelled() => 0,
            read = source.read(&mut chunk) => read?,
        };
        if read == 0 {
            break;
        }
        let bytes = &chunk[..read];
        first.extend_from_slice(&bytes[..bytes.len().min(head.saturating_sub(first.len()))]);
        last.extend_from_slice(bytes);
        if last.len() > tail * 2 {
            last.drain(..last.len() - tail);
            whole = false;
        }
        for &byte in bytes {
            if byte == b'\n' {
                emit(&mut pending, redactor, &mut line);
                continue;
            }
            // Not within a character, if it is one.
            let is_start = byte & 0b1100_0000 != 0b1000_0000;
            if pending.len() >= longest + if is_start { 0 } else { 4 } {
                let text = String::from_utf8_lossy(&pending).into_owned();
                let (shown, rest) = redactor.cut(&text);
                line(&shown);
                pending = rest.as_bytes().to_vec();
            }
            pending.push(byte);
        }
    }
    if !pending.is_empty() {
        emit(&mut pending, redactor, &mut line);
    }
    if last.len() > tail {
        last.drain(..last.len() - tail);
        whole = false;
    }
    let mut last = redactor.apply(&String::from_utf8_lossy(&last));
    let least = if whole { 0 } else { torn };
    let start = last.len().saturating_sub(limits.tail).max(least);
    last.drain(..last.ceil_char_boundary(start.min(last.len())));
    Ok((first, last))
}

fn emit(pending: &mut Vec<u8>, redactor: &Redactor, line: &mut impl FnMut(&str)) {
    let text = String::from_utf8_lossy(pending);
    line(&redactor.apply(text.trim_end_matches('\r')));
    pending.clear();
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    const LIMITS: Limits = Limits {
        head: 4,
        tail: 8,
        line: 64,
    };

    async fn followed(text: &[u8], redactor: &Redactor) -> (Vec<String>, Vec<u8>, String) {
        let mut seen = Vec::new();
        let hand_on = |line: &str| seen.push(line.to_owned());
        let never = CancellationToken::new();
        let followed = follow(text, LIMITS, redactor, &never, hand_on).await;
        let (head, tail) = followed.unwrap();
        (seen, head, tail)
    }

    #[tokio::test]
    async fn keeps_head_and_tail_and_hands_on_every_line() {
        let text = b"one\r\ntwo\n\nlast without end";
        let (seen, head, tail) = followed(text, &Redactor::new()).await;
        assert_eq!(seen, ["one", "two", "", "last without end"]);
        assert_eq!(head, b"one\r");
        assert_eq!(tail, "hout end");
    }

    #[tokio::test]
    async fn hands_on_endless_lines_in_pieces() {
        let lengths = async |text: &[u8]| {
            let (seen, ..) = followed(text, &Redactor::new()).await;
            seen.iter().map(String::len).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&[b'x'; 64 + 10]).await, [64, 10]);
        assert_eq!(lengths("é".repeat(64).as_bytes()).await, [64, 64]);
        assert_eq!(
            lengths(format!("x{}", "é".repeat(40)).as_bytes()).await,
            [65, 16]
        );
        // No text: it is cut all the same.
        let (seen, ..) = followed(&[0x80; 200], &Redactor::new()).await;
        assert_eq!(seen.len(), 3);
    }

    #[tokio::test]
    async fn secrets_at_borders_are_redacted() {
        let mut redactor = Redactor::new();
        redactor.add(&SecretString::from("hunter22"));
        for before in 0..160 {
            let text = format!("{}hunter22", "x".repeat(before));
            let (seen, _, tail) = followed(text.as_bytes(), &redactor).await;
            assert_eq!(seen.concat(), format!("{}***", "x".repeat(before)));
            assert!(tail.len() <= LIMITS.tail && tail.ends_with("***"), "{tail}");
            // Where the kept end begins, half of it may stand.
            let text = format!("{}hunter22{}", "x".repeat(80), "y".repeat(before));
            let (.., tail) = followed(text.as_bytes(), &redactor).await;
            let rest = [
                "hunter22", "unter22", "nter22", "ter22", "er22", "r22", "22", "2y",
            ];
            assert!(!rest.iter().any(|rest| tail.contains(rest)), "{tail}");
        }
    }
}
