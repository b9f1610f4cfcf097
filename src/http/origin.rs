//! Where a request comes from: the address of its client, and the page of a browser that makes it.
//!
//! The client's address is the peer's. Where the peer is a trusted proxy, it is the last address in `X-Forwarded-For` that is no trusted
//! proxy's, for whatever stands before that may be made up. A page of another origin may ask only where its origin is on the list, which is
//! empty by default: without the header that says so, a browser neither sends a document as JSON nor shows an answer to it. WebSockets know
//! no such rule, so an upgrade from a page of another origin is refused here. Whoever sends no `Origin` is no browser.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::config::Networks;

/// The client's address.
pub fn address(request: &Request, proxies: &Networks) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let mut address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip().to_canonical());
    let told = request.headers().get_all("x-forwarded-for").iter().rev();
    // By bytes: what a client has put before a proxy's word may be anything.
    for told in told.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')) {
        if !proxies.contain(address) {
            break;
        }
        // What a trusted proxy writes is an address; anything else is not its word.
        let Some(told) = str::from_utf8(told).ok().and_then(|told| read_address(told.trim())) else { break };
        address = told;
    }
    address
}

/// An address as proxies write it, with a port or without.
fn read_address(text: &str) -> Option<IpAddr> {
    let address = text.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// What a browser is told about a page.
pub enum Page {
    /// No browser asks, or a page of this very service.
    Own,
    /// A page that may.
    Listed(HeaderValue),
    /// A page that may not.
    Foreign,
}

impl Page {
    /// The page that a request comes from.
    pub fn of(headers: &HeaderMap, listed: &[String]) -> Self {
        let Some(origin) = headers.get(header::ORIGIN) else { return Self::Own };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        match origin.to_str() {
            Ok(text) if listed.iter().any(|listed| listed == text) => Self::Listed(origin.clone()),
            Ok(text) if host.is_some() && text.split_once("://").map(|(_, host)| host) == host => Self::Own,
            Ok(_) | Err(_) => Self::Foreign,
        }
    }

    /// The answer to what is settled by where it comes from alone: the question before a request, and an upgrade from elsewhere.
    pub fn settle(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        match self {
            Self::Listed(_)
                if request.method() == Method::OPTIONS
                    && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) =>
            {
                let allowed = [
                    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
                    (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, last-event-id, x-request-id"),
                    (header::ACCESS_CONTROL_MAX_AGE, "600"),
                ];
                Some((StatusCode::NO_CONTENT, allowed).into_response())
            }
            Self::Foreign if headers.contains_key(header::UPGRADE) => {
                Some((StatusCode::FORBIDDEN, "Pages of this origin open no sockets here.").into_response())
            }
            Self::Own | Self::Listed(_) | Self::Foreign => None,
        }
    }

    /// Says on an answer who may read it.
    pub fn mark(self, headers: &mut HeaderMap) {
        if let Self::Listed(origin) = self {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("retry-after, www-authenticate, x-request-id"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    fn from(peer: &str, told: &[&str]) -> String {
        let mut request = Request::new(Body::empty());
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        request.extensions_mut().insert(ConnectInfo(peer));
        for told in told {
            let told = HeaderValue::from_bytes(told.as_bytes()).unwrap();
            request.headers_mut().append("x-forwarded-for", told);
        }
        address(&request, &Networks::listed("10.0.0.0/8,::1").unwrap()).to_string()
    }

    #[test]
    fn a_proxy_is_believed_and_nobody_else() {
        assert_eq!(from("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(from("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(from("10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(from("::1", &["6.6.6.6, 203.0.113.9"]), "203.0.113.9", "what a client wrote itself comes first");
        assert_eq!(from("10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(from("10.0.0.1", &["203.0.113.9", "10.0.0.2"]), "203.0.113.9");
        assert_eq!(from("10.0.0.1", &["203.0.113.9:7000"]), "203.0.113.9");
        assert_eq!(from("::ffff:10.0.0.1", &["[2001:db8::1]:7"]), "2001:db8::1");
        assert_eq!(from("10.0.0.1", &["10.0.0.2, nonsense, 10.0.0.3"]), "10.0.0.3");
        assert_eq!(from("10.0.0.1", &["\u{e9}, 203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn a_page_is_our_own_listed_or_foreign() {
        let listed = ["https://shop.example".to_owned()];
        let page = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let headers: HeaderMap = pairs.collect();
            match Page::of(&headers, &listed) {
                Page::Own => "own",
                Page::Listed(_) => "listed",
                Page::Foreign => "foreign",
            }
        };
        assert_eq!(page(&[("host", "api.example")]), "own");
        assert_eq!(page(&[("host", "api.example"), ("origin", "https://api.example")]), "own");
        assert_eq!(page(&[("host", "api.example"), ("origin", "https://shop.example")]), "listed");
        for origin in ["http://shop.example", "https://api.example:8443", "https://api.example.evil", "null", ""] {
            assert_eq!(page(&[("host", "api.example"), ("origin", origin)]), "foreign", "{origin}");
        }
        assert_eq!(page(&[("origin", "https://api.example")]), "foreign");
    }
}
