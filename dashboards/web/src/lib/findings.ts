// A finding as one line for people.
import { ruleValue, unitOfRule } from './format';
import { t } from './i18n';
import type { FindingView, LateFindingView } from './types';

/** Says what was passed by how much, or why it could not be judged. */
export function describe(finding: FindingView): string {
  if (finding.severity === 'not checkable') {
    return t.finding.notCheckable(finding.rule, finding.reason ?? t.finding.unknownReason);
  }
  const check = t.finding.checks[finding.rule];
  if (check) return t.finding.check(check, finding.severity);
  const unit = unitOfRule(finding.rule);
  const value = ruleValue(finding.value, unit);
  const limit = ruleValue(finding.limit, unit);
  // The limit of an interval is the mirror image of the limit of a rate.
  const above = (finding.bound === 'maximum') !== (unit === 'µs');
  const say = above ? t.finding.above : t.finding.below;
  return say(finding.rule, value, finding.severity, limit);
}

/** Whether a late finding only says that a rule lacks nothing any more, or something else. */
export function isFilledIn({ before, after }: LateFindingView): boolean {
  const isOpen = (finding: FindingView) => finding.severity === 'not checkable';
  return before != null && isOpen(before) && (after == null || isOpen(after));
}
