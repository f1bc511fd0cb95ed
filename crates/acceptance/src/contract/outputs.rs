//! What a run left in its folder for outputs.

use std::io::Read as _;

use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures_util::StreamExt;

use super::canonical::sha256;
use super::engine::{Engine, failed};
use crate::AcceptanceError;

/// What an archive has beside the content of files.
const MOST_HEADERS: u64 = 16 << 20;

/// Everything below the folder, in the order of paths.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    pub(super) found: Vec<Found>,
    /// There is more than can be read.
    pub(super) cut: bool,
}

#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: String,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    File {
        sha256: String,
        content: Vec<u8>,
    },
    Folder,
    /// A link, and where it leads.
    Link(String),
    /// A pipe, a device …
    Other(&'static str),
}

impl Outputs {
    /// All files together.
    pub(super) fn bytes(&self) -> u64 {
        let files = self.files();
        files.map(|(_, content, _)| content.len() as u64).sum()
    }

    /// Path, content and hash of each file.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &[u8], &str)> {
        self.found.iter().filter_map(|found| match &found.what {
            What::File { sha256, content } => Some((&*found.path, &**content, &**sha256)),
            _ => None,
        })
    }
}

/// Reads the folder of a container, which must have it mounted and be running. Links are not
/// followed: they come as what they are.
pub(super) async fn read(
    engine: &Engine,
    container: &str,
    folder: &str,
    limit_mib: u64,
) -> Result<Outputs, AcceptanceError> {
    let options = DownloadFromContainerOptionsBuilder::new()
        .path(folder)
        .build();
    let mut parts = engine
        .docker
        .download_from_container(container, Some(options))
        .boxed();
    let limit = (limit_mib << 20) + MOST_HEADERS;
    let mut archive = Vec::new();
    while let Some(part) = parts.next().await {
        let part =
            part.map_err(|error| failed(format!("read `{folder}` of {container}"), error))?;
        if archive.len() as u64 + part.len() as u64 > limit {
            return Ok(Outputs {
                cut: true,
                ..Outputs::default()
            });
        }
        archive.extend_from_slice(&part);
    }
    unpack(&archive).map_err(|source| AcceptanceError::Workspace { source })
}

fn unpack(archive: &[u8]) -> std::io::Result<Outputs> {
    let mut outputs = Outputs::default();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let whole = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        // All is below the last part of the folder's own name.
        let Some((_, path)) = whole.trim_end_matches('/').split_once('/') else {
            continue;
        };
        let kind = entry.header().entry_type();
        let what = if kind.is_file() {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            let sha256 = sha256(&content);
            What::File { sha256, content }
        } else if kind.is_dir() {
            What::Folder
        } else if kind.is_symlink() {
            let target = entry.link_name_bytes().unwrap_or_default();
            What::Link(String::from_utf8_lossy(&target).into_owned())
        } else if kind.is_hard_link() {
            What::Other("a second name of another file")
        } else if kind.is_fifo() {
            What::Other("a pipe")
        } else {
            What::Other("a special file")
        };
        outputs.found.push(Found {
            path: path.to_owned(),
            what,
        });
    }
    outputs.found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_taken_for_what_it_is() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |path: &str, kind, link: Option<&str>, content: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            match link {
                Some(link) => builder.append_link(&mut header, path, link).unwrap(),
                None => builder.append_data(&mut header, path, content).unwrap(),
            }
        };
        add("1", tar::EntryType::Directory, None, b"");
        add("1/b", tar::EntryType::Directory, None, b"");
        add("1/b/file", tar::EntryType::Regular, None, b"abc");
        add(
            "1/escape",
            tar::EntryType::Symlink,
            Some("/etc/passwd"),
            b"",
        );
        add("1/twice", tar::EntryType::Link, Some("1/b/file"), b"");
        add("1/a-pipe", tar::EntryType::Fifo, None, b"");
        let outputs = unpack(&builder.into_inner().unwrap()).unwrap();
        let seen: Vec<String> = outputs
            .found
            .iter()
            .map(|found| match &found.what {
                What::File { content, .. } => format!("{} file {}", found.path, content.len()),
                What::Folder => format!("{} folder", found.path),
                What::Link(to) => format!("{} -> {to}", found.path),
                What::Other(what) => format!("{} {what}", found.path),
            })
            .collect();
        assert_eq!(
            seen,
            [
                "a-pipe a pipe",
                "b folder",
                "b/file file 3",
                "escape -> /etc/passwd",
                "twice a second name of another file"
            ]
        );
        assert_eq!(outputs.bytes(), 3);
    }
}
