// What can be measured. A suite has modes, and clients that are measured in them side by side:
//
//   name, modes         what the command line and the results call it, and modes by name (see modes.mjs)
//   messageOf           makes the message of `--size` bytes that all send
//   modesFile           the module of the modes: the worker takes `messageOf` from there
//   clients             { name, file, manifest, comparedWith? }: `comparedWith` is the client of ours beside this one
//   messages            default of --messages
//   folder              where its packages are installed, with leveret among them; none: bench/, and dist/ itself
//   title               printed above its tables
//
// Files are URLs.
import { clients } from './clients/index.mjs';
import { messageOf, modes } from './modes.mjs';
import { nestSuites } from './nest/index.mjs';

const clientSuite = {
  name: 'clients',
  modes,
  messageOf,
  modesFile: new URL('./modes.mjs', import.meta.url),
  clients,
  messages: 100_000,
};

/** What is measured without a word, and what the first word asks for. */
export const defaultSuites = [clientSuite];
export const suitesByWord = new Map([['nest', nestSuites], ...nestSuites.map((suite) => [suite.name, [suite]])]);
