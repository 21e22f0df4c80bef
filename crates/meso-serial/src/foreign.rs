//! A port whose gun does not speak the meso link, as its thread and the driver share it.
//!
//! The driver's calls do not reach into the thread: they leave an order here, in one place for
//! each kind of order, and wake it. A newer order of the same kind takes the older one's place,
//! except for commands, which are answered one by one.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use meso_link_proto::{CommandKind, Hello, LinkError, RefuseReason};
use meso_units::{Epoch, GunSerial, ShotCounter};
use tokio::sync::Notify;

use crate::ports::Shared;
use crate::reader::ReaderEnd;
use crate::usb::{UsbVerdict, compare};
use crate::{CompletenessGrade, DetachReason, GunEvent, PortEvent, PortName};

/// How many commands may wait; a further one is refused, as by a gun of the meso link.
const COMMANDS_WAITING_MAX: usize = 8;

/// From where shots are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) epoch: Epoch,
    pub(crate) next: ShotCounter,
    /// Whether the listener keeps nothing, so that nothing counts as acknowledged.
    pub(crate) is_listening: bool,
}

/// A command that waits for the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitingCommand {
    pub(crate) number: u16,
    pub(crate) command: ForeignCommand,
}

/// What such a gun may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForeignCommand {
    AssignEpoch(Epoch),
    Inhibit,
    Resume,
}

impl ForeignCommand {
    pub(crate) const fn kind(self) -> CommandKind {
        match self {
            ForeignCommand::AssignEpoch(_) => CommandKind::AssignEpoch,
            ForeignCommand::Inhibit => CommandKind::Inhibit,
            ForeignCommand::Resume => CommandKind::Resume,
        }
    }
}

/// What the thread has told of its gun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) epoch: Option<Epoch>,
    pub(crate) can_inhibit: bool,
}

#[derive(Debug, Default)]
struct Orders {
    standing: Option<Standing>,
    wanted: Option<Wanted>,
    acknowledged: Option<(Epoch, ShotCounter)>,
    commands: VecDeque<WaitingCommand>,
    last_number: u16,
}

/// Why an order is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OrderRefused {
    Link(LinkError),
    NotOffered,
}

/// The orders for one port.
pub(crate) struct ForeignLine {
    pub(crate) port: PortName,
    /// Held for a look or a change, never while anything waits.
    orders: Mutex<Orders>,
    pub(crate) wake: Notify,
}

impl ForeignLine {
    pub(crate) fn new(port: PortName) -> ForeignLine {
        ForeignLine {
            port,
            orders: Mutex::default(),
            wake: Notify::new(),
        }
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        // A panic elsewhere leaves the orders whole: every change to them is one assignment.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gun has been told of to the driver: what was ordered before is void.
    pub(crate) fn stand(&self, standing: Standing) {
        let mut orders = self.orders();
        orders.standing = Some(standing);
        orders.wanted = None;
        orders.acknowledged = None;
    }

    pub(crate) fn want(&self, wanted: Wanted) -> Result<(), OrderRefused> {
        let mut orders = self.orders();
        orders.check(wanted.epoch, wanted.next)?;
        orders.wanted = Some(wanted);
        self.wake.notify_one();
        Ok(())
    }

    pub(crate) fn acknowledge(
        &self,
        epoch: Epoch,
        counter: ShotCounter,
    ) -> Result<(), OrderRefused> {
        let mut orders = self.orders();
        orders.check(epoch, counter)?;
        let counter = orders
            .acknowledged
            .filter(|(known, _)| *known == epoch)
            .map_or(counter, |(_, before)| before.max(counter));
        orders.acknowledged = Some((epoch, counter));
        self.wake.notify_one();
        Ok(())
    }

    pub(crate) fn command(&self, command: ForeignCommand) -> Result<u16, OrderRefused> {
        let mut orders = self.orders();
        let standing = orders
            .standing
            .ok_or(OrderRefused::Link(LinkError::NotAttached))?;
        match command {
            ForeignCommand::AssignEpoch(Epoch(0)) => {
                return Err(OrderRefused::Link(LinkError::Zero { what: "epoch" }));
            }
            ForeignCommand::Inhibit | ForeignCommand::Resume if !standing.can_inhibit => {
                return Err(OrderRefused::NotOffered);
            }
            _ => {}
        }
        if orders.commands.len() >= COMMANDS_WAITING_MAX {
            return Err(OrderRefused::Link(LinkError::TooManyCommands {
                waiting: orders.commands.len(),
                waiting_max: COMMANDS_WAITING_MAX,
            }));
        }
        orders.last_number = orders.last_number.wrapping_add(1);
        let number = orders.last_number;
        orders
            .commands
            .push_back(WaitingCommand { number, command });
        self.wake.notify_one();
        Ok(number)
    }

    pub(crate) fn take_wanted(&self) -> Option<Wanted> {
        self.orders().wanted.take()
    }

    pub(crate) fn take_acknowledged(&self) -> Option<(Epoch, ShotCounter)> {
        self.orders().acknowledged.take()
    }

    pub(crate) fn take_command(&self) -> Option<WaitingCommand> {
        self.orders().commands.pop_front()
    }
}

impl Orders {
    fn check(&self, epoch: Epoch, counter: ShotCounter) -> Result<(), OrderRefused> {
        let attached = self
            .standing
            .ok_or(OrderRefused::Link(LinkError::NotAttached))?
            .epoch;
        if counter.get() == 0 {
            return Err(OrderRefused::Link(LinkError::Zero { what: "counter" }));
        }
        if attached != Some(epoch) {
            return Err(OrderRefused::Link(LinkError::OtherEpoch {
                given: epoch.get(),
                attached: attached.map_or(0, Epoch::get),
            }));
        }
        Ok(())
    }
}

/// What is known of the USB device of a port.
#[derive(Clone, Debug)]
pub(crate) enum UsbPort {
    /// A port of this computer, and the serial number of its USB device where it has one.
    Port(Option<String>),
    /// No port of this computer.
    Network,
}

/// What the scanner is to know of an end.
pub(crate) fn reader_end(reason: &DetachReason, has_gun: bool) -> ReaderEnd {
    match reason {
        DetachReason::HungUp | DetachReason::Stopped => ReaderEnd::HungUp,
        DetachReason::WrongAnswer { problem } if !has_gun => ReaderEnd::Refused(problem.clone()),
        _ => ReaderEnd::Silent,
    }
}

/// Sends the events of one port, and knows which gun is told to be there.
pub(crate) struct Teller<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) line: &'a crate::ports::Line,
    pub(crate) gun: Option<GunSerial>,
    /// When the last bytes were read.
    pub(crate) read_ns: u64,
    /// The serial number of the USB device, where people are to hear of it.
    pub(crate) usb_differs: Option<String>,
}

impl<'a> Teller<'a> {
    /// A port that was just opened, on which no gun has answered yet.
    pub(crate) fn new(shared: &'a Shared, line: &'a crate::ports::Line) -> Teller<'a> {
        Teller {
            shared,
            line,
            gun: None,
            read_ns: shared.clocks.elapsed_ns(),
            usb_differs: None,
        }
    }

    /// Hands an event on; an error means that nobody listens any more.
    pub(crate) fn tell(&self, event: GunEvent) -> Result<(), DetachReason> {
        let event = PortEvent {
            port: self.line.port().clone(),
            gun: self.gun.clone(),
            event,
            read_ns: self.read_ns,
        };
        if self.shared.send(event) {
            Ok(())
        } else {
            Err(DetachReason::Stopped)
        }
    }

    /// Enters a gun of the meso link, after the one before it has been told to be gone.
    pub(crate) fn attach(&mut self, serial: &GunSerial, usb: UsbPort) -> Result<(), DetachReason> {
        self.compare_usb(serial, usb)?;
        if self.gun.as_ref().is_some_and(|gun| gun != serial) {
            self.detach(DetachReason::Replaced);
        }
        if let Some(port) = self.shared.attach(serial, self.line) {
            return Err(DetachReason::SameSerialElsewhere { port });
        }
        self.gun = Some(serial.clone());
        Ok(())
    }

    /// Enters a gun that cannot prove who it is: not one that the host holds a key of, because
    /// somebody could pretend to be it, and none where only authentic guns are taken.
    pub(crate) fn attach_without_proof(
        &mut self,
        serial: &GunSerial,
        usb: UsbPort,
    ) -> Result<(), DetachReason> {
        let keys = &self.shared.keys;
        let refused = if keys.get(serial).is_some() {
            Some(RefuseReason::KeyExpected)
        } else {
            keys.only_authentic.then_some(RefuseReason::OnlyAuthentic)
        };
        match refused {
            Some(reason) => Err(DetachReason::WrongAnswer {
                problem: format!("gun {serial} is refused: {reason}"),
            }),
            None => self.attach(serial, usb),
        }
    }

    fn compare_usb(&mut self, serial: &GunSerial, usb: UsbPort) -> Result<(), DetachReason> {
        let UsbPort::Port(usb) = usb else {
            return Ok(());
        };
        match compare(usb.as_deref(), serial, self.shared.usb_serial) {
            UsbVerdict::Fine => {
                self.usb_differs = None;
                Ok(())
            }
            UsbVerdict::Differs => {
                self.usb_differs = usb;
                Ok(())
            }
            UsbVerdict::Refused => Err(DetachReason::WrongAnswer {
                problem: format!(
                    "gun {serial} is refused: the serial number of its USB device is {:?}, and \
                     ports.usb_serial requires the gun's",
                    usb.unwrap_or_default()
                ),
            }),
        }
    }

    /// Tells of the gun that was entered.
    pub(crate) fn tell_attached(
        &mut self,
        hello: Box<Hello>,
        grade: CompletenessGrade,
    ) -> Result<(), DetachReason> {
        self.tell(GunEvent::Attached(hello))?;
        self.tell(GunEvent::Grade(grade))?;
        match self.usb_differs.clone() {
            Some(usb) => self.tell(GunEvent::UsbSerialDiffers { usb }),
            None => Ok(()),
        }
    }

    /// Takes the gun out and tells so, where there is one or where people must hear of it.
    pub(crate) fn detach(&mut self, reason: DetachReason) {
        let is_for_people = matches!(reason, DetachReason::SameSerialElsewhere { .. });
        if self.gun.is_some() || is_for_people {
            tracing::info!(port = %self.line.port(), %reason, "gun detached");
            // Without a listener there is nobody to tell.
            let _ = self.tell(GunEvent::Detached { reason });
        }
        // Only now may another port tell of the same gun, so that its news comes after this.
        if let Some(gun) = self.gun.take() {
            self.shared.detach(&gun, self.line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing_line() -> ForeignLine {
        let line = ForeignLine::new(PortName::new("port"));
        line.stand(Standing {
            epoch: Some(Epoch(5)),
            can_inhibit: false,
        });
        line
    }

    #[test]
    fn an_acknowledgement_never_goes_back_before_it_is_taken() {
        let line = standing_line();
        line.acknowledge(Epoch(5), ShotCounter(9)).unwrap();
        line.acknowledge(Epoch(5), ShotCounter(4)).unwrap();
        assert_eq!(line.take_acknowledged(), Some((Epoch(5), ShotCounter(9))));
        assert_eq!(line.take_acknowledged(), None);
    }

    #[test]
    fn an_order_for_another_epoch_or_counter_zero_is_refused() {
        let line = standing_line();
        let given = 6;
        let attached = 5;
        assert_eq!(
            line.acknowledge(Epoch(6), ShotCounter(1)),
            Err(OrderRefused::Link(LinkError::OtherEpoch {
                given,
                attached
            }))
        );
        let zero = LinkError::Zero { what: "counter" };
        assert_eq!(
            line.acknowledge(Epoch(5), ShotCounter(0)),
            Err(OrderRefused::Link(zero))
        );
    }

    #[test]
    fn commands_beyond_the_limit_are_refused_and_none_is_replaced() {
        let line = standing_line();
        for _ in 0..COMMANDS_WAITING_MAX {
            line.command(ForeignCommand::AssignEpoch(Epoch(7))).unwrap();
        }
        let refused = line.command(ForeignCommand::AssignEpoch(Epoch(8)));
        assert!(matches!(
            refused,
            Err(OrderRefused::Link(LinkError::TooManyCommands { .. }))
        ));
        assert_eq!(line.take_command().unwrap().number, 1);
        assert_eq!(
            line.command(ForeignCommand::Inhibit),
            Err(OrderRefused::NotOffered)
        );
    }
}
