/** The databases of orders and of mail: for each a schema of this run's own, which is dropped at its end. */
import { Pool } from 'pg';
import { names } from '../names.js';
import type { Ledgers } from './books.js';

const schemas = {
  orders: `${names.run}_orders`.replaceAll('.', '_'),
  mail: `${names.run}_mail`.replaceAll('.', '_'),
} as const;

export class Databases implements Ledgers {
  readonly #url: string;
  readonly #pool: Pool;

  private constructor(url: string) {
    this.#url = url;
    this.#pool = new Pool({ connectionString: url, max: 2 });
    this.#pool.on('error', () => undefined);
  }

  static async create(serverUrl: string): Promise<Databases> {
    const databases = new Databases(serverUrl);
    for (const schema of Object.values(schemas)) await databases.#pool.query(`CREATE SCHEMA ${schema}`);
    return databases;
  }

  /** With which the service sees its own schema alone. */
  urlOf(service: keyof typeof schemas): string {
    const url = new URL(this.#url);
    url.searchParams.set('options', `-c search_path=${schemas[service]}`);
    return url.href;
  }

  async orders(): Promise<string[]> {
    return this.#ids(`SELECT id FROM ${schemas.orders}.orders`);
  }

  async mails(): Promise<string[]> {
    return this.#ids(`SELECT order_id AS id FROM ${schemas.mail}.mails`);
  }

  async drop(): Promise<void> {
    for (const schema of Object.values(schemas)) await this.#pool.query(`DROP SCHEMA ${schema} CASCADE`);
    await this.#pool.end();
  }

  async #ids(statement: string): Promise<string[]> {
    const { rows } = await this.#pool.query<{ id: string }>(statement);
    return rows.map(({ id }) => id);
  }
}
