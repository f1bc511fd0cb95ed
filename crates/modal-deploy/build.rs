//! Generates the Modal messages, client and server from `proto/modal.proto`, without `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto/modal.proto");
    let descriptors = protox::compile(["modal.proto"], ["proto"])?;
    tonic_prost_build::configure()
        // What the rehearsal does not serve answers UNIMPLEMENTED.
        .generate_default_stubs(true)
        // Messages that carry secret values or tokens cannot be printed by accident.
        .skip_debug([
            ".modal.client.SecretGetOrCreateRequest",
            ".modal.client.SecretUpdateRequest",
            ".modal.client.SecretUpdateRequest.Update",
            ".modal.client.AuthTokenGetResponse",
        ])
        .btree_map(".")
        .compile_fds(descriptors)?;
    Ok(())
}
