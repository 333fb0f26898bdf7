/** Runs a case of fidelity on a broker: what came of the steps that are compared, as lines. */
import type { Transport } from '../../../../lib/amqp/transport/index.js';
import { runSequence } from '../../../differential/run-sequence.js';
import { transcriptLines, type Transcript } from '../../../differential/steps.js';
import type { FidelityCase } from './cases.js';

const run = Math.random().toString(36).slice(2, 8);
let serial = 0;

/** `pause`: milliseconds after each step, for a broker that answers in its own time; undefined takes 30. */
export async function answersOf(
  { given = [], when }: FidelityCase,
  connect: () => Promise<Transport>,
  pause: number | undefined,
): Promise<string[]> {
  const prefix = `test.fidelity.${run}.${++serial}.`;
  const transcript = await runSequence([...given, ...when], {
    prefix,
    connect,
    guide: [],
    pause: pause ?? 30,
    isWhole: true,
    patience: 0,
  });
  const compared: Transcript = transcript.slice(given.length);
  return transcriptLines(compared);
}
