//! What is pushed of one shard: messages of the event stream, each of them a read.

use bytes::Bytes;
use forebay_clients::JsonStream;
use serde::Deserialize;
use tokio::time::{Duration, timeout};

use super::frames::{Frame, Frames};
use crate::kinesis::error::KinesisError;
use crate::kinesis::plain::read;
use crate::shards::{Pushes, ShardError, ShardRead};
use crate::source::BoxFuture;

/// Kinesis pushes every few seconds though there be nothing; a connection that is silent for so long is dead.
const SILENT_MAX: Duration = Duration::from_secs(30);

/// A subscription to one shard.
pub(super) struct Subscription {
    stream: JsonStream,
    frames: Frames,
}

impl Subscription {
    pub(super) fn new(stream: JsonStream) -> Self {
        Self { stream, frames: Frames::default() }
    }

    /// The next push. All that came is in `frames`, so it may be dropped while it waits.
    async fn push(&mut self) -> Result<ShardRead, KinesisError> {
        loop {
            if let Some(frame) = self.frames.next().map_err(|it| KinesisError::Refused(it.to_owned()))? {
                match frame {
                    Frame::Event(event, payload) if event == "SubscribeToShardEvent" => {
                        return read::pushed(&payload);
                    }
                    // The first message says that there is an answer, and nothing else.
                    Frame::Event(..) => continue,
                    Frame::Failed(code, payload) => return Err(KinesisError::pushed(&code, text(&payload))),
                }
            }
            // Five minutes are over, or the connection broke, whatever of a message was to come: what it has
            // brought whole was read, and another subscription begins behind that.
            match timeout(SILENT_MAX, self.stream.next()).await {
                Ok(Ok(Some(piece))) => self.frames.push(&piece),
                Ok(Ok(None) | Err(_)) | Err(_) => return Err(KinesisError::Expired),
            }
        }
    }
}

impl Pushes for Subscription {
    fn next(&mut self) -> BoxFuture<'_, Result<ShardRead, ShardError>> {
        Box::pin(async { Ok(self.push().await?) })
    }
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(alias = "Message")]
    message: Option<String>,
}

/// What a message says is wrong: its text, or all of it where it has none.
fn text(payload: &Bytes) -> String {
    let said = read::parsed::<Complaint>(payload).ok().and_then(|it| it.message);
    said.unwrap_or_else(|| String::from_utf8_lossy(payload).into_owned())
}
