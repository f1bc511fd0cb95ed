use github::{GithubError, Repo, RepoName};
use rehearsal::github::{EmbeddedGithub, EmbeddedGithubError, EmbeddedGithubOptions};
use tokio_util::sync::CancellationToken;

use crate::recorder::Recorder;
use crate::support::*;

#[tokio::test]
async fn a_token_is_needed_when_one_is_set() {
    let world = World::with_token("ghs_right").await;
    world.head("dev").await;
    for (token, words) in [
        (None, "Requires authentication"),
        (Some("ghs_wrong"), "Bad credentials"),
    ] {
        let options = client_options(&world.recorder.url, &world.name, token);
        let error = Repo::new(options)
            .unwrap()
            .branch_head("dev")
            .await
            .unwrap_err();
        assert!(matches!(error, GithubError::Unauthorized { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error:?}").contains("ghs_"));
    }
}

#[tokio::test]
async fn the_address_of_an_enterprise_server_works() {
    let world = World::new().await;
    let mut options = client_options(&world.recorder.url, &world.name, None);
    options.api_url.push_str("/api/v3");
    let repo = Repo::new(options).unwrap();
    assert_eq!(
        repo.branch_head("dev").await.unwrap(),
        Some(world.head("dev").await)
    );
}

#[tokio::test]
async fn a_shallow_clone_a_detached_head_and_uncommitted_work_can_be_copied() {
    let source = working_repository().await;
    write(source.path(), "README.md", b"second\n");
    git(source.path(), &["commit", "--quiet", "-a", "-m", "second"]).await;
    let shallow = tempfile::tempdir().unwrap();
    let url = format!("file://{}", source.path().display());
    let to = shallow.path().join("clone");
    git(
        shallow.path(),
        &["clone", "--quiet", "--depth=1", &url, to.to_str().unwrap()],
    )
    .await;
    git(&to, &["checkout", "--quiet", "--detach"]).await;
    write(&to, "README.md", b"not committed\n");
    let status = git(&to, &["status", "--porcelain"]).await;

    let cancel = CancellationToken::new();
    let server = EmbeddedGithub::start(EmbeddedGithubOptions::default(), &cancel)
        .await
        .unwrap();
    let name: RepoName = "Acme/Shallow".parse().unwrap();
    server
        .create_repository(&name, "dev", Some(&to), &cancel)
        .await
        .unwrap();
    let recorder = Recorder::start(server.api_url(), None).await;
    let repo = Repo::new(client_options(
        &recorder.url,
        &"acme/shallow".parse().unwrap(),
        None,
    ))
    .unwrap();
    let head = git(&to, &["rev-parse", "HEAD"]).await;
    assert_eq!(
        repo.branch_head("dev").await.unwrap().unwrap().as_str(),
        head
    );
    assert_eq!(
        repo.read_file("dev", "README.md").await.unwrap().unwrap(),
        b"second\n"
    );
    commit(&repo, "dev", "x", &[("a", b"1")]).await.unwrap();
    assert_eq!(
        git(&to, &["status", "--porcelain"]).await,
        status,
        "the source is untouched"
    );

    let again = server.create_repository(&name, "dev", None, &cancel).await;
    assert!(
        matches!(again, Err(EmbeddedGithubError::Exists { .. })),
        "{again:?}"
    );
    let empty = tempfile::tempdir().unwrap();
    git(empty.path(), &["init", "--quiet"]).await;
    let name: RepoName = "acme/e".parse().unwrap();
    let error = server
        .create_repository(&name, "dev", Some(empty.path()), &cancel)
        .await;
    assert!(
        matches!(error, Err(EmbeddedGithubError::Empty { .. })),
        "{error:?}"
    );
    let error = server.create_repository(&name, "a..b", None, &cancel).await;
    assert!(
        matches!(error, Err(EmbeddedGithubError::BadBranch { .. })),
        "{error:?}"
    );
    assert!(
        !server.git_dir(&name).exists(),
        "a failed repository leaves no folder"
    );
}

#[tokio::test]
async fn nothing_is_left_when_the_server_goes() {
    for orderly in [true, false] {
        let world = World::new().await;
        let (folder, address) = (world.bare(), world.server.address());
        assert!(folder.join("HEAD").is_file());
        if orderly {
            world.server.stop().await;
        } else {
            drop(world.server);
            tokio::task::yield_now().await;
        }
        assert!(!folder.exists());
        let refused = async || tokio::net::TcpStream::connect(address).await.is_err();
        for _ in 0..100 {
            if refused().await {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(refused().await, "the port is still served");
    }
}
