//! What is pushed of one shard: messages of the event stream, each of them a read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_clients::JsonStream;
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::consumer::StreamConsumer;
use super::frames::{Frame, Frames};
use crate::kinesis::error::KinesisError;
use crate::kinesis::plain::{read, records};
use crate::shards::{Pushes, ShardError, ShardRead};
use crate::source::BoxFuture;

/// Kinesis pushes every few seconds though there be nothing; a stream that is silent for so long is dead.
const SILENT_MAX: Duration = Duration::from_secs(30);

/// A subscription to one shard.
pub(super) struct ShardSubscription {
    consumer: Arc<StreamConsumer>,
    stream: JsonStream,
    frames: Frames,
    silence: Silence,
    /// Something was pushed.
    has_begun: bool,
}

impl ShardSubscription {
    pub(super) fn new(consumer: Arc<StreamConsumer>, stream: JsonStream) -> Self {
        let (frames, silence) = Default::default();
        Self { consumer, stream, frames, silence, has_begun: false }
    }

    /// The next push. All that came is in `frames`, so it may be dropped while it waits.
    async fn push(&mut self) -> Result<ShardRead, KinesisError> {
        loop {
            match self.frames.next().map_err(|it| KinesisError::Refused(it.to_owned()))? {
                Some(Frame::Event(event, payload)) if event == "SubscribeToShardEvent" => {
                    self.has_begun = true;
                    return records::pushed(&payload);
                }
                // The first message says that there is an answer, and nothing else.
                Some(Frame::Event(..)) => {}
                Some(Frame::Failed(code, payload)) => {
                    let error = KinesisError::pushed(&code, text(&payload), self.has_begun);
                    return Err(self.consumer.judged(error).await);
                }
                None => self.hear().await?,
            }
        }
    }

    /// Hears a piece. What ends is over, whatever of a message was to come: what it has brought whole was read,
    /// and another subscription begins behind that.
    async fn hear(&mut self) -> Result<(), KinesisError> {
        let left = self.silence.left();
        let heard = {
            let _waiting = self.silence.wait();
            timeout(left, self.stream.next()).await
        };
        self.silence = Silence::default();
        match heard {
            Ok(Ok(Some(piece))) => {
                self.frames.push(&piece);
                Ok(())
            }
            Ok(Ok(None)) => Err(KinesisError::Over("the server ended it".to_owned())),
            Ok(Err(error)) => Err(KinesisError::Over(format!("its connection broke: {error}"))),
            Err(_) => Err(KinesisError::Over(format!("nothing came within {SILENT_MAX:?}"))),
        }
    }
}

impl Pushes for ShardSubscription {
    fn next(&mut self) -> BoxFuture<'_, Result<ShardRead, ShardError>> {
        Box::pin(async { Ok(self.push().await?) })
    }
}

/// How long nothing has come while somebody waited, over all waits: whoever waits a second at a time finds a
/// dead stream as well, and one that nobody asked for is not dead.
#[derive(Debug, Default)]
struct Silence(Duration);

/// One wait, which counts however it ends.
struct SilentWait<'a>(&'a mut Silence, Instant);

impl Silence {
    fn left(&self) -> Duration {
        SILENT_MAX.saturating_sub(self.0)
    }

    fn wait(&mut self) -> SilentWait<'_> {
        SilentWait(self, Instant::now())
    }
}

impl Drop for SilentWait<'_> {
    fn drop(&mut self) {
        self.0.0 += self.1.elapsed();
    }
}

#[derive(Deserialize)]
struct WireComplaint {
    #[serde(alias = "Message")]
    message: Option<String>,
}

/// What a message says is wrong: its text, or all of it where it has none.
fn text(payload: &Bytes) -> String {
    let said = read::parsed::<WireComplaint>(payload).ok().and_then(|it| it.message);
    said.unwrap_or_else(|| String::from_utf8_lossy(payload).into_owned())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_adds_up_over_waits_of_a_second_and_does_not_count_while_nobody_waits() {
        let mut silence = Silence::default();
        let second = Duration::from_secs(1);
        for n_waits in 1..=30 {
            let waits = async {
                let _waiting = silence.wait();
                pending::<()>().await;
            };
            assert!(timeout(second, waits).await.is_err());
            tokio::time::sleep(Duration::from_secs(600)).await;
            assert_eq!(silence.left(), SILENT_MAX - second * n_waits);
        }
        assert_eq!(silence.left(), Duration::ZERO);
    }
}
