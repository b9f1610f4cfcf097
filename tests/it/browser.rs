//! What a page in somebody's browser can and cannot do: which origins are answered, and what every answer says about itself.

use reqwest::{Method, Response, StatusCode, header::HeaderMap};
use serde_json::json;
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest as _};

use crate::harness::{App, Client, Test, both_engines};

pub fn tests() -> Vec<Test> {
    both_engines![
        no_other_origin_is_answered_unless_it_is_listed,
        a_listed_origin_is_answered,
        sockets_of_foreign_pages_are_refused,
        every_answer_says_how_it_may_be_used,
    ]
}

const SHOP: &str = "https://shop.example";
const EVIL: &str = "https://evil.example";

async fn with_shop(app: &App) -> App {
    app.node_with(|config| config.origins = [SHOP.to_owned()].into()).await
}

async fn preflight(client: &Client, origin: &str) -> Response {
    let request = client.request(Method::OPTIONS, "/graphql").header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    request.header("access-control-request-headers", "authorization,content-type").send().await.expect("an answer")
}

async fn asked(client: &Client, origin: &str) -> Response {
    let request = client.post("/graphql").header("origin", origin).json(&json!({"query": "{ viewer { role } }"}));
    request.send().await.expect("an answer")
}

fn allows(headers: &HeaderMap) -> Vec<&str> {
    let named = headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-allow"));
    named.map(|(_, value)| value.to_str().expect("text")).collect()
}

async fn no_other_origin_is_answered_unless_it_is_listed(app: App) {
    let node = with_shop(&app).await;
    let listing = node.client(app.admin().secret().expect("a secret"));
    for (client, origin) in [
        (&app.admin(), SHOP),
        (&app.admin(), EVIL),
        (&listing, EVIL),
        (&listing, "null"),
        (&listing, "https://shop.example.evil"),
    ] {
        let answer = preflight(client, origin).await;
        assert!(answer.status().is_client_error(), "{origin}: {}", answer.status());
        assert!(allows(answer.headers()).is_empty(), "{origin}: {:?}", answer.headers());
        let answer = asked(client, origin).await;
        assert!(allows(answer.headers()).is_empty(), "{origin}: {:?}", answer.headers());
    }
}

async fn a_listed_origin_is_answered(app: App) {
    let node = with_shop(&app).await;
    let client = node.client(app.admin().secret().expect("a secret"));
    let before = preflight(&client, SHOP).await;
    assert_eq!(before.status(), StatusCode::NO_CONTENT);
    let header = |name: &str| before.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
    assert_eq!(header("access-control-allow-origin").as_deref(), Some(SHOP));
    assert_eq!(header("access-control-allow-methods").as_deref(), Some("GET, POST"));
    assert!(header("access-control-allow-headers").expect("headers").contains("authorization, content-type"));
    assert_eq!(header("access-control-allow-credentials"), None, "no cookie goes along");
    let answer = asked(&client, SHOP).await;
    assert_eq!(allows(answer.headers()), [SHOP]);
    assert!(answer.headers().get_all("vary").iter().any(|value| value == "origin"));
    let stranger = asked(&node.stranger(), SHOP).await;
    assert_eq!((stranger.status(), allows(stranger.headers())), (StatusCode::UNAUTHORIZED, vec![SHOP]));
}

/// The status of an upgrade by a page of `origin`.
async fn upgrade(node: &App, origin: Option<&str>) -> u16 {
    let mut request = format!("ws://{}/graphql", node.address()).into_client_request().expect("a request");
    let mut set = |name: &'static str, value: &str| {
        request.headers_mut().insert(name, value.parse().expect("a header"));
    };
    set("sec-websocket-protocol", "graphql-transport-ws");
    if let Some(origin) = origin {
        set("origin", origin);
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("no answer: {error}"),
    }
}

async fn sockets_of_foreign_pages_are_refused(app: App) {
    let node = with_shop(&app).await;
    let own = format!("http://{}", node.address());
    for (origin, status) in [
        (None, 101),
        (Some(SHOP), 101),
        (Some(own.as_str()), 101),
        (Some(EVIL), 403),
        (Some("null"), 403),
        (Some(""), 403),
        (Some("http://127.0.0.1"), 403),
        (Some("https://shop.example:8443"), 403),
    ] {
        assert_eq!(upgrade(&node, origin).await, status, "{origin:?}");
    }
    assert_eq!(upgrade(&app, Some(SHOP)).await, 403, "where it is not listed");
}

async fn every_answer_says_how_it_may_be_used(app: App) {
    for (path, method) in [
        ("/graphql", Method::POST),
        ("/graphql", Method::DELETE),
        ("/graphiql", Method::GET),
        ("/schema.graphql", Method::GET),
        ("/livez", Method::GET),
        ("/readyz", Method::GET),
        ("/nothing", Method::GET),
    ] {
        let answer = app.stranger().request(method.clone(), path).send().await.expect("an answer");
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("text"));
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{method} {path}");
        assert_eq!(header("x-frame-options"), Some("DENY"), "{method} {path}");
        assert_eq!(header("referrer-policy"), Some("no-referrer"), "{method} {path}");
        assert_eq!(header("cross-origin-resource-policy"), Some("same-origin"), "{method} {path}");
        assert!(header("content-security-policy").expect("a policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(header("server"), None, "{method} {path}");
        if path == "/graphql" {
            assert_eq!(header("cache-control"), Some("no-store"), "{method} {path}");
        }
    }
}
