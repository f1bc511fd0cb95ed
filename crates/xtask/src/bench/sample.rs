use std::path::Path;

use crate::error::Error;

/// Files in a folder of their own, as big registries have them.
const PER_FOLDER: usize = 500;

/// Writes `count` registry files of about 1.6 KB below `folder`, all different, none pinned.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write(folder: &Path, count: usize) -> Result<(), Error> {
    for index in 0..count {
        let group = folder.join(format!("group-{:02}", index / PER_FOLDER));
        let file = group.join(format!("tool_{index:05}.yaml"));
        std::fs::create_dir_all(&group)
            .and_then(|()| {
                let image = format!("registry.example/bench/tool-{index:05}");
                let digest = format!("{:064x}", index + 1);
                std::fs::write(&file, text(index, &format!("{image}@sha256:{digest}")))
            })
            .map_err(|error| Error::io(format!("write {}", file.display()), error))?;
    }
    Ok(())
}

/// The folder of a processor in the context.
pub(crate) fn folder(index: usize) -> String {
    format!("apps/core/processors/bench_tool_{index:05}")
}

/// A registry file; no two are the same.
pub(crate) fn text(index: usize, image: &str) -> String {
    let timeout = 30 + index % 90;
    format!(
        "\
# Processor {index:05} of the bench: the shape of a real registry file.
ref: bench/tool-{index:05}@1
kind: tool

image:
  # Rewritten by the pipeline. Do not edit by hand.
  oci: {image}
build:
  context: .
  dockerfile: {folder}/Dockerfile
runtime:
  cpu: '1'
  memory_gb: {memory}
  timeout_s: {timeout}   # seconds
  gpu: null
adapters: [local, modal]
secrets:
  required:
    - BENCH_API_KEY_{index:05}
  optional:
    - \"BENCH_BASE_URL\"
inputs:
  schema:
    type: object
    additionalProperties: false
    properties:
      messages:
        type: array
        items:
          type: object
          properties:
            role: {{type: string, enum: [system, user, assistant]}}
            content: {{type: string}}
      model:
        type: string
        default: bench/model-{index:05}
      temperature:
        type: number
        minimum: 0
        maximum: 2
        default: 0.7
      max_tokens:
        type: integer
        minimum: 1
        default: {tokens}
    required:
      - messages
outputs:
  - path: text/response.txt
    description: \"What the model said: plain text\"
    mime: text/plain
  - path: metadata.json
    description: Times, sizes and cost of the call
    mime: application/json
  - path: receipts/call-{index:05}.json
    description: >-
      What was called with what, and what came back; kept beside the outputs so that a run
      can be explained later.
    mime: application/json
",
        folder = folder(index),
        memory = 1 + index % 8,
        tokens = 500 + index,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_size_of_the_real_ones() {
        let size = text(7, "x").len();
        assert!((1400..1600).contains(&size), "{size}");
        assert_ne!(text(7, "x"), text(8, "x"));
    }

    #[test]
    fn writes_as_many_as_asked() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 501).unwrap();
        let count = |name: &str| std::fs::read_dir(folder.path().join(name)).unwrap().count();
        assert_eq!((count("group-00"), count("group-01")), (500, 1));
    }
}
