//! The audit, and that nothing secret is ever written, whatever comes.

use std::io::Write;
use std::sync::{Arc, Mutex};

use crate::service::{ID, PATH};
use crate::signed::Request;
use crate::wire::{SECRET, TOKEN, World, create_body, sign, sign_as};
use tracing::level_filters::LevelFilter;

/// A log in memory, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(LevelFilter::TRACE)
            .with_writer(move || log.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of the audit without their times and ids.
    fn audit(&self) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter_map(|it| it.split_once(" INFO forebay::audit: "));
        lines.map(|(_, line)| line.split(" request_id=").next().unwrap().to_owned()).collect()
    }
}

fn bearer(token: &str, mut request: Request) -> Request {
    request.headers.push(("Authorization".to_owned(), format!("Bearer {token}").into_bytes()));
    request
}

#[tokio::test]
async fn each_call_that_changes_something_has_a_line_and_so_has_each_that_is_sent_away() {
    let log = Log::default();
    let _on = log.start();
    let world = World::keyed().await;
    let create = Request::new("POST", PATH, &create_body("f"));
    world.send(&sign(&create)).await;
    world.send(&sign(&Request::new("GET", PATH, ""))).await;
    world
        .send(&sign(&Request::new("PUT", &format!("{PATH}/00000000-5d35-4eb5-b481-8945cf9d10c2"), "{}")))
        .await;
    world.send(&sign_as("READER", &Request::new("DELETE", &format!("{PATH}/{ID}"), ""))).await;
    world.send(&bearer(TOKEN, create.clone())).await;
    world.send(&create).await;
    world.send(&sign(&Request::new("POST", PATH, &create_body("panics")))).await;
    world.send(&sign_as("ADMIN", &Request::new("POST", "/2015-03-31/functions", "{}"))).await;
    world.send(&sign_as("ADMIN", &Request::new("POST", "/2015-03-31/functions/f/invocations", "{}"))).await;
    let text = |principal: &str, action: &str, resource: &str, result: &str, status: u16| {
        format!(
            "{action} {result} principal=\"{principal}\" action=\"{action}\" resource=\"{resource}\" result=\"{result}\" status={status}"
        )
    };
    let lines = [
        text("AKIDEXAMPLE", "lambda:CreateEventSourceMapping", "*", "ok", 202),
        text(
            "AKIDEXAMPLE",
            "lambda:UpdateEventSourceMapping",
            "event-source-mapping:00000000-5d35-4eb5-b481-8945cf9d10c2",
            "ResourceNotFoundException",
            404,
        ),
        text(
            "READER",
            "lambda:DeleteEventSourceMapping",
            &format!("event-source-mapping:{ID}"),
            "AccessDeniedException",
            403,
        ),
        text("token:curl", "lambda:CreateEventSourceMapping", "*", "AccessDeniedException", 403),
        text("-", "lambda:CreateEventSourceMapping", "*", "MissingAuthenticationTokenException", 403),
        text("AKIDEXAMPLE", "lambda:CreateEventSourceMapping", "*", "ServiceException", 500),
        text("ADMIN", "forebay:PassOn", "POST /2015-03-31/functions", "UnknownOperationException", 404),
    ];
    assert_eq!(log.audit(), lines, "{}", log.text());
}

#[tokio::test]
async fn a_line_of_the_audit_cannot_be_forged() {
    let log = Log::default();
    let _on = log.start();
    let world = World::open().await;
    world
        .call(
            "DELETE",
            "/2017-03-31/tags/arn:aws:lambda:eu-west-1:000000000000:event-source-mapping:a%0AINFO%20forebay::audit?tagKeys=a",
            "",
        )
        .await;
    world.call("POST", "/2015-03-31/functions/a%0aINFO%20forebay::audit:%20x", "{}").await;
    assert!(log.audit().len() <= 2 && log.text().lines().all(|it| it.starts_with("20")), "{}", log.text());
}

#[tokio::test]
async fn no_secret_is_ever_written_or_answered() {
    let log = Log::default();
    let _on = log.start();
    let world = World::keyed().await;
    let create = Request::new("POST", PATH, &create_body("f"));
    let mut shown = String::new();
    for request in [
        sign(&create),
        sign(&create),
        bearer(TOKEN, create.clone()),
        bearer(&TOKEN[..TOKEN.len() - 1], create.clone()),
        bearer(TOKEN, Request::new("GET", &format!("{PATH}?Marker=x"), "")),
        bearer(TOKEN, Request::new("POST", "/2015-03-31/functions", "{}")),
        sign(&Request::new("POST", PATH, &create_body("panics"))),
        bearer(TOKEN, Request::new("GET", &format!("{PATH}?X-Amz-Signature=1"), "")),
    ] {
        let answer = world.send(&request).await;
        shown.push_str(&answer.head);
        shown.push_str(&String::from_utf8_lossy(&answer.body));
    }
    shown.push_str(&format!("{:?} {:?}", world.guard, world.front));
    shown.push_str(&log.text());
    assert!(shown.contains("forebay::audit"), "something was written");
    for secret in [SECRET, TOKEN, &TOKEN[4..20]] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}
