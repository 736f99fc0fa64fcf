//! Base64 as it stands in an event's JSON, written many bytes at a time.

use std::sync::LazyLock;

use base64::Engine as _;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use base64::engine::GeneralPurpose as Fastest;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use base64::engine::Simd as Fastest;
use base64::engine::general_purpose::PAD;

/// The fastest that this machine has: which that is, is found out once.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static FASTEST: LazyLock<Fastest> = LazyLock::new(|| Fastest::standard(PAD));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static FASTEST: LazyLock<Fastest> = LazyLock::new(|| Fastest::new(&base64::alphabet::STANDARD, PAD));

/// Appends `data` in Base64, padded, without quotes.
pub fn write_base64(data: &[u8], out: &mut Vec<u8>) {
    let at = out.len();
    out.resize(at + data.len().div_ceil(3) * 4, 0);
    FASTEST.encode_slice(data, &mut out[at..]).expect("there is room for all of it");
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn every_length_is_written_as_the_plain_engine_writes_it() {
        let data: Vec<u8> = (0..600_u32).map(|it| (it * 37 % 256) as u8).collect();
        for n_bytes in 0..data.len() {
            let mut out = b"[".to_vec();
            write_base64(&data[..n_bytes], &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("[{}", STANDARD.encode(&data[..n_bytes])));
        }
    }
}
