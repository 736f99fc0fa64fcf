//! A function on `lambda_runtime` that does what its event says.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    match event.payload["do"].as_str() {
        Some("fail") => Err("boom é".into()),
        Some("panic") => panic!("all is lost"),
        Some("exit") => std::process::exit(3),
        _ => Ok(json!({
            "text": event.payload["text"],
            "n_bytes": event.payload["filler"].as_str().map_or(0, str::len),
            "request_id": event.context.request_id,
            "pid": std::process::id(),
        })),
    }
}
