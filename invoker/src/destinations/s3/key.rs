//! The key of an object that holds a failure record, as AWS writes it.

use forebay_batcher::UnixMillis;
use jiff::Timestamp;
use uuid::Uuid;

/// `aws/lambda/<mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<random>`, in UTC. A source without shards
/// has no such part. Of a shard's name, what is no letter, digit, `-`, `_` or `.` becomes `_`, so that the key
/// stands in a URL as it is.
pub(super) fn object_key(mapping: &str, shard: Option<&str>, at: UnixMillis, random: Uuid) -> String {
    let at = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
    let shard = shard.map(|it| format!("{}/", plain(it))).unwrap_or_default();
    format!("aws/lambda/{mapping}/{shard}{}-{random}", at.strftime("%Y/%m/%d/%Y-%m-%dT%H.%M.%S"))
}

/// What an URL holds as it is; no part of a path may be `.` or `..`.
fn plain(shard: &str) -> String {
    let is_kept = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    let text: String = shard.chars().map(|char| if is_kept(char) { char } else { '_' }).collect();
    if text.bytes().all(|it| it == b'.') { "_".repeat(text.len().max(1)) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(shard: Option<&str>) -> String {
        object_key("3f0e", shard, UnixMillis(1_573_691_886_021), Uuid::nil())
    }

    #[test]
    fn a_key_is_the_one_that_aws_writes() {
        assert_eq!(
            key(Some("shardId-000000000001")),
            "aws/lambda/3f0e/shardId-000000000001/2019/11/14/2019-11-14T00.38.06-00000000-0000-0000-0000-000000000000"
        );
        assert_eq!(
            key(None),
            "aws/lambda/3f0e/2019/11/14/2019-11-14T00.38.06-00000000-0000-0000-0000-000000000000"
        );
    }

    #[test]
    fn a_shard_cannot_lead_out_of_its_folder_and_needs_no_escapes() {
        for (shard, part) in [("a/../b c\u{e9}%", "a_.._b_c__"), ("..", "__"), ("", "_")] {
            assert!(key(Some(shard)).starts_with(&format!("aws/lambda/3f0e/{part}/2019/")), "{shard}");
        }
    }
}
