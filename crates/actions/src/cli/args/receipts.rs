use std::path::PathBuf;

use clap::Args;
use registry_model::PinnedImage;

use super::JsonArg;
use crate::config::Required;

/// `pipeline receipts`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  pipeline receipts ghcr.io/acme/app@sha256:…\n  pipeline receipts ghcr.io/acme/app@sha256:… --key cosign.pub --json receipts.json\n  pipeline receipts ghcr.io/acme/app@sha256:… --require acceptance --require \"deployment in dev\"\n\nIt ends with 0 whatever there is, and with 16 when something that is required is missing, failed or\nnot believed."
)]
pub(in crate::cli) struct ReceiptsArgs {
    /// The image, `<repository>@sha256:<64 hex>`
    #[arg(value_name = "IMAGE@DIGEST")]
    pub(in crate::cli) image: PinnedImage,
    /// The repository whose `pipeline.yml` says which receipts are believed
    #[arg(long, value_name = "DIR", default_value = ".", env = "PIPELINE_REPO")]
    pub(in crate::cli) repo: PathBuf,
    /// A public key that must have signed, in place of those of `pipeline.yml`
    #[arg(long = "key", value_name = "FILE")]
    pub(in crate::cli) keys: Vec<PathBuf>,
    /// A kind of receipt that must be there, be believed and have passed: `build`, `acceptance`,
    /// `deployment` or `promotion`, and perhaps ` in ENVIRONMENT`
    #[arg(long, value_name = "KIND")]
    pub(in crate::cli) require: Vec<Required>,
    #[command(flatten)]
    pub(in crate::cli) json: JsonArg,
}
