use std::collections::BTreeMap;

use serde_json::json;

use crate::call::Method;
use crate::names::{check_branch, encode};
use crate::{GithubError, Repo};

const WRITE: &str = "actions: write";

impl Repo {
    /// Starts the workflow in `.github/workflows/<file>` as it is on `branch`. This works with the
    /// token of a job, too, whose pushes start nothing. The workflow needs `on: workflow_dispatch`
    /// on the default branch and on this one.
    ///
    /// If an answer is lost, it may be started twice: GitHub does not tell which run was meant.
    ///
    /// # Errors
    /// [`GithubError::NotFound`] when there is no such workflow, [`GithubError::Rejected`] when it
    /// cannot be started this way.
    pub async fn dispatch_workflow(
        &self,
        file: &str,
        branch: &str,
        inputs: &BTreeMap<String, String>,
    ) -> Result<(), GithubError> {
        check_branch(branch)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_. ".contains(&b);
        let name = |extension| file.len() <= 200 && file.ends_with(extension);
        if !(file.bytes().all(plain) && (name(".yml") || name(".yaml"))) {
            return Err(GithubError::invalid(
                "workflow",
                file,
                "the name of a file in .github/workflows, as in acceptance.yaml",
            ));
        }
        let operation = self.operation(
            format_args!("start workflow `{file}` on `{branch}`"),
            format!("workflow `{file}` or branch `{branch}`"),
            WRITE,
        );
        let path = self.path(&format!("/actions/workflows/{}/dispatches", encode(file)));
        let body = json!({ "ref": branch, "inputs": inputs });
        // The answer is empty, or tells about the run since 2026.
        self.send_when_settled(&operation, Method::Post(body), &path)
            .await?
            .outcome
            .map(drop)
            .map_err(|refusal| refusal.into_error(&operation))
    }
}
