use secrecy::ExposeSecret;

use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<ClientOptions, ModalError> {
    ClientOptions::from_lookup(|name| {
        let found = pairs.iter().find(|(key, _)| *key == name)?;
        Some(found.1.to_owned())
    })
}

/// With a home folder whose `.modal.toml` is `file`; the folder is shown as `~`.
fn with_file(file: &str, pairs: &[(&str, &str)]) -> Result<ClientOptions, String> {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".modal.toml"), file).unwrap();
    let folder = home.path().to_str().unwrap();
    let pairs: Vec<_> = pairs.iter().copied().chain([("HOME", folder)]).collect();
    read(&pairs).map_err(|error| {
        assert_eq!(error.class(), crate::ErrorClass::Input);
        assert!(error.hint().is_some(), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter22"), "{shown}");
        error.to_string().replace(folder, "~")
    })
}

#[test]
fn takes_the_first_server_and_trims_line_ends_of_tokens() {
    let options = read(&[
        ("MODAL_TOKEN_ID", "ak-1"),
        ("MODAL_TOKEN_SECRET", "as-1\n"),
        ("MODAL_SERVER_URL", "http://one:1 , http://two:2"),
    ])
    .unwrap();
    assert_eq!(options.server_url, "http://one:1");
    assert_eq!(options.token_secret.expose_secret(), "as-1");
    assert!(!format!("{options:?}").contains("as-1"));
}

#[test]
fn names_the_variable_that_is_missing() {
    let half = read(&[("MODAL_TOKEN_ID", "ak-1"), ("MODAL_TOKEN_SECRET", " ")]).unwrap_err();
    assert_eq!(
        half.to_string(),
        "read MODAL_TOKEN_SECRET: it is not set, but the other half of the token is"
    );
    assert!(half.hint().unwrap().contains("modal token new"));
    let none = read(&[("HOME", "/no/home")]).unwrap_err();
    assert_eq!(
        none.to_string(),
        "read MODAL_TOKEN_ID: it is not set, and there is no `/no/home/.modal.toml`"
    );
    let options = read(&[("MODAL_TOKEN_ID", "a"), ("MODAL_TOKEN_SECRET", "b")]).unwrap();
    assert_eq!(options.server_url, DEFAULT_SERVER_URL);
}

const TWO: &str = r#"
[work]
token_id = "ak-work"
token_secret = "as-work-hunter22"
server_url = "https://modal.work,https://second"
environment = "dev"

[home]
token_id = "ak-home"
token_secret = "as-home-hunter22"
active = true
"#;

#[test]
fn the_active_profile_is_taken_unless_another_is_named() {
    let home = with_file(TWO, &[]).unwrap();
    assert_eq!(home.token_id, "ak-home");
    assert_eq!(home.token_secret.expose_secret(), "as-home-hunter22");
    assert_eq!(home.server_url, DEFAULT_SERVER_URL);
    let work = with_file(TWO, &[("MODAL_PROFILE", "work")]).unwrap();
    assert_eq!(work.token_id, "ak-work");
    assert_eq!(work.server_url, "https://modal.work");
    assert!(!format!("{work:?}").contains("hunter22"));
}

#[test]
fn the_environment_wins_over_the_file_and_halves_of_tokens_do_not_mix() {
    let both = [
        ("MODAL_PROFILE", "work"),
        ("MODAL_TOKEN_ID", "ak-env"),
        ("MODAL_TOKEN_SECRET", "as-env"),
    ];
    let options = with_file(TWO, &both).unwrap();
    assert_eq!(options.token_id, "ak-env");
    assert_eq!(options.token_secret.expose_secret(), "as-env");
    assert_eq!(options.server_url, "https://modal.work");
    let error = with_file(TWO, &[("MODAL_TOKEN_SECRET", "as-hunter22")]).unwrap_err();
    assert!(error.starts_with("read MODAL_TOKEN_ID: "), "{error}");
}

#[test]
fn a_file_that_can_tell_nothing_new_is_not_read() {
    let all = [
        ("MODAL_TOKEN_ID", "ak-env"),
        ("MODAL_TOKEN_SECRET", "as-env"),
        ("MODAL_SERVER_URL", "http://127.0.0.1:1"),
    ];
    with_file("not TOML", &all).unwrap();
    with_file("not TOML", &all[..2]).unwrap_err();
}

#[test]
fn another_file_can_be_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "[default]\ntoken_id='ak-d'\ntoken_secret='as-d'\n",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let options = with_file("not TOML, not read", &[("MODAL_CONFIG_PATH", path)]).unwrap();
    assert_eq!(options.token_id, "ak-d");
}

#[test]
fn a_file_that_cannot_be_used_is_told_with_its_profile_and_without_tokens() {
    let error = |file: &str| with_file(file, &[]).unwrap_err();
    insta::assert_snapshot!(
        error("[a]\ntoken_id = 'ak'\ntoken_secret = as-hunter22\n"),
        @"read `~/.modal.toml`: line 3 is no TOML");
    insta::assert_snapshot!(
        error("token_secret = 'as-hunter22'\n"),
        @"read `~/.modal.toml`: `token_secret` stands outside of a profile, which begins with its name in brackets");
    insta::assert_snapshot!(
        error("[a]\n[b]\n"),
        @"read `~/.modal.toml`: none of its profiles is active");
    insta::assert_snapshot!(
        error("[a]\nactive = true\n[b]\nactive = true\n"),
        @"read `~/.modal.toml`: more than one of its profiles is active");
    insta::assert_snapshot!(
        error("[a]\nactive = true\ntoken_secret = [\"as-hunter22\"]\n"),
        @"read profile `a` of `~/.modal.toml`: `token_secret` is no text");
    insta::assert_snapshot!(
        error("[default]\ntoken_id = 'ak'\n"),
        @"read MODAL_TOKEN_SECRET: it is not set, and profile `default` of `~/.modal.toml` does not tell it");
    insta::assert_snapshot!(
        with_file(TWO, &[("MODAL_PROFILE", "elsewhere")]).unwrap_err(),
        @"read MODAL_TOKEN_ID: it is not set, and profile `elsewhere` of `~/.modal.toml` does not tell it");
    insta::assert_snapshot!(
        error(&format!("# {}", "x".repeat(1 << 20))),
        @"read `~/.modal.toml`: it is larger than 1048576 bytes");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let folder = with_file("", &[("MODAL_CONFIG_PATH", path)]).unwrap_err();
    assert!(folder.contains("directory"), "{folder}");
}
