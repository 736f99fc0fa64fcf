//! Credentials that are fetched once, kept, and fetched anew before they expire; shared by all that sign with
//! them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::time::timeout;

use super::failures::Failures;

/// The longest that fetching them may take.
const FETCH_MAX: Duration = Duration::from_secs(8);
/// So long before their end they are fetched anew, or a fifth of their life where that is less.
const REFRESH_BEFORE_MAX: Duration = Duration::from_secs(300);
/// After a fetch that failed, credentials that are still good are used for so long before the next.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Credentials with the cache in front of whoever gives them; clones share both.
#[derive(Debug, Clone)]
pub struct KeptCredentials {
    shared: Arc<SharedCredentials>,
}

#[derive(Debug)]
struct SharedCredentials {
    provider: SharedCredentialsProvider,
    kept: Mutex<Option<HeldCredentials>>,
    /// Held while they are fetched, so that one fetch serves all.
    fetching: tokio::sync::Mutex<()>,
    failures: Failures,
    /// For people: where they are looked for, and what to do where there are none.
    tried: String,
    advice: &'static str,
}

#[derive(Debug, Clone)]
struct HeldCredentials {
    credentials: Credentials,
    /// From when on they should be fetched anew; `None` for those that never end.
    refresh_at: Option<SystemTime>,
}

impl HeldCredentials {
    fn new(credentials: Credentials, now: SystemTime) -> Self {
        let refresh_at = credentials.expiry().map(|end| {
            let life = end.duration_since(now).unwrap_or_default();
            end - (life / 5).min(REFRESH_BEFORE_MAX)
        });
        Self { credentials, refresh_at }
    }

    fn is_fresh(&self, now: SystemTime) -> bool {
        self.is_good(now) && self.refresh_at.is_none_or(|it| now < it)
    }

    fn is_good(&self, now: SystemTime) -> bool {
        self.credentials.expiry().is_none_or(|end| now < end)
    }
}

impl KeptCredentials {
    /// Nothing is fetched yet.
    pub fn new(provider: impl ProvideCredentials + 'static, tried: String) -> Self {
        let advice = "write `aws.access_key_id` and `aws.secret_access_key`, or `aws.profile`";
        Self::advised(provider, tried, advice)
    }

    /// The same for those of a role.
    pub(super) fn of_role(provider: impl ProvideCredentials + 'static, tried: String) -> Self {
        let advice = "the role's trust policy must name whoever takes it and ask for no other `external_id`, and they need `sts:AssumeRole` on it";
        Self::advised(provider, tried, advice)
    }

    fn advised(provider: impl ProvideCredentials + 'static, tried: String, advice: &'static str) -> Self {
        let provider = SharedCredentialsProvider::new(provider);
        let (kept, fetching, failures) = (Mutex::new(None), tokio::sync::Mutex::new(()), Failures::default());
        Self { shared: Arc::new(SharedCredentials { provider, kept, fetching, failures, tried, advice }) }
    }

    /// Where they are looked for, for people.
    pub fn tried(&self) -> &str {
        &self.shared.tried
    }

    /// What to do where there are none, for people.
    pub(super) fn advice(&self) -> &'static str {
        self.shared.advice
    }

    /// Credentials that are good now. Those that are about to end are fetched anew by the first who asks; the
    /// others take what is still good meanwhile, and so do all when fetching fails. Where nothing is good, all who
    /// ask during a fetch get what comes of it.
    ///
    /// # Errors
    /// There are none, or they could not be fetched in time.
    pub async fn get(&self) -> Result<Credentials, CredentialsError> {
        self.at(SystemTime::now).await
    }

    pub(super) async fn at(&self, now: impl Fn() -> SystemTime) -> Result<Credentials, CredentialsError> {
        let good = self.kept().filter(|it| it.is_good(now()));
        if let Some(kept) = good.as_ref().filter(|it| it.is_fresh(now())) {
            return Ok(kept.credentials.clone());
        }
        let n_failed = self.shared.failures.count();
        let _fetching = match (&good, self.shared.fetching.try_lock()) {
            (_, Ok(guard)) => guard,
            (Some(kept), Err(_)) => return Ok(kept.credentials.clone()),
            (None, Err(_)) => self.shared.fetching.lock().await,
        };
        // Who held the lock before may have fetched them.
        if let Some(kept) = self.kept().filter(|it| it.is_fresh(now())) {
            return Ok(kept.credentials);
        }
        if let Some(error) = self.shared.failures.since(n_failed).filter(|_| good.is_none()) {
            return Err(error);
        }
        let fetched = timeout(FETCH_MAX, self.shared.provider.provide_credentials()).await;
        match (fetched.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(FETCH_MAX))), good) {
            (Ok(credentials), _) => {
                self.keep(HeldCredentials::new(credentials.clone(), now()));
                Ok(credentials)
            }
            (Err(_), Some(kept)) => {
                let credentials = kept.credentials.clone();
                self.keep(HeldCredentials { refresh_at: Some(now() + RETRY_AFTER), ..kept });
                Ok(credentials)
            }
            (Err(error), None) => Err(self.shared.failures.note(error)),
        }
    }

    fn kept(&self) -> Option<HeldCredentials> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, kept: HeldCredentials) {
        *self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }
}

impl ProvideCredentials for KeptCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.get())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::*;

    /// Gives a key with a new number each time, good for so long.
    #[derive(Debug, Clone, Default)]
    struct Giver(Arc<Given>);

    #[derive(Debug, Default)]
    struct Given {
        n: AtomicU64,
        n_asked: AtomicU64,
        life: AtomicU64,
        fails: AtomicBool,
        hangs: AtomicBool,
    }

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    impl ProvideCredentials for Giver {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(async move {
                self.0.n_asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                if self.0.hangs.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                if self.0.fails.load(Ordering::SeqCst) {
                    return Err(CredentialsError::provider_error("no answer"));
                }
                let n = self.0.n.fetch_add(1, Ordering::SeqCst) + 1;
                let end = Some(self.0.life.load(Ordering::SeqCst))
                    .filter(|it| *it > 0)
                    .map(|it| START + Duration::from_secs(it));
                Ok(Credentials::new(n.to_string(), "secret", None, end, "test"))
            })
        }
    }

    fn kept(life: u64) -> (KeptCredentials, Giver) {
        let giver = Giver::default();
        giver.0.life.store(life, Ordering::SeqCst);
        (KeptCredentials::new(giver.clone(), "a giver".to_owned()), giver)
    }

    async fn key(kept: &KeptCredentials, second: u64) -> String {
        kept.at(|| START + Duration::from_secs(second))
            .await
            .map_or_else(|error| error.to_string(), |it| it.access_key_id().to_owned())
    }

    #[tokio::test]
    async fn credentials_without_an_end_are_fetched_once() {
        let (kept, _) = kept(0);
        assert_eq!((key(&kept, 0).await.as_str(), key(&kept, 1_000_000).await.as_str()), ("1", "1"));
    }

    #[tokio::test]
    async fn they_are_fetched_anew_five_minutes_before_their_end_or_a_fifth_of_a_short_life() {
        let (long, giver) = kept(3_600);
        assert_eq!((key(&long, 0).await.as_str(), key(&long, 3_299).await.as_str()), ("1", "1"));
        giver.0.life.store(7_200, Ordering::SeqCst);
        assert_eq!((key(&long, 3_300).await.as_str(), key(&long, 3_600).await.as_str()), ("2", "2"));
        let (short, _) = kept(10);
        assert_eq!(
            (key(&short, 0).await.as_str(), key(&short, 7).await.as_str(), key(&short, 8).await.as_str()),
            ("1", "1", "2")
        );
    }

    #[tokio::test]
    async fn what_is_still_good_is_used_when_fetching_fails_and_no_longer() {
        let (kept, giver) = kept(1_000);
        assert_eq!(key(&kept, 0).await, "1");
        giver.0.fails.store(true, Ordering::SeqCst);
        assert_eq!((key(&kept, 900).await.as_str(), key(&kept, 999).await.as_str()), ("1", "1"));
        assert!(key(&kept, 1_000).await.contains("error"), "{}", key(&kept, 1_000).await);
        giver.0.fails.store(false, Ordering::SeqCst);
        giver.0.life.store(2_000, Ordering::SeqCst);
        assert_eq!(key(&kept, 1_001).await, "2");
    }

    /// What ten get who ask at once.
    async fn ten(kept: &KeptCredentials, second: u64) -> Vec<String> {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let kept = kept.clone();
            all.spawn(async move {
                let found = kept.at(|| START + Duration::from_secs(second)).await;
                found.map_or_else(|error| crate::aws::chain(&error), |it| it.access_key_id().to_owned())
            });
        }
        let mut got = all.join_all().await;
        got.sort();
        got
    }

    #[tokio::test(start_paused = true)]
    async fn one_fetch_serves_all_who_ask_while_it_lasts_whatever_comes_of_it() {
        let (kept, giver) = kept(3_600);
        let n_asked = || giver.0.n_asked.swap(0, Ordering::SeqCst);
        assert_eq!((ten(&kept, 0).await, n_asked()), (vec!["1".to_owned(); 10], 1));
        giver.0.life.store(7_200, Ordering::SeqCst);
        let renewed = [vec!["1".to_owned(); 9], vec!["2".to_owned()]].concat();
        assert_eq!((ten(&kept, 3_300).await, n_asked()), (renewed, 1));
        giver.0.hangs.store(true, Ordering::SeqCst);
        let start = tokio::time::Instant::now();
        let told = vec!["credentials provider timed out after 8 seconds".to_owned(); 10];
        assert_eq!((ten(&kept, 7_200).await, n_asked()), (told, 1));
        assert_eq!(start.elapsed().as_secs() / FETCH_MAX.as_secs(), 1);
        giver.0.hangs.store(false, Ordering::SeqCst);
        giver.0.fails.store(true, Ordering::SeqCst);
        let told = vec!["an error occurred while loading credentials: no answer".to_owned(); 10];
        assert_eq!((ten(&kept, 7_200).await, n_asked()), (told, 1));
        giver.0.fails.store(false, Ordering::SeqCst);
        giver.0.life.store(9_000, Ordering::SeqCst);
        assert_eq!((ten(&kept, 7_200).await, n_asked()), (vec!["3".to_owned(); 10], 1));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_no_answer_is_not_waited_for_without_end() {
        let (kept, giver) = kept(1_000);
        assert_eq!(key(&kept, 0).await, "1");
        giver.0.hangs.store(true, Ordering::SeqCst);
        let first = tokio::spawn({
            let kept = kept.clone();
            async move { key(&kept, 900).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(key(&kept, 900).await, "1", "others need not wait");
        assert_eq!(first.await.unwrap(), "1");
        let start = tokio::time::Instant::now();
        assert!(key(&kept, 1_000).await.contains("timed out"), "{}", key(&kept, 1_000).await);
        assert_eq!(start.elapsed().as_secs() / FETCH_MAX.as_secs(), 1);
    }
}
