//! Reads more of the file, and sees whether it is still the file that was read so far.
//!
//! NUL bytes at the end of a file are left where they are: space that was reserved is written later, and a
//! hole is followed by a line in the end. What stands behind them tells which it was: before a line they are
//! filler, in the middle of one they are data.

use super::super::content::{self, ContentNotice};
use super::super::evidence::{Evidence, tail_len, written};
use super::super::identity::HEAD_MAX;
use super::super::sightings::read_up_to;
use super::{FileCursor, Long, LookEnd, OpenFile, Stat};

/// Bytes asked for at once.
const CHUNK_BYTES: usize = 256 << 10;

impl FileCursor {
    /// Looks at more of the file behind the window: so many bytes. Zero: there is no more, or the file's life
    /// is over.
    pub(super) fn fill(&mut self) -> Result<u64, LookEnd> {
        let end = self.end();
        if self.n_reserved == 0 && self.is_still_at(end) {
            return Ok(0);
        }
        let Some(file) = self.file()? else { return Ok(0) };
        let file = file.as_ref();
        let stat = file.stat().map_err(|error| self.failed(error))?;
        if stat.size < end {
            self.end_life(end, "it is shorter than what was read");
            return Ok(0);
        }
        if stat.size < end + self.n_reserved {
            self.n_reserved = 0;
        }
        let is_as_seen =
            self.seen.is_some_and(|seen| seen.size == stat.size && seen.modified == stat.modified);
        if is_as_seen && stat.size == end {
            return Ok(0);
        }
        // Where space is reserved its first byte tells whether it is written now.
        let n_new = if self.n_reserved > 0 { 1 } else { up_to_chunk(stat.size - end) };
        let (read, n_known) = self.read_at(file, end, n_new)?;
        // It is compared after the bytes were read: had the file been written anew in between, they would be
        // of the wrong life.
        if let Some(why) = self.why_another(file, read.get(..n_known))? {
            self.end_life(end, why);
            return Ok(0);
        }
        self.seen = Some(stat);
        if self.n_reserved == 0 {
            return Ok(self.keep(read, n_known, 0, &stat));
        }
        if read.get(n_known).is_some_and(|byte| *byte != 0) {
            self.n_reserved = 0;
            return Ok(1);
        }
        self.look_behind_reserved(file, &stat)
    }

    /// The end of what was read and kept, or set aside.
    fn end(&self) -> u64 {
        self.offset
            + self.n_filler
            + self.long.as_ref().map_or(0, Long::n_bytes)
            + self.window.rest().len() as u64
    }

    /// Reads `n` bytes, and before them those that are known already.
    fn read_at(&self, file: &dyn OpenFile, offset: u64, n: usize) -> Result<(Vec<u8>, usize), LookEnd> {
        let n_known = tail_len(offset);
        let read =
            read_up_to(file, offset - n_known as u64, n_known + n).map_err(|error| self.failed(error))?;
        Ok((read, n_known))
    }

    /// Looks for the end of the NUL bytes behind the window.
    fn look_behind_reserved(&mut self, file: &dyn OpenFile, stat: &Stat) -> Result<u64, LookEnd> {
        let from = self.end() + self.n_reserved;
        let (read, n_known) = self.read_at(file, from, up_to_chunk(stat.size.saturating_sub(from)))?;
        let new = read.get(n_known..).unwrap_or_default();
        let n_new = new.len() as u64;
        match new.iter().position(|byte| *byte != 0) {
            None => self.n_reserved += n_new,
            Some(n_nuls) if self.long.is_none() && self.window.rest().is_empty() => {
                self.n_filler += std::mem::take(&mut self.n_reserved) + n_nuls as u64;
                self.keep(read, n_known, n_nuls, stat);
            }
            Some(n_nuls) => {
                self.n_reserved = 0;
                self.data_to = from + n_nuls as u64;
            }
        }
        Ok(n_new)
    }

    /// Adds what was read behind the known bytes and the filler to the window; how many bytes that were.
    fn keep(&mut self, mut read: Vec<u8>, n_known: usize, n_filler: usize, stat: &Stat) -> u64 {
        let (end, new) = (self.end(), &read[n_known + n_filler..]);
        let n_new = new.len();
        let n_data =
            usize::try_from(self.data_to.saturating_sub(end)).map_or(n_new, |n_data| n_data.min(n_new));
        let n_kept = written(new).len().max(n_data);
        self.n_reserved = (n_new - n_kept) as u64;
        read.truncate(n_known + n_filler + n_kept);
        self.window.extend(read, n_known + n_filler);
        if n_kept > 0 {
            self.away_since = None;
            self.arrival = stat.modified;
        }
        n_new as u64
    }

    /// Whether the file is another one than was read so far, and how one can tell. `tail` is what lies before
    /// the end of the window. The first time the name's fingerprint is compared, what is kept with the
    /// position, and that the offset begins a line.
    fn why_another(
        &mut self,
        file: &dyn OpenFile,
        tail: Option<&[u8]>,
    ) -> Result<Option<&'static str>, LookEnd> {
        const HEAD: &str = "its first bytes have changed";
        const TAIL: &str = "the bytes before the place that was read to have changed";
        let head = read_up_to(file, 0, HEAD_MAX).map_err(|error| self.failed(error))?;
        let Some(tail) = tail else { return Ok(Some("it is shorter than what was read")) };
        let evidence = Evidence::new(&head);
        let why = if let Some(known) = &self.evidence {
            let is_tail_same = tail.ends_with(self.window.tail());
            if known.is_kept_by(&head) { (!is_tail_same).then_some(TAIL) } else { Some(HEAD) }
        } else if !self.identity.fits(&head) {
            Some(HEAD)
        } else if self.offset > 0 && !tail.ends_with(b"\n") {
            Some("no line begins at the kept position")
        } else {
            let is_as_kept = self.check.is_none_or(|kept| kept == evidence.check(self.offset, tail));
            (!is_as_kept).then_some("the bytes before the kept position have changed")
        };
        if why.is_none() {
            if self.evidence.is_none() {
                self.place = evidence.place(self.offset, tail);
            }
            self.tell_content(&head);
            self.evidence = Some(evidence);
        }
        Ok(why)
    }

    /// Tells, once, of a file that holds no lines of text.
    fn tell_content(&self, head: &[u8]) {
        let Some(content) = content::of(written(head)).filter(|_| self.tell_once(ContentNotice::Content))
        else {
            return;
        };
        tracing::warn!(code = "FB-0209", path = %self.path.display(), "{content}");
    }
}

fn up_to_chunk(n_bytes: u64) -> usize {
    usize::try_from(n_bytes).map_or(CHUNK_BYTES, |n_bytes| n_bytes.min(CHUNK_BYTES))
}
