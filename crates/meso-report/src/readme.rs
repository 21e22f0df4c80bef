//! `README.txt`, the first file that an auditor opens.

use crate::manifest::Counts;

/// What the text needs to know.
pub(crate) struct ReadmeFacts<'a> {
    pub(crate) demo: bool,
    pub(crate) clinic: &'a str,
    pub(crate) generated_at: &'a str,
    pub(crate) counts: &'a Counts,
    pub(crate) origin: &'a str,
    pub(crate) tree_size: u64,
    pub(crate) fingerprint: &'a str,
}

/// The text; lines end with a line feed.
pub(crate) fn readme(facts: &ReadmeFacts<'_>) -> String {
    let demo = if facts.demo {
        "DEMO - DEMO - DEMO\n\
         Emulated guns, no patient, throw-away keys. Nothing in here happened.\n\n"
    } else {
        ""
    };
    let counts = facts.counts;
    format!(
        "{demo}Mesofleet report\n\
         ================\n\n\
         Clinic            {clinic}\n\
         Made at           {generated_at}\n\
         Shots             {shots}\n\
         Sessions          {sessions}\n\
         Alerts            {alerts}\n\
         Gaps              {gaps} ({missing} shots declared missing)\n\
         Log               {origin}, {tree_size} entries\n\
         Key fingerprint   {fingerprint}\n\n\
         {BODY}",
        clinic = facts.clinic,
        generated_at = facts.generated_at,
        shots = counts.shots,
        sessions = counts.sessions,
        alerts = counts.alerts,
        gaps = counts.gaps,
        missing = counts.declared_missing_shots,
        origin = facts.origin,
        tree_size = facts.tree_size,
        fingerprint = facts.fingerprint,
    )
}

const BODY: &str = "\
How to check it
---------------
    mesofleet-verify BUNDLE.zip --key LOG.vkey

needs no network and no server. It says OK, or names each record that was
altered, deleted, added or never delivered. Get LOG.vkey, or at least its
fingerprint, from the clinic by another way than this file: whoever can change
the file could also change the key in it.

The files
---------
shots.csv       one shot a line, for spreadsheets. Empty cell: not known, never zero
shots.json      the same shots with the same fields
sessions.json   session events, stops of guns, merged ids of patients and amendments
gaps.json       holes in the counters, declared or still awaited, and who had the gun when
alerts.json     alerts as they stood when the report was made
proofs.json     record blocks, hash of each record, and the way to the log's root
checkpoint.txt  the state of the log, signed (C2SP checkpoint)
log.vkey        the public key of the log (C2SP signed note)
manifest.json   the selection, the counts, and SHA-256 of every file above
manifest.note   SHA-256 of the manifest, signed with the key of the log

What is proven, and what is not
-------------------------------
Shots, session events, amendments and declared gaps are proven by the log: not
even the holder of the key can change one afterwards without a new root, which
everybody who kept an older checkpoint would notice. Verdicts of the edge are
committed to by the header of their block. Alerts, watermarks and the selection
are vouched for by the signature over the manifest only.

A checkpoint proves what was logged, not what a gun never reported. Holes in
the counters of a gun are shown; text-line guns have no counter of their own.

How to read it
--------------
Needle depth is the travel of the needle, not where the product lies. Patients
appear by commitment only; pseudonymised data are still personal data. Limits
are examples to be approved by a clinician. Controlled evidence for cosmetic
mesotherapy is thin; this report documents what was done, not that it works.
Mesofleet is built to support record-keeping duties; whether a clinic meets
them is for the clinic to establish.
";
