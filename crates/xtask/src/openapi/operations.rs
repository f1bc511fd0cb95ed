/// The operations of GitHub's API that this project calls or serves, named as GitHub's description
/// names them, sorted.
pub(super) const USED: &[&str] = &[
    "DELETE /repos/{owner}/{repo}/git/refs/{ref}",
    "GET /repos/{owner}/{repo}",
    "GET /repos/{owner}/{repo}/commits/{ref}",
    "GET /repos/{owner}/{repo}/commits/{ref}/status",
    "GET /repos/{owner}/{repo}/compare/{basehead}",
    "GET /repos/{owner}/{repo}/contents/{path}",
    "GET /repos/{owner}/{repo}/git/blobs/{file_sha}",
    "GET /repos/{owner}/{repo}/git/commits/{commit_sha}",
    "GET /repos/{owner}/{repo}/git/matching-refs/{ref}",
    "GET /repos/{owner}/{repo}/git/ref/{ref}",
    "GET /repos/{owner}/{repo}/git/trees/{tree_sha}",
    "GET /repos/{owner}/{repo}/issues",
    "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "GET /repos/{owner}/{repo}/pulls",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}",
    "PATCH /repos/{owner}/{repo}/git/refs/{ref}",
    "PATCH /repos/{owner}/{repo}/issues/{issue_number}",
    "PATCH /repos/{owner}/{repo}/pulls/{pull_number}",
    "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches",
    "POST /repos/{owner}/{repo}/git/blobs",
    "POST /repos/{owner}/{repo}/git/commits",
    "POST /repos/{owner}/{repo}/git/refs",
    "POST /repos/{owner}/{repo}/git/trees",
    "POST /repos/{owner}/{repo}/issues",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/labels",
    "POST /repos/{owner}/{repo}/pulls",
    "POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers",
    "POST /repos/{owner}/{repo}/statuses/{sha}",
    "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn beside_this_crate(path: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    #[test]
    fn the_part_in_the_repository_has_just_these() {
        let text = beside_this_crate("rehearsal/tests/openapi/github.json");
        let part: serde_json::Value = serde_json::from_str(&text).unwrap();
        let found: Vec<&String> = part["operations"].as_object().unwrap().keys().collect();
        assert_eq!(found, USED, "run `cargo xtask openapi`");
    }

    /// The parts of a path; what stands for a value is empty.
    fn shape(path: &str) -> Vec<&str> {
        let path = path.split('?').next().unwrap_or_default();
        let parts = path.split('/').map(|part| match part.split_once('{') {
            // `heads/{}` of the client is one value, `{ref}`, to GitHub.
            Some(_) => "",
            None if part == "heads" => "",
            None => part,
        });
        let mut parts: Vec<&str> = parts.collect();
        parts.dedup_by(|b, a| a.is_empty() && b.is_empty());
        parts
    }

    #[test]
    fn they_have_every_path_that_the_client_asks_for() {
        let prefix = "/repos/{owner}/{repo}";
        let known: BTreeSet<Vec<&str>> = USED
            .iter()
            .filter_map(|operation| operation.split_once(prefix))
            .map(|(_, rest)| shape(rest))
            .collect();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../github/src");
        let mut asked = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for call in code.split("self.path(").skip(1) {
                let Some(literal) = call.split('"').nth(1) else {
                    continue;
                };
                asked += 1;
                assert!(
                    known.contains(&shape(literal)),
                    "{literal:?} is not in the list"
                );
            }
        }
        assert!(asked > 10, "only {asked} calls found");
    }
}
