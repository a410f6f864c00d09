//! One run as text: everything that it follows from, in the line that replays it.
//!
//! `seed=2589 sim=3 lock=3fa2 on=two-webs clients=2 times=5 faults=[350ms crash 1 down 80ms]`. Fields in any order;
//! what is left out is as the test has it. No quotes are needed inside, so it stands in a shell's or in Rust's.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use crate::plan::Planned;
use crate::sim::Store;

/// Version of the simulator: it changes whenever the same seed leads to another run.
pub(crate) const SIM_VERSION: u32 = 3;

/// What a run follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    /// Name of the topology; None: as the test draws it.
    pub(crate) topology: Option<String>,
    /// Name of the store; None: as the test draws it.
    pub(crate) store: Option<String>,
    /// None: as many as the test has.
    pub(crate) clients_max: Option<u16>,
    /// Steps of each client; None: as many as the test has.
    pub(crate) times_max: Option<u32>,
    /// None: drawn from the seed.
    pub(crate) faults: Option<Vec<Planned>>,
    /// Tasks run in the order in which they became ready.
    pub(crate) fifo: bool,
    /// Points of `buggify!` fire.
    pub(crate) buggify: bool,
    /// Short hash of the lock file that it was recorded with; None: of no build in particular, as in a row.
    pub(crate) lock: Option<u16>,
}

impl Case {
    /// The plain run of a seed.
    pub(crate) fn of_seed(seed: u64) -> Self {
        Case {
            seed,
            topology: None,
            store: None,
            clients_max: None,
            times_max: None,
            faults: None,
            fifo: false,
            buggify: true,
            lock: None,
        }
    }

    /// An error if it was recorded by a build with another lock file: the same seed would be another run.
    pub(crate) fn check_lock(&self, ours: u16) -> Result<(), String> {
        match self.lock {
            Some(lock) if lock != ours => Err(format!(
                "this seed belongs to another build: it was recorded with lock={lock:04x}, and Cargo.lock here \
                 is {ours:04x}. Check out that Cargo.lock, or leave `lock=` out and see what the seed does here"
            )),
            _ => Ok(()),
        }
    }

    /// Faults as `350ms crash 1 down 80ms, …`.
    pub(crate) fn faults_text(faults: &[Planned]) -> String {
        let faults: Vec<String> = faults.iter().map(Planned::to_string).collect();
        faults.join(", ")
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "seed={} sim={SIM_VERSION}", self.seed)?;
        if let Some(lock) = self.lock {
            write!(f, " lock={lock:04x}")?;
        }
        if let Some(topology) = &self.topology {
            write!(f, " on={topology}")?;
        }
        if let Some(store) = &self.store {
            write!(f, " store={store}")?;
        }
        if let Some(clients) = self.clients_max {
            write!(f, " clients={clients}")?;
        }
        if let Some(times) = self.times_max {
            write!(f, " times={times}")?;
        }
        if self.fifo {
            f.write_str(" fifo=yes")?;
        }
        if !self.buggify {
            f.write_str(" buggify=no")?;
        }
        match &self.faults {
            Some(faults) => write!(f, " faults=[{}]", Case::faults_text(faults)),
            None => Ok(()),
        }
    }
}

impl FromStr for Case {
    type Err = String;

    /// The error names the field, or the simulator that it was recorded by.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut case = Case::of_seed(0);
        let mut seen: Vec<&str> = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (name, after) =
                rest.split_once('=').ok_or_else(|| format!("`{rest}` is no field: write `name=value`"))?;
            if seen.contains(&name) {
                return Err(format!("`{name}` is given twice"));
            }
            seen.push(name);
            let (value, after) = match after.strip_prefix('[') {
                Some(list) => {
                    list.split_once(']').ok_or_else(|| format!("`]` is missing after `{name}=[`"))?
                }
                None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
            };
            case.set(name, value)?;
            rest = after.trim_start();
        }
        match seen.contains(&"seed") {
            true => Ok(case),
            false => Err("`seed=` is missing".into()),
        }
    }
}

impl Case {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "seed" => self.seed = number(name, value)?,
            "sim" => {
                let version: u32 = number(name, value)?;
                let same = version == SIM_VERSION; // mutant sim-any-version: let same = true;
                if !same {
                    return Err(format!(
                        "this seed belongs to another build: it was recorded by simulator {version}, and this is \
                         {SIM_VERSION}. Check out that version of nigh-sim"
                    ));
                }
            }
            "lock" => {
                let lock = u16::from_str_radix(value, 16);
                self.lock = Some(lock.map_err(|_| format!("`lock={value}`: write four digits, as `3fa2`"))?);
            }
            "on" if value.is_empty() => return Err("`on=` names no topology".into()),
            "on" => self.topology = Some(value.to_owned()),
            "store" if Store::named(value).is_none() => {
                return Err(format!("`store={value}`: write `memory` or `disk`"));
            }
            "store" => self.store = Some(value.to_owned()),
            "clients" => self.clients_max = Some(number(name, value)?),
            "times" => self.times_max = Some(number(name, value)?),
            "fifo" => self.fifo = yes(name, value)?,
            "buggify" => self.buggify = yes(name, value)?,
            "faults" => {
                let faults = value.split(',').filter(|fault| !fault.trim().is_empty());
                self.faults = Some(faults.map(Planned::from_str).collect::<Result<_, _>>()?);
            }
            _ => {
                let known = "seed, sim, lock, on, store, clients, times, fifo, buggify and faults";
                return Err(format!("there is no field `{name}`: there are {known}"));
            }
        }
        Ok(())
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{name}={value}`: that is no number for it"))
}

fn yes(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!("`{name}={value}`: write `yes` or `no`")),
    }
}

#[cfg(test)]
mod tests;
