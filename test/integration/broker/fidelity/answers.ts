/** Runs a case of fidelity on a broker: what came of the steps that are compared, as lines. */
import type { Transport } from '../../../../lib/amqp/transport/index.js';
import { runSequence } from '../../../differential/run-sequence.js';
import { transcriptLines, type StepRecord, type Transcript } from '../../../differential/steps.js';
import type { FidelityCase } from './cases.js';

const run = Math.random().toString(36).slice(2, 8);
let serial = 0;

export interface AnswerOptions {
  connect(): Promise<Transport>;
  /** Milliseconds after each step, for a broker that answers in its own time. */
  readonly pause: number;
  /** Lines that are waited for, up to two seconds a step. */
  readonly expected?: readonly string[];
}

export async function answersOf(
  { given = [], when }: FidelityCase,
  { connect, pause, expected = [] }: AnswerOptions,
): Promise<string[]> {
  const prefix = `test.fidelity.${run}.${++serial}.`;
  const transcript = await runSequence([...given, ...when], {
    prefix,
    connect,
    guide: guideOf(expected, given.length),
    pause,
    isWhole: true,
    patience: expected.length === 0 ? 0 : 2_000,
  });
  const compared: Transcript = transcript.slice(given.length);
  return transcriptLines(compared);
}

/** Lines as a transcript; the first of them is of step `offset`. */
function guideOf(lines: readonly string[], offset: number): Transcript {
  const guide: StepRecord[] = [];
  for (const line of lines) {
    const [, step = '', stream = '', text = ''] = /^(\d+) (.*?): ([^]*)$/.exec(line) ?? [];
    const index = offset + Number(step);
    while (guide.length <= index) guide.push({ label: '', streams: {} });
    const streams = guide[index]?.streams ?? {};
    (streams[stream] ??= []).push(text);
  }
  return guide;
}
