//! The environment variables of a function's process: the documented list and the operator's own, nothing of
//! the daemon's.

use std::collections::BTreeMap;

use forebay_config::function::ProcessSettings;

use super::environment::Site;
use super::launch::Launch;

/// The variables of one environment. The operator's win over the region, `LANG`, `PATH`, `TZ` and
/// `AWS_XRAY_CONTEXT_MISSING` and over nothing else: the config refuses the other names.
pub(super) fn variables(
    function: &str,
    settings: &ProcessSettings,
    launch: &Launch,
    site: &Site,
    region: &str,
    log_stream: &str,
) -> BTreeMap<String, String> {
    let defaults = [
        ("AWS_DEFAULT_REGION", region),
        ("AWS_REGION", region),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("TZ", ":UTC"),
    ];
    let fixed = [
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", settings.memory_size.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{function}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream.to_owned()),
        ("AWS_LAMBDA_RUNTIME_API", site.address.to_string()),
        ("LAMBDA_TASK_ROOT", site.spot.folder.to_string_lossy().into_owned()),
        ("_HANDLER", settings.handler.clone()),
    ];
    let own = |(name, value): (&str, String)| (name.to_owned(), value);
    let mut variables = BTreeMap::from(defaults.map(|(name, value)| (name.to_owned(), value.to_owned())));
    variables.extend(settings.environment.clone());
    variables.extend(fixed.map(own));
    variables.extend(launch.execution_env.clone().map(|it| ("AWS_EXECUTION_ENV".to_owned(), it)));
    variables
}
