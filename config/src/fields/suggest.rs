//! The known word that was probably meant.

/// A key longer than this is no slip of the finger; comparing it would cost more than it is worth.
const SUGGEST_CHARS_MAX: usize = 80;
/// Among more words than this none is looked for.
const SUGGEST_AMONG_MAX: usize = 1_000;

/// The known word nearest to what was written, when it is near enough to be a slip.
pub(crate) fn suggest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    let n_chars = written.chars().take(SUGGEST_CHARS_MAX + 1).count();
    if n_chars > SUGGEST_CHARS_MAX || known.len() > SUGGEST_AMONG_MAX {
        return None;
    }
    let folded = fold(written);
    let near = known
        .iter()
        .map(|word| (strsim::osa_distance(&folded, &fold(word)), *word))
        .min_by_key(|(distance, _)| *distance);
    // A third of the letters wrong is a slip; more is another word.
    near.filter(|(distance, word)| *distance <= word.chars().count().max(n_chars) / 3).map(|(_, word)| word)
}

/// Letters and digits only, in lower case: `BatchSize`, `batch-size` and `batch_size` are the same word.
fn fold(word: &str) -> String {
    word.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["batch_size", "bisect_batch_on_function_error", "enabled", "name"];
        for (written, meant) in [
            ("batchsize", Some("batch_size")),
            ("BatchSize", Some("batch_size")),
            ("batch_szie", Some("batch_size")),
            ("enable", Some("enabled")),
            ("nmae", Some("name")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(suggest(written, &known), meant, "{written}");
        }
        assert_eq!(suggest(&"x".repeat(100_000), &known), None);
        assert_eq!(suggest("x", &[]), None);
    }
}
