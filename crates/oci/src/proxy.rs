use reqwest::{NoProxy, Proxy};

/// This machine is never asked through a proxy; Go programs, Docker among them, hold to that too
/// (`httpproxy.Config.ProxyFunc`).
const DIRECT: &str = "localhost,127.0.0.0/8,::1";

/// The proxy settings of the environment.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    pub(crate) http: Option<String>,
    pub(crate) https: Option<String>,
    pub(crate) except: String,
}

impl Proxies {
    pub(crate) fn from_env(env: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&str; 4]| {
            let mut found = names.into_iter().filter_map(&env);
            found.find(|value| !value.is_empty())
        };
        let except = first(["no_proxy", "NO_PROXY", "", ""]);
        Self {
            http: first(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            https: first(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            except: match except {
                Some(except) => format!("{except},{DIRECT}"),
                None => DIRECT.to_owned(),
            },
        }
    }

    /// For a client that takes none from the environment by itself.
    pub(crate) fn checked(&self) -> Result<Vec<Proxy>, reqwest::Error> {
        let except = NoProxy::from_string(&self.except);
        let http = self.http.as_ref().map(Proxy::http);
        let https = self.https.as_ref().map(Proxy::https);
        let given = [http, https].into_iter().flatten();
        given
            .map(|proxy| Ok(proxy?.no_proxy(except.clone())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_either_case_and_keeps_this_machine_out() {
        let proxies = Proxies::from_env(|name| match name {
            "HTTPS_PROXY" => Some("http://proxy:3128".to_owned()),
            "http_proxy" => Some(String::new()),
            "NO_PROXY" => Some("lan".to_owned()),
            _ => None,
        });
        assert_eq!(proxies.https.as_deref(), Some("http://proxy:3128"));
        assert_eq!(proxies.http, None);
        assert_eq!(proxies.except, "lan,localhost,127.0.0.0/8,::1");
    }
}
