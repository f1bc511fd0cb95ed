//! One issue on GitHub about what is not as git has it.

use github::{Issue, NewIssue, Repo};
use modal_deploy::audit::{AuditReport, EnvironmentAudit};

use super::super::summary::{code, escape};
use super::{hints, live, name, pinned};
use crate::ui::Failure;

const LABEL: &str = "pipeline-drift";
const TITLE: &str = "What runs is not what is pinned";
const DOUBLE: &str = "<!-- pipeline-drift-double -->";
const CLEAN: &str = "<!-- pipeline-drift-clean -->";

/// GitHub takes 65,536 characters, and nobody reads more rows.
const ROWS: usize = 100;
const LONGEST_WHY: usize = 200;

/// Opens, brings up to date or closes the issue, and says what was done. Only issues that the
/// token's own account opened count, as everybody may write what ours begin with.
pub(super) async fn keep(repo: &Repo, report: &AuditReport) -> Result<String, Failure> {
    let me = repo.viewer().await?;
    let marker = marker(report);
    let is_ours = &|issue: &Issue| issue.author == me && issue.body.starts_with(&marker);
    if report.drift() > 0 {
        let issue = NewIssue {
            title: TITLE.to_owned(),
            body: body(&marker, report),
            label: LABEL.to_owned(),
        };
        let (opened, new) = repo.open_issue_once(&issue, is_ours).await?;
        let there = only(repo, opened.clone(), is_ours).await?;
        if new && there.number == opened.number {
            return Ok(format!("issue #{} opened\n", there.number));
        }
        if plain(&there.body) == plain(&issue.body) && there.title == TITLE {
            return Ok(format!("issue #{} says so already\n", there.number));
        }
        repo.rewrite_issue(there.number, TITLE, &issue.body).await?;
        return Ok(format!("issue #{} brought up to date\n", there.number));
    }
    let mut closed = Vec::new();
    for issue in repo
        .open_issues(LABEL)
        .await?
        .iter()
        .filter(|one| is_ours(one))
    {
        let words = format!("{CLEAN}\nEverything is as git has it again.");
        repo.comment_on_issue_once(issue.number, CLEAN, &words)
            .await?;
        repo.close_issue(issue.number).await?;
        closed.push(format!("#{}", issue.number));
    }
    Ok(match closed.is_empty() {
        true => "no issue is open\n".to_owned(),
        false => format!("issue {} closed\n", closed.join(", ")),
    })
}

/// Closes all of our issues but the oldest: two audits at once may each have found none, and then
/// opened one. Returns that which stays.
async fn only(
    repo: &Repo,
    opened: Issue,
    is_ours: impl Fn(&Issue) -> bool,
) -> Result<Issue, Failure> {
    let mut ours = repo.open_issues(LABEL).await?;
    ours.retain(is_ours);
    // GitHub may not list yet what was opened just now.
    ours.push(opened);
    ours.sort_by_key(|issue| issue.number);
    ours.dedup_by_key(|issue| issue.number);
    let oldest = ours.remove(0);
    for double in ours {
        let words = format!("{DOUBLE}\nThis is in #{} already.", oldest.number);
        repo.comment_on_issue_once(double.number, DOUBLE, &words)
            .await?;
        repo.close_issue(double.number).await?;
    }
    Ok(oldest)
}

/// An audit of other environments has an issue of its own.
fn marker(report: &AuditReport) -> String {
    let names = report.environments.iter();
    let names: Vec<&str> = names.map(|one| one.environment.as_str()).collect();
    format!("<!-- pipeline-drift: {} -->", names.join(","))
}

/// A text as it was before GitHub stored it.
fn plain(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end().to_owned()
}

/// Says nothing that changes while the drift stays the same.
fn body(marker: &str, report: &AuditReport) -> String {
    let mut rows: Vec<String> = report.environments.iter().flat_map(rows).collect();
    let more = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    let mut text = format!(
        "{marker}\n`pipeline audit` compares what each branch pins with what Modal runs. This is \
         not as git has it:\n\n| environment | what | is | pinned | live | why |\n\
         | --- | --- | --- | --- | --- | --- |\n{}",
        rows.concat()
    );
    if more > 0 {
        text.push_str(&format!("\n… and {more} more\n"));
    }
    for hint in hints(report) {
        text.push_str(&format!("\n* {hint}"));
    }
    text.push_str("\n\nThis issue is closed when all is well.\n");
    text
}

fn rows(one: &EnvironmentAudit) -> Vec<String> {
    let environment = code(one.environment.as_str());
    let apps = one.apps.iter().filter(|app| app.standing.is_drift());
    let apps = apps.map(|app| {
        let why: String = app.why.chars().take(LONGEST_WHY).collect();
        format!(
            "| {environment} | {} | {} | {} | {} | {} |\n",
            code(&name(app)),
            app.standing,
            code(&pinned(app)),
            code(&live(app)),
            escape(&why)
        )
    });
    let secrets = one.missing_secrets.iter().map(|secret| {
        let by: Vec<String> = secret.by.iter().map(ToString::to_string).collect();
        let by: String = by.join(", ").chars().take(LONGEST_WHY).collect();
        let name = code(&secret.name);
        format!(
            "| {environment} | secret {name} | missing | | | {} |\n",
            escape(&by)
        )
    });
    apps.chain(secrets).collect()
}

#[cfg(test)]
mod tests {
    use modal_deploy::audit::{AppAudit, LiveVersion, MissingSecret, Standing};

    use super::*;

    #[test]
    fn hostile_text_stays_in_its_cell() {
        let report = AuditReport {
            schema: 1,
            environments: vec![EnvironmentAudit {
                environment: "dev".parse().unwrap(),
                apps: vec![AppAudit {
                    reference: None,
                    app: "a`|\n<img src=x>".into(),
                    standing: Standing::Extra,
                    pinned: None,
                    live: Some(LiveVersion {
                        version: Some(2),
                        digest: None,
                        at: None,
                        by: None,
                    }),
                    held: None,
                    why: "version 2 by @ann | <!-- x --> [a](http://x) is live".into(),
                }],
                missing_secrets: vec![MissingSecret {
                    name: "KEY".into(),
                    by: vec!["text/upper@1".parse().unwrap()],
                }],
                orphans: vec!["LEFT".into()],
                others: Vec::new(),
                recorded: true,
            }],
        };
        let text = body(&marker(&report), &report);
        insta::assert_snapshot!(text, @r"
        <!-- pipeline-drift: dev -->
        `pipeline audit` compares what each branch pins with what Modal runs. This is not as git has it:

        | environment | what | is | pinned | live | why |
        | --- | --- | --- | --- | --- | --- |
        | `dev` | `` a`¦ <img src=x> `` | extra | `nothing` | `v2` | version 2 by &#64;ann \| &lt;\!-- x --> \[a\](http://x) is live |
        | `dev` | secret `KEY` | missing | | | text/upper&#64;1 |

        * `pipeline deploy --env NAME` brings back what is pinned
        * what is extra, and no other repository's, goes with `modal app stop APP --env NAME`

        This issue is closed when all is well.
        ");
    }
}
