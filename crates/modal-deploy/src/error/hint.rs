use super::{GrpcCode, ModalError};

impl ModalError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        use tonic::Code;
        let text = match self {
            Self::Setting { setting, .. } if setting.starts_with("MODAL_TOKEN") => {
                "set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET; `modal token new` makes a pair"
            }
            Self::Profile { .. } => {
                "mend the file (`modal profile activate` and `modal token set` write it), or set \
                 MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"
            }
            Self::Secrets { .. } => {
                "set the values in the environment of the pipeline (for `dev`, NAME_DEV wins over \
                 NAME) or in the JSON object of secrets, or move the names to `secrets.optional`"
            }
            Self::Plan { problems, .. } => {
                if !problems
                    .iter()
                    .any(|problem| problem.contains("not pinned"))
                {
                    return None;
                }
                "merge the open pin pull request, or run build-and-pin for these processors"
            }
            Self::EnvironmentMissing { environment, .. } => {
                return Some(format!(
                    "run `modal environment create {environment}`, or allow the deploy to create it"
                ));
            }
            Self::Rpc {
                rpc: "AppRollback",
                code: GrpcCode(Code::PermissionDenied | Code::FailedPrecondition),
                ..
            } => {
                "Modal's own rollback is for some plans only, and not for every version: deploy \
                 the earlier image again instead, which is what `pipeline rollback` does \
                 without `--native`"
            }
            Self::Rpc { code, server, .. } => match code.0 {
                Code::Unauthenticated | Code::PermissionDenied => {
                    "check MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, and that the token may use this \
                     environment"
                }
                Code::Unavailable | Code::DeadlineExceeded => {
                    return Some(format!(
                        "check that {server} can be reached from here, and https://status.modal.com"
                    ));
                }
                _ => return None,
            },
            Self::Unsupported { .. } => {
                "Modal may have changed its interface since this program was made, or the plan of \
                 the workspace lacks this: use a newer version, or `--modal-backend cli`"
            }
            Self::Throttled { .. } => "run it again later, or with fewer processors at once",
            Self::CliMissing { .. } => {
                "run `pip install modal==1.6.4`, or set PIPELINE_MODAL to the program"
            }
            Self::CliVersion { .. } | Self::CliAnswer { .. } => "run `pip install modal==1.6.4`",
            Self::PythonMissing { .. } => {
                "install Modal's package with pip, pipx or uv, and set PIPELINE_MODAL to the \
                 program `modal` in the folder of its Python"
            }
            Self::RecordUntold { environment, .. } => {
                return Some(format!(
                    "leave out `--modal-backend cli`, or use the version of Modal's package that \
                     `pipeline doctor modal` asks for. To go on without what is recorded, and \
                     without what people hold: modal secret delete pipeline-record --env \
                     {environment}"
                ));
            }
            Self::TempFile { .. } => "set TMPDIR to a folder that can be written to",
            Self::AppFile { .. } => {
                "give the path of the Python file relative to the root of the repository, as in \
                 `code/modal_app.py`"
            }
            Self::Code { .. } => {
                "say in `modal.code` of pipeline.yml which files a deploy depends on"
            }
            Self::Images { hint, .. } | Self::NotProven { hint, .. } => return hint.clone(),
            Self::ReadBack { .. } => {
                "build the app's image from IMAGE_REF, and deploy from one place at a time"
            }
            Self::Superseded { .. } => {
                "see what the later run did; running this again deploys what is pinned here. If \
                 that is superseded, too, although nothing else deploys there, `modal secret \
                 delete pipeline-record --env NAME` forgets all runs, and what people hold"
            }
            Self::CallFailed { failure, .. } if failure.status == "INIT_FAILURE" => {
                "the container imports the module again, without PROCESSOR_REF and IMAGE_REF: \
                 guard such reads with `modal.is_local()`"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}
