//! Requests that a web page of somebody else makes the browser of a user send to a server without keys.
//!
//! A page may send simple requests to any address, and a name that the page's owner controls may resolve to this
//! machine (DNS rebinding). Servers with keys need no such check: a key is never sent by the browser on its own.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use cupola_serving::access::AccessControl;

use crate::error::ApiError;
use crate::request::content_type;

/// Suffixes of names that nobody can register.
const PRIVATE_SUFFIXES: [&str; 6] = [".localhost", ".local", ".internal", ".lan", ".home.arpa", ".svc"];

/// Rules for requests of browsers at a server without keys.
#[derive(Clone)]
pub(crate) struct BrowserRules {
    access: Arc<AccessControl>,
    /// Address that the listener is bound to.
    address: IpAddr,
    /// Further names of the server.
    hosts: Arc<[String]>,
    /// Origins of pages that may send requests; `*` stands for all.
    origins: Arc<[String]>,
}

impl BrowserRules {
    pub fn new(access: Arc<AccessControl>, address: IpAddr, hosts: &[String], origins: &[String]) -> Self {
        let hosts = hosts.iter().map(|host| normal(host)).collect();
        Self { access, address: address.to_canonical(), hosts, origins: origins.into() }
    }

    /// Checks host, origin and content type.
    ///
    /// # Errors
    /// Status 403 for a foreign host or origin, 415 for a content type that pages may send without asking.
    pub fn check<B>(&self, request: &Request<B>) -> Result<(), ApiError> {
        if !self.access.is_open() {
            return Ok(());
        }
        let (headers, uri) = (request.headers(), request.uri());
        self.check_host(headers, uri)?;
        self.check_origin(headers, uri)?;
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        if safe { Ok(()) } else { check_type(headers) }
    }

    fn check_host(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
        let given = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or(""));
        for given in given.chain(uri.authority().map(Authority::as_str)) {
            let known = host_of(given).is_some_and(|host| self.is_own(&host) || is_private(&host));
            if !known {
                return Err(ApiError::foreign_host(given));
            }
        }
        Ok(())
    }

    fn check_origin(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
        let mut origins =
            headers.get_all(header::ORIGIN).iter().map(|value| value.to_str().unwrap_or("null"));
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let host = host.or(uri.authority().map(Authority::as_str)).unwrap_or_default();
        if let Some(origin) = origins.find(|origin| !self.is_allowed(origin, host)) {
            return Err(ApiError::foreign_origin(origin));
        }
        // A browser that leaves the origin out says at least that the page is another one.
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        let navigates = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
        let foreign = matches!(site, Some(b"cross-site" | b"same-site")) && !navigates;
        if foreign
            && !headers.contains_key(header::ORIGIN)
            && !self.origins.iter().any(|origin| origin == "*")
        {
            return Err(ApiError::foreign_origin("unknown"));
        }
        Ok(())
    }

    /// `true` for an origin of the list, of this machine, or the one that the request goes to.
    fn is_allowed(&self, origin: &str, host: &str) -> bool {
        if self.origins.iter().any(|allowed| allowed == "*" || allowed == origin) {
            return true;
        }
        let Some(authority) = origin.strip_prefix("http://").or(origin.strip_prefix("https://")) else {
            return false;
        };
        authority.eq_ignore_ascii_case(host) || host_of(authority).is_some_and(|name| self.is_own(&name))
    }

    /// `true` for `localhost`, the address of this server, and its further names.
    fn is_own(&self, host: &str) -> bool {
        if host == "localhost" || self.hosts.iter().any(|known| known == "*" || known == host) {
            return true;
        }
        let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() else { return false };
        let address = address.to_canonical();
        // A name that resolves to this machine is no number, so the number itself is safe where others reach it.
        address.is_loopback() || address == self.address || !self.address.is_loopback()
    }
}

/// Host of `HOST` or `HOST:PORT`, in lower case.
fn host_of(authority: &str) -> Option<String> {
    if authority.contains('@') {
        return None;
    }
    authority.parse::<Authority>().ok().map(|authority| normal(authority.host()))
}

/// Host in lower case, without the dot at the end.
fn normal(host: &str) -> String {
    host.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// `true` for names that only a local resolver knows: those without a dot, and those of private suffixes.
fn is_private(host: &str) -> bool {
    let bare = !host.is_empty() && !host.contains(['.', ':']);
    // Browsers read a plain number as an address.
    let number = host.starts_with(|letter: char| letter.is_ascii_digit());
    (bare && !number) || PRIVATE_SUFFIXES.iter().any(|suffix| host.ends_with(suffix))
}

/// Refuses content types that a page may send to other servers without a preflight request.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = content_type(headers).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let browser = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    // Pages cannot change the name of the browser, and those of all browsers begin like this. Curl and Python's
    // urllib declare a form whatever they send.
    let agent = headers.get(header::USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    let program = !agent.is_empty() && !agent.starts_with(b"Mozilla/") && !agent.starts_with(b"Opera/");
    let refused = match kind.as_str() {
        "" => browser,
        "text/plain" => true,
        "application/x-www-form-urlencoded" | "multipart/form-data" => browser || !program,
        _ => false,
    };
    if refused { Err(ApiError::simple_type(&kind)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use cupola_serving::access::KeyRing;

    use super::*;

    fn status(rules: &BrowserRules, method: Method, headers: &[(&'static str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri("/v1/models/a/predict");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        rules.check(&request.body(()).unwrap()).map_or_else(|error| error.status.as_u16(), |()| 200)
    }

    fn rules(address: Ipv4Addr, hosts: &[&str], origins: &[&str]) -> BrowserRules {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let access = Arc::new(AccessControl::new(KeyRing::open()));
        BrowserRules::new(access, address.into(), &owned(hosts), &owned(origins))
    }

    #[test]
    fn foreign_hosts_are_refused() {
        let local = rules(Ipv4Addr::LOCALHOST, &["Model.Example.com"], &[]);
        let open = rules(Ipv4Addr::UNSPECIFIED, &[], &[]);
        for (host, of_local, of_open) in [
            ("localhost:8080", 200, 200),
            ("LOCALHOST.", 200, 200),
            ("127.0.0.1:8080", 200, 200),
            ("[::1]:8080", 200, 200),
            ("model.example.com", 200, 403),
            ("cupola:8080", 200, 200),
            ("cupola.default.svc.cluster.local", 200, 200),
            ("10.0.0.7", 403, 200),
            ("evil.example", 403, 403),
            ("localhost.evil.example", 403, 403),
            ("127.0.0.1.evil.example:8080", 403, 403),
            ("localhost@evil.example", 403, 403),
            ("evil.example@localhost", 403, 403),
            ("2130706433", 403, 403),
            ("", 403, 403),
        ] {
            assert_eq!(status(&local, Method::GET, &[("host", host)]), of_local, "{host}");
            assert_eq!(status(&open, Method::GET, &[("host", host)]), of_open, "{host} of an open server");
        }
        assert_eq!(status(&local, Method::GET, &[]), 200, "HTTP/1.0");
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(status(&local, Method::GET, &two), 403);
    }

    #[test]
    fn foreign_origins_are_refused_unless_they_are_listed() {
        let host = ("host", "localhost:8080");
        for (origin, none, listed, all) in [
            ("http://localhost:8080", 200, 200, 200),
            ("http://localhost:3000", 200, 200, 200),
            ("http://127.0.0.1", 200, 200, 200),
            ("https://shop.example", 403, 200, 200),
            ("https://evil.example", 403, 403, 200),
            ("https://evil", 403, 403, 200),
            ("http://localhost.evil.example", 403, 403, 200),
            ("null", 403, 403, 200),
            ("file://", 403, 403, 200),
            ("", 403, 403, 200),
        ] {
            for (origins, expected) in [(&[][..], none), (&["https://shop.example"], listed), (&["*"], all)] {
                let rules = rules(Ipv4Addr::LOCALHOST, &[], origins);
                let found = status(&rules, Method::GET, &[host, ("origin", origin)]);
                assert_eq!(found, expected, "{origin} with {origins:?}");
            }
        }
        let rules = rules(Ipv4Addr::LOCALHOST, &[], &[]);
        let json = ("content-type", "application/json");
        assert_eq!(status(&rules, Method::POST, &[host, json, ("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(status(&rules, Method::POST, &[host, json, ("sec-fetch-site", "same-origin")]), 200);
        let link = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(status(&rules, Method::GET, &link), 200, "a link to the page");
        // The page of the server itself, under a name of the local network.
        assert_eq!(status(&rules, Method::GET, &[("host", "gpu1:80"), ("origin", "http://gpu1:80")]), 200);
    }

    #[test]
    fn content_types_of_simple_requests_are_refused() {
        let rules = rules(Ipv4Addr::LOCALHOST, &[], &[]);
        let form = "application/x-www-form-urlencoded";
        for (kind, agent, origin, expected) in [
            (None, None, None, 200),
            (None, Some("python-requests/2"), None, 200),
            (None, None, Some("http://localhost"), 415),
            (Some("application/json"), None, Some("http://localhost"), 200),
            (Some("application/octet-stream"), None, None, 200),
            (Some("text/csv"), None, None, 200),
            (Some("text/plain"), Some("curl/8"), None, 415),
            (Some("Text/Plain;charset=UTF-8"), None, None, 415),
            (Some("text/plain; application/json"), None, None, 415),
            (Some("multipart/form-data; boundary=a"), Some("curl/8"), None, 200),
            (Some("multipart/form-data; boundary=a"), Some("curl/8"), Some("http://localhost"), 415),
            (Some("multipart/form-data; boundary=a"), Some("Mozilla/5.0"), None, 415),
            (Some(form), Some("curl/8"), None, 200),
            (Some(form), Some("curl/8"), Some("http://localhost"), 415),
            (Some(form), Some("Mozilla/5.0"), None, 415),
            (Some(form), None, None, 415),
        ] {
            let mut headers = vec![("host", "localhost")];
            headers.extend(kind.map(|kind| ("content-type", kind)));
            headers.extend(agent.map(|agent| ("user-agent", agent)));
            headers.extend(origin.map(|origin| ("origin", origin)));
            assert_eq!(status(&rules, Method::POST, &headers), expected, "{headers:?}");
        }
    }
}
