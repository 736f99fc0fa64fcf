//! The listener for Lambda's API, and who may use it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use core::net::SocketAddr;
use core::num::NonZeroU32;

use crate::document::SourceSpan;
use crate::error::{Code, Finding, join};
use crate::fields::{Fields, Item};
use crate::secret_ref::SecretRef;
use crate::settings::{self, DefaultValue, SettingSpec, SettingsReader};

/// More keys than anybody needs.
const KEYS_MAX: usize = 10_000;
/// The longest id or name of a key.
const NAME_CHARS_MAX: usize = 128;

/// The `api:` block and the `keys:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// Where it stands; `None` leaves only the Unix socket of the data folder.
    pub listen: Option<SocketAddr>,
    /// The certificate; `None` is plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Names by which requests may call it, besides those of loopback; in lower case, without a port.
    pub allowed_hosts: Vec<String>,
    /// How many requests a second a key or an address may send in the long run.
    pub requests_per_second: NonZeroU32,
    /// How many at once, after a rest.
    pub requests_burst: NonZeroU32,
    /// Who may use it; without any, everybody who reaches it may do everything.
    pub keys: Vec<ApiKey>,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// A PEM file with the chain, the server's own first.
    pub cert_file: PathBuf,
    /// A PEM file with the private key.
    pub key_file: PathBuf,
}

/// One who may use the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What it may do.
    pub role: KeyRole,
    /// How it shows who it is.
    pub proof: KeyProof,
}

/// What a key may do; each may do what the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRole {
    /// Looks.
    Reader,
    /// Changes mappings.
    Operator,
    /// Does everything.
    Admin,
}

/// How one shows who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyProof {
    /// By signing, as AWS's clients do.
    Signature {
        /// The id of the access key.
        id: String,
        /// Where its secret is.
        secret: SecretRef,
        /// Where the token is that must come with it.
        session_token: Option<SecretRef>,
    },
    /// By a bearer token.
    Token {
        /// Its name, for the audit.
        name: String,
        /// The SHA-256 of the token.
        sha256: [u8; 32],
    },
}

impl ApiSettings {
    /// What must be written before the API may stand on an address; `None` when it may.
    pub fn missing_for(&self, address: SocketAddr) -> Option<&'static str> {
        match (address.ip().is_loopback(), self.keys.is_empty(), self.tls.is_none()) {
            // Whoever is on this machine could read the data folder as well, so loopback asks for nothing.
            (true, _, _) | (false, false, false) => None,
            (false, true, true) => Some("`keys` and `api.tls`"),
            (false, true, false) => Some("`keys`"),
            (false, false, true) => Some("`api.tls`"),
        }
    }

    /// The files that it names: a certificate or a secret in one of them may change without the config.
    pub fn files(&self) -> Vec<PathBuf> {
        let of_tls = self.tls.iter().flat_map(|it| [it.cert_file.clone(), it.key_file.clone()]);
        let secrets = self.keys.iter().flat_map(|it| match &it.proof {
            KeyProof::Signature { secret, session_token, .. } => vec![Some(secret), session_token.as_ref()],
            // A token stands in the config as its hash: there is no file that could change.
            KeyProof::Token { .. } => Vec::new(),
        });
        let of_secrets = secrets.flatten().filter_map(|it| match it {
            SecretRef::File(path) => Some(path.clone()),
            SecretRef::Env(_) | SecretRef::SecretsManager(_) => None,
        });
        of_tls.chain(of_secrets).collect()
    }

    /// Reads the block; relative paths begin at `base`.
    pub(crate) fn read(it: Item<'_, '_>, base: &Path) -> Option<Self> {
        it.fields(|fields| {
            let mut reader = SettingsReader { fields };
            let listen = match reader.written(&settings::API_LISTEN, read_listen) {
                Some(listen) => listen,
                None => default_listen(),
            };
            let tls = reader.written(&settings::API_TLS, |it| read_tls(it, base));
            let allowed_hosts =
                reader.written(&settings::API_ALLOWED_HOSTS, |it| it.list(read_host)).unwrap_or_default();
            let (per_second, burst) = (
                reader.integer(&settings::API_REQUESTS_PER_SECOND),
                reader.integer(&settings::API_REQUESTS_BURST),
            );
            let (requests_per_second, requests_burst) = (positive(per_second), positive(burst));
            Some(Self { listen, tls, allowed_hosts, requests_per_second, requests_burst, keys: Vec::new() })
        })
    }

    /// Notes when the block exposes what nobody guards.
    pub(crate) fn check_exposed(&self, place: &SourceSpan) -> Option<Finding> {
        let listen = self.listen?;
        let missing = self.missing_for(listen)?;
        let path = join(settings::API.key(), settings::API_LISTEN.key());
        let finding = Finding::new(
            Code::EXPOSED,
            path,
            place,
            format!("others can reach {listen}, and {missing} are not written"),
        );
        Some(finding.fix(format!("write {missing}, or listen on loopback: `127.0.0.1:9471`")))
    }
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            listen: default_listen(),
            tls: None,
            allowed_hosts: Vec::new(),
            requests_per_second: positive(default_integer(&settings::API_REQUESTS_PER_SECOND)),
            requests_burst: positive(default_integer(&settings::API_REQUESTS_BURST)),
            keys: Vec::new(),
        }
    }
}

fn default_integer(spec: &SettingSpec) -> Option<i64> {
    if let DefaultValue::Integer(value) = spec.default { Some(value) } else { None }
}

/// A number that the table keeps above zero; one that is wrong has its finding.
fn positive(number: Option<i64>) -> NonZeroU32 {
    number.and_then(|it| u32::try_from(it).ok()).and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
}

fn default_listen() -> Option<SocketAddr> {
    match settings::API_LISTEN.default {
        DefaultValue::Word(address) => address.parse().ok(),
        DefaultValue::Required
        | DefaultValue::RequiredWhereAllowed
        | DefaultValue::Absent(_)
        | DefaultValue::Integer(_)
        | DefaultValue::Millis(_)
        | DefaultValue::Switch(_)
        | DefaultValue::Texts(_)
        | DefaultValue::OfSource(_) => None,
    }
}

fn read_listen(mut it: Item<'_, '_>) -> Option<Option<SocketAddr>> {
    let text = it.again().text()?;
    if text == "off" {
        return Some(None);
    }
    if let Ok(address) = text.parse() {
        return Some(Some(address));
    }
    let fix = "write `127.0.0.1:9471`, `[::1]:9471` or `off`".to_owned();
    it.wrong(Code::NOT_ALLOWED, "must be an address and a port, or `off`", Some(fix));
    None
}

fn read_tls(it: Item<'_, '_>, base: &Path) -> Option<TlsFiles> {
    it.fields(|fields| {
        let mut reader = SettingsReader { fields };
        let cert_file = reader.required(&settings::API_CERT_FILE, |it| it.file_path(base));
        let key_file = reader.required(&settings::API_KEY_FILE, |it| it.file_path(base));
        Some(TlsFiles { cert_file: cert_file?, key_file: key_file? })
    })
}

/// A name or an address without a port.
fn read_host(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_address = bare.is_some_and(|it| it.parse::<core::net::Ipv6Addr>().is_ok());
    if is_address || text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'_')) {
        return Some(text.to_ascii_lowercase());
    }
    it.wrong(
        Code::NOT_ALLOWED,
        "must be a host's name or address without a port",
        Some("write `lambda.example.com`".to_owned()),
    );
    None
}

/// Reads the list of keys; relative paths begin at `base`.
pub(crate) fn read_keys(mut it: Item<'_, '_>, base: &Path) -> Option<Vec<ApiKey>> {
    let mut known: BTreeMap<(bool, String), SourceSpan> = BTreeMap::new();
    let mut twice = Vec::new();
    let keys = it.again().list(|it| {
        let (path, place) = (it.path().to_owned(), it.place().clone());
        let key = it.fields(|fields| read_key(fields, base))?;
        // A token may bear the name of an access key: a request shows one or the other, never both.
        let (is_token, name) = match &key.proof {
            KeyProof::Signature { id, .. } => (false, id.clone()),
            KeyProof::Token { name, .. } => (true, name.clone()),
        };
        if let Some(first) = known.get(&(is_token, name.clone())) {
            let finding =
                Finding::new(Code::DUPLICATE_NAME, path, &place, format!("a second key is named `{name}`"));
            twice.push(finding.fix("rename or remove one of them").also(first, "first written here"));
        }
        // The first one stays, for a third to be compared with.
        known.entry((is_token, name)).or_insert(place);
        Some(key)
    });
    if keys.as_ref().is_some_and(|it| it.len() > KEYS_MAX) {
        it.wrong(Code::NOT_ALLOWED, format!("there are at most {KEYS_MAX} keys"), None);
    }
    it.extend(twice);
    keys
}

fn read_key(fields: &mut Fields<'_>, base: &Path) -> Option<ApiKey> {
    let roles = [("reader", KeyRole::Reader), ("operator", KeyRole::Operator), ("admin", KeyRole::Admin)];
    let mut reader = SettingsReader { fields };
    let role = reader.required(&settings::KEY_ROLE, |it| it.word(&roles));
    // Either of the two says which kind of key is meant; what it lacks is told then.
    let is_token =
        reader.fields.has(settings::KEY_NAME.key()) || reader.fields.has(settings::KEY_TOKEN_SHA256.key());
    let signs = [&settings::KEY_ID, &settings::KEY_SECRET, &settings::KEY_SESSION_TOKEN];
    if is_token {
        for spec in signs {
            if let Some(key) = reader.fields.key(spec.key()) {
                let path = join(reader.fields.path(), spec.key());
                let message = format!(
                    "`{}` is of a key that signs; one with a `name` has a `token_sha256`",
                    spec.key()
                );
                reader
                    .fields
                    .push(Finding::new(Code::CONFLICT, path, &key.place, message).fix("make two keys of it"));
            }
        }
        let name = reader.required(&settings::KEY_NAME, read_name);
        let sha256 = reader.required(&settings::KEY_TOKEN_SHA256, read_sha256);
        return Some(ApiKey { role: role?, proof: KeyProof::Token { name: name?, sha256: sha256? } });
    }
    let id = reader.required(&settings::KEY_ID, read_name);
    let secret = reader.required(&settings::KEY_SECRET, |it| SecretRef::read(it, base));
    let session_token = reader.written(&settings::KEY_SESSION_TOKEN, |it| SecretRef::read(it, base));
    Some(ApiKey { role: role?, proof: KeyProof::Signature { id: id?, secret: secret?, session_token } })
}

fn read_name(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    if text.len() <= NAME_CHARS_MAX
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.'))
    {
        return Some(text);
    }
    it.wrong(Code::NOT_ALLOWED, format!("has 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_` and `.`"), None);
    None
}

/// The message does not repeat what was written: it may be the token.
fn read_sha256(mut it: Item<'_, '_>) -> Option<[u8; 32]> {
    let text = it.again().text()?;
    let digit = |it: u8| char::from(it).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let mut sha256 = [0; 32];
    let mut is_hash = text.len() == 64;
    for (byte, pair) in sha256.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        match (digit(pair[0]), digit(pair[1])) {
            (Some(high), Some(low)) => *byte = high << 4 | low,
            (_, _) => is_hash = false,
        }
    }
    if is_hash {
        return Some(sha256);
    }
    it.wrong(
        Code::NOT_ALLOWED,
        "must be a SHA-256: 64 hexadecimal digits",
        Some("print it: `printf %s \"$TOKEN\" | sha256sum`".to_owned()),
    );
    None
}
