//! The emulated gun in a thread of the test.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use meso_link_proto::auth::LinkKey;
use meso_testkit::gun::log::{FiredShot, read_log};
use meso_testkit::gun::plan::{Breach, Habit, Step};
use meso_testkit::gun::process::{BenchOptions, GunNotice, GunOptions, run_bench_gun};
use meso_units::GunSerial;
use tokio::sync::mpsc;

use super::in_time;

pub struct EmulatedGun {
    control: Option<UnixStream>,
    notices: mpsc::UnboundedReceiver<GunNotice>,
    thread: Option<JoinHandle<()>>,
    log: PathBuf,
}

/// Takes the gun's event lines apart.
struct Notices {
    line: Vec<u8>,
    sender: mpsc::UnboundedSender<GunNotice>,
}

impl Write for Notices {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let notice = serde_json::from_slice(&self.line).unwrap();
            self.line.clear();
            // The test may have ended already.
            let _ = self.sender.send(notice);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl EmulatedGun {
    pub fn start(folder: &Path, breach: Breach, key: Option<LinkKey>) -> EmulatedGun {
        let ports_folder = folder.join("ports");
        std::fs::create_dir_all(&ports_folder).unwrap();
        let log = folder.join("gun.jsonl");
        let options = GunOptions {
            serial: GunSerial::parse("GUN-0001").unwrap(),
            ports_folder,
            log: log.clone(),
            seed: 7,
            habit: Habit::Nappage,
            breach,
            drift_ppm: 40,
        };
        let (control, input) = UnixStream::pair().unwrap();
        let (sender, notices) = mpsc::unbounded_channel();
        let output = Notices {
            line: Vec::new(),
            sender,
        };
        let bench = BenchOptions {
            key,
            ..BenchOptions::default()
        };
        let thread =
            std::thread::spawn(move || run_bench_gun(&options, &bench, input, output).unwrap());
        EmulatedGun {
            control: Some(control),
            notices,
            thread: Some(thread),
            log,
        }
    }

    fn tell(&mut self, line: &str) {
        let control = self.control.as_mut().unwrap();
        writeln!(control, "{line}").unwrap();
    }

    /// The next step that the gun waits for.
    pub async fn next_step(&mut self) -> Step {
        loop {
            let notice = in_time(self.notices.recv()).await;
            if let GunNotice::Operator { step } = notice.unwrap() {
                return step;
            }
        }
    }

    pub fn go_on(&mut self) {
        self.tell(r#"{"do":"continue"}"#);
    }

    /// Stops firing; says how many shots it fired in all.
    pub async fn stop(&mut self) -> usize {
        self.tell(r#"{"do":"stop"}"#);
        loop {
            let notice = in_time(self.notices.recv()).await;
            if let GunNotice::Stopped { fired } = notice.unwrap() {
                return usize::try_from(fired).unwrap();
            }
        }
    }

    pub fn log(&self) -> Vec<FiredShot> {
        self.log_reader()()
    }

    /// Reads what it has fired so far.
    pub fn log_reader(&self) -> impl Fn() -> Vec<FiredShot> + use<> {
        let path = self.log.clone();
        move || read_log(&path).unwrap_or_default()
    }
}

impl Drop for EmulatedGun {
    fn drop(&mut self) {
        self.control = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
