//! The settings of Lambda's API: where it stands and who may use it.

use super::{DefaultValue as D, SettingSpec, Shape};

pub(crate) static API: SettingSpec = SettingSpec::new(
    "api",
    Shape::Group,
    D::Absent("its members have defaults"),
    "The listener for Lambda's API, to which aws CLI, boto3, Terraform and the like are pointed as their Lambda endpoint.",
);
pub(crate) static API_LISTEN: SettingSpec = SettingSpec::new(
    "api.listen",
    Shape::Text,
    D::Word("127.0.0.1:9471"),
    "Address and port of the listener, or `off`. Beyond loopback it needs `keys` and `api.tls`. The socket `forebay.sock` in the data folder stands in any case. The flag `--api-listen` goes before this setting.",
);
pub(crate) static API_TLS: SettingSpec = SettingSpec::new(
    "api.tls",
    Shape::Group,
    D::Absent("plain HTTP"),
    "The certificate of the listener. A reload reads it again; connections that are open keep the former one.",
);
pub(crate) static API_CERT_FILE: SettingSpec = SettingSpec::new(
    "api.tls.cert_file",
    Shape::Path,
    D::Required,
    "A PEM file with the certificate and those that lead to its root.",
);
pub(crate) static API_KEY_FILE: SettingSpec = SettingSpec::new(
    "api.tls.key_file",
    Shape::Path,
    D::Required,
    "A PEM file with the private key of the certificate. Group and others may have no right to it.",
);
pub(crate) static API_ALLOWED_HOSTS: SettingSpec = SettingSpec::new(
    "api.allowed_hosts",
    Shape::TextList,
    D::Absent("`localhost` and addresses of loopback"),
    "Names by which requests may call the listener besides those of loopback, without a port. Requests for others are refused, so that no web page reaches it through a name of its own.",
);
pub(crate) static API_REQUESTS_PER_SECOND: SettingSpec = SettingSpec::new(
    "api.requests_per_second",
    Shape::Integer { min: 1, max: 1_000_000 },
    D::Integer(256),
    "How many requests a second each key may send in the long run; without `keys`, each address beyond loopback. Those beyond it get status 429 and `Retry-After`. Requests with a wrong key or none count for their address. The Unix socket has no such limit.",
);
pub(crate) static API_REQUESTS_BURST: SettingSpec = SettingSpec::new(
    "api.requests_burst",
    Shape::Integer { min: 1, max: 1_000_000 },
    D::Integer(1024),
    "How many requests may come at once after a rest, before `api.requests_per_second` holds.",
);
pub(crate) static KEYS: SettingSpec = SettingSpec::new(
    "keys",
    Shape::List,
    D::Absent("everybody who reaches a listener may do everything"),
    "Who may use the API and `/v1/`. With the first key every request must be signed or carry a token, except those through the Unix socket. A key has an `id` and a `secret`, or a `name` and a `token_sha256`.",
);
pub(crate) static KEY_ID: SettingSpec = SettingSpec::new(
    "keys[].id",
    Shape::Text,
    D::Absent("a key that does not sign"),
    "The access key id of clients that sign their requests, as AWS's tools do.",
);
pub(crate) static KEY_SECRET: SettingSpec = SettingSpec::new(
    "keys[].secret",
    Shape::Text,
    D::Absent("a key that does not sign"),
    "Where the secret access key is: `env:NAME`, `file:PATH`, or the ARN of a secret of Secrets Manager. Group and others may have no right to the file. It is looked up at start and at each reload.",
);
pub(crate) static KEY_SESSION_TOKEN: SettingSpec = SettingSpec::new(
    "keys[].session_token",
    Shape::Text,
    D::Absent("a key without a token"),
    "Where the session token is that must come with the key; written like `secret`.",
);
pub(crate) static KEY_NAME: SettingSpec = SettingSpec::new(
    "keys[].name",
    Shape::Text,
    D::Absent("a key that signs"),
    "The name of a bearer token, for the audit: clients send `Authorization: Bearer TOKEN`.",
);
pub(crate) static KEY_TOKEN_SHA256: SettingSpec = SettingSpec::new(
    "keys[].token_sha256",
    Shape::Text,
    D::Absent("a key that signs"),
    "The SHA-256 of the bearer token in hexadecimal digits. The token is `fbt_` and at least 32 random characters; nobody keeps it but its owner.",
);
pub(crate) static KEY_ROLE: SettingSpec = SettingSpec::new(
    "keys[].role",
    Shape::Word(&["reader", "operator", "admin"]),
    D::Required,
    "What the key may do: `reader` looks; `operator` changes mappings too; `admin` also reloads the config, and calls functions and all else that is passed on to Lambda.",
);

pub(crate) static API_SETTINGS: &[&SettingSpec] = &[
    &API,
    &API_LISTEN,
    &API_TLS,
    &API_CERT_FILE,
    &API_KEY_FILE,
    &API_ALLOWED_HOSTS,
    &API_REQUESTS_PER_SECOND,
    &API_REQUESTS_BURST,
    &KEYS,
    &KEY_ID,
    &KEY_SECRET,
    &KEY_SESSION_TOKEN,
    &KEY_NAME,
    &KEY_TOKEN_SHA256,
    &KEY_ROLE,
];
