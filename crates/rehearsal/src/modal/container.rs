use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use modal_deploy::proto::generic_result::{DataOneof, GenericStatus};
use modal_deploy::proto::{DataFormat, Function, GenericResult};
use process::Redactor;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::ClientPackages;
use super::engine::{Container, Engine, LABEL};
use super::images::Recipe;
use super::mounts::MountedFile;
use super::secrets::Values;
use super::state::seconds;

const HOME: &str = "/__rehearsal";
const RUNNER: &str = include_str!("runner.py");
/// What Modal gives a function that names no limit.
const DEFAULT_TIMEOUT: u32 = 300;
const DEFAULT_STARTUP: u32 = 120;
const LEAST_MEMORY_MB: u32 = 1024;
const MOST_PROCESSES: i64 = 1024;

/// One call of one function, with all that its container needs.
pub(super) struct Job {
    /// The label of the control plane.
    pub(super) owner: String,
    pub(super) environment: String,
    pub(super) function_id: String,
    pub(super) call_id: String,
    pub(super) input_id: String,
    pub(super) task_id: String,
    pub(super) function: Function,
    pub(super) recipe: Recipe,
    pub(super) credentials: Option<DockerCredentials>,
    pub(super) secrets: Values,
    pub(super) files: Vec<MountedFile>,
    pub(super) packages: ClientPackages,
    pub(super) args: Vec<u8>,
    pub(super) data_format: DataFormat,
    /// What is answered without a container.
    pub(super) reply: Option<serde_json::Value>,
}

/// What a call came to.
#[derive(Clone)]
pub(super) struct Outcome {
    pub(super) result: GenericResult,
    pub(super) data_format: DataFormat,
    pub(super) started_at: f64,
}

/// `in/call.json` of the runner.
#[derive(Serialize)]
struct Call<'a> {
    task_id: &'a str,
    function_id: &'a str,
    call_id: &'a str,
    input_id: &'a str,
    app: &'a str,
    module: &'a str,
    function: &'a str,
    implementation: &'a str,
    data_format: i32,
    timeout: u32,
}

/// `out/answer.json` of the runner.
#[derive(Deserialize)]
struct Answer {
    kind: Kind,
    exception: String,
    traceback: String,
    #[serde(default)]
    started: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Returned,
    Raised,
    NotLoaded,
    NoClient,
}

impl Outcome {
    pub(super) fn failed(status: GenericStatus, exception: impl Into<String>) -> Self {
        Self {
            result: GenericResult {
                status: status.into(),
                exception: exception.into(),
                ..GenericResult::default()
            },
            data_format: DataFormat::Unspecified,
            started_at: seconds(),
        }
    }

    /// A value that no container has computed.
    pub(super) fn returned(value: &serde_json::Value) -> Self {
        let mut data = Vec::new();
        if let Err(error) = ciborium::into_writer(value, &mut data) {
            return Self::failed(GenericStatus::InternalFailure, error.to_string());
        }
        Self {
            result: GenericResult {
                status: GenericStatus::Success.into(),
                data_oneof: Some(DataOneof::Data(data)),
                ..GenericResult::default()
            },
            data_format: DataFormat::Cbor,
            started_at: seconds(),
        }
    }

    pub(super) fn terminated() -> Self {
        Self::failed(GenericStatus::Terminated, "the call was cancelled")
    }
}

/// Runs the call in a container of its own, which is gone when this returns or is dropped.
pub(super) async fn run(job: &Job, cancel: &CancellationToken) -> Outcome {
    if let Some(reply) = &job.reply {
        return Outcome::returned(reply);
    }
    match in_container(job, cancel).await {
        Ok(outcome) => outcome,
        Err(problem) => Outcome::failed(GenericStatus::InitFailure, problem),
    }
}

async fn in_container(job: &Job, cancel: &CancellationToken) -> Result<Outcome, String> {
    let engine = Engine::connect()?;
    let image = tokio::select! {
        image = engine.image(&job.recipe.from, job.credentials.clone()) => image?,
        () = cancel.cancelled() => return Ok(Outcome::terminated()),
    };
    let has_folder = image.working_dir.is_some_and(|folder| !folder.is_empty());
    // The identifier of the container's task is new for every try.
    let name = format!("pipeline-rehearsal-{}", job.task_id);
    let container = engine.create(&name, body(job, has_folder)).await?;
    let outcome = tokio::select! {
        outcome = answer_of(job, &container) => outcome,
        () = cancel.cancelled() => Ok(Outcome::terminated()),
    };
    container.remove().await;
    outcome
}

async fn answer_of(job: &Job, container: &Container) -> Result<Outcome, String> {
    let archive = archive(job).map_err(|error| format!("the call cannot be packed: {error}"))?;
    container.put(archive).await?;
    let begun = seconds();
    if let Err(error) = container.start().await {
        return Err(format!(
            "the container of {} does not start: {error}. An image needs `python` on PATH, and \
             an ENTRYPOINT that ends with `exec \"$@\"` or none",
            job.recipe.from
        ));
    }
    let limit = Duration::from_secs(u64::from(timeout(job)) + u64::from(startup(job)));
    let ended = tokio::time::timeout(limit, container.wait()).await;
    let mut redactor = Redactor::new();
    job.secrets.values().for_each(|value| redactor.add(value));
    let printed = redactor.apply(container.last_lines(40).await.trim_end());
    for line in printed.lines() {
        tracing::debug!(function = job.function.function_name, "{line}");
    }
    let Ok(code) = ended else {
        return Ok(timed_out(job, begun));
    };
    let code = code?;
    let mut out = unpack(&container.get(&format!("{HOME}/out")).await?)
        .map_err(|error| format!("the answer of the container cannot be unpacked: {error}"))?;
    if let Some(text) = out.remove("answer.json") {
        let answer: Answer = serde_json::from_slice(&text)
            .map_err(|error| format!("the answer of the container cannot be read: {error}"))?;
        return Ok(judge(job, answer, out));
    }
    if out.contains_key("started") && seconds() - begun >= f64::from(timeout(job)) {
        return Ok(timed_out(job, begun));
    }
    let cause = if container.out_of_memory().await {
        format!("was killed for using more than {} MiB", memory(job))
    } else {
        format!("ended with exit code {code} before it answered")
    };
    let exception = format!(
        "the container of {} {cause}{}{printed}",
        job.recipe.from,
        if printed.is_empty() { "" } else { ":\n" }
    );
    let status = if out.contains_key("started") {
        GenericStatus::Failure
    } else {
        GenericStatus::InitFailure
    };
    Ok(Outcome::failed(status, exception))
}

fn judge(job: &Job, answer: Answer, mut out: BTreeMap<String, Vec<u8>>) -> Outcome {
    let (status, data_format) = match answer.kind {
        Kind::Returned => (GenericStatus::Success, job.data_format),
        Kind::Raised => (GenericStatus::Failure, job.data_format),
        Kind::NotLoaded => (GenericStatus::InitFailure, DataFormat::Unspecified),
        Kind::NoClient => {
            return Outcome::failed(
                GenericStatus::InitFailure,
                no_client(&job.recipe.from, &answer.exception),
            );
        }
    };
    Outcome {
        result: GenericResult {
            status: status.into(),
            exception: answer.exception,
            traceback: answer.traceback,
            data_oneof: out.remove("data").map(DataOneof::Data),
            serialized_tb: out.remove("frames").unwrap_or_default(),
            tb_line_cache: out.remove("lines").unwrap_or_default(),
            ..GenericResult::default()
        },
        data_format,
        started_at: answer.started,
    }
}

fn no_client(image: &str, version: &str) -> String {
    let compact = version.replace('.', "");
    format!(
        "{image} has Python {version}, for which no Modal client package is at hand; run `pip \
         install --target ~/.cache/pipeline/tools/modal-client-cp{compact} --python-version {version} \
         --only-binary=:all: modal==1.6.4`"
    )
}

fn timed_out(job: &Job, started_at: f64) -> Outcome {
    let problem = format!(
        "the function `{}` was still running after its timeout of {} s",
        job.function.function_name,
        timeout(job)
    );
    Outcome {
        started_at,
        ..Outcome::failed(GenericStatus::Timeout, problem)
    }
}

fn timeout(job: &Job) -> u32 {
    match job.function.timeout_secs {
        0 => DEFAULT_TIMEOUT,
        seconds => seconds,
    }
}

fn startup(job: &Job) -> u32 {
    job.function.startup_timeout_secs.max(DEFAULT_STARTUP)
}

fn memory(job: &Job) -> u32 {
    let asked = job.function.resources.as_ref();
    asked
        .map_or(0, |asked| asked.memory_mb.max(asked.memory_mb_max))
        .max(LEAST_MEMORY_MB)
}

fn body(job: &Job, image_has_folder: bool) -> ContainerCreateBody {
    let recipe = &job.recipe;
    let fixed = [
        ("MODAL_IS_REMOTE", "1"),
        ("MODAL_ENVIRONMENT", &job.environment),
        ("MODAL_TASK_ID", &job.task_id),
        ("MODAL_IMAGE_ID", &job.function.image_id),
        ("MODAL_CLOUD_PROVIDER", "CLOUD_PROVIDER_LOCAL"),
        ("MODAL_REGION", "local"),
        ("PYTHONUNBUFFERED", "1"),
    ];
    let layers = recipe.env.iter().map(|(name, value)| (&**name, &**value));
    let secrets = job
        .secrets
        .iter()
        .map(|(name, value)| (&**name, value.expose_secret()));
    let env = fixed.into_iter().chain(layers).chain(secrets);
    let binds = job
        .packages
        .iter()
        .map(|(version, folder)| format!("{}:{HOME}/packages/{version}:ro", folder.display()));
    ContainerCreateBody {
        image: Some(recipe.from.clone()),
        // Docker keeps the image's ENTRYPOINT for none, and clears it for one empty word.
        entrypoint: recipe
            .entrypoint
            .clone()
            .map(|words| match words.is_empty() {
                true => vec![String::new()],
                false => words,
            }),
        cmd: Some(vec!["python".into(), format!("{HOME}/runner.py")]),
        env: Some(env.map(|(name, value)| format!("{name}={value}")).collect()),
        working_dir: match &recipe.workdir {
            Some(folder) => Some(folder.clone()),
            None => (!image_has_folder).then(|| "/root".to_owned()),
        },
        // Modal runs every container as root, whatever USER says.
        user: Some("0:0".to_owned()),
        labels: Some(HashMap::from([(LABEL.to_owned(), job.owner.clone())])),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            memory: Some(i64::from(memory(job)) * 1024 * 1024),
            pids_limit: Some(MOST_PROCESSES),
            binds: Some(binds.collect()),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(HashMap::from([("max-size".to_owned(), "4m".to_owned())])),
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn archive(job: &Job) -> std::io::Result<Vec<u8>> {
    let function = &job.function;
    let call = Call {
        task_id: &job.task_id,
        function_id: &job.function_id,
        call_id: &job.call_id,
        input_id: &job.input_id,
        app: &function.app_name,
        module: &function.module_name,
        function: &function.function_name,
        implementation: &function.implementation_name,
        data_format: job.data_format.into(),
        timeout: timeout(job),
    };
    let mut tar = tar::Builder::new(Vec::new());
    for folder in ["", "/in", "/out"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        tar.append_data(
            &mut header,
            format!("{}{folder}/", &HOME[1..]),
            std::io::empty(),
        )?;
    }
    let call = serde_json::to_vec(&call)?;
    let own: [(&str, &[u8]); 4] = [
        ("runner.py", RUNNER.as_bytes()),
        ("in/call.json", &call),
        ("in/args.bin", &job.args),
        ("in/function.bin", &function.function_serialized),
    ];
    for (name, data) in own {
        file(&mut tar, &format!("{HOME}/{name}"), 0o644, data)?;
    }
    for mounted in &job.files {
        file(&mut tar, &mounted.path, mounted.mode, &mounted.data)?;
    }
    tar.into_inner()
}

fn file(
    tar: &mut tar::Builder<Vec<u8>>,
    path: &str,
    mode: u32,
    data: &[u8],
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode & 0o777);
    header.set_size(data.len() as u64);
    tar.append_data(&mut header, path.trim_start_matches('/'), data)
}

fn unpack(archive: &[u8]) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = entry
            .path()?
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        if let (Some(name), true) = (name, entry.header().entry_type().is_file()) {
            let mut data = Vec::new();
            entry.read_to_end(&mut data)?;
            files.insert(name, data);
        }
    }
    Ok(files)
}
