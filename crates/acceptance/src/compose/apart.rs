//! What a stack must not ask for: what another one on the same machine would have, too.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

const LONGEST: usize = 100;

/// What `docker compose config --format json` answers, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    services: BTreeMap<String, Service>,
    networks: Option<BTreeMap<String, Option<Resource>>>,
    volumes: Option<BTreeMap<String, Option<Resource>>>,
}

#[derive(Debug, Deserialize)]
struct Service {
    container_name: Option<String>,
    network_mode: Option<String>,
    ports: Option<Vec<Port>>,
}

#[derive(Debug, Deserialize)]
struct Port {
    host_ip: Option<String>,
    published: Option<Value>,
    target: Value,
    protocol: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resource {
    name: Option<String>,
    external: Option<Value>,
    ipam: Option<Ipam>,
}

#[derive(Debug, Deserialize)]
struct Ipam {
    config: Option<Vec<Subnet>>,
}

#[derive(Debug, Deserialize)]
struct Subnet {
    subnet: Option<String>,
}

impl Config {
    /// All that two stacks could not have at the same time, or not without seeing each other, each
    /// with what to write in its place. A name that the project is part of is of this stack alone.
    pub(super) fn faults(&self, project: &str) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, service) in &self.services {
            let of_service = service.faults(project);
            faults.extend(of_service.map(|fault| format!("service `{}` {fault}", shown(name))));
        }
        for (kind, resources) in [("network", &self.networks), ("volume", &self.volumes)] {
            for (name, resource) in resources.iter().flatten() {
                let Some(resource) = resource else { continue };
                let of_resource = resource.faults(project);
                faults.extend(of_resource.map(|fault| format!("{kind} `{}` {fault}", shown(name))));
            }
        }
        faults
    }
}

impl Service {
    fn faults(&self, project: &str) -> impl Iterator<Item = String> {
        let name = self.container_name.as_deref();
        let name = name.filter(|name| !name.contains(project)).map(|name| {
            let name = shown(name);
            format!("has the fixed `container_name: {name}`: leave that out")
        });
        // Of a service of the stack, it is the stack's own network all the same.
        let own = |mode: &&str| *mode != "none" && !mode.starts_with("service:");
        let mode = self.network_mode.as_deref().filter(own).map(|mode| {
            let mode = shown(mode);
            format!("has `network_mode: {mode}`: leave that out, for the stack's own network")
        });
        let ports = self.ports.iter().flatten().filter_map(Port::fault);
        name.into_iter().chain(mode).chain(ports)
    }
}

impl Port {
    fn fault(&self) -> Option<String> {
        let published = self.published.as_ref().map(text).unwrap_or_default();
        let is_chosen = matches!(published.as_str(), "" | "0");
        let host = self.host_ip.as_deref().unwrap_or_default();
        let is_loopback = host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
        if is_chosen && is_loopback {
            return None;
        }
        let protocol = self.protocol.as_deref().filter(|it| *it != "tcp");
        let protocol = protocol.map(|it| format!("/{it}")).unwrap_or_default();
        let inside = format!("{}{protocol}", text(&self.target));
        let port = match (host, published.as_str()) {
            ("", "") => inside.clone(),
            ("", published) => format!("{published}:{inside}"),
            (host, published) if host.contains(':') => format!("[{host}]:{published}:{inside}"),
            (host, published) => format!("{host}:{published}:{inside}"),
        };
        let wrong = match (is_chosen, is_loopback) {
            (true, _) => "not on loopback",
            (false, true) => "a fixed port",
            (false, false) => "a fixed port, and not on loopback",
        };
        Some(format!(
            "publishes `{}`, {wrong}: write `127.0.0.1::{}`",
            shown(&port),
            shown(&inside)
        ))
    }
}

impl Resource {
    fn faults(&self, project: &str) -> impl Iterator<Item = String> {
        let external = match &self.external {
            None | Some(Value::Bool(false) | Value::Null) => None,
            Some(_) => Some("is `external`: leave that out, so that each stack has its own".into()),
        };
        let name = self.name.as_deref().filter(|_| external.is_none());
        let name = name.filter(|name| !name.contains(project)).map(|name| {
            let name = shown(name);
            format!("has the fixed `name: {name}`: leave that out")
        });
        let subnets = self
            .ipam
            .iter()
            .flat_map(|ipam| ipam.config.iter().flatten());
        let subnet = subnets.filter_map(|it| it.subnet.as_deref()).map(|subnet| {
            let subnet = shown(subnet);
            format!("has the fixed subnet {subnet}: leave `ipam` out")
        });
        let subnet: Vec<String> = subnet.collect();
        external.into_iter().chain(name).chain(subnet)
    }
}

/// Numbers come as such, or as text, depending on the version.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// In one line, whatever it is.
fn shown(text: &str) -> String {
    text.chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;

    const PROJECT: &str = "pipeline-accept-1";

    fn faults(config: Value) -> String {
        let config: Config = serde_json::from_value(config).unwrap();
        config.faults(PROJECT).join("\n")
    }

    #[test]
    fn what_is_a_stacks_own_is_right() {
        let chosen =
            json!({"mode": "ingress", "host_ip": "127.0.0.1", "target": 5432, "protocol": "tcp"});
        let config = json!({
            "services": {
                "a": {"ports": [
                    chosen,
                    {"host_ip": "127.0.0.2", "target": 1, "published": "0"},
                    {"host_ip": "::1", "target": 1, "published": ""},
                    {"host_ip": "127.0.0.1", "target": 1, "published": 0}]},
                "b": {"ports": null, "network_mode": "service:a"},
                "c": {"network_mode": "none", "container_name": "pipeline-accept-1-db"},
            },
            "networks": {"default": {"name": "pipeline-accept-1_default", "ipam": {}}, "x": null},
            "volumes": {"data": {"name": "pipeline-accept-1_data", "external": false}},
        });
        assert_eq!(faults(config), "");
        assert_eq!(faults(json!({})), "");
    }

    #[test]
    fn all_that_others_would_meet_is_told_with_the_cure() {
        let config = json!({
            "services": {
                "a": {"container_name": "db", "ports": [
                    {"target": 5432, "published": "5432", "protocol": "tcp"},
                    {"target": 53, "published": 5353, "protocol": "udp", "host_ip": "127.0.0.1"},
                    {"target": 80},
                    {"target": 81, "host_ip": "0.0.0.0", "published": "0"},
                    {"target": 82, "host_ip": "::", "published": "82"},
                    {"target": 83, "host_ip": "127.0.0.1", "published": "8000-8001"}]},
                "b": {"network_mode": "host"},
                "c": {"network_mode": "container:other\n::error::x"},
                "d": {"network_mode": "bridge"},
            },
            "networks": {
                "ext": {"name": "proxy", "external": true},
                "fixed": {"name": "backend", "ipam": {"config": [{"subnet": "10.9.0.0/24"}]}}},
            "volumes": {"data": {"name": "pgdata"}, "old": {"external": {"name": "x"}}},
        });
        assert_snapshot!(faults(config), @r"
        service `a` has the fixed `container_name: db`: leave that out
        service `a` publishes `5432:5432`, a fixed port, and not on loopback: write `127.0.0.1::5432`
        service `a` publishes `127.0.0.1:5353:53/udp`, a fixed port: write `127.0.0.1::53/udp`
        service `a` publishes `80`, not on loopback: write `127.0.0.1::80`
        service `a` publishes `0.0.0.0:0:81`, not on loopback: write `127.0.0.1::81`
        service `a` publishes `[::]:82:82`, a fixed port, and not on loopback: write `127.0.0.1::82`
        service `a` publishes `127.0.0.1:8000-8001:83`, a fixed port: write `127.0.0.1::83`
        service `b` has `network_mode: host`: leave that out, for the stack's own network
        service `c` has `network_mode: container:other\n::error::x`: leave that out, for the stack's own network
        service `d` has `network_mode: bridge`: leave that out, for the stack's own network
        network `ext` is `external`: leave that out, so that each stack has its own
        network `fixed` has the fixed `name: backend`: leave that out
        network `fixed` has the fixed subnet 10.9.0.0/24: leave `ipam` out
        volume `data` has the fixed `name: pgdata`: leave that out
        volume `old` is `external`: leave that out, so that each stack has its own
        ");
    }
}
