//! What answers in XML say: errors of SNS, S3 and STS, and flat results.

/// The code and the message of an error, else the whole answer.
pub fn said(answer: &str) -> String {
    match (element(answer, "Code").map(unescaped), element(answer, "Message").map(unescaped)) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        (None, _) => answer.to_owned(),
    }
}

/// What the first element of this name holds. What is read here is flat, and these elements
/// have no attributes.
pub fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// A text of XML as it is meant; what is no entity stays as it stands.
pub fn unescaped(mut xml: &str) -> String {
    let mut text = String::with_capacity(xml.len());
    while let Some((before, rest)) = xml.split_once('&') {
        text.push_str(before);
        let known = rest.split_once(';').and_then(|(name, rest)| Some((entity(name)?, rest)));
        let (meant, rest) = known.unwrap_or(('&', rest));
        text.push(meant);
        xml = rest;
    }
    text + xml
}

/// What an entity of this name stands for.
fn entity(name: &str) -> Option<char> {
    let code = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    let code = match code.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => code.parse(),
    };
    code.ok().and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_without_the_entities_of_xml() {
        let answer = "<ErrorResponse><Error><Code>InvalidParameter</Code>\
            <Message>&lt;b&gt; &amp;lt; &quot;x&apos;s&quot; &#233;&#x20AC; &unknown; &#xD800; 5 & 6</Message></Error></ErrorResponse>";
        assert_eq!(
            said(answer),
            "InvalidParameter: <b> &lt; \"x's\" \u{e9}\u{20ac} &unknown; &#xD800; 5 & 6"
        );
        assert_eq!(
            said("<html>&amp;</html>"),
            "<html>&amp;</html>",
            "what is no such error is told as it is"
        );
    }
}
