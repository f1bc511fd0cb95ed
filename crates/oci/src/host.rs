use std::net::IpAddr;

/// `http` for the hosts that Docker also takes as insecure by itself (loopback addresses,
/// `localhost`) and for those in `insecure`, given with or without their port; else `https`.
///
/// Source: Docker's `registry.loadInsecureRegistries`, which always adds 127.0.0.0/8 and ::1/128.
pub(crate) fn scheme(host: &str, insecure: &[String]) -> &'static str {
    let name = without_port(host);
    let loopback = name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        || name == "localhost"
        || name.ends_with(".localhost");
    if loopback || insecure.iter().any(|known| known == host || known == name) {
        "http"
    } else {
        "https"
    }
}

/// The host that answers the API: it is another one for Docker Hub alone.
pub(crate) fn api_host(host: &str) -> &str {
    match host {
        "docker.io" | "index.docker.io" => "registry-1.docker.io",
        host => host,
    }
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_for_this_machine_and_for_listed_hosts() {
        let insecure = ["registry.lan:5000".to_owned(), "cache.lan".to_owned()];
        for (host, expected) in [
            ("127.0.0.1:5000", "http"),
            ("127.3.2.1", "http"),
            ("localhost", "http"),
            ("localhost:80", "http"),
            ("[::1]:5000", "http"),
            ("registry.lan:5000", "http"),
            ("registry.lan:5001", "https"),
            ("cache.lan:1", "http"),
            ("128.0.0.1:5000", "https"),
            ("ghcr.io", "https"),
            ("127.0.0.1.example.com", "https"),
            ("localhost.example.com", "https"),
        ] {
            assert_eq!(scheme(host, &insecure), expected, "{host}");
        }
    }
}
