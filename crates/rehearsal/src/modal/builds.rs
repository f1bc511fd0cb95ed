//! What a client sees while an image is "built": nothing is, so it is quick.

use futures_util::{Stream, StreamExt, stream};
use modal_deploy::proto::{FileDescriptor, GenericResult, ImageJoinStreamingResponse, TaskLogs};
use tonic::Status;

use super::answers;
use super::engine::Engine;
use super::images::{Recipe, failure, success};
use super::service::Service;
use super::state::seconds;

/// One line of log, then the result.
pub(super) fn join(
    service: Service,
    image_id: String,
) -> impl Stream<Item = Result<ImageJoinStreamingResponse, Status>> + Send {
    let recipe = service.state().images.recipe(&image_id);
    let line = match &recipe {
        Some(Ok(recipe)) => format!("FROM {}\n", recipe.from),
        _ => String::new(),
    };
    let log = ImageJoinStreamingResponse {
        task_logs: vec![TaskLogs {
            data: line,
            timestamp: seconds(),
            file_descriptor: FileDescriptor::Stdout.into(),
        }],
        entry_id: "1-0".to_owned(),
        ..ImageJoinStreamingResponse::default()
    };
    let end = async move {
        let result = match recipe {
            Some(Ok(recipe)) => build(&service, &image_id, &recipe).await,
            Some(Err(problem)) => failure(&problem),
            None => failure("the image is not known"),
        };
        let metadata = service.state().images.metadata(&image_id);
        Ok(ImageJoinStreamingResponse {
            result: Some(result),
            entry_id: "2-0".to_owned(),
            eof: true,
            metadata,
            ..ImageJoinStreamingResponse::default()
        })
    };
    stream::once(async { Ok(log) }).chain(stream::once(end))
}

async fn build(service: &Service, image_id: &str, recipe: &Recipe) -> GenericResult {
    if service.options.pull_check
        && let Err(problem) = look_for(service, recipe).await
    {
        return failure(&problem);
    }
    service.state().images.built(image_id);
    success()
}

async fn look_for(service: &Service, recipe: &Recipe) -> Result<(), String> {
    let credentials = {
        let mut state = service.state();
        let now = state.now();
        answers::credentials(&mut state, recipe, now)
            .map_err(|status| status.message().to_owned())?
    };
    Engine::connect()?
        .image(&recipe.from, credentials)
        .await
        .map(|_| ())
}
