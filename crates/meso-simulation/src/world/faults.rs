//! What goes wrong, and what is destroyed by it.

use meso_domain::ShotIdentity;
use meso_units::{Epoch, JournalIncarnation, ShotCounter};

use super::{World, is_kept};
use crate::SimulationError;
use crate::plan::Fault;
use crate::store::WriteFault;

impl World {
    /// A fault of the kinds that this world knows.
    pub(super) fn fault(&mut self) -> Result<(), SimulationError> {
        let kind = Fault::ALL[self.fate.index(Fault::SHARING_COUNT)];
        let gun = self.fate.index(self.guns.len());
        let room = self.fate.index(self.rooms.len());
        let coin = self.fate.one_in(4);
        if !self.temper.faults.has(kind) {
            return Ok(());
        }
        self.outcome.faults += 1;
        match kind {
            Fault::GunPowerCut => self.cut_power(gun)?,
            Fault::GunCarried => {
                self.unplug(gun);
                self.plug(gun);
            }
            Fault::Unplugged => match self.guns[gun].room {
                Some(_) => self.unplug(gun),
                None => self.plug(gun),
            },
            Fault::DriverKilled => self.rooms[room].crash(&mut self.fate),
            Fault::DriverReplaced => self.replace(room),
            Fault::ClockStep => self.step_clock(room),
            Fault::Disconnected => {
                let now_ns = self.now_ns;
                self.rooms[room].set_connection(false, now_ns, &mut self.broker, &mut self.fate);
            }
            Fault::Repeated => self.broker.repeat(&mut self.fate),
            Fault::BrokerForgets => self.forget(coin),
            Fault::IngestKilled => self.server.crash(),
            Fault::StoreWriteFails => self.server.fail_next_write(match coin {
                true => WriteFault::Lost,
                false => WriteFault::PersistedButReportedFailed,
            }),
            Fault::StoreRestored => match coin {
                true => self.restore(),
                false => self.server.back_up(),
            },
            Fault::JournalPruned => self.prune(room),
            // These are how the world is, not events.
            Fault::LineNoise | Fault::Reordered | Fault::QueueOverflow => {}
            // It has dice of its own.
            Fault::JournalRestored => {}
        }
        Ok(())
    }

    fn cut_power(&mut self, gun: usize) -> Result<(), SimulationError> {
        if let Some(ring) = self.guns[gun].ring() {
            self.destroy(gun, ring);
        }
        self.guns[gun].cut_power(self.now_ns, &mut self.fate)
    }

    fn step_clock(&mut self, room: usize) {
        let ms = i64::try_from(self.fate.below(7_200_000)).unwrap_or(0) - 3_600_000;
        self.rooms[room].utc_offset_ns += ms * 1_000_000;
    }

    /// A broker that restarts drops every connection.
    fn forget(&mut self, retained_too: bool) {
        self.broker.forget(retained_too);
        for room in &mut self.rooms {
            room.set_connection(false, self.now_ns, &mut self.broker, &mut self.fate);
        }
        self.broker.ingest_connects();
    }

    /// The disk of a room dies, and with it what only it held.
    fn replace(&mut self, room: usize) {
        let incarnation = JournalIncarnation(self.fate.name());
        let before = self.rooms[room].durable().clone();
        self.rooms[room].replace(incarnation);
        self.destroy_what_only(|identity| {
            before.has_shot(&identity.gun, identity.epoch, identity.counter.get())
        });
    }

    /// The journal of a room is copied, or put back to its newest copy.
    pub(super) fn put_back_or_copy(&mut self) {
        let room = self.omen.index(self.rooms.len());
        if !self.omen.one_in(4) {
            self.rooms[room].back_up();
            return;
        }
        let before = self.rooms[room].durable().clone();
        if let Some(life) = self.rooms[room].put_back() {
            self.outcome.faults += 1;
            self.put_back.insert(life);
            self.destroy_what_only(|identity| {
                before.has_shot(&identity.gun, identity.epoch, identity.counter.get())
            });
        }
    }

    fn restore(&mut self) {
        let before = self.server.store.lock().clone();
        self.server.restore();
        self.destroy_what_only(|identity| before.has_shot(identity));
        self.broker.ingest_connects();
    }

    /// Marks what had a copy, and has none any more.
    fn destroy_what_only(&mut self, had: impl Fn(&ShotIdentity) -> bool) {
        let (rooms, server) = (&self.rooms, &self.server);
        for gun in &mut self.guns {
            let ring = gun.ring().zip(gun.link.epoch());
            let serial = gun.serial.clone();
            for run in 0..gun.runs.len() {
                let is_safe = |epoch: Epoch, counter: u32| {
                    let identity = ShotIdentity {
                        gun: serial.clone(),
                        epoch,
                        counter: ShotCounter(counter),
                    };
                    let is_in_ring = ring.is_some_and(|((oldest, newest), of)| {
                        of == epoch && oldest <= counter && counter <= newest
                    });
                    !had(&identity) || is_in_ring || is_kept(rooms, server, &serial, epoch, counter)
                };
                gun.destroy_known(run, is_safe);
            }
        }
    }

    /// A journal forgets blocks that the newest backup holds, too.
    fn prune(&mut self, room: usize) {
        let (backup, store) = (self.server.backup(), self.server.store.lock());
        self.rooms[room].journal.prune(|block| {
            let place = &block.header().place;
            backup.is_logged(place) && store.is_logged(place)
        });
    }
}
