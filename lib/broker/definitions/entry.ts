/** One entry of a section of definitions, of which nothing is believed: what is wrong is noted, and the reading goes on. */
import { maximumFieldDepth, type FieldTable, type FieldValue } from '../../amqp/protocol/index.js';

export class Entry {
  readonly #fields: object;
  readonly #path: string;
  readonly #faults: string[];
  #isFaulty = false;

  constructor(value: unknown, path: string, faults: string[]) {
    this.#path = path;
    this.#faults = faults;
    this.#fields = isObject(value) ? value : {};
    if (isObject(value)) return;
    this.#isFaulty = true;
    faults.push(`${path}: must be an object, not ${kindOf(value)}`);
  }

  get isFaulty(): boolean {
    return this.#isFaulty;
  }

  fault(field: string, problem: string): void {
    this.#isFaulty = true;
    this.#faults.push(`${this.#path}.${field}: ${problem}`);
  }

  has(field: string): boolean {
    return own(this.#fields, field) !== undefined;
  }

  /** A string that has to be there unless `missing` says what stands for it; never repeated in a fault. */
  text(field: string, missing?: string): string {
    const value = own(this.#fields, field) ?? missing;
    if (typeof value === 'string') return value;
    this.fault(field, value === undefined ? 'is missing' : `must be a string, not ${kindOf(value)}`);
    return '';
  }

  /** A name of AMQP's: up to 255 bytes. */
  name(field: string, missing?: string): string {
    const value = this.text(field, missing);
    const length = Buffer.byteLength(value);
    if (length > 255) this.fault(field, `is ${String(length)} bytes long; AMQP allows 255`);
    return value;
  }

  flag(field: string, missing?: boolean): boolean {
    const value = own(this.#fields, field) ?? missing;
    if (typeof value === 'boolean') return value;
    this.fault(field, value === undefined ? 'is missing' : `must be true or false, not ${kindOf(value)}`);
    return false;
  }

  integer(field: string, missing?: number): number {
    const value = own(this.#fields, field) ?? missing;
    if (typeof value === 'number' && Number.isInteger(value)) return value;
    this.fault(field, value === undefined ? 'is missing' : `must be an integer, not ${kindOf(value)}`);
    return 0;
  }

  table(field: string): FieldTable {
    const value = own(this.#fields, field);
    // Older RabbitMQs wrote an empty list for no arguments.
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return {};
    if (isObject(value)) return this.#tableOf(value, field, 0);
    this.fault(field, `must be an object, not ${kindOf(value)}`);
    return {};
  }

  #tableOf(fields: object, path: string, depth: number): FieldTable {
    return Object.fromEntries(
      Object.entries(fields).map(([name, value]: [string, unknown]) => [
        name,
        this.#valueOf(value, `${path}.${name.slice(0, 100)}`, depth + 1),
      ]),
    );
  }

  #valueOf(value: unknown, path: string, depth: number): FieldValue {
    if (depth > maximumFieldDepth) this.fault(path, `nested deeper than ${String(maximumFieldDepth)}`);
    else if (typeof value === 'string' || typeof value === 'boolean') return value;
    else if (typeof value === 'number' && Number.isFinite(value)) return value;
    else if (Array.isArray(value)) {
      return value.map((item: unknown, index) => this.#valueOf(item, `${path}[${String(index)}]`, depth + 1));
    } else if (isObject(value)) return this.#tableOf(value, path, depth);
    else this.fault(path, `must be a string, number, boolean, list or object, not ${kindOf(value)}`);
    return undefined;
  }
}

/** Never what a prototype holds; null is nothing. */
export function own(fields: object, name: string): unknown {
  return Object.hasOwn(fields, name) ? ((fields as Readonly<Record<string, unknown>>)[name] ?? undefined) : undefined;
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}
