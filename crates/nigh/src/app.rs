//! `App`: the list of what a program consists of. The list is the registration; it opens nothing.

use std::fmt;

use nigh_wire::{Catalogue, Contract};

use crate::config::Config;
use crate::door::Door;
use crate::entity::Entity;
use crate::error::{Error, Result};
use crate::node::Node;
use crate::place;
use crate::service::Service;
use crate::services::Listed;
use crate::shards::host::{Host, HostOf};
use crate::{args, run};

/// Longest name of an application, in bytes: it names a directory, and stands in every hello.
const NAME_SIZE_MAX: usize = 64;

/// What a program consists of: entities, services, doors, and who has what.
#[must_use = "an application does nothing until `run` or `start`"]
pub struct App {
    pub(crate) name: String,
    pub(crate) hosts: Vec<Box<dyn Host>>,
    pub(crate) services: Vec<Listed>,
    pub(crate) doors: Vec<Box<dyn Door>>,
    pub(crate) place: Option<String>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "App({}, {} entities, {} services)", self.name, self.hosts.len(), self.services.len())
    }
}

impl App {
    /// An application of this name: lower-case letters, digits and dashes. Its directory is named after it.
    pub fn new(name: &str) -> Self {
        App { name: name.to_owned(), hosts: vec![], services: vec![], doors: vec![], place: None }
    }

    /// Lists an entity.
    pub fn entity<S: Entity>(mut self) -> Self {
        self.hosts.push(Box::new(HostOf::<S>::new()));
        self
    }

    /// Lists a service and what implements it: `.service::<dyn Payments>(Stripe::new())`.
    pub fn service<S: Service + ?Sized>(mut self, implementation: impl Into<Box<S>>) -> Self {
        self.services.push(Listed::new(implementation.into()));
        self
    }

    /// Lists a way in.
    pub fn door(mut self, door: impl Door) -> Self {
        self.doors.push(Box::new(door));
        self
    }

    /// Compiles in who has what: `.place(include_str!("../place.toml"))`.
    pub fn place(mut self, toml: &str) -> Self {
        self.place = Some(toml.to_owned());
        self
    }

    /// Its contracts.
    fn contracts(&self) -> impl Iterator<Item = Contract> {
        let entities = self.hosts.iter().map(|h| h.contract());
        entities.chain(self.services.iter().map(|s| s.contract.clone()))
    }

    /// Its contracts as data.
    ///
    /// # Errors
    ///
    /// Two things share a name.
    pub(crate) fn catalogue(&self) -> Result<Catalogue> {
        Catalogue::new(self.contracts()).map_err(|e| Error::usage(e.to_string()))
    }

    pub(crate) fn door_names(&self) -> Vec<&'static str> {
        self.doors.iter().map(|d| d.name()).collect()
    }

    /// Checks names and `place.toml` without opening anything: for a unit test of every application.
    ///
    /// # Errors
    ///
    /// What is wrong, and what to write.
    pub fn check(&self) -> Result {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if self.name.is_empty() || self.name.len() > NAME_SIZE_MAX || !self.name.bytes().all(plain) {
            return Err(Error::usage(format!(
                "`{}`: an application's name is 1 to {NAME_SIZE_MAX} lower-case letters, digits and dashes",
                self.name
            )));
        }
        let catalogue = self.catalogue()?;
        let doors = self.door_names();
        if let Some(twice) = doors.iter().enumerate().find(|(i, d)| doors[..*i].contains(d)) {
            return Err(Error::usage(format!("two doors are called `{}`: list one", twice.1)));
        }
        if let Some(text) = &self.place {
            place::parse("place.toml", text)?.check(&catalogue, &doors).map_err(Error::usage)?;
        }
        Ok(())
    }

    /// Starts as `config` says, and returns once everything is open: for programs with their own `main`.
    ///
    /// # Errors
    ///
    /// What could not be opened, and what to do.
    pub async fn start(self, config: Config) -> Result<Node> {
        Node::start(self, config).await
    }

    /// Reads the command line, runs until SIGTERM or SIGINT, finishes what is open.
    ///
    /// # Errors
    ///
    /// What could not be opened, or what ended, and what to do.
    pub async fn run(self) -> Result {
        let command = args::parse(&self.name, std::env::args_os().skip(1))?;
        run::run(self, command).await
    }
}
