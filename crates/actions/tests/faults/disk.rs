//! A disk that is full when a pin is written.

use std::time::Duration;

use process::Command;

use super::bench::{Bench, Ran};
use super::project::{self, file_of};
use super::proposal;

/// Makes a small disk in a mount namespace of its own, which goes with this script, copies the
/// repository there, fills the disk, and pins: twice, the second time with room again.
const SCRIPT: &str = r#"
    set -eu
    pipeline=$1 repo=$2 disk=$3 report=$4; shift 4
    mount -t tmpfs -o size=8m tmpfs "$disk"
    cp -a "$repo/." "$disk/"
    cat /dev/zero > "$disk/filler" 2>/dev/null && exit 99
    [ "$(df --output=avail "$disk" | tail -1)" -eq 0 ]
    cd "$disk"
    code=0; "$pipeline" pin --from "$report" >&2 || code=$?
    echo "full: $code"
    diff -r --exclude=filler "$repo" "$disk" && echo "as before"
    rm filler
    code=0; "$pipeline" pin --from "$report" >&2 || code=$?
    echo "room: $code"
    for file; do cat "$file"; done
"#;

#[tokio::test]
async fn a_full_disk_leaves_the_old_file() {
    let bench = Bench::new();
    project::runbook(&bench);
    let report = proposal::report(&bench, &proposal::plan(&bench).await, 1);
    let disk = bench.path("disk");
    std::fs::create_dir(&disk).unwrap();

    let command = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"])
        .arg(env!("CARGO_BIN_EXE_pipeline"))
        .args([&bench.repo(), &disk, &report])
        .args([file_of("lower"), file_of("upper")])
        .timeout(Duration::from_secs(60));
    let ran: Ran = bench.prepared(command).go().await;
    assert!(
        !ran.stderr.contains("unshare: ") && !ran.stderr.contains("mount: "),
        "{}\nhint: this test mounts a small disk in namespaces of its own; run it as root, or let \
         users make namespaces: sysctl -w kernel.unprivileged_userns_clone=1 \
         kernel.apparmor_restrict_unprivileged_userns=0",
        ran.stderr
    );
    let ran = ran.ok().says(&["No space left on device"]);
    let pinned: String = ["lower", "upper"]
        .iter()
        .map(|name| {
            let image = format!("ghcr.io/acme/models/text-{name}@{}", proposal::digest(1));
            project::entry(name, &image)
        })
        .collect();
    let expected = format!("full: 12\nas before\nroom: 0\n{pinned}");
    assert_eq!(ran.stdout, expected, "{}", ran.stderr);
}
