//! What the broker brings to a room: watermarks, and questions.

use meso_contract::{NumberRange, NumberedHash, WatermarkMessage};
use meso_delivery::{Answer, Question, Range, SenderEvent, SettledBlock, Watermark};
use meso_domain::Stream;

use super::daemon::Daemon;
use super::{Habits, Room};
use crate::SimulationError;
use crate::broker::{Broker, ForDriver, Message};
use crate::dice::Dice;

impl Room {
    /// Takes a message that the broker brought.
    pub(crate) fn take(
        &mut self,
        message: ForDriver,
        now_ns: u64,
        habits: Habits,
        broker: &mut Broker,
        dice: &mut Dice,
    ) -> Result<(), SimulationError> {
        let Some(mut daemon) = self.daemon.take() else {
            return Ok(());
        };
        let taken = match message {
            ForDriver::Watermark(stream, message) => {
                self.take_watermark(&mut daemon, stream, &message, now_ns, habits, dice)
            }
            ForDriver::Wanted(question) => {
                if question.holder.incarnation == daemon.decisions.incarnation() {
                    self.answer(&mut daemon, question, now_ns, habits, broker, dice);
                }
                Ok(())
            }
        };
        self.daemon = Some(daemon);
        taken
    }

    fn take_watermark(
        &mut self,
        daemon: &mut Daemon,
        stream: Stream,
        message: &WatermarkMessage,
        now_ns: u64,
        habits: Habits,
        dice: &mut Dice,
    ) -> Result<(), SimulationError> {
        let now = self.reading(daemon, now_ns);
        let incarnation = message
            .journal_incarnation()
            .map_err(SimulationError::setup)?;
        if incarnation == daemon.decisions.incarnation() {
            let mut watermark = watermark_of(message)?;
            if habits.trusts_numbers {
                watermark.blocks.clear();
            }
            let event = SenderEvent::Settled { stream, watermark };
            let effects = daemon.decisions.delivery(now, dice.permille(), event);
            self.apply(daemon, effects);
        }
        Ok(())
    }

    /// Answers what is here of a gun.
    fn answer(
        &mut self,
        daemon: &mut Daemon,
        question: Question,
        now_ns: u64,
        habits: Habits,
        broker: &mut Broker,
        dice: &mut Dice,
    ) {
        let now = self.reading(daemon, now_ns);
        let Question {
            holder,
            gun,
            epoch,
            wanted,
        } = question;
        let stream = Stream::Gun(gun.clone());
        let found = self.journal.find(&stream, epoch, &wanted);
        let (pending, resend, said) = daemon.decisions.wanted(now, &gun, epoch, &wanted, &found);
        let committed = self.disk(habits).append(pending.batch());
        let (calls, orders) = daemon.decisions.written(now, pending, &committed);
        for call in calls {
            daemon.tell(call, now, now_ns, habits.noise, dice);
        }
        daemon.orders.extend(orders);
        let effects = daemon.decisions.delivery(now, dice.permille(), resend);
        self.apply(daemon, effects);
        let held = said.held.iter().map(|range| Range {
            first: range.first,
            last: range.last,
        });
        broker.publish(Message::Held(Answer {
            driver: holder.driver,
            incarnation: holder.incarnation,
            gun,
            epoch,
            held: held.collect(),
            present: said.present_epoch().ok().flatten(),
        }));
    }
}

fn watermark_of(message: &WatermarkMessage) -> Result<Watermark, SimulationError> {
    let life = |text: &str| u64::from_str_radix(text, 16).map_err(SimulationError::setup);
    let range = |range: &NumberRange| Range {
        first: range.first,
        last: range.last,
    };
    let block = |block: &NumberedHash| {
        Ok(SettledBlock {
            number: block.number,
            hash: block.block_hash().map_err(SimulationError::setup)?,
        })
    };
    let blocks = message.settled_hashes.iter().map(block);
    Ok(Watermark {
        to: message.settled_to,
        ranges: message.settled_ranges.iter().map(range).collect(),
        blocks: blocks.collect::<Result<_, SimulationError>>()?,
        store: life(&message.store_incarnation)?,
        ingest: life(&message.ingest_incarnation)?,
    })
}
