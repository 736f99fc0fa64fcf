//! Three nodes of Kafka, for leaders that move.

use super::client::KafkaClient;
use super::node::{KafkaListener, Node};
use crate::ports::free_port;

/// Leaders move within seconds, and come back as soon.
const QUICK: &str = "default.replication.factor=3
controller.quorum.election.timeout.ms=1000
controller.quorum.fetch.timeout.ms=2000
leader.imbalance.check.interval.seconds=10
";
/// What each node's folder is called in the quorum: 16 bytes that are not nearly all zero.
const DIRECTORIES: [&str; 3] = ["FAAAAAAAAAAAAAAAAAAAEQ", "FAAAAAAAAAAAAAAAAAAAIQ", "FAAAAAAAAAAAAAAAAAAAMQ"];

/// Three nodes, each of them broker and controller; each record is acknowledged when two have it. They end with
/// the test.
#[derive(Debug)]
pub struct ThreeKafkas {
    nodes: Vec<Node>,
}

impl ThreeKafkas {
    /// Starts all and waits until each answers.
    ///
    /// # Panics
    /// When Kafka was not fetched, naming the command.
    pub fn start() -> Self {
        let ports = [(); 3].map(|()| free_port());
        let voter = |(idx, port): (usize, &u16)| format!("{}@127.0.0.1:{port}:{}", idx + 1, DIRECTORIES[idx]);
        let voters: Vec<String> = ports.iter().enumerate().map(voter).collect();
        let node = |(idx, port): (usize, &u16)| {
            let node = Node::of_cluster(idx + 1, *port, &ports, vec![KafkaListener::plain()], QUICK);
            node.format(&["--initial-controllers", &voters.join(",")]);
            node
        };
        let mut nodes: Vec<Node> = ports.iter().enumerate().map(node).collect();
        // None is ready before two have found each other.
        nodes.iter_mut().for_each(Node::launch);
        nodes.iter().for_each(Node::await_ready);
        Self { nodes }
    }

    /// Where clients begin: all three, with commas.
    pub fn bootstrap(&self) -> String {
        let each: Vec<String> = self.nodes.iter().map(|it| it.address("PLAINTEXT")).collect();
        each.join(",")
    }

    /// Who calls them.
    pub fn client(&self) -> KafkaClient {
        KafkaClient::new(&self.bootstrap())
    }

    /// SIGKILL for a node by its id, 1 to 3. What it has taken stays.
    pub fn kill(&mut self, id: usize) {
        self.nodes[id - 1].kill();
    }

    /// SIGTERM for a node, and waits for its end: it hands its partitions over. What it has taken stays.
    pub fn stop(&mut self, id: usize) {
        self.nodes[id - 1].stop();
    }

    /// Starts a node on the same data and ports, and waits until it answers.
    pub fn restart(&mut self, id: usize) {
        self.nodes[id - 1].launch();
        self.nodes[id - 1].await_ready();
    }

    /// What the nodes that run have logged.
    pub fn log(&self) -> String {
        self.nodes.iter().filter(|it| it.is_running()).map(Node::log).collect()
    }
}
