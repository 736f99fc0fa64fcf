//! Refuses what a web page sends, which always names its origin: nobody's browser steers a mapping.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::ORIGIN;
use axum::middleware::Next;
use axum::response::Response;

use super::answer::refused;

pub(super) async fn refuse(request: Request, next: Next) -> Response {
    if request.headers().contains_key(ORIGIN) {
        refused(StatusCode::FORBIDDEN, "this is not for web pages")
    } else {
        next.run(request).await
    }
}
