//! A panic in the core is a broken rule too: the one that its message names, else L-1.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use forebay_batcher::Rule;

use crate::oracle::Violation;

thread_local! {
    static HUSHED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body` and turns a panic into a violation. Panics of this thread are not printed meanwhile.
pub(crate) fn catch(body: impl FnOnce() -> Result<(), Violation>) -> Result<(), Violation> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !HUSHED.get() {
                print(info);
            }
        }));
    });
    HUSHED.set(true);
    let caught = catch_unwind(AssertUnwindSafe(body));
    HUSHED.set(false);
    caught.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
        let what = panic.downcast_ref::<String>().cloned().or(words).unwrap_or_default();
        let rule = Rule::ALL.into_iter().find(|rule| what.starts_with(rule.id())).unwrap_or(Rule::L1);
        Err(Violation { rule, what: format!("panic: {what}") })
    })
}
