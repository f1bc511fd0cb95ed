use tokio::io::{AsyncRead, AsyncReadExt};

/// A line longer than this is handed on in pieces, so that a child cannot fill the memory.
const LONGEST_LINE: usize = 64 * 1024;

/// Reads `source` to its end; calls `line` for each line without its line end, and returns the
/// first `head` and the last `tail` bytes of it all.
pub(crate) async fn follow<R: AsyncRead + Unpin>(
    mut source: R,
    head: usize,
    tail: usize,
    mut line: impl FnMut(&str),
) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let mut first = Vec::new();
    let mut last = Vec::new();
    let mut pending = Vec::new();
    let mut chunk = [0_u8; 8192];
    loop {
        let read = source.read(&mut chunk).await?;
        if read == 0 {
            break;
        }
        let bytes = &chunk[..read];
        first.extend_from_slice(&bytes[..bytes.len().min(head.saturating_sub(first.len()))]);
        last.extend_from_slice(bytes);
        if last.len() > tail * 2 {
            last.drain(..last.len() - tail);
        }
        for &byte in bytes {
            if byte == b'\n' || pending.len() >= LONGEST_LINE {
                emit(&mut pending, &mut line);
            }
            if byte != b'\n' {
                pending.push(byte);
            }
        }
    }
    if !pending.is_empty() {
        emit(&mut pending, &mut line);
    }
    if last.len() > tail {
        last.drain(..last.len() - tail);
    }
    Ok((first, last))
}

fn emit(pending: &mut Vec<u8>, line: &mut impl FnMut(&str)) {
    line(String::from_utf8_lossy(pending).trim_end_matches('\r'));
    pending.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_head_and_tail_and_hands_on_every_line() {
        let text = b"one\r\ntwo\n\nlast without end";
        let mut seen = Vec::new();
        let (head, tail) = follow(&text[..], 4, 8, |line| seen.push(line.to_owned()))
            .await
            .unwrap();
        assert_eq!(seen, ["one", "two", "", "last without end"]);
        assert_eq!(head, b"one\r");
        assert_eq!(tail, b"hout end");
    }

    #[tokio::test]
    async fn cuts_endless_lines() {
        let text = vec![b'x'; LONGEST_LINE + 10];
        let mut lengths = Vec::new();
        follow(&text[..], 0, 10, |line| lengths.push(line.len()))
            .await
            .unwrap();
        assert_eq!(lengths, [LONGEST_LINE, 10]);
    }
}
