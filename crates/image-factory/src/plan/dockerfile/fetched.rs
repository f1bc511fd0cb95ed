//! What `ADD` fetches from elsewhere (docs.docker.com/reference/dockerfile, "ADD").

/// Whether another build may fetch something else: anything but a commit. What is given by a variable
/// may be fetched, too.
pub(super) fn may_change(source: &str) -> bool {
    match source.split_once('#') {
        _ if source.starts_with('$') => true,
        Some((place, wanted)) if is_git(place) => {
            let commit = wanted.split(':').next().unwrap_or_default();
            let hex = commit.bytes().all(|b| b.is_ascii_hexdigit());
            !(hex && matches!(commit.len(), 40 | 64))
        }
        _ => is_remote(source),
    }
}

fn is_git(place: &str) -> bool {
    is_remote(place) && (!place.starts_with("http") || place.ends_with(".git"))
}

fn is_remote(source: &str) -> bool {
    ["http://", "https://", "git://", "ssh://", "git@"]
        .iter()
        .any(|scheme| source.starts_with(scheme))
}
