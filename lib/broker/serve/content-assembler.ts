/**
 * Puts a publish together: method, then header, then as much body as the header announced.
 *
 *   state: idle -> header (basic.publish came) -> body (header came) -> idle
 *
 * Must not know what is done with it. What it holds is bounded by what really arrived, not by what was announced.
 */
import type { MethodFields } from '../../amqp/protocol/index.js';
import { connectionRefusal } from '../store/reply-error.js';
import type { ReceivedPublish } from './publish.js';

const basicClass = 60;
/** Bodies up to this size get their buffer at once; larger ones are joined at the end. */
const preparedBodyLimit = 128 * 1024;
const emptyBody = Buffer.alloc(0);

export class ContentAssembler {
  #fields: MethodFields['basic.publish'] | undefined;
  #encodedProperties: Buffer | undefined;
  #bodySize = 0;
  #received = 0;
  #prepared: Buffer = emptyBody;
  #pieces: Buffer[] = [];

  /** A method came: it must not cut into a content. */
  assertIdle(): void {
    if (!this.#fields) return;
    const expected = this.#encodedProperties
      ? 'expected content body, got non content body frame instead'
      : 'expected content header for class 60, got non content header frame instead';
    throw connectionRefusal('unexpectedFrame', expected);
  }

  begin(fields: MethodFields['basic.publish']): void {
    this.#fields = fields;
  }

  /** Answers the publish when it has no body. */
  header(classId: number, bodySize: number, encodedProperties: Buffer): ReceivedPublish | undefined {
    if (!this.#fields || this.#encodedProperties) {
      throw connectionRefusal('unexpectedFrame', 'expected method frame, got non method frame instead');
    }
    if (classId !== basicClass) {
      throw connectionRefusal(
        'unexpectedFrame',
        `expected content header for class ${basicClass}, got one for class ${classId} instead`,
      );
    }
    this.#encodedProperties = Buffer.from(encodedProperties);
    this.#bodySize = bodySize;
    if (bodySize === 0) return this.#finish(emptyBody);
    if (bodySize <= preparedBodyLimit) this.#prepared = Buffer.allocUnsafe(bodySize);
    return undefined;
  }

  /** Answers the publish when its body, and the frame that ends it, are complete. */
  body(buffer: Buffer, start: number, end: number, isFrameEnd: boolean): ReceivedPublish | undefined {
    if (!this.#fields || !this.#encodedProperties) {
      throw connectionRefusal('unexpectedFrame', 'expected method frame, got non method frame instead');
    }
    const offset = this.#received;
    this.#received += end - start;
    if (this.#received > this.#bodySize) {
      throw connectionRefusal('frameError', 'content body frame exceeds remaining content size');
    }
    if (this.#bodySize <= preparedBodyLimit) {
      buffer.copy(this.#prepared, offset, start, end);
      return isFrameEnd && this.#received === this.#bodySize ? this.#finish(this.#prepared) : undefined;
    }
    this.#pieces.push(buffer.subarray(start, end));
    return isFrameEnd && this.#received === this.#bodySize ? this.#finish(Buffer.concat(this.#pieces)) : undefined;
  }

  #finish(body: Buffer): ReceivedPublish | undefined {
    const fields = this.#fields;
    const encodedProperties = this.#encodedProperties;
    this.#fields = undefined;
    this.#encodedProperties = undefined;
    this.#received = 0;
    this.#prepared = emptyBody;
    this.#pieces = [];
    return fields && encodedProperties && { fields, encodedProperties, body };
  }
}
