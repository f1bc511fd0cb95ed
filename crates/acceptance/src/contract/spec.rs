//! A case as containers. Nothing here asks or does anything.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType,
    MountVolumeOptions, MountVolumeOptionsDriverConfig, ResourcesUlimits,
};
use registry_model::PinnedImage;

use super::{CasePlan, holder};
use crate::cleanup::LABEL;

/// What processors read and write, inside the container.
const INPUTS: &str = "/processor/in";
const OUTPUTS: &str = "/processor/out";
const SCRATCH: &str = "/tmp";
/// `nobody`, where the image names no user or the one that may do anything.
const NOBODY: &str = "65534:65534";
const MIB: i64 = 1 << 20;
const SCRATCH_MIB: u64 = 64;
/// The holder itself needs next to nothing; the program that starts it counts as well (see
/// [`super::plan::LEAST_PIDS`]).
const HOLDER_MIB: i64 = 64;
const HOLDER_PIDS: i64 = 64;
const SHARED_MIB: i64 = 16;
const MOST_FILES: u64 = 4096;

/// What of an image decides how it is locked in.
#[derive(Clone, Debug, Default)]
pub(super) struct ImageFacts {
    /// The user that it names.
    pub(super) user: String,
    /// The folders that it would have as volumes, which can be written.
    pub(super) volumes: Vec<String>,
}

/// One case under the names of this run.
pub(super) struct Spec<'a> {
    pub(super) case: &'a CasePlan,
    pub(super) image: &'a PinnedImage,
    pub(super) facts: &'a ImageFacts,
    /// The stack that everything belongs to.
    pub(super) project: &'a str,
    /// The number of the case in this run.
    pub(super) number: usize,
    /// The cores of the machine.
    pub(super) cores: f64,
}

impl Spec<'_> {
    /// What holds the folders of this case and of those after it.
    pub(super) fn holder_name(&self) -> String {
        format!("{}-{}-hold", self.project, self.number)
    }

    pub(super) fn run_name(&self, run: usize) -> String {
        format!("{}-{}-run-{run}", self.project, self.number)
    }

    /// Where the holder has what run number `run` wrote.
    pub(super) fn outputs_in_holder(&self, run: usize) -> String {
        format!("/runs/{}-{run}", self.number)
    }

    /// Where the holder has the folder for inputs.
    pub(super) fn inputs_in_holder(&self) -> String {
        format!("/in/{}", self.number)
    }

    pub(super) fn volumes(&self) -> Vec<String> {
        let outputs = (1..=self.case.runs()).map(|run| self.volume(&format!("out-{run}")));
        let inputs = (!self.case.files.is_empty()).then(|| self.volume("in"));
        outputs.chain(inputs).collect()
    }

    pub(super) fn containers(&self) -> Vec<String> {
        let runs = 1..=self.case.runs();
        runs.map(|run| self.run_name(run)).collect()
    }

    fn volume(&self, what: &str) -> String {
        format!("{}-{}-{what}", self.project, self.number)
    }

    /// The folders of this case, for the container that holds them.
    fn held(&self) -> Vec<Mount> {
        let runs = 1..=self.case.runs();
        let mut mounts: Vec<Mount> = runs
            .map(|run| self.outputs(run, &self.outputs_in_holder(run)))
            .collect();
        mounts.extend(self.inputs(&self.inputs_in_holder(), false));
        mounts
    }

    /// The container of run number `run`.
    pub(super) fn processor(&self, run: usize) -> ContainerCreateBody {
        let limits = &self.case.limits;
        let memory = limits.memory_mib as i64 * MIB;
        let mut env = vec![
            format!("IMAGE_REF={}", self.image),
            format!("PROCESSOR_REF={}", self.case.reference),
            format!("PROCESSOR_OUTPUT_DIR={OUTPUTS}"),
            format!("HOME={SCRATCH}"),
        ];
        let mut mounts = vec![self.outputs(run, OUTPUTS)];
        if let Some(inputs) = self.inputs(INPUTS, true) {
            mounts.push(inputs);
            env.push(format!("PROCESSOR_INPUT_DIR={INPUTS}"));
        }
        let ulimit = |name: &str, most: i64| ResourcesUlimits {
            name: Some(name.to_owned()),
            soft: Some(most),
            hard: Some(most),
        };
        ContainerCreateBody {
            image: Some(self.image.to_string()),
            user: Some(self.user()),
            env: Some(env),
            labels: Some(self.labels()),
            open_stdin: Some(true),
            stdin_once: Some(true),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            // A check would be one more process in it, and start again and again.
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }),
            host_config: Some(HostConfig {
                mounts: Some(mounts),
                tmpfs: Some(self.tmpfs()),
                memory: Some(memory),
                memory_swap: Some(memory),
                nano_cpus: Some((limits.cpus.min(self.cores) * 1e9) as i64),
                pids_limit: Some(limits.pids as i64),
                shm_size: Some(SHARED_MIB * MIB),
                ulimits: Some(vec![
                    ulimit("core", 0),
                    // A file with holes takes no room, but would when it is read.
                    ulimit("fsize", limits.output_mib as i64 * MIB),
                ]),
                ..locked_in()
            }),
            ..ContainerCreateBody::default()
        }
    }

    fn labels(&self) -> HashMap<String, String> {
        HashMap::from([
            (LABEL.to_owned(), self.project.to_owned()),
            ("pipeline.acceptance.case".to_owned(), self.case.title()),
        ])
    }

    fn user(&self) -> String {
        let name = self.facts.user.split(':').next().unwrap_or_default();
        match name {
            "" | "0" | "root" => NOBODY.to_owned(),
            _ => self.facts.user.clone(),
        }
    }

    /// Room for what is thrown away; and nothing where the image would have a volume.
    fn tmpfs(&self) -> HashMap<String, String> {
        let own = [SCRATCH, INPUTS, OUTPUTS];
        let volumes = self.facts.volumes.iter();
        let mut all: HashMap<String, String> = volumes
            .filter(|path| !own.contains(&path.trim_end_matches('/')))
            .map(|path| (path.clone(), "ro,size=4k".to_owned()))
            .collect();
        let scratch = format!("size={SCRATCH_MIB}m,mode=1777,nr_inodes={MOST_FILES}");
        all.insert(SCRATCH.to_owned(), scratch);
        all
    }

    fn outputs(&self, run: usize, target: &str) -> Mount {
        let size = format!("{}m", self.case.limits.output_mib);
        self.mount(&format!("out-{run}"), target, &size, "0777", false)
    }

    fn inputs(&self, target: &str, read_only: bool) -> Option<Mount> {
        if self.case.files.is_empty() {
            return None;
        }
        // Files take whole pages, and folders take some, too.
        let files = self.case.files.values();
        let bytes: usize = files.map(|bytes| bytes.len() + (64 << 10)).sum();
        let size = format!("{}k", bytes.div_ceil(1 << 10));
        Some(self.mount("in", target, &size, "0755", read_only))
    }

    fn mount(&self, what: &str, target: &str, size: &str, mode: &str, read_only: bool) -> Mount {
        let options = format!("size={size},nr_inodes={MOST_FILES},mode={mode},nosuid,nodev,noexec");
        let pairs = [("type", "tmpfs"), ("device", "tmpfs"), ("o", &options)];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Mount {
            typ: Some(MountType::VOLUME),
            source: Some(self.volume(what)),
            target: Some(target.to_owned()),
            read_only: Some(read_only),
            volume_options: Some(MountVolumeOptions {
                // What the image has at that place stays there.
                no_copy: Some(true),
                labels: Some(self.labels()),
                driver_config: Some(MountVolumeOptionsDriverConfig {
                    name: Some("local".to_owned()),
                    options: Some(pairs.into()),
                }),
                ..MountVolumeOptions::default()
            }),
            ..Mount::default()
        }
    }
}

/// The container that holds the folders of these cases, which are of one run.
pub(super) fn holder(specs: &[Spec<'_>]) -> ContainerCreateBody {
    let project = specs.first().map_or("", |spec| spec.project);
    ContainerCreateBody {
        image: Some(holder::image(project)),
        entrypoint: Some(vec![holder::PROGRAM.to_owned()]),
        user: Some(NOBODY.to_owned()),
        labels: Some(HashMap::from([(LABEL.to_owned(), project.to_owned())])),
        host_config: Some(HostConfig {
            mounts: Some(specs.iter().flat_map(Spec::held).collect()),
            memory: Some(HOLDER_MIB * MIB),
            pids_limit: Some(HOLDER_PIDS),
            ..locked_in()
        }),
        ..ContainerCreateBody::default()
    }
}

/// What holds for every container here.
fn locked_in() -> HostConfig {
    HostConfig {
        network_mode: Some("none".to_owned()),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        // Output is read as it comes; a log of it would fill the engine's disk.
        log_config: Some(HostConfigLogConfig {
            typ: Some("none".to_owned()),
            config: None,
        }),
        ..HostConfig::default()
    }
}
