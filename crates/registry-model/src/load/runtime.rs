//! `runtime`: what a processor asks of the machine.

use super::reader::Reader;
use crate::Runtime;
use crate::yaml::NodeId;

pub(super) fn read(reader: &mut Reader<'_>, document: NodeId) -> Runtime {
    let Some(runtime) = reader.map(document, "runtime") else {
        return Runtime::default();
    };
    let cpu = reader.number(runtime, "runtime.cpu", "a number of cores");
    let gigabytes = reader.number(runtime, "runtime.memory_gb", "a number of GiB");
    let timeout = reader.number(runtime, "runtime.timeout_s", "a number of seconds");
    let written = memory(reader, runtime);
    let gpu = reader.text(runtime, "runtime.gpu");
    Runtime {
        cpu,
        memory_mib: written.or(gigabytes.map(|gigabytes| (gigabytes * 1024.0).round() as u64)),
        gpu: gpu
            .map(|(gpu, _)| gpu.to_owned())
            .filter(|gpu| gpu != "none"),
        timeout_s: timeout.map(|seconds| seconds.ceil() as u64),
    }
}

/// `memory`, as in `2Gi` and `512Mi`.
fn memory(reader: &mut Reader<'_>, runtime: NodeId) -> Option<u64> {
    let (text, value) = reader.text(runtime, "runtime.memory")?;
    let amount = [("Gi", 1024.0), ("Mi", 1.0)]
        .iter()
        .find_map(|(unit, mib)| {
            let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
            (number.is_finite() && number >= 0.0).then(|| (number * mib).round() as u64)
        });
    if amount.is_none() {
        reader.bad_type(
            "runtime.memory",
            value,
            value,
            "an amount as in `2Gi` or `512Mi`",
        );
    }
    amount
}
