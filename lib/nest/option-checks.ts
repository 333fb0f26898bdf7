/** Checks of options objects: every fault is named, unknown options included. Knows no decorator and no module. */

/** What is wrong with a value, or undefined. */
export type Check = (value: unknown) => string | undefined;

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isBoolean: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');

export const isName: Check = (value) => {
  if (typeof value !== 'string') return 'must be a string';
  return Buffer.byteLength(value) <= 255 ? undefined : 'is over 255 bytes long';
};

export const isFilledName: Check = (value) => (value === '' ? 'must not be empty' : isName(value));

export const isTable: Check = (value) => (isRecord(value) ? undefined : 'must be an object');

export const isFunction: Check = (value) => (typeof value === 'function' ? undefined : 'must be a function');

export const isList: Check = (value) => (Array.isArray(value) ? undefined : 'must be a list');

/** A whole number between the two. */
export function isWhole(minimum: number, maximum: number): Check {
  return (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum
      ? undefined
      : `must be a whole number from ${String(minimum)} to ${String(maximum)}`;
}

/** The longest delay that Node's timers take. */
export const isMilliseconds = isWhole(0, 0x7fff_ffff);

export function isOneOf(...values: readonly unknown[]): Check {
  const names = values.map((value) => (typeof value === 'string' ? `'${value}'` : String(value))).join(', ');
  return (value) => (values.includes(value) ? undefined : `must be one of ${names}`);
}

/** All faults of an options object; `undefined` counts as absent. */
export function faultsOf(given: unknown, checks: Readonly<Record<string, Check>>, prefix = ''): string[] {
  if (!isRecord(given)) return [`${prefix === '' ? 'the options' : prefix.slice(0, -1)} must be an object`];
  const faults: string[] = [];
  for (const [name, value] of Object.entries(given)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (!check) faults.push(`unknown option "${prefix}${name}" (known: ${Object.keys(checks).join(', ')})`);
    else if (value !== undefined) {
      const problem = check(value);
      if (problem !== undefined) faults.push(`option "${prefix}${name}" ${problem}`);
    }
  }
  return faults;
}
