//! A made-up fleet behind the real interface, to work on the pages without guns, broker or store.
//!
//! `cargo run -p meso-web --example fake_fleet -- 127.0.0.1:8090 7`, then open that address. It
//! keeps nothing and proves nothing; `mesofleet demo` shows the real way of a shot.

mod alerts;
mod fleet;
mod gun;
mod history;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use meso_contract::http::LiveEvent;
use meso_web::{AllowedHosts, EVENT_BUFFER_COUNT, WebOptions, WebState};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::sync::broadcast;

use fleet::FakeFleet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let bind: SocketAddr = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8090".to_owned())
        .parse()?;
    let metrics = PrometheusBuilder::new().install_recorder()?;
    meso_web::describe_metrics();
    let (events, _) = broadcast::channel(EVENT_BUFFER_COUNT);
    let gun_count = std::env::args().nth(2).map_or(Ok(7), |text| text.parse())?;
    let fleet = Arc::new(FakeFleet::new(gun_count));
    tokio::spawn(run(Arc::clone(&fleet), events.clone()));
    let listener = tokio::net::TcpListener::bind(bind).await?;
    let bound = listener.local_addr()?;
    println!("a made-up fleet is at http://{bound}/");
    let state = WebState::new(WebOptions {
        backend: fleet,
        events,
        metrics,
        hosts: AllowedHosts::for_bind(bound),
    });
    axum::serve(listener, meso_web::app(state)).await?;
    Ok(())
}

async fn run(fleet: Arc<FakeFleet>, events: broadcast::Sender<LiveEvent>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        for event in fleet.tick() {
            let _ = events.send(event); // nobody listening is fine
        }
    }
}
