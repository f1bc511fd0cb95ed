//! The bytes of a record.

use std::borrow::Cow;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize;

use super::{InputsRecord, SCHEMA};
use crate::plan::folded::{depth, folded};

/// A record may have this many bytes compressed, which is what a registry is asked to keep beside an
/// image; 100,000 files take 4 MB.
pub(crate) const LONGEST_PACKED: usize = 8 * 1024 * 1024;

/// A record may have this many bytes, plain.
pub(super) const LONGEST: u64 = 64 * 1024 * 1024;

/// A text that is no inputs record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is too long.
    #[error("read an inputs record: it is longer than any real one")]
    TooLong,
    /// It cannot be unpacked.
    #[error("unpack an inputs record")]
    Packing(#[source] std::io::Error),
    /// It is not as it should be.
    #[error("read an inputs record")]
    Malformed(#[source] serde_json::Error),
    /// It is of a version that this program does not know.
    #[error("read an inputs record: it has schema {found}, known is 1")]
    UnknownSchema {
        /// The version it has.
        found: u32,
    },
}

#[derive(Deserialize)]
struct Versioned {
    schema: u32,
}

impl InputsRecord {
    /// The bytes to keep: the same for the same record.
    ///
    /// # Errors
    /// When it is too long without any file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        self.pack(LONGEST_PACKED)
    }

    /// Folders take the place of the files that are in them, the deepest first, until it fits.
    pub(super) fn pack(&self, longest: usize) -> Result<Vec<u8>, RecordError> {
        let mut record = Cow::Borrowed(self);
        loop {
            let json = serde_json::to_vec(&record).map_err(RecordError::Malformed)?;
            let mut packed = GzEncoder::new(Vec::new(), Compression::default());
            packed.write_all(&json).map_err(RecordError::Packing)?;
            let packed = packed.finish().map_err(RecordError::Packing)?;
            if packed.len() <= longest && json.len() as u64 <= LONGEST {
                return Ok(packed);
            }
            let deepest = depth(&record.files);
            if deepest == 0 {
                return Err(RecordError::TooLong);
            }
            let wanted = record.files.len() / 2;
            let mut files = std::mem::take(&mut record.to_mut().files);
            for depth in (0..deepest).rev() {
                files = folded(files, depth);
                if files.len() <= wanted {
                    break;
                }
            }
            record.to_mut().files = files;
        }
    }

    /// Reads what [`Self::to_bytes`] made, or somebody else.
    ///
    /// # Errors
    /// When it is too long, or no record.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > LONGEST_PACKED {
            return Err(RecordError::TooLong);
        }
        let mut json = Vec::new();
        GzDecoder::new(bytes)
            .take(LONGEST + 1)
            .read_to_end(&mut json)
            .map_err(RecordError::Packing)?;
        if json.len() as u64 > LONGEST {
            return Err(RecordError::TooLong);
        }
        let version: Versioned = serde_json::from_slice(&json).map_err(RecordError::Malformed)?;
        if version.schema != SCHEMA {
            let found = version.schema;
            return Err(RecordError::UnknownSchema { found });
        }
        serde_json::from_slice(&json).map_err(RecordError::Malformed)
    }
}
