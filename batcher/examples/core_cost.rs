//! CPU of the core per record.
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};
use bytes::Bytes;
use forebay_batcher::*;
use forebay_config::{BatchPlan, RetryPlan, Redelivery};

fn records(track: u32, from: u64, n: u64, arena: &Bytes, keys: &[Bytes]) -> Vec<Record> {
    (from..from + n).map(|i| {
        let mut id = [b'4'; 20];
        id[12..20].copy_from_slice(&i.to_be_bytes());
        let at = ((i % 64) * 1400) as usize;
        Record {
            id: RecordId::new(&id),
            place: Place::Track(TrackIdx(track), Position::number(i)),
            key: OrderKey::Key(keys[(i % keys.len() as u64) as usize].clone()),
            arrival: UnixMillis(1_700_000_000_000),
            bytes: arena.slice(at..at + 1400),
            section: Section { idx: track, bytes: 20 },
        }
    }).collect()
}

fn run(n_tracks: u32, lanes: u32, batch: u32, mixes: bool, total: u64, read_n: u64, slots: u32) {
    let plan = Plan {
        generation: 1,
        batch: BatchPlan { records_max: NonZeroU32::new(batch).unwrap(), bytes_max: 6_291_456, window: Duration::ZERO },
        retry: RetryPlan { retries_max: None, record_age_max: None, bisect: false, partial_responses: true, redelivery: Redelivery::ByUs, drop_after_destination_failures: None, stop_group_at_first_failure: false },
        window: None, lanes: NonZeroU32::new(lanes).unwrap(), envelope_bytes: 14, mixes_tracks: mixes, concurrency_max: None,
        has_destination: false, held_bytes_max: 1 << 30, ahead_max: 1_000_000, queue: None,
    };
    let mut m = Machine::new(Arc::new(plan), 7);
    let arena = Bytes::from(vec![b'x'; 100_000]);
    let keys: Vec<Bytes> = (0..1000u32).map(|i| Bytes::from(format!("key-{i:016}"))).collect();
    let mut tick = 1u64;
    let now = |t: u64| Now { tick: Tick(t), unix: UnixMillis(1_700_000_000_000 + (t / 1_000_000) as i64) };
    for t in 0..n_tracks { m.handle_assigned(TrackIdx(t), Checkpoint::at_origin(Origin(ShortBytes::new(b""))), now(tick)); }
    let mut next = vec![0u64; n_tracks as usize];
    let mut gen_time = Duration::ZERO;
    let start = Instant::now();
    let (mut done, mut invokes, mut commits, mut granted, mut slot_id) = (0u64, 0u64, 0u64, 0u32, 0u64);
    let mut want = 0u32; let mut n_bytes = 0usize; let mut waiting: std::collections::VecDeque<CommitId> = Default::default(); let lag: u64 = std::env::var("LAG").ok().and_then(|v| v.parse().ok()).unwrap_or(200); let mut since = 0u64;
    let mut open: std::collections::VecDeque<(AttemptId, u64)> = Default::default();
    while done < total {
        tick += 10_000;
        let mut acted = false;
        while let Some(a) = m.poll_action() {
            acted = true;
            match a {
                Action::Read(o) => {
                    let t = o.track.unwrap().0;
                    let n = read_n.min(u64::from(o.records_max));
                    let g = Instant::now();
                    let rs = records(t, next[t as usize], n, &arena, &keys);
                    gen_time += g.elapsed();
                    next[t as usize] += n;
                    let passed = Some(Position::number(next[t as usize]));
                    m.handle_read(o.id, Ok(Read { records: rs, passed, ..Read::default() }), now(tick));
                }
                Action::Want(n) => want = n,
                Action::Invoke(_, at) => { invokes += 1; open.push_back((at.id, at.slice.n_records() as u64)); }
                Action::Return(_) => { granted -= 1; }
                Action::Commit(id, _, c) => { commits += 1; n_bytes += c.encode().len(); waiting.push_back(id); }
                _ => {}
            }
        }
        if want > 0 && granted < slots { granted += 1; want -= 1; slot_id += 1; m.handle_slot(SlotId(slot_id), now(tick)); acted = true; }
        else if let Some((id, n)) = open.pop_front() { granted -= 1; done += n; since += 1; if since >= lag { since = 0; while let Some(c) = waiting.pop_front() { m.handle_committed(c, Committed::Durable, now(tick)); } } m.handle_outcome(id, Outcome::Succeeded(Reply::default()), now(tick)); acted = true; }
        if !acted { while let Some(c) = waiting.pop_front() { m.handle_committed(c, Committed::Durable, now(tick)); } if let Some((t, _)) = m.poll_timeout() { tick = tick.max(t.0); m.handle_timeout(now(tick)); } }
    }
    let el = start.elapsed();
    println!("tracks {n_tracks:6} lanes {lanes:4} batch {batch:5} mixes {mixes:5} slots {slots:3}: {:7.0} ns/record all, {:7.0} generating, core {:7.0}; {} invokes {} commits {} KB of checkpoints",
        el.as_nanos() as f64 / done as f64, gen_time.as_nanos() as f64 / done as f64, (el - gen_time).as_nanos() as f64 / done as f64, invokes, commits, n_bytes / 1024);
}

fn main() {
    for _ in 0..1 {
        run(1, 1, 100, false, 1_000_000, 1000, 4);
        run(16, 1, 100, false, 1_000_000, 1000, 4);
        run(16, 1, 100, true, 1_000_000, 1000, 4);
        run(16, 1, 10, true, 1_000_000, 1000, 4);
        run(16, 10, 100, false, 1_000_000, 1000, 40);
        run(16, 100, 100, true, 1_000_000, 1000, 40);
        run(16, 1, 1, false, 300_000, 1000, 16);
        run(16, 100, 1, false, 300_000, 1000, 100);
        run(1000, 1, 100, false, 500_000, 500, 16);
        run(1000, 1, 100, true, 100_000, 500, 16);
        run(10000, 1, 100, false, 300_000, 100, 16);
        run(10000, 1, 100, true, 20_000, 100, 16);
        run(10000, 10, 100, true, 4_000, 100, 16);
    }
}
