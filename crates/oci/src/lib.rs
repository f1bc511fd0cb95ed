//! OCI registry client with retry and credentials
