//! The reference firmware in QEMU: a real Arm binary behind a pseudo-terminal.
//!
//! [`QemuGun`] starts `qemu-system-arm` with the image of `firmware-bridge/firmware`, moves the
//! bytes of its UART to a port at the speed of a real wire, and writes down what the firmware says
//! that it fired. Cable and power are the test's to pull; the wire's faults come from a seedless
//! count, so that a run can be told again.
//!
//! [`Computer`] is the other side: a treatment room's computer with Debian's kernel and its real
//! USB drivers, with two cables that a test can pull, in `qemu-system-x86_64`.
//!
//! A gun needs `qemu-system-arm` and `setpriv` (util-linux), and says which package lacks. Nothing
//! outlives its owner: QEMU is killed when its handle is dropped, and by the kernel when the
//! *thread* that started it ends, so start it from a thread that lasts.

mod computer;
mod error;
mod initramfs;
mod machine;
mod page;
mod play;
mod process;
mod qmp;
mod relay;
mod rig;

pub use computer::{Cable, Computer, ComputerOptions, Said, system_folder};
pub use error::QemuError;
pub use machine::{QemuGun, QemuOptions, check_tools};
pub use page::{PAGE_BYTES, Page};
pub use play::play_gun;
pub use qmp::Qmp;
pub use relay::Relay;
pub use rig::{Answer, Rig, RigState};
