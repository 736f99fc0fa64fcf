//! The settings of a function.

use crate::aws::AwsScope;
use crate::rate::RateSpecs;

use super::{AwsMember, DefaultValue as D, SettingSpec, Shape};

pub(crate) static EXECUTOR: SettingSpec = SettingSpec::new(
    "functions.*.executor",
    Shape::Choice,
    D::Required,
    "How the function is run: `process`, `http` or `lambda`.",
);
pub(crate) static TIMEOUT: SettingSpec = SettingSpec::new(
    "functions.*.timeout",
    Shape::Integer { min: 1, max: 900 },
    D::Integer(3),
    "Seconds that one invocation may take; then it is stopped and counts as failed. Some sources allow less than 900.",
)
.aws(AwsMember::new("Timeout"));
pub(crate) static RESERVED_CONCURRENCY: SettingSpec = SettingSpec::new(
    "functions.*.reserved_concurrent_executions",
    Shape::Integer { min: -1, max: 10_000 },
    D::Integer(-1),
    "The most invocations of the function at once, all mappings together. `0` stops it from being invoked; `-1` leaves it to the executor.",
)
.aws(AwsMember::new("ReservedConcurrentExecutions"));
pub(crate) static PROCESS: SettingSpec = SettingSpec::new(
    "functions.*.executor.process",
    Shape::Group,
    D::Absent("not run as a process"),
    "A child process that speaks the Lambda Runtime API.",
);
pub(crate) static RUNTIME: SettingSpec = SettingSpec::new(
    "functions.*.executor.process.runtime",
    Shape::Word(&["python3", "nodejs", "provided"]),
    D::Required,
    "What starts the code: `python3` or `nodejs` of the machine, or `provided` for a program that speaks the Runtime API itself.",
)
.aws(AwsMember::new("Runtime"));
pub(crate) static HANDLER: SettingSpec = SettingSpec::new(
    "functions.*.executor.process.handler",
    Shape::Text,
    D::Absent("`bootstrap` for `provided`, required otherwise"),
    "`file.function` for `python3` and `nodejs`, 128 characters at most. For `provided`, the program, and what it finds in `_HANDLER`.",
)
.aws(AwsMember::new("Handler"));
pub(crate) static CODE: SettingSpec = SettingSpec::new(
    "functions.*.executor.process.code",
    Shape::Path,
    D::Required,
    "The folder of the code, also the working directory of the process.",
);
pub(crate) static ENVIRONMENT: SettingSpec = SettingSpec::new(
    "functions.*.executor.process.environment",
    Shape::Texts,
    D::Absent("no variables of your own"),
    "Environment variables for the function, 4,096 bytes together. Names that the Runtime API sets are refused; nothing of the daemon's own environment is passed on.",
)
.aws(AwsMember::new("Environment.Variables"));
pub(crate) static MEMORY_SIZE: SettingSpec = SettingSpec::new(
    "functions.*.executor.process.memory_size",
    Shape::Integer { min: 128, max: 10_240 },
    D::Integer(128),
    "Megabytes that the function is told it has. Without a sandbox nothing holds it to that.",
)
.aws(AwsMember::new("MemorySize"));
pub(crate) static IDLE_TTL: SettingSpec = SettingSpec::new(
    "functions.*.executor.process.idle_ttl",
    Shape::Seconds { min_ms: 1_000, max_ms: 86_400_000 },
    D::Millis(600_000),
    "Seconds after which a process without work is stopped. A longer time saves starts, a shorter one memory.",
);
pub(crate) static SANDBOX: SettingSpec = SettingSpec::new(
    "functions.*.executor.process.sandbox",
    Shape::Word(&["none"]),
    D::Word("none"),
    "How far the process is kept from the machine: `none` is a plain child process, with the rights of the daemon. Run only code that you trust.",
);
pub(crate) static HTTP: SettingSpec = SettingSpec::new(
    "functions.*.executor.http",
    Shape::Group,
    D::Absent("not called over HTTP"),
    "An endpoint that gets each event as a POST.",
);
pub(crate) static URL: SettingSpec = SettingSpec::new(
    "functions.*.executor.http.url",
    Shape::Text,
    D::Required,
    "Where to: `http://` or `https://`, without user, password and fragment.",
);
pub(crate) static HEADERS: SettingSpec = SettingSpec::new(
    "functions.*.executor.http.headers",
    Shape::Texts,
    D::Absent("no headers of your own"),
    "Headers sent with every call. Put tokens into files and write `${file:…}` here.",
);
pub(crate) static CA_FILE: SettingSpec = SettingSpec::new(
    "functions.*.executor.http.ca_file",
    Shape::Path,
    D::Absent("the machine's trusted roots only"),
    "A PEM file with roots to trust besides those of the machine.",
);

pub(crate) static LAMBDA: SettingSpec = SettingSpec::new(
    "functions.*.executor.lambda",
    Shape::Group,
    D::Absent("not a function of Lambda"),
    "A function of Lambda, or of any server that speaks its Invoke; called with what stands under `aws`.",
);
pub(crate) static LAMBDA_NAME: SettingSpec = SettingSpec::new(
    "functions.*.executor.lambda.function_name",
    Shape::Text,
    D::Required,
    "`name`, `account:function:name` or an ARN, each with `:version` or `:alias` if you like.",
)
.aws(AwsMember::new("FunctionName"));
pub(crate) static LAMBDA_QUALIFIER: SettingSpec = SettingSpec::new(
    "functions.*.executor.lambda.qualifier",
    Shape::Text,
    D::Absent("what the name carries, else none"),
    "A version or an alias. Where the name carries one too, both must agree.",
)
.aws(AwsMember::new("Qualifier"));
/// The settings of `aws` that have a meaning for a function.
pub(crate) const LAMBDA_SCOPE: AwsScope<'static> =
    AwsScope { services: &[&crate::function::LAMBDA], names_account: true };
pub(crate) static LAMBDA_AWS: SettingSpec = SettingSpec::new(
    "functions.*.executor.lambda.aws",
    Shape::Aws(LAMBDA_SCOPE),
    D::Absent("what stands under the top level's `aws`"),
    "What differs from the top level's `aws` for this function.",
);

pub(crate) static FUNCTION_RATE_LIMIT: SettingSpec = SettingSpec::new(
    "functions.*.rate_limit",
    Shape::Group,
    D::Absent("as fast as there are slots"),
    "How much may be started of the function in a second, by all of its mappings together: they get their turns one after the other. Attempts after a failure count too. What is called through Lambda's API of this daemon and as a destination does not count. Ours.",
);
pub(crate) static FUNCTION_RATE_RECORDS: SettingSpec = SettingSpec::new(
    "functions.*.rate_limit.records_per_second",
    Shape::Integer { min: 1, max: 1_000_000 },
    D::Absent("records are not counted"),
    "The most records a second. A batch of more starts all the same, and what follows waits until it is paid for. Either this or `invocations_per_second`.",
);
pub(crate) static FUNCTION_RATE_INVOCATIONS: SettingSpec = SettingSpec::new(
    "functions.*.rate_limit.invocations_per_second",
    Shape::Integer { min: 1, max: 100_000 },
    D::Absent("invocations are not counted"),
    "The most invocations a second, however many records they hold. They are spread evenly: what was not used of the last tenth of a second may be made up for.",
);
pub(crate) static FUNCTION_RATE_RAMP: SettingSpec = SettingSpec::new(
    "functions.*.rate_limit.ramp_up_in_seconds",
    Shape::Seconds { min_ms: 0, max_ms: 3_600_000 },
    D::Millis(0),
    "Seconds in which the rate grows from a tenth of the limit to all of it, after the first invocation and again after each throttle; `0` for all of it at once.",
);
pub(crate) static FUNCTION_RATE_SPECS: RateSpecs = RateSpecs {
    records: &FUNCTION_RATE_RECORDS,
    invocations: &FUNCTION_RATE_INVOCATIONS,
    ramp: &FUNCTION_RATE_RAMP,
};

pub(crate) static FUNCTION_SETTINGS: &[&SettingSpec] = &[
    &EXECUTOR,
    &PROCESS,
    &RUNTIME,
    &HANDLER,
    &CODE,
    &ENVIRONMENT,
    &MEMORY_SIZE,
    &IDLE_TTL,
    &SANDBOX,
    &HTTP,
    &URL,
    &HEADERS,
    &CA_FILE,
    &LAMBDA,
    &LAMBDA_NAME,
    &LAMBDA_QUALIFIER,
    &LAMBDA_AWS,
    &TIMEOUT,
    &RESERVED_CONCURRENCY,
    &FUNCTION_RATE_LIMIT,
    &FUNCTION_RATE_RECORDS,
    &FUNCTION_RATE_INVOCATIONS,
    &FUNCTION_RATE_RAMP,
];
