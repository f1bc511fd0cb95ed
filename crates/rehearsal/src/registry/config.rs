use std::path::Path;

use serde_json::json;

/// The header by which we know our own registry from another program on the same port.
pub(super) const NAME_HEADER: &str = "X-Pipeline-Registry";

/// The configuration of the registry program. JSON is YAML, and quotes every path rightly.
///
/// Source: distribution, docs/configuration.md; the same in version 2.8 and 3.
pub(super) fn render(data: &Path, port: u16, name: &str) -> String {
    let config = json!({
        "version": 0.1,
        "log": { "level": "warn", "accesslog": { "disabled": false } },
        "storage": {
            "filesystem": { "rootdirectory": data },
            "delete": { "enabled": true },
            "cache": { "blobdescriptor": "inmemory" },
        },
        "http": {
            "addr": format!("127.0.0.1:{port}"),
            // Signs the state of running uploads; one is made up, with a warning, if none is given.
            "secret": name,
            "headers": { "X-Content-Type-Options": ["nosniff"], NAME_HEADER: [name] },
        },
    });
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_to_loopback_and_survives_odd_folders() {
        let text = render(Path::new("/tmp/a \"b\": #c"), 5001, "n");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["http"]["addr"], "127.0.0.1:5001");
        assert_eq!(
            read["storage"]["filesystem"]["rootdirectory"],
            "/tmp/a \"b\": #c"
        );
        assert_eq!(read["storage"]["delete"]["enabled"], true);
    }
}
