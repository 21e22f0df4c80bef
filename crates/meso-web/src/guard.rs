//! Who may ask, under which name, and what browsers are told.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use meso_contract::pages;

use crate::WebState;
use crate::answer::ApiError;
use crate::request::quote;

/// What a page may load: its own files only, nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
    img-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The names under which this server may be asked.
///
/// A page elsewhere can point a name of its own at a loopback address and so read a server that
/// trusts whoever reaches it (DNS rebinding). Such a request still names the foreign host, so
/// only loopback names, the address the server is bound to, and names given on purpose pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts {
    names: Vec<String>,
}

impl AllowedHosts {
    /// The loopback names and the address itself. An address that stands for all interfaces adds
    /// nothing: name the hosts with [`AllowedHosts::with_name`].
    pub fn for_bind(bound: SocketAddr) -> AllowedHosts {
        let mut names = ["localhost", "127.0.0.1", "[::1]"]
            .map(str::to_owned)
            .to_vec();
        if !bound.ip().is_unspecified() {
            names.push(match bound.ip() {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            });
        }
        AllowedHosts { names }
    }

    /// Adds a name, without a port.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> AllowedHosts {
        self.names.push(name.to_ascii_lowercase());
        self
    }

    /// Whether a `Host` header names this server; the port does not matter.
    pub fn allows(&self, host: &str) -> bool {
        let name = match host.rfind(':') {
            Some(colon) if !host.ends_with(']') => &host[..colon],
            _ => host,
        };
        self.names.iter().any(|n| n.eq_ignore_ascii_case(name))
    }
}

/// Refuses foreign hosts and foreign origins, and adds the headers that every answer has.
pub(crate) async fn guard(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/");
    let mut response = match check(&state, request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    if api || !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    for (name, value) in pages::HEADERS {
        let name = HeaderName::from_static(name);
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn check(state: &WebState, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    let host = text(headers, &HOST);
    if !state.hosts().allows(host) {
        return Err(ApiError::HostNotAllowed { host: quote(host) });
    }
    if method.is_safe() {
        return Ok(());
    }
    // Programs send no origin; a browser always does with a request that changes something.
    match headers.get(ORIGIN) {
        None => Ok(()),
        Some(origin) => {
            let origin = origin.to_str().unwrap_or_default();
            let own = ["http://", "https://"]
                .iter()
                .filter_map(|scheme| origin.strip_prefix(scheme))
                .any(|name| name.eq_ignore_ascii_case(host));
            if own {
                Ok(())
            } else {
                Err(ApiError::OriginNotAllowed {
                    origin: quote(origin),
                })
            }
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_and_the_bound_address_are_allowed() {
        let hosts = AllowedHosts::for_bind("192.0.2.7:80".parse().unwrap());
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:1",
            "[::1]:9",
            "[::1]",
            "192.0.2.7",
        ] {
            assert!(hosts.allows(host), "{host}");
        }
    }

    #[test]
    fn any_other_name_is_refused() {
        let hosts = AllowedHosts::for_bind("0.0.0.0:80".parse().unwrap());
        for host in [
            "",
            "0.0.0.0",
            "attacker.example",
            "localhost.attacker.example",
            "::1",
            "127.0.0.2",
        ] {
            assert!(!hosts.allows(host), "{host}");
        }
    }
}
