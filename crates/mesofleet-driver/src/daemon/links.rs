//! The links from codes to patients, to and from the other rooms.

use meso_bus::Message;
use meso_contract::room::PatientBody;
use meso_contract::topics;
use meso_delivery::Sender;
use meso_room::{CodeTag, StepFailure};
use meso_units::{DriverId, ProtocolId};
use tokio::time::{Duration, Instant};

use super::Daemon;
use crate::DriverError;
use crate::engine::DrawnLink;
use crate::machine::random;
use crate::outbox::Job;

/// How long after it has connected, and after it has heard of links of its own, a driver waits before it
/// tells others of its links: what the broker still holds of them comes first, so that a driver that lost its disk, or was put back to an older
/// copy, takes its own links back before it writes over them.
pub(super) const LINKS_WAIT: Duration = Duration::from_secs(2);

impl Daemon {
    /// Finds the patient of a code; one who is new gets an id, which is on the disk before anybody
    /// hears of it.
    pub(super) async fn find_patient(
        &mut self,
        tag: &CodeTag,
        protocol: Option<&ProtocolId>,
    ) -> Result<Result<PatientBody, StepFailure>, DriverError> {
        let drawn = DrawnLink {
            id: random()?,
            salt: random()?,
            seed: random()?,
        };
        match self.engine.find_patient(self.clocks.now(), tag, &drawn) {
            Ok((work, patient)) => {
                self.write(work).await?;
                Ok(Ok(self.engine.patient(patient, protocol)))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// Another room, or this one before a restart, has told of its links.
    pub(super) async fn handle_links(
        &mut self,
        driver: &DriverId,
        page: u8,
        payload: &[u8],
    ) -> Result<(), DriverError> {
        if *driver == self.settings.config().driver_id {
            self.links_from = Some(Instant::now() + LINKS_WAIT);
        }
        let now = self.clocks.now();
        let work = self
            .engine
            .take_links(now, driver, page, payload, &random()?);
        if work.is_empty() {
            return Ok(());
        }
        self.write(work).await?;
        self.merge_patients().await?;
        self.say_courses().await
    }

    /// Records which ids of this room gave way to others.
    pub(super) async fn merge_patients(&mut self) -> Result<(), DriverError> {
        if self.engine.is_merge_due() {
            let work = self.engine.take_merges(self.clocks.now(), &random()?);
            self.write(work).await?;
        }
        Ok(())
    }

    /// Tells the other rooms of the links that this one made: one page at a time, and only while a
    /// window of blocks has room beside it, so that no shot waits for links.
    pub(super) fn publish_links(&mut self) -> Result<(), DriverError> {
        let has_room = self.outbox.capacity() > Sender::WINDOW_MAX;
        let may_tell = self.links_from.is_some_and(|from| Instant::now() >= from);
        let is_due = self.engine.is_page_due() && may_tell;
        if !self.is_connected || !has_room || !is_due {
            return Ok(());
        }
        for message in self.engine.due_pages(&random()?, 1) {
            let config = self.settings.config();
            let topic = topics::links(&config.clinic_id, &config.driver_id, message.page);
            let sent = message.encode().is_ok_and(|payload| {
                let job = Job::Message(Message::retained(topic, payload));
                self.outbox.try_send(job).is_ok()
            });
            if !sent {
                self.engine.page_refused(message.page);
            }
        }
        Ok(())
    }
}
