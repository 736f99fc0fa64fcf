//! Apache Kafka on free loopback ports: one node, three of them, one that asks who calls; and the few things that
//! a test does with topics, records and groups by itself. Nothing is shared with the code under test.

pub mod certificates;
pub mod client;
pub mod msk;
mod node;
pub mod records;
pub mod secured;
pub mod three;
pub mod tools;

use std::sync::LazyLock;

pub use client::KafkaClient;
pub use records::{Sent, Taken};

use node::{KafkaListener, Node};

use crate::wire::Wire;

/// The listener at the end of a wire.
const WIRED: &str = "WIRED";

/// One node that is broker and controller, with a listener that asks nobody who calls. It ends with the test.
#[derive(Debug)]
pub struct Kafka {
    node: Node,
}

impl Kafka {
    /// The one that tests share, each with topics of names of its own. It ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Kafka> = LazyLock::new(Kafka::start);
        &SHARED
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When it was not fetched, naming the command.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same with further lines in its settings.
    ///
    /// # Panics
    /// When it was not fetched, naming the command.
    pub fn start_with(further: &str) -> Self {
        Self::listening(vec![KafkaListener::plain()], further)
    }

    /// Starts it with a second listener at the end of a wire, and waits until it answers.
    ///
    /// # Panics
    /// When it was not fetched, naming the command.
    pub fn start_behind(wire: &Wire) -> Self {
        let wired = KafkaListener::new(WIRED, "PLAINTEXT", "127.0.0.1").told(wire.port());
        wire.lead_to(&wired.bound());
        Self::listening(vec![KafkaListener::plain(), wired], "")
    }

    fn listening(listeners: Vec<KafkaListener>, further: &str) -> Self {
        let mut node = Node::alone(listeners, further);
        node.format(&["--standalone"]);
        node.launch();
        node.await_ready();
        Self { node }
    }

    /// Where clients begin, as `host:port`.
    pub fn bootstrap(&self) -> String {
        self.node.address("PLAINTEXT")
    }

    /// Where clients begin who come by the wire, as `host:port`.
    pub fn wired_bootstrap(&self) -> String {
        self.node.address(WIRED)
    }

    /// Who calls it.
    pub fn client(&self) -> KafkaClient {
        KafkaClient::new(&self.bootstrap())
    }

    /// SIGKILL. What it has taken stays.
    pub fn kill(&mut self) {
        self.node.kill();
    }

    /// SIGTERM, and waits for its end. What it has taken stays.
    pub fn stop(&mut self) {
        self.node.stop();
    }

    /// Starts it on the same data and ports, and waits until it answers.
    pub fn restart(&mut self) {
        self.node.launch();
        self.node.await_ready();
    }

    /// Holds it: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        self.node.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.node.signal("CONT");
    }

    /// What it has logged since it was started last.
    pub fn log(&self) -> String {
        self.node.log()
    }
}
