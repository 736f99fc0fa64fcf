//! Base64 as it stands in an event's JSON, written many bytes at a time.

/// Appends `data` in Base64, padded, without quotes.
pub fn write_base64(data: &[u8], out: &mut Vec<u8>) {
    base64_simd::STANDARD.encode_append(data, out);
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
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
