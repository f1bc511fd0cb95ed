use std::io::{Read, Result};

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Pieces of content under way: enough to keep both sides busy.
const UNDER_WAY: usize = 16;

/// A pipe from a task that receives content to a thread that reads it.
pub(super) fn pipe() -> (Sender<Vec<u8>>, Pipe) {
    let (sender, receiver) = channel(UNDER_WAY);
    let pipe = Pipe {
        receiver,
        piece: None,
        used: 0,
        digest: Sha256::new(),
    };
    (sender, pipe)
}

/// The end to read from; it sums up what it has read.
pub(super) struct Pipe {
    receiver: Receiver<Vec<u8>>,
    piece: Option<Vec<u8>>,
    used: usize,
    digest: Sha256,
}

impl Pipe {
    /// Reads what is left; the digest of the whole content.
    pub(super) fn finish(mut self) -> Result<String> {
        std::io::copy(&mut self, &mut std::io::sink())?;
        Ok(format!("sha256:{}", hex::encode(self.digest.finalize())))
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let rest = match &self.piece {
                Some(piece) => piece.get(self.used..).unwrap_or_default(),
                None => &[],
            };
            if !rest.is_empty() {
                let length = rest.len().min(buffer.len());
                buffer[..length].copy_from_slice(&rest[..length]);
                self.digest.update(&rest[..length]);
                self.used += length;
                return Ok(length);
            }
            self.piece = self.receiver.blocking_recv();
            self.used = 0;
            if self.piece.is_none() {
                return Ok(0);
            }
        }
    }
}
