//! The style sheet, the script and the icon: in the binary, under addresses that change with them.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

const STYLE: &str = include_str!("../../console/style.css");
const SCRIPT: &str = include_str!("../../console/script.js");
const ICON: &str = include_str!("../../console/icon.svg");

/// What of an asset's address changes with its content: a browser may keep what it has fetched for ever.
pub static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{:08x}", crc32fast::hash([STYLE, SCRIPT, ICON].concat().as_bytes())));

/// One of them by its name.
pub async fn file(Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "script.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")], text)
        .into_response()
}
