//! The process of a node and that of its epmd, both ended with the test however that ends.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{PASSWORD, USER};
use crate::ports::free_port;
use crate::wait;

/// Not `/usr/sbin/rabbitmq-server`: that one becomes another user and forgets the environment.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// Starts a process in a group of its own and ends the group as soon as this shell's own input ends: with its
/// owner, however that ends. Then a folder is removed, where one is named, once whoever else writes there is gone, too.
const GUARD: &str = r#"folder=$1; shift
setsid "$@" </dev/null & it=$!
cat >/dev/null; kill -9 -$it; wait $it 2>/dev/null
[ -z "$folder" ] || { sleep 1; rm -rf "$folder"; }"#;

/// The files of a listener that speaks TLS. It asks for a certificate and takes clients that have none.
#[derive(Debug, Clone)]
pub struct RabbitTls {
    /// Whom it trusts.
    pub roots: PathBuf,
    /// Its own certificate.
    pub certificate: PathBuf,
    /// The key of that.
    pub key: PathBuf,
}

/// A process that ends when this is dropped.
#[derive(Debug)]
struct Guarded(Child);

impl Guarded {
    fn spawn(command: &[&str], variables: &[(&str, String)], log: &Path, removed: &str) -> Self {
        let log = File::options().append(true).create(true).open(log).expect("a file can be opened");
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "guard", removed]).args(command);
        guard.envs(variables.iter().map(|(name, value)| (name, value)));
        guard.stdin(Stdio::piped()).stdout(log.try_clone().expect("a handle can be doubled")).stderr(log);
        Self(guard.spawn().expect("sh starts"))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A node and its epmd, its ports and its folder.
#[derive(Debug)]
pub(super) struct RabbitProcess {
    // In this order: the node goes before its epmd, both before the folder.
    node: Option<Guarded>,
    epmd: Option<Guarded>,
    folder: TempDir,
    /// For AMQP, AMQP over TLS, management, other nodes, epmd.
    ports: [u16; 5],
}

impl RabbitProcess {
    pub(super) fn prepare(erlang: &str, tls: Option<&RabbitTls>) -> Self {
        assert!(Path::new(SERVER).exists(), "{SERVER} is missing: dev/servers.sh");
        let folder =
            tempfile::Builder::new().prefix("forebay-rabbit-").tempdir().expect("a folder can be made");
        let ports = std::array::from_fn(|_| free_port());
        let it = Self { node: None, epmd: None, folder, ports };
        let put = |name: &str, text: &str| fs::write(it.path(name), text).expect("a file can be written");
        for name in ["mnesia", "log", "home"] {
            fs::create_dir(it.path(name)).expect("a folder can be made");
        }
        put("enabled_plugins", "[rabbitmq_management].\n");
        put("advanced.config", &format!("[{{rabbit, [{erlang}]}}].\n"));
        put("rabbitmq.conf", &it.settings(tls));
        put("home/.erlang.cookie", "FOREBAYTESTCOOKIE");
        let cookie = fs::Permissions::from_mode(0o400);
        fs::set_permissions(it.path("home/.erlang.cookie"), cookie).expect("a file's mode can be set");
        it
    }

    fn settings(&self, tls: Option<&RabbitTls>) -> String {
        let [amqp, over_tls, admin, ..] = self.ports;
        let tls = tls.map_or_else(String::new, |tls| {
            format!(
                "listeners.ssl.1 = 127.0.0.1:{over_tls}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\nssl_options.keyfile = {}\n\
                 ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = false\n",
                tls.roots.display(),
                tls.certificate.display(),
                tls.key.display()
            )
        });
        format!(
            "listeners.tcp.1 = 127.0.0.1:{amqp}\n{tls}management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {admin}\n\
             default_user = {USER}\ndefault_pass = {PASSWORD}\ndefault_vhost = /\n\
             vm_memory_high_watermark.absolute = 256MB\ndisk_free_limit.absolute = 50MB\nlog.console = false\nlog.file.level = info\n"
        )
    }

    pub(super) fn port(&self) -> u16 {
        self.ports[0]
    }

    pub(super) fn tls_port(&self) -> u16 {
        self.ports[1]
    }

    pub(super) fn admin_port(&self) -> u16 {
        self.ports[2]
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts it, without waiting.
    pub(super) fn launch(&mut self) {
        let [.., between_nodes, epmd] = self.ports;
        let path = |name: &str| self.path(name).display().to_string();
        let variables = [
            ("HOME", path("home")),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            ("ERL_EPMD_PORT", epmd.to_string()),
            // With this host the node's own port is on loopback.
            ("RABBITMQ_NODENAME", format!("forebay{}@localhost", self.port())),
            ("RABBITMQ_MNESIA_BASE", path("mnesia")),
            ("RABBITMQ_LOG_BASE", path("log")),
            ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
            ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")),
            ("RABBITMQ_GENERATED_CONFIG_DIR", path("generated")),
            ("RABBITMQ_DIST_PORT", between_nodes.to_string()),
            ("RABBITMQ_PID_FILE", path("pid")),
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +A 8".to_owned(),
            ),
        ];
        let log = self.path("console");
        // A node that finds none starts one that outlives it.
        let (port, folder) = (epmd.to_string(), self.folder().display().to_string());
        let daemon = ["epmd", "-port", &port, "-address", "127.0.0.1"];
        self.epmd.get_or_insert_with(|| Guarded::spawn(&daemon, &[], &log, &folder));
        wait::until("epmd", || std::net::TcpStream::connect(("127.0.0.1", epmd)).ok());
        self.node = Some(Guarded::spawn(&[SERVER], &variables, &log, ""));
    }

    pub(super) fn await_ready(&self, is_healthy: impl Fn() -> bool) {
        wait::until_told("a node of RabbitMQ", || is_healthy().then_some(()), || self.log());
    }

    pub(super) fn kill(&mut self) {
        self.node = None;
    }

    /// What it and its scripts have said.
    pub(super) fn log(&self) -> String {
        let own = self.path("log").join(format!("forebay{}@localhost.log", self.port()));
        let all = [self.path("console"), own].map(|it| fs::read_to_string(it).unwrap_or_default());
        all.concat()
    }
}
