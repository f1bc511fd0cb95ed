use p256::pkcs8::der::pem;
use zeroize::Zeroizing;

use super::KeyError;

/// The longest key file, in bytes.
const LONGEST: usize = 64 * 1024;
const BEGIN: &str = "-----BEGIN ";

/// The label of the first block in `text`, and the block. Text before it is skipped, as OpenSSL
/// writes the parameters of the curve there.
pub(super) fn first_block(text: &str, wanted: fn(&str) -> bool) -> Result<(&str, &str), KeyError> {
    if text.len() > LONGEST {
        return Err(malformed(format!("longer than {LONGEST} bytes")));
    }
    let mut first = None;
    for (start, _) in text.match_indices(BEGIN) {
        let block = &text[start..];
        let Some((label, _)) = block[BEGIN.len()..].split_once("-----") else {
            continue;
        };
        if wanted(label) {
            return Ok((label, block));
        }
        first = first.or(Some((label, block)));
    }
    first.ok_or_else(|| malformed("it has no line `-----BEGIN …-----`"))
}

/// The content of a block as [`first_block`] gives it.
pub(super) fn content(block: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    // The reader takes one block and nothing behind it.
    let end = block.find("-----END ").and_then(|end| {
        let rest = &block[end + "-----END ".len()..];
        Some(block.len() - rest.len() + rest.find("-----")? + "-----".len())
    });
    let block = &block[..end.unwrap_or(block.len())];
    let (_, content) = pem::decode_vec(block.as_bytes()).map_err(malformed)?;
    Ok(Zeroizing::new(content))
}

pub(super) fn malformed(problem: impl std::fmt::Display) -> KeyError {
    KeyError::Malformed {
        problem: problem.to_string(),
    }
}
