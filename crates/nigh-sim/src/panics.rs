//! A panic of simulated code is an event of its node: caught, told in one line, and not printed.
//!
//! Thousands of runs may panic on purpose, so the hook of the process stays silent while one is being caught;
//! every other panic is printed as ever.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// How many catches surround the code that runs now.
    static CATCHING: Cell<u32> = const { Cell::new(0) };
    /// Something asked for tokio's timers or tasks, and there was no runtime.
    static WANTED_TOKIO: Cell<bool> = const { Cell::new(false) };
    /// Where the last caught panic happened.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `code`; its panic becomes a line: what it said, and where.
pub(crate) fn caught<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    install();
    CATCHING.set(CATCHING.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(code));
    CATCHING.set(CATCHING.get() - 1);
    result.map_err(|payload| {
        let said = payload.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("panicked");
        match PLACE.take() {
            Some(place) => format!("{said} (at {place})"),
            None => said.to_owned(),
        }
    })
}

/// What tokio says where there is no runtime.
const NO_RUNTIME: &str = "there is no reactor running";

/// True if something on this thread panicked for want of tokio's runtime since this was asked last.
pub(crate) fn take_wanted_tokio() -> bool {
    WANTED_TOKIO.take()
}

/// Puts our hook before the one that is there, once per process.
fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let printed = take_hook();
        set_hook(Box::new(move |panic| {
            if panic.payload_as_str().is_some_and(|said| said.contains(NO_RUNTIME)) {
                WANTED_TOKIO.set(true);
            }
            if CATCHING.get() == 0 {
                return printed(panic);
            }
            let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
            // A panic in the middle of `take` would otherwise end the process.
            PLACE.with(|cell| cell.try_borrow_mut().map(|mut cell| *cell = place).unwrap_or_default());
        }));
    });
}

#[cfg(test)]
mod tests {
    //! What a caught panic says.

    use super::caught;

    #[test]
    fn says_what_and_where() {
        assert_eq!(caught(|| 5), Ok(5));
        let told = caught(|| panic!("no {}", "coffee")).expect_err("it panics");
        assert!(told.starts_with("no coffee (at ") && told.contains("panics.rs:"), "{told}");
        let told = caught(|| caught(|| panic!("inner")).expect_err("inner")).expect("caught inside");
        assert!(told.starts_with("inner"), "{told}");
        let told = caught(|| std::panic::panic_any(7)).expect_err("it panics");
        assert!(told.starts_with("panicked (at "), "{told}");
    }
}
