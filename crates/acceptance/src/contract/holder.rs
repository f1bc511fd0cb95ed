//! A container that holds the folders of cases while they are in memory.
//!
//! The folder for outputs is a volume of type tmpfs: the kernel bounds its bytes and its files, and
//! nothing of it reaches a disk. It lives as long as a container has it mounted, and the processor's
//! container ends when the processor does. So a second one has it mounted, too, from which the engine
//! then reads it; that works with an engine on any machine, which bind mounts do not. All that this
//! container does is wait, for which an image needs one program of nine instructions.

use std::io;

use bollard::body_full;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;

use super::engine::{Engine, failed};
use crate::AcceptanceError;

/// Where the program lies in the image.
pub(super) const PROGRAM: &str = "/pause";
const TAG: &str = "holder";

/// The name of the image of a run.
pub(super) fn image(project: &str) -> String {
    format!("{project}:{TAG}")
}

/// Puts the image into the engine.
pub(super) async fn import(engine: &Engine, project: &str) -> Result<(), AcceptanceError> {
    let archive = program(&engine.arch).and_then(|program| {
        layer(&program).map_err(|source| AcceptanceError::Workspace { source })
    })?;
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(project)
        .tag(TAG)
        .build();
    engine
        .docker
        .create_image(Some(options), Some(body_full(archive.into())), None)
        .try_for_each(async |_| Ok(()))
        .await
        .map_err(|error| failed("take the image that holds folders", error))
}

fn layer(program: &[u8]) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    builder.append_data(&mut header, PROGRAM.trim_start_matches('/'), program)?;
    builder.into_inner()
}

/// An ELF file of one segment that waits until it is killed.
///
/// Source: System V ABI, chapter 4 and 5; numbers of system calls: `asm/unistd_64.h` (`pause` is 34)
/// and `asm-generic/unistd.h` (`ppoll` is 73).
fn program(arch: &str) -> Result<Vec<u8>, AcceptanceError> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let (machine, code): (u16, &[u8]) = match arch {
        "amd64" => (
            62,
            &[
                0xb8, 34, 0, 0, 0, // mov eax, pause
                0x0f, 0x05, // syscall
                0xeb, 0xf7, // jmp to the start
            ],
        ),
        "arm64" => (
            183,
            &[
                0x00, 0x00, 0x80, 0xd2, // mov x0, 0: no files
                0x01, 0x00, 0x80, 0xd2, // mov x1, 0
                0x02, 0x00, 0x80, 0xd2, // mov x2, 0: no time-out
                0x03, 0x00, 0x80, 0xd2, // mov x3, 0: no mask
                0x28, 0x09, 0x80, 0xd2, // mov x8, ppoll
                0x01, 0x00, 0x00, 0xd4, // svc 0
                0xfa, 0xff, 0xff, 0x17, // b to the start
            ],
        ),
        other => {
            return Err(AcceptanceError::EngineArch {
                found: other.to_owned(),
            });
        }
    };
    let size = HEADERS + code.len() as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    file.resize(16, 0);
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    let long = |file: &mut Vec<u8>, value: u64| file.extend(value.to_le_bytes());
    // The header: an executable, its entry, where the program headers are and how large all is.
    half(&mut file, 2);
    half(&mut file, machine);
    word(&mut file, 1);
    long(&mut file, BASE + HEADERS);
    long(&mut file, 64);
    long(&mut file, 0);
    word(&mut file, 0);
    for value in [64, 56, 1, 0, 0, 0] {
        half(&mut file, value);
    }
    // One segment: loaded, readable and executable, the whole file.
    word(&mut file, 1);
    word(&mut file, 5);
    for value in [0, BASE, BASE, size, size, 0x1_0000] {
        long(&mut file, value);
    }
    file.extend(code);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_what_an_engine_of_that_kind_runs() {
        let amd64 = program("amd64").unwrap();
        assert_eq!(amd64.len(), 129);
        assert_eq!(&amd64[18..20], &62u16.to_le_bytes());
        let arm64 = program("arm64").unwrap();
        assert_eq!(arm64.len(), 148);
        let error = program("s390x").unwrap_err();
        assert_eq!(error.class(), crate::ErrorClass::Input);
    }
}
