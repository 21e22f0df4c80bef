//! An emulated gun behind a pseudo-terminal, and a host in the same process.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meso_link_proto::clock::HostNow;
use meso_link_proto::{HostEvent, HostLink, ShotEvent};
use meso_testkit::gun::log::{FiredShot, read_log};
use meso_testkit::gun::plan::{Breach, Habit, Step};
use meso_testkit::gun::process::{GunCommand, GunError, GunNotice, GunOptions, run_gun};
use meso_units::{Epoch, GunSerial, ShotCounter, Timestamp};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Longer than anything here takes; only a broken gun waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    _folder: tempfile::TempDir,
    port: PathBuf,
    log: PathBuf,
    control: UnixStream,
    notices: Receiver<GunNotice>,
    gun: JoinHandle<Result<(), GunError>>,
}

fn start_gun(habit: Habit) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("gun.log");
    let options = GunOptions {
        serial: GunSerial::parse("GUN-0042").unwrap(),
        ports_folder: folder.path().to_owned(),
        log: log.clone(),
        seed: 7,
        habit,
        breach: Breach::None,
        drift_ppm: 80,
    };
    let (control, input) = UnixStream::pair().unwrap();
    let (output, events) = UnixStream::pair().unwrap();
    let gun = std::thread::spawn(move || run_gun(&options, input, output));
    let (sender, notices) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(events).lines() {
            let notice = serde_json::from_str(&line.unwrap()).unwrap();
            if sender.send(notice).is_err() {
                return;
            }
        }
    });
    let port = folder.path().join("GUN-0042");
    Bench {
        _folder: folder,
        port,
        log,
        control,
        notices,
        gun,
    }
}

impl Bench {
    fn tell(&mut self, command: &GunCommand) {
        let mut line = serde_json::to_string(command).unwrap();
        line.push('\n');
        self.control.write_all(line.as_bytes()).unwrap();
    }

    fn notice(&self) -> GunNotice {
        self.notices.recv_timeout(PATIENCE).unwrap()
    }

    /// Waits for the port, then says yes to every step of the operator that comes before a shot.
    fn open_session(&mut self) {
        assert!(matches!(self.notice(), GunNotice::Ready { .. }));
        let opened = self.notice();
        assert!(matches!(
            opened,
            GunNotice::Operator {
                step: Step::OpenSession { .. }
            }
        ));
        self.tell(&GunCommand::Continue);
    }

    fn end(self) {
        drop(self.control);
        self.gun.join().unwrap().unwrap();
        assert!(!self.port.exists(), "the port goes with the gun");
    }
}

/// A host on a port; opens it again when it hangs up, as a driver does.
struct Host {
    path: PathBuf,
    port: File,
    link: HostLink,
    session: u32,
    started: Instant,
}

fn open_port(path: &Path) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags((OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits())
        .open(path)
        .unwrap()
}

impl Host {
    fn open(path: &Path, session: u32) -> Host {
        Host {
            path: path.to_owned(),
            port: open_port(path),
            link: HostLink::new(session),
            session,
            started: Instant::now(),
        }
    }

    /// The gun puts a new terminal in the place of one that was closed; who opens the old one in
    /// that moment is hung up on.
    fn reopen(&mut self) {
        self.session += 1_000;
        self.port = open_port(&self.path);
        self.link = HostLink::new(self.session);
    }

    fn now(&self) -> HostNow {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        HostNow {
            monotonic_ns: u64::try_from(self.started.elapsed().as_nanos()).unwrap(),
            utc: Timestamp::from_unix_ns(i64::try_from(utc.as_nanos()).unwrap()).unwrap(),
            segment: 0,
        }
    }

    fn pump(&mut self) -> Vec<HostEvent> {
        let mut fds = [PollFd::new(self.port.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(10_u8)).unwrap();
        let mut bytes = [0; 4_096];
        let count = self.port.read(&mut bytes).unwrap_or(0);
        let now = self.now();
        let events = self.link.receive(&bytes[..count], now);
        self.flush();
        events
    }

    fn flush(&mut self) {
        let output = self.link.take_output();
        if self.port.write_all(&output).is_err() {
            self.reopen();
        }
    }

    /// Receives until `held` has `count` shots; journals and acknowledges each.
    fn receive_until(&mut self, held: &mut Vec<ShotEvent>, count: usize) {
        let began = Instant::now();
        while held.len() < count {
            assert!(
                began.elapsed() < PATIENCE,
                "{} of {count} shots",
                held.len()
            );
            for event in self.pump() {
                let now = self.now();
                match event {
                    HostEvent::Attached(hello) => match hello.epoch() {
                        None => {
                            self.link.assign_epoch(Epoch(0xABCD), now).unwrap();
                        }
                        Some(epoch) => {
                            let next = ShotCounter(u32::try_from(held.len()).unwrap() + 1);
                            self.link.expect_from(epoch, next, now).unwrap();
                        }
                    },
                    HostEvent::Shot(shot) => {
                        self.link
                            .acknowledge(shot.key.epoch, shot.key.counter)
                            .unwrap();
                        held.push(*shot);
                    }
                    HostEvent::Lost { .. } | HostEvent::Rejected(_) => panic!("{event:?}"),
                    _ => {}
                }
            }
            self.flush();
        }
    }
}

/// Everything that was received is in the gun's own log, field by field and in its order.
#[track_caller]
fn assert_as_logged(held: &[ShotEvent], log: &Path) {
    let logged = read_log(log).unwrap();
    let received: Vec<FiredShot> = held
        .iter()
        .map(|shot| FiredShot::new("GUN-0042", shot))
        .collect();
    assert_eq!(received, logged[..received.len()]);
}

#[test]
fn what_the_host_receives_is_what_the_gun_wrote_down() {
    let mut bench = start_gun(Habit::Nappage);
    bench.open_session();
    let mut held = Vec::new();
    Host::open(&bench.port, 1).receive_until(&mut held, 20);
    assert_as_logged(&held, &bench.log);
    let intervals: Vec<u64> = held[4..]
        .iter()
        .map(|s| s.interval.unwrap().get())
        .collect();
    let planned = 115_000..=166_000;
    assert!(
        intervals.iter().all(|us| planned.contains(us)),
        "as planned: {intervals:?}"
    );
    bench.end();
}

#[test]
fn a_host_that_comes_and_goes_misses_nothing_and_gets_nothing_twice() {
    let mut bench = start_gun(Habit::Nappage);
    bench.open_session();
    let mut held = Vec::new();
    for session in 1..=4_u32 {
        let wanted = held.len() + 6;
        Host::open(&bench.port, session).receive_until(&mut held, wanted);
    }
    let counters: Vec<u32> = held.iter().map(|shot| shot.key.counter.get()).collect();
    let expected: Vec<u32> = (1..=u32::try_from(held.len()).unwrap()).collect();
    assert_eq!(counters, expected);
    assert_as_logged(&held, &bench.log);
    bench.end();
}

#[test]
fn a_trigger_fires_one_shot_and_a_stop_says_how_many_there_were() {
    let mut bench = start_gun(Habit::WaitForTrigger);
    bench.open_session();
    let mut held = Vec::new();
    let mut host = Host::open(&bench.port, 1);
    host.receive_until(&mut held, 3); // the primes
    for wanted in 4..=6 {
        bench.tell(&GunCommand::Trigger);
        host.receive_until(&mut held, wanted);
    }
    bench.tell(&GunCommand::Stop);
    assert_eq!(bench.notice(), GunNotice::Stopped { fired: 6 });
    assert_eq!(read_log(&bench.log).unwrap().len(), 6);
    bench.end();
}

#[test]
fn a_control_line_that_is_no_command_ends_the_gun_and_its_port() {
    let mut bench = start_gun(Habit::Nappage);
    bench.control.write_all(b"{\"do\":\"dance\"}\n").unwrap();
    let ended = bench.gun.join().unwrap();
    assert!(matches!(ended, Err(GunError::NotACommand { line }) if line.contains("dance")));
    assert!(!bench.port.exists());
}
