//! The settings of calls to AWS's services.

use super::{DefaultValue as D, SettingSpec, Shape};
use crate::aws::{AwsService, STS};
use crate::destination::DESTINATION_SERVICES;
use crate::function::LAMBDA;
use crate::secret_ref::SECRETS_MANAGER;

pub(crate) static AWS: SettingSpec = SettingSpec::new(
    "aws",
    Shape::Group,
    D::Absent("the daemon's environment variables and AWS's shared files"),
    "What AWS's services are called with. A source, a function and a destination may each have an `aws` of its own, which says what differs there: the same settings as far as they have a meaning there, each going before the one here.",
);
pub(crate) static AWS_REGION: SettingSpec = SettingSpec::new(
    "aws.region",
    Shape::Text,
    D::Absent("`AWS_REGION`, else `AWS_DEFAULT_REGION`; with an endpoint of your own `us-east-1`"),
    "The region of what does not name one itself, as an ARN and the URL of a queue at AWS do. Written in an `aws` of its own, it goes before the URL's.",
);
pub(crate) static AWS_ACCOUNT: SettingSpec = SettingSpec::new(
    "aws.account_id",
    Shape::Text,
    D::Absent("`000000000000`"),
    "The account of your functions, which their ARNs carry: twelve digits in quotes.",
);
pub(crate) static AWS_ENDPOINT: SettingSpec = SettingSpec::new(
    "aws.endpoint",
    Shape::Text,
    D::Absent("`AWS_ENDPOINT_URL`, else the host of a queue's URL, else AWS's own endpoint of each service"),
    "`http://host:port` or `https://host:port` of a server that speaks for every service, such as an emulator.",
);
pub(crate) static AWS_ENDPOINTS: SettingSpec = SettingSpec::new(
    "aws.endpoints",
    Shape::Group,
    D::Absent("all services are at `aws.endpoint`"),
    "Servers that speak for one service. They go before `aws.endpoint`; the `endpoint` of a nearer `aws` goes before both.",
);
pub(crate) static AWS_KEY_ID: SettingSpec = SettingSpec::new(
    "aws.access_key_id",
    Shape::Text,
    D::Absent("`AWS_ACCESS_KEY_ID`"),
    "The id of the access key, together with `secret_access_key`.",
);
pub(crate) static AWS_SECRET: SettingSpec = SettingSpec::new(
    "aws.secret_access_key",
    Shape::Text,
    D::Absent("`AWS_SECRET_ACCESS_KEY`"),
    "The access key. Put it into a file and write `${file:…}` here.",
);
pub(crate) static AWS_TOKEN: SettingSpec = SettingSpec::new(
    "aws.session_token",
    Shape::Text,
    D::Absent("`AWS_SESSION_TOKEN` where the key is the environment's, else none"),
    "The token of temporary credentials that are written here. It is read once, at start.",
);
pub(crate) static AWS_PROFILE: SettingSpec = SettingSpec::new(
    "aws.profile",
    Shape::Text,
    D::Absent("`AWS_PROFILE`, else `default`, after the environment's key"),
    "A profile of AWS's shared files, instead of a key: its keys, `role_arn`, `web_identity_token_file`, `credential_process` or `credential_source`, and its `region`.",
);
pub(crate) static AWS_ASSUME_ROLE: SettingSpec = SettingSpec::new(
    "aws.assume_role",
    Shape::Group,
    D::Absent("no role: the credentials are used as they are"),
    "A role that is taken with those credentials; what is called is called with the role's, which STS gives for an hour and which are fetched anew before \
     they end. Credentials that are written nearer to a source, function or destination are used without a role that is written farther off.",
);
pub(crate) static AWS_ROLE_ARN: SettingSpec = SettingSpec::new(
    "aws.assume_role.role_arn",
    Shape::Text,
    D::Required,
    "The role, `arn:aws:iam::123456789012:role/name`. Its trust policy must name whoever takes it.",
);
pub(crate) static AWS_EXTERNAL_ID: SettingSpec = SettingSpec::new(
    "aws.assume_role.external_id",
    Shape::Text,
    D::Absent("none is sent"),
    "What the role's trust policy asks for as `sts:ExternalId`.",
);
pub(crate) static AWS_SESSION_NAME: SettingSpec = SettingSpec::new(
    "aws.assume_role.session_name",
    Shape::Text,
    D::Word("forebay"),
    "What the session is called in the logs of the role's account.",
);
pub(crate) static AWS_ACCOUNTS: SettingSpec = SettingSpec::new(
    "aws.accounts",
    Shape::Named,
    D::Absent(
        "where `aws.account_id` is written, ARNs of other accounts are refused; else they are called like all others",
    ),
    "How things are called whose ARN is of this account, or of this region of it: maps of the settings here, but `account_id` and `accounts`, under \
     `\"123456789012\"` or `\"123456789012/eu-west-1\"`. The region's entry, which names no `region` itself, goes before the account's, and that before \
     the settings here. An empty map calls an account with what all share. Needs `account_id`, which says whose names need no entry.",
);
pub(crate) static AWS_CA_FILE: SettingSpec = SettingSpec::new(
    "aws.ca_file",
    Shape::Path,
    D::Absent("`AWS_CA_BUNDLE`, else the machine's trusted roots only"),
    "A PEM file with roots to trust besides those of the machine.",
);

pub(crate) static AWS_SETTINGS: &[&SettingSpec] = &[
    &AWS,
    &AWS_REGION,
    &AWS_ACCOUNT,
    &AWS_ENDPOINT,
    &AWS_ENDPOINTS,
    &AWS_KEY_ID,
    &AWS_SECRET,
    &AWS_TOKEN,
    &AWS_PROFILE,
    &AWS_ASSUME_ROLE,
    &AWS_ROLE_ARN,
    &AWS_EXTERNAL_ID,
    &AWS_SESSION_NAME,
    &AWS_CA_FILE,
    &AWS_ACCOUNTS,
];

/// The services that are called whatever kinds of source there are, each declared by who calls it.
pub fn own_services() -> impl Iterator<Item = &'static AwsService> {
    [&LAMBDA, &SECRETS_MANAGER].into_iter().chain(DESTINATION_SERVICES).chain([&STS])
}

/// All services that are called: those of the house, then what kinds of source call besides.
pub fn services(of_sources: impl IntoIterator<Item = &'static AwsService>) -> Vec<&'static AwsService> {
    let mut all: Vec<_> = own_services().collect();
    for service in of_sources {
        if !all.contains(&service) {
            all.push(service);
        }
    }
    all
}
