//! Turns with real processes, where what other turns do to the pool must be set by hand.

use std::num::NonZeroU32;
use std::path::Path;

use forebay_config::FunctionName;
use forebay_config::function::{ExecutorSettings, Function, Runtime, Sandbox};

use crate::executor::Executor;
use crate::executors::process::{ProcessExecutor, ProcessOptions, TracingSink};

use super::*;

/// Its first start fails when the test says so; the second serves.
const FAILS_ONCE: &str = "
import os, time
if not os.path.exists('started'):
    open('started', 'w').close()
    while not os.path.exists('fail'): time.sleep(0.01)
    os._exit(1)
def handler(event, context): return 'served'
";

#[tokio::test]
async fn the_wait_for_the_second_start_is_no_part_of_the_functions_time() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app.py"), FAILS_ONCE).unwrap();
    let executor = Arc::new(executor(folder.path(), Duration::from_secs(5)).await);
    let invoked = tokio::spawn({
        let executor = Arc::clone(&executor);
        async move { executor.invoke(Event::from(vec![bytes::Bytes::from_static(b"{}")])).await }
    });
    while !folder.path().join("started").exists() {
        assert!(!invoked.is_finished(), "{:?}", invoked.await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Meanwhile other turns fail, until the next start may come only when the function's time would be over.
    let pool = &executor.turns.pool;
    while pool.next_start().is_none_or(|it| it < Instant::now() + Duration::from_secs(6)) {
        pool.start_failed();
    }
    std::fs::write(folder.path().join("fail"), "").unwrap();
    let reply = invoked.await.unwrap().unwrap();
    assert_eq!(reply.payload.as_deref(), Some(&b"\"served\""[..]), "{reply:?}");
    executor.stop(Duration::from_secs(5)).await;
}

async fn executor(code: &Path, timeout: Duration) -> ProcessExecutor {
    let settings = ProcessSettings {
        runtime: Runtime::Python3,
        handler: "app.handler".to_owned(),
        code: code.to_owned(),
        environment: std::collections::BTreeMap::new(),
        memory_size: NonZeroU32::new(128).unwrap(),
        idle_ttl: Duration::from_secs(600),
        sandbox: Sandbox::None,
    };
    let function = Function {
        name: FunctionName::parse("tested").unwrap(),
        executor: ExecutorSettings::Process(settings.clone()),
        timeout,
        concurrency: Some(1),
        rate: None,
    };
    let options = ProcessOptions {
        region: "eu-north-1".to_owned(),
        account: "123456789012".to_owned(),
        base: code.to_owned(),
        interpreters: Arc::default(),
        log: Arc::new(TracingSink),
    };
    ProcessExecutor::new(&function, &settings, options).await.unwrap()
}
