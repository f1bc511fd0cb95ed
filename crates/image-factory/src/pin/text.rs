use std::fmt::Write;

use registry_model::PinnedImage;

use super::changes::{PinChange, PinChanges};

/// The message of the commit.
pub(super) const COMMIT_MESSAGE: &str = "ci: pin processor images (bot)";

/// The title of the pull request.
#[must_use]
pub fn title(changes: &PinChanges) -> String {
    match changes.changes.as_slice() {
        [one] => format!("Pin {}", one.name()),
        many => format!("Pin {} processor images", many.len()),
    }
}

/// The text of the pull request, in Markdown.
#[must_use]
pub fn body(changes: &PinChanges, base: &str) -> String {
    let mut body = format!(
        "These images are built from `{base}` and pushed. Merging this pins them; it changes \
         nothing that an image is built from.\n\n\
         | processor | image | why |\n| --- | --- | --- |\n"
    );
    for change in &changes.changes {
        // Writing to a string cannot fail.
        let _ = writeln!(
            body,
            "| `{}` | {} → `{}` | {} |",
            change.name(),
            old(change),
            shown(&change.new, change.old.as_ref()),
            change.why
        );
    }
    body
}

fn old(change: &PinChange) -> String {
    match &change.old {
        Some(image) => format!("`{}`", shown(image, Some(&change.new))),
        None => "pending".to_owned(),
    }
}

/// The short digest; with the repository, when that changes, too.
fn shown(image: &PinnedImage, other: Option<&PinnedImage>) -> String {
    match other {
        Some(other) if other.repository != image.repository => {
            format!("{}@{}", image.repository, image.digest.short())
        }
        _ => image.digest.short().to_owned(),
    }
}
