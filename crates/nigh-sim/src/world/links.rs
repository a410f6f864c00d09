//! Links between processes: dialled, accepted, read, closed, lost. What an end does with bytes is the engine's.

use std::time::Duration;

use nigh_proto::Instant;
use nigh_wire::Bytes;

use super::{DIAL_AGAIN, Event, World};
use crate::host::Stage;
use crate::network::{Network, Side};
use crate::surroundings::{mark, nanos};
use crate::tasks::Owner;

/// Who connects gives up after this: as nigh does over TCP.
const CONNECT_MAX: Duration = Duration::from_secs(3);
impl World {
    /// What its ends of links have to write leaves.
    pub(super) fn transmit(&mut self, stage: &mut Stage<Event>, process: u16) {
        let now = stage.now();
        let World { processes, network, board, .. } = self;
        let Some(running) = &processes[usize::from(process)].up else { return };
        for &(wire, side) in &running.links {
            let dialler = network.get(wire).owner(Side::Dialler).node;
            while let Some(bytes) = network.get(wire).end(side).and_then(|end| end.poll_transmit()) {
                board.book().sent(dialler, side == Side::Dialler, &bytes);
                if let Some(at) = network.send(now, wire, side) {
                    stage.push(at, Event::Arrive(wire, side.other(), bytes));
                }
            }
            set_link_timer(network, stage, wire, side);
        }
    }

    /// A process tries to reach whoever owns the entities now.
    pub(super) fn dial(&mut self, stage: &mut Stage<Event>, owner: Owner) {
        let (now, to) = (stage.now(), self.owner);
        if self.running(owner).is_none() {
            return;
        }
        let reaches = self.network.delayed(now, owner.node, to);
        if self.processes[usize::from(to)].up.is_none() {
            // Refused: there is nobody.
            let again = self.rng.between(DIAL_AGAIN);
            return stage.push(refused_at(now, reaches) + again, Event::Dial(owner));
        }
        let wire = self.network.wire(owner, self.life(to));
        if self.attach(wire, Side::Dialler) {
            self.board.book().note(|| format!("process {} dials {to}: link {wire}", owner.node));
            // Its hello follows the making of the link.
            let accepted = self.network.send(now, wire, Side::Dialler);
            accepted.into_iter().for_each(|at| stage.push(at, Event::Accept(wire)));
            mark(owner.node);
        }
    }

    /// Makes this end of a link. False: its process is gone.
    fn attach(&mut self, wire: usize, side: Side) -> bool {
        let owner = self.network.get(wire).owner(side);
        let attached = self.within(owner, |world| {
            let end = world.running(owner)?.engine.link(side == Side::Dialler);
            world.network.get(wire).put(side, end);
            world.running(owner)?.links.push((wire, side));
            Some(())
        });
        attached.flatten().is_some()
    }

    pub(super) fn accept(&mut self, stage: &mut Stage<Event>, wire: usize) {
        let owner = self.network.get(wire).owner(Side::Listener);
        if self.attach(wire, Side::Listener) {
            mark(owner.node);
        } else {
            let at = self.network.send(stage.now(), wire, Side::Listener);
            at.into_iter().for_each(|at| stage.push(at, Event::Gone(wire, Side::Dialler)));
        }
    }

    pub(super) fn arrive(&mut self, stage: &mut Stage<Event>, wire: usize, side: Side, bytes: Bytes) {
        if let Some(until) = self.network.held(stage.now(), wire, side) {
            return stage.push(until, Event::Arrive(wire, side, bytes));
        }
        let owner = self.network.get(wire).owner(side);
        if !self.network.get(wire).has(side) {
            // The system of a machine that is up says at once that there is no such connection.
            let at = self.network.send(stage.now(), wire, side);
            return at.into_iter().for_each(|at| stage.push(at, Event::Gone(wire, side.other())));
        }
        mark(owner.node);
        let heard = self.within(owner, |world| {
            world.network.get(wire).end(side).map_or(Ok(()), |end| end.handle_bytes(&bytes))
        });
        if let Some(Err(error)) = heard {
            self.board.book().note(|| format!("process {} closes a link: {error}", owner.node));
            self.close(stage, wire, side);
        }
    }

    pub(super) fn link_timer(&mut self, stage: &mut Stage<Event>, wire: usize, side: Side) {
        let now = stage.now();
        let owner = self.network.get(wire).owner(side);
        *self.network.get(wire).timer(side) = None;
        let due = self.network.get(wire).end(side).and_then(|end| end.poll_timeout());
        match due {
            Some(due) if due.as_nanos() <= now => {
                mark(owner.node);
                let end = self.network.get(wire).end(side);
                if end.is_some_and(|end| end.handle_timeout().is_err()) {
                    self.close(stage, wire, side);
                }
            }
            Some(_) => set_link_timer(&mut self.network, stage, wire, side),
            None => {}
        }
    }

    /// This end closes the link; the other hears of it.
    pub(super) fn close(&mut self, stage: &mut Stage<Event>, wire: usize, side: Side) {
        let at = self.network.send(stage.now(), wire, side);
        at.into_iter().for_each(|at| stage.push(at, Event::Gone(wire, side.other())));
        self.gone(stage, wire, side);
    }

    /// This end is gone: who dialled dials again.
    pub(super) fn gone(&mut self, stage: &mut Stage<Event>, wire: usize, side: Side) {
        let owner = self.network.get(wire).owner(side);
        let Some(mut end) = self.network.get(wire).take(side) else { return };
        self.board.book().note(|| format!("process {}: link {wire} is gone", owner.node));
        self.board.book().ledger().lost_link();
        self.within(owner, |world| {
            end.handle_lost();
            drop(end);
            if let Some(running) = world.running(owner) {
                running.links.retain(|link| *link != (wire, side));
            }
        });
        mark(owner.node);
        if side == Side::Dialler && self.running(owner).is_some() {
            let again = self.rng.between(DIAL_AGAIN);
            stage.push(stage.now() + again, Event::Dial(owner));
        }
    }
}

/// So is this end of a link, unless it will be anyway.
fn set_link_timer(network: &mut Network, stage: &mut Stage<Event>, wire: usize, side: Side) {
    let wire_of = network.get(wire);
    if wire_of.timer(side).is_some() {
        return;
    }
    if let Some(due) = wire_of.end(side).and_then(|end| end.poll_timeout()).map(Instant::as_nanos) {
        *wire_of.timer(side) = Some(due);
        stage.push(due, Event::LinkTimer(wire, side));
    }
}

/// When a dialler gives up on who is not there. What hinders the network may hide that for long.
fn refused_at(now: u64, reaches: u64) -> u64 {
    reaches.min(now + nanos(CONNECT_MAX)) // mutant sim-dial-waits: reaches
}

#[cfg(test)]
mod tests;
