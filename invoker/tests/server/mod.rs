//! A server on loopback that does to each request what a script says, byte by byte, and remembers what it was
//! sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use forebay_batcher::{BatchLane, Position, TrackIdx};
use forebay_invoker::{HandOff, HandOffs, HandedBatch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// These bytes; the connection stays.
    Answer(Vec<u8>),
    /// These bytes, then the end of the connection.
    AnswerAndClose(Vec<u8>),
    /// These bytes over and over until the other side has enough.
    AnswerForEver(Vec<u8>, Vec<u8>),
    /// Reads the request and resets the connection.
    Reset,
    /// Reads this much of the request and resets the connection.
    ResetAfter(usize),
    /// Reads this much of the request, answers, and reads the rest without looking at it.
    AnswerEarly(usize, Vec<u8>),
    /// Reads the request and says nothing until the other side leaves.
    Hang,
    /// These bytes, then nothing until the other side leaves.
    AnswerAndHang(Vec<u8>),
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) connection: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) connections: usize,
    pub(crate) requests: usize,
    pub(crate) closed: usize,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    counts: watch::Receiver<Counts>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves the acts in order, one a request; the last one is repeated.
    pub(crate) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (count, counts) = watch::channel(Counts::default());
        let script = Script {
            acts: Arc::new(Mutex::new(acts.into_iter().collect())),
            seen: Arc::clone(&seen),
            count: Arc::new(count),
        };
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let mut connection = 0;
                script.count.send_modify(|counts| {
                    connection = counts.connections;
                    counts.connections += 1;
                });
                let script = script.clone();
                connections.spawn(async move {
                    // The other side may leave at any time.
                    let _ = script.serve(stream, connection).await;
                    script.count.send_modify(|counts| counts.closed += 1);
                });
            }
        });
        Self { address, seen, counts, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/run?key=secret", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Waits until the counts are like that.
    pub(crate) async fn until(&self, is_so: impl FnMut(&Counts) -> bool) {
        self.counts.clone().wait_for(is_so).await.unwrap();
    }
}

#[derive(Clone)]
struct Script {
    acts: Arc<Mutex<VecDeque<Act>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    count: Arc<watch::Sender<Counts>>,
}

impl Script {
    fn next(&self) -> Act {
        let mut acts = self.acts.lock().unwrap();
        let act = acts.pop_front().unwrap();
        if acts.is_empty() {
            acts.push_back(act.clone());
        }
        act
    }

    async fn serve(&self, mut stream: TcpStream, connection: usize) -> std::io::Result<()> {
        loop {
            let ahead = self.acts.lock().unwrap().front().cloned();
            if let Some(Act::ResetAfter(n)) = ahead {
                stream.read_exact(&mut vec![0; n]).await?;
                return stream.set_zero_linger();
            }
            if let Some(Act::AnswerEarly(n, bytes)) = ahead {
                stream.read_exact(&mut vec![0; n]).await?;
                stream.write_all(&bytes).await?;
                stream.shutdown().await?;
                return until_left(&mut stream).await;
            }
            let Some((head, body)) = read_request(&mut stream).await? else { return Ok(()) };
            self.seen.lock().unwrap().push(Seen { head, body, connection });
            self.count.send_modify(|counts| counts.requests += 1);
            match self.next() {
                Act::Answer(bytes) => stream.write_all(&bytes).await?,
                Act::AnswerAndClose(bytes) => {
                    stream.write_all(&bytes).await?;
                    stream.shutdown().await?;
                    return until_left(&mut stream).await;
                }
                Act::AnswerForEver(head, bytes) => {
                    stream.write_all(&head).await?;
                    loop {
                        stream.write_all(&bytes).await?;
                    }
                }
                Act::Reset => return stream.set_zero_linger(),
                Act::Hang => return until_left(&mut stream).await,
                Act::AnswerAndHang(bytes) => {
                    stream.write_all(&bytes).await?;
                    return until_left(&mut stream).await;
                }
                Act::ResetAfter(_) | Act::AnswerEarly(..) => unreachable!("done before reading"),
            }
        }
    }
}

async fn until_left(stream: &mut TcpStream) -> std::io::Result<()> {
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

/// Head and body; `None` when the connection ended before a request.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8(bytes).unwrap().to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let n_read = body.len();
    body.resize(length, 0);
    stream.read_exact(&mut body[n_read..]).await?;
    Ok(Some((head, body)))
}

/// An answer with a body and further header lines.
pub(crate) fn answer(status: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// What a mapping says of a batch on a track of this name.
pub(crate) fn hand_off(track: &str) -> HandOff {
    let (first, last) = (Position::number(7), Position::number(9));
    let batch = HandedBatch {
        track,
        lane: BatchLane { track: TrackIdx(1), lane: 0, n_lanes: 4 },
        n_records: 3,
        positions: Some((&first, &last)),
        window: None,
    };
    HandOffs::of("orders").tell(batch, true)
}
