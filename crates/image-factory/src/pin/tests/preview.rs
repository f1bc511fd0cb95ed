use super::*;

/// What the forge is asked for that changes it.
const WRITES: [&str; 14] = [
    "create_branch",
    "replace_branch",
    "delete_branch_at",
    "create_commit",
    "open",
    "update",
    "close",
    "reopen",
    "comment_once",
    "add_labels",
    "request_reviewers",
    "auto_merge",
    "dispatch",
    "set_status",
];

impl World {
    /// A preview, which must have written nothing.
    async fn try_preview(
        &self,
        digit: char,
        options: &ProposeOptions,
    ) -> Result<PinReport, FactoryError> {
        let writes = || {
            let state = self.forge.state();
            WRITES.map(|name| state.calls.get(name).copied().unwrap_or_default())
        };
        let before = writes();
        let cancel = CancellationToken::new();
        let done = preview(&self.forge, &self.changes(digit), options, &cancel).await;
        assert_eq!(writes(), before);
        done
    }

    /// A preview, and then the proposal, which must do what the preview says.
    async fn both(&self, digit: char, options: &ProposeOptions) -> (PinReport, PinReport) {
        let said = self.try_preview(digit, options).await.unwrap();
        let branches = self.forge.state().bot_branches();
        let mut done = self.ok(digit, options).await;
        // What was started was not started before.
        let started = |notice: &String| notice.starts_with("workflow `");
        done.notices.retain(|notice| !started(notice));
        assert_eq!(
            (said.action, &said.changes, &said.closed, &said.notices),
            (done.action, &done.changes, &done.closed, &done.notices)
        );
        let now = self.forge.state().bot_branches();
        let gone = branches.into_iter().filter(|one| !now.contains(one));
        let gone: Vec<String> = gone.collect();
        assert_eq!(said.preview.as_ref().unwrap().deleted_branches, gone);
        (said, done)
    }
}

fn full(id: &str) -> ProposeOptions {
    ProposeOptions {
        labels: vec!["pins".into()],
        reviewers: vec!["ann".into()],
        team_reviewers: vec!["core".into()],
        auto_merge: Some(github::MergeMethod::Squash),
        draft: true,
        dispatch: Some(Dispatch {
            workflow: "acceptance.yaml".into(),
            context: "acceptance".into(),
        }),
        ..ProposeOptions::new(id)
    }
}

#[tokio::test]
async fn a_request_that_would_be_opened_is_shown_as_it_would_be() {
    for bot in ["pins[bot]", "ann", "github-actions[bot]"] {
        let world = World::new();
        world.forge.state().bot = bot.into();
        let (said, done) = world.both(NEW, &full("1")).await;
        assert_eq!(said.action, PinAction::Created);
        assert_eq!((said.commit, said.pull_request), (None, None));
        let preview = said.preview.unwrap();
        let state = world.forge.state();
        let opened = &state.pulls[0].details;
        assert_eq!(preview.branch, Some(done.pull_request.unwrap().head));
        assert_eq!(preview.title.as_ref(), Some(&opened.title));
        assert_eq!(preview.body.as_ref(), Some(&opened.body));
        assert_eq!(preview.labels, opened.labels);
        assert_eq!(
            (preview.reviewers, preview.team_reviewers),
            (vec!["ann".into()], vec!["core".into()])
        );
        assert_eq!(preview.auto_merge, Some(github::MergeMethod::Squash));
        assert_eq!(preview.workflow.as_deref(), Some("acceptance.yaml"));
        assert!(preview.draft);
    }
}

#[tokio::test]
async fn what_would_be_closed_and_deleted_is_named() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let (said, _) = world.both(NEWER, &ProposeOptions::new("2")).await;
    assert_eq!((said.action, said.closed), (PinAction::Created, vec![1]));
    assert_eq!(said.preview.unwrap().deleted_branches, ["bot/pin-1"]);

    // Pins that came to the base branch by other means leave a request empty.
    let files = world.forge.state().files("bot/pin-2").clone();
    let texts = files
        .into_iter()
        .map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap()));
    let texts: Vec<(String, String)> = texts.collect();
    let texts = texts
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()));
    let texts: Vec<(&str, &str)> = texts.collect();
    world.forge.push("dev", "ann", &texts);
    let (said, _) = world.both(NEWER, &ProposeOptions::new("3")).await;
    assert_eq!((said.action, said.closed), (PinAction::Nothing, vec![2]));
    let preview = said.preview.unwrap();
    assert_eq!((preview.title, preview.body), (None, None));
    assert_eq!(preview.deleted_branches, ["bot/pin-2"]);
}

#[tokio::test]
async fn a_request_that_would_be_updated_is_named_as_it_is() {
    let world = World::new();
    let mut options = full("1");
    options.branch = "pins".into();
    world.ok(NEW, &options).await;
    let before = world.forge.state().pulls[0].details.clone();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let (said, _) = world.both(NEWER, &options).await;
    assert_eq!(said.action, PinAction::Updated);
    assert_eq!(said.pull_request, Some(before.request));
    let preview = said.preview.unwrap();
    assert!(preview.body.unwrap().contains("cccccccccccc"));
    assert!(preview.labels.is_empty(), "it has them");
    assert!(preview.reviewers.is_empty(), "they were asked");
}

#[tokio::test]
async fn where_nothing_would_be_written_it_says_why() {
    let world = World::new();
    world.ok(NEW, &ProposeOptions::new("1")).await;
    let old = world.forge.state().branches["dev"].clone();
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let (said, done) = world.both(NEW, &ProposeOptions::new("2")).await;
    assert_eq!(said.action, PinAction::Unchanged);
    assert_eq!(said.pull_request, done.pull_request);
    let (said, _) = world.both(NEWER, &from("1", &old)).await;
    assert_eq!(said.action, PinAction::Superseded);
    world.forge.close(1);
    let (said, _) = world.both(NEW, &ProposeOptions::new("3")).await;
    assert_eq!(said.action, PinAction::Blocked);
    assert_eq!(said.preview.unwrap().title, None);
}

#[tokio::test]
async fn what_would_be_refused_is_refused_and_nobody_is_told() {
    let world = World::new();
    let mut options = ProposeOptions::new("1");
    options.branch = "pins".into();
    world.ok(NEW, &options).await;
    world.forge.push("pins", "ann", &[("README", "x")]);
    world.forge.push("dev", "ann", &[("code/x", "1")]);
    let error = world.try_preview(NEWER, &options).await.unwrap_err();
    insta::assert_snapshot!(error, @"write pins to pull request #1: it has commits of ann, which would be lost");
    options.takeover = true;
    let said = world.try_preview(NEWER, &options).await.unwrap();
    assert_eq!(said.action, PinAction::Updated);

    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = preview(&world.forge, &world.changes(NEW), &options, &cancel).await;
    assert!(error.unwrap_err().is_cancelled());
}
