use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::say;
use crate::setup;
use crate::tools::Tools;

/// The baseline's version is part of the measurement.
const PYYAML: &str = "pyyaml==6.0.2";

/// The interpreter with PyYAML, made at the first bench.
///
/// # Errors
/// When it is not there and may not or cannot be made.
pub(crate) async fn bench_python(
    tools: &Tools,
    no_install: bool,
    cancel: &CancellationToken,
) -> Result<PathBuf, Error> {
    let folder = tools.bench();
    if !setup::is_complete(&folder) {
        let missing = Error::Missing {
            missing: vec![format!("PyYAML: python3 -m venv and pip install {PYYAML}")],
        };
        if no_install {
            return Err(missing);
        }
        let Some(python) = setup::find_python(cancel).await? else {
            return Err(missing);
        };
        say::line(format_args!(
            "bench: installing {PYYAML} into {}",
            folder.display()
        ));
        setup::make_environment(&python, &folder, &[PYYAML], cancel).await?;
    }
    Ok(folder.join("bin/python"))
}
