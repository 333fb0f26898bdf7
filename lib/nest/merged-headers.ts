/** Headers from several places. */
import type { FieldTable } from '../amqp/index.js';

/** The later ones win; undefined where there are none. */
export function mergedHeaders(...tables: readonly (FieldTable | undefined)[]): FieldTable | undefined {
  const given = tables.filter((table) => table !== undefined && Object.keys(table).length > 0);
  return given.length < 2 ? given[0] : given.reduce((merged, table) => ({ ...merged, ...table }));
}
