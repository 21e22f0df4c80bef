//! `mesofleet-driver list-ports`: which ports a driver would try.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use meso_config::PortSource;
use meso_serial::{EnumeratedSource, FolderSource, PortDescription};
use mesofleet_driver::Overrides;
use serde::Serialize;

use super::table::table;
use super::{Failure, print, settings};

/// Options of `list-ports`.
#[derive(Args, Debug)]
#[command(after_help = "Without --config and --folder: the USB serial ports of this computer.")]
pub(crate) struct ListPortsArguments {
    /// The ports that a driver with this configuration would try.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The ports in this folder of links, such as /dev/serial/by-id.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    folder: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Ports {
    /// Where was looked.
    source: String,
    ports: Vec<Port>,
}

#[derive(Debug, Serialize)]
struct Port {
    name: String,
    path: String,
    /// Where the path leads, where it is a link.
    target: Option<String>,
    /// Vendor and product number, four hexadecimal digits each.
    usb_id: Option<String>,
    usb_serial: Option<String>,
    manufacturer: Option<String>,
    product: Option<String>,
    /// Why the driver would not get far with it.
    problem: Option<&'static str>,
}

impl From<PortDescription> for Port {
    fn from(port: PortDescription) -> Port {
        let usb = port.usb.as_ref();
        Port {
            name: port.name.to_string(),
            path: port.path.display().to_string(),
            target: port.target.map(|target| target.display().to_string()),
            usb_id: usb.map(|usb| format!("{:04x}:{:04x}", usb.vendor_id, usb.product_id)),
            usb_serial: usb.and_then(|usb| usb.serial.clone()),
            manufacturer: usb.and_then(|usb| usb.manufacturer.clone()),
            product: usb.and_then(|usb| usb.product.clone()),
            problem: port.problem,
        }
    }
}

/// Lists the ports without opening one.
pub(super) fn list_ports(arguments: &ListPortsArguments) -> Result<ExitCode, Failure> {
    let (source, described) = match folder(arguments)? {
        Some(folder) => (
            folder.display().to_string(),
            FolderSource::new(folder).describe(),
        ),
        None => (
            "the USB serial ports of this computer".to_owned(),
            EnumeratedSource.describe(),
        ),
    };
    let ports = described.with_context(|| format!("cannot list {source}"))?;
    let answer = Ports {
        source,
        ports: ports.into_iter().map(Port::from).collect(),
    };
    print(arguments.json, &answer, || text(&answer))
}

/// The folder to look at; `None` for the system's enumeration.
fn folder(arguments: &ListPortsArguments) -> Result<Option<PathBuf>, Failure> {
    let Some(config) = &arguments.config else {
        return Ok(arguments.folder.clone());
    };
    let settings = settings(config, Overrides::default())?;
    Ok(match &settings.config().ports.source {
        PortSource::Folder(folder) => Some(folder.clone()),
        _ => None,
    })
}

fn text(answer: &Ports) -> String {
    if answer.ports.is_empty() {
        return format!("no ports in {}", answer.source);
    }
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    let rows: Vec<_> = answer
        .ports
        .iter()
        .map(|port| {
            let leads_to = match port.problem {
                Some(problem) => format!("no port: {problem}"),
                None => or_none(&port.target),
            };
            [
                port.path.clone(),
                or_none(&port.usb_id),
                or_none(&port.usb_serial),
                or_none(&port.product),
                leads_to,
            ]
        })
        .collect();
    table(["PORT", "USB", "USB SERIAL", "PRODUCT", "LEADS TO"], &rows)
}
