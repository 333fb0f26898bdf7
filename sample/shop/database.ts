import { Logger } from '@nestjs/common';
import { Pool } from 'pg';

/** A pool of connections to the service's own database. A connection that is lost while nobody uses it is no reason to end. */
export function openPool(url: string): Pool {
  const pool = new Pool({ connectionString: url, max: 20 });
  const logger = new Logger('Database');
  pool.on('error', ({ message }) => {
    logger.warn(`a connection was lost: ${message}`);
  });
  return pool;
}
