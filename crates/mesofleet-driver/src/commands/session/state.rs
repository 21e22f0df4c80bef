//! The room as text.

use meso_contract::room::{GaugeBody, LiveBody, LiveGunBody, LiveSessionBody};

pub(super) fn text(live: &LiveBody) -> String {
    let mut lines = vec![room_line(live)];
    if live.guns.is_empty() {
        lines.push("no gun has been seen since the start: plug one in".to_owned());
    }
    for gun in &live.guns {
        lines.push(String::new());
        lines.push(gun_line(gun));
        lines.extend(gun.gauges.iter().map(gauge_line));
    }
    for session in &live.sessions {
        lines.push(String::new());
        lines.extend(session_lines(session));
    }
    lines.join("\n")
}

fn room_line(live: &LiveBody) -> String {
    let library = match live.room.library_version {
        Some(version) => format!("protocol library release {version}"),
        None => "no protocol library in force".to_owned(),
    };
    let signed = match live.single_signer {
        true => " (single signer)",
        false => "",
    };
    let waiting = live.waiting_record_count;
    let way = match live.room.broker_connected {
        true => format!("connected, {waiting} records on their way"),
        false => format!("offline: {waiting} records wait, nothing is lost"),
    };
    format!(
        "{} / {}: {library}{signed}; {way}",
        live.clinic, live.driver
    )
}

fn gun_line(gun: &LiveGunBody) -> String {
    let mut parts = vec![format!("gun {}", gun.gun.serial)];
    parts.push(match gun.gun.attached {
        true => "attached".to_owned(),
        false => "not attached".to_owned(),
    });
    if let Some(interlock) = &gun.gun.interlock {
        parts.push(format!("{}: {}", interlock.state, interlock.cause));
        parts.extend(interlock.problem.clone());
    } else if gun.gun.inhibited {
        parts.push("inhibited".to_owned());
    }
    if !gun.can_be_stopped {
        parts.push("this gun cannot be stopped".to_owned());
    }
    if let Some(shot) = &gun.last_shot {
        parts.push(format!(
            "shot {} ({}): {}",
            shot.counter, shot.purpose, shot.verdict
        ));
    }
    parts.join(", ")
}

fn gauge_line(gauge: &GaugeBody) -> String {
    let value = match gauge.value {
        Some(value) => format!("{value} {}", gauge.unit),
        None => "–".to_owned(),
    };
    let zone = gauge.zone.as_ref();
    let zone = zone.map_or_else(String::new, |zone| format!(" ({zone})"));
    let limits = [
        ("hard min", gauge.hard_min),
        ("soft min", gauge.soft_min),
        ("soft max", gauge.soft_max),
        ("hard max", gauge.hard_max),
    ];
    let limits = limits
        .iter()
        .filter_map(|(name, limit)| limit.map(|limit| format!(", {name} {limit}")));
    let limits: String = limits.collect();
    format!(
        "  {}{zone}: {value}, {}{limits}",
        gauge.quantity, gauge.standing
    )
}

fn session_lines(session: &LiveSessionBody) -> Vec<String> {
    let paused = if session.paused { ", paused" } else { "" };
    let mut lines = vec![format!(
        "session {}: {}, by {}{paused}; {} patient shots, {} nl",
        session.session,
        session.title,
        session.operator,
        session.patient_shot_count,
        session.volume_nl
    )];
    lines.extend(session.segments.iter().map(|segment| {
        let gun = segment.gun.as_deref().unwrap_or("manual syringe");
        let parts = [&segment.zone, &segment.technique, &segment.operator];
        format!("  {gun}: {}", parts.map(String::as_str).join(", "))
    }));
    lines.extend(session.sums.iter().map(gauge_line));
    lines.extend(session.findings.iter().map(|it| format!("  {it}")));
    lines
}
