//! Tests of a source that AWS's SDK reads as well run once with each transport.

use std::cell::Cell;

thread_local! {
    static TRANSPORT: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// The transport that this test is for; `None` leaves it to the default.
pub(crate) fn transport() -> Option<&'static str> {
    TRANSPORT.get()
}

/// Runs a test for a transport. Its thread is its own.
pub(crate) fn with(transport: &'static str, test: fn()) {
    TRANSPORT.set(Some(transport));
    test();
}

/// Makes a test of each function for each transport.
macro_rules! with_both {
    ($($test:ident),* $(,)?) => {
        mod plain {
            $(#[test] fn $test() { crate::transports::with("plain", super::$test); })*
        }
        mod sdk {
            $(#[test] fn $test() { crate::transports::with("sdk", super::$test); })*
        }
    };
}

pub(crate) use with_both;
