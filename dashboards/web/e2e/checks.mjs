// One promise of a page after the other, and what came of them.

/**
 * Counts checks and prints a line for each.
 *
 * @param {{stopsAtFailure: boolean}} options - whether what comes after a failure is left out, as
 *   it would only fail with it
 */
export function checks({ stopsAtFailure }) {
  const outcome = { passed: 0, failed: 0 };

  async function check(promise, test) {
    if (stopsAtFailure && outcome.failed > 0) return;
    try {
      await test();
      outcome.passed += 1;
      console.log(`ok    ${promise}`);
    } catch (error) {
      outcome.failed += 1;
      console.log(`FAIL  ${promise}: ${error instanceof Error ? error.message : error}`);
    }
  }

  return { outcome, check };
}
