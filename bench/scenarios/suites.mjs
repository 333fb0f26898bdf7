// What can be measured side by side. A suite has scenarios, and clients that are measured in them:
//
//   name, title         what the results call it, and what is printed above its tables
//   scenarios           by name (see clients.mjs)
//   messageOf           makes the message of `--size` bytes that all send
//   messageFile         the module that exports it, for the worker
//   clients             { name, file, manifest, role? } (see ../clients/index.mjs)
//   folder              where its packages are installed, with leveret among them; none: bench/, and dist/ itself
//
// Files are URLs.
import { clients } from '../clients/index.mjs';
import { nestSuites } from '../nest/index.mjs';
import { messageOf, scenarios } from './clients.mjs';

export const clientSuite = {
  name: 'clients',
  title: 'Clients',
  scenarios,
  messageOf,
  messageFile: new URL('./clients.mjs', import.meta.url),
  clients,
};

export const suites = [clientSuite, ...nestSuites];
