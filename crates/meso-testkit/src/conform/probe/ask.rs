//! What the host asks of the gun, each with its answer.

use meso_link_proto::message::{
    AssignEpoch, CommandResult, Identify, Inhibit, Range, ReadSettings, Resume, SendFrom, SetLimits,
};
use meso_link_proto::{GunLimits, Message, Settings};
use meso_units::{Epoch, ShotCounter};

use super::{Probe, Stop, fail};

impl Probe<'_> {
    /// Sends a command twice over if need be, and gives the gun's answer.
    pub(in crate::conform) fn command(
        &mut self,
        message: &Message,
        number: u16,
    ) -> Result<CommandResult, Stop> {
        let session = self.session;
        let found = self.question(message, |message| match message {
            Message::Result(r) if r.session == session && r.command == number => Some(*r),
            _ => None,
        })?;
        let name = format!(
            "command {:#04x} was not answered within 2 s",
            message.kind()
        );
        found.map_or_else(|| fail(name), Ok)
    }

    pub(in crate::conform) fn assign_epoch(
        &mut self,
        replaces: Option<Epoch>,
        epoch: Epoch,
    ) -> Result<CommandResult, Stop> {
        let command = self.next_number();
        let session = self.session;
        let message = Message::AssignEpoch(AssignEpoch {
            session,
            command,
            replaces,
            epoch,
        });
        self.command(&message, command)
    }

    pub(in crate::conform) fn inhibit(&mut self, command: u16) -> Result<CommandResult, Stop> {
        let session = self.session;
        let message = Message::Inhibit(Inhibit {
            session,
            command,
            reason: 0,
        });
        self.command(&message, command)
    }

    pub(in crate::conform) fn resume(
        &mut self,
        inhibit_number: u32,
    ) -> Result<CommandResult, Stop> {
        let command = self.next_number();
        let session = self.session;
        let message = Message::Resume(Resume {
            session,
            command,
            inhibit_number,
        });
        self.command(&message, command)
    }

    pub(in crate::conform) fn set_limits(
        &mut self,
        limits: GunLimits,
    ) -> Result<CommandResult, Stop> {
        let command = self.next_number();
        let session = self.session;
        let message = Message::SetLimits(SetLimits {
            session,
            command,
            limits,
        });
        self.command(&message, command)
    }

    pub(in crate::conform) fn identify(
        &mut self,
        command: u16,
        seconds: u8,
    ) -> Result<CommandResult, Stop> {
        let session = self.session;
        let message = Message::Identify(Identify {
            session,
            command,
            seconds,
        });
        self.command(&message, command)
    }

    /// The message that asks for the settings.
    pub(in crate::conform) fn settings_request(&self, command: u16) -> Message {
        Message::ReadSettings(ReadSettings {
            session: self.session,
            command,
        })
    }

    pub(in crate::conform) fn read_settings(&mut self) -> Result<Settings, Stop> {
        let command = self.next_number();
        let message = self.settings_request(command);
        let session = self.session;
        let found = self.question(&message, |message| match message {
            Message::Settings(s) if s.session == session && s.command == command => Some(*s),
            _ => None,
        })?;
        found.map_or_else(|| fail("READ_SETTINGS was not answered within 2 s"), Ok)
    }

    /// Acknowledges up to `counter` of the attached gun's epoch.
    pub(in crate::conform) fn acknowledge(&mut self, counter: u32) -> Result<(), Stop> {
        let mark = self.watermark(Some(counter));
        self.mark = self.mark.max(Some(counter));
        self.send(&Message::Acknowledge(mark))
    }

    /// Asks for shots from `counter` on.
    pub(in crate::conform) fn stream_from(&mut self, counter: u32) -> Result<Range, Stop> {
        let request = self.next_number();
        let message = self.send_from(request, self.epoch()?, counter);
        let found = self.question(&message, |message| match message {
            Message::Range(range) if range.request == request => Some(*range),
            _ => None,
        })?;
        found.map_or_else(
            || fail(format!("SEND_FROM {counter} was not answered within 2 s")),
            Ok,
        )
    }

    /// The message that asks for shots.
    pub(in crate::conform) fn send_from(
        &self,
        request: u16,
        epoch: Epoch,
        counter: u32,
    ) -> Message {
        Message::SendFrom(SendFrom {
            session: self.session,
            request,
            epoch,
            counter: ShotCounter(counter),
        })
    }
}
