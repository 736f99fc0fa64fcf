//! A private node of RabbitMQ from Debian's package, on free loopback ports, with its own name, folder, cookie and
//! epmd; and what a test does with its queues through the management plugin. Nothing is shared with the code under
//! test.

mod admin;
mod node;

use std::net::TcpStream;
use std::path::Path;
use std::sync::LazyLock;

pub use admin::{RabbitAdmin, RabbitMessage};
use node::RabbitProcess;
pub use node::RabbitTls;

/// The user that every node begins with, who may do everything.
pub const USER: &str = "forebay";
/// Its password.
pub const PASSWORD: &str = "forebay-password";

/// A node, running or down. Its data stay while it is down; it ends with the test.
#[derive(Debug)]
pub struct Rabbit {
    node: RabbitProcess,
}

impl Rabbit {
    /// The one that tests share, each with queues of names of its own. It ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Rabbit> = LazyLock::new(|| Rabbit::start(""));
        &SHARED
    }

    /// Starts one and waits until it answers. `erlang` is what else stands in its `advanced.config` for `rabbit`.
    ///
    /// # Panics
    /// When it is not installed, naming the command.
    pub fn start(erlang: &str) -> Self {
        let mut it = Self::prepare(erlang, None);
        it.launch();
        it
    }

    /// The same with a second listener that speaks TLS.
    ///
    /// # Panics
    /// When it is not installed, naming the command.
    pub fn start_with_tls(tls: &RabbitTls) -> Self {
        let mut it = Self::prepare("", Some(tls));
        it.launch();
        it
    }

    /// A node that has its ports and is down.
    pub fn prepare(erlang: &str, tls: Option<&RabbitTls>) -> Self {
        Self { node: RabbitProcess::prepare(erlang, tls) }
    }

    /// Starts it and waits until it answers.
    pub fn launch(&mut self) {
        self.node.launch();
        let (admin, host) = (self.admin(), self.host());
        // Its management is there before it listens for others.
        self.node.await_ready(|| admin.is_healthy() && TcpStream::connect(&host).is_ok());
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.node.kill();
    }

    /// Where clients connect, as `host:port`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.node.port())
    }

    /// The same for those that speak TLS; the name is the one in its certificate.
    pub fn tls_host(&self) -> String {
        format!("localhost:{}", self.node.tls_port())
    }

    /// Who makes its queues.
    pub fn admin(&self) -> RabbitAdmin {
        RabbitAdmin::new(format!("127.0.0.1:{}", self.node.admin_port()))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.node.log()
    }

    /// Where its data are.
    pub fn folder(&self) -> &Path {
        self.node.folder()
    }
}
