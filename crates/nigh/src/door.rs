//! Doors: how the outside reaches an application. A trait, so that nigh never depends on a gateway.

use std::io;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Nigh;
use crate::service::BoxFuture;

/// A way in: HTTP, say. Listed with `App::door`, opened by the node in roles that have it.
pub trait Door: Send + 'static {
    /// How `place.toml` calls it: `http`.
    fn name(&self) -> &'static str;
    /// Serves until `stop` turns true, then finishes what is open and returns.
    fn open(
        self: Box<Self>,
        nigh: Nigh,
        listener: TcpListener,
        stop: watch::Receiver<bool>,
    ) -> BoxFuture<'static, io::Result<()>>;
}
