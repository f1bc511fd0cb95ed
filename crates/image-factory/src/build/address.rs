use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

const USUAL: &str = "unix:///var/run/docker.sock";
/// The context that has no file: it is the usual socket.
const DEFAULT: &str = "default";
const LONGEST: u64 = 1024 * 1024;

/// Where the engine is, as the `docker` command line finds it: `DOCKER_HOST`, or else the context that
/// is chosen (`DOCKER_CONTEXT`, `docker context use`), or else the usual socket. Docker Desktop, Colima
/// and rootless engines have contexts. Source: docs.docker.com/engine/manage-resources/contexts.
pub(super) fn engine_address() -> String {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(host) = set("DOCKER_HOST") {
        return host;
    }
    let folder = set("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(Path::new(&set("HOME")?).join(".docker")));
    let of_context = |folder: PathBuf| of_context(set("DOCKER_CONTEXT"), &folder);
    folder
        .and_then(of_context)
        .unwrap_or_else(|| USUAL.to_owned())
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext")]
    context: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Endpoint,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    host: String,
}

fn of_context(named: Option<String>, folder: &Path) -> Option<String> {
    let chosen = || json::<Config>(&folder.join("config.json"))?.context;
    let name = named.or_else(chosen)?;
    if name.is_empty() || name == DEFAULT {
        return None;
    }
    let id = hex::encode(Sha256::digest(&name));
    let meta = folder.join("contexts/meta").join(id).join("meta.json");
    let host = json::<Context>(&meta)?.endpoints.docker.host;
    (!host.is_empty()).then_some(host)
}

fn json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(LONGEST).read_to_end(&mut bytes).ok()?;
    let read = serde_json::from_slice(&bytes);
    read.inspect_err(|error| tracing::debug!(path = %path.display(), %error, "not understood"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_says_where_the_engine_is() {
        let folder = tempfile::tempdir().unwrap();
        let of_context = |named: Option<&str>| of_context(named.map(str::to_owned), folder.path());
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(of_context(None), None);
        write("config.json", r#"{"auths": {}}"#);
        assert_eq!(of_context(None), None);

        write("config.json", r#"{"currentContext": "colima"}"#);
        assert_eq!(of_context(None), None, "its file is gone");
        // The folder's name is what `docker context create colima` gives it.
        write(
            "contexts/meta/f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16/meta.json",
            r#"{"Name": "colima", "Metadata": {}, "Endpoints":
                {"docker": {"Host": "unix:///x/docker.sock", "SkipTLSVerify": false}}}"#,
        );
        let address = Some("unix:///x/docker.sock".to_owned());
        assert_eq!(of_context(None), address);
        assert_eq!(of_context(Some("default")), None);
        assert_eq!(of_context(Some("other")), None);

        write("config.json", "{}");
        assert_eq!(of_context(Some("colima")), address);
    }
}
