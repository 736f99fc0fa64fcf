//! Lambda's event, written straight into bytes, for the loops that Forebay is measured beside.

/// A message as a client of one loop or the other has it.
pub(super) trait Shown {
    /// Its id, receipt handle, body and the body's digest.
    fn texts(&self) -> [Option<&str>; 4];
    /// Its system attributes.
    fn attributes(&self) -> impl Iterator<Item = (&str, &str)>;
}

pub(super) fn event(messages: &[impl Shown]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024 * messages.len());
    for (idx, it) in messages.iter().enumerate() {
        let [id, handle, body, md5] = it.texts();
        out.extend_from_slice(if idx == 0 { br#"{"Records":[{"messageId":"# } else { br#",{"messageId":"# });
        text(&mut out, id);
        out.extend_from_slice(br#","receiptHandle":"#);
        text(&mut out, handle);
        out.extend_from_slice(br#","body":"#);
        text(&mut out, body);
        out.extend_from_slice(br#","attributes":{"#);
        for (idx, (name, value)) in it.attributes().enumerate() {
            out.extend_from_slice(if idx == 0 { b"" } else { b"," });
            text(&mut out, Some(name));
            out.push(b':');
            text(&mut out, Some(value));
        }
        out.extend_from_slice(br#"},"messageAttributes":{},"md5OfBody":"#);
        text(&mut out, md5);
        out.extend_from_slice(
            br#","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:bench","awsRegion":"us-east-1"}"#,
        );
    }
    out.extend_from_slice(b"]}");
    out
}

pub(super) fn text(out: &mut Vec<u8>, text: Option<&str>) {
    serde_json::to_writer(out, &text).expect("a text can be written");
}
