//! The settings of calls to AWS's services.

use super::{DefaultValue as D, SettingSpec, Shape};

pub(crate) static AWS: SettingSpec = SettingSpec::new(
    "aws",
    Shape::Group,
    D::Absent("the daemon's environment variables"),
    "What Lambda functions and SQS and SNS destinations are called with, unless they say otherwise.",
);
pub(crate) static AWS_REGION: SettingSpec = SettingSpec::new(
    "aws.region",
    Shape::Text,
    D::Absent("`AWS_REGION`, else `AWS_DEFAULT_REGION`"),
    "The region of what is not named by an ARN.",
);
pub(crate) static AWS_ACCOUNT: SettingSpec = SettingSpec::new(
    "aws.account_id",
    Shape::Text,
    D::Absent("`000000000000`"),
    "The account that the ARN of a function carries which is written as a bare name: twelve digits in quotes. Only failure records show it.",
);
pub(crate) static AWS_ENDPOINT: SettingSpec = SettingSpec::new(
    "aws.endpoint",
    Shape::Text,
    D::Absent("AWS's own endpoint of each service"),
    "`http://host:port` or `https://host:port` of a server that speaks for every service, such as an emulator.",
);
pub(crate) static AWS_KEY_ID: SettingSpec = SettingSpec::new(
    "aws.access_key_id",
    Shape::Text,
    D::Absent("`AWS_ACCESS_KEY_ID`"),
    "The id of the access key. Nothing is ever asked of a metadata service.",
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
    "The token of temporary credentials. It is read once, at start.",
);
pub(crate) static AWS_CA_FILE: SettingSpec = SettingSpec::new(
    "aws.ca_file",
    Shape::Path,
    D::Absent("the machine's trusted roots only"),
    "A PEM file with roots to trust besides those of the machine.",
);

pub(crate) static AWS_SETTINGS: &[&SettingSpec] =
    &[&AWS, &AWS_REGION, &AWS_ACCOUNT, &AWS_ENDPOINT, &AWS_KEY_ID, &AWS_SECRET, &AWS_TOKEN, &AWS_CA_FILE];
