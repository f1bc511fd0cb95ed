//! Proves pinned images on a compose stack before they are deployed
