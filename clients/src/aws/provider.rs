//! Who gives credentials: the settings, a profile, or AWS's own chain of places, which ends with the metadata
//! service.

use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::imds;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use forebay_config::{AwsCredentials, AwsKey};

use super::credentials::KeptCredentials;
use super::sdk::sdk_client;
use crate::http::HttpClient;

/// The longest that one try of STS, a container's or the machine's metadata service may take.
pub(super) const TRY_MAX: Duration = Duration::from_secs(3);
/// The metadata service is next door: who has none should not wait for it.
const METADATA_MAX: Duration = Duration::from_secs(1);
/// Tries of each.
const TRIES: u32 = 2;

/// Whoever gives the credentials that are written, else those of the daemon's surroundings. Asks nobody yet,
/// but reads the shared files.
pub(super) async fn credentials(
    written: Option<&AwsCredentials>,
    region: &str,
    http: HttpClient,
) -> KeptCredentials {
    match written {
        Some(AwsCredentials::Key(AwsKey { access_key_id, secret_access_key, session_token })) => {
            let key = Credentials::new(
                access_key_id.as_str(),
                secret_access_key.as_str(),
                session_token.clone(),
                None,
                "forebay",
            );
            KeptCredentials::new(key, "the settings".to_owned())
        }
        Some(AwsCredentials::Profile(name)) => {
            let config = config(region, http);
            let provider =
                ProfileFileCredentialsProvider::builder().configure(&config).profile_name(name).build();
            KeptCredentials::new(provider, format!("profile {name} of AWS's shared files"))
        }
        None => {
            let config = config(region, http);
            let metadata = imds::Client::builder().configure(&config).max_attempts(TRIES);
            let metadata = metadata.connect_timeout(METADATA_MAX).read_timeout(METADATA_MAX).build();
            let chain = DefaultCredentialsChain::builder().configure(config.clone()).imds_client(metadata);
            let chain = chain.region(Region::new(region.to_owned())).build().await;
            let tried = "environment variables, AWS's shared files, a web identity token, the container's and the machine's metadata service";
            KeptCredentials::new(chain, tried.to_owned())
        }
    }
}

/// The region that a profile of the shared files names: the one that is written, else that of the
/// surroundings.
pub(super) async fn region_of_profile(written: Option<&AwsCredentials>) -> Option<String> {
    let builder = ProfileFileRegionProvider::builder();
    let builder = match written {
        Some(AwsCredentials::Profile(name)) => builder.profile_name(name),
        Some(AwsCredentials::Key(_)) | None => builder,
    };
    builder.build().region().await.map(|it| it.as_ref().to_owned())
}

fn config(region: &str, http: HttpClient) -> ProviderConfig {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(TRY_MAX).build();
    ProviderConfig::without_region()
        .with_region(Some(Region::new(region.to_owned())))
        .with_behavior_version(Some(BehaviorVersion::v2026_01_12()))
        .with_http_client(sdk_client(http))
        .with_retry_config(RetryConfig::standard().with_max_attempts(TRIES))
        .with_timeout_config(timeouts)
}
