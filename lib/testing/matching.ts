/**
 * How what came differs from what was expected, in words. What is expected is a pattern: an object stands for all that have its
 * properties, a regular expression for strings, a function for what it answers true to, and the asymmetric matchers of Jest and
 * Vitest for what they match. Arrays are as long as they say.
 */
import { inspect } from 'node:util';

/** So many differences of one value are told. */
const mostDifferences = 4;
/** Levels of a value that are compared; what is deeper is taken to be equal. */
const deepest = 32;

/** The differences, each with its path; none where it is as expected. */
export function differences(expected: unknown, actual: unknown, path: string): string[] {
  const found: string[] = [];
  compare(expected, actual, path, found, 0);
  return found;
}

function compare(expected: unknown, actual: unknown, path: string, found: string[], depth: number): void {
  if (found.length >= mostDifferences || depth > deepest) return;
  const differ = (): void => {
    found.push(`${path}: expected ${shown(expected)}, was ${shown(actual)}`);
  };
  if (isAsymmetric(expected)) {
    if (!expected.asymmetricMatch(actual)) differ();
  } else if (typeof expected === 'function') {
    if ((expected as (value: unknown) => unknown)(actual) !== true) found.push(`${path}: not ${shown(actual)}`);
  } else if (expected instanceof RegExp) {
    if (typeof actual !== 'string' || !new RegExp(expected).test(actual)) differ();
  } else if (expected instanceof Date) {
    if (!(actual instanceof Date) || actual.getTime() !== expected.getTime()) differ();
  } else if (expected instanceof Uint8Array) {
    if (!(actual instanceof Uint8Array) || Buffer.compare(expected, actual) !== 0) differ();
  } else if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) differ();
    else
      for (const [index, one] of expected.entries()) {
        compare(one, actual[index], `${path}[${String(index)}]`, found, depth + 1);
      }
  } else if (typeof expected === 'object' && expected !== null) {
    if (typeof actual !== 'object' || actual === null || Array.isArray(actual)) differ();
    else
      for (const [name, one] of Object.entries(expected)) {
        const there = Object.hasOwn(actual, name) ? (actual as Readonly<Record<string, unknown>>)[name] : undefined;
        compare(one, there, path === '' ? name : `${path}.${name}`, found, depth + 1);
      }
  } else if (!Object.is(expected, actual)) differ();
}

/** An error by its class, its whole message, a part of it, or a pattern of its properties. */
export function errorDifferences(expected: unknown, actual: unknown): string[] {
  if (expected === undefined) return [];
  const message = actual instanceof Error ? actual.message : undefined;
  const isMet = isErrorClass(expected)
    ? actual instanceof expected
    : typeof expected === 'string'
      ? message?.includes(expected) === true
      : expected instanceof RegExp
        ? message !== undefined && new RegExp(expected).test(message)
        : undefined;
  if (isMet === undefined) return differences(expected, actual, 'error');
  const wanted = isErrorClass(expected) ? expected.name : shown(expected);
  return isMet ? [] : [`error: expected ${wanted}, was ${shownError(actual)}`];
}

function isErrorClass(value: unknown): value is new (...values: never[]) => Error {
  return typeof value === 'function' && (value === Error || value.prototype instanceof Error);
}

/** As Jest and Vitest make them. */
interface AsymmetricMatcher {
  asymmetricMatch(actual: unknown): boolean;
  toAsymmetricMatcher?(): string;
}

function isAsymmetric(value: unknown): value is AsymmetricMatcher {
  return typeof value === 'object' && value !== null && 'asymmetricMatch' in value;
}

/** A value on one line, cut where it is long. */
export function shown(value: unknown): string {
  if (isErrorClass(value)) return value.name;
  if (isAsymmetric(value) && typeof value.toAsymmetricMatcher === 'function') return value.toAsymmetricMatcher();
  const text = inspect(value, {
    depth: 4,
    maxArrayLength: 5,
    maxStringLength: 80,
    breakLength: Infinity,
    compact: true,
    sorted: true,
  });
  return text.length > 200 ? `${text.slice(0, 200)} ...` : text;
}

/** An error without its stack. */
export function shownError(error: unknown): string {
  if (error === undefined) return 'none';
  return error instanceof Error ? `${error.name} ${shown(error.message)}` : shown(error);
}
