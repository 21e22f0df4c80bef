-- Layout 5 of the store's file. 64-bit identifiers are kept as the signed number with the same
-- bits. Records keep their sealed fields only; what was judged or counted about them lies beside.
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tallies (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE guns (
  id INTEGER PRIMARY KEY,
  serial TEXT NOT NULL UNIQUE,
  shot_count INTEGER NOT NULL DEFAULT 0,
  -- The widest block of the gun, in time and in counters: how far a search for blocks that overlap
  -- a moment or a counter must look.
  span_ns_max INTEGER NOT NULL DEFAULT 0,
  span_counter_max INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One line of blocks, and how far the receiver had it at the last ledger commit.
CREATE TABLE streams (
  id INTEGER PRIMARY KEY,
  clinic TEXT NOT NULL,
  driver TEXT NOT NULL,
  incarnation INTEGER NOT NULL,
  stream TEXT NOT NULL,
  settled BLOB NOT NULL DEFAULT x'',
  head_number INTEGER,
  head_hash BLOB,
  expected BLOB NOT NULL DEFAULT x'',
  UNIQUE (driver, incarnation, stream)
) STRICT;

CREATE TABLE counters (
  gun TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  held BLOB NOT NULL,
  declared BLOB NOT NULL,
  open_ended_from INTEGER,
  -- The highest counter that the gun is known to have had, and who had it from where on.
  known_to INTEGER NOT NULL,
  custody BLOB NOT NULL,
  PRIMARY KEY (gun, epoch)
) STRICT, WITHOUT ROWID;

-- A session exists from its first record on; its opening may arrive later.
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY,
  session BLOB NOT NULL UNIQUE,
  clinic TEXT NOT NULL,
  driver TEXT NOT NULL,
  protocol TEXT,
  operator TEXT,
  library INTEGER,
  demo INTEGER,
  utc_offset_s INTEGER NOT NULL DEFAULT 0,
  opened_at_ns INTEGER,
  ended_at_ns INTEGER,
  outcome INTEGER,
  sealed_at_ns INTEGER,
  shot_count INTEGER NOT NULL DEFAULT 0,
  patient_shot_count INTEGER NOT NULL DEFAULT 0,
  volume_nl INTEGER NOT NULL DEFAULT 0,
  failed_count INTEGER NOT NULL DEFAULT 0,
  soft_count INTEGER NOT NULL DEFAULT 0,
  hard_count INTEGER NOT NULL DEFAULT 0,
  not_checkable_count INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX sessions_unsealed ON sessions (id) WHERE sealed_at_ns IS NULL;
CREATE INDEX sessions_opened ON sessions (opened_at_ns, id);

CREATE TABLE segments (
  segment BLOB PRIMARY KEY,
  session INTEGER NOT NULL,
  gun TEXT,
  zone TEXT NOT NULL,
  opened_at_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX segments_session ON segments (session);

-- The shots of a block have neighbouring ids, so a range stands for them and needs no index. What
-- has to be found by identity or by time is found by block: one index entry for up to 64 shots, all
-- of them at the right edge of their gun, so that inserts stay as fast as on the first day.
CREATE TABLE blocks (
  id INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL,
  number INTEGER NOT NULL,
  hash BLOB NOT NULL,
  gun INTEGER,
  session INTEGER,
  first_at_ns INTEGER NOT NULL,
  last_at_ns INTEGER NOT NULL,
  -- How far the clinic's clock was ahead of UTC then.
  utc_offset_s INTEGER NOT NULL,
  leaf INTEGER,
  -- The stored shots: ids, places in the block and counters, first and last moment; absent where
  -- the block has none.
  first_shot INTEGER,
  last_shot INTEGER,
  runs BLOB,
  epoch INTEGER,
  first_counter INTEGER,
  last_counter INTEGER,
  shots_from_ns INTEGER,
  shots_to_ns INTEGER,
  -- Where two shots of a gun have one nanosecond, their blocks have different slots.
  slot INTEGER,
  slot_count INTEGER,
  UNIQUE (stream, number)
) STRICT;
CREATE INDEX blocks_unlogged ON blocks (id) WHERE leaf IS NULL;
CREATE INDEX blocks_gun ON blocks (gun, id) WHERE first_shot IS NOT NULL;
CREATE INDEX blocks_time ON blocks (last_at_ns, first_at_ns);
CREATE INDEX blocks_session ON blocks (session, id) WHERE session IS NOT NULL;
CREATE INDEX blocks_counter ON blocks (gun, epoch, last_counter, first_counter)
 WHERE first_shot IS NOT NULL;
CREATE INDEX blocks_moment ON blocks (gun, shots_to_ns, shots_from_ns)
 WHERE first_shot IS NOT NULL;

-- What is long and never changes: beside the blocks, because a row that changes is written whole.
CREATE TABLE block_bodies (
  block INTEGER PRIMARY KEY,
  header BLOB NOT NULL,
  record_hashes BLOB NOT NULL,
  judgements BLOB NOT NULL
) STRICT;

-- Shots of blocks that have yet to go where the store keeps them: place in the block, length and
-- canonical bytes of each.
CREATE TABLE pending (
  block INTEGER PRIMARY KEY,
  shots BLOB NOT NULL
) STRICT;

-- In order of arrival. Where the store keeps shots elsewhere, only those that were refused there.
CREATE TABLE shots (
  id INTEGER PRIMARY KEY,
  block INTEGER NOT NULL,
  position INTEGER NOT NULL,
  gun INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  counter INTEGER NOT NULL,
  at_ns INTEGER NOT NULL,
  uncertainty_ns INTEGER,
  clock_segment INTEGER NOT NULL,
  gun_tick_us INTEGER NOT NULL,
  needle_depth_set_um INTEGER,
  needle_depth_um INTEGER,
  needle_depth_source TEXT,
  volume_set_nl INTEGER,
  volume_nl INTEGER,
  volume_source TEXT,
  interval_us INTEGER,
  frequency_set_spm INTEGER,
  needles_working_count INTEGER,
  needles_working_source TEXT,
  pressure_pa INTEGER,
  flags INTEGER NOT NULL,
  purpose INTEGER NOT NULL,
  purpose_decided_by INTEGER NOT NULL,
  segment BLOB,
  library INTEGER
) STRICT;

-- Session events, gaps and amendments, as canonical bytes.
CREATE TABLE records (
  id INTEGER PRIMARY KEY,
  block INTEGER NOT NULL,
  position INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  session INTEGER,
  bytes BLOB NOT NULL
) STRICT;
CREATE INDEX records_block ON records (block);
CREATE INDEX records_session ON records (session) WHERE session IS NOT NULL;

-- Shots of a block of which another copy is stored; their hashes are among the block's.
CREATE TABLE other_copies (
  block INTEGER NOT NULL,
  position INTEGER NOT NULL,
  counter INTEGER NOT NULL,
  PRIMARY KEY (block, position)
) STRICT, WITHOUT ROWID;

-- Verdicts of the server where they are more than "as the edge said, and nothing to report".
CREATE TABLE verdicts (
  shot INTEGER PRIMARY KEY,
  worst INTEGER,
  judgement BLOB NOT NULL
) STRICT;

CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  source TEXT NOT NULL,
  reason TEXT NOT NULL,
  bytes BLOB,
  first_at_ns INTEGER NOT NULL,
  seen_count INTEGER NOT NULL,
  released_at_ns INTEGER
) STRICT;

CREATE TABLE alerts (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  severity INTEGER NOT NULL,
  gun TEXT NOT NULL,
  session BLOB,
  opened_at_ns INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_opened ON alerts (opened_at_ns, id);
CREATE INDEX alerts_unresolved ON alerts (id) WHERE state <> 'resolved';

-- What the alert machine remembers of a gun in a session; an empty session is "outside any".
CREATE TABLE alert_tracks (
  gun TEXT NOT NULL,
  session BLOB NOT NULL,
  active_at_ns INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (gun, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_tracks_active ON alert_tracks (active_at_ns);

-- What waits to be told by each channel of notifications.
CREATE TABLE outbox (
  channel TEXT PRIMARY KEY,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE days (
  clinic TEXT NOT NULL,
  day INTEGER NOT NULL,
  session_count INTEGER NOT NULL,
  clean_session_count INTEGER NOT NULL,
  all_shot_count INTEGER NOT NULL,
  shot_count INTEGER NOT NULL,
  volume_nl INTEGER NOT NULL,
  soft_count INTEGER NOT NULL,
  hard_count INTEGER NOT NULL,
  PRIMARY KEY (day, clinic)
) STRICT, WITHOUT ROWID;

-- What else than blocks the ledger commits to; no leaf yet means stored but not logged.
CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  digest BLOB NOT NULL,
  bytes BLOB NOT NULL,
  leaf INTEGER
) STRICT;
CREATE INDEX entries_unlogged ON entries (id) WHERE leaf IS NULL;

CREATE TABLE leaves (
  leaf INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
) STRICT;

CREATE TABLE hashes (
  level INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 5;
