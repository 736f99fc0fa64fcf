//! What functions were given of a stream, and in which order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use forebay_tests::function::{Answer, Function};
use forebay_tests::wait;
use serde_json::Value;

/// The events of one function.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<Value>>>);

impl Journal {
    /// A function that writes down what it is given.
    pub(crate) fn function(&self) -> Function {
        self.function_that(|_| Answer::Done(String::new()))
    }

    /// A function that does, and answers so.
    pub(crate) fn function_that(
        &self,
        answer: impl Fn(&Value) -> Answer + Send + Sync + 'static,
    ) -> Function {
        let journal = self.clone();
        Function::start(move |event| {
            let mut events = journal.0.lock().expect("nothing panics under this lock");
            events.push(event.clone());
            answer(event)
        })
    }

    /// Writes one down that some function was given.
    pub(crate) fn note(&self, event: &Value) {
        self.0.lock().expect("nothing panics under this lock").push(event.clone());
    }

    /// What it was invoked with.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.0.lock().expect("nothing panics under this lock").clone()
    }

    /// The records of all events.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.events().iter().flat_map(|event| event["Records"].as_array().cloned()).flatten().collect()
    }

    /// Waits until a record was given that is `wanted`.
    pub(crate) fn await_record(&self, what: &str, wanted: impl Fn(&Value) -> bool) {
        wait::until_told(
            what,
            || self.records().iter().any(&wanted).then_some(()),
            || format!("{:?}", self.records()),
        );
    }
}

/// The numbers of each key in the order in which they were given first.
pub(crate) fn first_times_of(given: impl Iterator<Item = (String, usize)>) -> BTreeMap<String, Vec<usize>> {
    let mut by_key: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (key, number) in given {
        let numbers = by_key.entry(key).or_default();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    by_key
}
