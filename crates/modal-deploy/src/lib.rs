//! Modal client, secret sync, deploy and smoke
