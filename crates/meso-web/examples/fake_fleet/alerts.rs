//! Made-up alerts that are there from the start.

use meso_contract::http::AlertView;

use crate::gun::now_ms;
use crate::history::DAY_MS;

/// One open soft alert and one hard alert that is over.
pub(crate) fn past_alerts() -> Vec<AlertView> {
    let soft = AlertView {
        id: "000000000000a001".to_owned(),
        rule: "volume per trigger".to_owned(),
        severity: "soft".to_owned(),
        state: "open".to_owned(),
        clinic: "riverside".to_owned(),
        gun: "GUN-0002".to_owned(),
        session: Some(format!("{:032x}", 0xA001)),
        episode: 1,
        shot_count: 12,
        first_shot: "shot 18744 of gun GUN-0002 (epoch 7c0ffee000000001)".to_owned(),
        worst_value: 21_400,
        limit: 19_500,
        unit: "nl".to_owned(),
        text:
            "volume 0.0214 ml per trigger is above the soft limit of 0.0195 ml: check the setting"
                .to_owned(),
        opened_at_ms: now_ms() - 95_000,
        changed_at_ms: now_ms() - 61_000,
        ..AlertView::default()
    };
    let resolved = AlertView {
        id: "000000000000a002".to_owned(),
        rule: "shot rate".to_owned(),
        severity: "hard".to_owned(),
        state: "resolved".to_owned(),
        gun: "GUN-0001".to_owned(),
        worst_value: 96_000,
        limit: 111_111,
        unit: "µs".to_owned(),
        text: "shot rate 10.4 Hz is above the hard limit of 9 Hz: slow down or lower the setting"
            .to_owned(),
        opened_at_ms: now_ms() - 2 * DAY_MS,
        changed_at_ms: now_ms() - 2 * DAY_MS + 90_000,
        acknowledged_by: Some("op-02".to_owned()),
        ..soft.clone()
    };
    vec![soft, resolved]
}
