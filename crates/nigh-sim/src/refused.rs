//! Words for what code asked of the system: who did, and what to write instead.

use nigh_guard::{Refused, What};

/// A sentence for each kind.
pub(crate) fn told(refused: &Refused) -> String {
    format!("the system is not simulated: {refused}\n  instead: {}", instead(&refused.what))
}

fn instead(what: &What) -> &'static str {
    match what {
        What::Socket => {
            "a stand-in answers from memory; the service that speaks to the network does not run here"
        }
        What::Thread => {
            "`tokio::spawn` starts a task, which runs here; what must have a thread belongs behind a service, whose \
             stand-in has none"
        }
        What::File(_) => {
            "keep it in memory, or compile it in with `include_str!`; what must be durable belongs in an entity"
        }
        What::Sleep => "`tokio::time::sleep(…).await` waits in simulated time, and lets others run",
        What::Process => "a stand-in answers from memory, in place of the program that it would start",
        _ => "a stand-in answers from memory",
    }
}

#[cfg(test)]
mod tests {
    //! Each kind has its own advice.

    use std::collections::BTreeSet;

    use super::{What, instead};

    #[test]
    fn each_kind_has_its_advice() {
        let kinds = [What::Socket, What::Thread, What::File("a".into()), What::Sleep, What::Process];
        let advice: BTreeSet<&str> = kinds.iter().map(instead).collect();
        assert_eq!(advice.len(), kinds.len());
    }
}
