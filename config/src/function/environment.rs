//! The environment variables that an operator gives a function: which names are free, and how much they may
//! hold.

use std::collections::BTreeMap;

use crate::document::{DocumentKey, Value};
use crate::error::Code;
use crate::fields::Item;

/// The most bytes of all names and values together, as JSON.
const ENVIRONMENT_BYTES_MAX: usize = 4_096;

/// Names that the host of the Runtime API sets by itself. AWS also reserves region and credentials, which it
/// hands out; we have no credentials to hand out and a region only as a default, so these are free for the
/// operator.
const RESERVED: &[&str] =
    &["AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "_HANDLER", "_X_AMZN_TRACE_ID"];
const RESERVED_PREFIX: &str = "AWS_LAMBDA_";

pub(super) fn read_environment(mut it: Item<'_, '_>) -> Option<BTreeMap<String, String>> {
    if let Value::Map(entries) = &it.node().value {
        // So AWS's templates nest them.
        if let [(key, node)] = entries.as_slice()
            && key.name == "variables"
            && matches!(node.value, Value::Map(_))
        {
            let fix = "remove the level `variables:`".to_owned();
            it.wrong_key(
                key,
                Code::WRONG_TYPE,
                "the variables stand directly under `environment`",
                Some(fix),
            );
            return None;
        }
        for (key, _) in entries {
            check_name(key, &mut it);
        }
    }
    let variables = it.again().text_map()?;
    let n_bytes = serde_json::to_string(&variables).map_or(usize::MAX, |json| json.len());
    if n_bytes > ENVIRONMENT_BYTES_MAX {
        let message =
            format!("the variables have {n_bytes} bytes as JSON; {ENVIRONMENT_BYTES_MAX} is the most");
        it.wrong(
            Code::NOT_ALLOWED,
            message,
            Some("put large values into a file of the code folder".to_owned()),
        );
    }
    Some(variables)
}

fn check_name(key: &DocumentKey, it: &mut Item<'_, '_>) {
    let name = key.name.as_str();
    let is_name = name.len() >= 2
        && name.starts_with(|it: char| it.is_ascii_alphabetic())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
    if RESERVED.contains(&name) || name.starts_with(RESERVED_PREFIX) {
        let message = format!("the variable `{name}` is set by the host of the Runtime API");
        it.wrong_key(key, Code::RESERVED_NAME, message, Some("choose another name".to_owned()));
    } else if !is_name {
        let message = format!("`{}` is no name for a variable", name.escape_debug());
        let fix = "begin with a letter, then one or more letters, digits and `_`";
        it.wrong_key(key, Code::NOT_ALLOWED, message, Some(fix.to_owned()));
    }
}
