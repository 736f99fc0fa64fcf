//! One node of Kafka that asks who calls, and who may do what.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::certificates::{SignedFiles, TestAuthority};
use super::client::KafkaClient;
use super::node::{KafkaListener, Node};

/// A user who may do everything, with the password [`password`] gives.
pub const ALICE: &str = "alice";
/// A user who may do what an ACL lets.
pub const BOB: &str = "bob";
/// The name in the certificate of [`SecuredKafka::client`], who may do everything.
pub const CERTIFIED: &str = "certified";

/// A user's password.
pub fn password(user: &str) -> String {
    format!("{user}-secret")
}

/// Which way in: the listeners of [`SecuredKafka`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Anybody, who may do everything.
    Plaintext,
    /// TLS; who calls stays unknown and may do everything.
    Tls,
    /// TLS with a certificate of the client's own.
    MutualTls,
    /// SASL without TLS: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512.
    Sasl,
    /// The same over TLS.
    SaslTls,
    /// SASL without TLS: OAUTHBEARER with tokens that nobody signs.
    Bearer,
}

impl Door {
    /// The listener's name in the settings, its protocol, and the host that clients are told.
    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Plaintext => ("PLAINTEXT", "PLAINTEXT", "127.0.0.1"),
            Self::Tls => ("TLS", "SSL", "localhost"),
            Self::MutualTls => ("MTLS", "SSL", "localhost"),
            Self::Sasl => ("SASLPLAIN", "SASL_PLAINTEXT", "127.0.0.1"),
            Self::SaslTls => ("SASLTLS", "SASL_SSL", "localhost"),
            Self::Bearer => ("BEARER", "SASL_PLAINTEXT", "127.0.0.1"),
        }
    }

    const ALL: [Self; 6] =
        [Self::Plaintext, Self::Tls, Self::MutualTls, Self::Sasl, Self::SaslTls, Self::Bearer];
}

/// One node with a listener for each [`Door`], and the files of those who come through them. It ends with the
/// test.
#[derive(Debug)]
pub struct SecuredKafka {
    node: Node,
    authority: TestAuthority,
    /// The certificate of the authority that has signed the broker's and the client's.
    pub ca: PathBuf,
    /// A client's key and certificate.
    pub client: SignedFiles,
    folder: TempDir,
}

impl SecuredKafka {
    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When Kafka was not fetched, naming the command.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let authority = TestAuthority::new("authority of the test");
        let ca = authority.write(&folder.path().join("ca.crt"));
        let broker = authority.sign(folder.path(), "broker");
        let client = authority.sign(folder.path(), CERTIFIED);
        let listeners =
            Door::ALL.map(Door::parts).map(|(name, protocol, host)| KafkaListener::new(name, protocol, host));
        let mut node = Node::alone(listeners.to_vec(), &settings(&broker.store, &ca));
        let scram =
            |kind: &str, user: &str| format!("SCRAM-SHA-{kind}=[name={user},password={}]", password(user));
        let users = [("512", ALICE), ("512", BOB), ("256", ALICE), ("256", BOB)];
        let users = users.map(|(kind, user)| scram(kind, user));
        let added = users.iter().flat_map(|it| ["--add-scram", it]);
        node.format(&["--standalone"].into_iter().chain(added).collect::<Vec<_>>());
        node.launch();
        node.await_ready();
        Self { node, authority, ca, client, folder }
    }

    /// Where clients begin who come through this door, as `host:port`.
    pub fn bootstrap(&self, door: Door) -> String {
        self.node.address(door.parts().0)
    }

    /// Who calls through the door that asks nobody.
    pub fn client(&self) -> KafkaClient {
        KafkaClient::new(&self.bootstrap(Door::Plaintext))
    }

    /// A folder for more files, which goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client's key and a certificate that expired long ago, signed by the broker's authority.
    pub fn expired_client(&self) -> SignedFiles {
        self.authority.sign_expired(self.folder.path(), "expired")
    }

    /// The certificate of an authority that has signed nothing here.
    pub fn unknown_ca(&self) -> PathBuf {
        TestAuthority::new("another authority").write(&self.folder.path().join("unknown-ca.crt"))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.node.log()
    }
}

fn settings(store: &Path, ca: &Path) -> String {
    let users: String = [ALICE, BOB].map(|user| format!(" user_{user}=\"{}\"", password(user))).concat();
    let module = "org.apache.kafka.common.security";
    let mut text = format!(
        r"ssl.keystore.type=PEM
ssl.keystore.location={}
ssl.truststore.type=PEM
ssl.truststore.location={}
ssl.client.auth=none
listener.name.mtls.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^.*CN=([^,]+).*$/$1/,DEFAULT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:{ALICE};User:{CERTIFIED}
allow.everyone.if.no.acl.found=false
connection.failed.authentication.delay.ms=100
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.bearer.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.bearer.oauthbearer.sasl.jaas.config={module}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub={ALICE};
listener.name.bearer.oauthbearer.sasl.server.callback.handler.class={module}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler
",
        store.display(),
        ca.display(),
    );
    for listener in ["saslplain", "sasltls"] {
        text.push_str(&format!(
            "listener.name.{listener}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
             listener.name.{listener}.plain.sasl.jaas.config={module}.plain.PlainLoginModule required{users};\n"
        ));
        for kind in ["256", "512"] {
            text.push_str(&format!(
                "listener.name.{listener}.scram-sha-{kind}.sasl.jaas.config={module}.scram.ScramLoginModule required;\n"
            ));
        }
    }
    text
}
