//! The server's verdict beside the edge's.

use meso_domain::{Judgement, NotCheckable};

/// What the server makes of a shot that the edge has judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What counts from here on.
    pub(super) judgement: Judgement,
    /// Whether edge and server differ although library, engine and facts are the same: then one
    /// of them is wrong.
    pub(super) contradicts: bool,
}

/// Weighs the server's own judgement against the edge's.
///
/// The edge saw the session begin; while its opening is still on the way the server cannot know
/// the protocol, so the edge's verdict counts. In every other case the server's does.
pub(super) fn weigh(server: Judgement, edge: &Judgement) -> Verdict {
    let same_facts = server.library == edge.library
        && server.engine == edge.engine
        && server.facts_digest == edge.facts_digest;
    let contradicts = same_facts && server.findings != edge.findings;
    let is_ignorant = server
        .findings
        .iter()
        .any(|finding| finding.reason == Some(NotCheckable::ProtocolUnknown));
    let judgement = match is_ignorant {
        true => edge.clone(),
        false => server,
    };
    Verdict {
        judgement,
        contradicts,
    }
}

#[cfg(test)]
mod tests {
    use meso_domain::{Finding, Rule, Severity};

    use super::*;

    fn judgement(digest: u8, reasons: &[NotCheckable]) -> Judgement {
        let finding = |reason: &NotCheckable| Finding {
            rule: Rule::NeedleDepth,
            severity: Severity::NotCheckable,
            bound: None,
            value: 0,
            limit: 0,
            reason: Some(*reason),
        };
        Judgement {
            library: None,
            engine: 1,
            facts_digest: [digest; 32],
            findings: reasons.iter().map(finding).collect(),
        }
    }

    #[test]
    fn the_edge_counts_while_the_server_does_not_know_the_protocol() {
        let server = judgement(1, &[NotCheckable::ProtocolUnknown]);
        let edge = judgement(2, &[]);
        let verdict = weigh(server, &edge);
        assert_eq!(verdict.judgement, edge);
        assert!(!verdict.contradicts, "other facts may give another verdict");
    }

    #[test]
    fn another_verdict_on_the_same_facts_is_a_contradiction_and_the_server_counts() {
        let server = judgement(1, &[NotCheckable::ValueMissing]);
        let verdict = weigh(server.clone(), &judgement(1, &[]));
        assert!(verdict.contradicts);
        assert_eq!(verdict.judgement, server);
        assert!(!weigh(server.clone(), &server).contradicts);
    }
}
