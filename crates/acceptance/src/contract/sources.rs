use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use registry_model::{ArtifactPath, Case, CaseInputs, Entry};
use serde_json::{Map, Value};

use crate::AcceptanceError;

/// A request of more than this is refused by processors, too.
const LARGEST_INPUTS: u64 = 4 << 20;
/// All files of a case together: they are held in memory.
const LARGEST_FILES: u64 = 64 << 20;

/// One case of a registry file, with the files that it names.
#[derive(Clone, Debug)]
pub struct CaseSource {
    /// The entry that it is a case of.
    pub entry: Entry,
    /// The case.
    pub case: Case,
    /// What the processor is asked for.
    pub inputs: Map<String, Value>,
    /// What is put beside the request.
    pub files: BTreeMap<ArtifactPath, Vec<u8>>,
}

/// Every case of the enabled entries, with what it names below `root`.
pub(crate) fn read(root: &Path, entries: &[Entry]) -> Result<Vec<CaseSource>, AcceptanceError> {
    let mut read = Vec::new();
    for entry in entries.iter().filter(|entry| entry.enabled) {
        let cases = entry.acceptance.iter().flat_map(|spec| &spec.cases);
        for case in cases {
            read.push(CaseSource {
                inputs: inputs(root, entry, case)?,
                files: files(root, entry, case)?,
                entry: entry.clone(),
                case: case.clone(),
            });
        }
    }
    Ok(read)
}

fn inputs(root: &Path, entry: &Entry, case: &Case) -> Result<Map<String, Value>, AcceptanceError> {
    let file = match &case.inputs {
        CaseInputs::Inline(map) => return Ok(map.clone()),
        CaseInputs::File(file) => file,
    };
    let bytes = bounded(&root.join(file), LARGEST_INPUTS, entry, case)?;
    let wrong = |problem: String| AcceptanceError::CaseFile {
        case: name(entry, case),
        path: file.clone(),
        problem,
    };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(wrong("it is no JSON object".into())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

fn files(
    root: &Path,
    entry: &Entry,
    case: &Case,
) -> Result<BTreeMap<ArtifactPath, Vec<u8>>, AcceptanceError> {
    let mut left = LARGEST_FILES;
    let mut read = BTreeMap::new();
    for (name, path) in &case.files {
        let bytes = bounded(&root.join(path), left, entry, case)?;
        left -= bytes.len() as u64;
        read.insert(name.clone(), bytes);
    }
    Ok(read)
}

/// That the file lies in the repository is known since the registry was read.
fn bounded(
    path: &Path,
    limit: u64,
    entry: &Entry,
    case: &Case,
) -> Result<Vec<u8>, AcceptanceError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    match read {
        Err(source) => Err(AcceptanceError::Read {
            path: path.to_owned(),
            source,
        }),
        Ok(_) if bytes.len() as u64 > limit => Err(AcceptanceError::CaseFile {
            case: name(entry, case),
            path: path.to_owned(),
            problem: format!("it has more than {limit} bytes"),
        }),
        Ok(_) => Ok(bytes),
    }
}

fn name(entry: &Entry, case: &Case) -> String {
    format!("{} {}", entry.reference, case.name)
}
