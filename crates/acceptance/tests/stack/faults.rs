//! Images that break their contract, by accident or on purpose.

use std::time::Duration;

use acceptance::{AcceptanceError, CaseReport, ErrorClass};
use process::Command;
use tokio_util::sync::CancellationToken;

use crate::processor::{Processor, cases, everything_left_of};
use crate::support::Repo;

/// What is told of a case: one line for each violation.
fn told(case: &CaseReport) -> String {
    let lines = case
        .violations
        .iter()
        .map(|it| format!("{:?}: {it}\n", it.code));
    lines.collect()
}

const FAULTS: &str = r#"
  limits: {seconds: 20, memory-mib: 64, pids: 24, output-mib: 2}
  cases:
    - {name: undeclared, inputs: {do: 'artifact a text/plain x; artifact b text/plain y'}, artifacts: {a: text/plain}}
    - {name: missing, inputs: {do: 'true'}, artifacts: {a: text/plain}}
    - {name: kind, inputs: {do: 'artifact a image/png hello'}, artifacts: {a: image/png}}
    - {name: escape, inputs: {do: 'ln -s /etc/passwd $out/a; mkfifo $out/b'}, artifacts: {a: text/plain}}
    - {name: through-a-link, inputs: {do: 'ln -s /tmp $out/d; echo x > $out/d/x; ln -s ../../bin/processor $out/e'}, artifacts: {d/x: text/plain, e: text/plain}}
    - {name: full, inputs: {do: 'dd if=/dev/zero of=$out/a bs=1k count=1500; dd if=/dev/zero of=$out/b bs=1k count=1500'}, artifacts: {}}
    - {name: holes, inputs: {do: 'dd if=/dev/zero of=$out/a bs=1 count=1 seek=900000000000'}, artifacts: {}}
    - {name: many-files, inputs: {do: 'i=0; while [ $i -lt 5000 ]; do echo > $out/$i; i=$((i+1)); done'}}
    - {name: forks, inputs: {do: 'while :; do sleep 100 & done'}}
    - {name: eats-memory, inputs: {do: 'x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done'}}
    - {name: floods, inputs: {do: 'yes'}}
    - {name: talks, inputs: {do: 'yes >&2'}}
    - {name: says-nothing, inputs: {do: 'exit 0'}}
    - {name: no-answer, inputs: {do: 'echo ::error::hello; exit 0'}}
    - {name: breaks, inputs: {do: 'echo one >&2; echo ::set-output name=x::y >&2; exit 3'}}
    - {name: other-digest, inputs: {do: 'digest=sha256:0000000000000000000000000000000000000000000000000000000000000000'}}
    - {name: other-inputs, inputs: {do: 'hash=0000000000000000000000000000000000000000000000000000000000000000'}}
    - {name: chance, inputs: {do: 'artifact a text/plain $(cat /proc/sys/kernel/random/uuid)'}, artifacts: {a: text/plain}}
    - {name: untold, inputs: {do: 'artifact a text/plain x; outputs='}, artifacts: {a: text/plain}}
    - {name: unexpected, inputs: {do: 'extra=,"n":1'}, expect: {/n: 2}}
    - {name: costs, inputs: {do: 'cost=3; sleep 2; artifact a text/plain xxxxxxxxxx'}, artifacts: {a: text/plain}, budget: {cost-units: 1, wall-seconds: 1, output-bytes: 5}}
    - {name: holds-memory, inputs: {do: 'x=$(dd if=/dev/zero bs=1M count=12 2>/dev/null | cat -A); sleep 1'}, budget: {memory-mib: 4}}
    - {name: good, inputs: {do: 'id >&2; [ $(id -u) = 65534 ] || status=error'}}
"#;

#[tokio::test]
async fn every_fault_is_told_and_nothing_is_left() {
    let processor = Processor::new().await;
    let repo = Repo::bare(None);
    let error = processor
        .accept(&repo, FAULTS, &CancellationToken::new())
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Failed);
    let AcceptanceError::Contract { report } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(everything_left_of(&report.project).await, [""; 0]);
    let all: String = cases(report)
        .iter()
        .map(|case| format!("{}\n{}", case.name, told(case)))
        .collect();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[0-9a-f]{64}", "HASH");
    settings.add_filter(r"got [0-9.]+ MiB\n", "got … MiB\n");
    settings.add_filter(r"got [0-9.]+ s\n", "got … s\n");
    settings.bind(|| {
        insta::assert_snapshot!(all, @r#"
        undeclared
        ArtifactUndeclared: `b`: undeclared entry: expected nothing, got a file
        missing
        ArtifactMissing: `a`: declared artifact: expected text/plain, got nothing
        kind
        ArtifactKind: `a`: content: expected image/png, got something else
        escape
        ArtifactNoFile: `a`: kind of entry: expected a file, got a link to `/etc/passwd`
        ArtifactNoFile: `b`: kind of entry: expected a file, got a pipe
        through-a-link
        ArtifactNoFile: `d`: kind of entry: expected a file, got a link to `/tmp`
        ArtifactNoFile: `e`: kind of entry: expected a file, got a link to `../../bin/processor`
        ArtifactMissing: `d/x`: declared artifact: expected text/plain, got nothing
        full
        OutputFull: folder for outputs: expected room left of 2 MiB, got none
        ArtifactUndeclared: `a`: undeclared entry: expected nothing, got a file
        ArtifactUndeclared: `b`: undeclared entry: expected nothing, got a file
        holes
        ArtifactUndeclared: `a`: undeclared entry: expected nothing, got a file
        many-files
        OutputFull: folder for outputs: expected room left of 2 MiB, got none
        ArtifactUndeclared: `0`: undeclared entry: expected nothing, got a file
        ArtifactUndeclared: `1`: undeclared entry: expected nothing, got a file
        ArtifactUndeclared: `10`: undeclared entry: expected nothing, got a file
        ArtifactUndeclared: `100`: undeclared entry: expected nothing, got a file
        ArtifactUndeclared: `1000`: undeclared entry: expected nothing, got a file
        ArtifactUndeclared: `1001`: undeclared entry: expected nothing, got a file
        ArtifactUndeclared: `1002`: undeclared entry: expected nothing, got a file
        ArtifactUndeclared: `1003`: undeclared entry: expected nothing, got a file
        ArtifactUndeclared: `1004`: undeclared entry: expected nothing, got a file
        ArtifactUndeclared: `1005`: undeclared entry: expected nothing, got a file
        ArtifactUndeclared: undeclared entries: expected none, got 4095 of them
        forks
        ExitCode: exit code: expected 0, got 2
        Answer: standard output: expected an answer as docs/acceptance.md has it, got nothing
        eats-memory
        Killed: end: expected an end within 64 MiB of memory, files included, got killed by signal 9, as the memory limit does
        floods
        Flood: text: expected at most 1048576 bytes of answer, 16777216 on standard error, got more, ended
        talks
        Flood: text: expected at most 1048576 bytes of answer, 16777216 on standard error, got more, ended
        says-nothing
        Answer: standard output: expected an answer as docs/acceptance.md has it, got nothing
        no-answer
        Answer: standard output: expected an answer as docs/acceptance.md has it, got `::error::hello `, which is no JSON: expected value at line 1 column 1
        breaks
        ExitCode: exit code: expected 0, got 3
        Answer: standard output: expected an answer as docs/acceptance.md has it, got nothing
        other-digest
        Receipt: `image_digest` of the receipt: expected `"sha256:HASH"`, got `"sha256:HASH"`
        other-inputs
        Receipt: `inputs_sha256` of the receipt: expected `"HASH"`, got `"HASH"`
        chance
        Nondeterministic: `a`: the second run: expected sha256 HASH, got sha256 HASH
        untold
        ArtifactTold: `a`: `/outputs` of the answer: expected an item for it, got none
        unexpected
        Expectation: `/n` of the answer: expected `2`, got `1`
        costs
        WallTime: wall time: expected at most 1 s, got … s
        OutputBytes: output: expected at most 5 bytes, got 10 bytes
        CostUnits: cost units: expected at most 1, got 3
        holds-memory
        PeakMemory: peak memory: expected at most 4 MiB, got … MiB
        good
        "#);
    });
    let breaks = cases(report)
        .iter()
        .find(|case| case.name.as_str() == "breaks")
        .unwrap();
    assert_eq!(breaks.log, ["| one", "| ::set-output name=x::y"]);
    let text = error.to_string();
    assert!(
        text.contains("code/x.yaml:7: text/x@1 undeclared: `b`: undeclared entry"),
        "{text}"
    );
}

/// Where a processor that tries every folder and every file can write.
#[tokio::test]
async fn nothing_can_be_written_but_outputs_and_what_is_thrown_away() {
    let processor = Processor::new().await;
    let repo = Repo::bare(None);
    std::fs::write(repo.path("code/given.txt"), "given\n").unwrap();
    let section = r#"
  limits: {memory-mib: 256, output-mib: 128}
  cases:
    - name: everywhere
      mode: real
      files: {in.txt: given.txt}
      inputs: {do: 'for at in $(busybox find / -path /proc -prune -o -path /sys -prune -o -type d -print | busybox sort); do (echo > $at/evil) 2>/dev/null && echo folder $at >&2; done; for at in $(busybox find / -path /proc -prune -o -path /sys -prune -o -name evil -prune -o ! -type d ! -type l -print | busybox sort); do (: >> $at) 2>/dev/null && echo file $at >&2; done; exit 9'}
    - name: fills-what-is-thrown-away
      mode: real
      inputs: {do: 'for at in /tmp /dev/shm; do dd if=/dev/zero of=$at/x bs=64k count=4096 && status=error; echo $at $(wc -c < $at/x) >&2; busybox rm $at/x; done; i=0; while [ $i -lt 5000 ]; do echo > /tmp/$i || break; i=$((i+1)); done; echo $i files >&2; exit 9'}
"#;
    let error = processor
        .accept(&repo, section, &CancellationToken::new())
        .await
        .unwrap_err();
    let report = error.report().unwrap();
    let cases = cases(report);
    insta::assert_snapshot!(cases[0].log.join("\n"), @r"
    | folder /dev/shm
    | folder /processor/out
    | folder /tmp
    | file /dev/full
    | file /dev/null
    | file /dev/pts/ptmx
    | file /dev/random
    | file /dev/urandom
    | file /dev/zero
    ");
    insta::assert_snapshot!(cases[1].log.join("\n"), @r"
    | dd: error writing '/tmp/x': No space left on device
    | 1025+0 records in
    | 1024+0 records out
    | /tmp 67108864
    | dd: error writing '/dev/shm/x': No space left on device
    | 257+0 records in
    | 256+0 records out
    | /dev/shm 16777216
    | /bin/processor: eval: line 27: can't create /tmp/4095: No space left on device
    | 4095 files
    ");
    assert_eq!(everything_left_of(&report.project).await, [""; 0]);
}

/// Some forks fail, and the others live until the one that started them ends or is ended.
#[tokio::test]
async fn of_what_forks_without_end_nothing_lives_on() {
    let processor = Processor::new().await;
    let repo = Repo::bare(None);
    // Seconds that no other program on this machine sleeps.
    let mark = 1_000_000_000 + u64::from(std::process::id());
    let bomb = format!("(while :; do sleep {mark} & done) & (while :; do sleep {mark} & done) &");
    let section = format!(
        "
  limits: {{seconds: 3, memory-mib: 64, pids: 24}}
  cases:
    - {{name: goes-on, inputs: {{do: '{bomb} while :; do :; done'}}}}
    - {{name: ends, inputs: {{do: '{bomb} while [ $(busybox ls /proc | busybox grep -c ^[0-9]) -lt 20 ]; do :; done; exit 5'}}}}
"
    );
    let cancel = CancellationToken::new();
    let many = async {
        while sleeping(mark) < 15 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let many = tokio::time::timeout(Duration::from_secs(60), many);
    let (ended, many) = tokio::join!(processor.accept(&repo, &section, &cancel), many);
    many.expect("there were many of them");
    assert_eq!(sleeping(mark), 0);
    let error = ended.unwrap_err();
    let report = error.report().unwrap();
    // The other one may end before it meets the limit.
    let goes_on = &cases(report)[0];
    let log = goes_on.log.join("\n");
    assert!(log.contains("can't fork"), "{log}");
    assert!(told(goes_on).starts_with("TimeLimit: "), "{report:?}");
    assert_eq!(everything_left_of(&report.project).await, [""; 0]);
}

/// How many processes of this machine, containers included, sleep for so many seconds.
fn sleeping(seconds: u64) -> usize {
    let wanted = format!("sleep\0{seconds}\0");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
    lines.filter(|line| line == wanted.as_bytes()).count()
}

#[tokio::test]
async fn what_never_ends_is_ended() {
    let processor = Processor::new().await;
    let repo = Repo::bare(None);
    let section = "  limits: {seconds: 2}\n  cases: [{name: hangs, inputs: {do: 'trap true TERM INT; while :; do sleep 1; done'}}]\n";
    let started = std::time::Instant::now();
    let error = processor
        .accept(&repo, section, &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(30));
    let report = error.report().unwrap();
    assert_eq!(
        told(&cases(report)[0]),
        "TimeLimit: end: expected an end within 2 s, got still running, ended\n"
    );
    assert_eq!(everything_left_of(&report.project).await, [""; 0]);
}

#[tokio::test]
async fn credentials_of_this_process_are_not_told() {
    const OWN: &str = "ACCEPTANCE_CONTRACT_TOKEN";
    if std::env::var_os(OWN).is_none() {
        // Only a new process can have another environment: run this test once more in one.
        let again = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "faults::credentials_of_this_process_are_not_told",
            ])
            .env(OWN, "hunter-2222-hunter")
            .run(&CancellationToken::new())
            .await
            .unwrap();
        assert!(again.stdout_text().contains("1 passed"), "{again:?}");
        return;
    }
    let processor = Processor::new().await;
    let repo = Repo::bare(None);
    // An image that has it from its own build.
    let section = "  cases: [{name: prints, inputs: {do: 'echo hunter-2222-hunter >&2; echo hunter-2222-hunter; echo > $out/hunter-2222-hunter; [ -z $ACCEPTANCE_CONTRACT_TOKEN ] && exit 7'}}]\n";
    let error = processor
        .accept(&repo, section, &CancellationToken::new())
        .await
        .unwrap_err();
    let report = serde_json::to_string(error.report().unwrap()).unwrap();
    let shown = format!("{error} {report}");
    assert!(!shown.contains("hunter-2222"), "{shown}");
    assert!(shown.contains("***") && shown.contains("got 7"), "{shown}");
}
