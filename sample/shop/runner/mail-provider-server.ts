/**
 * The mail provider: somebody else's server, which nobody kills here. It is busy now and then, and now and then its answer gets
 * lost after it sent the mail. A mail whose key it knows it does not send again.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request in so many is answered with 503; the answer to one in so many is lost. */
const busyEvery = 10;
const lostEvery = 37;

export class MailProviderServer {
  /** The key of each mail that was sent; a mail without one is sent whenever it is asked for. */
  readonly sent: string[] = [];
  readonly #server: Server;
  readonly #known = new Set<string>();
  #requests = 0;
  #busy = 0;
  #lost = 0;
  #repeats = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      request.resume();
      const key = request.headers['idempotency-key'];
      this.#requests += 1;
      if (this.#requests % busyEvery === 0) {
        this.#busy += 1;
        response.writeHead(503).end();
        return;
      }
      this.#send(typeof key === 'string' ? key : undefined);
      if (this.#requests % lostEvery === 0) {
        this.#lost += 1;
        request.socket.destroy();
        return;
      }
      response.writeHead(202).end();
    });
  }

  static async start(): Promise<MailProviderServer> {
    const provider = new MailProviderServer();
    provider.#server.listen(0, '127.0.0.1');
    await once(provider.#server, 'listening');
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  /** For people. */
  get description(): string {
    const counts = `${String(this.#busy)} busy, ${String(this.#lost)} answers lost, ${String(this.#repeats)} repeats`;
    return `the mail provider was asked ${String(this.#requests)} times: ${counts}, ${String(this.sent.length)} mails sent`;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #send(key: string | undefined): void {
    if (key !== undefined && this.#known.has(key)) {
      this.#repeats += 1;
      return;
    }
    if (key !== undefined) this.#known.add(key);
    this.sent.push(key ?? 'without a key');
  }
}
