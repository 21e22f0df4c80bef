//! A plan of the emulated gun, played on the firmware: the same steps and shots, fired by C code.
//!
//! The streams are those of the emulated gun's process, so that whoever drives one drives both.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use meso_units::{GunTick, UnitError};

use super::error::{QemuError, failed};
use super::machine::QemuGun;
use super::rig::Answer;
use crate::gun::plan::{Plan, Step};
use crate::gun::player::{Action, Player};
use crate::gun::process::{GunCommand, GunError, GunNotice};

/// The longest wait for a command; also how often QEMU is looked after.
const WAIT: Duration = Duration::from_millis(50);

/// Plays `plan` on the gun until `input` ends; without one the firmware fires as its page says.
///
/// # Errors
///
/// [`QemuError`] for whatever ends it before that.
pub fn play_gun<I, O>(
    gun: &mut QemuGun,
    plan: Option<Plan>,
    input: I,
    output: O,
) -> Result<(), QemuError>
where
    I: Read + Send + 'static,
    O: Write,
{
    let (sender, lines) = channel();
    std::thread::Builder::new()
        .name("gun-control".to_owned())
        .spawn(move || {
            for line in BufReader::new(input).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        })
        .map_err(failed("start a thread for the control lines"))?;
    let started = Instant::now();
    let mut play = Play {
        player: match plan {
            Some(plan) => Some(Player::new(plan, tick(Duration::ZERO)?)),
            None => None,
        },
        gun,
        started,
        is_stopped: false,
        output,
    };
    play.tell(&GunNotice::Ready {
        serial: play.gun.serial().to_string(),
        port: play.gun.port().to_owned(),
    })?;
    while play.take_commands(&lines)? {
        play.gun.check()?;
        play.fire_what_is_due()?;
    }
    Ok(())
}

/// The clock of the plan; the shots' own ticks are the firmware's.
fn tick(elapsed: Duration) -> Result<GunTick, UnitError> {
    GunTick::new(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
}

struct Play<'a, O> {
    gun: &'a mut QemuGun,
    player: Option<Player>,
    started: Instant,
    is_stopped: bool,
    output: O,
}

impl<O: Write> Play<'_, O> {
    fn now(&self) -> Result<GunTick, UnitError> {
        tick(self.started.elapsed())
    }

    fn tell(&mut self, notice: &GunNotice) -> Result<(), QemuError> {
        let broke = |source| GunError::Control { source };
        let mut line = serde_json::to_vec(notice).map_err(|error| broke(error.into()))?;
        line.push(b'\n');
        self.output.write_all(&line).map_err(broke)?;
        Ok(self.output.flush().map_err(broke)?)
    }

    /// Waits for commands until something is due, and obeys them; false at their end.
    fn take_commands(&mut self, lines: &Receiver<String>) -> Result<bool, QemuError> {
        let mut patience = self.patience()?;
        loop {
            match lines.recv_timeout(patience) {
                Ok(line) => self.obey(&line)?,
                Err(RecvTimeoutError::Timeout) => return Ok(true),
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
            patience = Duration::ZERO;
        }
    }

    fn patience(&mut self) -> Result<Duration, UnitError> {
        let now_us = self.now()?.get();
        let can_fire = self.can_fire();
        let due_us = self.player.as_ref().and_then(Player::due_us);
        Ok(match due_us.filter(|_| can_fire) {
            Some(due_us) => WAIT.min(Duration::from_micros(due_us.saturating_sub(now_us))),
            None => WAIT,
        })
    }

    /// Whether a trigger would fire: not while inhibited, nor before the first epoch.
    fn can_fire(&mut self) -> bool {
        let state = self.gun.rig().state();
        state.epoch != 0 && !state.is_inhibited
    }

    fn obey(&mut self, line: &str) -> Result<(), QemuError> {
        let line = line.trim();
        let command = serde_json::from_str(line).map_err(|_| GunError::NotACommand {
            line: line.to_owned(),
        })?;
        let now = self.now()?;
        match (command, &mut self.player) {
            (GunCommand::Continue, Some(player)) => player.go_on(now),
            (GunCommand::Trigger, Some(player)) => player.trigger(),
            (GunCommand::Continue | GunCommand::Trigger, None) => {}
            (GunCommand::Stop, _) => return self.stop(),
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), QemuError> {
        if self.is_stopped {
            return Ok(());
        }
        self.is_stopped = true;
        match &mut self.player {
            Some(player) => player.stop(),
            None => self.gun.rig().set_firing(false)?,
        }
        let fired = self.gun.rig().state().fired;
        self.tell(&GunNotice::Stopped { fired })
    }

    fn fire_what_is_due(&mut self) -> Result<(), QemuError> {
        loop {
            let now = self.now()?;
            let can_fire = self.can_fire();
            let Some(player) = &mut self.player else {
                return Ok(());
            };
            if player.is_shot_due(now) && !can_fire {
                player.hold(now);
                return Ok(());
            }
            match player.next(now)? {
                None => return Ok(()),
                Some(Action::Ask(step)) => {
                    if step == Step::ChangeNeedle {
                        self.gun.rig().change_needle()?;
                    }
                    self.tell(&GunNotice::Operator { step })?;
                }
                Some(Action::Fire { measured, .. }) => {
                    // Refused: a limit, or an inhibition of this very moment. The operator's
                    // finger was on the trigger in vain, and goes on with the next shot.
                    let (Answer::Fired | Answer::Refused(_)) = self.gun.rig().fire(&measured)?;
                }
            }
        }
    }
}
