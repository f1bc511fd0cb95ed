//! A rehearsal goes no further when one receipt is taken away behind its back.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use receipts::Store;
use receipts::statement::{Kind, Receipt};
use receipts::verify::Policy;
use registry_model::{LoadOptions, PinnedImage, Platform, Registry};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::run::{Ended, Rehearsal, copy_of_example};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const PROCESSOR: &str = "text/summarize@1";

/// A rehearsal that looks for a file to go away whenever it asks for the commit that is checked
/// out, which it does in every stage.
struct Stopped {
    rehearsal: Rehearsal,
    stops: PathBuf,
    scratch: PathBuf,
}

impl Stopped {
    fn of(repo: &Path) -> Self {
        let rehearsal = Rehearsal::of(repo);
        let stops = rehearsal.folder().join("stops");
        std::fs::create_dir(&stops).unwrap();
        let git = process::which("git").expect("apt-get install git");
        let script = format!(
            "#!/bin/sh\ncase \" $* \" in *\" rev-parse HEAD \"*)\n  : >'{stops}'/$$\n  \
             while [ -e '{stops}'/$$ ]; do sleep 0.01; done;;\nesac\nexec '{git}' \"$@\"\n",
            stops = stops.display(),
            git = git.display(),
        );
        let shims = rehearsal.folder().join("shims");
        std::fs::create_dir(&shims).unwrap();
        let shim = shims.join("git");
        std::fs::write(&shim, script).unwrap();
        std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", shims.display(), std::env::var("PATH").unwrap());
        let scratch = rehearsal.folder().join("tmp");
        Self {
            rehearsal: rehearsal.env("PATH", path),
            stops,
            scratch,
        }
    }

    /// Runs it, and takes the receipt of this kind away from [`PROCESSOR`] once it is there.
    async fn without(self, kind: Kind, environment: Option<&str>) -> Ended {
        let never = CancellationToken::new();
        let running = self.rehearsal.run(&never);
        let taking = async {
            let mut taken = false;
            loop {
                let stops = std::fs::read_dir(&self.stops).into_iter().flatten();
                for stop in stops.flatten() {
                    if !taken {
                        taken = take(&self.scratch, kind, environment).await;
                    }
                    std::fs::remove_file(stop.path()).unwrap();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            ended = running => ended,
            () = taking => unreachable!("it does not end"),
        }
    }
}

/// Takes a receipt out of the list of the image that is pinned now; says whether there was one.
async fn take(scratch: &Path, kind: Kind, environment: Option<&str>) -> bool {
    let folders = std::fs::read_dir(scratch).unwrap().flatten();
    let mut works = folders.map(|folder| folder.path().join("work"));
    let work = works.find(|work| work.is_dir()).unwrap();
    let registry = Registry::load(&work, &LoadOptions::default()).unwrap();
    let mut entries = registry.entries.iter();
    let entry = entries.find(|entry| entry.reference.to_string() == PROCESSOR);
    let Some(image) = entry.unwrap().pinned(&Platform::linux_amd64()) else {
        return false;
    };
    let client = oci::Client::new(oci::ClientOptions {
        credentials: oci::Credentials::Anonymous,
        ..oci::ClientOptions::default()
    });
    let store = Store::new(client.unwrap());
    let found = store.read(image, &CancellationToken::new()).await.unwrap();
    let verdicts = Policy::default().judge(&found, jiff::Timestamp::now());
    let is_it = |receipt: &Receipt| {
        let place = receipt.facts.environment.as_ref();
        receipt.kind() == Some(kind) && place.map(|it| it.as_str()) == environment
    };
    let mut taken = verdicts
        .iter()
        .filter(|verdict| verdict.believed().is_some_and(is_it))
        .map(|verdict| verdict.place.digest.to_string());
    match taken.next() {
        Some(manifest) => unlist(image, &manifest).await,
        None => return false,
    }
    true
}

async fn unlist(image: &PinnedImage, manifest: &str) {
    let (host, name) = image.repository.as_str().split_once('/').unwrap();
    let tag = image.digest.as_str().replace(':', "-");
    let url = format!("http://{host}/v2/{name}/manifests/{tag}");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let listed = http.get(&url).header("accept", INDEX).send().await.unwrap();
    let mut list: Value = listed.error_for_status().unwrap().json().await.unwrap();
    let manifests = list["manifests"].as_array_mut().unwrap();
    let before = manifests.len();
    manifests.retain(|one| one["digest"] != manifest);
    assert_eq!(manifests.len() + 1, before);
    let put = http.put(&url).header("content-type", INDEX);
    let put = put.body(list.to_string()).send().await.unwrap();
    put.error_for_status().unwrap();
}

/// The example with its contract, its app, and nothing that takes longer.
async fn quick_example() -> tempfile::TempDir {
    let repo = copy_of_example().await;
    for file in ["code/compose.yml", "code/Makefile"] {
        std::fs::remove_file(repo.path().join(file)).unwrap();
    }
    let settings = repo.path().join("pipeline.yml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let (before, rest) = text.split_once("acceptance:\n").unwrap();
    let (_, after) = rest.split_once("\nmodal:\n").unwrap();
    std::fs::write(&settings, format!("{before}\nmodal:\n{after}")).unwrap();
    repo
}

#[track_caller]
fn refused(ended: &Ended, code: i32, why: &str) {
    ended.assert_failed(code, &[PROCESSOR, why, "hint: "]);
    assert!(
        !ended.stderr.contains("image/palette@1"),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_promoted_without_the_receipt_of_its_deployment() {
    let (_turn, engine) = Engine::mine().await;
    let repo = quick_example().await;
    let stopped = Stopped::of(repo.path());
    let ended = stopped.without(Kind::Deployment, Some("dev")).await;
    refused(&ended, 16, "no receipt of deployment in dev");
    let report = ended.report();
    assert_eq!(report["promotions"].as_array().unwrap().len(), 0);
    assert_eq!(report["deploys"].as_array().unwrap().len(), 1);
    engine.assert_as_before().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_to_the_last_environment_without_the_receipt_of_the_one_before() {
    let (_turn, engine) = Engine::mine().await;
    let repo = quick_example().await;
    let stopped = Stopped::of(repo.path());
    let ended = stopped.without(Kind::Deployment, Some("staging")).await;
    refused(&ended, 16, "no receipt of deployment in staging");
    let report = ended.report();
    assert_eq!(report["promotions"].as_array().unwrap().len(), 1);
    assert_eq!(report["deploys"].as_array().unwrap().len(), 2);
    engine.assert_as_before().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deployed_without_the_receipt_of_its_promotion() {
    let (_turn, engine) = Engine::mine().await;
    let repo = quick_example().await;
    let stopped = Stopped::of(repo.path());
    let ended = stopped.without(Kind::Promotion, Some("staging")).await;
    refused(&ended, 14, "no receipt of promotion in staging");
    let report = ended.report();
    assert_eq!(report["promotions"].as_array().unwrap().len(), 1);
    assert_eq!(report["deploys"].as_array().unwrap().len(), 1);
    engine.assert_as_before().await;
}
