use std::io::{BufRead, BufReader, Chain, Cursor, Error, Read, Result};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The last three bytes of the number that begins a frame to skip (RFC 8878, 3.1.2).
const ZSTD_SKIP: [u8; 3] = [0x2a, 0x4d, 0x18];

/// The content, with the bytes that were looked at already before it.
type Packed<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// A layer's content, unpacked as it comes. Its first bytes say how it is packed; media types
/// have been wrong about it.
pub(super) enum Unpacked<R> {
    Plain(Packed<R>),
    Gzip(Box<MultiGzDecoder<Packed<R>>>),
    Zstd(Box<Frames<Packed<R>>>),
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(mut packed: R) -> Result<Self> {
        let mut first = Vec::new();
        packed.by_ref().take(4).read_to_end(&mut first)?;
        let gzip = first.starts_with(&GZIP);
        let zstd = first.starts_with(&ZSTD) || first.ends_with(&ZSTD_SKIP);
        let packed = BufReader::new(Cursor::new(first).chain(packed));
        Ok(if gzip {
            Self::Gzip(Box::new(MultiGzDecoder::new(packed)))
        } else if zstd {
            Self::Zstd(Box::new(Frames::new(packed)))
        } else {
            Self::Plain(packed)
        })
    }

    /// Where the content came from.
    pub(super) fn into_inner(self) -> R {
        let packed = match self {
            Self::Plain(packed) => packed,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(frames) => frames.source,
        };
        packed.into_inner().into_inner().1
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Plain(packed) => packed.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(frames) => frames.read(buffer),
        }
    }
}

/// Any number of Zstandard frames; some builders write many, and notes between them to skip.
pub(super) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    within: bool,
}

impl<R: BufRead> Frames<R> {
    fn new(source: R) -> Self {
        Self {
            source,
            decoder: FrameDecoder::new(),
            within: false,
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.within {
                while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                    self.decoder
                        .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                        .map_err(Error::other)?;
                }
                let read = self.decoder.read(buffer)?;
                if read > 0 {
                    return Ok(read);
                }
                self.within = false;
            }
            if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => self.within = true,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut skipped = self.source.by_ref().take(length.into());
                    std::io::copy(&mut skipped, &mut std::io::sink())?;
                }
                Err(error) => return Err(Error::other(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Gives one byte at a time, as the network might.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    fn unpacked(packed: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        let mut reader = Unpacked::new(Slow(packed)).unwrap();
        reader.read_to_end(&mut content).unwrap();
        assert!(reader.into_inner().0.is_empty());
        content
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        use ruzstd::encoding::{CompressionLevel, compress_to_vec};
        compress_to_vec(content, CompressionLevel::Fastest)
    }

    #[test]
    fn reads_each_kind_by_its_first_bytes() {
        let content = b"some text ".repeat(500);
        let skipped = [&[0x5a][..], &ZSTD_SKIP, &[3, 0, 0, 0, 1, 2, 3]].concat();
        for packed in [
            content.clone(),
            gzip(&content),
            zstd(&content),
            [gzip(&content[..7]), gzip(&content[7..])].concat(),
            [zstd(&content[..7]), skipped.clone(), zstd(&content[7..])].concat(),
            [skipped, zstd(&content)].concat(),
        ] {
            assert!(unpacked(&packed) == content);
        }
        assert_eq!(unpacked(b""), b"");
        assert_eq!(unpacked(b"ab"), b"ab");
    }

    #[test]
    fn what_is_broken_off_is_an_error() {
        let content = b"some text ".repeat(500);
        for packed in [gzip(&content), zstd(&content)] {
            let cut = &packed[..packed.len() - 9];
            let read = Unpacked::new(cut).and_then(|mut it| it.read_to_end(&mut Vec::new()));
            assert!(read.is_err());
        }
    }
}
