//! What must be built and why, building and pushing with BuildKit, and pinning digests
