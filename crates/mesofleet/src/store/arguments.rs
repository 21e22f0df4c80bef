//! What a person types behind `mesofleet store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::StoreSpec;

/// Stores as a whole.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Make what is missing: the folder and file, the bucket where the server lets us.
    Init(StoreArguments),
    /// Read every record and compare it with its hash; may run beside the server. Exit 1 where a
    /// record is wrong.
    Check(StoreArguments),
    /// Look for shots that the InfluxDB had taken and does not have any more, and have the rooms send
    /// them once more; the server must be stopped. What no room has is then declared to be gone.
    Repair(RepairArguments),
    /// Copy everything from one store to a new one and prove the two equal; the server must be
    /// stopped. The source stays as it is.
    Copy(Box<CopyArguments>),
}

/// Which store, and how to answer.
#[derive(Args, Debug)]
pub struct StoreArguments {
    /// The configuration file of the server.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "store",
        required_unless_present = "store"
    )]
    pub config: Option<PathBuf>,
    /// `embedded=DIR`, or `influx=URL,data=DIR` with, behind commas, `org=NAME`, `bucket=NAME` and
    /// `token-file=PATH`.
    #[arg(long, value_name = "SPEC", value_parser = StoreSpec::parse)]
    pub store: Option<StoreSpec>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `mesofleet store repair`.
#[derive(Args, Debug)]
pub struct RepairArguments {
    /// Which store.
    #[command(flatten)]
    pub store: StoreArguments,
    /// Only say what is gone, and change nothing. Exit 1 where something is.
    #[arg(long)]
    pub dry_run: bool,
    /// Ask nothing.
    #[arg(long)]
    pub yes: bool,
}

/// Options of `mesofleet store copy`.
#[derive(Args, Debug)]
pub struct CopyArguments {
    /// The store that there is: `embedded=DIR` or `influx=URL,data=DIR`.
    #[arg(long, value_name = "SPEC", value_parser = StoreSpec::parse)]
    pub from: StoreSpec,
    /// The store that is to be: `embedded=DIR` or `influx=URL,data=DIR`.
    #[arg(long, value_name = "SPEC", value_parser = StoreSpec::parse)]
    pub to: StoreSpec,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Ask nothing, even where the bucket already holds shots.
    #[arg(long)]
    pub yes: bool,
}
