//! The first step of a commit: deciding.

use std::collections::{BTreeMap, BTreeSet};

use meso_alerts::{AlertId, FleetCause, JudgedShot, Outcome, Subject, TransitionKind};
use meso_delivery::{Arrival as CounterArrival, Offer, Standing, StreamKey};
use meso_domain::canonical::Canonical as _;
use meso_domain::{
    BlockHash, BlockPlace, Judgement, LedgerEntryKind, Record, RecordBlock, Said, SessionEvent,
    Shot, ShotIdentity, Stream,
};
use meso_store::{AlertRow, Commit, InQuarantine, NewBlock, QuarantineRoom, ShotFate, TrackRow};
use meso_units::{ClinicId, GunSerial, SessionId, Timestamp};

use super::IngestError;
use super::amended::changes_sums;
use super::arrival::{Arrival, Way, quarantined};
use super::gun_alerts::gun_key;
use super::inquiry::now_ms;
use super::pipeline::{Ingest, entry, shot_count};
use super::shot_store::ShotStore;
use super::steps::{Prepared, Rest};
use super::trouble::Trouble;
use super::verdicts::weigh;

/// A block that is new, before its shots are looked at.
struct Accepted {
    block: RecordBlock,
    hash: BlockHash,
    way: Way,
}

/// One commit in the making.
pub(super) struct Preparation<'i, S> {
    pub(super) ingest: &'i mut Ingest<S>,
    pub(super) now: Timestamp,
    pub(super) commit: Commit,
    pub(super) rest: Rest,
    /// Hashes of the blocks that this commit accepted, which no store knows yet.
    accepted: BTreeMap<BlockPlace, BlockHash>,
    /// Which blocks of the commit are news.
    live_blocks: Vec<usize>,
    tracks: BTreeSet<(GunSerial, Option<SessionId>)>,
    /// Alerts that go on and are not as they were.
    changed: BTreeSet<AlertId>,
    /// Channels whose outbox changed.
    pub(super) told: BTreeSet<String>,
    /// What the quarantine can keep beside what this commit puts there.
    pub(super) room: QuarantineRoom,
    /// What this commit puts there.
    pub(super) aside: BTreeMap<[u8; 32], InQuarantine>,
}

impl<'i, S: ShotStore> Preparation<'i, S> {
    pub(super) fn new(ingest: &'i mut Ingest<S>, now: Timestamp) -> Preparation<'i, S> {
        Preparation {
            room: ingest.quarantine_room,
            aside: BTreeMap::new(),
            ingest,
            now,
            commit: Commit::default(),
            rest: Rest::default(),
            accepted: BTreeMap::new(),
            live_blocks: Vec::new(),
            tracks: BTreeSet::new(),
            changed: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }

    pub(super) fn run(mut self, arrivals: Vec<Arrival>) -> Result<Prepared, IngestError> {
        let mut accepted = Vec::new();
        for arrival in arrivals {
            match arrival {
                Arrival::Block { block, way } => accepted.extend(self.offer(*block, way)?),
                Arrival::Refused { quarantined, place } => self.refuse(quarantined, place)?,
                Arrival::Newer {
                    clinic,
                    driver,
                    is_block,
                    reason,
                } => self.leave_to_a_newer_server(&clinic, &driver, is_block, &reason),
                Arrival::Held { clinic, answer } => self.take_answer(&clinic, answer),
                // What guns and drivers say of themselves is shown, not stored.
                Arrival::Gun { .. } | Arrival::Driver { .. } => {}
            }
        }
        // Events first, so that the shots of the same commit find their session.
        for block in accepted.iter().filter(|block| block.way == Way::Live) {
            self.learn_events(&block.block);
        }
        for block in accepted {
            self.take(block)?;
        }
        Ok(self.finish())
    }

    /// What follows from a commit that is stored: judges again what came late or was corrected.
    pub(super) fn follow_up(mut self) -> Result<Prepared, IngestError> {
        self.judge_late_sessions()?;
        self.judge_amended_sessions()?;
        let recalled = std::mem::take(&mut self.ingest.recalled);
        self.rest.news.sessions.extend(recalled);
        // Letters that waited before leave with the next commit.
        Ok(match self.told.is_empty() {
            true => self.close(),
            false => self.finish(),
        })
    }

    pub(super) fn finish(mut self) -> Prepared {
        self.take_letters();
        self.close()
    }

    fn close(mut self) -> Prepared {
        for id in std::mem::take(&mut self.changed) {
            self.write_alert(id);
        }
        for (gun, session) in &self.tracks {
            if let Some(track) = self.ingest.alerts.track(gun, *session) {
                self.commit.tracks.push(TrackRow {
                    gun: gun.clone(),
                    session: *session,
                    active_at: track.active_at,
                    body: track.canonical_bytes(),
                });
            }
        }
        let sessions = self.rest.news.sessions.iter();
        let treated: Vec<_> = sessions
            .filter_map(|session| self.ingest.treated(*session))
            .collect();
        self.add_treated(treated);
        let blocks = self.live_blocks.iter();
        let blocks = blocks.filter_map(|index| self.commit.blocks.get(*index));
        self.rest.news.shots = self.ingest.shown.take(blocks, self.now);
        self.rest.news.quarantined_count = self.commit.quarantined.len() as u64;
        self.rest.news.blocks_again_count = self.commit.blocks_again_count;
        self.rest.news.block_count = self.commit.blocks.len() as u64;
        Prepared {
            commit: self.commit,
            rest: self.rest,
        }
    }

    /// Takes a block or says what else becomes of it.
    fn offer(&mut self, block: RecordBlock, way: Way) -> Result<Option<Accepted>, IngestError> {
        let header = block.header();
        if !self.ingest.options.clinics.contains(&header.clinic) {
            let reason = format!(
                "clinic {} is not let in by the configuration",
                header.clinic
            );
            self.refuse_block(&block, &reason, FleetCause::Quarantine)?;
            return Ok(None);
        }
        let hash = block.hash();
        let (accepted, store) = (&self.accepted, &self.ingest.store);
        let offer =
            self.ingest
                .receiver
                .check(header, hash, |place| match accepted.get(place) {
                    Some(hash) => Ok(Some(*hash)),
                    None => store.block_hash(place),
                })?;
        let (place, clinic) = (header.place.clone(), header.clinic.clone());
        let reason = match offer {
            Offer::New { .. } if self.would_lose(&block)? => {
                tracing::warn!(%place, "block deferred: the quarantine is full");
                self.rest.news.deferred_count += 1;
                return Ok(None);
            }
            Offer::New { .. } => {
                self.ingest.receiver.settle(header, hash);
                self.accepted.insert(place.clone(), hash);
                // Nobody waits for the watermark of an import.
                if way == Way::Live {
                    self.touch(clinic, &place);
                }
                return Ok(Some(Accepted { block, hash, way }));
            }
            Offer::Duplicate => {
                self.touch(clinic, &place);
                if !self.refill_from(&block)? {
                    self.commit.blocks_again_count += 1;
                }
                return Ok(None);
            }
            Offer::Deferred => {
                tracing::warn!(%place, "block deferred: a limit is reached, such as of holes before it");
                self.rest.news.deferred_count += 1;
                return Ok(None);
            }
            Offer::Conflict { held } => {
                self.rest.news.conflict_count += 1;
                format!("{place} is held with hash {held}, not {hash}")
            }
            Offer::BrokenLink { expected, found } => {
                self.rest.news.conflict_count += 1;
                format!("{place} does not follow its neighbour: {found} in place of {expected}")
            }
            Offer::ImpossibleNumber => format!("{place} has a number that no driver gives"),
        };
        let cause = match offer {
            Offer::Conflict { .. } | Offer::BrokenLink { .. } => FleetCause::Conflict,
            _ => FleetCause::Quarantine,
        };
        self.refuse_block(&block, &reason, cause)?;
        match offer {
            Offer::ImpossibleNumber => self.settle_refused(clinic, &place),
            // Its driver hears which block is held, and sends what is in this one under a new life
            // of its journal. To call it settled would let the driver forget it.
            _ => self.touch(clinic, &place),
        }
        Ok(None)
    }

    pub(super) fn settle_refused(&mut self, clinic: ClinicId, place: &BlockPlace) {
        self.ingest.receiver.settle_quarantined(place);
        self.touch(clinic, place);
    }

    fn touch(&mut self, clinic: ClinicId, place: &BlockPlace) {
        self.rest.touched.insert((clinic, StreamKey::from(place)));
    }

    fn learn_events(&mut self, block: &RecordBlock) {
        for record in block.records() {
            if let Record::Session(event) = record {
                // Corrections and claims may have come before what they are about.
                if self.ingest.mended.contains(&event.session()) {
                    self.ingest.amended.insert(event.session());
                }
                self.ingest.judge.session_event(event);
                self.ingest.note_patient(event);
                if let SessionEvent::Stated(statement) = event
                    && changes_sums(&statement.said)
                {
                    self.ingest.amended.insert(statement.session);
                    self.ingest.mended.insert(statement.session);
                    if let Said::Claim(claim) = &statement.said {
                        let key = (claim.gun.clone(), claim.epoch);
                        self.ingest.claimed_guns.insert(key);
                    }
                }
            }
        }
    }

    /// Takes an accepted block apart.
    fn take(&mut self, accepted: Accepted) -> Result<(), IngestError> {
        let header = accepted.block.header().clone();
        let mut fates = Vec::with_capacity(accepted.block.judgements().len());
        let mut judgements = accepted.block.judgements().iter();
        for record in accepted.block.records() {
            match record {
                Record::Shot(shot) => {
                    // A block has one judgement for each shot.
                    let Some(edge) = judgements.next() else { break };
                    let fate = self.take_shot(&accepted, shot, edge)?;
                    if header.session.is_none() {
                        self.ingest.note_claimed(&shot.identity);
                    }
                    fates.push(fate);
                }
                Record::Gap(gap) => {
                    self.ingest.receiver.record_gap(gap);
                    let missing = &mut self.rest.news.declared_missing;
                    missing.insert(gap.gun.clone(), 0);
                    if accepted.way == Way::Live {
                        self.tell_of_gap(gap, &header.clinic);
                    }
                }
                Record::Custody(custody) => {
                    self.ingest.receiver.record_custody(&header, custody);
                    self.ingest
                        .inquiries
                        .gun_was_seen(now_ms(self.now), &custody.gun);
                }
                Record::Session(event) => {
                    if let SessionEvent::Ended(ended) = event {
                        self.ingest.receiver.record_session_end(ended);
                    }
                    self.ingest.note_end(event, &header.place);
                    if accepted.way == Way::Live {
                        self.take_event(event);
                    }
                }
                Record::Patient(merged) => self.take_merge(&accepted.block, merged)?,
                Record::Amendment(_) | Record::Interlock(_) => {}
            }
        }
        let new_count = fates
            .iter()
            .filter(|fate| matches!(fate, ShotFate::Store(_)))
            .count() as u64;
        if shot_count(&accepted.block) > 0 {
            let counts = &mut self.rest.news.stored_counts;
            *counts.entry(header.clinic.clone()).or_default() += new_count;
        }
        if let (Way::Live, Some(session)) = (accepted.way, header.session) {
            self.rest.news.sessions.insert(session);
        }
        if accepted.way == Way::Live {
            self.live_blocks.push(self.commit.blocks.len());
            if let (Stream::Gun(gun), true) = (&header.place.stream, new_count > 0) {
                self.rest.news.guns.insert(gun.clone());
            }
        }
        let time_zones = &self.ingest.options.time_zones;
        let first_shot = accepted.block.shots().next();
        let first_at = first_shot.map_or(header.sealed_at, |(shot, _)| shot.at);
        self.commit.blocks.push(NewBlock {
            utc_offset_s: time_zones.utc_offset_s(&header.clinic, first_at),
            block: accepted.block,
            hash: accepted.hash,
            fates,
        });
        Ok(())
    }

    fn take_event(&mut self, event: &SessionEvent) {
        if let SessionEvent::Ended(ended) = event {
            let outcome = self.ingest.alerts.session_ended(ended.session, ended.at);
            self.note(outcome);
        }
    }

    fn take_shot(
        &mut self,
        accepted: &Accepted,
        shot: &Shot,
        edge: &Judgement,
    ) -> Result<ShotFate, IngestError> {
        if self.take_gone(&accepted.block, shot)? {
            return Ok(ShotFate::OtherCopyStored);
        }
        match self.ingest.receiver.record_shot(&shot.identity) {
            CounterArrival::Again => {
                self.take_again(&accepted.block, shot)?;
                return Ok(ShotFate::OtherCopyStored);
            }
            CounterArrival::FillsDeclared => {
                let missing = &mut self.rest.news.declared_missing;
                missing.insert(shot.identity.gun.clone(), 0);
            }
            CounterArrival::New => {}
        }
        if accepted.way == Way::Import {
            return Ok(ShotFate::Store(edge.clone()));
        }
        let header = accepted.block.header();
        let judgement = self.ingest.judge.judge(shot, header.session);
        let verdict = weigh(judgement, edge);
        if verdict.contradicts {
            self.note_contradiction(&accepted.block, shot, edge, &verdict.judgement)?;
        }
        let judged = JudgedShot::of(shot, &header.clinic, header.session, &verdict.judgement);
        let outcome = self.ingest.alerts.shot(&judged);
        self.note(outcome);
        self.tracks
            .insert((shot.identity.gun.clone(), header.session));
        let counters = self
            .ingest
            .receiver
            .counters(&shot.identity.gun, shot.identity.epoch);
        let standing = counters.map_or(Standing::Provisional, |counters| {
            counters.standing(shot.identity.counter)
        });
        self.rest.news.provisional_count += u64::from(standing == Standing::Provisional);
        Ok(ShotFate::Store(verdict.judgement))
    }

    /// A shot that is held already came again in a new block.
    fn take_again(&mut self, block: &RecordBlock, shot: &Shot) -> Result<(), IngestError> {
        self.commit.shots_again_count += 1;
        let held = match self.in_this_commit(&shot.identity) {
            Some(held) => Some(held.clone()),
            None => self.ingest.store.shot(&shot.identity)?,
        };
        let differs = held.is_none_or(|held| !measured_alike(&held, shot));
        if differs {
            let reason = format!("{} is held with other measured fields", shot.identity);
            let source = shot.identity.to_string();
            let bytes = shot.canonical_bytes();
            let trouble = Trouble::of_shot(FleetCause::Conflict, block, shot);
            self.quarantine(quarantined(&source, &reason, bytes, self.now), trouble)?;
            self.rest.news.conflict_count += 1;
        }
        Ok(())
    }

    fn in_this_commit(&self, identity: &ShotIdentity) -> Option<&Shot> {
        let blocks = self.commit.blocks.iter();
        let shots = blocks.flat_map(|new| new.block.records().iter().filter_map(Record::as_shot));
        shots.into_iter().find(|shot| shot.identity == *identity)
    }

    /// Whether the block has other copies of shots than those held, and the quarantine no place for
    /// them: nobody would have them once the block is settled.
    fn would_lose(&self, block: &RecordBlock) -> Result<bool, IngestError> {
        if self.room.rows >= shot_count(block) {
            return Ok(false);
        }
        for (shot, _) in block.shots() {
            if self.ingest.receiver.holds(&shot.identity) {
                let held = self.ingest.store.shot(&shot.identity)?;
                if held.is_none_or(|held| !measured_alike(&held, shot)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Takes note of what happened to alerts.
    pub(super) fn note(&mut self, outcome: Outcome) {
        self.tell(&outcome.notifications);
        for transition in &outcome.transitions {
            let bytes = transition.canonical_bytes();
            // How often is no other thing that is wrong.
            if transition.kind != TransitionKind::Counted {
                let alert = self.ingest.alerts.alert(transition.alert);
                self.rest.alerted.extend(alert.and_then(gun_key));
            }
            self.commit
                .entries
                .push(entry(LedgerEntryKind::AlertTransition, bytes));
        }
        for id in outcome.changed {
            let Some(alert) = self.ingest.alerts.alert(id) else {
                continue;
            };
            if let Subject::Breach { gun, session, .. } = &alert.key.subject {
                self.tracks.insert((gun.clone(), *session));
            }
            // One that goes on may change with each shot: it is written once, at the end. One that is
            // over may be forgotten until then.
            match alert.is_done() {
                true => {
                    self.changed.remove(&id);
                    self.write_alert(id);
                }
                false => drop(self.changed.insert(id)),
            }
        }
    }

    fn write_alert(&mut self, id: AlertId) {
        let Some(alert) = self.ingest.alerts.alert(id) else {
            return;
        };
        let row = AlertRow {
            id: id.to_string(),
            state: alert.state.as_str().to_owned(),
            severity: alert.severity,
            gun: alert.key.subject.gun().cloned(),
            session: alert.key.subject.session(),
            opened_at: alert.opened_at,
            body: alert.canonical_bytes(),
        };
        self.rest.news.alerts.retain(|other| other.id != id);
        self.rest.news.alerts.push(alert.clone());
        self.commit.alerts.retain(|other| other.id != row.id);
        self.commit.alerts.push(row);
    }
}

/// Whether two copies of a shot say the same of what the gun did; the drivers' own additions (time,
/// purpose rule, segment) may differ.
fn measured_alike(one: &Shot, other: &Shot) -> bool {
    one.gun_tick == other.gun_tick
        && one.needle_depth == other.needle_depth
        && one.volume == other.volume
        && one.interval == other.interval
        && one.frequency_set == other.frequency_set
        && one.needles_working == other.needles_working
        && one.pressure == other.pressure
        && one.flags == other.flags
}
