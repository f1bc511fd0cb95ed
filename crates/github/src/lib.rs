//! The few GitHub API calls the pipeline needs
