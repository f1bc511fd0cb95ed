use modal_deploy::deploy::ModalCli;
use modal_deploy::{CliControl, Client, ClientOptions, Control, ModalError};
use tokio_util::sync::CancellationToken;

use super::args::{Backend, ModalArgs};

/// Modal, as the arguments want it to be asked, with the token of the environment.
pub(super) async fn control(
    args: &ModalArgs,
    cancel: &CancellationToken,
) -> Result<Control, ModalError> {
    let options = ClientOptions::from_env()?;
    Ok(match args.modal_backend.flatten().unwrap_or_default() {
        Backend::Native => Control::Native(Client::connect(options)?),
        Backend::Cli => {
            let cli = ModalCli::find(None, cancel).await?;
            Control::Cli(CliControl { cli, options })
        }
    })
}
