//! Schemas that are fetched once, missing ones that are asked for again later, and registries that are down.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::super::frame::Framing;
use super::super::registered::{RegisteredSchema, SchemaFormat};
use super::*;
use crate::source::BoxFuture as SourceFuture;

/// A registry that answers when it is let to, with what stands there then.
struct Slow {
    answer: Mutex<Result<RegisteredSchema, FetchError>>,
    gate: Semaphore,
    n_asked: AtomicUsize,
}

impl Slow {
    fn new(answer: Result<RegisteredSchema, FetchError>) -> Arc<Self> {
        Arc::new(Self { answer: Mutex::new(answer), gate: Semaphore::new(0), n_asked: AtomicUsize::new(0) })
    }

    fn answers(&self, answer: Result<RegisteredSchema, FetchError>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn n_asked(&self) -> usize {
        self.n_asked.load(Ordering::SeqCst)
    }
}

impl SchemaRegistry for Slow {
    fn name(&self) -> &str {
        "the slow one"
    }

    fn framing(&self) -> Framing {
        Framing::Confluent
    }

    fn fetch(&self, _: SchemaId) -> SourceFuture<'_, Result<RegisteredSchema, FetchError>> {
        Box::pin(async {
            self.n_asked.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
            self.answer.lock().unwrap().clone()
        })
    }
}

fn avro(text: &str) -> RegisteredSchema {
    RegisteredSchema { format: SchemaFormat::Avro, text: text.to_owned(), references: Vec::new() }
}

const ID: SchemaId = SchemaId::Number(1);

#[tokio::test]
async fn all_who_ask_at_once_get_what_one_request_brings_and_nobody_asks_again() {
    let registry = Slow::new(Ok(avro("\"int\"")));
    let cache = SchemaCache::new(Arc::clone(&registry) as _);
    assert!(cache.known(ID).is_none());
    let asking = futures_util::future::join_all((0..100).map(|_| cache.schema(ID)));
    let letting = async {
        while registry.n_asked() == 0 {
            tokio::task::yield_now().await;
        }
        registry.gate.add_permits(1);
    };
    let (fetched, ()) = tokio::join!(asking, letting);
    assert!(fetched.iter().all(Result::is_ok));
    assert!(cache.schema(ID).await.is_ok() && cache.known(ID).unwrap().is_ok());
    assert_eq!(registry.n_asked(), 1);
}

#[tokio::test]
async fn whoever_stops_asking_takes_nothing_from_the_others() {
    let registry = Slow::new(Ok(avro("\"int\"")));
    let cache = SchemaCache::new(Arc::clone(&registry) as _);
    let mut first = Box::pin(cache.schema(ID));
    assert!((&mut first).now_or_never().is_none());
    drop(first);
    registry.gate.add_permits(1);
    assert!(cache.schema(ID).await.is_ok());
    assert_eq!(registry.n_asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_asked_for_again_after_half_a_minute() {
    for (answer, part) in [
        (Err(FetchError::Missing("no such".to_owned())), "the slow one has no schema 1: no such"),
        (Err(FetchError::Unusable("odd".to_owned())), "schema 1 of the slow one cannot be used: odd"),
        (Ok(avro("{")), "schema 1 of the slow one cannot be used"),
    ] {
        let registry = Slow::new(answer);
        registry.gate.add_permits(2);
        let cache = SchemaCache::new(Arc::clone(&registry) as _);
        let error = cache.schema(ID).await.unwrap_err();
        assert!(error.to_string().contains(part) && !error.is_transient(), "{error}");
        registry.answers(Ok(avro("\"int\"")));
        tokio::time::advance(MISS_KEPT - Duration::from_millis(1)).await;
        assert_eq!(cache.schema(ID).await.unwrap_err(), error);
        assert!(cache.known(ID).unwrap().is_err());
        assert_eq!(registry.n_asked(), 1);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(cache.known(ID).is_none());
        assert!(cache.schema(ID).await.is_ok());
        assert_eq!(registry.n_asked(), 2);
    }
}

#[tokio::test]
async fn a_registry_that_is_down_is_asked_again_by_whoever_asks_next() {
    let registry = Slow::new(Err(FetchError::Down("no route".to_owned())));
    registry.gate.add_permits(3);
    let cache = SchemaCache::new(Arc::clone(&registry) as _);
    for n_asked in [1, 2] {
        let error = cache.schema(ID).await.unwrap_err();
        assert_eq!(error.to_string(), "the slow one gave no answer about schema 1: no route");
        assert!(error.is_transient() && cache.known(ID).is_none());
        assert_eq!(registry.n_asked(), n_asked);
    }
    registry.answers(Ok(avro("\"int\"")));
    assert!(cache.schema(ID).await.is_ok());
}

#[tokio::test]
async fn no_more_misses_are_remembered_than_there_is_room_for() {
    let registry = Slow::new(Err(FetchError::Missing(String::new())));
    registry.gate.add_permits(MISSES_MAX + 10);
    let cache = SchemaCache::new(Arc::clone(&registry) as _);
    for number in 0..(MISSES_MAX as u32 + 10) {
        assert!(cache.schema(SchemaId::Number(number)).await.is_err());
    }
    assert_eq!(cache.lock().missed.len(), MISSES_MAX);
}
