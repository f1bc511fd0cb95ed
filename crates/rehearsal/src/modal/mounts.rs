use std::collections::{BTreeMap, BTreeSet};

use modal_deploy::proto::{
    DeploymentNamespace, MountBatchedCheckExistenceRequest, MountFile, MountGetOrCreateRequest,
    MountGetOrCreateResponse, MountHandleMetadata, MountPutFileRequest, mount_put_file_request,
};
use tonic::Status;

use super::state::{content_id, sha256_hex};

/// Names of mounts that Modal itself publishes and that a client expects to find.
const PUBLISHED: [&str; 2] = ["modal-client-mount-", "python-build-standalone."];

/// One file of a mount, as it is put into a container.
#[derive(Clone)]
pub(super) struct MountedFile {
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) data: Vec<u8>,
}

/// Files by content, and the mounts that name them.
#[derive(Default)]
pub(super) struct Mounts {
    files: BTreeMap<String, Vec<u8>>,
    mounts: BTreeMap<String, Vec<MountFile>>,
}

impl Mounts {
    pub(super) fn get_or_create(
        &mut self,
        request: MountGetOrCreateRequest,
    ) -> Result<MountGetOrCreateResponse, Status> {
        if !request.deployment_name.is_empty() {
            return published(&request);
        }
        let missing: BTreeSet<&str> = request
            .files
            .iter()
            .map(|file| file.sha256_hex.as_str())
            .filter(|hash| !self.files.contains_key(*hash))
            .collect();
        if !missing.is_empty() {
            return Err(Status::failed_precondition(format!(
                "{} files of the mount were never sent",
                missing.len()
            )));
        }
        let mut files = request.files;
        files.sort_by(|a, b| a.filename.cmp(&b.filename));
        let listing: String = files
            .iter()
            .map(|file| {
                let mode = file.mode.unwrap_or_default();
                format!("{}\0{}\0{mode}\n", file.filename, file.sha256_hex)
            })
            .collect();
        let mount_id = content_id("mo", listing.as_bytes());
        self.mounts.insert(mount_id.clone(), files);
        Ok(answer(mount_id, &listing))
    }

    pub(super) fn missing(&self, request: MountBatchedCheckExistenceRequest) -> Vec<String> {
        request
            .sha256_hex_hashes
            .into_iter()
            .filter(|hash| !self.files.contains_key(hash))
            .collect()
    }

    /// Keeps a file; without data, says whether it is there.
    pub(super) fn put(&mut self, request: MountPutFileRequest) -> Result<bool, Status> {
        use mount_put_file_request::DataOneof;
        match request.data_oneof {
            Some(DataOneof::Data(data)) => {
                if sha256_hex(&data) != request.sha256_hex {
                    return Err(Status::invalid_argument(
                        "the content of the file has another SHA-256 than announced",
                    ));
                }
                self.files.insert(request.sha256_hex, data);
                Ok(true)
            }
            Some(DataOneof::DataBlobId(_)) => Err(Status::unimplemented(
                "files above 4 MiB next to the app are not taken here: put them into the image",
            )),
            None => Ok(self.files.contains_key(&request.sha256_hex)),
        }
    }

    /// The files behind `ids`; mounts that Modal publishes have none here.
    pub(super) fn files(&self, ids: &[String]) -> Vec<MountedFile> {
        ids.iter()
            .filter_map(|id| self.mounts.get(id))
            .flatten()
            .filter_map(|file| {
                Some(MountedFile {
                    path: file.filename.clone(),
                    mode: file.mode.unwrap_or(0o644),
                    data: self.files.get(&file.sha256_hex)?.clone(),
                })
            })
            .collect()
    }
}

fn published(request: &MountGetOrCreateRequest) -> Result<MountGetOrCreateResponse, Status> {
    let name = &request.deployment_name;
    let known = PUBLISHED.iter().any(|prefix| name.starts_with(prefix));
    if request.namespace() == DeploymentNamespace::Global && known {
        return Ok(answer(content_id("mo", name.as_bytes()), name));
    }
    Err(Status::not_found(format!("mount '{name}' not found")))
}

fn answer(mount_id: String, content: &str) -> MountGetOrCreateResponse {
    MountGetOrCreateResponse {
        mount_id,
        handle_metadata: Some(MountHandleMetadata {
            content_checksum_sha256_hex: sha256_hex(content.as_bytes()),
        }),
    }
}
