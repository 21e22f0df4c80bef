//! Every metric says what it means.

use metrics_exporter_prometheus::PrometheusBuilder;

/// The names, read from the file that defines them, so that a new one cannot be forgotten here.
fn names() -> Vec<&'static str> {
    include_str!("../../../meso-contract/src/metric_names.rs")
        .split('"')
        .filter(|text| text.starts_with("mesofleet_"))
        .collect()
}

#[test]
fn every_metric_has_a_description() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        meso_web::describe_metrics();
        for name in names() {
            // The kind does not matter to the description, only that the name is in use.
            metrics::gauge!(name).set(1.0);
        }
    });
    let text = handle.render();
    assert!(names().len() >= 9);
    for name in names() {
        assert!(
            text.contains(&format!("# HELP {name} ")),
            "{name} is not described:\n{text}"
        );
    }
}
